//! Objects of ours, whose code is in JavaScript: calls are tasks to the object's number.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use nanomsg::qi::bus::Objects;
use nanomsg::qi::client::CallError;
use nanomsg::qi::meta::{Declared, MetaMethod};
use nanomsg::qi::server::{Answer, Call, Object, ObjectBuilder, WeakObject};
use nanomsg::qi::signature::Signature;
use nanomsg::qi::value::Value;
use napi::JsValue;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;

use super::outcome::{Failure, clear_exception, unfit};
use super::pool::Backlog;
use super::proxy::{Member, Method, instance};
use super::values::{self, Decoder, Encoder};
use crate::buffers::Raw;
use crate::hub::{Core, Hub, NEWS, Post, Task, undefined};

/// Calls of an object that JavaScript has not taken yet. With more the object takes no further ones from its mailbox, which refuses what it
/// has no room for: so a busy event loop does not gather calls without end.
const MOST_WAITING: usize = 256;

/// Answers are sent from the event loop as long as no more bytes wait for the caller: far below what a connection takes.
const MAY_WAIT: u64 = 4 * 1024 * 1024;

/// An object that peers can call.
#[napi]
pub struct NativeObject {
    object: Object,
    hub: Rc<Core>,
}

/// The same, without keeping it.
#[napi]
pub struct NativeWeakObject {
    object: WeakObject,
    hub: Rc<Core>,
}

/// Counts the calls that wait for JavaScript.
#[derive(Default)]
struct Queue {
    waiting: Mutex<usize>,
    taken: Condvar,
}

/// A call's place in the queue.
struct Place(Arc<Queue>);

impl Place {
    /// On a worker: waits for room.
    fn wait(queue: &Arc<Queue>) -> Place {
        let waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let room = queue.taken.wait_while(waiting, |waiting| *waiting >= MOST_WAITING);
        *room.unwrap_or_else(PoisonError::into_inner) += 1;
        Place(Arc::clone(queue))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.taken.notify_one();
    }
}

/// Tells `lib` that no peer can reach the object any more.
struct Gone(Post, u32);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.send(Task { number: self.1, make: Box::new(|core| Some((NEWS, undefined(core)))) });
    }
}

impl NativeObject {
    pub fn object(&self) -> &Object {
        &self.object
    }
}

#[napi]
impl NativeObject {
    /// `lib` is told at `number`: `[index, arguments, call]` of a call of a method, `[index, [value], null]` when a peer has set a
    /// property, and `undefined` when the object is gone. `values` are the first ones of the properties; undefined: that of the type.
    #[napi(factory)]
    pub fn create(
        hub: &Hub,
        number: u32,
        description: String,
        methods: Vec<Method>,
        signals: Vec<Member>,
        properties: Vec<Member>,
        initial: Vec<Unknown<'_>>,
    ) -> Result<NativeObject, Failure> {
        let core = &hub.core;
        let mut builder = ObjectBuilder::new();
        builder.description(&description);
        let queue = Arc::new(Queue::default());
        for (index, method) in methods.into_iter().enumerate() {
            let method = MetaMethod {
                name: method.name.into(),
                parameters_signature: Declared(method.parameters.into()),
                return_signature: Declared(method.result.into()),
                description: method.description.into(),
                ..MetaMethod::default()
            };
            let (post, queue) = (core.post(), Arc::clone(&queue));
            builder.method_as(method, move |call| {
                let place = Place::wait(&queue);
                let make = move |core: &Rc<Core>| {
                    drop(place);
                    called(core, index, call)
                };
                // Without an environment the call is dropped, which answers it.
                post.send(Task { number, make: Box::new(make) });
            });
        }
        for signal in signals {
            builder.signal(&signal.name, &signal.signature);
        }
        for (index, (property, first)) in properties.into_iter().zip(initial).enumerate() {
            let parsed = Signature::parse(&property.signature);
            let ty = parsed.map_err(|error| unfit(format!("property {}: {error}", property.name)))?;
            let value = match first.get_type() {
                Ok(napi::ValueType::Undefined) => values::default(&ty),
                _ => Encoder::new(core).typed(first.raw(), &ty)?,
            };
            let post = core.post();
            builder.property_told(&property.name, &property.signature, value, move |value| {
                let value = value.clone();
                let make = move |core: &Rc<Core>| {
                    let arguments = Decoder { core, objects: Objects::None }.array(&[value]);
                    told(core, index, arguments.map(Raw).ok()?, None)
                };
                post.send(Task { number, make: Box::new(make) });
                Ok(())
            });
        }
        builder.keep(Gone(core.post(), number));
        let object = builder.build().map_err(unfit)?;
        Ok(NativeObject { object, hub: Rc::clone(core) })
    }

    #[napi]
    pub fn weak(&self) -> NativeWeakObject {
        NativeWeakObject { object: self.object.downgrade(), hub: Rc::clone(&self.hub) }
    }
}

/// `[index, arguments, call]`
fn told(core: &Rc<Core>, index: usize, arguments: Raw, call: Option<Raw>) -> Option<(i32, Raw)> {
    let call = match call {
        Some(call) => call,
        None => undefined(core),
    };
    let decoder = Decoder { core, objects: Objects::None };
    let parts = decoder.array(&[Value::Int64(index as i64), Value::Void, Value::Void]).ok()?;
    for (place, part) in [(1, arguments.0), (2, call.0)] {
        // SAFETY: an array of this environment, in a scope of its thread.
        unsafe { napi::sys::napi_set_element(core.env().raw(), parts, place, part) };
    }
    Some((NEWS, Raw(parts)))
}

