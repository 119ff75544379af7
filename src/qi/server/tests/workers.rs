//! Objects on real threads: one thing at a time, others meanwhile, and an end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use bytes::Bytes;

use crate::qi::message::{Message, Type};
use crate::qi::server::{Answer, Call, Object, ObjectBuilder};
use crate::qi::workers::run_queue::{PATIENCE, Threads};
use crate::qi::workers::{Crew, Workers};

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

/// Lets time pass until this many messages have come.
fn tick_until(world: &World, client: &Client, count: usize) -> Vec<Message> {
    let (_never, pause) = mpsc::channel::<()>();
    let deadline = std::time::Instant::now() + LONG;
    let mut all = Vec::new();
    while all.len() < count {
        assert!(std::time::Instant::now() < deadline, "{} of {count}", all.len());
        world.router.tick();
        all.extend(client.take());
        // Time passes in the real world, too: threads must be able to start.
        let _ = pause.recv_timeout(Duration::from_millis(1));
    }
    all
}

fn meets(barrier: &Arc<Barrier>) -> Object {
    let barrier = Arc::clone(barrier);
    object(move |_| {
        barrier.wait();
    })
}

#[test]
fn methods_that_wait_for_other_objects_do_not_wait_for_ever() {
    let world = World::with_threads(Threads { at_once: 1, limit: 8 }, None);
    let (tell, told) = mpsc::channel::<()>();
    let told = crate::sys::sync::Mutex::new(told);
    // Three that wait for what a fourth will do.
    let waiting = Arc::new(Barrier::new(4));
    for service in [2, 3, 4] {
        world.router.add_service(service, &meets(&waiting));
    }
    world.router.add_service(5, &meets(&waiting));
    world.router.add_service(6, &object(move |_| tell.send(()).unwrap()));
    let client = world.client();
    for service in [2, 3, 4, 5] {
        client.call_at((service, 1, 100), Bytes::new());
    }
    assert!(tick_until(&world, &client, 4).iter().all(|answer| answer.error_text().is_none()));
    // All of them together are not too many for one that works, when they are done.
    client.call_at((6, 1, 100), Bytes::new());
    told.lock().recv_timeout(LONG).unwrap();
    tick_until(&world, &client, 1);
    let deadline = std::time::Instant::now() + LONG;
    while world.router.threads() > 1 {
        assert!(std::time::Instant::now() < deadline, "{} threads", world.router.threads());
        std::thread::yield_now();
    }
    world.router.stop();
}

