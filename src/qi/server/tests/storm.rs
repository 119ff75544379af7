//! A storm of messages, most of which were well once: the captured ones, and everything that objects understand, with
//! bytes changed, missing and doubled, while services, objects, connections and a second server come and go. Every Call that
//! arrives is answered once while its connection lives, and in the end nothing is left.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::qi::endpoint::Types;
use crate::qi::message::{HEADER_SIZE, Header, Message, Type};
use crate::qi::meta;
use crate::qi::server::directory_object::DirectoryService;
use crate::qi::server::mailbox::Limits;
use crate::qi::server::serving;
use crate::qi::server::{Answer, Call};
use crate::qi::server::{Object, ObjectBuilder, Options};
use crate::qi::tests::vectors;
use crate::qi::value::{Reader, Value};
use crate::sys::sync::Mutex;

use super::harness::*;
use super::raw::{GUEST, Lent, guest, registration, service_info};

/// Two of the first server, and two of the second.
const CLIENTS: usize = 4;
/// Beside [`SERVICE`], which is what the vectors were captured from.
const THING: u32 = 3;

// Of the thing.
const VOID: u32 = 100;
const LATER: u32 = 101;
const MAKE: u32 = 102;
const TAKE: u32 = 103;
const GIVE: u32 = 104;
const ECHO: u32 = 105;
const FIRED: u32 = 106;
const LEVEL: u32 = 107;

/// A change of one byte or of many.
#[derive(Clone, Debug)]
enum Change {
    /// Anywhere in the header but in magic and size, which a router does not see.
    Header(Index, u8),
    Byte(Index, u8),
    Cut(Index),
    Double(Index),
}

#[derive(Clone, Debug)]
enum Step {
    /// One of the messages, changed.
    Say(usize, Index, Vec<Change>),
    /// The thing is to make an object for this client, or to take or give one.
    Pass(usize, usize),
    /// To an object that this client was given, and may have given back.
    SayTo(usize, Index, Index, Vec<Change>),
    Cancel(usize, Index),
    Run,
    /// A call that waits for the thing.
    Answer(Index, bool),
    /// A call of ours to an object of this client's.
    AnswerOurs(usize, Index, Vec<Change>),
    Emit,
    Remove(u32),
    Add(u32),
    /// How many answers and events there is room for.
    Room(usize, usize),
    End(usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Header(at, byte)),
        3 => (any::<Index>(), prop::sample::select(&b"\0\x01\x02\xffismo[]{}()v"[..]))
            .prop_map(|(at, byte)| Change::Byte(at, byte)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => any::<Index>().prop_map(Change::Double),
    ];
    prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(change, 1..4)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let client = || 0..CLIENTS;
    let service = || prop_oneof![Just(SERVICE), Just(THING)];
    let step = prop_oneof![
        20 => (client(), any::<Index>(), changes()).prop_map(|(client, which, how)| Step::Say(client, which, how)),
        14 => (client(), 0..3usize).prop_map(|(client, how)| Step::Pass(client, how)),
        28 => (client(), any::<Index>(), any::<Index>(), changes())
            .prop_map(|(client, object, which, how)| Step::SayTo(client, object, which, how)),
        3 => (client(), any::<Index>()).prop_map(|(client, which)| Step::Cancel(client, which)),
        30 => Just(Step::Run),
        3 => (any::<Index>(), any::<bool>()).prop_map(|(which, well)| Step::Answer(which, well)),
        5 => (client(), any::<Index>(), changes()).prop_map(|(client, which, how)| Step::AnswerOurs(client, which, how)),
        3 => Just(Step::Emit),
        1 => service().prop_map(Step::Remove),
        3 => service().prop_map(Step::Add),
        3 => (client(), prop_oneof![Just(0), Just(1), Just(usize::MAX), Just(usize::MAX)])
            .prop_map(|(client, room)| Step::Room(client, room)),
        1 => client().prop_map(Step::End),
    ];
    prop::collection::vec(step, 0..240)
}

