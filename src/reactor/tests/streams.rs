use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::source::Fake;
use crate::reactor::StreamToFlush;
use crate::reactor::streams::{LOOK, Streams};
use crate::transport::coalescing::counters::WriteCounters;
use crate::transport::outbox::BUFFER;

const MS: Duration = Duration::from_millis(1);

struct Rig {
    source: Arc<Fake>,
    streams: Streams,
    now: Instant,
    pause: Duration,
}

impl Rig {
    fn new() -> Rig {
        Rig { source: Arc::default(), streams: Streams::default(), now: Instant::now(), pause: Duration::ZERO }
    }

    /// With one stream, that has flowed for so many looks.
    fn flowing(looks: usize) -> (Rig, WriteCounters) {
        let mut rig = Rig::new();
        let counters = rig.add(7);
        rig.look();
        for _ in 0..looks {
            rig.stream(&counters, 5.0);
            rig.look();
        }
        (rig, counters)
    }

    fn add(&mut self, key: u64) -> WriteCounters {
        let counters = WriteCounters::default();
        self.streams
            .add(StreamToFlush { source: Arc::<Fake>::clone(&self.source), key, counters: counters.clone() }, self.now);
        counters
    }

    /// The look that is due; which pipes it flushed.
    fn look(&mut self) -> Vec<u64> {
        self.now += self.pause;
        self.pause = self.streams.look(self.now);
        self.source.told()
    }

    /// What a sender appends until the next look at so many buffers a millisecond.
    fn append(&self, counters: &WriteCounters, buffers: f64) {
        counters.appended((BUFFER as f64 * buffers * self.pause.as_secs_f64() / MS.as_secs_f64()).ceil() as usize);
    }

    /// The same, and it flushes what it has appended.
    fn stream(&self, counters: &WriteCounters, buffers: f64) {
        self.append(counters, buffers);
        counters.flushed();
    }
}

#[test]
fn a_new_stream_is_flushed_at_once() {
    let mut rig = Rig::new();
    rig.add(7);
    assert_eq!(rig.look(), [7]);
    assert_eq!(rig.pause, LOOK);
}

#[test]
fn a_flush_that_finds_nothing_is_the_end() {
    let mut rig = Rig::new();
    rig.add(7);
    rig.source.dry.store(true, Ordering::Relaxed);
    assert_eq!(rig.look(), [7]);
    assert!(rig.streams.is_empty());
}

#[test]
fn what_flows_is_left_alone_and_looked_at_ever_more_rarely() {
    let (mut rig, counters) = Rig::flowing(0);
    let begin = rig.now;
    while rig.now - begin < 100 * MS {
        rig.stream(&counters, 1.01);
        assert!(rig.look().is_empty());
        assert!(rig.pause <= LOOK.max((rig.now - begin) / 32), "{:?} after {:?}", rig.pause, rig.now - begin);
    }
    assert_eq!(rig.pause, MS);
}

#[test]
fn the_end_of_a_stream_is_flushed_by_the_look_after_the_next_one() {
    let (mut rig, counters) = Rig::flowing(100);
    rig.stream(&counters, 5.0);
    assert!(rig.look().is_empty());
    assert_eq!(rig.look(), [7]);
    assert_eq!(rig.pause, LOOK);
}

#[test]
fn what_trickles_is_flushed_by_every_look() {
    let (mut rig, counters) = Rig::flowing(0);
    for _ in 0..10 {
        rig.stream(&counters, 0.9);
        assert_eq!(rig.look(), [7]);
        assert_eq!(rig.pause, LOOK);
    }
}

/// Eight subscribers of one publisher: each buffer fills slowly, all together fast. None waits for ever.
#[test]
fn streams_flow_together_and_none_grows_old() {
    let mut rig = Rig::new();
    let counters_of: Vec<WriteCounters> = (0..8).map(|key| rig.add(key)).collect();
    assert_eq!(rig.look().len(), 8);
    let begin = rig.now;
    let mut flushed = Vec::new();
    while rig.now - begin < 2 * MS + LOOK {
        for counters in &counters_of {
            rig.append(counters, 1.01 / 8.0);
        }
        counters_of[0].flushed();
        flushed = rig.look();
        assert!(flushed.is_empty() || rig.now - begin >= 2 * MS);
    }
    assert_eq!(flushed, [1, 2, 3, 4, 5, 6, 7]);
}

/// A sender that was held up for one look is not at its end: looks are soon as rare as before.
#[test]
fn a_hitch_halves_the_age_of_a_stream() {
    let (mut rig, counters) = Rig::flowing(200);
    assert_eq!(rig.pause, MS);
    assert_eq!(rig.look(), [7]);
    assert_eq!(rig.pause, LOOK);
    rig.stream(&counters, 5.0);
    rig.look();
    assert!(rig.pause > 2 * LOOK);
}
