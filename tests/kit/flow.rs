//! Messages and waiting: what arrives, in which order, and what happens when it does not.

use std::sync::Arc;
use std::thread;

use nanomsg::internals::{Body, Context, EngineSocket, Message, Wait, options};
use nanomsg::{Error, OptionValue};

use super::*;

pub fn messages_keep_their_order(bench: &Bench) {
    const COUNT: usize = 20_000;
    let (pull, push) = bench.linked(PULL, PUSH);
    let sender = Arc::clone(&push);
    let thread = thread::spawn(move || {
        for number in 0..COUNT {
            let mut body = number.to_be_bytes().to_vec();
            body.resize(8 + number % 300, number as u8);
            send(&sender, &body, Wait::Option).expect("send");
        }
    });
    for number in 0..COUNT {
        let body = pull.hear();
        assert_eq!((&body[..8], body.len()), (&number.to_be_bytes()[..], 8 + number % 300));
        assert!(body[8..].iter().all(|byte| *byte == number as u8));
    }
    thread.join().unwrap();
}

/// Around every size at which something changes inside, up to the largest that is accepted by default.
pub fn every_size_arrives_whole(bench: &Bench) {
    let around = |size: usize| size.saturating_sub(9)..size + 10;
    let mut sizes: Vec<usize> = [0, 255, 2048, 4096, 8192, 16384, 65536, 131072].into_iter().flat_map(around).collect();
    sizes.extend([300_000, 1_000_000, 1024 * 1024 - 1, 1024 * 1024]);
    let (a, b) = bench.linked(PAIR, PAIR);
    // Each alone, then as a stream.
    for (number, &size) in sizes.iter().enumerate() {
        a.say(&pattern(number, size));
        assert!(b.hear() == pattern(number, size), "size {size}");
    }
    let (sender, list) = (Arc::clone(&b), sizes.clone());
    let thread = thread::spawn(move || {
        for (number, &size) in list.iter().enumerate() {
            send(&sender, &pattern(number, size), Wait::Option).expect("send");
        }
    });
    for (number, &size) in sizes.iter().enumerate() {
        assert!(a.hear() == pattern(number, size), "size {size} in a stream");
    }
    thread.join().unwrap();
}

pub fn requests_get_their_replies(bench: &Bench) {
    let (rep, req) = bench.linked(REP, REQ);
    for number in 0..200 {
        req.say(&pattern(number, number * 10));
        let request = rep.hear();
        rep.say(&request);
        assert_eq!(req.hear(), pattern(number, number * 10));
    }
}

/// Many requests are under way over one connection, and answered in the reverse order.
pub fn contexts_share_a_connection(bench: &Bench) {
    const COUNT: usize = 50;
    let (rep, req) = bench.linked(REP, REQ);
    let open = |socket| -> Vec<_> { (0..COUNT).map(|_| Context::open(socket).expect("a context")).collect() };
    let (asking, answering) = (open(&req), open(&rep));
    let say = |context: &Context, body: &[u8]| {
        context.send(&mut Message::new(Body::Borrowed(body)), Wait::Option).expect("send");
    };
    for (number, (asks, answers)) in asking.iter().zip(&answering).enumerate() {
        say(asks, &pattern(number, 3000));
        assert_eq!(answers.recv(Wait::Option).expect("a request").body.bytes(), pattern(number, 3000));
    }
    assert_eq!(asking[0].recv(Wait::No).err(), Some(Error::AGAIN));
    for (number, answers) in answering.iter().enumerate().rev() {
        say(answers, &pattern(number, 2000));
    }
    for (number, asks) in asking.iter().enumerate() {
        assert_eq!(asks.recv(Wait::Option).expect("a reply").body.bytes(), pattern(number, 2000));
    }
    assert_eq!((req.stat(CONNECTIONS), req.stat(ESTABLISHED)), (1, 1));
}

/// Messages tell the connection on which they came, and one that goes there goes nowhere else.
pub fn who_sent_it_is_told_and_answered_alone(bench: &Bench) {
    let url = bench.url();
    let hub = bench.bound(BUS, &url);
    let members = [0, 1].map(|_| bench.connected(BUS, &url));
    hub.until_connections(2);
    members[0].until_connections(1);
    members[0].say(b"nobody asks yet");
    assert!(hub.recv(Wait::Option).expect("a message").peer.is_none());
    hub.set(options::RECV_PEER, 1);
    let pipes = members.each_ref().map(|member| {
        member.until_connections(1);
        member.say(b"who am I?");
        let peer = hub.recv(Wait::Option).expect("a message").peer.expect("who sent it");
        assert_eq!(peer.address.is_empty(), !bench.transport.is_stream, "{peer:?}");
        let of_this = peer.process.is_none_or(|process| process.pid == std::process::id() as i32);
        assert!(of_this && peer.subject.is_none(), "{peer:?}");
        peer.pipe
    });
    let to = |pipe| hub.send_to(pipe, &mut Message::new(Body::Borrowed(b"you alone")), Wait::Option);
    for (member, pipe) in members.iter().zip(pipes) {
        to(pipe).expect("send");
        assert_eq!(member.hear(), b"you alone");
    }
    for member in &members {
        assert_eq!(member.recv(Wait::No).err(), Some(Error::AGAIN));
    }
    members[0].close().expect("close");
    hub.until_connections(1);
    assert_eq!(to(pipes[0]), Err(Error::HOST_UNREACHABLE));
    assert_eq!(to(0), Err(Error::HOST_UNREACHABLE));
    to(pipes[1]).expect("send");
    assert_eq!(members[1].hear(), b"you alone");
}

