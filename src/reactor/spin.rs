//! Spin a little before sleeping.
//!
//! On several cores a wake-up costs more than everything else in a round trip, so a waiter first looks a few times for
//! what it waits for. Where that does not help, because the answer takes longer or because the other side needs this very
//! core, it is ruinous; so who has failed twice in a row goes straight to sleep, and tries again ever more rarely.
//!
//! It helps only while *both* sides do it, for a side that sleeps takes longer to wake up than the other one spins. So tries
//! must meet: they are made in certain ticks of the system's clock, which every process sees alike. A side that tries in
//! every 16th tick and one that tries in every 4th meet in every 16th.
//!
//! Whoever spins uses up its share of the core, and is then displaced by another thread that wants it, for milliseconds; whoever
//! sleeps is preferred when it wakes up. So a thread that was displaced in the midst of spinning stays apart as well, twice
//! as long each time that it happens again.
//!
//! A try is of use only if the other side has a core of its own. Often it has not: it is woken on the core of who wakes it. So a try first
//! gives way, and is over if somebody had been waiting.
//!
//! `MILLRACE_SPIN=0` in the environment turns spinning off for the process, the option `NN_SPIN` for a socket.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::sys::cancel::Uncancelled;
use crate::sys::clock;

/// How long a wait spins while spinning helps: some answers.
const SPIN: Duration = Duration::from_micros(50);

/// How long a try does: it must outlast the wake-up of the other side.
const TRY: Duration = Duration::from_micros(150);

/// Tries in one tick.
const TRIES: u32 = 4;

const TICK: Duration = Duration::from_millis(4);

/// Between two looks nothing takes so long, unless another thread has the core meanwhile.
const DISPLACED: Duration = Duration::from_micros(200);

/// To give way to nobody takes a tenth of this, to somebody at least twice as long.
const SHARED: Duration = Duration::from_micros(5);

/// After so many ticks without being displaced it is a matter of the past.
const FORGET: u64 = 512;

/// Which ticks are for trying: multiples of this, at first and at last (one in a second).
const FIRST_PERIOD: u64 = 4;
const LAST_PERIOD: u64 = 256;

/// How a look for something ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Look {
    Found,
    Missed,
    /// Found or not, another thread had the core in the midst of it.
    Displaced {
        found: bool,
    },
    /// Found or not, somebody else had been waiting for this very core, perhaps who is to answer.
    Shared {
        found: bool,
    },
}

/// What a thread knows of the use of spinning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Spinner {
    stance: Stance,
    /// How long it stays apart if it is displaced now, and when it was last.
    penalty: u64,
    displaced_at: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stance {
    /// It helps. After a second failure in a row it does not.
    InStep { missed: bool },
    /// It does not, but may again. `tick` is the last one in which there were tries, of which some are left.
    Apart { period: u64, tick: u64, tries: u32 },
}

impl Spinner {
    const NEW: Spinner = Spinner { stance: Stance::InStep { missed: false }, penalty: FIRST_PERIOD, displaced_at: 0 };

    /// How long the wait that begins now should spin, if at all.
    fn spin_time(&mut self, tick: impl FnOnce() -> u64) -> Option<Duration> {
        match &mut self.stance {
            Stance::InStep { .. } => Some(SPIN),
            Stance::Apart { period, tick: last, tries } => {
                let tick = tick();
                if !tick.is_multiple_of(*period) {
                    return None;
                }
                if tick != *last {
                    (*last, *tries) = (tick, TRIES);
                }
                *tries = tries.checked_sub(1)?;
                Some(TRY)
            }
        }
    }

    /// The wait has spun, in vain or not.
    fn learn(&mut self, look: Look, tick: impl FnOnce() -> u64) {
        self.stance = match (look, self.stance) {
            (Look::Displaced { .. }, _) => self.step_aside(tick()),
            // It cost next to nothing, and says nothing of other cores.
            (Look::Shared { .. }, stance) => stance,
            (Look::Found, _) => Stance::InStep { missed: false },
            (Look::Missed, Stance::InStep { missed: false }) => Stance::InStep { missed: true },
            (Look::Missed, Stance::InStep { missed: true }) => {
                Stance::Apart { period: FIRST_PERIOD, tick: tick(), tries: 0 }
            }
            (Look::Missed, Stance::Apart { period, tick, tries: 0 }) => {
                Stance::Apart { period: (period * 2).min(LAST_PERIOD), tick, tries: 0 }
            }
            (Look::Missed, apart) => apart,
        }
    }

