//! What a socket is doing.

use std::sync::Arc;
use std::time::Duration;

use crate::core::Result;
use crate::core::statistics::Statistics;
use crate::facade::Monitor;

use super::socket::Socket;

impl Socket {
    /// Waits until at least `count` peers are there, for at most `timeout` (`None`: for ever): before a publish, say, which nobody
    /// would hear otherwise. `ETIMEDOUT`, `EINTR`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use nanomsg::{Protocol, Socket};
    ///
    /// let feed = Socket::new(Protocol::Pub)?;
    /// let address = feed.address(feed.bind("tcp://127.0.0.1:0")?)?;
    /// let reader = Socket::new(Protocol::Sub)?;
    /// reader.subscribe("oslo")?;
    /// reader.connect(&address)?;
    ///
    /// feed.wait_peers(1, Some(Duration::from_secs(5)))?;
    /// feed.send("oslo 3 degrees")?;
    /// assert_eq!(reader.recv()?, "oslo 3 degrees");
    /// # Ok::<(), nanomsg::Error>(())
    /// ```
    pub fn wait_peers(&self, count: u64, timeout: Option<Duration>) -> Result<()> {
        self.engine()?.wait_peers(count, timeout)
    }

    /// What happens to its endpoints and connections from now on: connected, refused and why, lost and why
    /// (`docs/monitor.md`). Dropping the monitor ends it. `EMFILE` without a descriptor for it.
    pub fn monitor(&self) -> Result<Arc<Monitor>> {
        self.engine()?.monitor()
    }

    /// Its counters now (nanomsg-api.md 4).
    pub fn statistics(&self) -> Result<Statistics> {
        self.engine()?.statistics()
    }

    /// All that is known of it, as a JSON object: options, statistics, endpoints, connections. New members may come.
    #[cfg(feature = "json")]
    pub fn describe(&self) -> Result<String> {
        self.engine()?.describe()
    }
}
