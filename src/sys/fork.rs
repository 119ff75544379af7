//! What happens in a forked child: forget, close, start afresh.

use std::cell::UnsafeCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Counts the forks between this process and the one that loaded the library.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// What [`on_child`] was given, as addresses, so that the child reads them without a lock.
static HANDLERS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Differs between a parent and its forked children, if the parent has called `watch`. What was made in another generation is the
/// parent's, and must be neither used nor freed: its locks may be held by threads that do not exist here.
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// From now on a fork is a new [`generation`], and the child's copies of the library's descriptors are closed.
pub fn watch() {
    static WATCHING: AtomicBool = AtomicBool::new(false);
    if !WATCHING.load(Ordering::Acquire) {
        // Two threads may both do it, which does no harm; with a `Once` a child that is forked just now would wait for ever.
        // SAFETY: `in_child` is a function for the life of the process (the library is never unloaded while
        // sockets are open; glibc drops the handlers of an unloaded object).
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        WATCHING.store(true, Ordering::Release);
    }
}

/// Runs `forget` in every child this process forks from now on, before the descriptors are closed. It runs while locks of the
/// parent may be held: it must take none, and drop nothing that does. Saying the same again changes nothing.
pub fn on_child(forget: fn()) {
    let address = forget as usize;
    let mine = |slot: &AtomicUsize| match slot.compare_exchange(0, address, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => true,
        Err(taken) => taken == address,
    };
    let found = HANDLERS.iter().any(mine);
    debug_assert!(found, "more handlers than places for them");
    watch();
}

/// A lock that is held while the process forks.
pub trait HeldLock {
    /// This is the child, and what is behind the lock is what the parent had. To be forgotten, not to be dropped.
    fn in_child(&mut self);
}

/// What is held while the process forks. The first of it is a lock that all who fork take, so there is one at a time.
type LocksHeld = Vec<Box<dyn HeldLock>>;

struct HeldLocks(UnsafeCell<LocksHeld>);

// SAFETY: it is touched only by the thread that forks, while it holds the locks that are in it.
unsafe impl Sync for HeldLocks {}

static HOLD: OnceLock<fn() -> LocksHeld> = OnceLock::new();
static HELD: HeldLocks = HeldLocks(UnsafeCell::new(Vec::new()));

/// Before this process forks, and afterwards in parent and child: has `hold` take locks, of which the first is always the same one,
/// and lets them go. So a child finds them free, and what is behind them whole. `hold` must be quick, and so must all who take these
/// locks. Saying the same again changes nothing; there is one `hold`.
pub fn hold_across(hold: fn() -> LocksHeld) {
    if HOLD.set(hold).is_ok() {
        // SAFETY: functions for the life of the process, as above.
        unsafe {
            libc::pthread_atfork(Some(take_locks), Some(let_go), Some(let_go_in_child));
        }
    }
}

extern "C" fn take_locks() {
    if let Some(hold) = HOLD.get() {
        let held = hold();
        // SAFETY: this thread has the first lock, without which nobody comes here.
        unsafe { *HELD.0.get() = held };
    }
}

/// Until it is dropped they are still held.
fn held() -> LocksHeld {
    // SAFETY: as above.
    unsafe { std::mem::take(&mut *HELD.0.get()) }
}

extern "C" fn let_go() {
    // The lock that all take is let go last.
    held().into_iter().rev().for_each(drop);
}

extern "C" fn let_go_in_child() {
    let mut held = held();
    held.iter_mut().for_each(|lock| lock.in_child());
    held.into_iter().rev().for_each(drop);
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    for handler in &HANDLERS {
        let handler = handler.load(Ordering::Acquire);
        if handler != 0 {
            // SAFETY: only `on_child` stores here, and it stores a `fn()`.
            let forget = unsafe { std::mem::transmute::<usize, fn()>(handler) };
            forget();
        }
    }
    super::descriptor::close_all_marked();
}
