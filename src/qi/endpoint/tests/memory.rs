//! What peers can make us keep in memory, and that it is given back.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ends::*;
use crate::qi::endpoint::budget::QUANTUM;
use crate::qi::endpoint::{Budget, Config, EndPoint, Failure, Pattern, Reason, WhenFull};
use crate::qi::message::{HEADER_SIZE, Message};

fn with(budget: &Budget) -> Config {
    Config { budget: budget.clone(), ..Config::accepting() }
}

/// The peer is let in, and what it calls is kept.
fn keeping(budget: &Budget) -> Server {
    Server::tcp(with(budget), |endpoint| endpoint.set_authenticated())
}

fn used(budget: &Budget, expected: impl Fn(usize) -> bool) {
    wait_until(|| expected(budget.used()));
}

/// The first bytes of a message of so many.
fn begun(size: usize, come: usize) -> Vec<u8> {
    call(7, 100, vec![1; size]).encode().unwrap()[..HEADER_SIZE + come].to_vec()
}

#[test]
fn unfinished_messages_share_one_budget_over_all_connections() {
    let budget = Budget::new(1 << 20);
    let server = keeping(&budget);
    let mut raw: Vec<_> = (0..10).map(|_| server.raw()).collect();
    let there: Vec<_> = (0..10).map(|_| server.accepted()).collect();
    for raw in &mut raw {
        raw.write_all(&begun(400_000, 399_999)).unwrap();
    }
    // Two of them would be more than there is, so all but one are told at once, before the rest has come.
    let refused = |endpoint: &Arc<EndPoint>| endpoint.statistics().refused as usize;
    wait_until(|| there.iter().map(refused).sum::<usize>() >= 9);
    assert!(budget.used() <= budget.limit(), "{budget:?}");
    let mut without_memory = 0;
    for raw in &mut raw {
        // The connection is as good as before.
        raw.write_all(&[1]).unwrap();
        write_message(raw, &call(8, 100, "small"));
        let (first, second) = (read_message(raw), read_message(raw));
        assert_eq!((first.header.id, second.header.id), (7, 8));
        without_memory += usize::from(first.error_text().unwrap().contains("400000 bytes"));
        assert!(second.error_text().unwrap().contains("could not be handled"));
    }
    assert!(without_memory >= 9, "{without_memory}");
    used(&budget, |bytes| bytes == 10 * QUANTUM);
    drop(raw);
    used(&budget, |bytes| bytes == 0);
}

#[test]
fn an_answer_without_room_is_an_error_of_its_call() {
    let budget = Budget::new(1 << 20);
    let server = Server::tcp(Config::accepting(), |endpoint| {
        endpoint.set_authenticated();
        echo(endpoint);
    });
    let client = server.connect(with(&budget));
    client.set_authenticated();
    // The last fits beside its own call, which may not be given back yet: a connection's share is half of it all.
    for (size, fits) in [(1000, true), (700_000, false), (200_000, true)] {
        let call = call(client.begin_call(), 100, vec![7; size]);
        let (_, answer) = client.make_handler(Pattern::answer_to(&call.header), 1, None).unwrap();
        client.send(&call, WhenFull::Block(FOREVER)).map(drop).unwrap();
        let answer = message(&answer);
        assert_eq!(answer.error_text().is_none(), fits, "{size}: {:?}", answer.error_text());
    }
}

