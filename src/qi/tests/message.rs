use super::*;

fn header() -> Header {
    Header { flags: Flags(0xf3), version: 7, ..Header::new(Type::Call, 1, 2, 3, 0xffff_fffe) }
}

#[test]
fn a_header_survives_the_way_there_and_back() {
    let bytes = header().encode(9);
    assert_eq!(bytes[..12], [0x42, 0xde, 0xad, 0x42, 1, 0, 0, 0, 9, 0, 0, 0]);
    assert_eq!(bytes[12..], [7, 0, 1, 0xf3, 2, 0, 0, 0, 3, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff]);
    assert_eq!(Header::parse(&bytes, 9), Ok((header(), 9)));
}

#[test]
fn headers_are_refused_with_a_reason() {
    let bytes = header().encode(9);
    assert_eq!(Header::parse(&bytes[..27], 9), Err(HeaderError::Short(27)));
    assert_eq!(Header::parse(&bytes, 8), Err(HeaderError::TooLarge { size: 9, limit: 8 }));
    let refused = Header::parse(b"\x16\x03\x01\x02 and whatever else TLS says", 9).unwrap_err();
    assert_eq!(refused, HeaderError::Magic(0x0201_0316));
    assert!(refused.to_string().contains("tcps"), "{refused}");
    // Bad magic comes first: the size of something that is no header means nothing.
    assert!(matches!(Header::parse(&[0xff; 28], 9), Err(HeaderError::Magic(_))));
}

#[test]
fn every_byte_is_a_type() {
    for byte in 0..=255 {
        assert_eq!(Type::from_byte(byte).byte(), byte);
        assert_eq!(matches!(Type::from_byte(byte), Type::Unknown(_)), byte > 8);
    }
    assert_eq!(Type::from_byte(7), Type::Cancel);
}

#[test]
fn answers_copy_the_address_of_the_call_and_not_its_flags() {
    let call = header();
    for (answer, ty) in [
        (Message::reply_to(&call, Bytes::from_static(b"x")), Type::Reply),
        (Message::error_to(&call, "boom"), Type::Error),
        (Message::canceled_to(&call), Type::Canceled),
    ] {
        assert_eq!(answer.header, Header { ty, flags: Flags::NONE, version: VERSION, ..call });
    }
    assert_eq!(Message::error_to(&call, "boom").error_text().as_deref(), Some("boom"));
}

#[test]
fn a_cancel_names_its_call_in_either_form() {
    let cancel = Message::cancel(77, &header());
    assert_eq!(cancel.header, Header::new(Type::Cancel, 77, 2, 3, 0));
    assert_eq!(cancel.canceled_id(), 1);
    assert_eq!(Message { payload: Bytes::new(), ..cancel }.canceled_id(), 77);
}

#[test]
fn error_payloads_of_other_forms_have_no_text() {
    for payload in [&b""[..], b"\x04\0\0\0boom", b"\x01\0\0\0i\x01\0\0\0", b"\x01\0\0\0s\xff\xff\xff\xffboom"] {
        let error = Message { payload: Bytes::copy_from_slice(payload), ..Message::error_to(&header(), "") };
        assert_eq!(error.error_text(), None);
    }
    let long = "é".repeat(40_000);
    let cut = Message::error_to(&header(), &long);
    assert_eq!(cut.error_text().map(|text| text.len()), Some(64 * 1024));
}

#[test]
fn clones_share_the_payload() {
    let message = Message::event(5, 2, 1, 122, Bytes::from(vec![1; 100]));
    assert_eq!(message.clone().payload.as_ptr(), message.payload.as_ptr());
    let encoded = message.encode().unwrap();
    let (header, size) = Header::parse(&encoded, 100).unwrap();
    assert_eq!((header, size), (message.header, 100));
    assert_eq!(encoded[HEADER_SIZE..], message.payload);
}
