//! Somebody to be told things.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::transport::pipe::Ready;
use crate::transport::source::Source;

#[derive(Default)]
pub struct Fake {
    pub busy: AtomicBool,
    /// Keys told, or flushed, since the last look.
    told: Mutex<Vec<u64>>,
    /// A flush finds nothing.
    pub dry: AtomicBool,
}

impl Fake {
    pub fn told(&self) -> Vec<u64> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

impl Source for Fake {
    fn ready(&self, key: u64, _ready: Ready) {
        self.told.lock().unwrap().push(key);
    }

    fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    fn expired(&self, _key: u64) {}

    fn flush_before_wait(&self, key: u64) -> bool {
        self.flush(key)
    }

    fn flush(&self, key: u64) -> bool {
        self.told.lock().unwrap().push(key);
        !self.dry.load(Ordering::Relaxed)
    }
}
