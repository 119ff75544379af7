//! Objects of peers: calls, properties, signals. Nothing here waits: what a full connection has no room for goes to the backlog.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nanomsg::Error;
use nanomsg::qi::bus::Objects;
use nanomsg::qi::client::WhenFull;
use nanomsg::qi::client::{self, CallError, Received};
use nanomsg::qi::client::{CallOptions, Canceler, Completion, Event, Proxy, SubscribeOptions, Subscription};
use nanomsg::qi::meta::{Declared, MetaObject};
use nanomsg::qi::server::Object;
use nanomsg::qi::value::{Text, Value};
use napi::JsValue;
use napi::bindgen_prelude::{Either, Null, ToNapiValue, Unknown};
use napi_derive::napi;

use super::outcome::{Failure, Outcome, failure, nothing, settle, unfit};
use super::pool::{self, Backlog};
use super::values::{self, Decoder, Encoder};
use crate::buffers::Raw;
use crate::hub::{Core, Poll};

/// How long a post waits for room, at most: as long as a call.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the proxies of `lib/qi` are made of.
#[napi]
pub struct NativeProxy {
    proxy: Proxy,
    hub: Rc<Core>,
    backlog: Backlog,
}

/// A name and a type, and the number, of a member.
#[napi(object)]
pub struct Member {
    pub uid: u32,
    pub name: String,
    pub signature: String,
}

#[napi(object)]
pub struct Method {
    pub uid: u32,
    pub name: String,
    pub parameters: String,
    pub result: String,
    pub description: String,
}

/// What an object can do.
#[napi(object)]
pub struct Meta {
    pub description: String,
    pub methods: Vec<Method>,
    pub signals: Vec<Member>,
    pub properties: Vec<Member>,
}

fn text(declared: &Declared) -> String {
    declared.0.lossy().into_owned()
}

fn described(meta: &MetaObject) -> Meta {
    let method = |(uid, method): (&u32, &nanomsg::qi::meta::MetaMethod)| Method {
        uid: *uid,
        name: method.name.lossy().into_owned(),
        parameters: text(&method.parameters_signature),
        result: text(&method.return_signature),
        description: method.description.lossy().into_owned(),
    };
    let member = |uid: &u32, name: &Text, signature: &Declared| Member {
        uid: *uid,
        name: name.lossy().into_owned(),
        signature: text(signature),
    };
    Meta {
        description: meta.description.lossy().into_owned(),
        methods: meta.methods.iter().map(method).collect(),
        signals: meta.signals.iter().map(|(uid, signal)| member(uid, &signal.name, &signal.signature)).collect(),
        properties: meta.properties.iter().map(|(uid, of)| member(uid, &of.name, &of.signature)).collect(),
    }
}

/// Milliseconds; below 0: what the session says.
pub fn limit(milliseconds: f64) -> Option<Duration> {
    (milliseconds >= 0.0).then(|| Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or(Duration::MAX))
}

/// Arguments, and the objects of ours in them.
type Passed = (Vec<Value>, Vec<Object>);

impl NativeProxy {
    pub fn new(proxy: Proxy, hub: Rc<Core>) -> NativeProxy {
        NativeProxy { proxy, hub, backlog: Backlog::default() }
    }

    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    fn arguments(&self, arguments: Unknown<'_>) -> Outcome<Passed> {
        let mut encoder = Encoder::new(&self.hub);
        let values = encoder.arguments(arguments.raw())?;
        Ok((values, encoder.objects))
    }

