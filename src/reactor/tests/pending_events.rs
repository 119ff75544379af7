use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::source::Fake;
use crate::reactor::pending_events::{Busy, PendingEvent, PendingEvents};
use crate::transport::pipe::Ready;

fn event(source: &Arc<Fake>, key: u64) -> PendingEvent {
    PendingEvent { source: Arc::<Fake>::clone(source), key, ready: Ready::default(), put_off: 0 }
}

fn busy() -> Arc<Fake> {
    let source = Arc::new(Fake::default());
    source.busy.store(true, Ordering::Relaxed);
    source
}

#[test]
fn who_is_not_busy_is_told_at_once() {
    let (source, pending) = (Arc::new(Fake::default()), PendingEvents::default());
    pending.tell(event(&source, 1), Busy::Defer);
    assert!(pending.is_empty());
    assert_eq!(source.told(), [1]);
}

#[test]
fn who_is_busy_is_told_later_and_in_order() {
    let (source, pending) = (busy(), PendingEvents::default());
    pending.tell(event(&source, 1), Busy::Defer);
    pending.tell(event(&source, 2), Busy::Defer);
    assert!(pending.tell_all(Busy::Defer, || false));
    assert!(source.told().is_empty());
    source.busy.store(false, Ordering::Relaxed);
    assert!(pending.tell_all(Busy::Defer, || false) && pending.is_empty());
    assert_eq!(source.told(), [1, 2]);
}

#[test]
fn a_caller_who_polls_tells_everybody() {
    let (source, pending) = (busy(), PendingEvents::default());
    pending.tell(event(&source, 1), Busy::Defer);
    assert!(pending.tell_all(Busy::Wait, || false) && pending.is_empty());
    assert_eq!(source.told(), [1]);
}

#[test]
fn nobody_is_busy_for_ever() {
    let (source, pending) = (busy(), PendingEvents::default());
    pending.tell(event(&source, 1), Busy::Defer);
    let tries = (1..100).find(|_| pending.tell_all(Busy::Defer, || false) && pending.is_empty());
    assert_eq!((tries, source.told()), (Some(4), vec![1]));
}

#[test]
fn who_is_relieved_leaves_the_rest_in_its_order() {
    let (source, pending) = (Arc::new(Fake::default()), PendingEvents::default());
    (1..=3).for_each(|key| pending.put_off(event(&source, key)));
    assert!(!pending.tell_all(Busy::Wait, || true), "one is told in any case");
    pending.put_off(event(&source, 4));
    let mut turns = [false, true].into_iter();
    assert!(!pending.tell_all(Busy::Wait, || turns.next().unwrap_or(true)));
    assert_eq!(source.told(), [1, 2, 3]);
    assert!(pending.tell_all(Busy::Wait, || true) && pending.is_empty(), "there was no more");
    assert_eq!(source.told(), [4]);
}
