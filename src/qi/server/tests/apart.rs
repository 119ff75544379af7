//! Large messages: what takes long about them is no business of others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::qi::endpoint::Budget;
use crate::qi::endpoint::budget::{QUANTUM, Tab};
use crate::qi::message::Type;
use crate::qi::server::{Answer, Object, ObjectBuilder};
use crate::qi::signature::Kind;
use crate::qi::value::{Memory, Value};
use crate::sys::sync::Mutex;

use super::harness::*;

/// Values enough for [`LARGE`](crate::qi::server::apart).
const MANY: i32 = 20_000;

const COUNT: u32 = 100;
const LOOK: u32 = 101;
const MAKE: u32 = 102;

/// What its methods have done, and whether the last dynamic came decoded.
#[derive(Default)]
struct Done {
    all: Mutex<Vec<usize>>,
    was_decoded: AtomicBool,
}

fn object() -> (Object, Arc<Done>) {
    let (done, mut builder) = (Arc::new(Done::default()), ObjectBuilder::new());
    let note = Arc::clone(&done);
    builder.method("count", "([m])", "i", move |call| {
        let count = call.arguments[0].items().unwrap().len();
        note.all.lock().push(count);
        Ok((count as i32).into())
    });
    let note = Arc::clone(&done);
    builder.method("look", "(m)", "i", move |call| {
        let Value::Dynamic(given) = &call.arguments[0] else { return Err("no dynamic".into()) };
        note.was_decoded.store(given.decoded_value().is_some(), Ordering::SeqCst);
        let count = given.value().map_err(|error| error.to_string())?.items().unwrap().len();
        Ok((count as i32).into())
    });
    let note = Arc::clone(&done);
    builder.method("make", "(i)", "[i]", move |call| {
        let Value::Int32(count) = call.arguments[0] else { return Err("no number".into()) };
        note.all.lock().push(count as usize);
        Ok(Answer::from(Value::list(Kind::Int32.into(), (0..count).map(Value::from).collect())))
    });
    (builder.build().unwrap(), done)
}

fn numbers(count: i32) -> Value {
    Value::list(Kind::Dynamic.into(), (0..count).map(|number| Value::from(number).into_dynamic()).collect())
}

fn list(count: i32) -> Bytes {
    args("([m])", vec![numbers(count)])
}

fn number(number: i32) -> Bytes {
    args("(i)", vec![number.into()])
}

/// What is to be done apart for this client waits.
fn hold(client: &Client) {
    client.peer.common.helper.0.mailbox.hold(client.peer.id());
}

/// It goes on.
fn let_go(world: &World, client: &Client) {
    let (common, id) = (&client.peer.common, client.peer.id());
    if common.helper.0.mailbox.let_go(id, None) {
        common.crew.submit(id, common.helper.clone());
    }
    world.run();
}

fn ids(client: &Client) -> Vec<u32> {
    let all = client.take();
    assert!(all.iter().all(|answer| answer.header.ty == Type::Reply), "{all:?}");
    all.iter().map(|answer| answer.header.id).collect()
}

#[test]
fn others_do_not_wait_while_a_large_argument_is_read_and_its_own_do() {
    let (object, done) = object();
    let world = World::serving(&object);
    let (large, other) = (world.client(), world.client());
    hold(&large);
    let calls = [large.call(COUNT, list(MANY)), large.call(COUNT, list(1)), large.call(COUNT, list(MANY + 1))];
    let others = [other.call(COUNT, list(2)), other.call(COUNT, list(3))];
    world.run();
    large.none();
    assert_eq!((ids(&other), object.statistics().waiting), (others.to_vec(), 2));
    let_go(&world, &large);
    assert_eq!(ids(&large), calls);
    assert_eq!(*done.all.lock(), [2, 3, MANY as usize, 1, MANY as usize + 1]);
    assert_eq!(world.budget.used(), 0, "all of it is given back");
}

#[test]
fn others_do_not_wait_while_a_large_answer_is_written_and_its_own_do() {
    let (object, done) = object();
    let world = World::serving(&object);
    let (large, other) = (world.client(), world.client());
    hold(&large);
    let calls = [large.call(MAKE, number(MANY)), large.call(MAKE, number(1))];
    let others = [other.call(MAKE, number(2)), other.call(MAKE, number(3))];
    world.run();
    large.none();
    assert_eq!(ids(&other), others);
    let_go(&world, &large);
    let answers = large.take();
    assert_eq!(answers.iter().map(|answer| answer.header.id).collect::<Vec<_>>(), calls);
    assert_eq!(result(&answers[0], "[i]").items().unwrap().len(), MANY as usize);
    done.all.lock().sort_unstable();
    assert_eq!(*done.all.lock(), [1, 2, 3, MANY as usize]);
}

