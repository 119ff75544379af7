//! The generic actions that are answered at once, on the thread that reads: a busy object stays introspectable
//! (qi-messaging.md 9). `property` and `setProperty` are not among them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::qi::actions::{
    CLEAR_STATS, ENABLE_STATS, ENABLE_TRACE, IS_STATS_ENABLED, IS_TRACE_ENABLED, META_OBJECT, PROPERTIES, PROPERTY,
    REGISTER_EVENT, REGISTER_EVENT_WITH_SIGNATURE, SET_PROPERTY, STATS, TERMINATE, UNREGISTER_EVENT,
};
use crate::qi::message::{Flags, Header, Message, Type};
use crate::qi::meta;
use crate::qi::payload::{read_arguments, write_result};
use crate::qi::signature::Signature;
use crate::qi::value::{Reader, Value, Writer};

use super::model::{Address, Object, Peer, Wanted};
use super::reading::{constant, members, reading_failed};
use super::signals::SubscribeRequest;

/// Parameters and result of all generic actions.
static TYPES: LazyLock<HashMap<u32, (Signature, Signature)>> = LazyLock::new(|| {
    let mut builder = meta::Builder::new();
    builder.statistics();
    let meta = builder.build().unwrap_or_default();
    let types = |method: &meta::MetaMethod| {
        let text = |declared: &meta::Declared| constant(&declared.0.lossy());
        (method.uid, (text(&method.parameters_signature), text(&method.return_signature)))
    };
    meta.methods.values().map(types).collect()
});

/// Parameters and result of a generic action.
pub(super) fn types(action: u32) -> Option<(&'static Signature, &'static Signature)> {
    TYPES.get(&action).map(|(parameters, result)| (parameters, result))
}

/// Whether the action is answered here.
pub(super) fn is_immediate(action: u32) -> bool {
    TYPES.contains_key(&action) && action != PROPERTY && action != SET_PROPERTY
}

/// Whether the action makes a subscription.
pub(super) fn registers(action: u32) -> bool {
    matches!(action, REGISTER_EVENT | REGISTER_EVENT_WITH_SIGNATURE)
}

/// Answers a Call, or obeys a Post, of such an action.
pub(super) fn handle(peer: &Arc<Peer>, object: &Object, message: &Message) {
    let header = &message.header;
    let is_call = header.ty == Type::Call;
    let shared = peer.shared();
    let Some((parameters, result)) = types(header.action) else { return };
    let mut reader = Reader::new(&message.payload).shared(shared);
    let arguments = match read_arguments(&mut reader, header.flags, parameters) {
        Ok(arguments) => arguments,
        Err(error) => {
            if is_call {
                peer.answer(Message::error_to(header, &reading_failed(&error)));
            }
            return;
        }
    };
    if header.action == META_OBJECT && is_call && !header.flags.contains(Flags::RETURN_TYPE) {
        return peer.answer(Message::reply_to(header, object.0.encoded.clone()));
    }
    let (header, wanted) = (*header, arguments.return_type.filter(|_| shared.message_flags));
    let answer = {
        let peer = Arc::clone(peer);
        move |outcome: Result<Value, String>| {
            let written = outcome.and_then(|value| {
                let written = write_result(&mut Writer::new(shared), value, result, wanted.as_ref());
                written.map_err(|error| error.to_string())
            });
            peer.answer(match written {
                Ok((payload, flags)) => Message::reply_to(&header, payload).with_flags(flags),
                Err(text) => Message::error_to(&header, &text),
            });
        }
    };
    let arguments = members(arguments.tuple);
    let request = request(header.action, &arguments);
    match (&object.0.origin, request) {
        // Subscribing by a Post makes libqi crash at the next event; here it means nothing.
        (_, Some(_)) if !is_call => {}
        (Some(origin), Some(request)) => {
            let (address, link) = (Address { service: header.service, object: header.object }, request.link);
            object.subscribe_through(origin, (peer, address), request, move |done| answer(done.map(|()| link.into())));
        }
        (_, request) => {
            let outcome = obey(peer, object, &header, (&arguments, request));
            if is_call {
                answer(outcome.map_err(str::to_owned));
            }
        }
    }
}

/// What a registration asks for. The first argument is said to be the object's id, but it is not (section 9): nobody looks
/// at it.
fn request(action: u32, arguments: &[Value]) -> Option<SubscribeRequest> {
    let (signal, link, wanted) = match (action, arguments) {
        (REGISTER_EVENT, [_, Value::UInt32(signal), Value::UInt64(link)]) => (*signal, *link, None),
        // A type that is none, or no arguments, is as good as none.
        (REGISTER_EVENT_WITH_SIGNATURE, [_, Value::UInt32(signal), Value::UInt64(link), Value::String(wanted)]) => {
            let ty = Signature::parse(wanted).ok().filter(Signature::is_arguments);
            (*signal, *link, ty.map(|ty| Wanted { text: ty.to_string().into(), ty }))
        }
        _ => return None,
    };
    Some(SubscribeRequest { signal, link, wanted })
}

fn obey(
    peer: &Arc<Peer>,
    object: &Object,
    header: &Header,
    (arguments, request): (&[Value], Option<SubscribeRequest>),
) -> Result<Value, &'static str> {
    let address = Address { service: header.service, object: header.object };
    let instrumentation = &object.0.instrumentation;
    if let Some(request) = request {
        let link = request.link;
        object.subscribe(peer, address, request)?;
        return Ok(link.into());
    }
    match (header.action, arguments) {
        (UNREGISTER_EVENT, [_, _, Value::UInt64(link)]) => object.unsubscribe(peer, address, *link)?,
        (META_OBJECT, _) => return Ok(object.meta().to_value()),
        // A main object stays.
        (TERMINATE, _) => {
            peer.release(address);
        }
        (PROPERTIES, _) => {
            let names = object.0.properties.values().map(|property| property.name.clone().into()).collect();
            return Ok(Value::list(constant("s"), names));
        }
        (IS_STATS_ENABLED, _) => return Ok(instrumentation.has_statistics().into()),
        (ENABLE_STATS, [Value::Bool(on)]) => instrumentation.set_statistics(*on),
        (STATS, _) => return Ok(instrumentation.statistics()),
        (CLEAR_STATS, _) => instrumentation.clear(),
        (IS_TRACE_ENABLED, _) => return Ok(instrumentation.is_tracing().into()),
        (ENABLE_TRACE, [Value::Bool(on)]) => instrumentation.set_tracing(*on),
        _ => {}
    }
    Ok(Value::Void)
}
