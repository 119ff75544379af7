//! What is done when the process ends by `exit`, by the end of `main` or by `quick_exit`.

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError, Weak};

use super::fork;
use super::per_process::PerProcess;

/// Who has something to do then.
pub trait AtExit: Send + Sync {
    /// The process is about to end: other threads are still running, and the calling one may be in the midst of anything, also of
    /// a call of ours that a signal handler has interrupted. So no lock may be waited for without a limit.
    fn process_ends(&self);
}

type Parties = Mutex<Vec<Weak<dyn AtExit>>>;

static PARTIES: PerProcess<Parties> = PerProcess::new();

static UNDER_WAY: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    fn at_quick_exit(handler: extern "C" fn()) -> c_int;
}

/// Has `party` told of the end of the process, as long as it exists. A forked child knows nothing of it.
///
/// Handlers of exit run in the order opposite to that of their registration: what the program does in those that it has registered
/// before is done when `party` has been told, see [`is_under_way`].
pub fn tell(party: Weak<dyn AtExit>) {
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if !REGISTERED.load(Ordering::Acquire) {
        // Two threads may both do it, as in `fork::watch`.
        // SAFETY: the handlers are functions for the life of this object, and the C library calls and forgets them when the object
        // is unloaded. Where there is no memory for them the process ends without.
        unsafe {
            libc::atexit(ending);
            at_quick_exit(ending);
        }
        fork::on_child(forget);
        REGISTERED.store(true, Ordering::Release);
    }
    let parties = PARTIES.get_or_make(Parties::default);
    let mut parties = parties.lock().unwrap_or_else(PoisonError::into_inner);
    parties.retain(|party| party.strong_count() > 0);
    parties.push(party);
}

/// Is the process about to end? Then nobody is told any more, and nothing should be left for later.
#[inline]
pub fn is_under_way() -> bool {
    UNDER_WAY.load(Ordering::Relaxed)
}

extern "C" fn ending() {
    if UNDER_WAY.swap(true, Ordering::SeqCst) {
        return;
    }
    let Some(parties) = PARTIES.get() else { return };
    let parties = match parties.try_lock() {
        Ok(parties) => parties.clone(),
        Err(TryLockError::Poisoned(parties)) => parties.into_inner().clone(),
        // Somebody is just starting, or this thread was interrupted while it did.
        Err(TryLockError::WouldBlock) => return,
    };
    for party in parties.iter().filter_map(Weak::upgrade) {
        party.process_ends();
    }
}

/// In a forked child, which does not end with its parent.
fn forget() {
    UNDER_WAY.store(false, Ordering::SeqCst);
}
