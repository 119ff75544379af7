//! The handler table by itself: who gets what, exactly how often, and how handlers end.

use super::requests;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::core::Error;
use crate::qi::endpoint::filter::{Filter, Pattern, Types, Verdict};
use crate::qi::endpoint::handlers::{Aftermath, Answer, Closer, Round, Step, Table, Taken, Target};
use crate::qi::endpoint::ring::{Next, Ring, Wakes, Weigh};
use crate::qi::endpoint::{Budget, Reason};
use crate::qi::message::{Message, Type};

/// Who was told what, in order.
pub type Log = Arc<Mutex<Vec<(&'static str, Reason)>>>;

pub struct House {
    pub table: Table<&'static str>,
    pub log: Log,
    /// Sinks called, in order.
    pub called: Vec<&'static str>,
    /// What sinks say.
    pub room: Taken,
}

impl House {
    pub fn new() -> House {
        House { table: Table::default(), log: Log::default(), called: Vec::new(), room: Taken::Yes }
    }

    pub fn closer(&self, name: &'static str) -> Option<Closer> {
        let log = Arc::clone(&self.log);
        Some(Box::new(move |reason| log.lock().unwrap().push((name, reason.clone()))))
    }

    pub fn queue(&mut self, name: &'static str, filter: impl Into<Filter>, length: usize) -> (u64, Arc<Ring>) {
        let ring = Arc::new(Ring::new(length, Budget::default().account()));
        let closer = self.closer(name);
        (self.table.add(filter.into(), Target::Queue(Arc::clone(&ring)), closer).unwrap(), ring)
    }

    pub fn sink(&mut self, name: &'static str, filter: impl Into<Filter>) -> u64 {
        let closer = self.closer(name);
        self.table.add(filter.into(), Target::Sink(name), closer).unwrap()
    }

    /// Shows a message to all; gives how many wanted it and how many took it.
    pub fn offer(&mut self, message: &Message) -> (u32, u32) {
        let mut round = self.table.begin(&message.header);
        let mut answer = Answer::Start;
        loop {
            answer = match self.step(&mut round, message, answer) {
                Step::Ask(filter) => Answer::Verdict(filter(&message.header)),
                Step::Call(name) => {
                    self.called.push(name);
                    Answer::Taken(self.room)
                }
                Step::Done => return (round.matched, round.taken),
            }
        }
    }

    pub fn step(&mut self, round: &mut Round, message: &Message, answer: Answer) -> Step<&'static str> {
        let mut out = Aftermath::default();
        let step = self.table.step(round, message, answer, &mut out);
        finish(out);
        step
    }

    pub fn remove(&mut self, id: u64) -> crate::core::Result<()> {
        let mut out = Aftermath::default();
        let outcome = self.table.remove(id, &mut out);
        finish(out);
        outcome
    }

    pub fn end_all(&mut self, reason: Reason) {
        let mut out = Aftermath::default();
        self.table.end_all(&reason, &mut out);
        finish(out);
    }

    pub fn told(&self) -> Vec<(&'static str, Reason)> {
        self.log.lock().unwrap().clone()
    }
}

fn finish<S>(out: Aftermath<S>) {
    let mut wakes = Wakes::new();
    out.ended.into_iter().for_each(|ended| ended.finish(&mut wakes));
}

fn ids(ring: &Ring) -> Vec<u32> {
    let mut wakes = Wakes::new();
    std::iter::from_fn(|| match ring.take(&mut wakes) {
        Some(Next::Message(message)) => Some(message.header.id),
        _ => None,
    })
    .collect()
}

fn of(ty: Type, id: u32, service: u32, object: u32, action: u32) -> Message {
    let mut message = Message::post(id, service, object, action, Bytes::new());
    message.header.ty = ty;
    message
}

