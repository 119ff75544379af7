//! Sending: the bytes on the wire are exactly those of the messages, in order, however little the kernel takes.

use std::io::ErrorKind;
use std::sync::Arc;

use crate::core::socket::Flow;
use crate::transport::framing::{Framing, SP_IPC, SP_TCP};
use crate::transport::pipe::PipeEvent;

use super::fake::{Rig, WRITABLE, bodies, context};
use crate::transport::blocks::Blocks;

const SIZES: [usize; 12] = [0, 1, 3, 100, 8183, 8184, 8192, 8193, 20_000, 65_536, 2, 150_000];

fn written(rig: &Rig) -> Vec<u8> {
    rig.fake.script().written.clone()
}

#[test]
fn a_quiet_pipe_writes_a_message_at_once() {
    for framing in [&SP_TCP, &SP_IPC] {
        let mut rig = Rig::active(framing);
        assert_eq!(rig.send(b"hello"), Flow::Open);
        assert_eq!(written(&rig), rig.wire(&[b"hello".to_vec()]));
        assert_eq!(rig.fake.script().calls, 1);
        assert!(!rig.pipe.wants_write() && !rig.pipe.wants_flush());
        assert_eq!(rig.by_itself, 1);
    }
}

#[test]
fn messages_in_a_stream_leave_together() {
    let mut rig = Rig::active(&SP_TCP);
    rig.in_stream = true;
    let sent = bodies(&[10; 100]);
    for body in &sent {
        rig.send(body);
    }
    assert!(rig.pipe.is_watched() && rig.fake.script().calls == 0);
    assert_eq!((rig.appended, rig.by_itself), (99, 0), "all behind the first");
    rig.flush().unwrap();
    assert_eq!(written(&rig), rig.wire(&sent));
    assert_eq!(rig.fake.script().calls, 1);
    assert!(!rig.pipe.is_watched());
}

/// Who writes through does not leave it to others either: what another sender has appended goes as well, and what is appended
/// while somebody writes is written next.
#[test]
fn who_writes_through_waits_for_nobody() {
    let blocks = Blocks::default();
    let mut rig = Rig::active(&SP_TCP);
    rig.in_stream = true;
    let sent = bodies(&[10, 20, 30, 40]);
    rig.send(&sent[0]);
    assert_eq!(written(&rig), b"");
    rig.through = true;
    rig.send(&sent[1]);
    assert_eq!(written(&rig), rig.wire(&sent[..2]));

    rig.through = false;
    rig.send(&sent[2]);
    let mut batch = rig.pipe.start_flush().unwrap();
    rig.through = true;
    rig.send(&sent[3]);
    let outcome = batch.write(&*rig.fake);
    let (_, more) = rig.pipe.finish_flush(batch, outcome, &context(&blocks, None)).unwrap();
    assert!(more, "although the I/O thread looks after it");
}

/// More than one segment of the loopback device would travel, and wake the peer, as two.
#[test]
fn messages_in_a_stream_leave_before_they_exceed_a_segment() {
    for size in [50, 1000, 5000] {
        let mut rig = Rig::active(&SP_TCP);
        rig.in_stream = true;
        let mut sizes = Vec::new();
        for body in bodies(&vec![size; 200_000 / size]) {
            let before = rig.fake.script().written.len();
            rig.send(&body);
            let size = rig.fake.script().written.len() - before;
            sizes.extend((size > 0).then_some(size));
        }
        assert!(sizes.len() >= 3 && sizes.iter().all(|size| (55_000..=65_483).contains(size)), "{size}: {sizes:?}");
    }
}

/// The socket hears of the end by an event, and sends on until then: that costs no more calls of the system.
#[test]
fn behind_a_write_that_failed_nothing_is_tried_any_more() {
    for in_stream in [false, true] {
        let mut rig = Rig::active(&SP_TCP);
        rig.fake.script().fail = Some((1, ErrorKind::BrokenPipe));
        assert_eq!(rig.send(b"lost"), Flow::Open);
        assert!(rig.fake.script().shut, "the peer is told");
        let calls = rig.fake.script().calls;
        rig.in_stream = in_stream;
        for size in [0, 5, 100_000] {
            assert_eq!(rig.send(&bodies(&[size])[0]), Flow::Open);
        }
        let asked = rig.fake.script().asked;
        assert_eq!((rig.fake.script().calls, asked, rig.pipe.unsent()), (calls, 0, 0));
        assert!(!rig.pipe.wants_write() && !rig.pipe.wants_flush() && !rig.pipe.is_watched());
        assert_eq!(rig.pipe.carried().messages_sent, 4, "as those that are lost with a connection are");
    }
}

