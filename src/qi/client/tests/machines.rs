//! Authentication, reply table, plans: no I/O, and a clock that is moved by hand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::qi::calls::alarm::Alarm;
use crate::qi::calls::replies::{Counts, Entry, Match, Replies};
use crate::qi::capability::{AuthState, Capabilities, CapabilityMap};
use crate::qi::client::authentication::{Authentication, AuthenticationStep, Credentials};
use crate::qi::client::endpoint_selection::{ConnectionKey, Connections, PlainText, Whereabouts, by_link, endpoints};
use crate::qi::client::retry::{Backoff, Retry};
use crate::qi::message::{Header, Type};
use crate::qi::meta::ServiceInfo;
use crate::qi::value::Value;

fn with_state(state: Value) -> CapabilityMap {
    let mut map = CapabilityMap::default();
    map.set("__qi_auth_state", state);
    map
}

#[test]
fn authentication_takes_what_both_sides_have() {
    let ours = Capabilities { meta_object_cache: true, ..Capabilities::OURS };
    let mut machine = Authentication::new(ours, Credentials::default());
    assert_eq!(machine.opening().capabilities(), ours);
    assert!(machine.opening().user().is_none());
    let theirs = Capabilities { meta_object_cache: true, message_flags: true, ..Capabilities::default() };
    assert_eq!(machine.replied(CapabilityMap::reply(&theirs, AuthState::Done)), AuthenticationStep::Done(theirs));
    // A server of long ago says nothing about itself; a state of any width will do.
    let mut machine = Authentication::new(ours, Credentials::default());
    assert_eq!(machine.replied(with_state(Value::Int8(3))), AuthenticationStep::Done(Capabilities::default()));
}

#[test]
fn what_is_announced_first_stays() {
    let mut machine = Authentication::new(Capabilities::OURS, Credentials::default());
    let early = CapabilityMap::announcing(&Capabilities { message_flags: true, ..Capabilities::default() });
    machine.announced(early.announced());
    let reply = CapabilityMap::reply(&Capabilities::OURS, AuthState::Done);
    let shared = Capabilities { message_flags: true, ..Capabilities::default() };
    assert_eq!(machine.replied(reply), AuthenticationStep::Done(shared));
}

#[test]
fn further_rounds_carry_only_what_the_authenticator_says() {
    let authenticator = |question: &CapabilityMap| {
        assert_eq!(question.get("auth_newToken").and_then(Value::as_str), Some("n"));
        vec![("answer".to_owned(), Value::from("42")), ("auth_user".to_owned(), "u".into())]
    };
    let credentials =
        Credentials { user: Some("nao".into()), token: None, authenticator: Some(Arc::new(authenticator)) };
    let mut machine = Authentication::new(Capabilities::OURS, credentials);
    assert_eq!(machine.opening().user(), Some(&b"nao"[..]));
    let mut question = CapabilityMap::reply(&Capabilities::OURS, AuthState::Continue);
    question.set("auth_newToken", "n".into());
    let AuthenticationStep::Again(map) = machine.replied(question) else { panic!("another round") };
    let keys: Vec<_> = map.entries().map(|(key, _)| key.lossy().into_owned()).collect();
    assert_eq!(keys, ["auth_answer", "auth_user"]);
    assert_eq!(machine.replied(with_state(3u32.into())), AuthenticationStep::Done(Capabilities::OURS));
}

#[test]
fn authentication_ends_some_time() {
    let mut machine = Authentication::new(Capabilities::OURS, Credentials::default());
    let rounds = (0..100)
        .take_while(|_| matches!(machine.replied(with_state(2u32.into())), AuthenticationStep::Again(_)))
        .count();
    assert_eq!(rounds, 16);
    for state in [Value::UInt32(0), Value::UInt32(4), "3".into(), Value::Void] {
        let mut machine = Authentication::new(Capabilities::OURS, Credentials::default());
        assert!(matches!(machine.replied(with_state(state)), AuthenticationStep::Nonsense(_)));
    }
    let mut refusal = with_state(1u32.into());
    refusal.set("__qi_auth_err_reason", "who are you".into());
    let mut machine = Authentication::new(Capabilities::OURS, Credentials::default());
    assert_eq!(machine.replied(refusal), AuthenticationStep::Refused("who are you".into()));
}