#[test]
fn each_filter_gets_exactly_what_it_names() {
    let any = Pattern::ANY;
    let call = of(Type::Call, 7, 2, 1, 100);
    let table = [
        ("any", any, 9),
        ("type", Pattern::types(Types::of(Type::Event)), 2),
        ("service", Pattern { service: Some(2), ..any }, 8),
        ("object", Pattern { object: Some(1), ..any }, 8),
        ("service and object", Pattern { service: Some(2), object: Some(1), ..any }, 7),
        ("action", Pattern { action: Some(100), ..any }, 8),
        ("events", Pattern::events(2, 1, 100), 1),
        ("id", Pattern { id: Some(7), ..any }, 8),
        ("id and action", Pattern { id: Some(7), action: Some(101), ..any }, 1),
        ("answers", Pattern::types(Types::ANSWERS), 3),
        ("answer", Pattern { once: false, exclusive: false, ..Pattern::answer_to(&call.header) }, 3),
    ];
    let messages = [
        call,
        of(Type::Reply, 7, 2, 1, 100),
        of(Type::Error, 7, 2, 1, 100),
        of(Type::Canceled, 7, 2, 1, 100),
        of(Type::Event, 7, 2, 1, 100),
        of(Type::Event, 8, 2, 1, 101),
        of(Type::Post, 7, 3, 1, 100),
        of(Type::Capability, 7, 2, 0, 100),
        of(Type::Cancel, 7, 2, 1, 100),
    ];
    // "id and action" needs one that fits.
    let fitting = of(Type::Post, 7, 2, 1, 101);
    let mut house = House::new();
    let rings: Vec<_> = table.iter().map(|(name, pattern, _)| house.queue(name, *pattern, 100).1).collect();
    for message in &messages {
        house.offer(message);
    }
    let before: Vec<usize> = rings.iter().map(|ring| ring.counts().0).collect();
    for ((name, _, expected), (count, ring)) in table.iter().zip(before.iter().zip(&rings)) {
        if *name == "id and action" {
            assert_eq!(*count, 0);
            continue;
        }
        let exact = messages.iter().filter(|message| table_matches(&table, name, message)).count();
        assert_eq!(*count, exact, "{name}");
        assert_eq!(*count, *expected, "{name}");
        assert_eq!(ring.counts().1, 0, "{name}");
    }
    house.offer(&fitting);
    assert_eq!(rings[8].counts().0, 1);
}

fn table_matches(table: &[(&str, Pattern, usize)], name: &str, message: &Message) -> bool {
    table.iter().any(|(other, pattern, _)| *other == name && pattern.matches(&message.header))
}

#[test]
fn handlers_are_offered_messages_in_the_order_of_their_creation() {
    let mut house = House::new();
    house.sink("rest", Pattern::ANY);
    house.sink("address", Pattern { types: Types::ANY, ..Pattern::events(2, 1, 100) });
    house.sink("callback", Filter::callback(|_| Verdict { matched: true, keep: true, exclusive: false }));
    house.sink("object", Pattern { service: Some(2), object: Some(1), ..Pattern::ANY });
    house.sink("id", Pattern { id: Some(7), ..Pattern::ANY });
    assert_eq!(house.offer(&of(Type::Reply, 7, 2, 1, 100)), (5, 5));
    assert_eq!(house.called, ["rest", "address", "callback", "object", "id"]);
}

#[test]
fn an_exclusive_match_ends_the_offering_even_if_it_is_full() {
    let mut house = House::new();
    let (_, before) = house.queue("before", Pattern::ANY, 9);
    let (_, exclusive) = house.queue("exclusive", Pattern { exclusive: true, ..Pattern::events(2, 1, 100) }, 1);
    let (_, after) = house.queue("after", Pattern::ANY, 9);
    let counts: Vec<_> = (0..3).map(|id| house.offer(&of(Type::Event, id, 2, 1, 100))).collect();
    assert_eq!(counts, [(2, 2), (2, 1), (2, 1)]);
    assert_eq!(house.offer(&of(Type::Event, 9, 2, 1, 101)), (2, 2));
    assert_eq!((ids(&before), ids(&exclusive), ids(&after)), (vec![0, 1, 2, 9], vec![0], vec![9]));
    assert_eq!((exclusive.counts().1, after.counts().1), (2, 0));
}