#[test]
fn when_all_threads_are_inside_methods_a_call_is_told_so() {
    let world = World::with_threads(Threads { at_once: 2, limit: 2 }, None);
    let (release, wait) = mpsc::channel::<()>();
    let wait = Arc::new(crate::sys::sync::Mutex::new(wait));
    let inside = Arc::new(AtomicUsize::new(0));
    for service in [2, 3] {
        let (wait, inside) = (Arc::clone(&wait), Arc::clone(&inside));
        let code = move |_: &Call| {
            inside.fetch_add(1, Ordering::SeqCst);
            wait.lock().recv_timeout(LONG).unwrap();
        };
        world.router.add_service(service, &object(code));
    }
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    let quick = object(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    world.router.add_service(4, &quick);
    let client = world.client();
    client.call_at((2, 1, 100), Bytes::new());
    client.call_at((3, 1, 100), Bytes::new());
    let deadline = std::time::Instant::now() + LONG;
    while inside.load(Ordering::SeqCst) < 2 {
        assert!(std::time::Instant::now() < deadline);
        world.router.tick();
        std::thread::yield_now();
    }
    client.message(Message::post(7, 4, 1, 100, Bytes::new()));
    let refused = client.call_at((4, 1, 100), Bytes::new());
    for _ in 0..=PATIENCE {
        world.router.tick();
    }
    let answer = client.only();
    assert_eq!(answer.header.id, refused);
    assert!(answer.error_text().unwrap().contains("max_workers"), "{answer:?}");
    assert_eq!((quick.statistics().refused_calls, quick.statistics().waiting), (1, 1), "what has no answer waits");
    release.send(()).unwrap();
    release.send(()).unwrap();
    tick_until(&world, &client, 2);
    client.call_at((4, 1, 100), Bytes::new());
    tick_until(&world, &client, 1);
    assert_eq!(done.load(Ordering::SeqCst), 2);
    world.router.stop();
}

/// Half of the threads that are left, and one is always left for the directory and what reads properties.
#[test]
fn a_connection_has_a_share_of_the_threads() {
    const SHARES: [usize; 4] = [4, 2, 1, 0];
    let world = World::with_threads(Threads { at_once: 1, limit: 8 }, None);
    let (release, wait) = mpsc::channel::<()>();
    let wait = Arc::new(crate::sys::sync::Mutex::new(wait));
    let mut builder = ObjectBuilder::new();
    builder.concurrency(32);
    let inside = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&inside);
    builder.method("wait", "()", "v", move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        wait.lock().recv_timeout(LONG).unwrap();
        Ok(Answer::void())
    });
    builder.property("level", "i", 7);
    let object = builder.build().unwrap();
    world.router.add_service(SERVICE, &object);
    let clients = SHARES.map(|_| world.client());
    for (client, share) in clients.iter().zip(SHARES) {
        let before = inside.load(Ordering::SeqCst);
        for _ in 0..share + 2 {
            client.call(100, Bytes::new());
        }
        client.message(Message::post(7, SERVICE, 1, 100, Bytes::new()));
        let refused = tick_until(&world, client, 2);
        // Who has none inside is not told of its own.
        let why = if share > 0 { "other calls of this connection" } else { "calls of other connections" };
        assert!(refused.iter().all(|answer| error(answer).contains(why)), "{refused:?}");
        let deadline = std::time::Instant::now() + LONG;
        while inside.load(Ordering::SeqCst) < before + share {
            assert!(std::time::Instant::now() < deadline, "{before} + {share}");
            std::thread::yield_now();
        }
        // What is no method has a thread.
        client.call(5, dynamic("level".into()));
        let answer = tick_until(&world, client, 1);
        assert_eq!(answer[0].header.ty, Type::Reply, "{answer:?}");
    }
    assert_eq!(inside.load(Ordering::SeqCst), 7);
    let statistics = object.statistics();
    assert_eq!((statistics.refused_calls, statistics.dropped_posts, statistics.waiting), (8, 4, 0));
    (0..7).for_each(|_| release.send(()).unwrap());
    for (client, share) in clients.iter().zip(SHARES) {
        tick_until(&world, client, share);
    }
    // All of it is given back.
    release.send(()).unwrap();
    clients[3].call(100, Bytes::new());
    assert_eq!(tick_until(&world, &clients[3], 1)[0].header.ty, Type::Reply);
    world.router.stop();
}

#[test]
fn who_reads_slowly_holds_no_object_and_loses_nothing() {
    let world = World::patient(Threads { at_once: 2, limit: 8 }, LONG, None);
    world.router.add_service(SERVICE, &object(|_| {}));
    let (slow, bystander) = (world.client(), world.client());
    slow.room(0);
    let ids = [(); 3].map(|()| slow.call(100, Bytes::new()));
    for _ in 0..10 {
        bystander.call(100, Bytes::new());
        assert_eq!(tick_until(&world, &bystander, 1)[0].error_text(), None);
    }
    slow.none();
    slow.room(usize::MAX);
    let answers = tick_until(&world, &slow, 3);
    assert_eq!(answers.iter().map(|answer| answer.header.id).collect::<Vec<_>>(), ids);
    assert!(answers.iter().all(|answer| answer.error_text().is_none()));
    // What is not taken for long becomes an Error, and after that nothing waits until something is taken.
    slow.room(0);
    slow.fake.state.lock().out_of_time = true;
    slow.call(100, Bytes::new());
    assert!(error(&tick_until(&world, &slow, 1)[0]).contains("does not read"));
    slow.fake.state.lock().out_of_time = false;
    slow.call(100, Bytes::new());
    assert!(error(&tick_until(&world, &slow, 1)[0]).contains("does not read"), "at once");
    slow.room(usize::MAX);
    slow.call(100, Bytes::new());
    assert_eq!(tick_until(&world, &slow, 1)[0].error_text(), None);
    world.router.stop();
}

