//! Endpoints: what `nn_bind` and `nn_connect` make (nanomsg-api.md 2.3 and 2.4).

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use crate::core::{Error, Result};
use crate::transport::stream::Buffers;
use crate::transport::system::Admission;
use crate::transport::url::{self, Target};
use crate::transport::{EndpointOptions, Setup, Transport};

use super::dial::Dial;
use super::listen::Listen;
use super::monitor::EventKind;
use super::socket::{Socket, State};

/// A socket's endpoints by id. Ids count from 1 and are never used again.
#[derive(Default)]
pub struct Endpoints {
    live: BTreeMap<i32, Endpoint>,
    made: i32,
    /// The URL last bound, with the port that it got.
    pub last_bound: Vec<u8>,
}

pub struct Endpoint {
    pub means: Means,
    /// As it was given, but with the port that the system chose.
    url: Vec<u8>,
    /// NN_SNDPRIO and NN_RCVPRIO when it was made.
    pub priorities: (u8, u8),
    /// What last went wrong, until something goes right.
    pub error: Option<Error>,
}

pub enum Means {
    Listen(Listen),
    Dial(Dial),
    /// Kept by name in the session.
    InprocBind,
    InprocConnect,
}

impl Endpoints {
    pub fn get(&mut self, id: i32) -> Option<&mut Endpoint> {
        self.live.get_mut(&id)
    }

    /// How an endpoint connects or listens.
    pub fn peek(&self, id: i32) -> Option<&Means> {
        self.live.get(&id).map(|endpoint| &endpoint.means)
    }

    /// The address of an endpoint, as it was given but with the port that the system chose; empty if there is none.
    pub fn url(&self, id: i32) -> Vec<u8> {
        self.live.get(&id).map(|endpoint| endpoint.url.clone()).unwrap_or_default()
    }

    pub fn remove(&mut self, id: i32) -> Option<Endpoint> {
        self.live.remove(&id)
    }

    pub fn ids(&self) -> Vec<i32> {
        self.live.keys().copied().collect()
    }
}

impl Socket {
    /// Listens at a URL and gives the endpoint's id. URL errors as in nanomsg-api.md 2.3; what the OS refuses
    /// (`EADDRINUSE`, `EACCES`, …) is reported now.
    pub fn bind(self: &Arc<Self>, url: &[u8]) -> Result<i32> {
        let mut visit = self.visit_open()?;
        match url::parse(url)? {
            Target::Stream(transport, address) => {
                self.now_polls();
                let options = visit.endpoint_options();
                // A name may have to be resolved, and nobody is to wait for that.
                drop(visit);
                let listener = transport.listen(address, &options)?;
                let bound = url::with_port(url, listener.port());
                let mut visit = self.visit_open()?;
                let id = visit.add_endpoint(
                    &bound,
                    Means::Listen(Listen::new(listener, transport, Admission::of(&options.options))),
                );
                let listening = visit.start_listening(id);
                visit.keep_or_forget(id, listening)?;
                visit.endpoints.last_bound = bound;
                visit.tell(EventKind::Listening, id, String::new);
                Ok(id)
            }
            Target::Inproc(name) => {
                let id = visit.add_endpoint(url, Means::InprocBind);
                drop(visit);
                let bound = self.session.names.bind(name, self, id);
                let mut visit = self.visit();
                visit.keep_or_forget(id, bound)?;
                visit.endpoints.last_bound = url.to_vec();
                visit.tell(EventKind::Listening, id, String::new);
                Ok(id)
            }
        }
    }

    /// Connects to a URL in the background, now and again whenever the connection is lost. Gives the endpoint's
    /// id.
    pub fn connect(self: &Arc<Self>, url: &[u8]) -> Result<i32> {
        let mut visit = self.visit_open()?;
        match url::parse(url)? {
            Target::Stream(transport, address) => {
                self.now_polls();
                let dialer = transport.dialer(address, &visit.endpoint_options())?;
                let options = &visit.core.options;
                let dial = Dial::new(dialer, transport, options.reconnect_ivl, options.reconnect_ivl_max);
                let id = visit.add_endpoint(url, Means::Dial(dial));
                visit.try_again(id);
                Ok(id)
            }
            Target::Inproc(name) => {
                let id = visit.add_endpoint(url, Means::InprocConnect);
                visit.core.statistics.inprogress_connections += 1;
                drop(visit);
                self.session.names.connect(name, self, id);
                Ok(id)
            }
        }
    }