/// A BUS drops what a slow peer has no room for, but not what is for that peer alone.
pub fn one_peer_is_waited_for(bench: &Bench) {
    const MOST: usize = 20_000;
    let (member, hub) = bench.linked(BUS, BUS);
    hub.set(options::RECV_PEER, 1);
    member.say(b"who am I?");
    let pipe = hub.recv(Wait::Option).expect("a message").peer.expect("who sent it").pipe;
    let send_to =
        move |hub: &EngineSocket, body: &[u8]| hub.send_to(pipe, &mut Message::new(Body::Borrowed(body)), Wait::Option);
    hub.set(options::SNDTIMEO, 20);
    let mut sent = 0;
    while send_to(&hub, &pattern(sent, 5000)) != Err(Error::TIMED_OUT) {
        sent += 1;
        assert!(sent < MOST, "somebody takes without end");
    }
    hub.set(options::SNDTIMEO, STEP.as_millis() as i32);
    let sender = {
        let hub = Arc::clone(&hub);
        thread::spawn(move || send_to(&hub, b"waited for"))
    };
    for number in 0..sent {
        assert!(member.hear() == pattern(number, 5000));
    }
    assert_eq!(member.hear(), b"waited for");
    assert_eq!(sender.join().expect("no panic"), Ok(10));
    // Who waits for a peer that goes is told.
    hub.set(options::SNDTIMEO, 20);
    while send_to(&hub, &pattern(0, 5000)) != Err(Error::TIMED_OUT) {}
    hub.set(options::SNDTIMEO, STEP.as_millis() as i32);
    let sender = {
        let hub = Arc::clone(&hub);
        thread::spawn(move || while send_to(&hub, &pattern(0, 5000)).is_ok() {})
    };
    drop(member);
    sender.join().expect("no panic");
    assert_eq!(send_to(&hub, b"x"), Err(Error::HOST_UNREACHABLE));
}

