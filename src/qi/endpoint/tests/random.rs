//! The handler table against the simplest table there could be: a list, searched from the front.

use super::requests;
use bytes::Bytes;
use proptest::prelude::*;

use super::handlers::House;
use crate::qi::endpoint::Reason;
use crate::qi::endpoint::filter::{Filter, Pattern, Types, Verdict};
use crate::qi::endpoint::ring::{Next, Ring, Wakes};
use crate::qi::message::{Header, Message, Type};

#[derive(Clone, Debug)]
enum Step {
    Add(Wanted, usize),
    Remove(usize),
    Offer(Header),
    Take(usize),
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    Pattern(Pattern),
    /// Matches odd ids; keeps unless the id is a multiple of 3; exclusive for multiples of 5.
    Callback,
}

struct Simple {
    id: u64,
    wanted: Wanted,
    length: usize,
    queued: Vec<u32>,
    dropped: u64,
    end: Option<Reason>,
}

fn verdict(wanted: &Wanted, header: &Header) -> Verdict {
    match wanted {
        Wanted::Callback => {
            let divides = |number: u32| header.id.is_multiple_of(number);
            Verdict { matched: !divides(2), keep: !divides(3), exclusive: divides(5) }
        }
        Wanted::Pattern(pattern) => {
            let matched = pattern.matches(header);
            Verdict { matched, keep: !(matched && pattern.once), exclusive: pattern.exclusive }
        }
    }
}

fn offer(handlers: &mut [Simple], header: &Header) -> (u32, u32) {
    let (mut matched, mut taken) = (0, 0);
    for handler in handlers.iter_mut().filter(|handler| handler.end.is_none()) {
        let verdict = verdict(&handler.wanted, header);
        if !verdict.keep {
            handler.end = Some(Reason::Filter);
        }
        if verdict.matched {
            matched += 1;
            if handler.queued.len() < handler.length.max(1) {
                handler.queued.push(header.id);
                taken += 1;
            } else {
                handler.dropped += 1;
            }
            if verdict.exclusive {
                break;
            }
        }
    }
    (matched, taken)
}

fn key() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![Just(None), (0u32..3).prop_map(Some)]
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let types = prop_oneof![Just(Types::ANY), Just(Types::ANSWERS), Just(Types::of(Type::Event)), Just(requests())];
    (types, key(), key(), key(), prop_oneof![Just(None), (0u32..8).prop_map(Some)], any::<bool>(), any::<bool>())
        .prop_map(|(types, service, object, action, id, once, exclusive)| Pattern {
            types,
            service,
            object,
            action,
            id,
            once,
            exclusive,
        })
}

fn step() -> impl Strategy<Value = Step> {
    let wanted = prop_oneof![4 => pattern().prop_map(Wanted::Pattern), 1 => Just(Wanted::Callback)];
    let header = (1u8..9, 0u32..8, 0u32..3, 0u32..3, 0u32..3)
        .prop_map(|(ty, id, service, object, action)| Header::new(Type::from_byte(ty), id, service, object, action));
    prop_oneof![
        2 => (wanted, 0usize..4).prop_map(|(wanted, length)| Step::Add(wanted, length)),
        1 => (0usize..30).prop_map(Step::Remove),
        6 => header.prop_map(Step::Offer),
        1 => (0usize..30).prop_map(Step::Take),
    ]
}

fn take(ring: &Ring) -> Option<Next> {
    ring.take(&mut Wakes::new())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_does_what_a_list_would(steps in prop::collection::vec(step(), 0..80)) {
        let mut house = House::new();
        let mut simple: Vec<Simple> = Vec::new();
        let mut rings = Vec::new();
        for step in steps {
            match step {
                Step::Add(wanted, length) => {
                    let filter = match wanted {
                        Wanted::Pattern(pattern) => Filter::Pattern(pattern),
                        Wanted::Callback => Filter::callback(|header| verdict(&Wanted::Callback, header)),
                    };
                    let (id, ring) = house.queue("", filter, length);
                    simple.push(Simple { id, wanted, length, queued: Vec::new(), dropped: 0, end: None });
                    rings.push(ring);
                }
                Step::Remove(at) if at < simple.len() => {
                    let lives = simple[at].end.is_none();
                    prop_assert_eq!(house.remove(simple[at].id).is_ok(), lives);
                    simple[at].end.get_or_insert(Reason::Removed);
                }
                Step::Offer(header) => {
                    let message = Message { header, payload: Bytes::new() };
                    prop_assert_eq!(house.offer(&message), offer(&mut simple, &header));
                }
                Step::Take(at) if at < simple.len() => {
                    let expected = (!simple[at].queued.is_empty()).then(|| simple[at].queued.remove(0));
                    match take(&rings[at]) {
                        Some(Next::Message(message)) => prop_assert_eq!(Some(message.header.id), expected),
                        Some(Next::End(reason)) => prop_assert_eq!((Some(reason), None), (simple[at].end.clone(), expected)),
                        None => prop_assert_eq!((&simple[at].end, expected), (&None, None)),
                    }
                }
                Step::Remove(_) | Step::Take(_) => {}
            }
            prop_assert_eq!(house.table.len(), simple.iter().filter(|handler| handler.end.is_none()).count());
            prop_assert_eq!(house.told().len(), simple.len() - house.table.len());
        }
        house.end_all(Reason::Closed);
        prop_assert_eq!(house.told().len(), simple.len());
        for (handler, ring) in simple.into_iter().zip(rings) {
            prop_assert_eq!(ring.counts(), (handler.queued.len(), handler.dropped));
            for id in handler.queued {
                prop_assert!(matches!(take(&ring), Some(Next::Message(message)) if message.header.id == id));
            }
            prop_assert_eq!(take(&ring), Some(Next::End(handler.end.unwrap_or(Reason::Closed))));
        }
    }
}