#[test]
fn a_once_handler_takes_one_message_and_ends() {
    let mut house = House::new();
    let call = of(Type::Call, 7, 2, 1, 100);
    let (id, ring) = house.queue("answer", Pattern::answer_to(&call.header), 1);
    assert_eq!(house.offer(&call), (0, 0), "the peer's call of the same id is not our answer");
    assert_eq!(house.offer(&of(Type::Reply, 8, 2, 1, 100)), (0, 0));
    assert_eq!(house.offer(&of(Type::Error, 7, 2, 1, 100)), (1, 1));
    assert_eq!(house.offer(&of(Type::Reply, 7, 2, 1, 100)), (0, 0));
    assert_eq!(house.told(), [("answer", Reason::Filter)]);
    assert_eq!(house.remove(id), Err(Error::INVALID));
    let mut wakes = Wakes::new();
    assert!(matches!(ring.take(&mut wakes), Some(Next::Message(_))), "what was queued stays");
    assert_eq!(ring.take(&mut wakes), Some(Next::End(Reason::Filter)));
    assert_eq!(ring.take(&mut wakes), Some(Next::End(Reason::Filter)));
}

#[test]
fn a_callback_may_end_its_handler_with_or_without_a_match() {
    for matched in [false, true] {
        let mut house = House::new();
        let (_, ring) =
            house.queue("asked", Filter::callback(move |_| Verdict { matched, keep: false, exclusive: true }), 1);
        let (_, after) = house.queue("after", Pattern::ANY, 9);
        house.offer(&of(Type::Post, 1, 2, 1, 100));
        house.offer(&of(Type::Post, 2, 2, 1, 100));
        assert_eq!(ids(&ring), if matched { vec![1] } else { vec![] });
        assert_eq!(ids(&after), if matched { vec![2] } else { vec![1, 2] }, "exclusive only with a match");
        assert_eq!(house.told(), [("asked", Reason::Filter)]);
    }
}

#[test]
fn a_full_queue_drops_the_newest_and_counts() {
    let mut house = House::new();
    let (_, small) = house.queue("small", Pattern::ANY, 0);
    let (_, large) = house.queue("large", Pattern::ANY, 3);
    let taken: Vec<_> = (0..5).map(|id| house.offer(&of(Type::Call, id, 2, 1, 100))).collect();
    assert_eq!(taken, [(2, 2), (2, 1), (2, 1), (2, 0), (2, 0)]);
    assert_eq!((small.counts(), large.counts()), ((1, 4), (3, 2)));
    assert_eq!((ids(&small), ids(&large)), (vec![0], vec![0, 1, 2]));
}

#[test]
fn sinks_that_refuse_have_not_taken() {
    let mut house = House::new();
    house.sink("sink", Pattern { once: true, ..Pattern::ANY });
    house.room = Taken::Full;
    assert_eq!(house.offer(&of(Type::Call, 1, 2, 1, 100)), (1, 0));
    assert_eq!(house.told(), [("sink", Reason::Filter)]);
}

#[test]
fn ids_are_never_used_again() {
    let mut house = House::new();
    let (first, _) = house.queue("first", Pattern::ANY, 1);
    house.remove(first).unwrap();
    let (second, _) = house.queue("second", Pattern::ANY, 1);
    assert!(second > first);
    for unknown in [first, 0, second + 1, u64::MAX] {
        assert_eq!(house.remove(unknown), Err(Error::INVALID));
    }
    assert_eq!((house.told(), house.table.len()), (vec![("first", Reason::Removed)], 1));
}

#[test]
fn the_end_of_the_connection_is_told_once_and_in_order() {
    let mut house = House::new();
    let (_, ring) = house.queue("a", Pattern::ANY, 2);
    house.sink("b", Pattern { id: Some(1), ..Pattern::ANY });
    let closer = house.closer("c");
    house.table.add(Filter::Nothing, Target::Nothing, closer).unwrap();
    house.offer(&of(Type::Post, 5, 0, 0, 0));
    house.end_all(Reason::PeerClosed);
    house.end_all(Reason::Closed);
    assert_eq!(house.told(), ["a", "b", "c"].map(|name| (name, Reason::PeerClosed)));
    assert_eq!(house.offer(&of(Type::Post, 6, 0, 0, 0)), (0, 0));
    assert_eq!(ids(&ring), [5]);
    assert_eq!(house.table.ended(), Some(&Reason::PeerClosed));
    assert_eq!(house.table.add(Filter::Nothing, Target::Nothing, None), Err(Error::NOT_CONNECTED));
}

