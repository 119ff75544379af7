//! The outgoing queue by itself: order, bounds, the reserve.

use bytes::Bytes;
use proptest::prelude::*;

use crate::qi::endpoint::Budget;
use crate::qi::endpoint::budget::QUANTUM;
use crate::qi::endpoint::outgoing::Outgoing;
use crate::qi::message::{HEADER_SIZE, Message};

fn outgoing(limit: usize, reserve: usize) -> Outgoing {
    Outgoing::new(limit, reserve, Budget::default().account())
}

fn message(id: u32, size: usize) -> Message {
    Message::post(id, 2, 1, 100, vec![id as u8; size].into())
}

fn push(queue: &mut Outgoing, message: &Message) {
    queue.push(message, message.size().unwrap());
}

/// A kernel that takes so many bytes.
fn write(queue: &mut Outgoing, most: usize) -> Vec<u8> {
    let mut batch = queue.take_batch();
    let all: Vec<u8> = batch.slices().iter().flat_map(|slice| slice.to_vec()).collect();
    let count = most.min(all.len());
    batch.advance(count);
    queue.put_back(batch, count);
    all[..count].to_vec()
}

#[test]
fn an_empty_queue_takes_anything_and_a_full_one_nothing() {
    let mut queue = outgoing(100, 0);
    let large = message(1, 1_000_000);
    assert!(queue.has_room(&large));
    push(&mut queue, &large);
    assert!(!queue.has_room(&message(2, 0)));
    assert!(!queue.has_drained());
    while !queue.is_empty() {
        write(&mut queue, 100_000);
    }
    assert!(queue.has_drained());
    push(&mut queue, &message(3, 100 - 2 * HEADER_SIZE));
    assert!(queue.has_room(&message(4, 0)));
    assert!(!queue.has_room(&message(4, 1)));
}

/// The first half of an answer is with the kernel, and in memory as long as the other one: thirty connections that read no further had 50 MB more than the budget
/// knew of.
#[test]
fn what_is_written_in_part_counts_as_a_whole() {
    let budget = Budget::default();
    let mut queue = Outgoing::new(usize::MAX, 0, budget.account());
    for _ in 0..2 {
        push(&mut queue, &message(1, 1 << 20));
    }
    let whole = budget.used();
    write(&mut queue, 600_000);
    write(&mut queue, 400_000);
    assert_eq!(budget.used(), whole);
    write(&mut queue, 100_000);
    assert!((1 << 20..whole - (1 << 20) + QUANTUM).contains(&budget.used()), "{} of {whole}", budget.used());
    write(&mut queue, 100_000);
    queue.clear();
    assert_eq!(budget.used(), 0);
    push(&mut queue, &message(1, 1 << 20));
    write(&mut queue, usize::MAX);
    assert_eq!(budget.used(), 0);
}

#[test]
fn control_answers_have_a_reserve_that_is_given_back_when_they_are_written() {
    let mut queue = outgoing(HEADER_SIZE, 3 * HEADER_SIZE);
    push(&mut queue, &message(1, 1000));
    let control = message(2, 0);
    for _ in 0..3 {
        assert!(queue.push_control(&control, 0));
    }
    assert!(!queue.push_control(&control, 0));
    write(&mut queue, 1000 + HEADER_SIZE);
    assert!(!queue.push_control(&control, 0));
    write(&mut queue, HEADER_SIZE - 1);
    assert!(!queue.push_control(&control, 0));
    write(&mut queue, 1);
    assert!(queue.push_control(&control, 0));
    assert!(!queue.push_control(&control, 0));
}

#[test]
fn control_answers_use_the_reserve_only_when_there_is_no_room() {
    let mut queue = outgoing(10 * HEADER_SIZE, 2 * HEADER_SIZE);
    let control = message(1, 0);
    for _ in 0..12 {
        assert!(queue.push_control(&control, 0));
    }
    assert!(!queue.push_control(&control, 0));
    assert!(!queue.has_room(&control));
}

#[test]
fn long_payloads_are_shared_with_every_receiver() {
    let payload = Bytes::from(vec![7; 10_000]);
    let event = Message::event(1, 2, 1, 100, payload.clone());
    let mut queue = outgoing(1 << 20, 0);
    push(&mut queue, &event);
    assert!(queue.take_batch().slices().iter().any(|slice| slice.as_ptr() == payload.as_ptr()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_leave_whole_and_in_order(
        steps in prop::collection::vec((prop_oneof![0usize..100, 4090usize..4100, 60_000usize..70_000], 0usize..200_000), 1..40),
    ) {
        let mut queue = outgoing(1 << 30, 0);
        let (mut expected, mut got) = (Vec::new(), Vec::new());
        for (id, (size, most)) in steps.into_iter().enumerate() {
            let message = message(id as u32, size);
            expected.extend(message.encode().unwrap());
            push(&mut queue, &message);
            got.extend(write(&mut queue, most));
            prop_assert_eq!(queue.queued() as usize, expected.len() - got.len());
        }
        while !queue.is_empty() {
            got.extend(write(&mut queue, usize::MAX));
        }
        prop_assert!(got == expected);
    }
}

#[test]
fn what_waits_counts_until_it_is_written_or_forgotten() {
    let budget = Budget::new(1_000_000);
    let mut queue = Outgoing::new(usize::MAX / 2, 0, budget.account());
    push(&mut queue, &message(1, 700_000));
    assert!(!queue.has_room(&message(2, 100_000)), "the budget, not the limit of the queue");
    write(&mut queue, 600_000);
    push(&mut queue, &message(2, 100_000));
    assert!(!queue.has_room(&message(2, 100_000)), "what is left of it keeps all of it");
    write(&mut queue, 100_000 + HEADER_SIZE);
    assert!(queue.has_room(&message(2, 100_000)));
    assert!((80_000..=100_000 + HEADER_SIZE).contains(&budget.used()), "{budget:?}");
    queue.clear();
    assert_eq!(budget.used(), 0);
}