    /// Removes an endpoint and ends its connections; what they accepted is still sent in the background,
    /// for as long as NN_LINGER says. `EINVAL` if there is no such endpoint.
    pub fn shutdown(self: &Arc<Self>, id: i32) -> Result<()> {
        let mut visit = self.visit_open()?;
        if visit.endpoints.get(id).is_none() {
            return Err(Error::INVALID);
        }
        let inproc = visit.end_endpoint(id);
        drop(visit);
        if inproc {
            self.session.names.forget(self, id);
        }
        Ok(())
    }
}

impl State {
    fn add_endpoint(&mut self, url: &[u8], means: Means) -> i32 {
        let options = &self.core.options;
        // In range: set() accepts 1 to 16.
        let priorities = (options.sndprio as u8, options.rcvprio as u8);
        self.endpoints.made += 1;
        let id = self.endpoints.made;
        let endpoint = Endpoint { means, url: url.to_vec(), priorities, error: None };
        self.endpoints.live.insert(id, endpoint);
        id
    }

    /// A failed call consumes no id.
    fn keep_or_forget(&mut self, id: i32, outcome: Result<()>) -> Result<i32> {
        if outcome.is_err() {
            self.endpoints.remove(id);
            if self.endpoints.made == id {
                self.endpoints.made -= 1;
            }
        }
        outcome.map(|()| id)
    }

    /// Stops an endpoint and its pipes. True if its name is to be forgotten by the session.
    pub fn end_endpoint(&mut self, id: i32) -> bool {
        let pipes = self.pipes.of_endpoint(id);
        for pipe in &pipes {
            self.tell_of_leaving(*pipe);
        }
        self.tell(EventKind::Stopped, id, String::new);
        let Some(endpoint) = self.endpoints.remove(id) else { return false };
        if endpoint.error.is_some() {
            self.core.statistics.current_ep_errors -= 1;
        }
        let inproc = match endpoint.means {
            Means::Listen(listen) => {
                self.stop_listening(listen);
                false
            }
            Means::Dial(dial) => {
                self.stop_dialing(dial);
                false
            }
            Means::InprocBind | Means::InprocConnect => true,
        };
        self.leave_all(pipes);
        inproc
    }

    /// Notes that an endpoint failed, and says so once under NN_PRINT_ERRORS.
    pub fn endpoint_is_ill(&mut self, id: i32, error: Error) {
        let Some(endpoint) = self.endpoints.get(id) else { return };
        let before = endpoint.error.replace(error);
        if before.is_none() {
            self.core.statistics.current_ep_errors += 1;
        }
        if before != Some(error) && self.session.prints_errors {
            self.print_error(id, error);
        }
    }

    pub fn endpoint_is_well(&mut self, id: i32) {
        if self.endpoints.get(id).and_then(|endpoint| endpoint.error.take()).is_some() {
            self.core.statistics.current_ep_errors -= 1;
        }
    }

    /// What a new endpoint takes from the options as they stand.
    fn endpoint_options(&self) -> EndpointOptions {
        EndpointOptions { ipv4only: self.core.options.ipv4only != 0, options: self.transport_options.clone() }
    }

    /// What a new connection takes from the options as they stand.
    pub fn setup(&self) -> Setup<'_> {
        let options = &self.core.options;
        let size = |size| usize::try_from(size).ok();
        let buffers = Buffers { send: size(options.sndbuf), recv: size(options.rcvbuf) };
        Setup { buffers, options: &self.transport_options, limit: &self.pipes.limit, keepalive: options.keepalive() }
    }

    fn print_error(&mut self, id: i32, error: Error) {
        let name = String::from_utf8_lossy(&self.core.options.name).into_owned();
        let Some(endpoint) = self.endpoints.get(id) else { return };
        let url = String::from_utf8_lossy(&endpoint.url);
        let address = url.split_once("://").map_or(&*url, |(_, address)| address);
        // (`eprintln` panics if nobody can read it.)
        let _ = writeln!(io::stderr(), "nanomsg: socket.{name}[{address}]: Error: {}", error.text());
    }
}

/// The transport of an endpoint over streams.
pub type TransportRef = &'static dyn Transport;
