//! Spin a little before sleeping.
//!
//! On several cores a wake-up costs more than everything else in a round trip, so a waiter first looks a few times for
//! what it waits for. Where that does not help, because the answer takes longer or because the other side needs
//! this very core, it is ruinous; so every failure doubles the number of waits that go straight to sleep
//! (64 to 1,024), and a success starts anew. `MILLRACE_SPIN=0` in the environment turns spinning off.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long one wait spins.
const SPIN: Duration = Duration::from_micros(30);

const FIRST_PAUSE: u32 = 64;
const LAST_PAUSE: u32 = 1024;

thread_local! {
    /// Waits that are still to go straight to sleep, and how many the next failure costs.
    static PAUSE: Cell<(u32, u32)> = const { Cell::new((0, FIRST_PAUSE)) };
}

/// Calls `look` until it finds something, for a short while, if that has been worth it lately. True if it found
/// something.
pub fn spin(look: impl FnMut() -> bool) -> bool {
    let (left, cost) = PAUSE.get();
    if left > 0 {
        PAUSE.set((left - 1, cost));
        return false;
    }
    if !is_enabled() {
        return false;
    }
    let found = look_for_a_while(look);
    PAUSE.set(if found { (0, FIRST_PAUSE) } else { (cost, (cost * 2).min(LAST_PAUSE)) });
    found
}

fn look_for_a_while(mut look: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + SPIN;
    loop {
        for _ in 0..4 {
            if look() {
                return true;
            }
        }
        if Instant::now() >= end {
            return false;
        }
    }
}

fn is_enabled() -> bool {
    static ENABLED: OnceLock<bool> = OnceLock::new();
    *ENABLED.get_or_init(|| std::env::var_os("MILLRACE_SPIN").is_none_or(|value| value != "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_make_ever_longer_pauses_and_a_success_ends_them() {
        let mut looks = 0;
        let mut failing = || {
            looks = 0;
            spin(|| {
                looks += 1;
                false
            });
            looks
        };
        assert!(failing() > 0);
        for _ in 0..FIRST_PAUSE {
            assert_eq!(failing(), 0);
        }
        assert!(failing() > 0);
        for _ in 0..2 * FIRST_PAUSE {
            assert_eq!(failing(), 0);
        }
        assert!(spin(|| true));
        assert!(spin(|| true));
    }
}