#[test]
fn objects_run_in_parallel() {
    let barrier = Arc::new(Barrier::new(2));
    let world = World::with(2, None);
    for service in [2, 3] {
        let barrier = Arc::clone(&barrier);
        world.router.add_service(
            service,
            &object(move |_| {
                barrier.wait();
            }),
        );
    }
    let client = world.client();
    client.call_at((2, 1, 100), Bytes::new());
    client.call_at((3, 1, 100), Bytes::new());
    wait_for(&client, 2);
    world.router.stop();
}

#[test]
fn the_end_waits_for_what_is_being_done_and_leaves_the_rest() {
    let (started, has_started) = mpsc::channel();
    let (leave, left) = mpsc::channel();
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    let run = move |job: u32, crew: &Arc<Crew<u32>>| {
        started.send(job).unwrap();
        while !crew.is_stopped() {
            std::thread::yield_now();
        }
        count.fetch_add(1, Ordering::SeqCst);
        Some((0, job + 10))
    };
    let limits = Threads { at_once: 1, limit: 1 };
    let workers = Workers::new(limits, None, run, move |job, _, _| leave.send(job).unwrap());
    workers.crew().submit(0, 1);
    assert_eq!(has_started.recv_timeout(LONG), Ok(1));
    workers.crew().submit(0, 2);
    workers.stop();
    assert_eq!(done.load(Ordering::SeqCst), 1);
    workers.crew().submit(0, 3);
    workers.stop();
    assert_eq!(done.load(Ordering::SeqCst), 1);
    let mut left: Vec<_> = left.try_iter().collect();
    left.sort_unstable();
    assert_eq!(left, [2, 3, 11], "what waited, what came late, what was not finished");
}

#[test]
fn an_object_of_two_servers_goes_on_at_one_when_the_other_ends() {
    let (one, two, three) = (World::new(), World::new(), World::new());
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    let shared = object(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    [&one, &two].iter().for_each(|world| world.router.add_service(SERVICE, &shared));
    let (first, second) = (one.client(), two.client());
    // Scheduled by the one, which does not get to it any more.
    first.call(100, Bytes::new());
    let ids = [second.call(100, Bytes::new()), second.call(100, Bytes::new())];
    two.run();
    second.none();
    one.router.stop();
    two.run();
    assert_eq!(second.take().iter().map(|answer| answer.header.id).collect::<Vec<_>>(), ids);
    assert_eq!(done.load(Ordering::SeqCst), 2, "nobody is there for the other call");
    // The end of a server leaves the other's calls alone, and its own do not keep the object from a third.
    first.call(100, Bytes::new());
    second.call(100, Bytes::new());
    one.router.stop();
    two.router.stop();
    three.router.add_service(SERVICE, &shared);
    let third = three.client();
    third.call(100, Bytes::new());
    three.run();
    assert!(third.only().error_text().is_none());
}

#[test]
fn what_nobody_will_do_keeps_no_object() {
    let world = World::new();
    let kept = Arc::new(());
    let gone = Arc::downgrade(&kept);
    let lent = object(move |_| drop(Arc::clone(&kept)));
    let mut builder = ObjectBuilder::new();
    builder.method("lend", "()", "o", move |_| Ok(Answer::from(&lent)));
    world.router.add_service(SERVICE, &builder.build().unwrap());
    let client = world.client();
    client.call(100, Bytes::new());
    world.run();
    let there = match result(&client.only(), "o") {
        crate::qi::value::Value::Object(object) => (object.service, object.object, 100),
        other => panic!("{other:?}"),
    };
    client.message(Message::post(7, there.0, there.1, there.2, Bytes::new()));
    client.end();
    assert!(gone.upgrade().is_some(), "a post waits");
    world.router.stop();
    assert!(gone.upgrade().is_none());
}

#[test]
fn signals_are_for_threads_of_the_application() {
    let (tell, told) = mpsc::channel();
    let code = move |_: &Call| tell.send(std::fs::read_to_string("/proc/thread-self/status").unwrap()).unwrap();
    let world = World::with(1, None);
    world.router.add_service(SERVICE, &object(code));
    world.client().call(100, Bytes::new());
    let status = told.recv_timeout(LONG).unwrap();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
    let blocked = u64::from_str_radix(blocked.trim(), 16).unwrap();
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGCHLD] {
        assert!(blocked & (1 << (signal - 1)) != 0, "{signal} of {blocked:x}");
    }
    world.router.stop();
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
