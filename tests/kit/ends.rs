//! Ends: closing, losing, replacing, and the accounts of it all.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use nanomsg::Error;
use nanomsg::internals::{Wait, options};

use super::*;

fn sent_then_closed(bench: &Bench, count: usize, size: usize) {
    for binder_sends in [false, true] {
        let (binder, connector) = if binder_sends { (PUSH, PULL) } else { (PULL, PUSH) };
        let (bound, connected) = bench.linked(binder, connector);
        let (pull, push) = if binder_sends { (connected, bound) } else { (bound, connected) };
        push.set(options::LINGER, STEP.as_millis() as i32);
        let sender = thread::spawn(move || {
            for number in 0..count {
                push.say(&pattern(number, size));
            }
            push.close().expect("close");
        });
        if size < 100 {
            // All of it fits into buffers: nobody has received anything when the close is over.
            sender.join().unwrap();
            pull.until_ready(TO_RECV);
            (0..count).for_each(|number| assert_eq!(pull.hear(), pattern(number, size)));
        } else {
            (0..count).for_each(|number| assert!(pull.hear() == pattern(number, size), "message {number}"));
            sender.join().unwrap();
        }
        pull.until_connections(0);
    }
}

pub fn nothing_accepted_is_lost_at_close(bench: &Bench) {
    for _ in 0..5 {
        sent_then_closed(bench, 100, 10);
    }
}

pub fn large_messages_survive_the_close_too(bench: &Bench) {
    sent_then_closed(bench, 20, 500_000);
}

pub fn a_close_waits_no_longer_than_it_may(bench: &Bench) {
    for linger in [0, 100] {
        let (pull, push) = bench.linked(PULL, PUSH);
        push.set(options::LINGER, linger);
        push.fill(20_000, |number| pattern(number, 5000));
        let start = Instant::now();
        push.close().expect("close");
        // Nobody will read: a close that waits for that is never done.
        assert!(start.elapsed() < STEP, "linger {linger}: {:?}", start.elapsed());
        drop(pull);
    }
}

pub fn a_close_sends_blocked_callers_home(bench: &Bench) {
    let (pull, push) = bench.linked(PULL, PUSH);
    push.set(options::LINGER, 0);
    push.fill(20_000, |number| pattern(number, 5000));
    let sender = Arc::clone(&push);
    let sender = thread::spawn(move || {
        loop {
            if let Err(error) = send(&sender, &[0; 5000], Wait::Option) {
                return error;
            }
        }
    });
    let receiver = Arc::clone(&pull);
    let receiver = thread::spawn(move || {
        loop {
            if let Err(error) = receiver.recv(Wait::Option) {
                return error;
            }
        }
    });
    push.close().expect("close");
    assert_eq!(sender.join().unwrap(), Error::BAD_FD);
    pull.close().expect("close");
    assert_eq!(receiver.join().unwrap(), Error::BAD_FD);
    assert_eq!(pull.close(), Err(Error::BAD_FD));
    assert_eq!(send(&push, b"x", Wait::No), Err(Error::BAD_FD));
}

pub fn a_lost_peer_is_replaced(bench: &Bench) {
    let url = bench.url();
    let connected = bench.connected(PAIR, &url);
    for round in 0..5_u8 {
        let bound = bench.bound(PAIR, &url);
        connected.until_connections(1);
        bound.until_connections(1);
        connected.say(&[round]);
        assert_eq!(bound.hear(), [round]);
        bound.say(&[round]);
        assert_eq!(connected.hear(), [round]);
        drop(bound);
        connected.until_connections(0);
    }
    if bench.transport.listens_by_itself {
        assert!(connected.stat(BROKEN) >= 5, "who is connected and not greeted in time comes again");
    } else if bench.transport.is_stream {
        assert_eq!(connected.stat(BROKEN), 5);
    }
}

pub fn a_shutdown_ends_one_endpoint_only(bench: &Bench) {
    let urls = [bench.url(), bench.url()];
    let pull = bench.socket(PULL);
    let ids = [0, 1].map(|at| pull.bind(urls[at].as_bytes()).expect("bind"));
    let pushes = [0, 1].map(|at| bench.connected(PUSH, &urls[at]));
    pull.until_connections(2);
    pull.shutdown(ids[0]).expect("shutdown");
    pull.until_connections(1);
    pushes[0].until_connections(0);
    assert_eq!(pull.shutdown(ids[0]), Err(Error::INVALID));
    assert_eq!(pull.shutdown(1000), Err(Error::INVALID));
    pushes[1].say(b"still here");
    assert_eq!(pull.hear(), b"still here");

    // The same from the connector's side.
    let push = bench.socket(PUSH);
    let id = push.connect(&urls[1]);
    pull.until_connections(2);
    push.say(b"accepted");
    push.shutdown(id).expect("shutdown");
    assert_eq!(pull.hear(), b"accepted");
    pull.until_connections(1);
    assert_eq!(push.stat(CONNECTIONS), 0);
}

pub fn the_accounts_are_right(bench: &Bench) {
    let (a, b) = bench.linked(PAIR, PAIR);
    assert_eq!(b.stat(ESTABLISHED), 1);
    for number in 0..10 {
        b.say(&pattern(number, number));
        a.hear();
    }
    assert_eq!((b.stat(SENT), b.stat(BYTES_SENT)), (10, 45));
    assert_eq!((a.stat(RECEIVED), a.stat(BYTES_RECEIVED)), (10, 45));
    assert_eq!((a.stat(SENT), b.stat(RECEIVED)), (0, 0));
    assert_eq!((a.stat(BROKEN), b.stat(BROKEN)), (0, 0));
    b.connect(&bench.url());
    assert_eq!(b.stat(CONNECTIONS), 1, "an endpoint is no connection");
    drop(b);
    a.until_connections(0);
    if bench.transport.is_stream {
        assert_eq!((a.stat(BROKEN), a.stat(DROPPED)), (1, 0));
    }
    assert_eq!(a.statistic(999), Err(Error::INVALID));
}
