//! Somebody to be told things.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::transport::coalescing::counters::WriteCounters;
use crate::transport::pipe::Ready;
use crate::transport::source::Source;

#[derive(Default)]
pub struct Fake {
    pub busy: AtomicBool,
    /// Keys told, or flushed, since the last look.
    told: Mutex<Vec<u64>>,
    /// A flush finds nothing.
    pub dry: AtomicBool,
    /// Where flushes of a key are counted.
    pub counted: Mutex<Vec<(u64, WriteCounters)>>,
}

impl Fake {
    /// How many there are.
    pub fn count(&self) -> u32 {
        self.told.lock().unwrap().len() as u32
    }

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
        self.counted.lock().unwrap().iter().filter(|(of, _)| *of == key).for_each(|(_, counters)| counters.flushed());
        !self.dry.load(Ordering::Relaxed)
    }
}
