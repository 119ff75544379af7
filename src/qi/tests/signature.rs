use proptest::prelude::*;

use super::*;

const INFO: &str = "(sIsI[s]ss)<ServiceInfo,name,serviceId,machineId,processId,endpoints,sessionId,objectUid>";

fn parse(text: &str) -> Signature {
    Signature::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_type_comes_back_as_its_text() {
    for text in ["bcCwWiIlLfdsrmovX_", "", "[i]{s[m]}((ii)s)", "+i#m~s[+(i)]", INFO, "i<a note>{s<k>i<v>}<<>>"] {
        let text = format!("({text})");
        assert_eq!(parse(&text).to_string(), text);
    }
    assert_eq!(parse("({si}<x>(i)<P,a>)").bare(), "({si}(i))");
}

#[test]
fn equality_does_not_see_annotations() {
    assert_eq!(parse(INFO), parse("(sIsI[s]ss)"));
    assert_ne!(parse("(sIsI[s]s)"), parse("(sIsI[s]ss)"));
    assert_ne!(parse("#m"), parse("[m]"));
    assert_ne!(parse("c"), parse("C"));
}

#[test]
fn structs_tell_their_names() {
    let info = parse(INFO);
    assert_eq!(info.struct_name(), Some("ServiceInfo"));
    assert_eq!(info.field_names().unwrap()[6], "objectUid");
    let nested = parse("(ff)<ValueConfidence<float,int>,value,confidence>");
    assert_eq!(nested.struct_name(), Some("ValueConfidence<float,int>"));
    assert_eq!(nested.field_names().unwrap(), ["value", "confidence"]);
    assert_eq!(parse("(ii)<Point,x>").field_names(), None, "one name for two members");
    assert_eq!(parse("(ii)<Point>").struct_name(), Some("Point"));
    assert_eq!(parse("i<Point,x>").struct_name(), None, "only tuples are structs");
    assert_eq!(parse("(ii)").struct_name(), None);
}

#[test]
fn errors_name_the_place() {
    for (text, position, reason) in [
        ("", 0, Reason::Empty),
        ("ii", 1, Reason::Trailing),
        ("[i", 2, Reason::Unclosed(']')),
        ("[ii]", 2, Reason::Unclosed(']')),
        ("[", 1, Reason::Ended),
        ("[]", 1, Reason::UnknownType(b']')),
        ("{s}", 2, Reason::UnknownType(b'}')),
        ("{ssi}", 3, Reason::Unclosed('}')),
        ("(i", 2, Reason::Unclosed(')')),
        ("(i i)", 2, Reason::UnknownType(b' ')),
        ("*i", 0, Reason::UnknownType(b'*')),
        ("(i)<a<b>", 8, Reason::Unclosed('>')),
        ("i>", 1, Reason::Trailing),
        ("+", 1, Reason::Ended),
        ("i<a><b>", 4, Reason::Trailing),
    ] {
        assert_eq!(Signature::parse(text), Err(SignatureError { position, reason }), "{text}");
    }
    assert_eq!(Signature::parse(b"(i)<\xff>").unwrap_err().reason, Reason::NotText);
    assert_eq!(Signature::parse("[i").unwrap_err().to_string(), "']' is missing at byte 2");
}

#[test]
fn limits_hold() {
    let nested = |depth: usize| format!("{}i{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Signature::parse(nested(MAX_DEPTH)).is_ok());
    assert_eq!(Signature::parse(nested(MAX_DEPTH + 1)).unwrap_err().reason, Reason::TooDeep);
    for opening in ["[", "(", "{s", "+", "#", "~"] {
        assert!(Signature::parse(opening.repeat(10_000)).is_err());
    }
    let wide = |count: usize| format!("({})", "i".repeat(count));
    assert!(Signature::parse(wide(MAX_TEXT - 2)).is_ok());
    assert_eq!(Signature::parse(wide(MAX_TEXT)).unwrap_err().reason, Reason::TooLong);
}

#[test]
fn sizes_are_known() {
    for (text, size, plain) in [
        ("v", 0, true),
        ("(cCwWiIlLfd)", 42, true),
        ("(b)", 1, false),
        ("[L]", 4, false),
        ("+L", 1, false),
        ("(sm)", 8, false),
        ("(v()_)", 0, true),
        ("X", 0, false),
    ] {
        assert_eq!((parse(text).min_size(), parse(text).is_plain()), (size, plain), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "[\\[\\](){}<>+#~bcCwWiIlLfdsrmovX_*a,é]{0,40}") {
        if let Ok(signature) = Signature::parse(&text) {
            prop_assert_eq!(signature.to_string(), &text[..]);
            prop_assert_eq!(Signature::parse(signature.bare()).unwrap(), signature);
        }
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Err(error) = Signature::parse(&bytes) {
            prop_assert!(error.position <= bytes.len());
        }
    }
}
