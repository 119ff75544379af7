//! What happens in a forked child: forget, close, start afresh.

use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The one handler, as an address, so that the child reads it without a lock.
static HANDLER: AtomicUsize = AtomicUsize::new(0);
static REGISTER: Once = Once::new();

/// Runs `forget` in every child this process forks from now on, and afterwards closes the child's copies of
/// the library's descriptors. `forget` runs while locks of the parent may be held: it must take none,
/// and drop nothing that does.
pub fn on_child(forget: fn()) {
    HANDLER.store(forget as usize, Ordering::Release);
    // SAFETY: `in_child` is a function for the life of the process (the library is never unloaded while
    // sockets are open; glibc drops the handlers of an unloaded object).
    REGISTER.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(in_child));
    });
}

extern "C" fn in_child() {
    let handler = HANDLER.load(Ordering::Acquire);
    if handler != 0 {
        // SAFETY: only `on_child` stores here, and it stores a `fn()`.
        let forget = unsafe { std::mem::transmute::<usize, fn()>(handler) };
        forget();
    }
    super::descriptor::close_all_marked();
}
