//! What a server does not say to a peer that has not announced that it would understand: the table of missing capabilities
//! in section 10, row by row, each beside a peer that has.

use bytes::Bytes;

use crate::qi::capability::Capabilities;
use crate::qi::message::{Flags, Header, Message, Type};
use crate::qi::meta::{SERVICE_INFO_TEXT, ServiceInfo};
use crate::qi::server::{CallError, Object};
use crate::qi::value::{self, Reader, Value, encode};

use super::harness::*;
use super::raw::*;

/// All capabilities, and all but one.
fn with_and_without(running: &Running, less: impl FnOnce(&mut Capabilities)) -> (Raw, Raw) {
    let mut few = LIBQI;
    less(&mut few);
    assert_ne!(few, LIBQI);
    (Raw::authenticated(running), Raw::with(running, &few))
}

fn fire(object: &Object) {
    let emitted = object.emit("fired", vec![Value::Raw(b"abc"[..].into())]).unwrap();
    assert_eq!((emitted.sent, emitted.dropped), (1, 0));
}

/// As a client that speaks like this one reads it.
fn made(raw: &mut Raw, shared: Capabilities) -> (value::Object, usize) {
    let reply = raw.ask(MAKE, Bytes::new());
    assert_eq!((reply.header.ty, reply.header.flags), (Type::Reply, Flags::NONE));
    let mut reader = Reader::new(&reply.payload).shared(shared);
    let Value::Object(object) = reader.read(&signature("o")).unwrap() else { panic!("no object") };
    assert!(reader.rest().is_empty());
    assert_eq!((object.service, object.meta.methods.contains_key(&3)), (SERVICE, true));
    ((*object).clone(), reply.payload.len())
}

#[test]
fn client_server_socket_a_provider_without_it_is_not_called() {
    let (running, ..) = start_probe(patient());
    let (mut with, mut without) = with_and_without(&running, |few| few.client_server_socket = false);
    with.register("With");
    without.register("Without");
    let refused = running.server.reach("Without", LONG).unwrap_err();
    assert_eq!(refused.to_string().matches("takes no calls").count(), 1, "{refused}");
    // Nothing was sent there.
    without.works();
    std::thread::scope(|scope| {
        let reached = scope.spawn(|| running.server.reach("With", LONG));
        let call = with.next();
        let Header { ty, object, action, .. } = call.header;
        assert_eq!((ty, object, action), (Type::Call, 1, 2));
        with.send(&Message::reply_to(&call.header, probe().meta().encode().unwrap()));
        assert!(reached.join().unwrap().is_ok());
    });
}

#[test]
fn message_flags_nothing_flagged_is_sent_without_it() {
    let (running, object, _) = start_probe(patient());
    let (with, without) = with_and_without(&running, |few| few.message_flags = false);
    for (mut raw, flagged) in [(with, true), (without, false)] {
        let flags = if flagged { Flags::DYNAMIC_PAYLOAD } else { Flags::NONE };
        let wanted = [&add(3).payload[..], b"\x01\0\0\0d"].concat();
        raw.send(&Message::call(3, SERVICE, 1, ADD, wanted.into()).with_flags(Flags::RETURN_TYPE));
        let reply = raw.next();
        assert_eq!(reply.header.flags, flags);
        let plain: &[u8] = if flagged { b"\x01\0\0\0d\0\0\0\0\0\0\x14\x40" } else { b"\x05\0\0\0" };
        assert_eq!(&reply.payload[..], plain);
        // Events of a wanted type; the registration succeeds all the same.
        let wish = args("(IILs)", vec![0u32.into(), FIRED.into(), 1u64.into(), "(m)".into()]);
        assert_eq!(raw.ask(8, wish).payload.len(), 8);
        fire(&object);
        let event = raw.next();
        assert_eq!((event.header.ty, event.header.flags), (Type::Event, flags));
        let plain: &[u8] = if flagged { b"\x03\0\0\0(m)\x01\0\0\0r\x03\0\0\0abc" } else { b"\x03\0\0\0abc" };
        assert_eq!(&event.payload[..], plain);
        // What it sends may be flagged: we understand it.
        let flagged = dynamic(Value::tuple(vec![2i64.into(), 3i64.into()]));
        raw.send(&Message::call(4, SERVICE, 1, ADD, flagged).with_flags(Flags::DYNAMIC_PAYLOAD));
        assert_eq!(result(&raw.next(), "i"), 5.into());
        assert_eq!(raw.ask(1, registration(0, 1)).header.ty, Type::Reply);
    }
}

#[test]
fn message_flags_arguments_that_do_not_fit_fail_here_without_it() {
    let (running, _, lent) = start_probe(patient());
    let (with, without) = with_and_without(&running, |few| few.message_flags = false);
    for (mut raw, flagged) in [(with, true), (without, false)] {
        raw.lend();
        let guest = lent.lock().clone().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        guest.call_then("double", vec!["x".into()], move |answer| {
            tell.send(answer.map(|given| (*given).clone())).unwrap();
        });
        if flagged {
            let call = raw.next();
            let Header { ty, flags, object, action, .. } = call.header;
            assert_eq!((ty, flags, object, action), (Type::Call, Flags::DYNAMIC_PAYLOAD, GUEST, 100));
            let content = Reader::new(&call.payload).read(&signature("m")).unwrap().undynamic().unwrap();
            assert_eq!(content.members().unwrap()[0].clone().undynamic().unwrap().as_str(), Some("x"));
            raw.send(&Message::error_to(&call.header, "no number"));
        }
        let failed = told.recv_timeout(LONG).unwrap().unwrap_err();
        assert_eq!(failed == CallError::Remote("no number".into()), flagged);
        raw.works();
    }
}