fn call(id: u32) -> Header {
    Header::new(Type::Call, id, 2, 1, 100)
}

fn answer(ty: Type, id: u32) -> Header {
    Header::new(ty, id, 2, 1, 100)
}

#[test]
fn answers_find_their_calls() {
    let mut replies = Replies::default();
    for id in 1..=3 {
        replies.insert(Entry::new(call(id), None, id, None)).unwrap();
    }
    let found = |replies: &mut Replies<u32>, header: Header| match replies.answer(&header) {
        Match::Call(entry) => Some(entry.waiter),
        _ => None,
    };
    assert_eq!(found(&mut replies, answer(Type::Reply, 2)), Some(2));
    assert_eq!(found(&mut replies, answer(Type::Reply, 2)), None, "answered already");
    assert_eq!(found(&mut replies, answer(Type::Reply, 9)), None, "never asked");
    for wrong in [
        Header { service: 3, ..answer(Type::Reply, 1) },
        Header { object: 3, ..answer(Type::Reply, 1) },
        Header { action: 3, ..answer(Type::Reply, 1) },
    ] {
        assert_eq!(found(&mut replies, wrong), None);
    }
    assert_eq!(found(&mut replies, answer(Type::Reply, 1)), Some(1), "still waits for the right one");
    // Errors say nothing that depends on the action.
    assert_eq!(found(&mut replies, Header { action: 0, ..answer(Type::Canceled, 3) }), Some(3));
    assert_eq!(replies.counts(), Counts { late: 0, unknown: 5 });
    assert_eq!(replies.pending(), 0);
}

#[test]
fn time_is_moved_by_hand() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut replies = Replies::default();
    for (id, deadline) in [(1, Some(at(5))), (2, Some(at(3))), (3, None), (4, Some(at(3)))] {
        replies.insert(Entry::new(call(id), None, id, deadline)).unwrap();
    }
    assert_eq!(replies.next_deadline(), Some(at(3)));
    assert!(replies.expire(at(2)).0.is_empty());
    let ids = |entries: Vec<Entry<u32>>| entries.into_iter().map(|entry| entry.waiter).collect::<Vec<_>>();
    assert_eq!(ids(replies.expire(at(3)).0), [2, 4]);
    assert!(matches!(replies.answer(&answer(Type::Reply, 2)), Match::Late(None)));
    assert!(matches!(replies.answer(&answer(Type::Reply, 2)), Match::Unknown));
    assert!(matches!(replies.answer(&answer(Type::Reply, 1)), Match::Call(_)));
    assert_eq!(replies.next_deadline(), None, "what is answered has no deadline");
    assert_eq!(ids(replies.end()), [3]);
    assert!(replies.insert(Entry::new(call(5), None, 5, None)).is_err(), "the connection has ended");
}

/// A call of an hour, and one of a second after another, with a reactor that is a list.
#[test]
fn one_timer_is_armed_at_most() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let (mut alarm, mut armed) = (Alarm::default(), Vec::new());
    let ring_by = |alarm: &mut Alarm<Instant>, armed: &mut Vec<Instant>, time| {
        let useless = alarm.ring_by(time, || {
            armed.push(time);
            time
        });
        armed.retain(|timer| Some(*timer) != useless);
    };
    ring_by(&mut alarm, &mut armed, at(3600));
    for second in 1..100 {
        ring_by(&mut alarm, &mut armed, at(second));
        ring_by(&mut alarm, &mut armed, at(second + 1));
        assert_eq!(armed, [at(second)], "the first");
        // It rings, and takes itself out of the list.
        assert_eq!(alarm.silence(), Some(at(second)));
        armed.clear();
        ring_by(&mut alarm, &mut armed, at(3600));
        assert_eq!(armed, [at(3600)]);
    }
    assert_eq!(alarm.silence(), Some(at(3600)));
    assert_eq!(alarm.silence(), None);
}

