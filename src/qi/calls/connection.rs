//! A connection as its users hold it.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::core::Error;
use crate::qi::capability::Capabilities;
use crate::qi::endpoint::{EndPoint, Reason};
use crate::reactor::Reactor;

use super::error::{CallError, Result};
use super::replies::Counts;
use super::requester::Requester;

/// Time limit of calls that nothing else is said of: long for a method that moves a robot, and an end all the same.
pub(in crate::qi) const CALL_TIMEOUT: Duration = Duration::from_secs(300);

/// A connection to a peer, authenticated. All methods may be called from any thread. It closes when the last of its handles is
/// dropped (proxies, objects and subscriptions hold it), unless it is one that a server has accepted.
pub struct Connection {
    requester: Arc<Requester>,
    endpoint: Arc<EndPoint>,
    url: String,
    /// It is not ours to close.
    beside: bool,
    /// That of its session, if it has one.
    call_timeout: OnceLock<Option<Duration>>,
}

impl Connection {
    /// The connection of an end point that we have dialled and that has not begun to read.
    pub(in crate::qi) fn new(endpoint: &Arc<EndPoint>, url: &str) -> Result<Arc<Connection>> {
        let (requester, endpoint, url) = (Requester::of(endpoint)?, Arc::clone(endpoint), url.to_owned());
        Ok(Arc::new(Connection { requester, endpoint, url, beside: false, call_timeout: OnceLock::new() }))
    }

    /// A handle of a connection that others look after, as a server does after those that it has accepted. It does not close with
    /// this.
    pub(in crate::qi) fn beside(endpoint: &Arc<EndPoint>) -> Result<Arc<Connection>> {
        let ended = |_| CallError::Disconnected(endpoint.end().unwrap_or(Reason::Closed));
        let (requester, url) = (Requester::of(endpoint).map_err(ended)?, endpoint.peer().to_owned());
        let (endpoint, call_timeout) = (Arc::clone(endpoint), OnceLock::new());
        Ok(Arc::new(Connection { requester, endpoint, url, beside: true, call_timeout }))
    }

    /// Authentication is done, and this is what both sides have.
    pub(in crate::qi) fn agree(&self, shared: Capabilities) {
        self.requester.set_shared(shared);
        self.endpoint.set_authenticated();
    }

    /// The time that calls of objects have which came by it; only the first word counts.
    pub(in crate::qi) fn set_call_timeout(&self, timeout: Option<Duration>) {
        self.call_timeout.get_or_init(|| timeout);
    }

    /// The time that calls have, and subscribing, of objects that the peer has passed: as its session's, else 5 minutes. `None`: no
    /// limit.
    pub fn call_timeout(&self) -> Option<Duration> {
        self.call_timeout.get().copied().unwrap_or(Some(CALL_TIMEOUT))
    }

    /// What makes its calls.
    pub(in crate::qi) fn requester(&self) -> &Arc<Requester> {
        &self.requester
    }

    /// What it goes through.
    pub(crate) fn endpoint(&self) -> &Arc<EndPoint> {
        &self.endpoint
    }

    /// The address by which the peer has reached us, if we have accepted it.
    pub fn local(&self) -> Option<&str> {
        self.endpoint.local()
    }

    /// Has `closer` called once, when it ends, with the reason. `Disconnected` if it has ended.
    pub fn on_close(&self, closer: impl FnOnce(&Reason) + Send + 'static) -> Result<()> {
        self.endpoint.on_close(closer).map(drop).map_err(CallError::from)
    }

    /// What it is read by.
    pub fn reactor(&self) -> &Arc<Reactor> {
        self.endpoint.reactor()
    }

    /// Where it was dialled.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The capabilities that both sides have; none before authentication.
    pub fn shared(&self) -> Capabilities {
        self.requester.shared()
    }

    /// Closed by neither side.
    pub fn is_open(&self) -> bool {
        self.endpoint.is_open()
    }

    /// Closes: everything that waits for the peer fails with [`CallError::Disconnected`].
    pub fn close(&self) {
        // Only a callback filter could not, and there is none here.
        let _: std::result::Result<(), Error> = self.endpoint.close();
    }

    /// Answers that came too late, and that fitted nothing.
    pub fn counts(&self) -> Counts {
        self.requester.counts()
    }

    /// Calls under way.
    pub fn pending_calls(&self) -> usize {
        self.requester.pending_calls()
    }

    /// Objects of the peer's that are held here.
    pub fn held_objects(&self) -> usize {
        self.requester.held_objects()
    }

    /// Waits until the connection has ended and what was accepted before is with the kernel, at most so long.
    pub fn wait_closed(&self, timeout: Duration) -> Result<()> {
        Ok(self.endpoint.wait_closed(Some(timeout))?)
    }
}

/// What leads to calls.
impl Deref for Connection {
    type Target = Requester;

    fn deref(&self) -> &Requester {
        &self.requester
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.beside {
            self.close();
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Connection({})", self.url)
    }
}
