use crate::core::Message;
use crate::core::socket::Flow;
use crate::transport::inproc::{InprocPipe, link};
use crate::transport::pipe::Ready;

/// Sends until full; gives how many were accepted.
fn fill(sender: &mut InprocPipe, size: usize) -> usize {
    for count in 1..=1000 {
        if sender.send(Message::copy_of(&vec![0; size]).unwrap()).0 == Flow::Full {
            return count;
        }
    }
    1000
}

#[test]
fn the_queue_is_accounted_to_the_byte() {
    for (limit, size, accepted) in
        [(200, 10, 20), (200, 100, 2), (200, 200, 2), (200, 300, 2), (100, 33, 4), (1, 1, 2), (131072, 1000, 132), (10, 0, 1000)]
    {
        let [mut a, mut b] = link([1, limit]);
        assert_eq!(fill(&mut a, size), accepted, "limit {limit}, size {size}");
        if size > 0 {
            let (message, change) = b.take();
            assert_eq!(message.unwrap().len(), size);
            assert!(change.writable);
            assert_eq!(fill(&mut a, size), 1, "after one receive: limit {limit}, size {size}");
        }
    }
}

#[test]
fn what_was_accepted_outlives_the_sender() {
    let [mut a, mut b] = link([1, 5]);
    for body in [&b"first"[..], b"parked"] {
        a.send(Message::copy_of(body).unwrap());
    }
    a.leave();
    let change = b.advance(Ready { closed: true, ..Ready::default() });
    assert!(change.readable && change.hung_up);
    assert_eq!(b.take().0.unwrap().body.bytes(), b"first");
    let (last, change) = b.take();
    assert_eq!((last.unwrap().body.bytes(), change.readable), (&b"parked"[..], false));
}

#[test]
fn nothing_is_accepted_for_a_receiver_that_has_gone() {
    let [mut a, mut b] = link([1, 100]);
    b.leave();
    assert_eq!(a.send(Message::copy_of(b"x").unwrap()).0, Flow::Full);
    assert!(a.advance(Ready { closed: true, ..Ready::default() }).hung_up);
}