/// All that is said, before it is changed. Ids are given when it is.
fn messages() -> Vec<Message> {
    let captured = vectors::all().iter().map(|vector| {
        let (header, _) = Header::parse(&vector.bytes, u32::MAX).unwrap();
        Message { header, payload: vector.payload() }
    });
    let key = |key: &str| Value::from(key).into_dynamic();
    let wish = |ty: &str| args("(IILs)", vec![0u32.into(), FIRED.into(), 1u64.into(), ty.into()]);
    let asked = [
        (0, registration(FIRED, 1)),
        (0, registration(FIRED, 2)),
        (0, registration(LEVEL, 1)),
        (1, registration(FIRED, 1)),
        (1, registration(0, u64::MAX)),
        (8, wish("(l)")),
        (8, wish("(m)")),
        (2, args("(I)", vec![0u32.into()])),
        (3, args("(I)", vec![THING.into()])),
        (5, dynamic("level".into())),
        (5, dynamic(LEVEL.into())),
        (6, args("(mm)", vec![key("level"), Value::from(5i64).into_dynamic()])),
        (7, Bytes::new()),
        (80, Bytes::new()),
        (81, args("(b)", vec![true.into()])),
        (82, Bytes::new()),
        (83, Bytes::new()),
        (85, args("(b)", vec![true.into()])),
        (0, registration(86, 1)),
        (VOID, Bytes::new()),
        (LATER, Bytes::new()),
        (MAKE, Bytes::new()),
        (TAKE, args_shared("(o)", vec![guest()])),
        (GIVE, Bytes::new()),
        (ECHO, dynamic(Value::tuple(vec![1.into(), "x".into()]))),
        (ECHO, args_shared("(m)", vec![guest().into_dynamic()])),
        (FIRED, args("(i)", vec![4.into()])),
        (LEVEL, args("(i)", vec![4.into()])),
    ];
    let calls = asked.iter().map(|(action, payload)| Message::call(0, THING, 1, *action, payload.clone()));
    let posts = asked.iter().map(|(action, payload)| Message::post(0, THING, 1, *action, payload.clone()));
    let directory =
        [(100, args("(s)", vec!["Mine".into()])), (102, service_info("Mine")), (104, args("(I)", vec![2u32.into()]))];
    let directory = directory.into_iter().map(|(action, payload)| Message::call(0, 1, 1, action, payload));
    let event = Message::event(0, THING, GUEST, 101, args("(i)", vec![9.into()]));
    captured.chain(calls).chain(posts).chain(directory).chain([event]).collect()
}

/// What is said to objects that were made, and to those that were lent.
fn messages_to_given() -> Vec<Message> {
    let mut all = vec![Message::post(0, THING, 1, 3, args("(I)", vec![THING.into()]))];
    let calls = [
        (0, registration(100, 1)),
        (0, registration(101, 1)),
        (0, registration(86, 1)),
        (1, registration(0, 1)),
        (2, args("(I)", vec![0u32.into()])),
        (100, args("(i)", vec![4.into()])),
    ];
    all.extend(calls.into_iter().map(|(action, payload)| Message::call(0, THING, 1, action, payload)));
    all
}

fn changed(message: &Message, changes: &[Change]) -> Message {
    let mut head = message.header.encode(0);
    let mut payload = message.payload.to_vec();
    for change in changes {
        match change {
            Change::Header(at, byte) => {
                let places: Vec<_> = (4..8).chain(12..HEADER_SIZE).collect();
                head[*at.get(&places)] = *byte;
            }
            _ if payload.is_empty() => {}
            Change::Byte(at, byte) => {
                let at = at.index(payload.len());
                payload[at] = *byte;
            }
            Change::Cut(at) => payload.truncate(at.index(payload.len())),
            Change::Double(at) => payload.extend_from_within(at.index(payload.len())..),
        }
    }
    Message { header: Header::parse(&head, 0).unwrap().0, payload: payload.into() }
}

type Kept = Arc<Mutex<Vec<Call>>>;

fn thing(kept: &Kept, lent: &Lent) -> Object {
    let mut builder = ObjectBuilder::new();
    builder.limits(Limits { tasks: 4, bytes: 1 << 20 });
    builder.method("void", "()", "v", |_| Ok(Answer::void()));
    let keep = Arc::clone(kept);
    builder.method_later("later", "()", "v", move |call| keep.lock().push(call));
    builder.method("make", "()", "o", |_| {
        let mut builder = ObjectBuilder::new();
        builder.signal("rang", "(i)");
        Ok(Answer::from(&builder.build()?))
    });
    let keep = Arc::clone(lent);
    builder.method("take", "(o)", "v", move |call| {
        let old = std::mem::replace(&mut *keep.lock(), call.remote(&call.arguments[0]));
        drop(old);
        Ok(Answer::void())
    });
    let keep = Arc::clone(lent);
    builder.method("give", "()", "o", move |_| Ok(Answer::from(keep.lock().as_ref().ok_or("nothing there")?)));
    builder.method("echo", "m", "m", |call| Ok(Value::tuple(call.arguments.clone()).into()));
    builder.signal("fired", "(i)");
    builder.property("level", "i", 7);
    builder.build().unwrap()
}

