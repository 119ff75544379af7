//! The lock of the reactor's rules, in a form that a model checker can stand in for.

use std::sync::{MutexGuard, PoisonError};

/// A mutex whose holder cannot leave broken data behind, so poison is no news.
#[derive(Debug, Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub fn new(value: T) -> Mutex<T> {
        Mutex(std::sync::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
