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
    /// What a flush takes, and what those of the last look took.
    flush: Duration,
    spent: Duration,
}

impl Rig {
    fn new() -> Rig {
        let now = Instant::now();
        let [pause, flush, spent] = [Duration::ZERO; 3];
        Rig { source: Arc::default(), streams: Streams::default(), now, pause, flush, spent }
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
        self.source.counted.lock().unwrap().push((key, counters.clone()));
        self.streams
            .add(StreamToFlush { source: Arc::<Fake>::clone(&self.source), key, counters: counters.clone() }, self.now);
        counters
    }

    /// The look that is due; which pipes it flushed.
    fn look(&mut self) -> Vec<u64> {
        self.now += self.spent + self.pause;
        let begin = self.now;
        self.pause = self.streams.look(|| begin + self.flush * self.source.count());
        self.spent = self.flush * self.source.count();
        self.source.told()
    }

    /// What a sender appends until the next look at so many buffers a millisecond.
    fn append(&self, counters: &WriteCounters, buffers: f64) {
        let time = self.spent + self.pause;
        counters.appended((BUFFER as f64 * buffers * time.as_secs_f64() / MS.as_secs_f64()).ceil() as usize);
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
    assert_eq!(rig.pause, MS / 4);
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

/// How often each of so many streams that fill slowly, but all together fast, is flushed by looks within so long.
fn flushes(streams: u64, flush: Duration, within: Duration) -> Vec<usize> {
    let mut rig = Rig { flush, ..Rig::new() };
    let counters_of: Vec<WriteCounters> = (0..streams).map(|key| rig.add(key)).collect();
    let begin = rig.now;
    let mut flushed = vec![0; streams as usize];
    while rig.now - begin < within {
        for key in rig.look() {
            flushed[key as usize] += 1;
        }
        for counters in &counters_of {
            rig.append(counters, 1.01 / streams as f64);
        }
    }
    flushed
}

/// Eight subscribers of one publisher. None waits for ever, or twice as long because it was a look that flushed it last.
#[test]
fn streams_flow_together_and_none_grows_old() {
    let flushed = flushes(8, Duration::ZERO, 100 * MS);
    assert!(
        flushed.iter().all(|count| (140..=210).contains(count)),
        "{flushed:?}: each half a millisecond, or soon after"
    );
}

/// Half of the time of who looks is for other things; what a look has flushed counts from then, and not from when it has flushed all others as well.
#[test]
fn the_longer_flushes_take_the_rarer_they_are() {
    for (streams, flush, least, most) in [(8, 10, 140, 210), (8, 60, 75, 125), (64, 10, 60, 90), (64, 100, 0, 20)] {
        let flushed = flushes(streams, Duration::from_micros(flush), 100 * MS);
        assert!(flushed.iter().all(|count| (least..=most).contains(count)), "{streams}, {flush} µs: {flushed:?}");
    }
}

/// What its sender has flushed is left alone for as long as what a look has.
#[test]
fn a_sender_that_flushes_is_left_alone() {
    let mut rig = Rig::new();
    let [quick, slow] = [7, 8].map(|key| rig.add(key));
    rig.look();
    let begin = rig.now;
    while rig.now - begin < 10 * MS {
        rig.stream(&quick, 0.5);
        rig.append(&slow, 0.51);
        assert!(!rig.look().contains(&7));
    }
}

/// A sender that was held up for one look is not at its end: looks are soon as rare as before.
#[test]
fn a_hitch_halves_the_age_of_a_stream() {
    let (mut rig, counters) = Rig::flowing(200);
    assert_eq!(rig.pause, MS / 4);
    assert_eq!(rig.look(), [7]);
    assert_eq!(rig.pause, LOOK);
    rig.stream(&counters, 5.0);
    rig.look();
    assert!(rig.pause > 2 * LOOK);
}
