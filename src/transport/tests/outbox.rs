//! The outbox by itself: bytes keep their order whoever appends and flushes when.

use std::io::ErrorKind;

use proptest::prelude::*;

use crate::core::{Body, Header, Message};
use crate::transport::framing::PrefixBytes;
use crate::transport::outbox::{Batch, COALESCED, Outbox};
use crate::transport::stream::Stream;

use super::fake::{Fake, bodies};

/// What may happen to an outbox, in any order.
#[derive(Clone, Debug)]
enum Step {
    /// A message with a header of so many bytes and a body of so many, shared or not.
    Push(usize, usize, bool),
    /// Written at once if nothing is pending, as on a quiet pipe.
    Write(usize),
    StartFlush,
    /// The kernel takes so much, and the flush under way ends.
    FinishFlush(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![0..20_usize, 0..20_000_usize, Just(COALESCED - 8), Just(COALESCED - 7)];
    let step = prop_oneof![
        4 => (0..20_usize, size.clone(), any::<bool>()).prop_map(|(header, body, shared)| Step::Push(header, body, shared)),
        1 => size.clone().prop_map(Step::Write),
        2 => Just(Step::StartFlush),
        2 => prop_oneof![0..100_usize, 0..100_000_usize].prop_map(Step::FinishFlush),
    ];
    prop::collection::vec(step, 0..60)
}

fn finish(outbox: &mut Outbox, mut batch: Batch, fake: &Fake, room: usize) {
    fake.script().room = room;
    let (written, full) = batch.write(fake as &dyn Stream).unwrap();
    assert!(written <= room && (!full || written == room));
    outbox.finish_flush(batch, written);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn bytes_leave_in_the_order_in_which_they_came(steps in steps()) {
        let (mut outbox, fake) = (Outbox::default(), Fake::default());
        let (mut expected, mut flush) = (Vec::new(), None);
        for (number, step) in steps.into_iter().enumerate() {
            let prefix = PrefixBytes::of((number as u64).to_be_bytes());
            match step {
                Step::Push(header, size, shared) => {
                    let body = bodies(&[size]).remove(0);
                    let header = vec![number as u8; header];
                    let mut message = Message { header: Header::from_slice(&header), ..Message::new(Body::Borrowed(&body)) };
                    if shared {
                        message.body.share().unwrap();
                    }
                    expected.extend([&prefix[..], &header, &body].concat());
                    let again = number % 2 == 0;
                    outbox.push(&prefix, &mut message, again).unwrap();
                    prop_assert!(!again || message.body.bytes() == body);
                }
                Step::Write(size) if outbox.is_empty() => {
                    let body = bodies(&[size]).remove(0);
                    expected.extend([&prefix[..], &body].concat());
                    fake.script().room = size / 2;
                    outbox.write(&fake, &prefix, &mut Message::new(Body::Borrowed(&body)), false).unwrap();
                }
                Step::StartFlush if flush.is_none() => flush = outbox.start_flush(),
                Step::FinishFlush(room) => {
                    if let Some(batch) = flush.take() {
                        finish(&mut outbox, batch, &fake, room);
                    }
                }
                _ => {}
            }
            prop_assert_eq!(outbox.is_flushing(), flush.is_some());
            if flush.is_none() {
                prop_assert_eq!(outbox.pending(), expected.len() - fake.script().written.len());
            }
        }
        if let Some(batch) = flush {
            finish(&mut outbox, batch, &fake, 0);
        }
        while let Some(batch) = outbox.start_flush() {
            finish(&mut outbox, batch, &fake, usize::MAX);
        }
        prop_assert!(outbox.is_empty());
        prop_assert!(fake.script().written == expected);
    }
}

#[test]
fn a_fault_is_told_and_a_full_kernel_is_not_one() {
    let (mut outbox, fake) = (Outbox::default(), Fake::default());
    fake.script().fail = Some((1, ErrorKind::BrokenPipe));
    assert!(outbox.write(&fake, &PrefixBytes::of(*b"p"), &mut Message::default(), false).is_err());
    fake.script().room = 0;
    outbox.write(&fake, &PrefixBytes::of(*b"prefix"), &mut Message::default(), false).unwrap();
    assert_eq!(outbox.pending(), 6);
}

#[test]
fn clearing_forgets_what_no_flush_has_taken() {
    let (mut outbox, fake) = (Outbox::default(), Fake::default());
    outbox.push(&PrefixBytes::of(*b"taken"), &mut Message::default(), false).unwrap();
    let batch = outbox.start_flush().unwrap();
    outbox.push(&PrefixBytes::of(*b"waiting"), &mut Message::default(), false).unwrap();
    outbox.clear();
    finish(&mut outbox, batch, &fake, usize::MAX);
    assert!(outbox.is_empty());
    assert_eq!(fake.script().written, b"taken");
}
