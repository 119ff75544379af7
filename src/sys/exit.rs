//! What is done when the process ends by `exit`, by the end of `main` or by `quick_exit`.

use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Mutex, Once, PoisonError, TryLockError, Weak};

/// Who has something to do then.
pub trait AtExit: Send + Sync {
    /// The process is about to end: other threads are still running, and the calling one may be in the midst of anything, also of
    /// a call of ours that a signal handler has interrupted. So no lock may be waited for without a limit.
    fn process_ends(&self);
}

type Parties = Mutex<Vec<Weak<dyn AtExit>>>;

/// Those of this process; null until the first one, and again in a forked child. Never freed.
static PARTIES: AtomicPtr<Parties> = AtomicPtr::new(ptr::null_mut());
/// Those of the parent: kept in sight of leak checkers.
static INHERITED: AtomicPtr<Parties> = AtomicPtr::new(ptr::null_mut());

static UNDER_WAY: AtomicBool = AtomicBool::new(false);
static REGISTER: Once = Once::new();

unsafe extern "C" {
    fn at_quick_exit(handler: extern "C" fn()) -> c_int;
}

/// Has `party` told of the end of the process, as long as it exists. A forked child knows nothing of it.
///
/// Handlers of exit run in the order opposite to that of their registration: what the program does in those that it has registered
/// before is done when `party` has been told, see [`is_under_way`].
pub fn tell(party: Weak<dyn AtExit>) {
    // SAFETY: the handlers are functions for the life of this object, and the C library calls and forgets them when the object
    // is unloaded. Where there is no memory for them the process ends without.
    REGISTER.call_once(|| unsafe {
        libc::atexit(ending);
        at_quick_exit(ending);
        libc::pthread_atfork(None, None, Some(forget));
    });
    let mut parties = parties().lock().unwrap_or_else(PoisonError::into_inner);
    parties.retain(|party| party.strong_count() > 0);
    parties.push(party);
}

/// Is the process about to end? Then nobody is told any more, and nothing should be left for later.
#[inline]
pub fn is_under_way() -> bool {
    UNDER_WAY.load(Ordering::Relaxed)
}

fn parties() -> &'static Parties {
    if PARTIES.load(Ordering::Acquire).is_null() {
        let fresh = Box::into_raw(Box::new(Parties::default()));
        if PARTIES.compare_exchange(ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: just made from a box, and nobody has seen it.
            drop(unsafe { Box::from_raw(fresh) });
        }
    }
    // SAFETY: it is not null any more, and never freed.
    unsafe { &*PARTIES.load(Ordering::Acquire) }
}

extern "C" fn ending() {
    UNDER_WAY.store(true, Ordering::SeqCst);
    // SAFETY: null, or never freed.
    let Some(parties) = (unsafe { PARTIES.load(Ordering::Acquire).as_ref() }) else { return };
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

/// In a forked child: the parent's threads are not here, and their locks may be held for ever.
extern "C" fn forget() {
    let forgotten = PARTIES.swap(ptr::null_mut(), Ordering::AcqRel);
    if !forgotten.is_null() {
        INHERITED.store(forgotten, Ordering::Release);
    }
    UNDER_WAY.store(false, Ordering::SeqCst);
}