#[test]
fn calls_given_up_are_not_remembered_without_end() {
    let mut replies = Replies::default();
    let mut forgotten = Vec::new();
    for id in 1..=5000 {
        replies.insert(Entry::new(call(id), None, (), None)).unwrap();
        forgotten.extend(replies.give_up(id).1);
    }
    assert_eq!(forgotten, (1..=904).collect::<Vec<_>>());
    assert!(matches!(replies.answer(&answer(Type::Reply, 904)), Match::Unknown));
    assert!(matches!(replies.answer(&answer(Type::Reply, 905)), Match::Late(_)));
}

fn info(machine: &str, endpoints: &[&str]) -> ServiceInfo {
    ServiceInfo {
        name: "S".into(),
        machine_id: machine.into(),
        endpoints: endpoints.iter().map(|&text| text.into()).collect(),
        ..ServiceInfo::default()
    }
}

/// Whoever may register a service, or sits on the way, was sent the token in plain text, and believed.
#[test]
fn a_session_with_authorities_or_a_token_over_tls_dials_nothing_in_plain_text() {
    let list = ["tcp://127.0.0.1:1", "tcps://127.0.0.1:2", "unix:///tmp/x", "tcp://10.0.0.1:3"];
    let chosen = |list: &[&str], plain| {
        let here = Whereabouts { ids: &["here".into()], directory_is_near: false };
        let found = endpoints(&info("here", list), here, plain);
        found.map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let [tcp, tcps, unix, far] = list.map(String::from);
    assert_eq!(chosen(&list, PlainText::Refused), Ok(vec![tcps.clone(), unix.clone()]));
    assert_eq!(chosen(&list, PlainText::Last), Ok(vec![tcps.clone(), unix.clone(), tcp.clone(), far.clone()]));
    assert_eq!(chosen(&list, PlainText::Allowed), Ok(vec![tcp, tcps, unix, far]));
    let useless = chosen(&["tcp://127.0.0.1:1", "tcp://10.0.0.1:3"], PlainText::Refused).unwrap_err();
    assert!(useless.len() == 2 && useless.iter().all(|why| why.contains("without TLS")), "{useless:?}");
}

#[test]
fn endpoints_are_chosen_by_machine() {
    let all =
        ["qi:S", "unix-abstract://x", "tcp://10.0.0.1:1", "tcp://127.0.0.1:1", "tcpsm://10.0.0.1:2", "tcp://0.0.0.0:3"];
    let chosen = |machine: &str, list: &[&str]| {
        let here = Whereabouts { ids: &["here".into()], directory_is_near: machine == "who knows" };
        let found = endpoints(&info(machine, list), here, PlainText::Allowed);
        found.map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>()).map_err(|useless| useless.len())
    };
    assert_eq!(chosen("here", &all), Ok(vec!["tcp://127.0.0.1:1".to_owned(), "tcp://10.0.0.1:1".to_owned()]));
    assert_eq!(chosen("there", &all), Ok(vec!["tcp://10.0.0.1:1".to_owned()]));
    assert_eq!(
        chosen("here", &["tcps://10.0.0.1:1", "tcp://h:2"]),
        Ok(vec!["tcps://10.0.0.1:1".to_owned(), "tcp://h:2".to_owned()])
    );
    assert_eq!(chosen("there", &["tcp://localhost:1", "tcp://127.0.0.1:1", "junk"]), Err(3));
    assert_eq!(chosen("here", &[]), Err(0));
    // The directory is here, the service has an id of another kind.
    assert_eq!(chosen("who knows", &all), Ok(vec!["tcp://10.0.0.1:1".to_owned()]));
    let loopback = ["tcp://127.0.0.1:1", "unix:///x"].map(str::to_owned);
    assert_eq!(chosen("who knows", &["tcp://127.0.0.1:1", "unix:///x", "tcp://0.0.0.0:3"]), Ok(loopback.to_vec()));
}

