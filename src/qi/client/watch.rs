//! What ends a callback: of events, or of notices.

use std::fmt;
use std::sync::Arc;

use super::strand::Strand;

/// What a [`Watch`] ends.
pub(super) trait Watched: fmt::Debug + Send + Sync {
    /// Tells no more.
    fn close(&self);

    /// What was dropped because it was told too slowly.
    fn missed(&self) -> u64;
}

/// Has a callback told of events ([`super::Proxy::watch`], [`super::Proxy::on`]) or notices, until it is dropped.
pub struct Watch {
    source: Arc<dyn Watched>,
    /// Keeps the callback.
    _strand: Arc<Strand>,
}

impl Watch {
    pub(super) fn new(source: Arc<dyn Watched>, strand: Arc<Strand>) -> Watch {
        Watch { source, _strand: strand }
    }

    /// Listens no more; no call begins after this. One that is under way is not waited for.
    pub fn close(&self) {
        self.source.close();
    }

    /// Events dropped so far because the callback was too slow.
    pub fn missed(&self) -> u64 {
        self.source.missed()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Watch({:?})", self.source)
    }
}
