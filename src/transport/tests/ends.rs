//! Leaving: what was accepted is handed over first, and a peer that drops what it has not read is waited for.

use std::io::ErrorKind;
use std::sync::Arc;

use crate::core::lifecycle::Ending;
use crate::core::socket::Flow;
use crate::transport::blocks::Blocks;
use crate::transport::framing::{SP_IPC, SP_TCP};
use crate::transport::pipe::PipeEvent;

use super::fake::{CLOSED, EOF, READABLE, Rig, WRITABLE, bodies, context};

#[test]
fn there_is_nothing_to_wait_for_where_nothing_was_sent() {
    for ending in [Ending::Close, Ending::HalfClose, Ending::AtOnce] {
        let mut rig = Rig::active(&SP_IPC);
        rig.arrive(&rig.wire(&bodies(&[10])));
        assert!(rig.leave(ending));
        assert!(rig.fake.script().incoming.is_empty(), "unread input would become a reset");
    }
    assert!(Rig::new(&SP_TCP).leave(Ending::HalfClose), "nor before the greeting");
}

#[test]
fn a_tcp_pipe_goes_when_all_is_with_the_kernel() {
    let mut rig = Rig::active(&SP_TCP);
    rig.send(b"done");
    assert!(rig.leave(Ending::Close));

    let mut rig = Rig::active(&SP_TCP);
    rig.fake.script().room = 3;
    rig.send(b"not done");
    assert!(!rig.leave(Ending::Close));
    assert_eq!(rig.send(b"too late"), Flow::Full);
    assert!(!rig.event(READABLE).0.contains(&PipeEvent::Gone));
    rig.drain(1).unwrap();
    assert!(!rig.seen.contains(&PipeEvent::Gone));
    rig.drain(usize::MAX).unwrap();
    assert!(rig.seen.contains(&PipeEvent::Gone) && !rig.fake.script().shut);
    assert_eq!(rig.fake.script().written, rig.wire(&[b"not done".to_vec()]));
}

#[test]
fn an_ipc_pipe_says_end_of_file_and_waits_for_the_peers() {
    let mut rig = Rig::active(&SP_IPC);
    rig.fake.script().room = 3;
    rig.send(b"not done");
    assert!(!rig.leave(Ending::HalfClose));
    assert!(!rig.fake.script().shut, "not before all is written");
    rig.drain(usize::MAX).unwrap();
    assert!(rig.fake.script().shut && !rig.seen.contains(&PipeEvent::Gone));
    rig.arrive(&[1, 2, 3]);
    assert!(!rig.event(READABLE).0.contains(&PipeEvent::Gone), "what still comes is read and forgotten");
    assert!(rig.fake.script().incoming.is_empty());
    rig.fake.script().end = Some(EOF);
    assert!(rig.event(CLOSED).0.contains(&PipeEvent::Gone));
    assert_eq!(rig.fake.script().written, rig.wire(&[b"not done".to_vec()]));
}

#[test]
fn a_fault_while_leaving_is_the_end() {
    let mut rig = Rig::active(&SP_IPC);
    rig.send(b"x");
    assert!(!rig.leave(Ending::HalfClose));
    rig.fake.script().end = Some(ErrorKind::ConnectionReset);
    assert!(rig.event(CLOSED).0.contains(&PipeEvent::Gone));

    // Where end-of-file cannot be said, there is none to wait for.
    let mut rig = Rig::active(&SP_IPC);
    rig.send(b"x");
    rig.fake.script().fail = Some((2, ErrorKind::NotConnected));
    assert!(rig.leave(Ending::HalfClose));
}

#[test]
fn leaving_during_a_flush_waits_for_its_end() {
    for ending in [Ending::Close, Ending::HalfClose, Ending::AtOnce] {
        let (mut rig, blocks) = (Rig::active(&SP_IPC), Blocks::default());
        rig.fake.script().room = 0;
        rig.send(b"late");
        rig.fake.script().room = usize::MAX;
        rig.event(WRITABLE).1.unwrap();
        let mut batch = rig.pipe.start_flush().unwrap();
        assert!(!rig.leave(ending));
        assert!(!rig.fake.script().shut);
        let stream = Arc::clone(rig.pipe.stream());
        let outcome = batch.write(&*stream);
        let (change, more) = rig.pipe.finish_flush(batch, outcome, &context(&blocks, None)).unwrap();
        let half_close = ending == Ending::HalfClose;
        assert_eq!((change.contains(&PipeEvent::Gone), more), (!half_close, false));
        assert_eq!(rig.fake.script().shut, half_close);
        assert_eq!(rig.fake.script().written, rig.wire(&[b"late".to_vec()]));
    }
}

#[test]
fn a_hung_up_pipe_leaves_at_once() {
    let mut rig = Rig::active(&SP_IPC);
    rig.send(b"x");
    rig.arrive(&rig.wire(&bodies(&[1, 2])));
    rig.fake.script().end = Some(EOF);
    assert!(rig.event(CLOSED).0.contains(&PipeEvent::HungUp));
    assert_eq!(rig.send(b"to nobody"), Flow::Full);
    assert!(rig.leave(Ending::HalfClose));
}

fn send_all(rig: &mut Rig, bodies: &[Vec<u8>]) {
    for body in bodies {
        rig.send(body);
    }
}

#[test]
fn who_leaves_at_once_hands_over_what_the_kernel_takes() {
    // What waits in a stream; what does not fit; what is appended while somebody writes.
    for room in [0, 5, 700, 5_000, usize::MAX] {
        for appended in [0, 3] {
            let (mut rig, blocks) = (Rig::active(&SP_IPC), Blocks::default());
            rig.in_stream = true;
            let sent = bodies(&[10, 1000, 20, 3000, 40]);
            let (first, second) = sent.split_at(sent.len() - appended);
            send_all(&mut rig, first);
            rig.fake.script().room = room;
            if appended > 0 {
                let mut batch = rig.pipe.start_flush().unwrap();
                send_all(&mut rig, second);
                assert!(!rig.leave(Ending::AtOnce), "what is being written comes first");
                let outcome = batch.write(&*rig.fake);
                assert!(
                    rig.pipe
                        .finish_flush(batch, outcome, &context(&blocks, None))
                        .unwrap()
                        .0
                        .contains(&PipeEvent::Gone)
                );
            } else {
                assert!(rig.leave(Ending::AtOnce));
            }
            let wire = rig.wire(&sent);
            assert!(rig.fake.script().written == wire[..room.min(wire.len())], "room {room}, {appended} appended");
        }
    }
}
