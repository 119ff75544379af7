//! More than fits: full queues, full kernels, many threads.

use super::requests;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::ends::*;
use crate::core::Error;
use crate::qi::endpoint::{Config, EndPoint, Failure, Pattern, Reason, Sent, Taken, Types, WhenFull};
use crate::qi::message::{Message, Type};

#[test]
fn messages_of_many_threads_stay_whole_and_in_order() {
    const THREADS: u32 = 4;
    const EACH: u32 = 2000;
    let server = Server::tcp(Config::default(), |endpoint| endpoint.set_authenticated());
    let client = server.connect(Config { send_limit: 100_000, ..Config::default() });
    let there = server.accepted();
    let (_, queue) = there.make_handler(Pattern::ANY, (THREADS * EACH) as usize, None).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let client = &client;
            scope.spawn(move || {
                for number in 0..EACH {
                    let size = (number * 37 % 3000) as usize + if number % 500 == 0 { 150_000 } else { 0 };
                    let message = event(number, thread, vec![thread as u8; size]);
                    client.send(&message, WhenFull::Block(FOREVER)).map(drop).unwrap();
                }
            });
        }
    });
    let mut next = [0; THREADS as usize];
    for _ in 0..THREADS * EACH {
        let message = message(&queue);
        let thread = message.header.action as usize;
        assert_eq!(message.header.id, next[thread]);
        assert!(message.payload.iter().all(|byte| *byte == thread as u8));
        next[thread] += 1;
    }
    assert_eq!((next, queue.dropped()), ([EACH; THREADS as usize], 0));
}

#[test]
fn who_floods_lets_others_have_their_turn() {
    use std::io::Write;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;

    const OTHERS: u32 = 7;
    let (seen, of_other) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let ((start, started), (go, may_go)) = (mpsc::channel(), mpsc::channel::<()>());
    let (start, may_go) = (std::sync::Mutex::new(start), std::sync::Mutex::new(may_go));
    let sink = {
        let (seen, of_other) = (Arc::clone(&seen), Arc::clone(&of_other));
        move |_: &EndPoint, message: &Message| {
            if message.header.action == OTHERS {
                of_other.store(seen.load(Ordering::SeqCst), Ordering::SeqCst);
            } else if seen.fetch_add(1, Ordering::SeqCst) == 0 {
                // Nobody reads until the kernel has all that the two have sent.
                start.lock().unwrap().send(()).unwrap();
                may_go.lock().unwrap().recv_timeout(LIMIT).unwrap();
            }
            Taken::Yes
        }
    };
    let sink = Arc::new(sink);
    let config = Config { keeps_polling: true, ..Config::default() };
    let server = Server::tcp(config, move |endpoint| {
        endpoint.make_sink(Pattern::types(Types::ANY), Arc::clone(&sink) as _, None).unwrap();
    });
    let (mut flood, mut other) = (server.raw(), server.raw());
    let kept = [server.accepted(), server.accepted()];
    flood.write_all(&event(1, 1, vec![]).encode().unwrap()).unwrap();
    started.recv_timeout(LIMIT).unwrap();
    let many = event(1, 1, vec![]).encode().unwrap().repeat(1000);
    flood.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while sent < 20_000 && flood.write(&many).is_ok_and(|written| written == many.len()) {
        sent += 1000;
    }
    assert!(sent >= 10_000, "the kernel has taken {sent} only");
    other.write_all(&event(2, OTHERS, vec![]).encode().unwrap()).unwrap();
    go.send(()).unwrap();
    wait_until(|| of_other.load(Ordering::SeqCst) > 0);
    let before = of_other.load(Ordering::SeqCst);
    assert!(before < 3000, "{before} of {sent} came before it");
    // And the rest comes without anything that the kernel could tell.
    wait_until(|| seen.load(Ordering::SeqCst) > sent);
    drop(flood);
    wait_until(|| kept.iter().any(|endpoint| !endpoint.is_open()));
}

/// A connection whose peer reads nothing, and that is full.
fn full(server: &Server) -> (std::net::TcpStream, Arc<EndPoint>) {
    let raw = server.raw();
    let there = server.accepted();
    // The kernel's buffers grow for a while.
    let patience = Some(Duration::from_millis(30));
    while there.send(&event(1, 1, vec![0; 60_000]), WhenFull::Block(patience)).is_ok() {}
    (raw, there)
}

