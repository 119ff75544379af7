//! Does a stream still flow? Its flushes are counted where whoever looks after it can see them without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The count of a pipe's flushes, to be kept by the pipe and by whoever looks after it.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU32>);

impl Pulse {
    /// One flush more.
    pub fn beat(&self) {
        // Only one thread flushes a pipe at a time, and an old count merely makes a look come too early.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}