    fn step_aside(&mut self, tick: u64) -> Stance {
        if tick - self.displaced_at.min(tick) > FORGET {
            self.penalty = FIRST_PERIOD;
        }
        self.displaced_at = tick;
        self.penalty = (self.penalty * 2).min(LAST_PERIOD);
        Stance::Apart { period: self.penalty, tick, tries: 0 }
    }
}

thread_local! {
    static MINE: Cell<Spinner> = const { Cell::new(Spinner::NEW) };
}

/// Calls `look` until it finds something, for a short while, if that has been worth it lately. True if it found
/// something.
pub fn spin(look: impl FnMut() -> bool) -> bool {
    if !is_enabled() {
        return false;
    }
    let mut spinner = MINE.get();
    let Some(time) = spinner.spin_time(tick) else {
        MINE.set(spinner);
        return false;
    };
    let look = if time == TRY { try_for(time, give_way, look) } else { look_for(time, look) };
    spinner.learn(look, tick);
    MINE.set(spinner);
    matches!(look, Look::Found | Look::Displaced { found: true } | Look::Shared { found: true })
}

/// Do so many others wait beside the caller that they will want every core as soon as they are told?
pub fn is_crowded(others: usize) -> bool {
    static CORES: OnceLock<usize> = OnceLock::new();
    want_every_core(others, *CORES.get_or_init(cores))
}