#[test]
fn a_full_connection_fails_waits_or_drops_as_asked() {
    let server = Server::tcp(Config { send_limit: 100_000, ..Config::default() }, |_| {});
    let (mut raw, there) = full(&server);
    let large = event(2, 2, vec![0; 90_000]);
    assert_eq!(there.send(&large, WhenFull::Fail), Err(Error::AGAIN));
    assert_eq!(there.send(&large, WhenFull::Drop), Ok(Sent::Dropped));
    assert_eq!(there.send(&large, WhenFull::Block(Some(Duration::from_millis(1)))), Err(Error::TIMED_OUT));
    assert_eq!(there.statistics().unsent, 1);
    assert!(there.unsent_bytes() <= 100_000);
    let sender = std::thread::spawn({
        let there = Arc::clone(&there);
        move || there.send(&large, WhenFull::Block(FOREVER))
    });
    while read_message(&mut raw).header.id != 2 {}
    assert_eq!(sender.join().unwrap(), Ok(Sent::Accepted));
    let (raw, there) = full(&server);
    let sender = std::thread::spawn({
        let there = Arc::clone(&there);
        move || there.send(&event(2, 2, vec![0; 90_000]), WhenFull::Block(FOREVER))
    });
    drop(raw);
    assert_eq!(sender.join().unwrap(), Err(Error::NOT_CONNECTED), "the end is news for who waits");
}

#[test]
fn answers_that_the_peer_does_not_read_end_the_connection_when_the_reserve_is_full() {
    let config = Config { send_limit: 100_000, send_reserve: 1000, ..Config::default() };
    let server = Server::tcp(config, |_| {});
    let (mut raw, there) = full(&server);
    while there.send(&event(1, 1, ""), WhenFull::Fail).is_ok() {}
    let (_, queue) = there.make_handler(Pattern::types(Types::of(Type::Event)), 1, None).unwrap();
    // It hangs up in the middle.
    while std::io::Write::write_all(&mut raw, &call(1, 1, "").encode().unwrap()).is_ok() {}
    there.wait_closed(FOREVER).unwrap();
    assert_eq!(there.end(), Some(Reason::Failed(Failure::Overflow)));
    assert_eq!(end(&queue), Reason::Failed(Failure::Overflow));
    let statistics = there.statistics();
    assert!(statistics.refused <= 1000 / 28 && statistics.refused >= 1000 / 150, "{statistics:?}");
}

/// One read can bring tens of thousands of calls. Their peer reads, so each gets its answer.
#[test]
fn as_many_calls_as_a_read_brings_are_refused_one_by_one() {
    const CALLS: u32 = 40_000;
    let server = Server::tcp(Config::default(), |endpoint| endpoint.set_authenticated());
    let mut raw = server.raw();
    let there = server.accepted();
    let mut writer = raw.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let calls: Vec<u8> = (0..CALLS).flat_map(|id| call(id, 1, "").encode().unwrap()).collect();
            std::io::Write::write_all(&mut writer, &calls).unwrap();
        });
        for id in 0..CALLS {
            let answer = read_message(&mut raw);
            assert_eq!((answer.header.ty, answer.header.id), (Type::Error, id));
        }
    });
    assert_eq!(there.statistics().refused, u64::from(CALLS));
}

/// Both ask more than either answers, at once; every call is refused, and both go on reading.
#[test]
fn two_full_sides_do_not_lock_each_other() {
    const CALLS: u32 = 3000;
    let config = || Config { send_limit: 50_000, send_reserve: 1 << 19, ..Config::default() };
    let server = Server::tcp(config(), |endpoint| endpoint.set_authenticated());
    let client = server.connect(config());
    client.set_authenticated();
    let there = server.accepted();
    let ends = [client, there];
    let answered = [Count::default(), Count::default()];
    for (end, count) in ends.iter().zip(&answered) {
        let count = count.clone();
        let sink = move |_: &EndPoint, _: &Message| {
            count.more();
            Taken::Yes
        };
        end.make_sink(Pattern::types(Types::ANSWERS), Arc::new(sink), None).unwrap();
        // A consumer that never reads.
        let (_, queue) = end.make_handler(Pattern::types(requests()), 1, None).unwrap();
        #[expect(clippy::mem_forget, reason = "the queue outlives the test: only its end point may end it")]
        std::mem::forget(queue);
    }
    std::thread::scope(|scope| {
        for end in &ends {
            scope.spawn(move || {
                for _ in 0..CALLS {
                    let call = call(end.next_id(), 1, vec![0; 2000]);
                    end.send(&call, WhenFull::Block(FOREVER)).map(drop).unwrap();
                }
            });
        }
    });
    wait_until(|| answered.iter().all(|count| count.get() == CALLS as usize - 1));
    assert!(ends.iter().all(|end| end.statistics().refused == u64::from(CALLS) - 1));
}