#[test]
fn a_message_that_does_not_get_on_is_dropped_with_its_connection() {
    let budget = Budget::default();
    let config = Config { stall_timeout: Duration::from_millis(30), ..with(&budget) };
    let server = Server::tcp(config, |endpoint| endpoint.set_authenticated());
    for bytes in [begun(40, 0)[..5].to_vec(), begun(40, 0), begun(900_000, 500_000)] {
        let mut raw = server.raw();
        let there = server.accepted();
        let since = Instant::now();
        raw.write_all(&bytes).unwrap();
        there.wait_closed(FOREVER).unwrap();
        assert!(since.elapsed() >= Duration::from_millis(30), "not before its time");
        assert_eq!(there.end(), Some(Reason::Failed(Failure::Stalled)));
        used(&budget, |bytes| bytes == 0);
        assert!(raw.read(&mut [0; 100]).is_ok_and(|count| count == 0) || raw.read(&mut [0; 100]).is_err());
    }
    // One between messages may be silent for as long as it likes.
    let mut raw = server.raw();
    let there = server.accepted();
    let (_, queue) = there.make_handler(Pattern::ANY, 10, None).unwrap();
    raw.write_all(&begun(40, 20)).unwrap();
    raw.write_all(&[1; 20]).unwrap();
    assert_eq!(message(&queue).header.id, 7);
    assert_eq!(queue.next(Some(Duration::from_millis(90))), Err(crate::core::Error::TIMED_OUT));
    assert!(there.is_open());
}

#[test]
fn queues_of_handlers_count_and_give_back() {
    let budget = Budget::new(1 << 20);
    let server = keeping(&budget);
    let mut raw = server.raw();
    let there = server.accepted();
    let queues: Vec<_> = (0..5).map(|_| there.make_handler(Pattern::ANY, 1000, None).unwrap().1).collect();
    for id in 0..100 {
        write_message(&mut raw, &event(id, 1, vec![0; 50_000]));
    }
    let taken = || queues.iter().map(|queue| queue.len() + queue.dropped() as usize).sum::<usize>();
    wait_until(|| taken() >= 500);
    assert!(budget.used() <= budget.limit() && budget.used() > budget.limit() / 2, "{budget:?}");
    assert!(queues.iter().all(|queue| !queue.is_empty()), "each has a share");
    drop(queues);
    drop(raw);
    there.wait_closed(FOREVER).unwrap();
    drop(there);
    used(&budget, |bytes| bytes == 0);
}

/// Who is told by the reader itself that nobody is there, and reads none of it: once the first Error had found no room, each that fitted into
/// the same 16 KiB found some, so the reserve of 64 KiB was 14 MiB, and 26 such connections kept everybody else out.
#[test]
fn what_the_reader_answers_takes_from_the_share_of_its_connection() {
    const BLOCK: u32 = 2000;
    let budget = Budget::new(1 << 20);
    let server = keeping(&budget);
    let mut raw = server.raw();
    let there = server.accepted();
    let most = budget.limit() * 15 / 32 + there.config.send_reserve + 2 * QUANTUM;
    let calls: Vec<u8> = (0..BLOCK).flat_map(|id| call(id, 100, "").encode().unwrap()).collect();
    for block in 1.. {
        if raw.write_all(&calls).is_err() || !there.is_open() {
            break;
        }
        wait_until(|| there.statistics().received >= u64::from(block * BLOCK) || !there.is_open());
        assert!(budget.used() <= most, "{} after {block} blocks", budget.used());
    }
    there.wait_closed(FOREVER).unwrap();
    assert_eq!(there.end(), Some(Reason::Failed(Failure::Overflow)));
}

#[test]
fn a_connection_for_which_there_is_no_room_is_closed_at_once() {
    let budget = Budget::new(4 * QUANTUM);
    let server = Server::tcp(with(&budget), echo);
    let mut raw: Vec<_> = (0..5).map(|_| server.raw()).collect();
    let there: Vec<_> = (0..4).map(|_| server.accepted()).collect();
    assert!(there.iter().all(|endpoint| endpoint.is_open()));
    assert!(raw[4].read(&mut [0; 1]).map_or(true, |count| count == 0), "closed");
    assert_eq!(budget.used(), 4 * QUANTUM);
    drop(raw.drain(..4));
    there.iter().for_each(|endpoint| endpoint.wait_closed(FOREVER).unwrap());
    drop(there);
    used(&budget, |bytes| bytes == 0);
    let mut raw = server.raw();
    write_message(&mut raw, &call(1, 100, "x"));
    assert_eq!(read_message(&mut raw), Message::reply_to(&call(1, 100, "").header, "x".into()));
}
