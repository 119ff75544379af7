//! Hostile input to a listening server: the table of section 20, row by row. After each of them the connection is closed, or
//! has an Error and goes on; and nobody else has noticed.

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;

use crate::qi::endpoint::{Budget, Config};
use crate::qi::message::{Flags, HEADER_SIZE, Header, Message, Type};
use crate::qi::server::{Object, ObjectBuilder, Options, ServerStatistics};
use crate::qi::value::Value;

use super::harness::*;
use super::raw::*;

/// A server, and somebody who has subscribed and must get exactly what is emitted.
struct Setting {
    running: Running,
    object: Object,
    other: Raw,
}

fn setting(options: Options) -> Setting {
    let (running, object, _) = start_probe(options);
    let mut other = Raw::authenticated(&running);
    other.subscribe(FIRED, 1);
    Setting { running, object, other }
}

impl Setting {
    fn others_notice_nothing(&mut self) {
        self.other.works();
        self.object.emit("fired", vec![Value::Raw(Bytes::new())]).unwrap();
        assert_eq!(self.other.next().header.ty, Type::Event);
        self.running.settles(ServerStatistics { connections: 1, subscriptions: 1, ..Default::default() });
    }

    /// These bytes end a connection, with nothing said about it.
    fn closes(&mut self, begin: fn(&Running) -> Raw, bytes: &[u8]) {
        let mut raw = begin(&self.running);
        // It may hang up before all is written.
        let _ = raw.0.write_all(bytes);
        assert!(raw.is_closed());
        drop(raw);
        self.others_notice_nothing();
    }
}

fn u32s(numbers: &[u32]) -> Bytes {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn flagged_add(payload: impl Into<Bytes>) -> Message {
    Message::call(9, SERVICE, 1, ADD, payload.into()).with_flags(Flags::DYNAMIC_PAYLOAD)
}

/// An Error that says that the payload cannot be read; the connection goes on.
fn is_unreadable(raw: &mut Raw, call: &Message) {
    raw.send(call);
    let refused = raw.next();
    let Header { id, service, object, action, .. } = call.header;
    assert_eq!(refused.header, Header::new(Type::Error, id, service, object, action));
    let text = error(&refused);
    assert!(text.contains("ISerialization error"), "{text} {:?}", call.header);
    raw.works();
}

#[test]
fn bad_magic_closes() {
    let mut setting = setting(patient());
    let mut bytes = add(4).encode().unwrap().to_vec();
    bytes[3] ^= 1;
    for begin in [Raw::connect, Raw::authenticated] {
        setting.closes(begin, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        setting.closes(begin, &bytes);
    }
    // Also behind a message that was well.
    let good = Message::post(4, SERVICE, 1, MAKE, Bytes::new()).encode().unwrap();
    setting.closes(Raw::authenticated, &[&good[..], &bytes].concat());
}

#[test]
fn a_size_over_the_limit_closes() {
    const STRANGER: u32 = 64 * 1024;
    const LIMIT: u32 = 100_000;
    let connection = Config { max_payload: LIMIT, ..patient().connection };
    let mut setting = setting(Options { connection, ..Options::default() });
    for size in [STRANGER + 1, LIMIT, u32::MAX] {
        setting.closes(Raw::connect, &Header::new(Type::Call, 1, 0, 0, 8).encode(size));
    }
    for size in [LIMIT + 1, u32::MAX] {
        setting.closes(Raw::authenticated, &Header::new(Type::Call, 1, SERVICE, 1, ECHO).encode(size));
    }
    // What just fits is answered.
    let mut raw = Raw::connect(&setting.running);
    raw.send(&Message::call(1, 1, 1, 2, vec![0; STRANGER as usize].into()));
    assert_eq!(raw.next().header.ty, Type::Error);
    let mut raw = Raw::authenticated(&setting.running);
    let largest = args("(r)", vec![Value::Raw(vec![0; LIMIT as usize - 4].into())]);
    assert_eq!(raw.ask(ECHO, largest.clone()).payload, largest);
}

#[test]
fn a_size_without_data_waits() {
    let mut setting = setting(patient());
    // The largest there may be.
    let size = crate::qi::message::DEFAULT_PAYLOAD_LIMIT;
    let head = Header::new(Type::Call, 1, SERVICE, 1, ECHO).encode(size);
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let mut raw = Raw::authenticated(&setting.running);
            raw.0.write_all(&head).unwrap();
            raw
        })
        .collect();
    setting.other.works();
    assert_eq!(setting.running.server.statistics().connections, 101);
    drop(waiting);
    setting.others_notice_nothing();
    // It is no crime: when the rest comes, it is a message.
    let mut raw = Raw::authenticated(&setting.running);
    let bytes = add(4).encode().unwrap();
    raw.0.write_all(&bytes[..HEADER_SIZE]).unwrap();
    setting.other.works();
    raw.0.write_all(&bytes[HEADER_SIZE..]).unwrap();
    assert_eq!(result(&raw.next(), "i"), 5.into());
}