    /// Sends what `send` sends, now or when there is room. The operation ends with the answer, which `convert` gives JavaScript.
    fn begin(
        &self,
        operation: u32,
        options: CallOptions,
        convert: fn(&Rc<Core>, Received) -> Outcome<Raw>,
        send: impl Fn(&Proxy, &CallOptions, Completion) -> client::Result<Canceler> + Send + 'static,
    ) -> Outcome<NativeCanceler> {
        let canceler = NativeCanceler::default();
        let post = self.hub.post();
        let done = {
            let post = post.clone();
            move || -> Completion {
                let post = post.clone();
                Box::new(move |outcome| settle(&post, operation, outcome, convert))
            }
        };
        if self.backlog.is_empty() {
            match send(&self.proxy, &CallOptions { at_once: true, ..options.clone() }, done()) {
                Ok(call) => {
                    canceler.set(call);
                    return Ok(canceler);
                }
                Err(CallError::System(Error::AGAIN)) => {}
                Err(error) => return Err(failure(&error)),
            }
        }
        let (proxy, later) = (self.proxy.clone(), canceler.clone());
        self.backlog.push(move || match send(&proxy, &options, done()) {
            Ok(call) => later.set(call),
            Err(error) => settle(&post, operation, Err(error), convert),
        });
        Ok(canceler)
    }
}

#[napi]
impl NativeProxy {
    /// Calls a method.
    #[napi]
    pub fn call(
        &self,
        name: String,
        arguments: Unknown<'_>,
        timeout: f64,
        operation: u32,
    ) -> Result<NativeCanceler, Failure> {
        let (arguments, objects) = self.arguments(arguments)?;
        let options = CallOptions { timeout: limit(timeout), ..CallOptions::default() };
        self.begin(operation, options, values::received, move |proxy, options, done| match objects.is_empty() {
            true => proxy.call_then(&name, &arguments, options, done),
            false => {
                proxy.passing(arguments.clone(), &objects, |arguments| proxy.call_then(&name, arguments, options, done))
            }
        })
    }

    /// Calls a method, or has a signal emitted, without an answer. True: it is sent, and the operation has not begun.
    #[napi]
    pub fn post(&self, name: String, arguments: Unknown<'_>, operation: u32) -> Result<bool, Failure> {
        let (arguments, objects) = self.arguments(arguments)?;
        let send = move |proxy: &Proxy, full: WhenFull| {
            proxy.passing(arguments.clone(), &objects, |arguments| proxy.post_when(&name, arguments, full))
        };
        if self.backlog.is_empty() {
            match send(&self.proxy, WhenFull::Fail) {
                Ok(()) => return Ok(true),
                Err(CallError::System(Error::AGAIN)) => {}
                Err(error) => return Err(failure(&error)),
            }
        }
        let (proxy, post) = (self.proxy.clone(), self.hub.post());
        self.backlog.push(move || settle(&post, operation, send(&proxy, WhenFull::Block(Some(PATIENCE))), nothing));
        Ok(false)
    }

    #[napi]
    pub fn property(&self, name: String, timeout: f64, operation: u32) -> Result<NativeCanceler, Failure> {
        let options = CallOptions { timeout: limit(timeout), ..CallOptions::default() };
        self.begin(operation, options, values::received, move |proxy, options, done| {
            proxy.property_then(&name, options, done)
        })
    }

    #[napi]
    pub fn set_property(
        &self,
        name: String,
        value: Unknown<'_>,
        timeout: f64,
        operation: u32,
    ) -> Result<NativeCanceler, Failure> {
        let value = Encoder::new(&self.hub).value(value.raw())?;
        let options = CallOptions { timeout: limit(timeout), ..CallOptions::default() };
        self.begin(operation, options, nothing, move |proxy, options, done| {
            proxy.set_property_then(&name, value.clone(), options, done)
        })
    }

    /// Listens to a signal; the operation gives a [`NativeSubscription`].
    #[napi]
    pub fn subscribe(&self, name: String, queue: u32, operation: u32) {
        let (proxy, post) = (self.proxy.clone(), self.hub.post());
        let options = SubscribeOptions { queue: queue.max(1) as usize, ..SubscribeOptions::default() };
        pool::run(move || {
            settle(&post, operation, proxy.subscribe_with(&name, options), |core, subscription| {
                let poll = RefCell::default();
                let subscription =
                    NativeSubscription { subscription: RefCell::new(Some(subscription)), hub: Rc::clone(core), poll };
                instance(core, subscription)
            });
        });
    }

    #[napi]
    pub fn meta(&self) -> Meta {
        described(&self.proxy.meta())
    }

