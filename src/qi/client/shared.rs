//! What all sessions of a process share.

use std::sync::Arc;

use crate::core::Result;
use crate::reactor::Reactor;
use crate::sys::per_process::PerProcess;

/// The reactor that all sessions of a process share unless they are given one; a forked child, which has lost the threads behind it, gets
/// its own. It is never stopped: proxies outlive their sessions.
pub fn shared_reactor() -> Result<Arc<Reactor>> {
    static REACTOR: PerProcess<Arc<Reactor>> = PerProcess::new();
    REACTOR.get_or_try_make(Reactor::start, |late| late.stop()).cloned()
}
