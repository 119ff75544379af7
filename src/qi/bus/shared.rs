//! The server that clients of a process share.

use std::sync::Arc;

use crate::core::{Error, Result};
use crate::qi::client::{PerProcess, shared_reactor};
use crate::qi::server::{Options, Server};

/// The server of objects that are passed to peers by clients. It listens nowhere, and is never closed: with it the connections
/// would be.
pub(super) fn shared_server() -> Result<Arc<Server>> {
    static SERVER: PerProcess<Server> = PerProcess::new();
    SERVER.get(|| {
        // Without addresses there is nothing to refuse but for want of resources.
        let server = Server::provider(&shared_reactor()?, &[], Options::default());
        server.map(Arc::new).map_err(|_| Error::NO_MEMORY)
    })
}
