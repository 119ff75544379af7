//! Does a stream still flow? What is appended to it and how often it is flushed is counted where whoever looks after it can
//! see it without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Shared of one pipe, modulo 2³²; kept by the pipe and by whoever looks after it.
#[derive(Clone, Debug, Default)]
pub struct WriteCounters(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    bytes: AtomicU32,
    flushes: AtomicU32,
}

/// What the counters said at some moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriteCounts {
    /// Bytes appended.
    pub bytes: u32,
    pub flushes: u32,
}

impl WriteCounters {
    pub fn appended(&self, bytes: usize) {
        add(&self.0.bytes, bytes as u32);
    }

    pub fn flushed(&self) {
        add(&self.0.flushes, 1);
    }

    pub fn counts(&self) -> WriteCounts {
        WriteCounts { bytes: self.0.bytes.load(Ordering::Relaxed), flushes: self.0.flushes.load(Ordering::Relaxed) }
    }
}

/// Under the lock of what is counted, so nobody else counts; and an old count merely makes a look come too early.
fn add(count: &AtomicU32, more: u32) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}
