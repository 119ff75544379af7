//! A session: one reactor with its I/O thread, and what its sockets share.

use std::sync::Arc;

use crate::core::{Error, Result, SocketCore};
use crate::protocol;
use crate::reactor::Reactor;
use crate::sys::random;
use crate::transport::blocks::Blocks;

use super::guard::StatePlace;
use super::handshakes::Handshakes;
use super::inproc_registry::InprocRegistry;
use super::logging;
use super::runtime::Runtime;
use super::socket::EngineSocket;

/// One I/O thread and the sockets it serves. inproc names are known within a session.
pub struct Session(Arc<Runtime>);

impl std::fmt::Debug for Session {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Session")
    }
}

impl Session {
    /// Starts the I/O thread. `EMFILE` when the process has no descriptors left.
    pub fn start() -> Result<Arc<Session>> {
        logging::read_environment();
        Ok(Arc::new(Session(Arc::new(Runtime {
            reactor: Reactor::start()?,
            blocks: Blocks::default(),
            inproc_registry: InprocRegistry::default(),
            handshakes: Handshakes::default(),
            prints_errors: std::env::var_os("NN_PRINT_ERRORS").is_some_and(|value| !value.is_empty()),
        }))))
    }

    /// Opens a socket; `protocol` is the endpoint type (`EINVAL` if there is none such), `name` the value of
    /// NN_SOCKET_NAME until it is set.
    pub fn socket(self: &Arc<Self>, raw: bool, protocol: i32, name: &str) -> Result<Arc<EngineSocket>> {
        self.socket_at(Arc::default(), raw, protocol, name)
    }

    /// The same with its state in a place that is free.
    pub fn socket_at(
        self: &Arc<Self>,
        place: Arc<StatePlace>,
        raw: bool,
        protocol: i32,
        name: &str,
    ) -> Result<Arc<EngineSocket>> {
        let kind = protocol::find(protocol).ok_or(Error::INVALID)?;
        let seed = u64::from_ne_bytes(random::bytes());
        Ok(EngineSocket::new(Arc::clone(&self.0), SocketCore::new(kind, raw, seed, name), place))
    }

    /// The session's reactor, for what else is to live on its I/O thread: `qi::EndPoint`s.
    pub fn reactor(&self) -> &Arc<Reactor> {
        &self.0.reactor
    }

    pub(super) fn runtime(&self) -> &Arc<Runtime> {
        &self.0
    }

    /// Ends the I/O thread. All sockets must have been closed before.
    pub fn stop(&self) {
        self.0.handshakes.stop();
        self.0.reactor.stop();
    }
}
