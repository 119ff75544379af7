//! Sessions, and what offers services: a directory of our own, or a provider for somebody else's.

use std::rc::Rc;
use std::sync::Arc;

use nanomsg::qi::bus::{Objects, Provider};
use nanomsg::qi::client::{self, CallError};
use nanomsg::qi::client::{Backoff, GiveUp, Session, SessionOptions, shared_reactor};
use nanomsg::qi::meta::ServiceInfo;
use nanomsg::qi::server::{Options, Server, Verdict};
use nanomsg::qi::value::Value;
use napi_derive::napi;

use super::object::NativeObject;
use super::outcome::{Failure, Outcome, failure, nothing, settle};
use super::pool;
use super::proxy::{instance, limit};
use super::values::Decoder;
use crate::buffers::Raw;
use crate::hub::{Core, Hub, NEWS, Task};

/// How to connect.
#[napi(object)]
pub struct ConnectSettings {
    pub user: Option<String>,
    pub token: Option<String>,
    pub reconnect: bool,
    /// Milliseconds for connecting; below 0: the library's.
    pub timeout: f64,
}

impl ConnectSettings {
    fn options(self) -> SessionOptions {
        let mut options = SessionOptions::default();
        options.dial.credentials.user = self.user;
        options.dial.credentials.token = self.token;
        options.reconnect = self.reconnect.then(Backoff::default);
        if let Some(timeout) = limit(self.timeout) {
            options.dial.timeout = Some(timeout);
        }
        options
    }
}

/// A connection to a directory.
#[napi]
pub struct NativeSession {
    session: Session,
    hub: Rc<Core>,
}

/// Connecting that is under way.
#[napi]
#[derive(Default)]
pub struct NativeConnecting(GiveUp);

#[napi]
impl NativeConnecting {
    /// Nobody wants the session any more.
    #[napi]
    pub fn cancel(&self) {
        self.0.now();
    }
}

/// A service as the directory lists it.
fn info(info: &ServiceInfo) -> Vec<(&'static str, Value)> {
    let endpoints = info.endpoints.iter().map(|endpoint| Value::String(endpoint.clone())).collect();
    vec![
        ("name", Value::String(info.name.clone())),
        ("serviceId", info.service_id.into()),
        ("machineId", Value::String(info.machine_id.clone())),
        ("processId", info.process_id.into()),
        ("endpoints", Value::list(nanomsg::qi::signature::Kind::String.into(), endpoints)),
        ("sessionId", Value::String(info.session_id.clone())),
    ]
}

fn list(core: &Rc<Core>, services: Vec<ServiceInfo>) -> Outcome<Raw> {
    let decoder = Decoder { core, objects: Objects::None };
    let array = decoder.array(&vec![Value::Void; services.len()])?;
    for (index, service) in services.iter().enumerate() {
        let entries = info(service);
        let record = decoder.record(entries.iter().map(|(name, value)| (*name, value)))?;
        // SAFETY: an array of this environment, in a scope of its thread.
        unsafe { napi::sys::napi_set_element(core.env().raw(), array, index as u32, record) };
    }
    Ok(Raw(array))
}

#[napi]
impl NativeSession {
    /// Connects to a directory; the operation gives the session. What this gives ends that.
    #[napi]
    pub fn connect(hub: &Hub, url: String, settings: ConnectSettings, operation: u32) -> NativeConnecting {
        let (post, options) = (hub.core.post(), settings.options());
        let connecting = NativeConnecting::default();
        let given_up = connecting.0.clone();
        pool::run(move || {
            settle(&post, operation, Session::connect_unless(&url, options, &given_up), |core, session| {
                instance(core, NativeSession { session, hub: Rc::clone(core) })
            });
        });
        connecting
    }

    /// The operation gives a proxy of the service of this name.
    #[napi]
    pub fn service(&self, name: String, operation: u32) {
        let (session, post) = (self.session.clone(), self.hub.post());
        pool::run(move || {
            settle(&post, operation, session.service(&name), |core, proxy| {
                Decoder { core, objects: Objects::None }.proxy(proxy).map(Raw)
            });
        });
    }

    /// The operation gives what the directory lists.
    #[napi]
    pub fn services(&self, operation: u32) {
        let (session, post) = (self.session.clone(), self.hub.post());
        pool::run(move || settle(&post, operation, session.services(), list));
    }

    #[napi]
    pub fn is_connected(&self) -> bool {
        self.session.is_connected()
    }

    /// The address of ours on the directory's connection.
    #[napi]
    pub fn local_address(&self) -> Option<String> {
        self.session.connection().ok()?.local().map(str::to_owned)
    }

    /// Tells `number` the reason, once, when the directory's connection ends.
    #[napi]
    pub fn on_end(&self, number: u32) -> Result<(), Failure> {
        let connection = self.session.connection().map_err(|error| failure(&error))?;
        let post = self.hub.post();
        let closer = move |reason: &nanomsg::qi::client::Reason| {
            let reason = reason.to_string();
            let make = move |core: &Rc<Core>| {
                Some((NEWS, Raw(Decoder { core, objects: Objects::None }.string(&reason).ok()?)))
            };
            post.send(Task { number, make: Box::new(make) });
        };
        connection.on_close(closer).map_err(|error| failure(&error))
    }