    #[napi]
    pub fn name(&self) -> String {
        self.proxy.name().to_owned()
    }

    #[napi]
    pub fn is_connected(&self) -> bool {
        self.proxy.connection().is_open()
    }
}

/// A value of JavaScript that has this inside.
pub fn instance<T: ToNapiValue>(core: &Core, value: T) -> Outcome<Raw> {
    // SAFETY: on the environment's thread, in a scope.
    let made = unsafe { ToNapiValue::to_napi_value(core.env().raw(), value) };
    made.map(Raw).map_err(|error| unfit(error.reason.clone()))
}

/// Ends a call that somebody no longer wants, also one that is not sent yet.
#[napi]
#[derive(Clone, Default)]
pub struct NativeCanceler {
    /// The call, when it is sent; and whether it is to be cancelled.
    state: Arc<Mutex<(Option<Canceler>, bool)>>,
}

#[napi]
impl NativeCanceler {
    #[napi]
    pub fn cancel(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 = true;
        if let Some(call) = &state.0 {
            call.cancel();
        }
    }
}

impl NativeCanceler {
    fn set(&self, call: Canceler) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.1 {
            call.cancel();
        }
        state.0 = Some(call);
    }
}

/// Events that are taken one by one; the event loop watches its descriptor, as a socket's.
#[napi]
pub struct NativeSubscription {
    subscription: RefCell<Option<Subscription>>,
    hub: Rc<Core>,
    poll: RefCell<Option<Poll>>,
}

fn event(core: &Rc<Core>, event: &Event) -> Result<Raw, Failure> {
    let decoder = Decoder { core, objects: Objects::Received(event.arguments.objects()) };
    match event.arguments.members() {
        Some(members) => decoder.array(members).map(Raw),
        None => decoder.array(std::slice::from_ref(event.arguments.value())).map(Raw),
    }
}

#[napi]
impl NativeSubscription {
    /// The arguments of the next event; null if there is none yet.
    #[napi(ts_return_type = "unknown[] | null")]
    pub fn next(&self) -> Result<Either<Raw, Null>, Failure> {
        let next = match &*self.subscription.borrow() {
            Some(subscription) => subscription.try_next(),
            None => Some(Err(Error::BAD_FD.into())),
        };
        match next {
            Some(Ok(next)) => event(&self.hub, &next).map(Either::A),
            Some(Err(error)) => Err(failure(&error)),
            None => Ok(Either::B(Null)),
        }
    }

    /// As [`crate::sockets::NativeSocket::watch`]: `dispatch` is told `2 * slot`.
    #[napi]
    pub fn watch(&self, _side: u32, slot: u32) -> i32 {
        let mut poll = self.poll.borrow_mut();
        if let Some(poll) = &*poll {
            poll.resume();
            return 0;
        }
        let descriptor = match &*self.subscription.borrow() {
            Some(subscription) => subscription.descriptor(),
            None => return -Error::BAD_FD.errno(),
        };
        match descriptor.ok().and_then(|fd| Poll::start(&self.hub, fd, 2 * slot).ok()) {
            Some(started) => *poll = Some(started),
            None => return -Error::TOO_MANY_FILES.errno(),
        }
        0
    }

    #[napi]
    pub fn pause(&self, _side: u32) {
        if let Some(poll) = &*self.poll.borrow() {
            poll.pause();
        }
    }

    #[napi]
    pub fn keep_alive(&self, _side: u32, yes: bool) {
        if let Some(poll) = &*self.poll.borrow() {
            poll.keep_alive(yes);
        }
    }

    #[napi]
    pub fn missed(&self) -> f64 {
        self.subscription.borrow().as_ref().map_or(0.0, |subscription| subscription.missed() as f64)
    }

    #[napi]
    pub fn close(&self) {
        // The event loop lets go of the descriptor before it is closed.
        self.poll.borrow_mut().take();
        self.subscription.borrow_mut().take();
    }
}

impl Drop for NativeSubscription {
    fn drop(&mut self) {
        self.close();
    }
}
