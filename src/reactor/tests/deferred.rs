use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::source::Fake;
use crate::reactor::deferred::{Busy, Deferred, News};
use crate::transport::pipe::Ready;

fn news(source: &Arc<Fake>, key: u64) -> News {
    News { source: Arc::<Fake>::clone(source), key, ready: Ready::default(), deferred: 0 }
}

fn busy() -> Arc<Fake> {
    let source = Arc::new(Fake::default());
    source.busy.store(true, Ordering::Relaxed);
    source
}

#[test]
fn who_is_not_busy_is_told_at_once() {
    let (source, deferred) = (Arc::new(Fake::default()), Deferred::default());
    deferred.tell(news(&source, 1), Busy::Defer);
    assert!(deferred.is_empty());
    assert_eq!(source.told(), [1]);
}

#[test]
fn who_is_busy_is_told_later_and_in_order() {
    let (source, deferred) = (busy(), Deferred::default());
    deferred.tell(news(&source, 1), Busy::Defer);
    deferred.tell(news(&source, 2), Busy::Defer);
    deferred.tell_all(Busy::Defer);
    assert!(source.told().is_empty());
    source.busy.store(false, Ordering::Relaxed);
    deferred.tell_all(Busy::Defer);
    assert!(deferred.is_empty());
    assert_eq!(source.told(), [1, 2]);
}

#[test]
fn a_caller_who_polls_tells_everybody() {
    let (source, deferred) = (busy(), Deferred::default());
    deferred.tell(news(&source, 1), Busy::Defer);
    deferred.tell_all(Busy::Wait);
    assert!(deferred.is_empty());
    assert_eq!(source.told(), [1]);
}

#[test]
fn nobody_is_busy_for_ever() {
    let (source, deferred) = (busy(), Deferred::default());
    deferred.tell(news(&source, 1), Busy::Defer);
    let tries = (1..100).find(|_| {
        deferred.tell_all(Busy::Defer);
        deferred.is_empty()
    });
    assert_eq!((tries, source.told()), (Some(4), vec![1]));
}