/// We do not announce it, so a peer that has it is treated like one that has not.
#[test]
fn meta_object_cache_the_layout_is_plain() {
    let (running, ..) = start_probe(patient());
    let mut cached = Raw::with(&running, &Capabilities { meta_object_cache: true, ..LIBQI });
    let (mut plain, _) = with_and_without(&running, |few| few.message_flags = false);
    let sizes = [made(&mut cached, LIBQI).1, made(&mut cached, LIBQI).1, made(&mut plain, LIBQI).1];
    assert_eq!(sizes[0], sizes[1], "sent again");
    assert_eq!(sizes[0], sizes[2]);
    cached.lend();
}

#[test]
fn object_ptr_uid_references_have_no_identity_without_it() {
    let (running, _, lent) = start_probe(patient());
    let (mut with, mut without) = with_and_without(&running, |few| few.object_ptr_uid = false);
    let few = Capabilities { object_ptr_uid: false, ..LIBQI };
    let (there, size) = made(&mut with, LIBQI);
    let (bare, smaller) = made(&mut without, few);
    assert!(there.uid.is_some_and(|uid| uid != [0; 20]) && bare.uid.is_none());
    assert_eq!(size - smaller, 20);
    // The object is there all the same.
    without.send(&Message::call(5, SERVICE, bare.object, 2, args("(I)", vec![0u32.into()])));
    assert_eq!(without.next().header.ty, Type::Reply);
    // What it passes has none, either; the argument behind it is found.
    let bytes = encode(&guest(), &signature("o")).unwrap();
    assert_eq!(bytes.len() + 20, args_shared("(o)", vec![guest()]).len());
    assert_eq!(without.ask(LEND, bytes).header.ty, Type::Reply);
    let taken = lent.lock().clone().unwrap();
    assert_eq!((taken.ids(), taken.uid()), ((SERVICE, GUEST), None));
    with.lend();
    assert_eq!(lent.lock().clone().unwrap().uid(), Some([7; 20]));
}

/// We do not announce it: whether a peer has it or not, it is shown addresses that anybody can dial.
#[test]
fn relative_endpoint_uri_no_relative_endpoints_are_listed() {
    let (running, ..) = start_probe(patient());
    for announced in [true, false] {
        let mut raw = Raw::with(&running, &Capabilities { relative_endpoint_uri: announced, ..LIBQI });
        raw.send(&Message::call(3, 1, 1, 101, Bytes::new()));
        let listed = result(&raw.next(), &format!("[{SERVICE_INFO_TEXT}]"));
        let services: Vec<_> =
            listed.items().unwrap().iter().map(|info| ServiceInfo::from_value(info).unwrap()).collect();
        assert_eq!(services.len(), 2);
        for info in services {
            assert_eq!(info.endpoints.len(), 1);
            assert_eq!(info.endpoints[0].lossy(), running.server.addresses()[0]);
        }
    }
}

fn cancel(raw: &mut Raw, id: u32, object: u32) {
    raw.send(&Message::cancel(500, &Header::new(Type::Call, id, SERVICE, object, 0)));
}

#[test]
fn remote_cancelable_calls_a_cancelled_call_ends_in_an_error_without_it() {
    let (running, ..) = start_probe(patient());
    let (with, without) = with_and_without(&running, |few| few.remote_cancelable_calls = false);
    for (mut raw, canceled) in [(with, true), (without, false)] {
        raw.send(&Message::call(7, SERVICE, 1, WAIT, Bytes::new()));
        cancel(&mut raw, 7, 1);
        let answer = raw.next();
        let ty = if canceled { Type::Canceled } else { Type::Error };
        assert_eq!(answer.header, Header::new(ty, 7, SERVICE, 1, WAIT));
        if canceled {
            assert!(answer.payload.is_empty());
        } else {
            assert_eq!(error(&answer), "canceled");
        }
        // Unknown, and over: silence.
        cancel(&mut raw, 7, 1);
        cancel(&mut raw, 99, 1);
        raw.works();
    }
}

#[test]
fn remote_cancelable_calls_a_provider_without_it_is_not_asked_to_cancel() {
    let (running, ..) = start_probe(patient());
    let (with, without) = with_and_without(&running, |few| few.remote_cancelable_calls = false);
    let mut caller = Raw::authenticated(&running);
    for (mut owner, asked) in [(with, true), (without, false)] {
        owner.lend();
        let Value::Object(borrowed) = result(&caller.ask(BORROW, Bytes::new()), "o") else { panic!("no object") };
        caller.send(&Message::call(7, SERVICE, borrowed.object, 100, args("(i)", vec![4.into()])));
        let call = owner.next();
        assert_eq!((call.header.ty, call.header.object), (Type::Call, GUEST));
        cancel(&mut caller, 7, borrowed.object);
        // Answered on the thread that reads, after the Cancel.
        assert_eq!(caller.ask(7, Bytes::new()).header.ty, Type::Reply);
        if asked {
            let cancel = owner.next();
            assert_eq!((cancel.header.ty, cancel.header.service, cancel.header.object), (Type::Cancel, SERVICE, GUEST));
            assert_eq!((cancel.header.action, &cancel.payload[..]), (0, &call.header.id.to_le_bytes()[..]));
        }
        owner.works();
        owner.send(&Message::reply_to(&call.header, args("(i)", vec![8.into()])));
        // The call ran on, and has its one answer.
        assert_eq!(result(&caller.next(), "i"), 8.into());
        caller.works();
    }
}
