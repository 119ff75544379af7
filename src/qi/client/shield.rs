//! Code of the program on threads that are not its own.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls code of the program. The thread belongs to the library, or to somebody who waits for something else, so a panic ends
/// here: the panic hook has told of it, and all else goes on as if the code had returned.
pub fn shielded(code: impl FnOnce()) {
    // No lock of ours is held, and what the code itself has left half done is the program's.
    let _ = catch_unwind(AssertUnwindSafe(code));
}
