//! Leaving: what was accepted is handed over first, and a peer that drops what it has not read is waited for.

use std::io::ErrorKind;
use std::sync::Arc;

use crate::core::socket::Flow;
use crate::transport::blocks::Blocks;
use crate::transport::framing::{SP_IPC, SP_TCP};

use super::fake::{CLOSED, EOF, READABLE, Rig, WRITABLE, bodies, terms};

#[test]
fn there_is_nothing_to_wait_for_where_nothing_was_sent() {
    for half_close in [false, true] {
        let mut rig = Rig::active(&SP_IPC);
        rig.arrive(&rig.wire(&bodies(&[10])));
        assert!(rig.leave(half_close));
        assert!(rig.fake.script().incoming.is_empty(), "unread input would become a reset");
    }
    assert!(Rig::new(&SP_TCP).leave(true), "nor before the greeting");
}

#[test]
fn a_tcp_pipe_goes_when_all_is_with_the_kernel() {
    let mut rig = Rig::active(&SP_TCP);
    rig.send(b"done");
    assert!(rig.leave(false));

    let mut rig = Rig::active(&SP_TCP);
    rig.fake.script().room = 3;
    rig.send(b"not done");
    assert!(!rig.leave(false));
    assert_eq!(rig.send(b"too late"), Flow::Full);
    assert!(!rig.event(READABLE).0.gone);
    rig.drain(1).unwrap();
    assert!(!rig.seen.gone);
    rig.drain(usize::MAX).unwrap();
    assert!(rig.seen.gone && !rig.fake.script().shut);
    assert_eq!(rig.fake.script().written, rig.wire(&[b"not done".to_vec()]));
}

#[test]
fn an_ipc_pipe_says_end_of_file_and_waits_for_the_peers() {
    let mut rig = Rig::active(&SP_IPC);
    rig.fake.script().room = 3;
    rig.send(b"not done");
    assert!(!rig.leave(true));
    assert!(!rig.fake.script().shut, "not before all is written");
    rig.drain(usize::MAX).unwrap();
    assert!(rig.fake.script().shut && !rig.seen.gone);
    rig.arrive(&[1, 2, 3]);
    assert!(!rig.event(READABLE).0.gone, "what still comes is read and forgotten");
    assert!(rig.fake.script().incoming.is_empty());
    rig.fake.script().end = Some(EOF);
    assert!(rig.event(CLOSED).0.gone);
    assert_eq!(rig.fake.script().written, rig.wire(&[b"not done".to_vec()]));
}

#[test]
fn a_fault_while_leaving_is_the_end() {
    let mut rig = Rig::active(&SP_IPC);
    rig.send(b"x");
    assert!(!rig.leave(true));
    rig.fake.script().end = Some(ErrorKind::ConnectionReset);
    assert!(rig.event(CLOSED).0.gone);

    // Where end-of-file cannot be said, there is none to wait for.
    let mut rig = Rig::active(&SP_IPC);
    rig.send(b"x");
    rig.fake.script().fail = Some((2, ErrorKind::NotConnected));
    assert!(rig.leave(true));
}

#[test]
fn leaving_during_a_flush_waits_for_its_end() {
    for half_close in [false, true] {
        let (mut rig, blocks) = (Rig::active(&SP_IPC), Blocks::default());
        rig.fake.script().room = 0;
        rig.send(b"late");
        rig.fake.script().room = usize::MAX;
        rig.event(WRITABLE).1.unwrap();
        let mut batch = rig.pipe.start_flush().unwrap();
        assert!(!rig.leave(half_close));
        assert!(!rig.fake.script().shut);
        let stream = Arc::clone(rig.pipe.stream());
        let outcome = batch.write(&*stream);
        let (change, more) = rig.pipe.finish_flush(batch, outcome, &terms(&blocks, None, 1000)).unwrap();
        assert_eq!((change.gone, more), (!half_close, false));
        assert_eq!(rig.fake.script().shut, half_close);
    }
}

#[test]
fn a_hung_up_pipe_leaves_at_once() {
    let mut rig = Rig::active(&SP_IPC);
    rig.send(b"x");
    rig.arrive(&rig.wire(&bodies(&[1, 2])));
    rig.fake.script().end = Some(EOF);
    assert!(rig.event(CLOSED).0.hung_up);
    assert_eq!(rig.send(b"to nobody"), Flow::Full);
    assert!(rig.leave(true));
}