fn cores() -> usize {
    // It reads files.
    let _uncancelled = Uncancelled::hold();
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Of a process that is bound to one core, the peer may run on another one: that alone is no reason not to spin.
fn want_every_core(others: usize, cores: usize) -> bool {
    others > 0 && others + 1 >= cores
}

/// Whoever waits for this core has it first, which takes `give_way` so long: the other side is often woken on the very core that the waker
/// is about to leave, and has to wait as long as that one spins.
fn try_for(time: Duration, give_way: impl FnOnce() -> Duration, mut look: impl FnMut() -> bool) -> Look {
    match give_way() {
        gap if gap >= DISPLACED => Look::Displaced { found: look() },
        gap if gap >= SHARED => Look::Shared { found: look() },
        _ => look_for(time, look),
    }
}

fn give_way() -> Duration {
    let start = Instant::now();
    std::thread::yield_now();
    start.elapsed()
}

fn look_for(time: Duration, mut look: impl FnMut() -> bool) -> Look {
    let start = Instant::now();
    let mut last = start;
    loop {
        let found = (0..4).any(|_| look());
        let now = Instant::now();
        if now - last >= DISPLACED {
            return Look::Displaced { found };
        }
        if found {
            return Look::Found;
        }
        if now - start >= time {
            return Look::Missed;
        }
        last = now;
    }
}

fn tick() -> u64 {
    (clock::coarse().as_nanos() / TICK.as_nanos()) as u64
}

/// Does the process want it?
pub fn is_enabled() -> bool {
    static ENABLED: OnceLock<bool> = OnceLock::new();
    *ENABLED.get_or_init(|| std::env::var_os("MILLRACE_SPIN").is_none_or(|value| value != "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_try_gives_way_to_who_waits_for_this_core() {
        let us = Duration::from_micros;
        for (gap, expected) in
            [(us(0), Look::Missed), (us(10), Look::Shared { found: true }), (us(300), Look::Displaced { found: true })]
        {
            let has_run = Cell::new(false);
            let give_way = || {
                has_run.set(gap > us(0));
                gap
            };
            assert_eq!(try_for(Duration::ZERO, give_way, || has_run.get()), expected, "{gap:?}");
        }
    }

    /// It stays apart, as if it had not tried, and tries as often as before.
    #[test]
    fn that_the_core_is_shared_is_neither_success_nor_failure() {
        for found in [false, true] {
            let mut spinner = Spinner { stance: Stance::Apart { period: 8, tick: 0, tries: 0 }, ..Spinner::NEW };
            for _ in 0..TRIES {
                assert_eq!(spinner.spin_time(|| 16), Some(TRY));
                spinner.learn(Look::Shared { found }, || 16);
            }
            assert_eq!(spinner.spin_time(|| 16), None);
            assert_eq!(spinner.spin_time(|| 24), Some(TRY));
        }
    }

    /// One wait at a tick; how long it spun.
    fn wait(spinner: &mut Spinner, tick: u64, found: bool) -> Option<Duration> {
        let time = spinner.spin_time(|| tick);
        if time.is_some() {
            spinner.learn(if found { Look::Found } else { Look::Missed }, || tick);
        }
        time
    }

    #[test]
    fn one_miss_is_forgiven_and_two_in_a_row_are_not() {
        let mut spinner = Spinner::NEW;
        for found in [true, false, true, false] {
            assert_eq!(wait(&mut spinner, 1, found), Some(SPIN));
        }
        assert_eq!(wait(&mut spinner, 1, false), Some(SPIN));
        assert_eq!(wait(&mut spinner, 1, false), None);
    }

    #[test]
    fn failures_make_tries_ever_rarer_and_a_success_ends_that() {
        let mut spinner = Spinner::NEW;
        wait(&mut spinner, 0, false);
        wait(&mut spinner, 0, false);
        let mut tried = Vec::new();
        for tick in 0..2000 {
            let tries = (0..10).filter(|_| wait(&mut spinner, tick, false) == Some(TRY)).count();
            if tries > 0 {
                assert_eq!(tries, TRIES as usize);
                tried.push(tick);
            }
        }
        assert_eq!(tried, [4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 1792]);
        assert_eq!(wait(&mut spinner, 2048, true), Some(TRY));
        assert_eq!(wait(&mut spinner, 2049, true), Some(SPIN));
    }

    /// How long a spinner that is displaced at this tick stays apart, in ticks.
    fn displace(spinner: &mut Spinner, at: u64) -> u64 {
        assert!(spinner.spin_time(|| at).is_some());
        spinner.learn(Look::Displaced { found: true }, || at);
        (at + 1..).find(|tick| spinner.spin_time(|| *tick).is_some()).unwrap() - at
    }

    #[test]
    fn who_is_displaced_stays_apart_twice_as_long_each_time_until_it_is_forgotten() {
        let mut spinner = Spinner::NEW;
        let mut at = 256;
        for apart in [8, 16, 32, 64, 128, 256, 256] {
            assert_eq!(displace(&mut spinner, at), apart);
            spinner.learn(Look::Found, || at);
            at += 256;
        }
        at += FORGET;
        assert_eq!(displace(&mut spinner, at), 8);
    }

    #[test]
    fn a_long_look_is_told_from_a_miss() {
        let mut looks = 0;
        let look = look_for(Duration::from_secs(3600), || {
            looks += 1;
            let end = Instant::now() + DISPLACED;
            while looks == 1 && Instant::now() < end {}
            false
        });
        assert_eq!(look, Look::Displaced { found: false });
        assert_eq!(look_for(Duration::ZERO, || true), Look::Found);
    }

    #[test]
    fn others_want_every_core_if_there_are_others() {
        for (others, cores, crowded) in
            [(0, 1, false), (1, 1, true), (0, 2, false), (1, 2, true), (6, 8, false), (7, 8, true)]
        {
            assert_eq!(want_every_core(others, cores), crowded, "{others} others, {cores} cores");
        }
    }

    /// Two sides that are apart with different periods try in a common tick before long.
    #[test]
    fn tries_meet() {
        let mut sides = [FIRST_PERIOD, LAST_PERIOD]
            .map(|period| Spinner { stance: Stance::Apart { period, tick: 0, tries: 0 }, ..Spinner::NEW });
        let met = (1..=LAST_PERIOD).find(|tick| {
            let mut both = true;
            for side in &mut sides {
                both &= wait(side, *tick, false).is_some();
            }
            both
        });
        assert_eq!(met, Some(LAST_PERIOD));
    }
}
