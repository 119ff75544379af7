use crate::core::Message;
use crate::core::socket::Flow;
use crate::transport::inproc::{InprocPipe, link};
use crate::transport::pipe::{Behind, PipeEvent, Ready};

/// Sends a message of which other pipes get a copy, or not: that makes no difference here.
fn send(sender: &mut InprocPipe, body: &[u8]) -> Flow {
    // As a socket does: first what nothing comes of.
    if !body.len().is_multiple_of(3) && sender.append(body).is_some() {
        return Flow::Open;
    }
    let mut message = Message::copy_of(body).unwrap();
    let again = body.len().is_multiple_of(2);
    let (flow, _) = sender.send(&mut message, again);
    assert!(!again || message.body.bytes() == body);
    flow
}

/// The next message's body, what is behind it, and whether the sender is writable by that.
fn take(receiver: &mut InprocPipe) -> (Vec<u8>, Option<Behind>, bool) {
    let mut room = [0; 128];
    if let Some((len, writable)) = receiver.take_bytes(&mut room) {
        return (room[..len].to_vec(), Some(Behind::Message), writable);
    }
    let mut message = Message::default();
    let (behind, writable) = receiver.take(&mut message);
    assert!(behind.is_some());
    (message.body.bytes().to_vec(), behind, writable)
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
            let (body, _, writable) = take(&mut b);
            assert_eq!(body.len(), size);
            assert!(writable);
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
    let events = b.advance(Ready { closed: true, ..Ready::default() });
    assert_eq!(events[..], [PipeEvent::Readable, PipeEvent::HungUp]);
    assert_eq!(take(&mut b).0, b"first");
    let (last, behind, _) = take(&mut b);
    assert_eq!((&last[..], behind), (&b"parked"[..], Some(Behind::Nothing)));
    assert!(b.take(&mut Message::default()).0.is_none(), "nothing is left");
}

#[test]
fn nothing_is_accepted_for_a_receiver_that_has_gone() {
    let [mut a, mut b] = link([1, 100]);
    b.leave();
    assert_eq!(send(&mut a, b"x"), Flow::Full);
    assert_eq!(a.advance(Ready { closed: true, ..Ready::default() })[..], [PipeEvent::HungUp]);
}
