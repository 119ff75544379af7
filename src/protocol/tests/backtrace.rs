//! Parsing of headers: words in front of the body, wherever an inproc peer may have cut them.

use proptest::prelude::*;

use crate::core::message::INLINE;
use crate::core::{Header, Message, PipeId};
use crate::protocol::backtrace::{Origins, RequestIds, TOP, split_reply, split_request};

fn message(header: &[u8], body: &[u8]) -> Message<'static> {
    Message { header: Header::from_slice(header), ..Message::copy_of(body).unwrap() }
}

/// What [`split_request`] makes of a message, if it likes it.
fn request(mut message: Message<'static>, max_ttl: u8) -> Option<Message<'static>> {
    split_request(&mut message, max_ttl).ok().map(|()| message)
}

fn reply(mut message: Message<'static>) -> Option<Message<'static>> {
    split_reply(&mut message).ok().map(|()| message)
}

/// The header of an empty message that came on this pipe.
fn header_from(origins: &Origins, pipe: PipeId) -> Option<Header> {
    let mut header = Header::new();
    origins.push_key(pipe, &mut header).then_some(header)
}

/// `hops` words without the top bit, then one with it.
fn payload(hops: usize) -> Vec<u8> {
    let mut bytes = vec![0; 4 * hops];
    bytes.extend([0x80, 0, 0, 1]);
    bytes
}

#[test]
fn the_hop_limit_counts_the_id() {
    for (words, max_ttl, accepted) in [(7, 8, true), (8, 8, true), (9, 8, false), (1, 1, true), (2, 1, false)] {
        let bytes = payload(words - 1);
        assert_eq!(request(message(b"", &bytes), max_ttl).is_some(), accepted, "{words} of {max_ttl}");
        assert_eq!(request(message(&bytes, b""), max_ttl).is_some(), accepted, "{words} of {max_ttl}");
    }
}

#[test]
fn the_backtrace_ends_with_the_first_top_bit() {
    let request = request(message(b"", b"\0\0\0\x01\x80\0\0\x02\x80\0\0\x03rest"), 8).unwrap();
    assert_eq!(request.header.as_slice(), b"\0\0\0\x01\x80\0\0\x02");
    assert_eq!(request.body.bytes(), b"\x80\0\0\x03rest");
}

#[test]
fn a_header_that_is_the_backtrace_costs_no_copy() {
    for split in [|message| request(message, 8), reply] {
        let message = message(b"\x80\0\0\x02", &[7; INLINE + 1]);
        let address = message.body.bytes().as_ptr();
        assert_eq!(split(message).unwrap().body.bytes().as_ptr(), address);
    }
}

#[test]
fn ids_count_up_and_carry_the_top_bit() {
    let mut ids = RequestIds::new(0x5a10_8844);
    assert_eq!((ids.advance(), ids.advance()), (0xda10_8845, 0xda10_8846));
    let mut last = RequestIds::new(u64::from(u32::MAX));
    assert_eq!(last.advance(), TOP);
}

#[test]
fn keys_count_up_without_the_top_bit() {
    // The first key is the greatest, so the second one wraps.
    let mut origins = Origins::new(u64::MAX);
    let mut keys = Vec::new();
    for pipe in [PipeId(0), PipeId(1)] {
        origins.attach(pipe);
        keys.push(header_from(&origins, pipe).unwrap().to_vec());
    }
    assert_eq!(keys, [[0x7f, 0xff, 0xff, 0xff], [0, 0, 0, 0]]);
}

#[test]
fn a_key_does_not_outlive_its_pipe() {
    let mut origins = Origins::new(0);
    origins.attach(PipeId(0));
    origins.set_writable(PipeId(0), true);
    let old = header_from(&origins, PipeId(0)).unwrap();
    assert_eq!(origins.pop_key(&mut old.clone()), Some((PipeId(0), true)));
    origins.set_writable(PipeId(0), false);
    assert_eq!(origins.pop_key(&mut old.clone()), Some((PipeId(0), false)));
    origins.set_writable(PipeId(0), true);
    origins.hangup(PipeId(0));
    assert_eq!(origins.pop_key(&mut old.clone()), None, "hung up");
    assert!(header_from(&origins, PipeId(0)).is_some(), "what came from it has its key");
    origins.detach(PipeId(0));
    origins.attach(PipeId(0));
    origins.set_writable(PipeId(0), true);
    assert_eq!(origins.pop_key(&mut old.clone()), None, "the pipe's successor");
}

/// protocols.md 2.5 word by word: the length of the backtrace.
fn model_len(bytes: &[u8], max_ttl: usize) -> Option<usize> {
    let mut end = 0;
    for words in 1..=max_ttl {
        end += 4;
        let word = bytes.get(end - 4..end)?;
        if word[0] & 0x80 != 0 {
            assert_eq!(words * 4, end);
            return Some(end);
        }
    }
    None
}

/// Bytes whose words have the top bit now and then, cut in two anywhere.
fn cut_bytes() -> impl Strategy<Value = (Vec<u8>, usize)> {
    let byte = prop_oneof![8 => 0..0x80_u8, 1 => any::<u8>()];
    prop::collection::vec(byte, 0..60).prop_flat_map(|bytes| {
        let len = bytes.len();
        (Just(bytes), 0..=len)
    })
}

proptest! {
    #[test]
    fn requests_are_split_like_the_model((bytes, cut) in cut_bytes(), max_ttl in 1..12_u8) {
        let request = request(message(&bytes[..cut], &bytes[cut..]), max_ttl);
        match (request, model_len(&bytes, usize::from(max_ttl))) {
            (Some(request), Some(len)) => {
                prop_assert_eq!(request.header.as_slice(), &bytes[..len]);
                prop_assert_eq!(request.body.bytes(), &bytes[len..]);
            }
            (request, len) => prop_assert_eq!(request.is_some(), len.is_some()),
        }
    }

    #[test]
    fn replies_are_split_after_one_word((bytes, cut) in cut_bytes()) {
        let reply = reply(message(&bytes[..cut], &bytes[cut..]));
        prop_assert_eq!(reply.is_some(), bytes.len() >= 4);
        if let Some(reply) = reply {
            prop_assert_eq!(reply.header.as_slice(), &bytes[..4]);
            prop_assert_eq!(reply.body.bytes(), &bytes[4..]);
        }
    }
}