/// Takes what the captured calls carry, and gives it back.
fn proof() -> Object {
    let mut meta = meta::Builder::new();
    let mut known = std::collections::BTreeMap::new();
    for vector in vectors::all() {
        let (header, _) = Header::parse(&vector.bytes, u32::MAX).unwrap();
        let parameters = vector.signature.to_string();
        if (header.ty, header.service) == (Type::Call, SERVICE) && header.action >= 100 && parameters.starts_with('(') {
            known.entry(header.action).or_insert(parameters);
        }
    }
    for (action, parameters) in known {
        meta.next_id(action).method(&format!("method{action}"), &parameters, "m");
    }
    meta.next_id(122).signal("signal", "(is)");
    Object::with_handler(meta.build().unwrap(), |call| {
        let answer = Value::tuple(call.arguments.clone());
        call.reply(Ok(answer.into()));
    })
    .unwrap()
}

/// What was said and heard on one connection.
#[derive(Default)]
struct Account {
    asked: HashMap<u32, usize>,
    answered: HashMap<u32, usize>,
    ids: Vec<u32>,
    /// Calls of ours to its objects.
    ours: Vec<Header>,
    /// Ids of objects of ours.
    given: Vec<u32>,
}

impl Account {
    fn read(&mut self, client: &Client) {
        for message in client.take() {
            let id = message.header.id;
            match message.header.ty {
                Type::Call => self.ours.push(message.header),
                ty if Types::ANSWERS.contains(ty) => {
                    *self.answered.entry(id).or_default() += 1;
                    assert!(self.answered[&id] <= self.asked.get(&id).copied().unwrap_or_default(), "{message:?}");
                    self.given.extend(given(&message));
                    assert_ne!(message.error_text().as_deref(), Some("The method panicked."));
                }
                _ => {}
            }
        }
    }
}

/// The object in the Reply of a method that returns one.
fn given(reply: &Message) -> Option<u32> {
    if reply.header.ty != Type::Reply || reply.header.service != THING || ![MAKE, GIVE].contains(&reply.header.action) {
        return None;
    }
    match Reader::new(&reply.payload).shared(LIBQI).read(&signature("o")) {
        Ok(Value::Object(object)) => Some(object.object),
        _ => None,
    }
}

struct Storm {
    worlds: [World; 2],
    directory: Arc<DirectoryService>,
    objects: [(u32, Object); 2],
    kept: Kept,
    lent: Lent,
    clients: Vec<Client>,
    accounts: Vec<Account>,
    next: u32,
}

impl Storm {
    fn new() -> Storm {
        let (kept, lent) = (Kept::default(), Lent::default());
        let objects = [(SERVICE, proof()), (THING, thing(&kept, &lent))];
        let worlds = [World::new(), World::new()];
        let options = Options { machine_id: Some("here".into()), ..Options::default() };
        let directory = serving::directory(&worlds[0].router, &options).unwrap();
        for world in &worlds {
            objects.iter().for_each(|(id, object)| world.router.add_service(*id, object));
        }
        let clients: Vec<_> = (0..CLIENTS).map(|number| worlds[number / 2].client()).collect();
        let accounts = clients.iter().map(|_| Account::default()).collect();
        Storm { worlds, directory, objects, kept, lent, clients, accounts, next: 100_000 }
    }

    fn say(&mut self, client: usize, message: &Message, changes: &[Change]) {
        self.next += 1;
        let header = Header { id: self.next, ..message.header };
        let message = changed(&Message { header, payload: message.payload.clone() }, changes);
        if self.clients[client].is_closed() {
            return;
        }
        let account = &mut self.accounts[client];
        if message.header.ty == Type::Call {
            *account.asked.entry(message.header.id).or_default() += 1;
            account.ids.push(message.header.id);
        }
        self.clients[client].message(message);
    }

