//! Whole connections: messages there and back, handlers at work, queues and their descriptors.

use std::io::Read;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use super::ends::*;
use crate::core::Error;
use crate::qi::endpoint::{
    Config, EndPoint, Failure, Filter, Listener, Next, Pattern, Reason, Taken, Types, Verdict, WhenFull,
};
use crate::qi::message::{Message, Type};
use crate::reactor::Reactor;

fn round_trip(server: &Server) {
    let client = server.connect(Config::default());
    client.set_authenticated();
    for size in [0, 1, 300, 5000, 70_000, 1_000_000] {
        let id = client.begin_call();
        let call = call(id, 100, vec![7; size]);
        let (_, answer) = client.make_handler(Pattern::answer_to(&call.header), 1, None).unwrap();
        client.send(&call, WhenFull::Block(FOREVER)).map(drop).unwrap();
        assert_eq!(message(&answer), Message::reply_to(&call.header, call.payload.clone()));
        assert_eq!(end(&answer), Reason::Filter);
        assert!(client.end_call(id));
    }
    let statistics = client.statistics();
    assert_eq!((statistics.sent, statistics.received, statistics.dropped, statistics.unmatched), (6, 6, 0, 0));
    client.close().unwrap();
    client.wait_closed(FOREVER).unwrap();
    let there = server.accepted();
    there.wait_closed(FOREVER).unwrap();
    assert_eq!((there.end(), client.end()), (Some(Reason::PeerClosed), Some(Reason::Closed)));
}

#[test]
fn calls_are_answered_over_tcp() {
    round_trip(&Server::tcp(Config::accepting(), echo));
}

#[test]
fn calls_are_answered_over_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("millrace-qi-{}.sock", std::process::id()));
    round_trip(&Server::new(&format!("unix://{}", path.display()), Config::accepting(), echo));
    assert!(!path.exists());
}

#[test]
fn calls_are_answered_by_name_and_without_attendance() {
    let server = Server::new("tcp://localhost:0", Config::default(), echo);
    assert!(server.listener.address().starts_with("tcp://localhost:"));
    round_trip(&server);
}

/// Else who does not poll rests for a whole lease (2 to 8 ms) while the kernel has room again.
#[test]
fn the_reactor_knows_for_how_long_the_kernel_has_no_room() {
    let server = Server::tcp(Config::accepting(), |endpoint| endpoint.set_authenticated());
    let mut raw = server.raw();
    let there = server.accepted();
    // (The kernel may have room for all that is let in at once.)
    let fill = || {
        wait_until(|| {
            let _ = there.send(&call(1, 100, vec![7; 1 << 20]), WhenFull::Fail);
            server.reactor.has_unwritten()
        });
    };
    assert!(!server.reactor.has_unwritten());
    fill();
    let mut buffer = vec![0; 1 << 20];
    raw.set_nonblocking(true).unwrap();
    // What is being written counts as unsent although it may have come here already.
    wait_until(|| {
        while raw.read(&mut buffer).is_ok() {}
        there.unsent_bytes() == 0 && !server.reactor.has_unwritten()
    });
    fill();
    drop(raw);
    there.wait_closed(FOREVER).unwrap();
    assert!(!server.reactor.has_unwritten());
}

#[test]
fn a_call_that_nobody_takes_gets_one_error_and_nothing_else_does() {
    let server = Server::tcp(Config::default(), |endpoint| {
        endpoint.make_handler(Pattern { action: Some(1), ..Pattern::ANY }, 1, None).map(drop).unwrap();
    });
    let mut raw = server.raw();
    for ty in [Type::Post, Type::Event, Type::Reply, Type::Error, Type::Cancel, Type::Canceled, Type::Capability] {
        let mut message = call(5, 2, "");
        message.header.ty = ty;
        write_message(&mut raw, &message);
        message.header.ty = Type::Unknown(77);
        write_message(&mut raw, &message);
    }
    write_message(&mut raw, &call(6, 2, "x"));
    let nobody = read_message(&mut raw);
    assert_eq!(nobody.header, Message::error_to(&call(6, 2, "").header, "").header);
    assert!(nobody.error_text().unwrap().contains("could not be handled"), "{:?}", nobody.error_text());
    write_message(&mut raw, &call(7, 1, ""));
    write_message(&mut raw, &call(8, 1, ""));
    let full = read_message(&mut raw);
    assert_eq!(full.header.id, 8);
    assert!(full.error_text().unwrap().contains("full"));
    let mut newer = call(9, 1, "");
    newer.header.version = 1;
    write_message(&mut raw, &newer);
    assert!(read_message(&mut raw).error_text().unwrap().contains("version"));
    let statistics = server.accepted().statistics();
    assert_eq!((statistics.received, statistics.unknown, statistics.unmatched), (18, 7, 8));
    assert_eq!((statistics.dropped, statistics.refused, statistics.sent), (1, 3, 3));
}