/// While the kernel is full there is nothing to look after, but a receiver that reads makes room soon.
#[test]
fn a_pipe_against_a_full_kernel_is_watched_on_for_a_while() {
    let mut rig = Rig::active(&SP_TCP);
    rig.in_stream = true;
    rig.send(b"first");
    assert!(rig.pipe.is_watched());
    rig.fake.script().room = 0;
    assert!(rig.flush().is_ok() && rig.pipe.waits_for_room());
    for _ in 0..3 {
        // (The last flush has looked once already.)
        assert!((0..10).all(|_| !rig.pipe.unwatch()), "it moves, if slowly");
        rig.drain(1).unwrap();
        assert!(rig.pipe.waits_for_room());
    }
    let looks = (1..100).find(|_| rig.pipe.unwatch());
    assert_eq!(looks, Some(15));
}

#[test]
fn nothing_is_sent_before_the_greeting() {
    let mut rig = Rig::new(&SP_TCP);
    assert_eq!(rig.send(b"early"), Flow::Full);
    rig.event(WRITABLE).1.unwrap();
    assert_eq!(rig.send(b"early"), Flow::Full);
    assert_eq!(written(&rig), SP_TCP.greeting(super::fake::OWN)[..]);
}

#[test]
fn the_wire_carries_exactly_the_messages_whatever_the_kernel_takes() {
    for framing in [&SP_TCP, &SP_IPC] {
        let kernels = [(0, 1), (1, 1), (5, 3), (9, 100), (1000, 999), (70_000, 65_536), (usize::MAX, 10_000)];
        for ((room, at_most), in_stream) in kernels.into_iter().flat_map(|kernel| [(kernel, false), (kernel, true)]) {
            let mut rig = Rig::active(framing);
            rig.in_stream = in_stream;
            let sent = bodies(&SIZES);
            rig.fake.script().room = room;
            rig.fake.script().write_at_most = at_most;
            for body in &sent {
                rig.send(body);
            }
            let expected = rig.wire(&sent);
            rig.fake.script().write_at_most = at_most.max(500);
            let step = room.clamp(1000, 100_000);
            while rig.pipe.wants_write() || rig.pipe.wants_flush() {
                rig.drain(step).unwrap();
            }
            assert!(written(&rig) == expected, "room {room}, {at_most} at a time");
        }
    }
}

#[test]
fn every_split_of_the_first_write_keeps_the_rest() {
    for size in [0, 5, 9000] {
        let body = bodies(&[size]);
        let wire = Rig::active(&SP_TCP).wire(&body);
        for split in 0..wire.len().min(30) {
            let mut rig = Rig::active(&SP_TCP);
            rig.fake.script().room = split;
            rig.send(&body[0]);
            assert_eq!(written(&rig), wire[..split]);
            assert!(rig.pipe.wants_write() && !rig.pipe.wants_flush());
            rig.drain(usize::MAX).unwrap();
            assert!(written(&rig) == wire, "split at {split}");
        }
    }
}

/// What is accepted is with the kernel as soon as it is written, but for one message: no stream is coalesced beyond the room there is.
#[test]
fn no_more_is_accepted_than_the_kernel_has_room_for() {
    for in_stream in [false, true] {
        let mut rig = Rig::active(&SP_TCP);
        rig.in_stream = in_stream;
        rig.fake.script().room = 10_050;
        let mut count = 0;
        while rig.send(&[7; 92]) == Flow::Open || rig.seen.remove(&PipeEvent::Writable) {
            count += 1;
            assert!(count < 1000);
        }
        assert_eq!(count, 100, "messages of 100 bytes each, and half of one that has begun; in a stream: {in_stream}");
        assert_eq!(written(&rig).len(), 10_050);
        rig.drain(49).unwrap();
        assert!(!rig.seen.contains(&PipeEvent::Writable));
        rig.drain(1).unwrap();
        assert!(rig.seen.contains(&PipeEvent::Writable), "all is with the kernel");
        rig.seen.clear();
        rig.drain(usize::MAX).unwrap();
        assert!(!rig.seen.contains(&PipeEvent::Writable), "told once");
        assert_eq!(written(&rig).len(), 10_100);
    }
}