    fn take(&mut self, step: &Step, (messages, to_given): (&[Message], &[Message])) {
        match step {
            Step::Say(client, which, changes) => self.say(*client, which.get(messages), changes),
            Step::Pass(client, how) => {
                let (action, payload) = match how {
                    0 => (MAKE, Bytes::new()),
                    1 => (GIVE, Bytes::new()),
                    _ => (TAKE, args_shared("(o)", vec![guest()])),
                };
                self.say(*client, &Message::call(0, THING, 1, action, payload), &[]);
            }
            Step::SayTo(client, object, which, changes) => {
                let given = &self.accounts[*client].given;
                if !given.is_empty() {
                    let mut message = which.get(to_given).clone();
                    message.header.object = *object.get(given);
                    self.say(*client, &message, changes);
                }
            }
            Step::Cancel(client, which) => {
                let ids = &self.accounts[*client].ids;
                if !ids.is_empty() && !self.clients[*client].is_closed() {
                    self.clients[*client].cancel(*which.get(ids));
                }
            }
            Step::Run => drop(self.run()),
            Step::Answer(which, well) => self.answer(*which, *well),
            Step::AnswerOurs(client, which, changes) => {
                let ours = &mut self.accounts[*client].ours;
                if !ours.is_empty() {
                    let call = ours.remove(which.index(ours.len()));
                    let reply = Message::reply_to(&call, args("(i)", vec![1.into()]));
                    self.say_answer(*client, &changed(&reply, changes));
                    // Whatever that was: this ends the call.
                    self.say_answer(*client, &Message::error_to(&call, "enough"));
                }
            }
            Step::Emit => drop(self.objects[1].1.emit("fired", vec![1.into()])),
            Step::Remove(id) => self.worlds.iter().for_each(|world| drop(world.router.remove_service(*id))),
            Step::Add(id) => {
                let (_, object) = self.objects.iter().find(|(known, _)| known == id).unwrap();
                self.worlds.iter().for_each(|world| world.router.add_service(*id, object));
            }
            Step::Room(client, room) => self.clients[*client].room(*room),
            Step::End(client) => self.clients[*client].end(),
        }
        self.read();
    }

    /// Changed, it may be a Call.
    fn say_answer(&mut self, client: usize, message: &Message) {
        if !self.clients[client].is_closed() {
            if message.header.ty == Type::Call {
                *self.accounts[client].asked.entry(message.header.id).or_default() += 1;
            }
            self.clients[client].message(message.clone());
        }
    }

    fn answer(&self, which: Index, well: bool) {
        let call = {
            let mut kept = self.kept.lock();
            if kept.is_empty() {
                return;
            }
            let at = which.index(kept.len());
            kept.remove(at)
        };
        call.reply(if well { Ok(Answer::void()) } else { Err("badly".into()) });
    }

    /// Whether there was something to do.
    fn run(&self) -> bool {
        let ran = self.worlds.each_ref().map(|world| world.router.step());
        ran.contains(&true)
    }

    fn read(&mut self) {
        for (client, account) in self.clients.iter().zip(&mut self.accounts) {
            account.read(client);
            // An end point that is closed by us ends, too.
            if client.is_closed() {
                client.end();
            }
        }
    }

    /// Lets everything come to its end that waits for others.
    fn calm(&mut self) {
        loop {
            while self.run() {}
            self.read();
            let kept = std::mem::take(&mut *self.kept.lock());
            let ours: Vec<_> = self.accounts.iter_mut().map(|account| std::mem::take(&mut account.ours)).collect();
            if kept.is_empty() && ours.iter().all(Vec::is_empty) {
                break;
            }
            drop(kept);
            for (client, calls) in ours.iter().enumerate() {
                calls.iter().for_each(|call| self.say_answer(client, &Message::error_to(call, "over")));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn every_call_is_answered_once_and_nothing_is_left(steps in steps()) {
        let (messages, to_given) = (messages(), messages_to_given());
        let mut storm = Storm::new();
        for step in &steps {
            storm.take(step, (&messages, &to_given));
        }
        storm.calm();
        for (client, account) in storm.clients.iter().zip(&storm.accounts) {
            if !client.is_closed() {
                prop_assert_eq!(&account.asked, &account.answered);
                prop_assert_eq!(client.peer.pending_calls(), 0);
            }
        }
        let lent = storm.lent.lock().take();
        drop(lent);
        storm.clients.iter().for_each(Client::end);
        storm.calm();
        for client in &storm.clients {
            let Client { peer, .. } = client;
            prop_assert_eq!((peer.pending_calls(), peer.subscriptions(), peer.exports()), (0, 0, 0));
        }
        prop_assert_eq!(storm.directory.list(None).len(), 1);
        let directory = storm.directory.object().unwrap().clone();
        for object in storm.objects.iter().map(|(_, object)| object).chain([&directory]) {
            prop_assert_eq!(object.statistics().waiting, 0);
            for signal in object.meta().signals.values() {
                prop_assert_eq!(object.subscribers(&signal.name.lossy()), 0);
            }
        }
        prop_assert!(storm.worlds.iter().all(|world| world.router.peers().is_empty()));
    }
}
