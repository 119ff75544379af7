//! Objects on real threads: one thing at a time, others meanwhile, and an end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use bytes::Bytes;

use crate::qi::message::Message;
use crate::qi::server::workers::{Crew, Workers};
use crate::qi::server::{Answer, Call, Object, ObjectBuilder};

use super::harness::*;

const LONG: Duration = Duration::from_secs(20);

/// Waits for so many messages.
fn wait_for(client: &Client, count: usize) -> Vec<Message> {
    let deadline = std::time::Instant::now() + LONG;
    let mut all = Vec::new();
    while all.len() < count {
        assert!(std::time::Instant::now() < deadline, "{} of {count}", all.len());
        all.extend(client.take());
        std::thread::yield_now();
    }
    all
}

fn object(code: impl Fn(&Call) + Send + Sync + 'static) -> Object {
    let mut builder = ObjectBuilder::new();
    builder.method("work", "()", "v", move |call| {
        code(call);
        Ok(Answer::void())
    });
    builder.build().unwrap()
}

#[test]
fn an_object_does_one_thing_at_a_time_in_order() {
    let inside = AtomicUsize::new(0);
    let code = move |_: &Call| {
        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
        std::thread::yield_now();
        inside.fetch_sub(1, Ordering::SeqCst);
    };
    let world = World::with(4, None);
    world.router.add_service(SERVICE, &object(code));
    let clients = [world.client(), world.client()];
    let ids = clients.each_ref().map(|client| (0..500).map(|_| client.call(100, Bytes::new())).collect::<Vec<_>>());
    for (client, ids) in clients.iter().zip(ids) {
        let answers = wait_for(client, 500);
        assert_eq!(answers.iter().map(|answer| answer.header.id).collect::<Vec<_>>(), ids);
        assert!(answers.iter().all(|answer| answer.error_text().is_none()));
    }
    world.router.stop();
}

#[test]
fn objects_do_not_wait_for_each_other() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = crate::sys::sync::Mutex::new(wait);
    let slow = object(move |_| wait.lock().recv_timeout(LONG).unwrap());
    let world = World::with(2, None);
    world.router.add_service(SERVICE, &slow);
    world.router.add_service(3, &object(|_| {}));
    let client = world.client();
    let blocked = client.call(100, Bytes::new());
    client.call(100, Bytes::new());
    for _ in 0..100 {
        client.call_at((3, 1, 100), Bytes::new());
    }
    assert!(wait_for(&client, 100).iter().all(|answer| answer.header.service == 3));
    release.send(()).unwrap();
    release.send(()).unwrap();
    assert_eq!(wait_for(&client, 2)[0].header.id, blocked);
    world.router.stop();
}

#[test]
fn objects_run_in_parallel() {
    let barrier = Arc::new(Barrier::new(2));
    let world = World::with(2, None);
    for service in [2, 3] {
        let barrier = Arc::clone(&barrier);
        world.router.add_service(service, &object(move |_| {
            barrier.wait();
        }));
    }
    let client = world.client();
    client.call_at((2, 1, 100), Bytes::new());
    client.call_at((3, 1, 100), Bytes::new());
    wait_for(&client, 2);
    world.router.stop();
}

#[test]
fn the_end_waits_for_what_is_being_done_and_drops_the_rest() {
    let (started, has_started) = mpsc::channel();
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    let workers = Workers::new(1, None, move |job: u32, _: &Arc<Crew<u32>>| {
        started.send(job).unwrap();
        std::thread::yield_now();
        count.fetch_add(1, Ordering::SeqCst);
        None
    });
    assert_eq!(done.load(Ordering::SeqCst), 0);
    workers.submit(1);
    assert_eq!(has_started.recv_timeout(LONG), Ok(1));
    workers.stop();
    assert_eq!(done.load(Ordering::SeqCst), 1);
    workers.submit(2);
    workers.stop();
    assert_eq!(done.load(Ordering::SeqCst), 1);
}

#[test]
fn a_worker_may_end_the_workers() {
    let (ended, has_ended) = mpsc::channel();
    let world = World::with(2, None);
    let router = Arc::downgrade(&world.router);
    let code = move |_: &Call| {
        router.upgrade().unwrap().stop();
        ended.send(()).unwrap();
    };
    world.router.add_service(SERVICE, &object(code));
    world.client().call(100, Bytes::new());
    has_ended.recv_timeout(LONG).unwrap();
}

#[test]
fn cancels_race_with_workers_and_every_call_has_one_answer() {
    let world = World::with(2, None);
    world.router.add_service(SERVICE, &object(|_| std::thread::yield_now()));
    let client = world.client();
    let mut ids: Vec<_> = (0..2000)
        .map(|_| {
            let id = client.call(100, Bytes::new());
            client.cancel(id);
            id
        })
        .collect();
    let mut answered: Vec<_> = wait_for(&client, 2000).iter().map(|answer| answer.header.id).collect();
    world.router.stop();
    ids.sort_unstable();
    answered.sort_unstable();
    assert_eq!(answered, ids);
    client.none();
}