#[test]
fn removing_while_messages_come_ends_each_handler_once() {
    let server = Server::tcp(Config::default(), |endpoint| endpoint.set_authenticated());
    let client = server.connect(Config::default());
    let there = server.accepted();
    let ended = Count::default();
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            for id in 0..5000 {
                client.send(&event(id, 1, ""), WhenFull::Block(FOREVER)).map(drop).unwrap();
            }
        });
        let mut made = 0;
        while !sender.is_finished() {
            let closer = ended.clone();
            let (id, queue) = there.make_handler(Pattern::ANY, 3, Some(Box::new(move |_| closer.more()))).unwrap();
            assert_eq!(there.remove_handler(id), Ok(()));
            made += 1;
            assert_eq!(ended.get(), made, "told before the removal has returned");
            while let crate::qi::endpoint::Next::Message(_) = queue.next(FOREVER).unwrap() {}
            assert_eq!(end(&queue), Reason::Removed);
        }
    });
}

/// The last messages of a stream are appended and left to the I/O thread: nobody waits, flushes or sends any more.
#[test]
fn a_burst_is_written_though_nobody_waits() {
    let server = Server::tcp(Config::default(), |_| {});
    let client = server.connect(Config::default());
    let there = server.accepted();
    let (_, queue) = there.make_handler(Pattern::ANY, 10_000, None).unwrap();
    let mut sent = 0;
    // It is found out by the time between messages, or known to who sends.
    for in_row in [false, true] {
        for burst in [1, 2, 3, 10, 100, 1000, 1] {
            for _ in 0..burst {
                client.send_paced(&event(sent, 1, "small"), WhenFull::Fail, in_row).map(drop).unwrap();
                sent += 1;
            }
            wait_until(|| queue.len() == sent as usize);
            wait_until(|| client.unsent_bytes() == 0);
        }
    }
}

/// One that has sent very many messages, and another that has sent one meanwhile: nobody waits for more than a turn's messages.
#[test]
fn others_have_their_turn_after_so_many_messages() {
    const SENT: u32 = 5000;
    const TURN: usize = 1024;
    let (flood, came_after) = (Count::default(), Arc::new(Mutex::new(None)));
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (count, note, wait) = (flood.clone(), Arc::clone(&came_after), Mutex::new(wait));
    let server = Server::tcp(Config::accepting(), move |endpoint| {
        endpoint.set_authenticated();
        let (count, note) = (count.clone(), Arc::clone(&note));
        let sink = move |_: &EndPoint, message: &Message| {
            match message.header.action {
                1 => count.more(),
                2 => *note.lock().unwrap() = Some(count.get()),
                _ => {}
            }
            Taken::Yes
        };
        endpoint.make_sink(Pattern::types(Types::of(Type::Event)), Arc::new(sink), None).unwrap();
    });
    let (mut many, mut one) = (server.raw(), server.raw());
    let there = server.accepted();
    let wait = move |_: &EndPoint, _: &Message| {
        wait.lock().unwrap().recv_timeout(LIMIT).unwrap();
        Taken::Yes
    };
    there.make_sink(Pattern::types(Types::of(Type::Post)), Arc::new(wait), None).unwrap();
    server.accepted();
    // The thread that reads is inside of the first until all has come.
    write_message(&mut many, &Message::post(0, 2, 1, 1, Bytes::new()));
    let events: Vec<u8> = (0..SENT).flat_map(|id| event(id, 1, "").encode().unwrap()).collect();
    std::io::Write::write_all(&mut many, &events).unwrap();
    write_message(&mut one, &event(1, 2, ""));
    release.send(()).unwrap();
    wait_until(|| flood.get() == SENT as usize);
    wait_until(|| came_after.lock().unwrap().is_some());
    let came_after = came_after.lock().unwrap().unwrap();
    assert!(came_after <= TURN, "after {came_after} messages of the other");
}

#[test]
fn who_sends_more_than_there_is_room_for_is_read_more_slowly() {
    let arrivals: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let keep = Arc::clone(&arrivals);
    let server = Server::tcp(Config::accepting(), move |endpoint| {
        endpoint.set_authenticated();
        let keep = Arc::clone(&keep);
        let sink = move |endpoint: &EndPoint, _: &Message| {
            keep.lock().unwrap().push(Instant::now());
            endpoint.hold_back();
            Taken::Yes
        };
        endpoint.make_sink(Pattern::ANY, Arc::new(sink), None).unwrap();
    });
    let mut raw = server.raw();
    for count in 1..=5 {
        write_message(&mut raw, &event(count, 1, ""));
        wait_until(|| arrivals.lock().unwrap().len() == count as usize);
    }
    let arrivals = arrivals.lock().unwrap();
    let apart = arrivals.windows(2).map(|two| two[1] - two[0]);
    assert!(apart.min().unwrap() >= std::time::Duration::from_millis(2), "{arrivals:?}");
    // The end is heard all the same.
    let there = server.accepted();
    drop(raw);
    there.wait_closed(FOREVER).unwrap();
}
