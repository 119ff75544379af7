//! Which method is meant. The answers in the tables are those of the genuine library.

use crate::qi::convert::{ResolveError, resolve, score};
use crate::qi::meta::{Builder, MetaObject};
use crate::qi::signature::Signature;
use crate::qi::value::Value;

fn of(text: &str) -> Signature {
    Signature::parse(text).unwrap()
}

fn object(parameters: &[&str]) -> MetaObject {
    let mut builder = Builder::new();
    for parameters in parameters {
        builder.method("f", parameters, "v");
    }
    builder.build().unwrap()
}

fn list(items: Vec<Value>) -> Value {
    Value::list(of("m"), items.into_iter().map(Value::into_dynamic).collect())
}

/// `-` for no match, `?` for a tie.
fn chosen(parameters: &[&str], argument: Value) -> String {
    // The way Python passes arguments.
    match resolve(&object(parameters), "f", &[argument.into_dynamic()]) {
        Ok(method) => method.parameters_signature.0.to_string(),
        Err(ResolveError::Arguments { .. }) => "-".into(),
        Err(ResolveError::Ambiguous { .. }) => "?".into(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn overloads_are_chosen_as_the_genuine_library_does() {
    let arguments = || {
        let pair = Value::tuple(vec![1_i64.into(), 2_i64.into()]);
        [
            true.into(),
            1_i64.into(),
            1.5.into(),
            "x".into(),
            list(vec![1_i64.into()]),
            list(vec!["a".into()]),
            list(vec![1_i64.into(), "a".into()]),
            list(vec![]),
            pair,
            Value::Void,
        ]
    };
    for (parameters, expected) in [
        (&["(b)", "(i)"][..], "? (i) (i) - - - - - - -"),
        (&["(r)", "(i)"], "(i) (i) (i) - - - - - - -"),
        (&["([i])", "(s)"], "- - - (s) ([i]) - - - - -"),
        (&["([i])", "([s])"], "- - - - ([i]) ([s]) - - - -"),
        (&["([i])", "([m])"], "- - - - ([i]) ([m]) ([m]) ([m]) - -"),
        (&["(m)", "(i)"], "(m) (m) (m) (m) (m) (m) (m) (m) (m) (m)"),
        (&["(d)", "(i)"], "(i) (i) (d) - - - - - - -"),
        (&["(d)", "(c)"], "(c) (c) (d) - - - - - - -"),
        (&["(l)", "(i)"], "? ? ? - - - - - - -"),
        (&["(d)", "(s)"], "(d) (d) (d) (s) - - - - - -"),
        (&["((ii))", "([i])"], "- - - - ([i]) - - - ((ii)) -"),
        (&["(i)", "(s)", "(ii)"], "(i) (i) (i) (s) - - - - - -"),
    ] {
        let answers: Vec<_> = arguments().into_iter().map(|argument| chosen(parameters, argument)).collect();
        assert_eq!(answers.join(" "), expected, "{parameters:?}");
    }
}

#[test]
fn one_candidate_is_taken_whatever_the_types() {
    let meta = object(&["(i)", "(ii)"]);
    let method = resolve(&meta, "f", &["x".into()]).unwrap();
    assert_eq!(method.parameters_signature.0, "(i)");
    let three = [1_i32.into(), 2_i32.into(), 3_i32.into()];
    let error = resolve(&meta, "f", &three).unwrap_err();
    assert_eq!(error.to_string(), "f takes (i) or (ii), and not (iii)");
    assert_eq!(resolve(&object(&["m"]), "f", &three).unwrap().uid, 100);
}

#[test]
fn names_may_be_full() {
    let meta = object(&["(i)", "(s)"]);
    assert_eq!(resolve(&meta, "f::(s)", &[1_i32.into()]).unwrap().uid, 101);
    for name in ["f::(d)", "g", "g::(i)"] {
        assert_eq!(resolve(&meta, name, &[1_i32.into()]), Err(ResolveError::Unknown(name.into())));
    }
}

#[test]
fn methods_of_nonsense_are_passed_over() {
    let mut meta = object(&["(i)"]);
    let mut bad = meta.methods[&100].clone();
    bad.uid = 101;
    bad.parameters_signature.0 = "(i".into();
    meta.methods.insert(101, bad);
    assert_eq!(resolve(&meta, "f", &[1_i32.into()]).unwrap().uid, 100);
    assert!(
        meta.methods[&101]
            .parameters_type()
            .unwrap_err()
            .to_string()
            .contains("method 101 \"f\": invalid signature \"(i\"")
    );
}

#[test]
fn scores_are_those_of_the_specification() {
    for (from, to, expected) in [
        ("i", "i", 1.0),
        ("c", "L", 1.0),
        ("f", "d", 1.0),
        ("i", "m", 0.95),
        ("m", "m", 1.0),
        ("m", "i", 0.0),
        ("i", "d", 0.98),
        ("d", "i", 0.97),
        ("i", "b", 0.96),
        ("d", "b", 0.96),
        ("b", "i", 1.0),
        ("i", "X", 0.90),
        ("s", "v", 1.0),
        ("v", "s", 0.0),
        ("s", "r", 0.0),
        ("r", "s", 0.0),
        ("s", "i", 0.0),
        ("[i]", "[d]", 1.0 - 0.95 * 0.02),
        ("[i]", "#d", 1.0 - 0.95 * 0.02),
        ("[i]", "[s]", 0.0),
        ("[i]", "(i)", 0.0),
        ("[m]", "[i]", 0.0),
        ("(ii)", "(dd)", (1.0 - 0.95 * 0.02) * (1.0 - 0.95 * 0.02)),
        ("(ii)", "(i)", 0.0),
        ("(ii)<P,x,y>", "(i)<P,x>", 0.1),
        ("(ii)<P,x,y>", "(i)<Q,x>", 0.0),
        ("i", "+d", 0.98),
        ("v", "+d", 1.0),
        ("+i", "i", 0.0),
    ] {
        let score = score(&of(from), &of(to));
        assert!((score - expected).abs() < 1e-12, "{from} -> {to}: {score}, expected {expected}");
    }
}
