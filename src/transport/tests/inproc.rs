use crate::core::Message;
use crate::core::socket::Flow;
use crate::transport::inproc::{InprocPipe, link};
use crate::transport::pipe::{PipeEvents, Ready};

/// Sends a message of which other pipes get a copy, or not: that makes no difference here.
fn send(sender: &mut InprocPipe, body: &[u8]) -> Flow {
    let mut message = Message::copy_of(body).unwrap();
    let again = body.len().is_multiple_of(2);
    let (flow, _) = sender.send(&mut message, again);
    assert!(!again || message.body.bytes() == body);
    flow
}

/// The next message's body, and what became of the pipe.
fn take(receiver: &mut InprocPipe) -> (Vec<u8>, PipeEvents) {
    let mut message = Message::default();
    let (taken, change) = receiver.take(&mut message);
    assert!(taken);
    (message.body.bytes().to_vec(), change)
}

/// Sends until full; gives how many were accepted.
fn fill(sender: &mut InprocPipe, size: usize) -> usize {
    for count in 1..=1000 {
        if send(sender, &vec![0; size]) == Flow::Full {
            return count;
        }
    }
    1000
}

#[test]
fn the_queue_is_accounted_to_the_byte() {
    for (limit, size, accepted) in [
        (200, 10, 20),
        (200, 100, 2),
        (200, 200, 2),
        (200, 300, 2),
        (100, 33, 4),
        (1, 1, 2),
        (131072, 1000, 132),
        (10, 0, 1000),
    ] {
        let [mut a, mut b] = link([1, limit]);
        assert_eq!(fill(&mut a, size), accepted, "limit {limit}, size {size}");
        if size > 0 {
            let (body, change) = take(&mut b);
            assert_eq!(body.len(), size);
            assert!(change.writable);
            assert_eq!(fill(&mut a, size), 1, "after one receive: limit {limit}, size {size}");
        }
    }
}

#[test]
fn what_was_accepted_outlives_the_sender() {
    let [mut a, mut b] = link([1, 5]);
    for body in [&b"first"[..], b"parked"] {
        send(&mut a, body);
    }
    a.leave();
    let change = b.advance(Ready { closed: true, ..Ready::default() });
    assert!(change.readable && change.hung_up);
    assert_eq!(take(&mut b).0, b"first");
    let (last, change) = take(&mut b);
    assert_eq!((&last[..], change.readable), (&b"parked"[..], false));
    assert!(!b.take(&mut Message::default()).0, "nothing is left");
}

#[test]
fn nothing_is_accepted_for_a_receiver_that_has_gone() {
    let [mut a, mut b] = link([1, 100]);
    b.leave();
    assert_eq!(send(&mut a, b"x"), Flow::Full);
    assert!(a.advance(Ready { closed: true, ..Ready::default() }).hung_up);
}
