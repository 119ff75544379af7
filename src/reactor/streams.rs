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

/// ... unless one has been filling for longer than this.
const OLD: Duration = Duration::from_millis(2);

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
}

struct WatchedStream {
    watched: StreamToFlush,
    /// Its counters at the last look.
    counts: WriteCounts,
    /// The last look that found it flushed.
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
    pub fn look(&mut self, now: Instant) -> Duration {
        let (looked_at, since) = self.times.unwrap_or((now, now));
        let appended: u64 = self.streams.iter().map(|stream| u64::from(stream.appended())).sum();
        let flow = u128::from(appended) * FILLING.as_nanos() >= BUFFER as u128 * (now - looked_at).as_nanos();
        let mut all_flow = flow;
        self.streams.retain_mut(|stream| {
            if stream.advance(now) && flow && now - stream.flushed_at < OLD {
                return true;
            }
            all_flow = false;
            stream.watched.source.flush(stream.watched.key)
        });
        let age = now - since;
        // What does not flow may be a hitch, and not the end.
        self.times = Some((now, if all_flow { since } else { now - age / 2 }));
        if all_flow { (age / SHARE).clamp(LOOK, LAST_LOOK) } else { LOOK }
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
}
