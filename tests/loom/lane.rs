//! The inproc lane between a sender and a receiver: who is told what, and nobody waits for a word that never
//! comes.
//!
//! Two monitors as in `src/facade`: each end is used under its socket's lock, and the other socket is told after
//! that lock has been let go.

use std::sync::Arc;

use loom::sync::{Condvar, Mutex};
use loom::thread;
use nanomsg::internals::Message;
use nanomsg::internals::models::Flow;

use crate::explore;
use crate::transport::inproc::{InprocPipe, Peer, link};
use crate::transport::pipe::{Behind, PipeEvent, Ready};
use crate::transport::source::Source;

struct Socket {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    pipe: InprocPipe,
    /// What the protocol believes.
    readable: bool,
    writable: bool,
    hung_up: bool,
}

/// Two sockets, linked.
fn pair(limit: usize) -> [Arc<Socket>; 2] {
    let sockets = link([limit, limit]).map(|pipe| {
        let state = State { pipe, readable: false, writable: true, hung_up: false };
        Arc::new(Socket { state: Mutex::new(state), changed: Condvar::new() })
    });
    for socket in &sockets {
        let source = Arc::clone(socket) as Arc<dyn Source>;
        socket.state.lock().unwrap().pipe.own(Peer { source, key: 0 });
    }
    sockets
}

fn tell(peer: Option<Peer>, ready: Ready) {
    if let Some(peer) = peer {
        peer.source.ready(peer.key, ready);
    }
}

impl Source for Socket {
    fn ready(&self, _key: u64, ready: Ready) {
        let mut state = self.state.lock().unwrap();
        let events = state.pipe.advance(ready);
        state.readable |= events.contains(&PipeEvent::Readable);
        state.writable |= events.contains(&PipeEvent::Writable);
        state.hung_up |= events.contains(&PipeEvent::HungUp);
        drop(state);
        self.changed.notify_all();
    }

    fn expired(&self, _key: u64) {}

    fn flush(&self, _key: u64) -> bool {
        false
    }
}

impl Socket {
    fn send(&self, body: u8) {
        let mut state = self.state.lock().unwrap();
        while !state.writable {
            state = self.changed.wait(state).unwrap();
        }
        // As a socket does: first what nothing comes of.
        let (flow, told) = match state.pipe.append(&[body]) {
            Some(told) => (Flow::Open, told),
            None => state.pipe.send(&mut Message::copy_of(&[body]).unwrap(), false),
        };
        state.writable = flow == Flow::Open;
        let peer = state.pipe.peer().filter(|_| told).cloned();
        drop(state);
        tell(peer, Ready { readable: true, ..Ready::default() });
    }

    /// `None`: nothing more will come.
    fn recv(&self) -> Option<u8> {
        let mut state = self.state.lock().unwrap();
        while !state.readable {
            if state.hung_up {
                return None;
            }
            state = self.changed.wait(state).unwrap();
        }
        let (mut body, mut message) = ([0], Message::default());
        let (behind, writable) = match state.pipe.take_bytes(&mut body) {
            Some((_, writable)) => (Some(Behind::Message), writable),
            None => state.pipe.take(&mut message),
        };
        state.readable = behind == Some(Behind::Message);
        let peer = state.pipe.peer().filter(|_| writable).cloned();
        drop(state);
        tell(peer, Ready { writable: true, ..Ready::default() });
        behind.map(|_| message.body.bytes().first().copied().unwrap_or(body[0]))
    }

    fn leave(&self) {
        let mut state = self.state.lock().unwrap();
        state.pipe.leave();
        let peer = state.pipe.peer().cloned();
        drop(state);
        tell(peer, Ready { closed: true, ..Ready::default() });
    }

    /// Peers know each other for ever otherwise, and loom counts what is left over.
    fn forget(self: Arc<Self>) {
        let [other, _] = link([1, 1]);
        self.state.lock().unwrap().pipe = other;
    }
}

fn all_arrive_in_order(limit: usize, count: u8) {
    let [a, b] = pair(limit);
    let sender = Arc::clone(&a);
    let thread = thread::spawn(move || (1..=count).for_each(|body| sender.send(body)));
    for body in 1..=count {
        assert_eq!(b.recv(), Some(body));
    }
    thread.join().unwrap();
    a.forget();
    b.forget();
}

#[test]
fn every_message_arrives_through_a_roomy_lane() {
    explore(3, || all_arrive_in_order(100, 3));
}

#[test]
fn every_message_arrives_through_a_lane_that_parks() {
    explore(3, || all_arrive_in_order(1, 3));
}

#[test]
fn what_was_sent_before_the_end_is_received() {
    explore(3, || {
        let [a, b] = pair(1);
        let sender = Arc::clone(&a);
        let thread = thread::spawn(move || {
            sender.send(1);
            sender.send(2);
            sender.leave();
        });
        let mut received = Vec::new();
        while let Some(body) = b.recv() {
            received.push(body);
        }
        // The end may be told before the first message is, never instead of it.
        assert_eq!(received, [1, 2]);
        thread.join().unwrap();
        a.forget();
        b.forget();
    });
}

#[test]
fn both_directions_at_once() {
    explore(2, || {
        let [a, b] = pair(1);
        let other = Arc::clone(&b);
        let thread = thread::spawn(move || {
            other.send(11);
            other.send(12);
            assert_eq!(other.recv(), Some(1));
            assert_eq!(other.recv(), Some(2));
        });
        a.send(1);
        a.send(2);
        assert_eq!(a.recv(), Some(11));
        assert_eq!(a.recv(), Some(12));
        thread.join().unwrap();
        a.forget();
        b.forget();
    });
}