/// A filter or sink that is being called keeps its handler from being told, and its id from being removed again.
#[test]
fn a_handler_that_is_being_called_ends_when_the_call_has_come_back() {
    for end_all in [false, true] {
        let mut house = House::new();
        let asked = Filter::callback(|_| Verdict { matched: true, keep: true, exclusive: true });
        let (filter, ring) = house.queue("filter", asked, 1);
        let sink = house.sink("sink", Pattern::ANY);
        let message = of(Type::Call, 1, 2, 1, 100);
        let mut round = house.table.begin(&message.header);
        let Step::Ask(ask) = house.step(&mut round, &message, Answer::Start) else { panic!("it must be asked") };
        house.remove(filter).unwrap();
        assert_eq!(house.remove(filter), Err(Error::INVALID));
        assert_eq!(house.told(), []);
        let answer = Answer::Verdict(ask(&message.header));
        let step = house.step(&mut round, &message, answer);
        assert!(matches!(step, Step::Call("sink")), "one that has left keeps nobody from anything");
        assert_eq!((house.told(), ids(&ring)), (vec![("filter", Reason::Removed)], vec![]));

        if end_all {
            house.end_all(Reason::Closed);
        } else {
            house.remove(sink).unwrap();
        }
        assert_eq!((house.told().len(), house.table.len()), (1, 0));
        assert!(matches!(house.step(&mut round, &message, Answer::Taken(Taken::Yes)), Step::Done));
        let reason = if end_all { Reason::Closed } else { Reason::Removed };
        assert_eq!((house.told()[1].clone(), round.taken), (("sink", reason), 1));
    }
}

#[test]
fn exact_keys_are_found_without_looking_at_the_others() {
    let mut house = House::new();
    for key in 0..10_000 {
        house.sink("id", Pattern { id: Some(key), types: Types::ANSWERS, ..Pattern::ANY });
        house.sink("event", Pattern::events(key, 1, 100));
        house.sink("object", Pattern { service: Some(key), object: Some(1), types: requests(), ..Pattern::ANY });
    }
    let event = of(Type::Event, 77, 99, 1, 100);
    let round = format!("{:?}", house.table.begin(&event.header));
    assert_eq!(round.split("at:").next().unwrap().matches(',').count(), 3, "three candidates of 30,000: {round}");
    assert_eq!(house.offer(&event), (1, 1));
    assert_eq!(house.called, ["event"]);
}

#[test]
fn a_queue_is_bounded_in_bytes_and_takes_a_single_message_of_any_size() {
    let message = |id: u32, size: usize| Message::event(id, 1, 1, 1, vec![0; size].into());
    let ring = Ring::bounded(10, 2 * message(0, 400).weight() + 200, Budget::default().account());
    let mut wakes = Wakes::new();
    assert!(ring.push(&message(1, 5000), &mut wakes), "alone");
    assert!(!ring.push(&message(2, 0), &mut wakes));
    assert_eq!(ring.counts(), (1, 1));
    let taken = || match ring.take(&mut Wakes::new()) {
        Some(Next::Message(message)) => message.header.id,
        other => panic!("{other:?}"),
    };
    assert_eq!(taken(), 1);
    assert!(ring.push(&message(3, 400), &mut wakes) && ring.push(&message(4, 400), &mut wakes));
    assert!(!ring.push(&message(5, 400), &mut wakes), "three of them");
    // Who wants the newest has the oldest taken out, and no more than need be.
    let gone = ring.make_room(message(6, 400).weight());
    assert_eq!(gone.iter().map(|message| message.header.id).collect::<Vec<_>>(), [3]);
    assert!(ring.push(&message(6, 400), &mut wakes));
    assert_eq!([taken(), taken()], [4, 6]);
    assert!(ring.make_room(5000).is_empty());
    assert!(ring.push(&message(7, 5000), &mut wakes));
    assert_eq!(taken(), 7, "the bytes have come back");
}
