//! Coming together: who finds whom.

use nanomsg::Error;
use nanomsg::internals::{Wait, options};

use super::*;

fn talk(a: &Sock, b: &Sock) {
    a.say(b"there");
    assert_eq!(b.hear(), b"there");
    b.say(b"and back");
    assert_eq!(a.hear(), b"and back");
}

pub fn a_connect_finds_who_is_bound(bench: &Bench) {
    let url = bench.url();
    let bound = bench.bound(PAIR, &url);
    let connected = bench.connected(PAIR, &url);
    talk(&connected, &bound);
}

pub fn a_connect_waits_for_a_bind(bench: &Bench) {
    let url = bench.url();
    let connected = bench.connected(PAIR, &url);
    assert_eq!(send(&connected, b"x", Wait::No), Err(Error::AGAIN), "there is nobody yet");
    let bound = bench.bound(PAIR, &url);
    talk(&connected, &bound);
}

pub fn a_second_bind_is_refused_and_harms_nobody(bench: &Bench) {
    let url = bench.url();
    let bound = bench.bound(PAIR, &url);
    let other = bench.socket(PAIR);
    if bench.transport.listens_by_itself {
        return assert!(other.bind(url.as_bytes()).is_ok(), "whoever has it may accept from it");
    }
    assert_eq!(other.bind(url.as_bytes()), Err(Error::ADDR_IN_USE));
    assert_eq!(bound.bind(url.as_bytes()), Err(Error::ADDR_IN_USE));
    let connected = bench.connected(PAIR, &url);
    talk(&connected, &bound);
    // What failed left nothing behind.
    other.bind(bench.url().as_bytes()).expect("bind elsewhere");
}

pub fn an_address_can_be_bound_again_at_once(bench: &Bench) {
    let url = bench.url();
    for _ in 0..3 {
        let bound = bench.bound(PAIR, &url);
        let connected = bench.connected(PAIR, &url);
        talk(&connected, &bound);
        bound.close().expect("close");
    }
    let bound = bench.socket(PAIR);
    for _ in 0..3 {
        let id = bound.bind(url.as_bytes()).expect("bind again");
        let connected = bench.connected(PAIR, &url);
        connected.until_connections(1);
        talk(&connected, &bound);
        bound.shutdown(id).expect("shutdown");
    }
}

pub fn peers_that_do_not_fit_stay_apart(bench: &Bench) {
    let url = bench.url();
    let pull = bench.bound(PULL, &url);
    let misfits = [PAIR, PUB, PULL, REQ].map(|protocol| bench.connected(protocol, &url));
    if bench.transport.is_stream {
        pull.until_stat(BROKEN, |broken| broken >= misfits.len() as u64);
    }
    for misfit in &misfits {
        assert_eq!(misfit.stat(CONNECTIONS), 0);
    }
    assert_eq!(pull.stat(CONNECTIONS), 0);
    let push = bench.connected(PUSH, &url);
    push.say(b"fits");
    assert_eq!(pull.hear(), b"fits");
}

pub fn many_connect_to_one(bench: &Bench) {
    const COUNT: usize = 60;
    let url = bench.url();
    let pull = bench.bound(PULL, &url);
    let pushes: Vec<_> = (0..COUNT).map(|_| bench.connected(PUSH, &url)).collect();
    pull.until_connections(COUNT as u64);
    for (number, push) in pushes.iter().enumerate() {
        push.say(&[number as u8]);
    }
    let mut heard: Vec<_> = (0..COUNT).map(|_| pull.hear()[0] as usize).collect();
    heard.sort();
    assert_eq!(heard, (0..COUNT).collect::<Vec<_>>());
    drop(pushes);
    pull.until_connections(0);
}

pub fn a_socket_may_talk_to_itself(bench: &Bench) {
    let url = bench.url();
    let bus = bench.bound(BUS, &url);
    bus.connect(&url);
    bus.until_connections(2);
    bus.say(b"echo");
    // Once through each end.
    assert_eq!((bus.hear(), bus.hear()), (b"echo".to_vec(), b"echo".to_vec()));
    bus.set(options::RCVTIMEO, 1);
    assert_eq!(bus.recv(Wait::Option).unwrap_err(), Error::TIMED_OUT);
}
