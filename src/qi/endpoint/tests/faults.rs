//! Peers that break the rules, or break off.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use super::ends::*;
use crate::core::Error;
use crate::qi::endpoint::{Config, Failure, Pattern, Reason, WhenFull};
use crate::qi::message::{DEFAULT_PAYLOAD_LIMIT, HeaderError, Message};

/// What becomes of a connection on which a peer says `bytes` and then closes, or not.
fn fate(server: &Server, bytes: &[u8], closes: bool) -> (Reason, usize) {
    let mut raw = server.raw();
    let there = server.accepted();
    let (_, queue) = there.make_handler(Pattern::ANY, 100, None).unwrap();
    // It may have hung up in the middle.
    let _ = raw.write_all(bytes);
    let kept = (!closes).then_some(raw);
    there.wait_closed(FOREVER).unwrap();
    drop(kept);
    (there.end().unwrap(), queue.len())
}

#[test]
fn a_connection_cut_at_every_byte_of_a_message() {
    let server = Server::tcp(Config::default(), |_| {});
    let bytes = event(1, 1, "hello").encode().unwrap();
    for cut in 0..=bytes.len() {
        let expected = match cut {
            0 => (Reason::PeerClosed, 0),
            _ if cut == bytes.len() => (Reason::PeerClosed, 1),
            _ => (Reason::Failed(Failure::Cut), 0),
        };
        assert_eq!(fate(&server, &bytes[..cut], true), expected, "cut at {cut}");
    }
}

