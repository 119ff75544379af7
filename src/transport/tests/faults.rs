//! A whole conversation in which the k-th call on the stream fails, for every k. Whatever happens, nothing
//! panics, what was received is a beginning of what was sent, and so are the bytes on the wire.

use std::io::ErrorKind;

use crate::core::Result;
use crate::core::lifecycle::Ending;
use crate::transport::framing::{Framing, SP_IPC};
use crate::transport::pipe::{PipeEvent, Ready};

use super::fake::{CLOSED, EOF, OWN, PEER, Rig, bodies};

const IN: [usize; 5] = [3, 20_000, 0, 70_000, 12];
const OUT: [usize; 6] = [5, 0, 9000, 1, 100_000, 7];

/// Connects, greets, talks both ways through a kernel with little room, leaves.
fn converse(rig: &mut Rig) -> Result<()> {
    rig.arrive(&SP_IPC.greeting(PEER));
    rig.fake.script().read_at_most = 30_000;
    rig.event(Ready { readable: true, writable: true, closed: false }).1?;
    // After a call that would have blocked, the kernel reports again.
    while !rig.seen.contains(&PipeEvent::Greeted) {
        rig.event(Ready { readable: true, writable: true, closed: false }).1?;
    }
    let mut wire = rig.wire(&bodies(&IN));
    for (number, body) in bodies(&OUT).into_iter().enumerate() {
        rig.fake.script().room = 4000;
        rig.in_stream = number % 2 == 1;
        rig.send(&body);
        let rest = wire.split_off(wire.len().min(20_000));
        rig.arrive(&wire);
        wire = rest;
        rig.hear_all()?;
        rig.drain(4000)?;
    }
    let mut gone = rig.leave(Ending::HalfClose);
    for _ in 0..100 {
        if gone || rig.seen.contains(&PipeEvent::Gone) {
            return Ok(());
        }
        rig.drain(20_000)?;
        if rig.fake.script().shut {
            rig.fake.script().end = Some(EOF);
            gone = rig.event(CLOSED).0.contains(&PipeEvent::Gone);
        }
    }
    panic!("the conversation never ends");
}

fn expected(rig: &Rig) -> Vec<u8> {
    [&SP_IPC.greeting(OWN)[..], &rig.wire(&bodies(&OUT))].concat()
}

#[test]
fn without_a_fault_all_arrives() {
    let mut rig = Rig::new(&SP_IPC);
    converse(&mut rig).unwrap();
    assert!(rig.received == bodies(&IN));
    assert!(rig.fake.script().written == expected(&rig));
}

fn calls() -> usize {
    let mut rig = Rig::new(&SP_IPC);
    converse(&mut rig).unwrap();
    let calls = rig.fake.script().calls;
    assert!(calls > 30, "a conversation worth disturbing");
    calls
}

#[test]
fn a_fault_at_any_call_leaves_a_beginning_of_everything() {
    for fault in [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::OutOfMemory] {
        for call in 1..=calls() {
            let mut rig = Rig::new(&SP_IPC);
            rig.fake.script().fail = Some((call, fault));
            // Nearly every fault ends it; one that a later call makes good need not.
            let _ = converse(&mut rig);
            assert!(bodies(&IN).starts_with(&rig.received), "{fault} at call {call}");
            assert!(expected(&rig).starts_with(&rig.fake.script().written), "{fault} at call {call}");
        }
    }
}

/// A kernel that is not ready is no fault: everything arrives all the same.
#[test]
fn a_call_that_would_block_anywhere_costs_nothing() {
    for call in 2..=calls() {
        let mut rig = Rig::new(&SP_IPC);
        rig.fake.script().fail = Some((call, ErrorKind::WouldBlock));
        converse(&mut rig).unwrap_or_else(|error| panic!("{error} at call {call}"));
        assert!(rig.received == bodies(&IN), "call {call}");
        assert!(rig.fake.script().written == expected(&rig), "call {call}");
    }
}
