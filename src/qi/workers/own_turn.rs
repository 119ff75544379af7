//! Whose turn a thread has: of an object that does one thing at a time. Who waits there for what that same object is to do waits for
//! itself, and would until its time is over.

use std::cell::Cell;

/// An object, wherever it is reached: its uid.
type TurnKey = [u8; 20];

thread_local! {
    static HAS: Cell<Option<TurnKey>> = const { Cell::new(None) };
}

/// Runs this in the turn of an object.
pub fn in_turn_of<T>(key: &TurnKey, run: impl FnOnce() -> T) -> T {
    /// Also when it panics.
    struct Before(Option<TurnKey>);
    impl Drop for Before {
        fn drop(&mut self) {
            HAS.set(self.0);
        }
    }
    let _before = Before(HAS.replace(Some(*key)));
    run()
}

/// The calling thread has the turn of this object.
pub fn is_in_turn_of(key: &TurnKey) -> bool {
    HAS.get().is_some_and(|has| has == *key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_also_by_a_panic() {
        in_turn_of(&[1; 20], || {
            let ended = std::panic::catch_unwind(|| in_turn_of(&[2; 20], || panic!("on purpose")));
            assert!(ended.is_err() && is_in_turn_of(&[1; 20]) && !is_in_turn_of(&[2; 20]));
        });
        assert!(!is_in_turn_of(&[1; 20]));
    }
}