#[test]
fn bad_magic_and_hostile_sizes_end_the_connection_at_once() {
    let config = Config { max_payload: 1000, ..Config::default() };
    let server = Server::tcp(config.clone(), |_| {});
    let good = event(1, 1, "").encode().unwrap();
    let with_size = |size: u32| [&good[..8], &size.to_le_bytes(), &good[12..]].concat();
    let breach = |error| (Reason::Failed(Failure::Protocol(error)), 0);
    assert_eq!(fate(&server, b"GET / HTTP/1.1\r\n", false), breach(HeaderError::Magic(u32::from_le_bytes(*b"GET "))));
    for size in [65_537, u32::MAX] {
        let expected = breach(HeaderError::TooLarge { size: size.into(), limit: 65_536 });
        assert_eq!(fate(&server, &with_size(size), false), expected);
    }
    let (reason, _) = fate(&server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", false);
    assert!(reason.to_string().contains("tcps"), "{reason}");
    let trusting = Server::tcp(config, |endpoint| endpoint.set_authenticated());
    assert_eq!(fate(&trusting, &with_size(1001), false), breach(HeaderError::TooLarge { size: 1001, limit: 1000 }));
    let messages = [with_size(3), b"abc".to_vec(), good.to_vec(), b"zzzz".to_vec()].concat();
    let magic = HeaderError::Magic(u32::from_le_bytes(*b"zzzz"));
    assert_eq!(fate(&trusting, &messages, false), (Reason::Failed(Failure::Protocol(magic)), 2));
}

/// A peer with the defaults would end the connection.
#[test]
fn what_is_too_long_is_not_sent() {
    let server =
        Server::tcp(Config { max_payload: u32::MAX, ..Config::default() }, |endpoint| endpoint.set_authenticated());
    let long = Message::post(1, 2, 1, 100, vec![0; DEFAULT_PAYLOAD_LIMIT as usize + 1].into());
    let client = server.connect(Config { max_payload: 1000, ..Config::default() });
    let there = server.accepted();
    let (_, queue) = there.make_handler(Pattern::ANY, 100, None).unwrap();
    assert_eq!(client.send(&long, WhenFull::Block(FOREVER)), Err(Error::MSG_SIZE));
    assert!(client.send(&event(1, 1, "short"), WhenFull::Block(FOREVER)).is_ok());
    wait_until(|| queue.len() == 1);
    // Who takes as much itself may know better.
    let generous = server.connect(Config { max_payload: u32::MAX, ..Config::default() });
    assert!(generous.send(&long, WhenFull::Block(FOREVER)).is_ok());
    client.close().unwrap();
    generous.close().unwrap();
}

#[test]
fn the_limit_grows_with_the_message_that_authenticates() {
    let server = Server::tcp(Config::default(), |endpoint| {
        let sink = |endpoint: &crate::qi::endpoint::EndPoint, _: &Message| {
            endpoint.set_authenticated();
            crate::qi::endpoint::Taken::Yes
        };
        endpoint.make_sink(Pattern { service: Some(0), ..Pattern::ANY }, Arc::new(sink), None).unwrap();
    });
    let mut raw = server.raw();
    let there = server.accepted();
    let (_, queue) = there.make_handler(Pattern::ANY, 10, None).unwrap();
    let both = [Message::call(1, 0, 0, 8, "".into()), event(2, 1, vec![0; 300_000])];
    raw.write_all(&both.iter().flat_map(|message| message.encode().unwrap()).collect::<Vec<u8>>()).unwrap();
    assert_eq!((message(&queue).header.id, message(&queue).payload.len()), (1, 300_000));
}

#[test]
fn who_does_not_authenticate_in_time_is_put_out() {
    let config = Config { authentication_time: Some(Duration::from_millis(20)), ..Config::default() };
    let server = Server::tcp(config.clone(), |_| {});
    let mut raw = server.raw();
    let there = server.accepted();
    there.wait_closed(FOREVER).unwrap();
    assert_eq!(there.end(), Some(Reason::Failed(Failure::TimedOut)));
    assert_eq!(raw.read(&mut [0; 1]).unwrap(), 0);
    let server = Server::tcp(config, |endpoint| endpoint.set_authenticated());
    let raw = server.raw();
    let there = server.accepted();
    let (_, queue) = there.make_handler(Pattern::ANY, 1, None).unwrap();
    assert_eq!(queue.next(Some(Duration::from_millis(60))), Err(crate::core::Error::TIMED_OUT));
    assert!(there.is_open());
    drop(raw);
}

#[test]
fn what_was_accepted_is_written_before_the_end() {
    let server = Server::tcp(Config { linger: LIMIT, ..Config::default() }, |_| {});
    let mut raw = server.raw();
    let there = server.accepted();
    // More than the kernel takes.
    let payload = vec![9; 30_000_000];
    there.send(&event(1, 1, payload.clone()), WhenFull::Fail).map(drop).unwrap();
    there.close().unwrap();
    there.close().unwrap();
    assert_eq!(there.send(&event(2, 1, ""), WhenFull::Fail), Err(crate::core::Error::NOT_CONNECTED));
    assert!(there.unsent_bytes() > 0);
    // Unread input does not cost the peer what it has not read.
    write_message(&mut raw, &event(5, 5, vec![0; 1000]));
    assert_eq!(read_message(&mut raw).payload, payload);
    assert_eq!(raw.read(&mut [0; 1]).unwrap(), 0);
    drop(raw);
    there.wait_closed(FOREVER).unwrap();
    assert_eq!(there.end(), Some(Reason::Closed));
}

#[test]
fn a_peer_that_reads_nothing_is_left_when_the_linger_time_is_over() {
    let server = Server::tcp(Config { linger: Duration::from_millis(20), ..Config::default() }, |_| {});
    let raw = server.raw();
    let there = server.accepted();
    for _ in 0..3 {
        there.send(&event(1, 1, vec![9; 30_000_000]), WhenFull::Drop).map(drop).unwrap();
    }
    there.close().unwrap();
    there.wait_closed(FOREVER).unwrap();
    drop(raw);
    let none = Server::tcp(Config { linger: Duration::ZERO, ..Config::default() }, |_| {});
    let _raw = none.raw();
    let there = none.accepted();
    there.close().unwrap();
    // At once, unless the I/O thread is just about to end it.
    there.wait_closed(FOREVER).unwrap();
}

#[test]
fn both_sides_may_close_at_once_and_lose_nothing() {
    let server = Server::tcp(Config { linger: LIMIT, ..Config::default() }, |_| {});
    let client = server.connect(Config { linger: LIMIT, ..Config::default() });
    let there = server.accepted();
    for end in [&client, &there] {
        end.set_authenticated();
    }
    for end in [&client, &there] {
        end.send(&event(1, 1, vec![1; 20_000_000]), WhenFull::Fail).map(drop).unwrap();
    }
    client.close().unwrap();
    there.close().unwrap();
    for end in [&client, &there] {
        end.wait_closed(FOREVER).unwrap();
        assert_eq!(end.unsent_bytes(), 0);
    }
    assert_eq!(client.end(), Some(Reason::Closed));
    // On a busy machine it may have seen the client's end before it closed.
    assert!(matches!(there.end(), Some(Reason::Closed | Reason::PeerClosed)), "{:?}", there.end());
}

#[test]
fn the_end_of_the_session_is_told_to_handlers_that_nobody_closed() {
    let server = Server::tcp(Config::accepting(), |_| {});
    let _raw = server.raw();
    let there = server.accepted();
    let (_, queue) = there.make_handler(Pattern::ANY, 1, None).unwrap();
    let told = Count::default();
    let count = told.clone();
    there
        .on_close(move |reason| {
            assert_eq!(*reason, Reason::Closed);
            count.more();
        })
        .unwrap();
    drop(there);
    drop(server);
    assert_eq!((end(&queue), told.get()), (Reason::Closed, 1));
}