#[test]
fn strangers_must_say_all_of_it_in_time() {
    let connection = Config { authentication_time: Some(Duration::from_millis(30)), ..Config::accepting() };
    let (running, ..) = start_probe(Options { connection, ..Options::default() });
    let bytes = authenticate().encode().unwrap();
    for said in [0, 1, HEADER_SIZE, bytes.len() - 1] {
        let mut raw = Raw::connect(&running);
        raw.0.write_all(&bytes[..said]).unwrap();
        assert!(raw.is_closed(), "after {said} bytes");
    }
    running.settles(Default::default());
}

#[test]
fn short_payloads_are_errors() {
    let mut setting = setting(patient());
    let mut raw = Raw::authenticated(&setting.running);
    let text = |text: &str| Value::from(text).into_dynamic();
    let calls = [
        (ADD, add(1).payload),
        (ECHO, args("(r)", vec![Value::Raw(b"abc"[..].into())])),
        (LEND, args_shared("(o)", vec![guest()]).slice(..200)),
        (0, registration(FIRED, 1)),
        (1, registration(FIRED, 1)),
        (2, u32s(&[0])),
        (3, u32s(&[0])),
        (5, dynamic("level".into())),
        (6, args("(mm)", vec![text("level"), text("x")])),
        (8, args("(IILs)", vec![0u32.into(), FIRED.into(), 1u64.into(), "(r)".into()])),
        (81, Bytes::from_static(&[1])),
    ];
    for (action, payload) in calls {
        for size in 0..payload.len() {
            is_unreadable(&mut raw, &Message::call(9, SERVICE, 1, action, payload.slice(..size)));
        }
    }
    // The directory, and a wanted type that is announced but not there.
    is_unreadable(&mut raw, &Message::call(9, 1, 1, 102, service_info("x").slice(..20)));
    is_unreadable(&mut raw, &add(9).with_flags(Flags::RETURN_TYPE));
    is_unreadable(&mut raw, &flagged_add(""));
    drop(raw);
    setting.others_notice_nothing();
}

#[test]
fn trailing_bytes_are_ignored() {
    let setting = setting(patient());
    let mut raw = Raw::authenticated(&setting.running);
    let longer = |payload: Bytes| Bytes::from([&payload[..], b"\xff\xff\xff\xff\xff"].concat());
    assert_eq!(result(&raw.ask(ADD, longer(add(1).payload)), "i"), 5.into());
    assert_eq!(raw.ask(0, longer(registration(FIRED, 1))).payload.len(), 8);
    assert_eq!(raw.ask(2, longer(u32s(&[0]))).header.ty, Type::Reply);
    assert_eq!(raw.ask(1, longer(registration(0, 1))).header.ty, Type::Reply);
    let flagged = dynamic(Value::tuple(vec![2.into(), 3.into()]));
    raw.send(&flagged_add(longer(flagged)));
    assert_eq!(result(&raw.next(), "i"), 5.into());
}

