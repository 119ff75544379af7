//! Random interleavings: whatever happens, every Call has exactly one answer, and a Post none.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use crate::qi::endpoint::Types;
use crate::qi::message::Type;
use crate::qi::server::mailbox::Limits;
use crate::qi::server::{Answer, Call, CallError};
use crate::qi::server::{Object, ObjectBuilder};
use crate::sys::sync::Mutex;

use super::harness::*;

const CLIENTS: usize = 3;
/// Actions that are called: methods of all kinds, generic ones, what does not exist, and a signal.
const ACTIONS: [u32; 10] = [100, 101, 102, 103, 2, 7, 80, 999, 104, 5];

#[derive(Clone, Debug)]
enum Step {
    Call(usize, usize),
    Post(usize, usize),
    /// Of the call so many back.
    Cancel(usize, usize),
    Run,
    Answer(usize, bool),
    Drop(usize),
    End(usize),
    Starve(usize),
    Emit,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let client = 0..CLIENTS;
    let action = 0..ACTIONS.len();
    let step = prop_oneof![
        8 => (client.clone(), action.clone()).prop_map(|(client, action)| Step::Call(client, action)),
        2 => (client.clone(), action).prop_map(|(client, action)| Step::Post(client, action)),
        3 => (client.clone(), 0..4usize).prop_map(|(client, back)| Step::Cancel(client, back)),
        6 => Just(Step::Run),
        3 => (0..5usize, any::<bool>()).prop_map(|(which, well)| Step::Answer(which, well)),
        1 => (0..5usize).prop_map(Step::Drop),
        1 => client.clone().prop_map(Step::End),
        1 => client.prop_map(Step::Starve),
        1 => Just(Step::Emit),
    ];
    proptest::collection::vec(step, 0..60)
}

type Kept = Arc<Mutex<Vec<Call>>>;

fn object(kept: &Kept) -> Object {
    let mut builder = ObjectBuilder::new();
    builder.limits(Limits { tasks: 6, bytes: 1 << 20 });
    builder.method("void", "()", "v", |_| Ok(Answer::void()));
    let keep = Arc::clone(kept);
    builder.method_later("later", "()", "v", move |call| keep.lock().push(call));
    builder.method("fail", "()", "v", |_| Err(CallError::Canceled));
    builder.method("silent", "()", "i", |_| Ok("no number".into()));
    builder.signal("signal", "()");
    builder.build().unwrap()
}

#[derive(Default)]
struct Account {
    /// Calls by connection and id, and how often they were answered.
    answers: HashMap<(usize, u32), usize>,
    ids: Vec<Vec<u32>>,
}

impl Account {
    fn read(&mut self, clients: &[Client]) {
        for (number, client) in clients.iter().enumerate() {
            for message in client.take() {
                if message.header.ty == Type::Event {
                    continue;
                }
                assert!(Types::ANSWERS.contains(message.header.ty));
                let count = self.answers.get_mut(&(number, message.header.id));
                *count.expect("an answer to nothing, or to a Post") += 1;
            }
        }
    }
}

fn take(step: &Step, (clients, account): (&[Client], &mut Account), (world, object, kept): (&World, &Object, &Kept)) {
    let alive = |client: &usize| !clients[*client].is_closed();
    match step {
        Step::Call(client, action) if alive(client) => {
            // The answer may come before the call returns.
            let id = clients[*client].call(ACTIONS[*action], Bytes::new());
            account.answers.insert((*client, id), 0);
            account.ids[*client].push(id);
        }
        Step::Post(client, action) if alive(client) => clients[*client].post(ACTIONS[*action], Bytes::new()),
        Step::Cancel(client, back) if alive(client) => {
            let ids = &account.ids[*client];
            if let Some(id) = ids.len().checked_sub(back + 1).map(|at| ids[at]) {
                clients[*client].cancel(id);
            }
        }
        Step::Run => drop(world.router.step().to_string()),
        Step::Answer(which, well) => {
            let mut calls = kept.lock();
            if *which < calls.len() {
                let call = calls.remove(*which);
                drop(calls);
                call.reply(if *well { Ok(Answer::void()) } else { Err("badly".into()) });
            }
        }
        Step::Drop(which) => {
            let mut calls = kept.lock();
            if *which < calls.len() {
                let call = calls.remove(*which);
                drop(calls);
                drop(call);
            }
        }
        Step::End(client) if alive(client) => clients[*client].end(),
        Step::Starve(client) => clients[*client].room(0),
        Step::Emit => drop(object.emit("signal", vec![])),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_call_has_exactly_one_answer(steps in steps()) {
        let kept = Kept::default();
        let object = object(&kept);
        let world = World::serving(&object);
        let clients: Vec<_> = (0..CLIENTS).map(|_| world.client()).collect();
        clients.iter().for_each(|client| client.subscribe(104, 1));
        let mut account = Account { ids: vec![Vec::new(); CLIENTS], ..Account::default() };
        for step in &steps {
            take(step, (&clients, &mut account), (&world, &object, &kept));
            account.read(&clients);
        }
        loop {
            world.run();
            let calls = std::mem::take(&mut *kept.lock());
            if calls.is_empty() {
                break;
            }
            drop(calls);
        }
        account.read(&clients);
        for ((client, id), count) in &account.answers {
            let most = 1;
            let least = usize::from(!clients[*client].is_closed());
            prop_assert!((least..=most).contains(count), "call {id} of {client}: {count} answers");
        }
        for client in &clients {
            prop_assert_eq!(client.peer.pending_calls(), 0);
        }
        prop_assert_eq!(object.statistics().waiting, 0);
    }
}
