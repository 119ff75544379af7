//! The streams that the I/O thread looks after: what their senders have appended and left is written, without their having
//! woken anybody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::transport::coalescing::counters::{WriteCounters, WriteCounts};
use crate::transport::outbox::BUFFER;
use crate::transport::source::Source;

/// How soon the I/O thread looks again.
pub const LOOK: Duration = Duration::from_micros(50);

/// While streams flow, looks only disturb: they become rarer, up to this. The last bytes of a stream wait for the look after
/// the next one at most, so they never wait much longer than a [`SHARE`]th of the time that it has lasted.
const LAST_LOOK: Duration = Duration::from_millis(1);
const SHARE: u32 = 32;

/// Streams flow if together they would fill a buffer within this time. Their senders write the full buffers, and the I/O
/// thread need not write any...
const FILLING: Duration = Duration::from_millis(1);

/// ... unless one has been filling for longer than this at least, and at most...
const YOUNGEST: Duration = Duration::from_micros(500);
const OLDEST: Duration = Duration::from_millis(2);

/// ... and between them for so many times as long as it takes to flush them all.
const FLUSHES: u32 = 2;

/// A pipe on which messages stream.
pub struct StreamToFlush {
    pub source: Arc<dyn Source>,
    pub key: u64,
    pub counters: WriteCounters,
}

#[derive(Default)]
pub struct Streams {
    streams: Vec<WatchedStream>,
    /// The last look, and since when the streams have flowed, as it were.
    times: Option<(Instant, Instant)>,
    /// What a flush takes lately, whatever it is that keeps it.
    flush_time: Duration,
}

struct WatchedStream {
    watched: StreamToFlush,
    /// Its counters at the last look.
    counts: WriteCounts,
    /// The last look that flushed it, or found it flushed.
    flushed_at: Instant,
}

impl Streams {
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    pub fn clear(&mut self) {
        *self = Streams::default();
    }

    /// A new stream is flushed by the next look, as if nothing followed: it may be a burst, and over.
    pub fn add(&mut self, watched: StreamToFlush, now: Instant) {
        self.streams.push(WatchedStream { counts: watched.counters.counts(), flushed_at: now, watched });
    }

    /// Flushes what does not flow. Says when to look again.
    pub fn look(&mut self, clock: impl Fn() -> Instant) -> Duration {
        let (now, old) = (clock(), self.old());
        let (looked_at, since) = self.times.unwrap_or((now, now));
        let appended: u64 = self.streams.iter().map(|stream| u64::from(stream.appended())).sum();
        let flow = u128::from(appended) * FILLING.as_nanos() >= BUFFER as u128 * (now - looked_at).as_nanos();
        let mut flushes = 0;
        self.streams.retain_mut(|stream| {
            if stream.advance(now) && flow && now - stream.flushed_at < old {
                return true;
            }
            flushes += 1;
            stream.flush(now)
        });
        if flushes > 0 {
            self.flush_time = (self.flush_time * 7 + (clock() - now) / flushes) / 8;
        }
        let all_flow = flow && flushes == 0;
        let age = now - since;
        // What does not flow may be a hitch, and not the end.
        self.times = Some((now, if all_flow { since } else { now - age / 2 }));
        if all_flow { (age / SHARE).clamp(LOOK, LAST_LOOK.min(old / 2)) } else { LOOK }
    }

    /// How long a stream of those that flow may have been filling.
    fn old(&self) -> Duration {
        let streams = u32::try_from(self.streams.len()).unwrap_or(u32::MAX);
        self.flush_time.saturating_mul(streams.saturating_mul(FLUSHES)).clamp(YOUNGEST, OLDEST)
    }
}

impl WatchedStream {
    /// Bytes since the last look.
    fn appended(&self) -> u32 {
        self.watched.counters.counts().bytes.wrapping_sub(self.counts.bytes)
    }

    /// Takes note of what has happened since. Was anything appended?
    fn advance(&mut self, now: Instant) -> bool {
        let last = std::mem::replace(&mut self.counts, self.watched.counters.counts());
        if self.counts.flushes != last.flushes {
            self.flushed_at = now;
        }
        self.counts.bytes != last.bytes
    }
    /// False if there is nothing more to look after.
    fn flush(&mut self, now: Instant) -> bool {
        let goes_on = self.watched.source.flush(self.watched.key);
        self.counts.flushes = self.watched.counters.counts().flushes;
        self.flushed_at = now;
        goes_on
    }
}