#[test]
fn unknown_types_are_ignored_whatever_is_in_them() {
    let mut setting = setting(patient());
    let mut raw = Raw::authenticated(&setting.running);
    for ty in (9..=255).chain([0]) {
        let mut bytes = add(4).encode().unwrap().to_vec();
        bytes[14] = ty;
        raw.0.write_all(&bytes).unwrap();
    }
    raw.works();
    drop(raw);
    setting.others_notice_nothing();
}

/// Counts and sizes beyond what is there, in every place where something is read.
#[test]
fn counts_beyond_the_payload_are_errors() {
    let mut setting = setting(patient());
    let mut raw = Raw::authenticated(&setting.running);
    let most = u32s(&[u32::MAX]);
    is_unreadable(&mut raw, &Message::call(9, SERVICE, 1, ECHO, most.clone()));
    is_unreadable(&mut raw, &Message::call(9, 1, 1, 100, most.clone()));
    is_unreadable(&mut raw, &Message::call(9, SERVICE, 1, LEND, most.clone()));
    is_unreadable(&mut raw, &Message::call(9, SERVICE, 1, 5, most.clone()));
    for signature in ["[i]", "[s]", "[m]", "{si}", "[[v]]", "s", "r"] {
        let size = u32s(&[signature.len() as u32]);
        let value = [&size[..], signature.as_bytes(), &most, &[0; 8]].concat();
        is_unreadable(&mut raw, &Message::call(9, SERVICE, 1, ANY, value.clone().into()));
        is_unreadable(&mut raw, &flagged_add(value));
    }
    drop(raw);
    setting.others_notice_nothing();
}

/// The message that costs libqi 20 s and 300 MB.
#[test]
fn elements_of_no_size_are_capped() {
    let mut setting = setting(patient());
    let mut raw = Raw::authenticated(&setting.running);
    let list =
        |of: &str, count: u32| Bytes::from([&u32s(&[of.len() as u32])[..], of.as_bytes(), &u32s(&[count])].concat());
    for of in ["[v]", "[()]", "[_]", "{vv}"] {
        for count in [65_537, 3_000_000, u32::MAX] {
            is_unreadable(&mut raw, &Message::call(9, SERVICE, 1, ANY, list(of, count)));
        }
    }
    assert_eq!(raw.ask(ANY, list("[v]", 65_536)).payload, list("[v]", 65_536));
    drop(raw);
    setting.others_notice_nothing();
}

#[test]
fn nesting_is_limited() {
    let mut setting = setting(patient());
    let mut raw = Raw::authenticated(&setting.running);
    let typed = |signature: String| {
        Bytes::from([&u32s(&[signature.len() as u32])[..], signature.as_bytes(), &[0; 16]].concat())
    };
    let dynamics = |depth: usize| Bytes::from([&b"\x01\0\0\0m".repeat(depth)[..], b"\x01\0\0\0v"].concat());
    let too_deep = [
        typed("[".repeat(10_000)),
        typed(format!("{}i{}", "[".repeat(10_000), "]".repeat(10_000))),
        typed(format!("{}i{}", "(".repeat(65), ")".repeat(65))),
        dynamics(65),
        dynamics(20_000),
    ];
    for payload in too_deep {
        is_unreadable(&mut raw, &Message::call(9, SERVICE, 1, ANY, payload.clone()));
        is_unreadable(&mut raw, &Message::call(9, SERVICE, 1, 5, payload));
    }
    assert_eq!(raw.ask(ANY, dynamics(60)).header.ty, Type::Reply);
    // A type that nests in what is wanted back, and among events: no reason to fail a registration.
    let deep = "[".repeat(10_000);
    let wanted = args("(iis)", vec![2.into(), 3.into(), deep.as_str().into()]);
    raw.send(&Message::call(9, SERVICE, 1, ADD, wanted).with_flags(Flags::RETURN_TYPE));
    assert_eq!(raw.next().header.id, 9);
    let wish = args("(IILs)", vec![0u32.into(), FIRED.into(), 1u64.into(), deep.as_str().into()]);
    assert_eq!(raw.ask(8, wish).header.ty, Type::Reply);
    drop(raw);
    setting.others_notice_nothing();
}