/// JavaScript takes a call.
fn called(core: &Rc<Core>, index: usize, call: Call) -> Option<(i32, Raw)> {
    let arguments = Decoder { core, objects: Objects::Call(&call) }.array(&call.arguments);
    match arguments {
        Ok(arguments) => {
            let call = NativeCall { call: RefCell::new(Some(call)), hub: Rc::clone(core) };
            told(core, index, Raw(arguments), Some(instance(core, call).ok()?))
        }
        Err(error) => {
            let text = clear_exception(core).unwrap_or_else(|| error.reason.clone());
            call.reply(Err(CallError::Remote(text)));
            None
        }
    }
}

/// A call that waits for its answer. Forgotten without, it is answered with an error.
#[napi]
pub struct NativeCall {
    call: RefCell<Option<Call>>,
    hub: Rc<Core>,
}

thread_local! {
    /// Answers that callers are slow to read.
    static SLOW: Backlog = Backlog::default();
}

/// Sends an answer; from another thread if the caller leaves so many unread that it might have to be waited for.
fn send(call: Call, answer: Result<Answer, CallError>, bytes: usize) {
    let unsent = call.caller.unsent_bytes();
    if unsent == 0 || unsent + bytes as u64 <= MAY_WAIT {
        return call.reply(answer);
    }
    SLOW.with(|slow| slow.push(move || call.reply(answer)));
}

#[napi]
impl NativeCall {
    /// Answers. Throws what is wrong with the value; then the call still waits.
    #[napi]
    pub fn reply(&self, value: Unknown<'_>) -> Result<(), Failure> {
        let mut encoder = Encoder::new(&self.hub);
        let value = encoder.value(value.raw())?;
        let bytes = encoder.bytes;
        let answer = encoder.objects.iter().fold(Answer::from(value), Answer::carrying);
        if let Some(call) = self.call.take() {
            send(call, Ok(answer), bytes);
        }
        Ok(())
    }

    /// Answers with an error; without a text it is that the call was cancelled.
    #[napi]
    pub fn fail(&self, text: Option<String>) {
        if let Some(call) = self.call.take() {
            let bytes = text.as_ref().map_or(0, String::len);
            send(call, Err(text.map_or(CallError::Canceled, CallError::Remote)), bytes);
        }
    }

    /// Tells `number` when the caller wants the answer no more.
    #[napi]
    pub fn on_cancel(&self, number: u32) {
        if let Some(call) = &*self.call.borrow() {
            let post = self.hub.post();
            call.on_cancel(move || {
                post.send(Task { number, make: Box::new(|core| Some((NEWS, undefined(core)))) });
            });
        }
    }

    /// The caller's address, and the name that it has authenticated with.
    #[napi]
    pub fn caller(&self) -> (Option<String>, Option<String>) {
        let call = self.call.borrow();
        let caller = call.as_ref().map(|call| &call.caller);
        let user = caller.and_then(|caller| caller.user()).map(|user| user.lossy().into_owned());
        (caller.map(|caller| caller.remote()), user)
    }
}

#[napi]
impl NativeWeakObject {
    /// The object, if there is still somebody who can reach it.
    #[napi]
    pub fn object(&self) -> Option<NativeObject> {
        self.object.upgrade().map(|object| NativeObject { object, hub: Rc::clone(&self.hub) })
    }

    /// Emits a signal; drops it at peers that do not keep up.
    #[napi]
    pub fn emit(&self, signal: String, arguments: Unknown<'_>) -> Result<(), Failure> {
        let Some(object) = self.object.upgrade() else { return Ok(()) };
        let mut encoder = Encoder::new(&self.hub);
        let arguments = encoder.arguments(arguments.raw())?;
        let emitted = object.emit_with(&signal, arguments, &encoder.objects);
        emitted.map(drop).map_err(|error| unfit(error.to_string()))
    }

    /// Sets a property and tells its subscribers.
    #[napi]
    pub fn set(&self, property: String, value: Unknown<'_>) -> Result<(), Failure> {
        let Some(object) = self.object.upgrade() else { return Ok(()) };
        let value = Encoder::new(&self.hub).value(value.raw())?;
        object.set(&property, value).map(drop).map_err(|error| unfit(error.to_string()))
    }

    /// How many peers listen to a signal.
    #[napi]
    pub fn subscribers(&self, signal: String) -> u32 {
        self.object.upgrade().map_or(0, |object| object.subscribers(&signal) as u32)
    }
}

/// A value as one of this type holds it; undefined: what it holds before anybody has set it.
#[napi]
pub fn convert(hub: &Hub, value: Unknown<'_>, signature: String) -> Result<Raw, Failure> {
    let ty = Signature::parse(&signature).map_err(|error| unfit(format!("{signature}: {error}")))?;
    let value = match value.get_type() {
        Ok(napi::ValueType::Undefined) => values::default(&ty),
        _ => Encoder::new(&hub.core).typed(value.raw(), &ty)?,
    };
    Decoder { core: &hub.core, objects: Objects::None }.value(&value).map(Raw)
}
