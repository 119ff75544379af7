//! Bytes to messages: cut anywhere, of any size, and hostile.

use bytes::Bytes;
use proptest::prelude::*;

use crate::qi::endpoint::Budget;
use crate::qi::endpoint::decoder::{Decoder, Incoming, Refused};
use crate::qi::message::{HEADER_SIZE, HeaderError, Message};

const LIMIT: u32 = 1 << 20;

/// Feeds bytes in pieces of the given lengths (the last one for the rest), partly through the room for large payloads.
fn decode(bytes: &[u8], cuts: &[usize]) -> Result<(Vec<Message>, Decoder), HeaderError> {
    let (incoming, decoder) = decode_within(&Budget::default(), bytes, cuts)?;
    let message = |incoming| match incoming {
        Incoming::Message(message) => message,
        Incoming::Refused(refused) => panic!("{refused:?}"),
    };
    Ok((incoming.into_iter().map(message).collect(), decoder))
}

fn decode_within(budget: &Budget, bytes: &[u8], cuts: &[usize]) -> Result<(Vec<Incoming>, Decoder), HeaderError> {
    let mut decoder = Decoder::new(budget.account());
    let mut messages = Vec::new();
    let mut rest = bytes;
    let mut cuts = cuts.iter().copied().chain(std::iter::repeat(usize::MAX));
    while !rest.is_empty() {
        let count = cuts.next().unwrap().clamp(1, rest.len());
        let taken = match decoder.room().unwrap() {
            Some(room) => {
                let count = count.min(room.len());
                room[..count].copy_from_slice(&rest[..count]);
                decoder.filled(count);
                count
            }
            None => {
                decoder.feed(&rest[..count]).unwrap();
                count
            }
        };
        rest = &rest[taken..];
        while let Some(message) = decoder.next(LIMIT)? {
            messages.push(message);
        }
    }
    Ok((messages, decoder))
}

fn stream(sizes: &[usize]) -> (Vec<Message>, Vec<u8>) {
    let payload = |size: usize| -> Bytes { (0..size).map(|at| at as u8).collect() };
    let make = |(id, size): (usize, &usize)| Message::call(id as u32, 2, 1, 100, payload(*size));
    let messages: Vec<_> = sizes.iter().enumerate().map(make).collect();
    let bytes = messages.iter().flat_map(|message| message.encode().unwrap()).collect();
    (messages, bytes)
}

#[test]
fn messages_survive_being_cut_at_every_byte() {
    let (messages, bytes) = stream(&[0, 5, 0, 300]);
    for cut in 1..bytes.len() {
        let (got, decoder) = decode(&bytes, &[cut]).unwrap();
        assert_eq!(got, messages, "cut at {cut}");
        assert!(!decoder.is_amid());
        let (got, decoder) = decode(&bytes[..cut], &[]).unwrap();
        let whole = messages.iter().scan(0, |end, message| {
            *end += HEADER_SIZE + message.payload.len();
            Some(*end)
        });
        let ends: Vec<usize> = whole.collect();
        assert_eq!(got.len(), ends.iter().filter(|end| **end <= cut).count());
        assert_eq!(decoder.is_amid(), !ends.contains(&cut), "the end at {cut} is clean between messages only");
    }
}

#[test]
fn large_messages_are_gathered() {
    let (messages, bytes) = stream(&[70_000, 3, 200_000, 15_000, 0]);
    for piece in [1000, 1024, 65_536, usize::MAX] {
        let (got, _) = decode(&bytes, &vec![piece; 500]).unwrap();
        assert!(got == messages, "pieces of {piece}");
    }
}