/// What the kernel says of its room in the midst of a write is said of the time before it: what is written uses it up.
#[test]
fn room_that_was_asked_for_during_a_flush_is_used_up_by_it() {
    let blocks = Blocks::default();
    let mut rig = Rig::active(&SP_TCP);
    rig.in_stream = true;
    rig.fake.script().room = 10_000;
    for _ in 0..50 {
        assert_eq!(rig.send(&[7; 92]), Flow::Open);
    }
    let mut batch = rig.pipe.start_flush().unwrap();
    assert_eq!(rig.send(&[7; 92]), Flow::Open);
    let outcome = batch.write(&*rig.fake);
    rig.pipe.finish_flush(batch, outcome, &context(&blocks, None)).unwrap();
    let mut count = 51;
    while rig.send(&[7; 92]) == Flow::Open {
        count += 1;
    }
    rig.drain(0).unwrap();
    assert_eq!(written(&rig).len(), 10_000);
    assert!(count <= 100, "{count} messages of 100 bytes, and the one that is refused the next");
}

/// The kernel is asked once per buffer, not for each message.
#[test]
fn a_stream_waits_for_no_more_than_there_is_room_for() {
    let mut rig = Rig::active(&SP_TCP);
    rig.in_stream = true;
    rig.fake.script().room = 1000;
    for _ in 0..9 {
        assert_eq!(rig.send(&[7; 92]), Flow::Open);
        assert_eq!(written(&rig).len(), 0, "it waits for more");
    }
    assert_eq!(rig.send(&[7; 92]), Flow::Full, "another one might not fit");
    assert_eq!(written(&rig).len(), 1000);
    rig.fake.script().room = 1_000_000;
    let asked = rig.fake.script().asked;
    for _ in 0..600 {
        rig.send(&[7; 92]);
    }
    assert_eq!(rig.fake.script().asked, asked + 1);
}

#[test]
fn bytes_keep_their_order_when_senders_append_during_a_flush() {
    for taken in [0, 1, 8, 13, 26, 5000] {
        let mut rig = Rig::active(&SP_TCP);
        let blocks = Blocks::default();
        let sent = bodies(&[5, 5, 20_000, 6, 9000, 1]);
        rig.fake.script().room = 0;
        for body in &sent[..3] {
            rig.send(body);
        }
        rig.fake.script().room = taken;
        rig.event(WRITABLE).1.unwrap();
        let mut batch = rig.pipe.start_flush().unwrap();
        assert!(rig.pipe.start_flush().is_none(), "one flush at a time");
        rig.send(&sent[3]);
        let stream = Arc::clone(rig.pipe.stream());
        let outcome = batch.write(&*stream);
        rig.send(&sent[4]);
        assert!(!rig.pipe.wants_flush() && !rig.pipe.wants_write());
        rig.pipe.finish_flush(batch, outcome, &context(&blocks, None)).unwrap();
        rig.send(&sent[5]);
        rig.drain(usize::MAX).unwrap();
        assert!(written(&rig) == rig.wire(&sent), "{taken} bytes in between");
    }
}

/// The kernel has room again while somebody is flushing who will find it full; a second flusher comes along meanwhile.
#[test]
fn news_of_room_reaches_whoever_is_flushing() {
    let blocks = Blocks::default();
    let context = context(&blocks, None);
    let mut rig = Rig::active(&SP_TCP);
    rig.in_stream = true;
    rig.send(b"message");
    rig.fake.script().room = 0;
    let mut batch = rig.pipe.start_flush().unwrap();
    let outcome = batch.write(&*rig.fake);
    assert_eq!(outcome.as_ref().unwrap(), &(0, true));
    rig.event(WRITABLE).1.unwrap();
    assert!(rig.pipe.start_flush().is_none());
    let (_, more) = rig.pipe.finish_flush(batch, outcome, &context).unwrap();
    assert!(more && rig.pipe.wants_flush(), "the kernel will not say it again");
}
