//! Making and removing endpoints: `nn_bind`, `nn_connect`, `nn_shutdown` (nanomsg-api.md 2.3, 2.4).

use std::sync::Arc;

use crate::core::{Error, Result};
use crate::transport::system::Admission;
use crate::transport::url::{self, Target};

use super::endpoints::{Dialing, Endpoint, EndpointKind, Listening};
use super::inproc_registry::Party;
use super::monitor::EventKind;
use super::socket::EngineSocket;
use super::state::SocketState;

impl EngineSocket {
    /// Listens at a URL and gives the endpoint's id. URL errors as in nanomsg-api.md 2.3; what the OS refuses
    /// (`EADDRINUSE`, `EACCES`, …) is reported now.
    pub fn bind(self: &Arc<Self>, url: &[u8]) -> Result<i32> {
        let options = self.with_open(|state| Ok(state.endpoint_options()))?;
        match url::parse(url)? {
            Target::Stream(transport, address) => {
                self.now_polls();
                // A name may have to be resolved, and nobody is to wait for that.
                let listener = transport.listen(address, &options)?;
                let bound = url::with_port(url, listener.socket().port());
                self.with_open(|state| {
                    let admission = Admission::of(&options.options);
                    let kind = EndpointKind::Listen(Listening::new(listener, transport, admission));
                    let id = state.add_endpoint(&bound, kind);
                    let listening = state.start_listening(id);
                    state.bound(id, bound, listening)
                })
            }
            Target::Inproc(name) => {
                let id = self.with_open(|state| Ok(state.add_endpoint(url, EndpointKind::InprocBind)))?;
                let bound = self.runtime().inproc_registry.bind(name, Arc::clone(self) as Arc<dyn Party>, id);
                self.with(|state| state.bound(id, url.to_vec(), bound))
            }
        }
    }

    /// Connects to a URL in the background, now and again whenever the connection is lost. Gives the endpoint's
    /// id.
    pub fn connect(self: &Arc<Self>, url: &[u8]) -> Result<i32> {
        self.with_open(|_| Ok(()))?;
        match url::parse(url)? {
            Target::Stream(transport, address) => {
                self.now_polls();
                self.with_open(|state| {
                    let dialer = transport.dialer(address, &state.endpoint_options())?;
                    let options = &state.core.options;
                    let dial = Dialing::new(dialer, transport, options.reconnect_ivl, options.reconnect_ivl_max);
                    let id = state.add_endpoint(url, EndpointKind::Dial(dial));
                    state.try_again(id);
                    Ok(id)
                })
            }
            Target::Inproc(name) => {
                let id = self.with_open(|state| {
                    state.core.statistics.inprogress_connections += 1;
                    Ok(state.add_endpoint(url, EndpointKind::InprocConnect))
                })?;
                self.runtime().inproc_registry.connect(name, Arc::clone(self) as Arc<dyn Party>, id);
                Ok(id)
            }
        }
    }

    /// Removes an endpoint and ends its connections; what they accepted is still sent in the background,
    /// for as long as NN_LINGER says. `EINVAL` if there is no such endpoint.
    pub fn shutdown(self: &Arc<Self>, id: i32) -> Result<()> {
        let inproc = self.with_open(|state| match state.endpoints.get(id) {
            Some(_) => Ok(state.end_endpoint(id)),
            None => Err(Error::INVALID),
        })?;
        if inproc {
            self.forget_name(id);
        }
        Ok(())
    }

    /// An inproc endpoint has ended. (Names are asked for only without the lock.)
    pub(super) fn forget_name(self: &Arc<Self>, id: i32) {
        let me: Arc<dyn Party> = Arc::clone(self) as Arc<dyn Party>;
        self.runtime().inproc_registry.forget(&me, id);
    }
}

impl SocketState {
    fn add_endpoint(&mut self, url: &[u8], kind: EndpointKind) -> i32 {
        let options = &self.core.options;
        // In range: set() accepts 1 to 16.
        let priorities = (options.sndprio as u8, options.rcvprio as u8);
        self.endpoints.add(Endpoint { kind, url: url.to_vec(), priorities, error: None, last_error: None })
    }

    /// Whether a new endpoint is bound.
    fn bound(&mut self, id: i32, url: Vec<u8>, outcome: Result<()>) -> Result<i32> {
        match outcome {
            Ok(()) => {
                self.endpoints.last_bound = url;
                self.tell(EventKind::Listening, id, String::new);
            }
            Err(_) => self.endpoints.undo(id),
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
        let inproc = match endpoint.kind {
            EndpointKind::Listen(listening) => {
                self.stop_listening(listening);
                false
            }
            EndpointKind::Dial(dialing) => {
                self.stop_dialing(dialing);
                false
            }
            EndpointKind::InprocBind | EndpointKind::InprocConnect => true,
        };
        self.leave_all(pipes);
        inproc
    }
}
