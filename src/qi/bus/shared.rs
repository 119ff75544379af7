//! The server that clients of a process share.

use std::sync::Arc;

use crate::core::{Error, Result};
use crate::qi::client::shared_reactor;
use crate::qi::server::{Options, Server, ServerError};
use crate::sys::per_process::PerProcess;

/// Starts a directory at this address (`tcp://127.0.0.1:9559`) with the usual options, on the reactor that all sessions of the process
/// share; [`Server::standalone`] has the choices, and the errors.
pub fn serve(url: &str) -> std::result::Result<Server, ServerError> {
    let reactor = shared_reactor().map_err(|error| ServerError::Refused(error.to_string()))?;
    Server::standalone(&reactor, &[url], Options::default())
}

/// The server of objects that are passed to peers by clients. It listens nowhere, and is never closed: with it the connections
/// would be.
pub(super) fn shared_server() -> Result<Arc<Server>> {
    static SERVER: PerProcess<Arc<Server>> = PerProcess::new();
    let make = || {
        // Without addresses there is nothing to refuse but for want of resources.
        let server = Server::provider(&shared_reactor()?, &[], Options::default());
        server.map(Arc::new).map_err(|_| Error::NO_MEMORY)
    };
    SERVER.get_or_try_make(make, drop).cloned()
}