    #[napi]
    pub fn close(&self, operation: u32) {
        let (session, post) = (self.session.clone(), self.hub.post());
        pool::run(move || {
            session.close();
            settle(&post, operation, Ok(()), nothing);
        });
    }
}

impl Drop for NativeSession {
    fn drop(&mut self) {
        let session = self.session.clone();
        pool::run(move || session.close());
    }
}

#[expect(clippy::large_enum_variant, reason = "there is one for each session, and it stays where it is")]
enum Serving {
    Directory(Server),
    Provider(Provider),
}

impl Serving {
    fn register(&self, name: &str, object: &nanomsg::qi::server::Object) -> client::Result<u32> {
        match self {
            Serving::Directory(server) => {
                server.add_service(name, object).map_err(|error| CallError::Remote(error.to_string()))
            }
            Serving::Provider(provider) => provider.register(name, object),
        }
    }

    fn unregister(&self, name: &str, id: u32) -> client::Result<()> {
        match self {
            Serving::Directory(server) => {
                server.remove_service(id).map_err(|error| CallError::Remote(error.to_string()))
            }
            Serving::Provider(provider) => provider.unregister(name),
        }
    }

    fn addresses(&self) -> Vec<String> {
        match self {
            Serving::Directory(server) => server.addresses(),
            Serving::Provider(provider) => provider.addresses(),
        }
    }

    fn close(&self) {
        match self {
            Serving::Directory(server) => server.close(),
            Serving::Provider(provider) => provider.close(),
        }
    }
}

/// What offers services.
#[napi]
pub struct NativeServer {
    serving: Arc<Serving>,
    hub: Rc<Core>,
}

fn started(core: &Rc<Core>, serving: Serving) -> Result<Raw, Failure> {
    instance(core, NativeServer { serving: Arc::new(serving), hub: Rc::clone(core) })
}

/// Compares in a time that does not tell how much is right.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (one, other)| sum | (one ^ other)) == 0
}

#[napi]
impl NativeServer {
    /// A directory that listens at these addresses. `users` are names and tokens of who is let in; none: everybody.
    #[napi]
    pub fn standalone(hub: &Hub, urls: Vec<String>, users: Option<Vec<(String, String)>>, operation: u32) {
        let post = hub.core.post();
        pool::run(move || {
            let mut options = Options::default();
            if let Some(users) = users {
                options = options.authenticator(move |shown| {
                    let (user, token) = (shown.user.unwrap_or_default(), shown.token.unwrap_or_default());
                    let knows = |of: &(String, String)| same(of.0.as_bytes(), user) & same(of.1.as_bytes(), token);
                    match users.iter().any(knows) {
                        true => Verdict::Accept(Vec::new()),
                        false => Verdict::Reject("wrong user or token".to_owned()),
                    }
                });
            }
            let urls: Vec<_> = urls.iter().map(String::as_str).collect();
            let server = shared_reactor().map_err(CallError::from).and_then(|reactor| {
                let server = Server::standalone(&reactor, &urls, options);
                server.map(Serving::Directory).map_err(CallError::from)
            });
            settle(&post, operation, server, started);
        });
    }

    /// A provider for the directory at `url`, which listens at these addresses.
    #[napi]
    pub fn provider(hub: &Hub, url: String, urls: Vec<String>, settings: ConnectSettings, operation: u32) {
        let (post, options) = (hub.core.post(), settings.options());
        pool::run(move || {
            let urls: Vec<_> = urls.iter().map(String::as_str).collect();
            let provider = Provider::start(&url, &urls, options, Options::default());
            settle(&post, operation, provider.map(Serving::Provider), started);
        });
    }

    /// The operation gives the service's number.
    #[napi]
    pub fn register(&self, name: String, object: &NativeObject, operation: u32) {
        let (serving, post, object) = (Arc::clone(&self.serving), self.hub.post(), object.object().clone());
        pool::run(move || {
            settle(&post, operation, serving.register(&name, &object), |core, id| {
                Decoder { core, objects: Objects::None }.value(&Value::UInt32(id)).map(Raw)
            });
        });
    }

    #[napi]
    pub fn unregister(&self, name: String, id: u32, operation: u32) {
        let (serving, post) = (Arc::clone(&self.serving), self.hub.post());
        pool::run(move || settle(&post, operation, serving.unregister(&name, id), nothing));
    }

    #[napi]
    pub fn addresses(&self) -> Vec<String> {
        self.serving.addresses()
    }

    #[napi]
    pub fn close(&self, operation: u32) {
        let (serving, post) = (Arc::clone(&self.serving), self.hub.post());
        pool::run(move || {
            serving.close();
            settle(&post, operation, Ok(()), nothing);
        });
    }
}

impl Drop for NativeServer {
    fn drop(&mut self) {
        let serving = Arc::clone(&self.serving);
        pool::run(move || serving.close());
    }
}
