//! What all sessions of a process share.

use std::sync::{Arc, LazyLock};

use crate::core::Result;
use crate::reactor::Reactor;
use crate::sys::sync::Mutex;

/// One for each process: a forked child, which has lost the threads behind it, gets its own.
pub(in crate::qi) struct PerProcess<T>(LazyLock<Mutex<Option<OwnedReactor<T>>>>);

/// The process that made it, and what it made.
type OwnedReactor<T> = (u32, Arc<T>);

impl<T> PerProcess<T> {
    /// None yet.
    pub const fn new() -> PerProcess<T> {
        PerProcess(LazyLock::new(Mutex::default))
    }

    /// It; made by `make` if this process has none.
    pub fn get(&self, make: impl FnOnce() -> Result<Arc<T>>) -> Result<Arc<T>> {
        let process = std::process::id();
        let mut shared = self.0.lock();
        if let Some((_, there)) = shared.as_ref().filter(|(owner, _)| *owner == process) {
            return Ok(Arc::clone(there));
        }
        let made = make()?;
        if let Some(stale) = shared.replace((process, Arc::clone(&made))) {
            // The parent's: ending it would wait for a thread that is not here.
            #[expect(clippy::mem_forget, reason = "nothing of it can be ended in this process")]
            std::mem::forget(stale);
        }
        Ok(made)
    }
}

/// The reactor that all sessions of a process share unless they are given one. It is never stopped: proxies outlive their
/// sessions.
pub fn shared_reactor() -> Result<Arc<Reactor>> {
    static REACTOR: PerProcess<Reactor> = PerProcess::new();
    REACTOR.get(Reactor::start)
}
