//! Where the calling thread is: code of others that runs on the reading thread may do less than a thread of its own.
//!
//! | where | may change an end point | may wait |
//! |---|---|---|
//! | a thread of the user | yes | yes |
//! | in a sink, a closer or a welcome, on the reading thread | yes | no, `EDEADLK` |
//! | in a callback filter | no, `EDEADLK` | no, `EDEADLK` |
//!
//! No lock is held in any of these, so none of them would deadlock at once; but who waits on the reading thread waits for
//! itself, and a filter that changes the table it is asked by is a mistake that must be heard of.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::core::{Error, Result};

/// The end point whose messages the thread is delivering (its address; 0: none), and whether it is in a filter.
#[derive(Clone, Copy)]
struct ThreadPlace {
    reading: usize,
    in_filter: bool,
}

thread_local! {
    static PLACE: Cell<ThreadPlace> = const { Cell::new(ThreadPlace { reading: 0, in_filter: false }) };
}

/// Goes back to where the thread was when dropped.
#[must_use]
pub struct Inside(ThreadPlace);

impl Drop for Inside {
    fn drop(&mut self) {
        PLACE.set(self.0);
    }
}

/// The thread serves `whom` (any address but 0) from now on.
pub fn enter_reading(whom: usize) -> Inside {
    let before = PLACE.get();
    PLACE.set(ThreadPlace { reading: whom, ..before });
    Inside(before)
}

/// The thread asks a callback filter.
pub fn enter_filter() -> Inside {
    let before = PLACE.get();
    PLACE.set(ThreadPlace { in_filter: true, ..before });
    Inside(before)
}

/// `EDEADLK` in a callback filter.
pub fn may_change() -> Result<()> {
    if PLACE.get().in_filter { Err(Error::DEADLOCK) } else { Ok(()) }
}

/// `EDEADLK` wherever the connection is read.
pub fn may_wait() -> Result<()> {
    let place = PLACE.get();
    if place.in_filter || place.reading != 0 { Err(Error::DEADLOCK) } else { Ok(()) }
}

/// Runs code of others. A panic of theirs ends here, for the thread may be one that all connections are read by. `None`: it has
/// panicked, which the panic hook has told, or kept to itself.
pub fn contained<T>(code: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(code)).ok()
}

/// Does the thread deliver the messages of `whom`, and will it write what is to be answered when it is done?
pub fn is_reading(whom: usize) -> bool {
    PLACE.get().reading == whom
}
