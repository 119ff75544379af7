//! Places that outlive what is in them, so that whoever has found one may lock it, whatever has become of that meanwhile.
//!
//! A call that holds what it uses counts itself in and out, and takes a lock besides: four writes that other cores see. A call that is over
//! at once needs the lock alone, if that can never be freed under it: it looks behind the lock whether it is still where it wanted to be.

use super::lock::{WordGuard, WordLock};
use super::sync::{AtomicPtr, Ordering};

/// A value behind a lock, or room for one.
#[derive(Debug)]
pub struct Place<T>(WordLock<Option<T>>);

impl<T> Default for Place<T> {
    fn default() -> Self {
        Place(WordLock::new(None))
    }
}

impl<T> Place<T> {
    #[inline(always)]
    pub fn lock(&self) -> WordGuard<'_, Option<T>> {
        self.0.lock()
    }

    pub fn try_lock(&self) -> Option<WordGuard<'_, Option<T>>> {
        self.0.try_lock()
    }
}

/// Where to find a value as long as it can be used without being held.
#[derive(Debug)]
pub struct Signpost<T>(AtomicPtr<Place<T>>);

impl<T> Default for Signpost<T> {
    fn default() -> Self {
        Signpost(AtomicPtr::new(std::ptr::null_mut()))
    }
}

impl<T> Signpost<T> {
    /// From here on it is found.
    ///
    /// # Safety
    /// The place is there for as long as the signpost is.
    pub unsafe fn point_to(&self, place: &Place<T>) {
        self.0.store(std::ptr::from_ref(place).cast_mut(), Ordering::Release);
    }

    /// From here on nobody comes who has not come yet. Who locks the place after that meets nobody who had.
    pub fn take_down(&self) {
        self.0.store(std::ptr::null_mut(), Ordering::Release);
    }

    /// The place, locked, if it is still where the signpost points to.
    #[inline(always)]
    pub fn follow(&self) -> Option<WordGuard<'_, Option<T>>> {
        let found = self.0.load(Ordering::Acquire);
        // SAFETY: null, or a place that is there for as long as the signpost is.
        let place = unsafe { found.as_ref() }?.lock();
        (self.0.load(Ordering::Acquire) == found).then_some(place)
    }
}