#[test]
fn one_message_goes_to_many_and_no_byte_is_copied() {
    let server = Server::tcp(Config::default(), |endpoint| endpoint.set_authenticated());
    let mut raw = server.raw();
    let there = server.accepted();
    let queues: Vec<_> = (0..3).map(|_| there.make_handler(Pattern::events(2, 1, 100), 4, None).unwrap().1).collect();
    write_message(&mut raw, &event(1, 100, vec![1; 100_000]));
    let got: Vec<_> = queues.iter().map(message).collect();
    assert!(got.iter().all(|message| message.payload.len() == 100_000));
    assert!(got.iter().all(|message| message.payload.as_ptr() == got[0].payload.as_ptr()));
}

#[test]
fn handlers_are_there_before_the_first_byte_is_read() {
    let queues = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&queues);
    let server = Server::tcp(Config::default(), move |endpoint| {
        keep.lock().unwrap().push(endpoint.make_handler(Pattern::ANY, 1000, None).unwrap().1);
    });
    for _ in 0..20 {
        let mut raw = server.raw();
        (0..10).for_each(|id| write_message(&mut raw, &event(id, 1, "")));
        server.accepted();
        let queue = queues.lock().unwrap().pop().unwrap();
        let ids: Vec<_> = (0..10).map(|_| message(&queue).header.id).collect();
        assert_eq!(ids, Vec::from_iter(0..10));
        drop(raw);
        assert_eq!(end(&queue), Reason::PeerClosed);
    }
}

#[test]
fn a_slow_consumer_loses_the_newest_and_knows_how_many() {
    let server = Server::tcp(Config::default(), |_| {});
    let mut raw = server.raw();
    let there = server.accepted();
    let (_, slow) = there.make_handler(Pattern::events(2, 1, 100), 5, None).unwrap();
    let (_, fast) = there.make_handler(Pattern::ANY, 1000, None).unwrap();
    (0..300).for_each(|id| write_message(&mut raw, &event(id, 100, "x")));
    let all: Vec<_> = (0..300).map(|_| message(&fast).header.id).collect();
    assert_eq!(all, Vec::from_iter(0..300));
    assert_eq!((slow.len(), slow.dropped(), fast.dropped()), (5, 295, 0));
    assert_eq!(there.statistics().dropped, 295);
    let kept: Vec<_> = (0..5).map(|_| message(&slow).header.id).collect();
    assert_eq!(kept, [0, 1, 2, 3, 4]);
    write_message(&mut raw, &event(999, 100, ""));
    assert_eq!(message(&slow).header.id, 999);
}

#[test]
fn queued_messages_stay_readable_after_the_closer_then_the_end() {
    let server = Server::tcp(Config::default(), |_| {});
    let (sender, told) = channel();
    let mut raw = server.raw();
    let there = server.accepted();
    let names = ["first", "second", "third"];
    let mut queues = Vec::new();
    for name in names {
        let sender = sender.clone();
        let closer = Box::new(move |reason: &Reason| sender.send((name, reason.clone())).unwrap());
        queues.push(there.make_handler(Pattern::ANY, 2, Some(closer)).unwrap().1);
    }
    write_message(&mut raw, &event(1, 1, ""));
    drop(raw);
    for name in names {
        assert_eq!(told.recv_timeout(LIMIT), Ok((name, Reason::PeerClosed)));
    }
    for queue in &queues {
        assert_eq!(message(queue).header.id, 1);
        assert_eq!(end(queue), Reason::PeerClosed);
        assert_eq!(queue.try_next(), Some(Next::End(Reason::PeerClosed)));
    }
    assert!(told.try_recv().is_err(), "once each");
    assert_eq!(there.make_handler(Pattern::ANY, 1, None).unwrap_err(), Error::NOT_CONNECTED);
    assert_eq!(there.send(&event(1, 1, ""), WhenFull::Fail), Err(Error::NOT_CONNECTED));
}

