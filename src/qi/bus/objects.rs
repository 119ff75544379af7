//! Objects that are passed: ours in the arguments of a client's calls, and those of peers, as proxies and for other peers.

use std::any::Any;
use std::sync::Arc;

use crate::core::Error;
use crate::qi::calls::{Connection, RemoteObject, Result};
use crate::qi::client::{Notice, Place, Proxy};
use crate::qi::server::{Answer, Call, Object, Remote, Server, passing};
use crate::qi::value::{Object as Reference, Value};

use super::shared::shared_server;

/// What references to objects in a received value lead to.
#[derive(Clone, Copy, Debug)]
pub enum Objects<'a> {
    /// Nothing.
    None,
    /// Objects that came with a result or an event.
    Received(&'a [Arc<RemoteObject>]),
    /// Objects that came with a call of a method of ours.
    Call(&'a Call),
}

impl Objects<'_> {
    /// The object behind a reference, if it is there and its connection is.
    pub fn find(&self, reference: &Arc<Reference>) -> Option<Proxy> {
        match self {
            Objects::None => None,
            Objects::Received(objects) => {
                let is_it = |object: &&Arc<RemoteObject>| {
                    (object.service, object.object) == (reference.service, reference.object)
                };
                Proxy::of_object(objects.iter().find(is_it)?).ok()
            }
            Objects::Call(call) => Proxy::of_remote(&call.remote(&Value::Object(Arc::clone(reference)))?).ok(),
        }
    }
}

impl Proxy {
    /// An object that was handed to us; the proxy keeps it. Fails with [`crate::qi::calls::CallError::Disconnected`].
    pub fn of_object(object: &Arc<RemoteObject>) -> Result<Proxy> {
        match (object.connection(), Remote::of(object)) {
            (Some(connection), _) => Ok(Proxy::of(connection, object)),
            (None, Some(remote)) => Proxy::of_remote(&remote),
            (None, None) => Err(Error::NOT_CONNECTED.into()),
        }
    }

    /// An object that a peer has passed to a method of ours ([`Call::remote`](crate::qi::server::Call::remote)); the proxy
    /// keeps it. Fails with [`crate::qi::calls::CallError::Disconnected`].
    pub fn of_remote(remote: &Remote) -> Result<Proxy> {
        let endpoint = remote.endpoint().ok_or(Error::NOT_CONNECTED)?;
        let (connection, (service, object)) = (Connection::beside(&endpoint)?, remote.ids());
        let (meta, held) = (Arc::clone(remote.meta()), remote.object().cloned());
        let uid = held.as_ref().and_then(|object| object.uid);
        let place = Place { connection, service, object, meta, uid, held };
        let timeout = place.connection.call_timeout();
        Ok(Proxy::at(place, format!("{service}.{object}"), timeout, None))
    }

    /// An object of ours that stands for this one, to be passed to anybody: it passes on what it is asked
    /// ([`Server::forward`]).
    pub fn forwarded(&self) -> Result<Object> {
        Ok(shared_server()?.forward(self)?)
    }

    /// Hands an object of ours to the peer: gives the value to put into an argument of a call of *this* proxy. `server` serves
    /// it; one made by [`Server::provider`] without addresses will do. When that closes, it closes this connection too.
    pub fn pass(&self, server: &Server, object: &Object) -> Result<Value> {
        let place = self.place();
        let connection = &place.connection;
        let passed = server.pass(connection.endpoint(), connection.shared(), place.service, object);
        passed.map_err(|error| connection.gone(error))
    }

    /// Has `send` make a call of this proxy whose arguments refer to objects of ours ([`Object::to_value`]), which are all of
    /// `objects`; it gets the arguments with the addresses that the objects have on this connection. The peer keeps each of them
    /// until it releases it or the connection ends; if `send` fails it has never had them. Calls of them come on this
    /// connection, and are served by a server that the process has for that, unless one is there ([`Proxy::pass`]).
    pub fn passing<T>(
        &self,
        arguments: Vec<Value>,
        objects: &[Object],
        send: impl FnOnce(&[Value]) -> Result<T>,
    ) -> Result<T> {
        if objects.is_empty() {
            return send(&arguments);
        }
        let place = self.place();
        let (connection, endpoint) = (&place.connection, place.connection.endpoint());
        let served = shared_server()?.serve_unless_served(endpoint, connection.shared());
        served.map_err(|error| connection.gone(error))?;
        let arguments = objects.iter().fold(Answer::from(Value::tuple(arguments)), Answer::carrying);
        passing(endpoint, place.service, &arguments, send)
    }
}

impl Server {
    /// An object of another bus, or of another connection, for the peers of this server: to be returned, emitted, passed
    /// ([`Server::pass`]), or added as a service. It passes on what it is asked, and keeps what the proxy holds. While that is lost, calls
    /// and subscribing fail, and as a service it is not listed; if the proxy's session reconnects it goes on, with its subscribers, when
    /// the proxy is back and can do what it could, else the service is removed. The proxy's connection is served from now on if it
    /// was not. `ENOTCONN`; `ENOTSUP` if both sides have announced MetaObjectCache.
    pub fn forward(&self, proxy: &Proxy) -> std::result::Result<Object, Error> {
        let (remote, there) = (self.remote_of(proxy)?, proxy.clone());
        let object = Object::passing_to(&remote, Some(Box::new(move |object| watch(&there, object))));
        if proxy.may_come_back() {
            object.watch_origin();
        }
        Ok(object)
    }

    /// What a proxy stands for, where that is now.
    fn remote_of(&self, proxy: &Proxy) -> std::result::Result<Remote, Error> {
        let place = proxy.place();
        let connection = (place.connection.endpoint(), place.connection.shared());
        let uid = place.held.as_ref().and_then(|object| object.uid);
        self.remote_at(connection, (place.service, place.object), (&place.meta, uid), Arc::clone(&place) as _)
    }
}

/// Has an object that passes on to a proxy told what becomes of that.
fn watch(proxy: &Proxy, object: &Object) -> Option<Box<dyn Any + Send + Sync>> {
    let (there, object) = (proxy.clone(), object.downgrade());
    let told = move |notice| {
        let Some(object) = object.upgrade() else { return };
        match notice {
            Notice::Lost(_) => object.lost(there.may_come_back()),
            // If it is lost again already, that is told next.
            Notice::Restored => {
                let remote = shared_server().and_then(|server| server.remote_of(&there));
                remote.iter().for_each(|remote| object.found(remote));
            }
            _ => {}
        }
    };
    // Only for want of threads: then nobody is told anything.
    Some(Box::new(proxy.on_notice(told).ok()?))
}
