//! The session that a program's sockets share when it does not start one of its own, and what a fork makes of it.

use std::sync::Arc;

use crate::core::Result;
use crate::sys::per_process::PerProcess;

pub use crate::sys::fork::generation;
pub use crate::sys::signals::EndingRequests;

use super::session::Session;

static SESSION: PerProcess<Arc<Session>> = PerProcess::new();

/// The session of this process. Its I/O thread is started by the first call and lives as long as the process does; a forked
/// child has a session of its own. `EMFILE` when the process has no descriptors left.
pub fn session() -> Result<&'static Arc<Session>> {
    SESSION.get_or_try_make(Session::start, |late| late.stop())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_one_session() {
        assert!(Arc::ptr_eq(session().unwrap(), session().unwrap()));
    }
}