#[test]
fn removing_a_handler_from_its_own_closer_is_a_harmless_error() {
    let server = Server::tcp(Config::default(), |_| {});
    let _raw = server.raw();
    let there = server.accepted();
    let (sender, told) = channel();
    let (mine, id) = (Arc::clone(&there), Arc::new(Mutex::new(0)));
    let own = Arc::clone(&id);
    let made = there.on_close(move |reason| {
        let id = *own.lock().unwrap();
        sender.send((reason.clone(), mine.remove_handler(id), mine.on_close(|_| {}).is_ok())).unwrap();
    });
    *id.lock().unwrap() = made.unwrap();
    let made = *id.lock().unwrap();
    there.remove_handler(made).unwrap();
    assert_eq!(told.recv_timeout(LIMIT), Ok((Reason::Removed, Err(Error::INVALID), true)));
    assert_eq!(there.remove_handler(made), Err(Error::INVALID));
}

#[test]
fn a_filter_that_calls_back_gets_an_error_and_no_deadlock() {
    let server = Server::tcp(Config::default(), |_| {});
    let mut raw = server.raw();
    let there = server.accepted();
    let (sender, tried) = channel();
    let mine = Arc::clone(&there);
    let (_, other) = there.make_handler(Pattern::events(9, 9, 9), 1, None).unwrap();
    let filter = Filter::callback(move |_| {
        let errors = [
            mine.make_handler(Pattern::ANY, 1, None).err(),
            mine.on_close(|_| {}).err(),
            mine.remove_handler(1).err(),
            mine.send(&event(1, 1, ""), WhenFull::Fail).err(),
            mine.close().err(),
            mine.wait_closed(None).err(),
            other.next(None).err(),
        ];
        sender.send(errors).unwrap();
        // Answers are not lost, wherever they come from.
        let _ = mine.send_paced(&event(10, 1, ""), WhenFull::Block(None), false).unwrap();
        mine.send_control(&event(11, 1, "")).unwrap();
        Verdict { matched: true, keep: true, exclusive: false }
    });
    let (_, queue) = there.make_handler(filter, 1, None).unwrap();
    write_message(&mut raw, &event(3, 1, ""));
    assert_eq!(message(&queue).header.id, 3);
    assert_eq!(tried.recv_timeout(LIMIT).unwrap(), [const { Some(Error::DEADLOCK) }; 7]);
    assert_eq!([read_message(&mut raw).header.id, read_message(&mut raw).header.id], [10, 11]);
    there.close().unwrap();
}

/// The thread that reads is everybody's.
#[test]
fn code_that_panics_harms_nobody_else() {
    let welcomed = Count::default();
    let count = welcomed.clone();
    let server = Server::tcp(Config::default(), move |_| {
        count.more();
        assert!(count.get() > 1, "deliberate");
    });
    let mut first = server.raw();
    let mut nothing = [0];
    assert_eq!(std::io::Read::read(&mut first, &mut nothing).unwrap(), 0, "not welcome");
    let mut raw = server.raw();
    let there = server.accepted();
    let (_, queue) = there.make_handler(Filter::callback(|_| panic!("deliberate")), 1, None).unwrap();
    write_message(&mut raw, &event(1, 1, ""));
    assert_eq!(end(&queue), Reason::Filter, "it is not asked again");
    let panics = |_: &EndPoint, _: &Message| -> Taken { panic!("deliberate") };
    let sink = there.make_sink(Pattern::types(Types::of(Type::Call)), Arc::new(panics), None).unwrap();
    write_message(&mut raw, &call(2, 1, ""));
    assert_eq!(read_message(&mut raw).header.ty, Type::Error, "nobody took it");
    there.remove_handler(sink).unwrap();
    let closer = there.on_close(|_| panic!("deliberate")).unwrap();
    there.remove_handler(closer).unwrap();
    echo(&there);
    write_message(&mut raw, &call(3, 1, "still here"));
    assert_eq!(&read_message(&mut raw).payload[..], b"still here");
}

#[test]
fn a_sink_may_do_everything_but_wait() {
    let (sender, tried) = channel();
    let sender = Mutex::new(sender);
    let server = Server::tcp(Config::default(), move |endpoint| {
        let sender = sender.lock().unwrap().clone();
        let sink = move |endpoint: &EndPoint, message: &Message| {
            let (_, queue) = endpoint.make_handler(Pattern::types(Types::of(Type::Capability)), 1, None).unwrap();
            let waited = (queue.next(None).err(), endpoint.wait_closed(None).err());
            let id = endpoint.make_handler(Pattern::ANY, 1, None).unwrap().0;
            endpoint.remove_handler(id).unwrap();
            let reply = Message::reply_to(&message.header, Bytes::from("ok"));
            endpoint.send(&reply, WhenFull::Block(None)).map(drop).unwrap();
            endpoint.close().unwrap();
            sender.send(waited).unwrap();
            Taken::Yes
        };
        endpoint.make_sink(Pattern::ANY, Arc::new(sink), None).unwrap();
    });
    let mut raw = server.raw();
    write_message(&mut raw, &call(1, 1, ""));
    write_message(&mut raw, &call(2, 1, ""));
    assert_eq!(&read_message(&mut raw).payload[..], b"ok");
    assert_eq!(tried.recv_timeout(LIMIT), Ok((Some(Error::DEADLOCK), Some(Error::DEADLOCK))));
    assert_eq!(std::io::Read::read(&mut raw, &mut [0; 9]).unwrap(), 0, "closed after the first, and orderly");
    drop(raw);
    server.accepted().wait_closed(FOREVER).unwrap();
    assert!(tried.try_recv().is_err());
}