#[test]
fn bad_utf8_passes_through_where_it_is_no_name() {
    let mut setting = setting(patient());
    let mut raw = Raw::authenticated(&setting.running);
    let bad = Bytes::from_static(b"\x01\0\0\0s\x02\0\0\0\xff\xfe");
    assert_eq!(raw.ask(ANY, bad.clone()).payload, bad);
    // Names and signatures that there cannot be.
    assert_eq!(raw.ask(5, bad).header.ty, Type::Error);
    raw.send(&Message::call(9, 1, 1, 100, Bytes::from_static(b"\x02\0\0\0\xff\xfe")));
    assert_eq!(raw.next().header.ty, Type::Error);
    let mut record = service_info("xy").to_vec();
    record[4..6].copy_from_slice(b"\xff\xfe");
    raw.send(&Message::call(9, 1, 1, 102, record.into()));
    assert_eq!(error(&raw.next()), "A service needs a name, in UTF-8");
    is_unreadable(&mut raw, &Message::call(9, SERVICE, 1, ANY, Bytes::from_static(b"\x01\0\0\0\xff\0\0\0\0")));
    drop(raw);
    setting.others_notice_nothing();
}

#[test]
fn events_and_answers_that_belong_to_nothing_are_ignored() {
    let (running, _, lent) = start_probe(patient());
    let mut raw = Raw::authenticated(&running);
    raw.lend();
    let guest = lent.lock().clone().unwrap();
    let (tell, told) = mpsc::channel();
    guest.call_then("double", vec![21.into()], move |answer| tell.send(answer.map(|given| (*given).clone())).unwrap());
    let call = raw.next().header;
    let elsewhere = [
        Header { id: call.id + 1, ..call },
        Header { object: call.object + 1, ..call },
        Header { service: 1, ..call },
        Header { action: call.action + 1, ..call },
    ];
    let forty_two = args("(i)", vec![42.into()]);
    for header in elsewhere {
        // An Error or Canceled is known by its id alone (section 3).
        let by_id: &[Type] = if header.id == call.id { &[] } else { &[Type::Error, Type::Canceled] };
        for &ty in [Type::Reply, Type::Event].iter().chain(by_id) {
            raw.send(&Message { header: Header { ty, ..header }, payload: forty_two.clone() });
        }
        raw.send(&Message::post(7, header.service, header.object, 9999, Bytes::new()));
    }
    raw.works();
    assert!(told.try_recv().is_err(), "none of them was the answer");
    raw.send(&Message::reply_to(&call, forty_two));
    assert_eq!(told.recv_timeout(LONG).unwrap(), Ok(42.into()));
}

#[test]
fn answers_that_cannot_be_read_are_errors_of_the_call() {
    let (running, _, lent) = start_probe(patient());
    let mut raw = Raw::authenticated(&running);
    raw.lend();
    let guest = lent.lock().clone().unwrap();
    let payloads: [&[u8]; 3] = [b"", b"\x01\0\0", b"\x02\0\0\0"];
    for (ty, payload) in payloads.into_iter().flat_map(|payload| [(Type::Reply, payload), (Type::Error, payload)]) {
        let (tell, told) = mpsc::channel();
        guest.call_then("double", vec![21.into()], move |answer| tell.send(answer.is_ok()).unwrap());
        let header = raw.next().header;
        raw.send(&Message { header: Header { ty, ..header }, payload: Bytes::copy_from_slice(payload) });
        assert_eq!(told.recv_timeout(LONG), Ok(ty == Type::Reply && payload.len() == 4));
        raw.works();
    }
}