#[test]
fn faults_are_seen_as_soon_as_their_bytes_are_there() {
    let (_, good) = stream(&[0]);
    let mut bad = good.clone();
    bad[3] ^= 1;
    let fault = decode(&bad[..4], &[1, 1, 1]).unwrap_err();
    assert!(matches!(fault, HeaderError::Magic(_)));
    assert!(decode(&bad[..3], &[]).is_ok());
    let alert = decode(b"\x15\x03\x01\x00\x02\x02\x46", &[]).unwrap_err();
    assert!(alert.to_string().contains("tcps"), "{alert}");
    for (size, wrong) in [(LIMIT, false), (LIMIT + 1, true), (u32::MAX, true)] {
        let mut header = good.clone();
        header[8..12].copy_from_slice(&size.to_le_bytes());
        assert!(decode(&header[..27], &[]).is_ok());
        assert_eq!(
            decode(&header, &[]).err(),
            wrong.then_some(HeaderError::TooLarge { size: size.into(), limit: LIMIT })
        );
    }
}

#[test]
fn what_is_announced_costs_nothing() {
    let header = Message::call(1, 2, 1, 100, Bytes::new()).header.encode(50_000_000);
    let mut decoder = Decoder::new(Budget::default().account());
    decoder.feed(&header).unwrap();
    assert_eq!(decoder.next(u32::MAX), Ok(None));
    let mut largest = 0;
    let mut had = 0;
    while had < 4_000_000 {
        let room = decoder.room().unwrap().unwrap().len();
        largest = largest.max(room);
        assert!(room <= had.max(64 * 1024), "{room} bytes of room for {had} that have come");
        decoder.filled(room);
        had += room;
        assert_eq!(decoder.next(u32::MAX), Ok(None));
    }
    assert!(largest >= 1_000_000, "it doubles");
}

#[test]
fn long_payloads_share_the_block_and_short_ones_do_not_keep_it() {
    let (_, bytes) = stream(&[3000, 3000, 10]);
    let (got, _) = decode(&bytes, &[]).unwrap();
    let gap = got[1].payload.as_ptr().addr() - got[0].payload.as_ptr().addr();
    assert_eq!(gap, 3000 + HEADER_SIZE, "views of one block");
    assert!(got[2].payload.as_ptr().addr().abs_diff(got[1].payload.as_ptr().addr()) != gap);
    // A mailbox counts the payload, so that must be about what it keeps in memory.
    let (_, bytes) = stream(&[300, 20_000]);
    let (got, _) = decode(&bytes, &[]).unwrap();
    let apart = got[1].payload.as_ptr().addr().wrapping_sub(got[0].payload.as_ptr().addr());
    assert!(apart != 300 + HEADER_SIZE, "300 bytes that keep 20,000");
}

#[test]
fn a_payload_that_the_budget_has_no_room_for_is_passed_over() {
    let (messages, bytes) = stream(&[10, 500_000, 20, 100_000, 30]);
    let budget = Budget::new(600_000);
    for cuts in [&[60_000; 12][..], &[37, 100, 70_000, 1, 1, 65_536], &[64 * 1024; 12]] {
        let (got, decoder) = decode_within(&budget, &bytes, cuts).unwrap();
        let mut expected: Vec<_> = messages.iter().cloned().map(Incoming::Message).collect();
        expected[1] = Incoming::Refused(Refused { header: messages[1].header, size: 500_000 });
        assert!(got == expected, "more than half of the budget, after {cuts:?}");
        assert!(!decoder.is_amid());
        drop(decoder);
        assert_eq!(budget.used(), 0);
    }
    let (_, decoder) = decode_within(&budget, &bytes[..60_000], &[]).unwrap();
    assert!(budget.used() > 0, "what has come of a message that is not whole");
    drop(decoder);
    assert_eq!(budget.used(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_stream_in_any_pieces(
        sizes in prop::collection::vec(prop_oneof![0usize..40, 250usize..270, 4000usize..5000, 16_000usize..90_000], 1..8),
        cuts in prop::collection::vec(prop_oneof![1usize..60, 1000usize..70_000], 0..40),
    ) {
        let (messages, bytes) = stream(&sizes);
        let (got, decoder) = decode(&bytes, &cuts).unwrap();
        prop_assert!(got == messages);
        prop_assert!(!decoder.is_amid());
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200), cuts in prop::collection::vec(1usize..50, 0..9)) {
        let _ = decode(&bytes, &cuts);
        let mut framed = 0x42ad_de42u32.to_le_bytes().to_vec();
        framed.extend(&bytes);
        let _ = decode(&framed, &cuts);
    }
}
