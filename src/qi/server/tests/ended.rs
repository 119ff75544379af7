//! What a connection leaves behind when it ends is done, and all who have gone have one turn.

use std::sync::Arc;

use bytes::Bytes;

use crate::qi::endpoint::budget::QUANTUM;
use crate::qi::message::Message;
use crate::qi::server::mailbox::Limits;
use crate::qi::server::{Answer, Object, ObjectBuilder};
use crate::qi::value::Value;
use crate::sys::sync::Mutex;

use super::harness::*;

const NOTE: u32 = 100;
const MAKE: u32 = 101;
const MANY: usize = 300;

type Notes = Arc<Mutex<Vec<String>>>;

/// Notes what it is called with, and makes others that do.
fn notebook(notes: &Notes, limits: Limits) -> Object {
    let mut builder = ObjectBuilder::new();
    builder.limits(limits);
    let write = Arc::clone(notes);
    builder.method("note", "(s)", "v", move |call| {
        write.lock().push(call.arguments[0].as_str().unwrap().to_owned());
        Ok(Answer::void())
    });
    let write = Arc::clone(notes);
    builder.method("make", "()", "o", move |_| Ok(Answer::from(&notebook(&write, limits))));
    builder.build().unwrap()
}

fn text(text: &str) -> Bytes {
    args("(s)", vec![text.into()])
}

fn world() -> (World, Notes) {
    let notes = Notes::default();
    (World::serving(&notebook(&notes, Limits::default())), notes)
}

/// How many things are done before somebody's call is answered who comes now.
fn turns_before(world: &World, bystander: &Client) -> usize {
    bystander.call(NOTE, text("bystander"));
    let answered = |_: &usize| bystander.take().is_empty();
    (0..).take_while(|turn| answered(turn) && world.router.step()).count()
}

#[test]
fn what_waits_is_done_and_costs_until_then() {
    let (world, notes) = world();
    let client = world.client();
    client.call(NOTE, text("begun"));
    assert!(world.router.step());
    let large = "x".repeat(1 << 20);
    for number in 0..3 {
        client.call(NOTE, text(&large));
        client.post(NOTE, text(&format!("post {number}")));
    }
    client.end();
    let object = world.router.service(SERVICE).unwrap();
    assert_eq!((client.peer.pending_calls(), object.statistics().waiting), (0, 6));
    assert!(world.budget.used() >= 3 << 20, "{}", world.budget.used());
    world.run();
    let notes: Vec<_> = notes.lock().iter().map(|note| note[..5].to_owned()).collect();
    assert_eq!(notes, ["begun", "xxxxx", "post ", "xxxxx", "post ", "xxxxx", "post "]);
    assert_eq!(world.budget.used(), 0);
}

#[test]
fn those_who_have_gone_have_one_turn_however_many_they_are() {
    let (world, notes) = world();
    let bystander = world.client();
    for _ in 0..MANY {
        let client = world.client();
        client.call(NOTE, text("call"));
        client.post(NOTE, text("post"));
        client.end();
    }
    let turns = turns_before(&world, &bystander);
    assert!(turns <= 2, "{turns}");
    world.run();
    assert_eq!(notes.lock().iter().filter(|note| *note == "post").count(), MANY);
    assert_eq!(notes.lock().len(), 2 * MANY + 1);
}

#[test]
fn what_they_leave_has_a_share_of_the_mailbox() {
    let notes = Notes::default();
    let object = notebook(&notes, Limits { tasks: 64, bytes: 1 << 20 });
    let world = World::serving(&object);
    for _ in 0..MANY {
        let client = world.client();
        client.post(NOTE, text("post"));
        client.end();
    }
    assert_eq!(object.statistics().waiting, 30, "15/32 of it");
    assert_eq!(object.statistics().dropped_posts, MANY as u64 - 30);
    let newcomer = world.client();
    for _ in 0..10 {
        newcomer.call(NOTE, text("call"));
    }
    newcomer.none();
}

#[test]
fn objects_that_they_alone_reached_have_one_turn_too_and_are_paid_for() {
    let (world, notes) = world();
    let bystander = world.client();
    let clients: Vec<_> = (0..MANY).map(|_| world.client()).collect();
    clients.iter().for_each(|client| drop(client.call(MAKE, Bytes::new()).to_string()));
    world.run();
    for client in &clients {
        let Value::Object(made) = result(&client.only(), "o") else { panic!("an object") };
        client.message(Message::post(7, made.service, made.object, NOTE, text("post")));
        // The object that all use is to be run for this one; it is run for whoever has something to do there.
        client.call(NOTE, text("call"));
        client.end();
    }
    assert!(world.budget.used() >= MANY * QUANTUM, "{}", world.budget.used());
    let turns = turns_before(&world, &bystander);
    assert!(turns <= 4, "{turns}");
    world.run();
    assert_eq!(notes.lock().iter().filter(|note| *note == "post").count(), MANY);
    assert_eq!(world.budget.used(), 0);
}

#[test]
fn an_object_that_is_to_be_run_for_who_has_gone_is_run_for_who_waits_there() {
    let (world, _) = world();
    let first = world.client();
    first.call(NOTE, text("call"));
    let bystander = world.client();
    bystander.call(NOTE, text("bystander"));
    // Others have posted to objects of their own, and gone.
    for _ in 0..MANY {
        let client = world.client();
        world.router.add_service(9, &notebook(&Notes::default(), Limits::default()));
        client.message(Message::post(7, 9, 1, NOTE, text("post")));
        client.end();
    }
    first.end();
    let turns = (0..).take_while(|_| bystander.take().is_empty() && world.router.step()).count();
    assert!(turns <= 2, "{turns}");
}