#[test]
fn registering_by_a_post_means_nothing() {
    let mut setting = setting(patient());
    let mut raw = Raw::authenticated(&setting.running);
    raw.send(&Message::post(3, SERVICE, 1, 0, registration(FIRED, 1)));
    let wish = args("(IILs)", vec![0u32.into(), FIRED.into(), 1u64.into(), "(m)".into()]);
    raw.send(&Message::post(3, SERVICE, 1, 8, wish));
    raw.works();
    setting.object.emit("fired", vec![Value::Raw(Bytes::new())]).unwrap();
    raw.works();
    assert_eq!(setting.other.next().header.ty, Type::Event);
    drop(raw);
    setting.others_notice_nothing();
}

#[test]
fn events_that_cannot_be_read_are_dropped() {
    let (running, _, lent) = start_probe(patient());
    let mut raw = Raw::authenticated(&running);
    raw.lend();
    let guest = lent.lock().clone().unwrap();
    let (tell, told) = mpsc::channel();
    guest.listen("rang", move |given| tell.send((**given).clone()).unwrap(), |done| done.unwrap()).unwrap();
    let call = raw.next().header;
    assert_eq!((call.object, call.action), (GUEST, 0));
    raw.send(&Message::reply_to(&call, Bytes::from_static(&[0; 8])));
    let ring = |payload: &'static [u8]| Message::event(7, SERVICE, GUEST, 101, Bytes::from_static(payload));
    for payload in [&b""[..], b"\x01\0\0"] {
        raw.send(&ring(payload));
        raw.send(&ring(b"\xff\xff\xff\xff\xff").with_flags(Flags::DYNAMIC_PAYLOAD));
    }
    raw.send(&ring(b"\x05\0\0\0"));
    raw.works();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [Value::tuple(vec![5.into()])]);
}

/// What does not fit is dropped, counted, and exactly what is missing when the subscriber reads at last.
#[test]
fn who_never_reads_loses_events_and_costs_others_nothing() {
    const EVENTS: u32 = 1000;
    let connection = Config { send_limit: 256 * 1024, ..Config::accepting() };
    let (running, object, _) = start_probe(Options { connection, event_limit: 128 * 1024, ..Options::default() });
    let (mut silent, mut other) = (Raw::authenticated(&running), Raw::authenticated(&running));
    silent.subscribe(FIRED, 1);
    let (mut sent, mut dropped) = (Vec::new(), 0);
    for number in 0..EVENTS {
        let mut chunk = vec![7; 64 * 1024];
        chunk[..4].copy_from_slice(&number.to_le_bytes());
        let emitted = object.emit("fired", vec![Value::Raw(chunk.into())]).unwrap();
        assert_eq!(emitted.sent + emitted.dropped, 1);
        sent.extend((emitted.sent == 1).then_some(number));
        dropped += emitted.dropped as u64;
    }
    assert!(dropped > 0, "64 MB do not fit");
    assert_eq!(sent.len() as u64 + dropped, u64::from(EVENTS));
    other.works();
    silent.send(&add(5));
    let mut read = Vec::new();
    loop {
        let message = silent.next();
        match message.header.ty {
            Type::Event => read.push(u32::from_le_bytes(message.payload[4..8].try_into().unwrap())),
            _ => break assert_eq!(result(&message, "i"), 5.into()),
        }
    }
    assert_eq!(read, sent);
    let missed = u64::from(EVENTS) - read.len() as u64;
    let of_object = object.statistics();
    assert_eq!(running.server.statistics().events_dropped, missed);
    assert_eq!((of_object.events_sent, of_object.events_dropped), (read.len() as u64, missed));
    // It is on its feet again, once the server knows what it has read.
    let sent = || object.emit("fired", vec![Value::Raw(Bytes::new())]).unwrap().sent == 1;
    wait_until(sent, || "everything is dropped".into());
    assert_eq!(silent.next().header.ty, Type::Event);
}

