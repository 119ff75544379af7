//! What happens in a forked child: forget, close, start afresh.

use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The handlers, as addresses, so that the child reads them without a lock. There are as many as callers of `on_child`.
static HANDLERS: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];
static REGISTER: Once = Once::new();

/// Runs `forget` in every child this process forks from now on, and afterwards closes the child's copies of
/// the library's descriptors. `forget` runs while locks of the parent may be held: it must take none,
/// and drop nothing that does. Saying the same again changes nothing.
pub fn on_child(forget: fn()) {
    let address = forget as usize;
    let mine = |slot: &AtomicUsize| match slot.compare_exchange(0, address, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => true,
        Err(taken) => taken == address,
    };
    let found = HANDLERS.iter().any(mine);
    debug_assert!(found, "more handlers than places for them");
    // SAFETY: `in_child` is a function for the life of the process (the library is never unloaded while
    // sockets are open; glibc drops the handlers of an unloaded object).
    REGISTER.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(in_child));
    });
}

extern "C" fn in_child() {
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