/// What a robot on a cable calls its interface is nothing here, or another one.
#[test]
fn addresses_of_a_link_are_dialled_by_the_interface_that_leads_to_the_directory() {
    let list = ["tcp://[fe80::1%3]:1", "tcps://[fe80::2]:2", "tcp://[2001:db8::1]:3", "qi:S", "junk"];
    let seen = |machine: &str, directory: &str| {
        let info = info(machine, &list);
        let seen = by_link(&info, directory, || vec!["here".into()]);
        seen.endpoints.iter().map(|text| text.lossy().into_owned()).collect::<Vec<_>>()
    };
    let by_eth0 = ["tcp://[fe80::1%eth0]:1", "tcps://[fe80::2%eth0]:2", "tcp://[2001:db8::1]:3", "qi:S", "junk"];
    assert_eq!(seen("there", "tcp://[fe80::1%eth0]:9559"), by_eth0);
    for (machine, directory) in [
        ("here", "tcp://[fe80::1%eth0]:9559"),
        ("there", "tcp://10.0.0.1:9559"),
        ("there", "tcp://[fe80::1]:9559"),
        ("there", ""),
    ] {
        assert_eq!(seen(machine, directory), list, "{machine} {directory}");
    }
}

#[test]
fn connections_are_used_again_by_text_and_by_name() {
    let mut connections = Connections::default();
    connections.add(ConnectionKey::Address("m".into(), "tcp://127.0.0.1:1".into()), 1);
    connections.add(ConnectionKey::Service("ServiceDirectory".into()), 1);
    connections.add(ConnectionKey::Address("m".into(), "tcp://127.0.0.1:2".into()), 2);
    assert_eq!(connections.find(&info("m", &["tcp://127.0.0.1:9", "tcp://127.0.0.1:2"])), Some(2));
    assert_eq!(connections.find(&info("other", &["tcp://127.0.0.1:2"])), None);
    assert_eq!(connections.find(&info("other", &["qi:ServiceDirectory"])), Some(1));
    assert_eq!(connections.find(&info("m", &["tcp://localhost:2"])), None, "the text counts");
    assert_eq!(connections.remove(|connection| *connection == 1), [1, 1]);
    assert_eq!(connections.find(&info("other", &["qi:ServiceDirectory"])), None);
}

#[test]
fn attempts_become_rarer() {
    let backoff = Backoff::default();
    let delays = [1, 2, 3, 7, 8, 40, u32::MAX].map(|failures| backoff.delay(failures).as_millis());
    assert_eq!(delays, [100, 200, 400, 6400, 10_000, 10_000, 10_000]);
}

#[test]
fn what_failed_is_tried_again_in_its_time() {
    let backoff = Backoff::default();
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let mut retry = Retry::default();
    assert!(retry.is_due(start, &backoff) && retry.at().is_none(), "what has not failed");
    retry.failed(start, &backoff);
    assert!(!retry.is_due(at(99), &backoff) && retry.is_due(at(100), &backoff));
    retry.failed(at(100), &backoff);
    assert!(!retry.is_due(at(299), &backoff) && retry.is_due(at(300), &backoff));
    assert_eq!(retry.at(), Some(at(300)));
    retry.afresh();
    assert!(retry.is_due(start, &backoff) && retry.at().is_none());
    retry.failed(start, &backoff);
    assert_eq!(retry.at(), Some(at(100)), "earlier failures do not count");
}

/// What let us in and hung up was dialled a thousand times a second.
#[test]
fn what_is_lost_as_soon_as_it_is_there_is_tried_again_later_and_later() {
    let backoff = Backoff::default();
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let mut retry = Retry::default();
    retry.made(start);
    assert!(!retry.is_due(at(1), &backoff));
    assert_eq!(retry.at(), Some(at(100)));
    assert!(retry.is_due(at(100), &backoff));
    retry.made(at(100));
    assert!(!retry.is_due(at(299), &backoff), "twice as long");
    retry.failed(at(300), &backoff);
    assert_eq!(retry.at(), Some(at(700)), "failures count with it");
    retry.made(at(700));
    assert!(retry.is_due(at(1500), &backoff), "it has lasted, and is looked for at once");
    retry.made(at(1500));
    assert!(!retry.is_due(at(1501), &backoff));
    assert_eq!(retry.at(), Some(at(1600)), "what was before does not count then");
}
