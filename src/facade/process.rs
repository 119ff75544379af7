//! The session that a program's sockets share when it does not start one of its own, and what a fork makes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::core::Result;
use crate::sys::fork;
use crate::sys::per_process::PerProcess;

use super::session::Session;

static SESSION: PerProcess<Arc<Session>> = PerProcess::new();

/// Counts the forks between this process and the one that loaded the library.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// The session of this process. Its I/O thread is started by the first call and lives as long as the process does; a forked
/// child has a session of its own. `EMFILE` when the process has no descriptors left.
pub fn session() -> Result<&'static Arc<Session>> {
    fork::on_child(forget);
    SESSION.get_or_try_make(Session::start, |late| late.stop())
}

/// Differs between a parent and its forked children. What was opened in another generation is the parent's, and must be
/// neither used nor closed: its locks may be held by threads that do not exist here.
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

fn forget() {
    SESSION.forget();
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_one_session() {
        assert!(Arc::ptr_eq(session().unwrap(), session().unwrap()));
    }
}