/// Many answers instead of events: they are refused shortly, and who does not even take that is put out.
#[test]
fn who_calls_and_never_reads_is_put_out() {
    let connection = Config { send_limit: 64 * 1024, ..Config::accepting() };
    let wait = Duration::ZERO;
    let mut setting = setting(Options { connection, answer_wait: wait, ..Options::default() });
    let silent = Raw::authenticated(&setting.running);
    let mut writer = silent.0.try_clone().unwrap();
    let call = Message::call(4, SERVICE, 1, 2, u32s(&[0])).encode().unwrap().repeat(100);
    // Until the server has hung up on it, which it would not hear of by reading: it does not.
    while writer.write_all(&call).is_ok() {}
    setting.others_notice_nothing();
    drop(silent);
}

/// Peers that listen to large events, call for large answers and never read, over tcp and over unix sockets, whose buffers in the kernel are others.
#[test]
fn peers_that_never_read_have_a_bounded_memory_and_give_it_back() {
    const PEERS: usize = 12;
    const BYTES: usize = 64 * 1024;
    let path = std::env::temp_dir().join(format!("millrace-unread-{}", std::process::id()));
    for url in ["tcp://127.0.0.1:0".to_owned(), format!("unix://{}", path.display())] {
        let budget = Budget::new(8 << 20);
        let connection = Config { budget: budget.clone(), ..patient().connection };
        let running = start_at(&url, Options { connection, answer_wait: Duration::ZERO, ..patient() });
        let object = probe();
        assert_eq!(running.server.add_service("Probe", &object), Ok(SERVICE));
        let mut other = Raw::authenticated(&running);
        let silent: Vec<_> = (0..PEERS).map(|_| Raw::authenticated(&running)).collect();
        let (mut dropped, mut most) = (0, 0);
        for (number, peer) in silent.iter().enumerate() {
            let mut peer = Raw(peer.0.try_clone().unwrap());
            if number % 2 == 0 {
                peer.subscribe(FIRED, 1);
                continue;
            }
            // What it cannot write any more is no matter: the server has stopped to read it, or has hung up on it.
            peer.0.set_nonblocking(true).unwrap();
            let call = Message::call(9, SERVICE, 1, ECHO, args("(r)", vec![Value::Raw(vec![1; BYTES].into())]));
            let call = call.encode().unwrap();
            while peer.0.write_all(&call).is_ok() {}
        }
        // More than the kernel and the budget have room for.
        for _ in 0..400 {
            dropped += object.emit("fired", vec![Value::Raw(vec![2; BYTES].into())]).unwrap().dropped;
            other.works();
            most = most.max(budget.used());
        }
        assert!(dropped > 0, "nothing was in anybody's way: {url}");
        assert!(most <= budget.limit(), "{most} bytes: {url}");
        drop(silent);
        running.settles(ServerStatistics { connections: 1, ..Default::default() });
        let statistics = object.statistics();
        assert_eq!(statistics.waiting, 0, "{url}");
        other.works();
    }
}

#[test]
fn objects_with_hostile_meta_objects_are_errors() {
    let mut setting = setting(patient());
    let mut raw = Raw::authenticated(&setting.running);
    let whole = args_shared("(o)", vec![guest()]);
    let meta = ObjectBuilder::new().build().unwrap().meta().encode().unwrap();
    // As many methods, signals or properties as four bytes can say.
    let at_signals = guest_methods(&whole);
    for at in [0, at_signals] {
        let mut bytes = whole.to_vec();
        bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        is_unreadable(&mut raw, &Message::call(9, SERVICE, 1, LEND, bytes.into()));
    }
    is_unreadable(&mut raw, &Message::call(9, SERVICE, 1, LEND, meta));
    drop(raw);
    setting.others_notice_nothing();
}

/// Where the count of signals is: behind the methods.
fn guest_methods(whole: &Bytes) -> usize {
    let rang = b"\x01\0\0\0\x65\0\0\0\x65\0\0\0\x04\0\0\0rang";
    whole.windows(rang.len()).position(|bytes| bytes == rang).unwrap()
}