/// A hundred results of 16 MB waited for one helper, and counted nowhere.
#[test]
fn few_answers_wait_for_a_helper_and_the_others_are_written_at_once() {
    let (object, _) = object();
    let world = World::serving(&object);
    let clients: Vec<_> = (0..40).map(|_| world.client()).collect();
    let most = clients[0].peer.common.threads.at_once.max(2);
    for round in 1..=2 {
        clients.iter().for_each(hold);
        for client in &clients {
            client.call(MAKE, number(MANY));
        }
        world.run();
        let answered: Vec<bool> = clients.iter().map(|client| !client.take().is_empty()).collect();
        let waiting = answered.iter().filter(|answered| !**answered).count();
        assert!(waiting >= 1 && waiting <= most, "{waiting} of {most} in round {round}");
        for (client, answered) in clients.iter().zip(answered) {
            let_go(&world, client);
            assert_eq!(client.take().len(), usize::from(!answered));
        }
    }
}

#[test]
fn a_call_that_is_cancelled_while_it_is_read_is_not_made_and_keeps_nothing_waiting() {
    let (object, done) = object();
    let world = World::serving(&object);
    let client = world.client();
    hold(&client);
    let cancelled = client.call(COUNT, list(MANY));
    let next = client.call(COUNT, list(1));
    world.run();
    client.cancel(cancelled);
    let answer = client.only();
    assert_eq!((answer.header.ty, answer.header.id), (Type::Canceled, cancelled));
    let_go(&world, &client);
    assert_eq!((ids(&client), done.all.lock().clone()), (vec![next], vec![1]));
}

#[test]
fn what_a_connection_leaves_behind_while_it_is_read_is_done_in_its_order() {
    let (object, done) = object();
    let world = World::serving(&object);
    let (client, other) = (world.client(), world.client());
    hold(&client);
    client.call(COUNT, list(MANY));
    client.call(COUNT, list(1));
    world.run();
    client.end();
    world.run();
    assert_eq!((done.all.lock().clone(), object.statistics().waiting), (vec![], 1));
    let_go(&world, &client);
    assert_eq!(*done.all.lock(), [MANY as usize, 1]);
    other.call(COUNT, list(2));
    world.run();
    assert_eq!(other.only().header.ty, Type::Reply);
}

#[test]
fn what_was_left_behind_before_it_is_read_is_done_in_its_order() {
    let (object, done) = object();
    let world = World::serving(&object);
    let (client, other) = (world.client(), world.client());
    client.call(COUNT, list(MANY));
    client.call(COUNT, list(1));
    hold(&client);
    client.end();
    world.run();
    other.call(COUNT, list(2));
    world.run();
    assert_eq!((other.only().header.ty, done.all.lock().clone()), (Type::Reply, vec![2]));
    let_go(&world, &client);
    assert_eq!(*done.all.lock(), [2, MANY as usize, 1]);
}

#[test]
fn workers_that_stop_while_something_is_read_leave_the_object_to_others() {
    let (object, done) = object();
    let (first, second) = (World::serving(&object), World::serving(&object));
    let (client, other) = (first.client(), second.client());
    hold(&client);
    client.call(COUNT, list(MANY));
    client.call(COUNT, list(1));
    first.run();
    client.end();
    first.router.stop();
    let (common, id) = (&client.peer.common, client.peer.id());
    if common.helper.0.mailbox.let_go(id, None) {
        common.crew.submit(id, common.helper.clone());
    }
    other.call(COUNT, list(2));
    second.run();
    assert_eq!((other.only().header.ty, done.all.lock().clone()), (Type::Reply, vec![2]));
    assert_eq!(object.statistics().waiting, 0, "nobody is there for the rest");
}

#[test]
fn what_a_method_has_looked_into_comes_decoded_the_next_time() {
    let (object, done) = object();
    let world = World::serving(&object);
    let client = world.client();
    for (count, is_decoded) in [(2, false), (MANY, false), (MANY, true), (2, true)] {
        client.call(LOOK, args("(m)", vec![numbers(count).into_dynamic()]));
        world.run();
        assert_eq!(result(&client.only(), "i"), Value::Int32(count));
        assert_eq!(done.was_decoded.load(Ordering::SeqCst), is_decoded, "{count}");
    }
}

#[test]
fn what_is_decoded_after_its_end_is_the_programs_or_nobodys() {
    let budget = Budget::new(100 * QUANTUM);
    let account = budget.account();
    let [kept, unwanted] = [(), ()].map(|()| Tab::open(&account, QUANTUM).unwrap());
    assert!(kept.take(QUANTUM) && unwanted.take(QUANTUM));
    kept.close();
    unwanted.refuse();
    assert!(kept.take(1000 * QUANTUM) && !unwanted.take(1) && budget.used() == 0);
}
