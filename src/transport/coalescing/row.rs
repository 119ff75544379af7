//! Is what goes to many, an event of the object bus, one of a row? A pure machine, for one thread, whoever its events go to.
//!
//! The first writes of a row are made at once, as those of every lone event are: so what a program emits in a short burst to one or a few is with
//! the kernel, however it ends. What follows closely is left to the I/O thread, so that each of those who get it has several in one write. What
//! counts is writes, not events as for a stream of a socket: a short row to fifty is thousands of them.

use std::time::Instant;

use super::decision::World;
use super::stream_detector::{BURST_MESSAGES, StreamDetector};

/// Writes of a row that are made at once: a burst of as many events to one, as of a socket's messages.
const AT_ONCE: u32 = BURST_MESSAGES;

/// The events of one thread.
#[derive(Clone, Copy, Debug)]
pub struct EventRow {
    detector: StreamDetector,
    /// The thread has a real-time policy: the I/O thread may not get to run. Asked once for each row.
    real_time: Option<bool>,
    /// Writes of this row that were made at once.
    written: u32,
}

/// One of them, under way.
#[derive(Clone, Copy, Debug)]
pub struct EventUnderWay {
    /// It may be written a little later, with what follows.
    pub in_row: bool,
    at: Instant,
}

impl EventRow {
    pub const fn new() -> EventRow {
        EventRow { detector: StreamDetector::new(), real_time: None, written: 0 }
    }

    pub fn begin(&mut self, world: &impl World) -> EventUnderWay {
        let at = world.now();
        let is_close = self.detector.look(|| at);
        if !is_close {
            (self.real_time, self.written) = (None, 0);
        }
        let has_lasted = is_close && self.written >= AT_ONCE;
        let in_row = has_lasted && !*self.real_time.get_or_insert_with(|| world.is_real_time()) && world.coalesces();
        EventUnderWay { in_row, at }
    }

    /// It has gone to so many. Behind several writes, closely is what they took.
    pub fn end(&mut self, begun: EventUnderWay, receivers: u32, world: &impl World) {
        let now = world.now();
        if !begun.in_row {
            self.written = self.written.saturating_add(receivers);
        }
        match receivers {
            0 => return,
            _ if begun.in_row => {}
            1 => self.detector.wrote_once(),
            _ => self.detector.took(now.saturating_duration_since(begun.at), receivers),
        }
        self.detector.ended(now);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    const US: Duration = Duration::from_micros(1);

    struct ByHand {
        now: Cell<Instant>,
        is_real_time: Cell<bool>,
        ends: Cell<bool>,
        /// How often it was asked for the policy.
        asked: Cell<usize>,
    }

    impl World for ByHand {
        fn now(&self) -> Instant {
            self.now.get()
        }

        fn coalesces(&self) -> bool {
            !self.ends.get()
        }

        fn is_real_time(&self) -> bool {
            self.asked.set(self.asked.get() + 1);
            self.is_real_time.get()
        }
    }

    /// A thread that emits to so many; a write takes 5 µs.
    struct Emitter {
        row: EventRow,
        world: ByHand,
        receivers: u32,
    }

    impl Emitter {
        fn to(receivers: u32) -> Emitter {
            let (is_real_time, ends, asked) = Default::default();
            let world = ByHand { now: Cell::new(Instant::now()), is_real_time, ends, asked };
            Emitter { row: EventRow::new(), world, receivers }
        }

        /// After a pause. Is it one of a row?
        fn emit(&mut self, pause: Duration) -> bool {
            let pass = |time| self.world.now.set(self.world.now.get() + time);
            pass(pause);
            let begun = self.row.begin(&self.world);
            pass(if begun.in_row { US } else { 5 * US * self.receivers });
            self.row.end(begun, self.receivers, &self.world);
            begun.in_row
        }
    }

    #[test]
    fn a_row_is_written_together_behind_its_first_writes_and_a_lone_event_at_once() {
        for receivers in [1, 2, 50, 1000] {
            let mut emitter = Emitter::to(receivers);
            let at_once = AT_ONCE.div_ceil(receivers);
            for _ in 0..3 {
                assert!(!emitter.emit(Duration::from_millis(20)), "{receivers}: the first");
                assert!((1..at_once).all(|_| !emitter.emit(US)), "{receivers}: a burst");
                assert!((at_once..400).all(|_| emitter.emit(US)), "{receivers}: the others");
            }
            assert!((0..400).all(|_| !emitter.emit(11 * US * receivers)), "{receivers}: lone ones");
        }
    }

    #[test]
    fn who_emits_to_nobody_is_in_no_row() {
        let mut emitter = Emitter::to(0);
        assert!((0..400).all(|_| !emitter.emit(US)));
    }

    /// Fifty writes take a quarter of a millisecond: what comes so soon behind them is late already.
    #[test]
    fn closely_behind_several_writes_is_as_long_as_they_took() {
        for (receivers, pause, in_row) in [(1, 9, true), (1, 11, false), (50, 200, true), (50, 300, false)] {
            let mut emitter = Emitter::to(receivers);
            let rows = (0..600).filter(|_| emitter.emit(US * pause)).count();
            assert_eq!(rows > 300, in_row, "{receivers}, {pause} µs: {rows}");
            assert_eq!(rows > 0, in_row, "{receivers}, {pause} µs: {rows}");
        }
    }

    #[test]
    fn nothing_is_left_to_others_by_urgent_threads_or_at_the_end_of_the_process() {
        let mut emitter = Emitter::to(2);
        emitter.world.is_real_time.set(true);
        assert!((0..300).all(|_| !emitter.emit(US)));
        assert_eq!(emitter.world.asked.get(), 1, "once for each row");
        emitter.world.is_real_time.set(false);
        emitter.emit(Duration::from_secs(1));
        assert!((0..300).any(|_| emitter.emit(US)));
        emitter.world.ends.set(true);
        assert!(!emitter.emit(US));
    }
}
