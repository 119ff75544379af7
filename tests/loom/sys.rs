//! Stand-ins that the model checker sees through.

pub mod sync {
    pub use loom::sync::MutexGuard;
    pub use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

    /// One look is as good as a hundred: no time passes in a model.
    pub const SPINS: u32 = 1;

    /// The checker takes exchanges to be weaker than they are, but not fences.
    pub fn publish(word: &AtomicU64, value: u64) {
        word.swap(value, Ordering::AcqRel);
        loom::sync::atomic::fence(Ordering::SeqCst);
    }

    #[derive(Debug, Default)]
    pub struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Mutex<T> {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("loom's locks know no poison")
        }

        #[allow(dead_code, reason = "models use their own subsets")]
        pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }

    #[derive(Debug, Default)]
    pub struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0.wait(guard).expect("loom's locks know no poison")
        }

        pub fn notify_one(&self) {
            self.0.notify_one();
        }

        pub fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}

#[allow(dead_code, reason = "models use their own subsets")]
#[path = "../../src/sys/lock.rs"]
pub mod lock;

#[allow(dead_code, reason = "models use their own subsets")]
#[path = "../../src/sys/place.rs"]
pub mod place;

#[path = "../../src/sys/places.rs"]
pub mod places;

#[allow(dead_code, reason = "models use their own subsets")]
#[path = "../../src/sys/spsc.rs"]
pub mod spsc;

/// Models have no heap to speak of.
pub mod memory {
    pub fn give_back_free_memory() {}
}

/// A futex as the kernel has it: look at the word and fall asleep in one step. Time does not pass in a model.
pub mod futex {
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::time::Duration;

    use loom::sync::{Condvar, Mutex};

    use super::sync::{AtomicU32, Ordering};

    #[derive(Debug)]
    pub enum Slept {
        Woken,
    }

    loom::lazy_static! {
        static ref BEDS: Mutex<HashMap<usize, Arc<Condvar>>> = Mutex::default();
    }

    fn address(word: &AtomicU32) -> usize {
        std::ptr::from_ref(word).addr()
    }

    pub fn wait(word: &AtomicU32, expected: u32, _timeout: Option<Duration>) -> Slept {
        let mut beds = BEDS.lock().expect("loom's locks know no poison");
        if word.load(Ordering::SeqCst) == expected {
            let bed = Arc::clone(beds.entry(address(word)).or_default());
            drop(bed.wait(beds));
        }
        Slept::Woken
    }

    pub fn wake_one(word: &AtomicU32) {
        let beds = BEDS.lock().expect("loom's locks know no poison");
        if let Some(bed) = beds.get(&address(word)) {
            bed.notify_one();
        }
    }
}

/// A descriptor: no model has one.
pub mod eventfd {
    #[derive(Debug)]
    pub struct EventFd;

    impl EventFd {
        pub fn new() -> std::io::Result<EventFd> {
            Err(std::io::ErrorKind::Unsupported.into())
        }

        pub fn set(&mut self, _raised: bool) {}

        pub fn fd(&self) -> std::os::fd::RawFd {
            -1
        }
    }
}
