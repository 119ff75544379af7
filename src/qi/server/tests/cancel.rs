//! Cancel: queued, running, done; both forms; both kinds of peers (section 16).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::qi::capability::Capabilities;
use crate::qi::message::{Header, Message, Type};
use crate::qi::server::ObjectBuilder;
use crate::qi::server::model::{InboundCall, Responder};
use crate::qi::server::{Answer, Call, CallError};
use crate::sys::sync::Mutex;

use super::harness::*;

const SLOW: u32 = 100;

fn world() -> (World, Arc<Mutex<Vec<Call>>>) {
    let kept: Arc<Mutex<Vec<Call>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let mut builder = ObjectBuilder::new();
    builder.method_later("slow", "()", "i", move |call| keep.lock().push(call));
    (World::serving(&builder.build().unwrap()), kept)
}

#[test]
fn what_waits_is_taken_out() {
    let (world, kept) = world();
    let client = world.client();
    let first = client.call(SLOW, Bytes::new());
    let second = client.call(SLOW, Bytes::new());
    client.cancel(first);
    let canceled = client.only();
    assert_eq!(canceled.header, Header::new(Type::Canceled, first, SERVICE, 1, SLOW));
    assert!(canceled.payload.is_empty());
    assert_eq!(client.peer.pending_calls(), 1);
    let object = world.router.service(SERVICE).unwrap();
    assert_eq!(object.statistics().waiting, 1, "its place is free again");
    world.run();
    client.cancel(first);
    client.none();
    let call = kept.lock().pop().unwrap();
    assert_eq!(kept.lock().len(), 0, "only the second was made");
    call.reply(Ok(1.into()));
    assert_eq!(client.only().header.id, second);
}

#[test]
fn what_runs_is_told_and_decides() {
    let (world, kept) = world();
    let client = world.client();
    let told = Arc::new(AtomicUsize::new(0));
    for obeys in [true, false] {
        let id = client.call(SLOW, Bytes::new());
        world.run();
        let call = kept.lock().pop().unwrap();
        let count = Arc::clone(&told);
        call.on_cancel(move || drop(count.fetch_add(1, Ordering::Relaxed).to_string()));
        client.cancel(id);
        client.cancel(id);
        client.none();
        assert!(call.is_canceled());
        call.reply(if obeys { Err(CallError::Canceled) } else { Ok(7.into()) });
        let answer = client.only();
        assert_eq!(answer.header.ty, if obeys { Type::Canceled } else { Type::Reply });
    }
    assert_eq!(told.load(Ordering::Relaxed), 2, "once for each call");
}

#[test]
fn a_notice_that_comes_late_is_called_at_once() {
    let (world, kept) = world();
    let client = world.client();
    let id = client.call(SLOW, Bytes::new());
    world.run();
    client.cancel(id);
    let call = kept.lock().pop().unwrap();
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    call.on_cancel(move || drop(count.fetch_add(1, Ordering::Relaxed).to_string()));
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

#[test]
fn a_notice_without_an_occasion_is_dropped() {
    let (world, kept) = world();
    let client = world.client();
    let id = client.call(SLOW, Bytes::new());
    world.run();
    let call = kept.lock().pop().unwrap();
    let told = Arc::new(AtomicUsize::new(0));
    let notice = || {
        let count = Arc::clone(&told);
        move || drop(count.fetch_add(1, Ordering::Relaxed).to_string())
    };
    call.on_cancel(notice());
    call.on_cancel(notice());
    assert_eq!(Arc::strong_count(&told), 2, "the second has taken the place of the first");
    let cancellation = call.cancellation();
    call.reply(Ok(1.into()));
    assert_eq!(Arc::strong_count(&told), 1, "nobody will cancel it any more");
    cancellation.on_cancel(notice());
    assert_eq!(Arc::strong_count(&told), 1, "it is over");
    client.cancel(id);
    client.only();
    assert_eq!(told.load(Ordering::Relaxed), 0);
}

#[test]
fn what_is_done_or_unknown_is_left_alone() {
    let (world, kept) = world();
    let client = world.client();
    let id = client.call(SLOW, Bytes::new());
    world.run();
    kept.lock().pop().unwrap().reply(Ok(1.into()));
    client.only();
    client.cancel(id);
    client.cancel(12345);
    client.none();
}

#[test]
fn qiloops_form_is_understood() {
    let (world, _) = world();
    let client = world.client();
    let id = client.call(SLOW, Bytes::new());
    client.message(Message { header: Header::new(Type::Cancel, id, SERVICE, 1, SLOW), payload: Bytes::new() });
    assert_eq!(client.only().header.ty, Type::Canceled);
}

#[test]
fn who_has_not_announced_it_gets_an_error() {
    let (world, kept) = world();
    let client = world.client_with(&Capabilities { remote_cancelable_calls: false, ..LIBQI });
    let queued = client.call(SLOW, Bytes::new());
    client.cancel(queued);
    assert_eq!(error(&client.only()), "canceled");
    let running = client.call(SLOW, Bytes::new());
    world.run();
    client.cancel(running);
    kept.lock().pop().unwrap().reply(Err(CallError::Canceled));
    assert_eq!(error(&client.only()), "canceled");
}

#[test]
fn others_cannot_cancel() {
    let (world, kept) = world();
    let (one, other) = (world.client(), world.client());
    let id = one.call(SLOW, Bytes::new());
    other.cancel(id);
    one.none();
    other.none();
    world.run();
    kept.lock().pop().unwrap().reply(Ok(1.into()));
    assert_eq!(one.only().header.ty, Type::Reply);
}

/// A worker has the call in its hands, but has not begun: whoever comes first to the inbound decides.
#[test]
fn between_mailbox_and_method() {
    let (world, _) = world();
    let client = world.client();
    let object = world.router.service(SERVICE).unwrap();
    let header = Header::new(Type::Call, 5, SERVICE, 1, SLOW);
    let inbound = || {
        let inbound = InboundCall::new((&client.peer, &object), header, false, 0).unwrap();
        assert!(client.peer.remember(&inbound));
        inbound
    };
    let first = inbound();
    client.cancel(5);
    assert_eq!(client.only().header.ty, Type::Canceled);
    assert!(!first.start(), "too late");
    Responder::new(first, signature("v"), None).answer(Ok(Answer::void()));
    client.none();
    let second = inbound();
    assert!(second.start());
    client.cancel(5);
    client.none();
    Responder::new(second, signature("v"), None).answer(Ok(Answer::void()));
    assert_eq!(client.only().header.ty, Type::Reply, "it did not stop");
}
