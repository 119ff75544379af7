//! Endpoints: what `nn_bind` and `nn_connect` make (nanomsg-api.md 2.3 and 2.4).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::core::Error;
use crate::core::dialling::Dialling;
use crate::reactor::Registration;
use crate::reactor::timers::TimerId;
use crate::transport::system::Admission;
use crate::transport::{Dialer, Listener, Transport};

/// A socket's endpoints by id. Ids count from 1 and are never used again.
#[derive(Default)]
pub struct Endpoints {
    live: BTreeMap<i32, Endpoint>,
    made: i32,
    /// The URL last bound, with the port that it got.
    pub last_bound: Vec<u8>,
}

pub struct Endpoint {
    pub kind: EndpointKind,
    /// As it was given, but with the port that the system chose.
    pub url: Vec<u8>,
    /// NN_SNDPRIO and NN_RCVPRIO when it was made.
    pub priorities: (u8, u8),
    /// What keeps it from connecting or listening, until it does.
    pub error: Option<Error>,
    /// In words what last went wrong, here or with a connection, until somebody is greeted.
    pub last_error: Option<String>,
}

/// What an attempt failed with.
pub struct Failed {
    pub error: Error,
    /// In words, where the error's own do not fit.
    pub reason: Option<&'static str>,
    /// The address that was tried.
    pub at: Option<SocketAddr>,
}

impl Failed {
    pub fn of(error: Error) -> Failed {
        Failed { error, reason: None, at: None }
    }

    pub fn text(&self) -> String {
        self.reason.map_or_else(|| self.error.text(), str::to_owned)
    }
}

pub enum EndpointKind {
    Listen(Listening),
    Dial(Dialing),
    /// Kept by name in the session.
    InprocBind,
    InprocConnect,
}

impl Endpoints {
    pub fn get(&mut self, id: i32) -> Option<&mut Endpoint> {
        self.live.get_mut(&id)
    }

    /// How an endpoint connects or listens.
    pub fn peek(&self, id: i32) -> Option<&EndpointKind> {
        self.live.get(&id).map(|endpoint| &endpoint.kind)
    }

    /// The address of an endpoint, as it was given but with the port that the system chose; empty if there is none.
    pub fn url(&self, id: i32) -> Vec<u8> {
        self.live.get(&id).map(|endpoint| endpoint.url.clone()).unwrap_or_default()
    }

    pub fn add(&mut self, endpoint: Endpoint) -> i32 {
        self.made += 1;
        self.live.insert(self.made, endpoint);
        self.made
    }

    /// Forgets an endpoint that was never used: a failed call consumes no id.
    pub fn undo(&mut self, id: i32) {
        self.live.remove(&id);
        if self.made == id {
            self.made -= 1;
        }
    }

    pub fn remove(&mut self, id: i32) -> Option<Endpoint> {
        self.live.remove(&id)
    }

    /// What went wrong last at an endpoint, or with a connection of it. `None`: somebody has been greeted there.
    pub fn set_last_error(&mut self, id: i32, text: Option<&str>) {
        if let Some(endpoint) = self.live.get_mut(&id) {
            endpoint.last_error = text.map(str::to_owned);
        }
    }

    pub fn ids(&self) -> Vec<i32> {
        self.live.keys().copied().collect()
    }
}

/// The transport of an endpoint over streams.
pub type TransportRef = &'static dyn Transport;

pub struct Dialing {
    pub dialer: Box<dyn Dialer>,
    pub transport: TransportRef,
    pub dialling: Dialling<IpAddr>,
    /// Where the connect under way goes, if to an address of the network.
    pub target: Option<SocketAddr>,
    /// When it began.
    pub began: Instant,
    /// Running between two attempts.
    pub wait: Option<TimerId>,
}

impl Dialing {
    pub fn new(dialer: Box<dyn Dialer>, transport: TransportRef, interval: i32, max: i32) -> Dialing {
        let dialling = Dialling::new(interval, max);
        Dialing { dialer, transport, dialling, target: None, began: Instant::now(), wait: None }
    }

    /// How far the endpoint has come, in a word.
    #[cfg(feature = "json")]
    pub fn state(&self) -> &'static str {
        self.dialling.name_of_state()
    }
}

pub struct Listening {
    pub listener: Box<dyn Listener>,
    pub transport: TransportRef,
    /// Whom it lets in.
    pub admission: Admission,
    pub registration: Option<Registration>,
    /// Running while accepting pauses.
    pub pause: Option<TimerId>,
}

impl Listening {
    pub fn new(listener: Box<dyn Listener>, transport: TransportRef, admission: Admission) -> Listening {
        Listening { listener, transport, admission, registration: None, pause: None }
    }
}