/// Both fill the wire before either reads: no deadlock, nothing mixed up.
pub fn both_ways_at_once(bench: &Bench) {
    const COUNT: usize = 300;
    let (a, b) = bench.linked(PAIR, PAIR);
    let threads = [(&a, 0), (&b, 1)].map(|(socket, offset)| {
        let socket = Arc::clone(socket);
        thread::spawn(move || {
            for number in 0..COUNT {
                send(&socket, &pattern(number + offset, 20_000), Wait::Option).expect("send");
            }
        })
    });
    for number in 0..COUNT {
        assert!(a.hear() == pattern(number + 1, 20_000));
        assert!(b.hear() == pattern(number, 20_000));
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

pub fn a_limit_on_size_keeps_the_rest_alive(bench: &Bench) {
    let url = bench.url();
    let pull = bench.socket(PULL);
    pull.set(options::RCVMAXSIZE, 100);
    pull.bind(url.as_bytes()).expect("bind");
    let push = bench.connected(PUSH, &url);
    push.say(&[1; 100]);
    assert_eq!(pull.hear(), [1; 100]);
    push.say(&[2; 101]);
    if bench.transport.says_farewell {
        pull.until_connections(0);
        push.until_connections(0);
        assert_eq!((pull.stat(BROKEN), push.stat(BROKEN)), (0, 0));
        push.connect(&url);
    } else if bench.transport.is_stream {
        pull.until_stat(BROKEN, |broken| broken == 1);
        // The connector is back before long, and what fits arrives.
        push.until_stat(ESTABLISHED, |established| established == 2);
        pull.until_connections(1);
        push.until_connections(1);
    } else {
        assert_eq!(pull.hear(), [2; 101], "inproc knows no limit");
    }
    push.say(&[3; 100]);
    assert_eq!(pull.hear(), [3; 100]);
}

/// Sends until a connection is full for good, messages of 5,000 bytes from the one of this number on. How many were taken.
fn fill_up(push: &Sock, from: usize) -> usize {
    const MOST: usize = 20_000;
    let mut taken = push.fill(MOST, |count| pattern(from + count, 5000));
    push.set(options::SNDTIMEO, 20);
    // Bytes may be on their way out of the outbox still, on a busy machine for longer than that: at some point it is full for good.
    loop {
        assert!(taken < MOST, "somebody takes without end");
        match send(push, &pattern(from + taken, 5000), Wait::Option) {
            Err(Error::TIMED_OUT) if !push.is_ready(TO_SEND) => break,
            Err(Error::TIMED_OUT) => continue,
            _ => taken += 1,
        }
    }
    push.set(options::SNDTIMEO, -1);
    taken
}

/// Buffers that were larger for large messages are no larger for others.
pub fn small_messages_find_no_more_room_behind_large_ones(bench: &Bench) {
    let (pull, push) = bench.linked(PULL, PUSH);
    let fresh = fill_up(&push, 0);
    (0..fresh).for_each(|number| assert!(pull.hear() == pattern(number, 5000), "message {number}"));
    for number in 0..10 {
        push.say(&pattern(number, 1_000_000));
        assert!(pull.hear() == pattern(number, 1_000_000), "large message {number}");
    }
    for _ in 0..64 {
        push.say(b"small");
        assert_eq!(pull.hear(), b"small");
    }
    let behind = fill_up(&push, 0);
    assert!(behind <= fresh * 2, "{behind} messages were taken, {fresh} at first");
    (0..behind).for_each(|number| assert!(pull.hear() == pattern(number, 5000), "message {number}"));
}

pub fn a_full_pipe_pushes_back_and_recovers(bench: &Bench) {
    let (pull, push) = bench.linked(PULL, PUSH);
    let mut next = 0;
    let mut sent = 0;
    for _ in 0..5 {
        sent += fill_up(&push, sent);
        while next < sent {
            assert!(pull.hear() == pattern(next, 5000), "message {next}");
            next += 1;
        }
        push.until_ready(TO_SEND);
    }
    assert!(!pull.is_ready(TO_RECV), "more arrived than was sent");
}

pub fn a_blocked_sender_goes_on_when_there_is_room(bench: &Bench) {
    let (pull, push) = bench.linked(PULL, PUSH);
    let filled = push.fill(20_000, |number| pattern(number, 5000));
    let total = filled + 200;
    let sender = Arc::clone(&push);
    let thread = thread::spawn(move || {
        for number in filled..total {
            send(&sender, &pattern(number, 5000), Wait::Option).expect("a blocked send goes on");
        }
    });
    for number in 0..total {
        assert!(pull.hear() == pattern(number, 5000), "message {number}");
    }
    thread.join().unwrap();
    assert_eq!(push.stat(SENT), total as u64);
}

pub fn a_receive_waits_for_its_message(bench: &Bench) {
    let (a, b) = bench.linked(PAIR, PAIR);
    assert_eq!(a.recv(Wait::No).unwrap_err(), Error::AGAIN);
    a.set(options::RCVTIMEO, 10);
    assert_eq!(a.recv(Wait::Option).unwrap_err(), Error::TIMED_OUT);
    a.set(options::RCVTIMEO, STEP.as_millis() as i32);
    // Ball games: the other side is asleep, or about to be, in many ways.
    let player = Arc::clone(&b);
    let thread = thread::spawn(move || {
        for _ in 0..2000 {
            let ball = player.recv(Wait::Option).expect("receive");
            send(&player, ball.body.bytes(), Wait::Option).expect("send");
        }
    });
    for number in 0..2000 {
        a.say(&pattern(number, 64));
        assert_eq!(a.hear(), pattern(number, 64));
    }
    thread.join().unwrap();
}

pub fn readiness_follows_what_happens(bench: &Bench) {
    let url = bench.url();
    let bound = bench.bound(PAIR, &url);
    assert!(!bound.is_ready(TO_SEND) && !bound.is_ready(TO_RECV));
    let connected = bench.connected(PAIR, &url);
    bound.until_ready(TO_SEND);
    connected.until_ready(TO_SEND);
    assert!(!bound.is_ready(TO_RECV));
    connected.say(b"1");
    connected.say(b"2");
    bound.until_ready(TO_RECV);
    assert_eq!(bound.hear(), b"1");
    bound.until_ready(TO_RECV);
    assert_eq!(bound.hear(), b"2");
    assert!(!bound.is_ready(TO_RECV));
    drop(connected);
    bound.until_connections(0);
    assert!(!bound.is_ready(TO_SEND));
}

pub fn descriptors_follow_what_happens(bench: &Bench) {
    let (a, b) = bench.linked(PAIR, PAIR);
    let descriptor = |option| match a.option(0, option) {
        Ok(OptionValue::Int(fd)) => fd,
        other => panic!("no descriptor: {other:?}"),
    };
    let (send_fd, recv_fd) = (descriptor(options::SNDFD), descriptor(options::RCVFD));
    assert!(is_readable(send_fd, 0), "there is room");
    for number in 0..50 {
        assert!(!is_readable(recv_fd, 0), "nothing has come yet");
        b.say(&[number]);
        // Nobody calls into the library here: the I/O thread must serve it.
        assert!(is_readable(recv_fd, STEP.as_millis() as i32));
        assert_eq!(a.hear(), [number]);
    }
    drop(b);
    until("the send descriptor", || !is_readable(send_fd, 1));
}

fn is_readable(fd: i32, timeout: i32) -> bool {
    let mut request = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which lives across the call.
    unsafe { libc::poll(&mut request, 1, timeout) == 1 }
}