#[test]
fn a_queue_can_be_waited_for_in_every_way() {
    let server = Server::tcp(Config::default(), |_| {});
    let mut raw = server.raw();
    let there = server.accepted();
    let (_, queue) = there.make_handler(Pattern::ANY, 10, None).unwrap();
    let (_, never) = there.make_handler(Pattern::events(9, 9, 9), 10, None).unwrap();
    let short = Some(Duration::from_millis(1));
    assert_eq!(queue.try_next(), None);
    assert_eq!(queue.next(short), Err(Error::TIMED_OUT));
    let fd = queue.descriptor().unwrap();
    assert_eq!(queue.descriptor(), Ok(fd));
    assert!(!descriptor_is_readable(fd));
    (0..2).for_each(|id| write_message(&mut raw, &event(id, 1, "")));
    wait_until(|| queue.len() == 2);
    assert!(descriptor_is_readable(fd));
    message(&queue);
    assert!(descriptor_is_readable(fd));
    message(&queue);
    assert!(!descriptor_is_readable(fd));
    let waiter = std::thread::spawn(move || (message(&queue), queue));
    write_message(&mut raw, &event(7, 1, ""));
    let (message, queue) = waiter.join().unwrap();
    assert_eq!(message.header.id, 7);
    drop(raw);
    assert_eq!(end(&never), Reason::PeerClosed);
    assert!(descriptor_is_readable(fd), "the end is something to take");
    assert_eq!(end(&queue), Reason::PeerClosed);
    assert!(descriptor_is_readable(fd));
}

#[test]
fn connecting_fails_in_distinct_ways() {
    let reactor = Reactor::start().unwrap();
    let try_it =
        |address: &str, timeout| EndPoint::connect(&reactor, address, Config::default(), timeout, |_| {}).err();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(try_it(&format!("tcp://{free}"), FOREVER), Some(Failure::Refused));
    assert_eq!(try_it("tcp://127.0.0.1:0", FOREVER), Some(Failure::Address(Error::INVALID)));
    assert_eq!(try_it("tcp://tcps://127.0.0.1:1", FOREVER), Some(Failure::Address(Error::INVALID)));
    assert_eq!(try_it("http://127.0.0.1:1", FOREVER), Some(Failure::Address(Error::PROTO_NO_SUPPORT)));
    assert_eq!(try_it("tcp://no-such-host.invalid:1", FOREVER), Some(Failure::NoSuchHost));
    assert!(try_it("unix:///no/such/socket", FOREVER).is_some());
    let bound = Listener::bind(&reactor, "tcp://127.0.0.1:0", Config::accepting(), |_| {}).unwrap();
    let again = Listener::bind(&reactor, &bound.address(), Config::accepting(), |_| {}).unwrap_err();
    assert_eq!(again, Failure::System(Error::ADDR_IN_USE));
    bound.close();
    assert_eq!(try_it(&bound.address(), FOREVER), Some(Failure::Refused));
    reactor.stop();
}

#[test]
fn what_belongs_to_the_connection_is_kept_with_it() {
    let server = Server::tcp(Config::default(), |_| {});
    let _raw = server.raw();
    let there = server.accepted();
    assert!(!there.is_authenticated() && there.is_open() && there.end().is_none());
    there.set_authenticated();
    assert!(there.is_authenticated());
    assert!(there.peer().starts_with("tcp://127.0.0.1:"));
    assert!(there.attach(Some(Arc::new("name".to_owned()))).is_none());
    assert_eq!(there.attachment::<String>().as_deref().map(String::as_str), Some("name"));
    assert!(there.attachment::<u8>().is_none() && there.attach(None).is_some());
    let [a, b] = [there.begin_call(), there.next_id()];
    assert!(a != 0 && b != a && there.pending_calls() == 1 && there.end_call(a) && !there.end_call(b));
}
