//! Is a message part of a stream that has lasted? A pure machine; time is an argument.
//!
//! ```text
//!            past both marks, closely
//!   Burst ───────────────────────────▶ Stream
//!     ▲                                   │
//!     └─ quiet for REST, or up to KEPT ───┘
//! ```
//!
//! What does not follow closely on the last write is written at once, always. What follows closely is written at once as well
//! and adds to what the burst has used, until that is past both marks; from then on it is coalesced. Quiet times take away from
//! what has been used, in proportion to their length, and what is written of a stream adds to it: so a hitch of the sender
//! does not end a stream, and bursts that come again and again are none.
//!
//! Behind a broadcast *closely* means: before as much time has passed as its writes took. Whoever publishes to 64 writes for a
//! quarter of a millisecond, and at 4,000 messages a second already does nothing else.

use std::time::{Duration, Instant};

/// What follows the last write by less than this follows closely. A lone write costs about as much. Behind several writes it is
/// what they took, but no more than this for each.
const CLOSE: Duration = Duration::from_micros(10);

/// The marks: messages and bytes of a burst that are written one by one, whatever happens.
pub const BURST_MESSAGES: u32 = 256;
pub const BURST_BYTES: u32 = 16 * 1024;

/// Writes that a message of a burst may cost. A broadcast to more than so many counts as several messages, the square of how many times
/// as many they are: so what is late when the burst is over, and then goes to all of them, is no more for 64 subscribers than for 8.
const BURST_WRITES: u32 = 8;

/// A message counts as at least so many bytes: a stream of bytes would otherwise take very long to be seen.
const LEAST: u32 = 16;

/// A quiet time of this length makes up for a burst: bursts that come again and again are no stream.
pub const REST: Duration = Duration::from_millis(10);

/// A stream that goes on is kept over quiet times of up to this length: a sender that is preempted on a busy machine (for some
/// slices of 4 ms), or waits until its receiver has read, is back before.
pub const KEPT: Duration = Duration::from_millis(50);

/// Of a short time; a longer one is long enough.
const fn nanos(time: Duration) -> u32 {
    if time.as_secs() > 0 { u32::MAX } else { time.subsec_nanos() }
}

/// For one socket, or for one thread.
#[derive(Clone, Copy, Debug)]
pub struct StreamDetector {
    /// When the last write ended.
    last: Option<Instant>,
    /// Something has been received since: what comes next is an answer.
    answers: bool,
    /// The message under way follows closely.
    close: bool,
    /// Past both marks, and not quiet for long since.
    streams: bool,
    /// What has been used of each mark, as the time that makes up for it, in nanoseconds.
    messages: u32,
    bytes: u32,
    /// What follows by less than this follows closely, in nanoseconds.
    closely: u32,
}

impl Default for StreamDetector {
    fn default() -> Self {
        StreamDetector::new()
    }
}

impl StreamDetector {
    pub const fn new() -> StreamDetector {
        StreamDetector {
            last: None,
            answers: false,
            close: false,
            streams: false,
            messages: 0,
            bytes: 0,
            closely: nanos(CLOSE),
        }
    }

    /// Looks at the clock for the message under way: does it follow closely? Whoever answers does not, and needs no clock.
    pub fn look(&mut self, now: impl FnOnce() -> Instant) -> bool {
        let is_close = |last| nanos(now().saturating_duration_since(last)) < self.closely;
        self.close = !self.answers && self.last.is_some_and(is_close);
        self.close
    }

    /// Has the stream lasted?
    pub fn streams(&self) -> bool {
        self.streams
    }

    /// Who receives between his sends does not stream.
    pub fn received(&mut self) {
        self.answers = true;
    }

    /// The message under way has been written by itself, `writes` times; that ended `now`. `close`: it followed closely, as this
    /// detector saw it or another one.
    #[inline]
    pub fn wrote(&mut self, size: usize, writes: u32, close: bool, now: Instant) {
        if let Some(last) = self.last.filter(|_| !self.close) {
            self.rest(now.saturating_duration_since(last));
        }
        if close {
            match writes / BURST_WRITES {
                0 | 1 => self.use_up(1, size),
                many => {
                    let weight = many.saturating_mul(many).min(BURST_MESSAGES);
                    self.use_up(weight, size.max(LEAST as usize).saturating_mul(weight as usize));
                }
            }
        }
        self.ended(now);
    }

    /// As [`StreamDetector::took`] of a single write, however long that took.
    #[inline]
    pub fn wrote_once(&mut self) {
        self.closely = self.closely.midpoint(nanos(CLOSE));
    }

    /// These writes took this long, together. Averaged, since a sender may be preempted meanwhile.
    pub fn took(&mut self, time: Duration, writes: u32) {
        let took = time.clamp(CLOSE, CLOSE * writes.max(1));
        self.closely = self.closely.midpoint(nanos(took));
    }

    /// What had been coalesced has been written.
    pub fn flushed(&mut self, size: usize, now: Instant) {
        if self.streams {
            self.use_up(BURST_MESSAGES, size);
        }
        self.ended(now);
    }

    /// It is a stream, as another detector knows.
    pub fn join(&mut self) {
        *self = StreamDetector { streams: true, messages: nanos(REST), bytes: nanos(REST), ..*self };
    }

    fn use_up(&mut self, messages: u32, size: usize) {
        let bytes = u32::try_from(size).unwrap_or(u32::MAX).clamp(LEAST, BURST_BYTES);
        // Rounded up, so that the marks are reached at the number that they say.
        let share = |used: u32, of: u32| (u64::from(nanos(REST)) * u64::from(used) / u64::from(of)) as u32 + 1;
        let most = nanos(if self.streams { KEPT } else { REST });
        self.messages = (self.messages + share(messages, BURST_MESSAGES)).min(most);
        self.bytes = (self.bytes + share(bytes, BURST_BYTES)).min(most);
        self.streams |= self.messages == nanos(REST) && self.bytes == nanos(REST);
    }

    fn rest(&mut self, time: Duration) {
        let time = nanos(time);
        self.messages = self.messages.saturating_sub(time);
        self.bytes = self.bytes.saturating_sub(time);
        if self.streams && self.bytes == 0 {
            (self.streams, self.messages) = (false, 0);
        }
    }

    /// A write has ended, or something was left to be written.
    pub fn ended(&mut self, now: Instant) {
        self.last = Some(now);
        self.answers = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);
    const MS: Duration = Duration::from_millis(1);

    /// A sender with its detector, with a clock moved by hand. Each write takes 5 µs.
    struct Sender {
        detector: StreamDetector,
        now: Instant,
        /// To how many it sends each message.
        peers: u32,
        /// Messages that were coalesced and not flushed yet, in bytes.
        waiting: usize,
    }

    impl Sender {
        fn new() -> Sender {
            Sender::to(1)
        }

        fn to(peers: u32) -> Sender {
            Sender { detector: StreamDetector::new(), now: Instant::now(), peers, waiting: 0 }
        }

        /// After a `pause`, a message. Was it coalesced?
        fn send(&mut self, size: usize, pause: Duration) -> bool {
            self.now += pause;
            if self.waiting > 0 {
                self.waiting += size;
                return true;
            }
            let close = self.detector.look(|| self.now);
            if close && self.detector.streams() {
                self.waiting = size;
                return true;
            }
            let took = 5 * US * self.peers;
            self.now += took;
            self.detector.wrote(size, self.peers, close, self.now);
            self.detector.took(took, self.peers);
            false
        }

        fn flush(&mut self) {
            self.now += 5 * US;
            self.detector.flushed(std::mem::take(&mut self.waiting), self.now);
        }

        /// Messages of a burst that were coalesced. What waits is flushed after each 900 and in the end.
        fn burst(&mut self, count: usize, size: usize, pause: Duration) -> usize {
            let mut coalesced = 0;
            for i in 1..=count {
                coalesced += usize::from(self.send(size, pause));
                if self.waiting > 0 && (i % 900 == 0 || i == count) {
                    self.flush();
                }
            }
            coalesced
        }

        /// The same sender after a long stream.
        fn streaming() -> Sender {
            let mut sender = Sender::new();
            assert!(sender.burst(100_000, 64, US) > 90_000);
            sender
        }
    }

    #[test]
    fn a_burst_is_written_one_by_one_up_to_both_marks() {
        // Count, size, and how many of them are coalesced. The first one follows nothing, and uses nothing.
        for (count, size, coalesced) in [
            (2, 64, 0),
            (257, 64, 0),
            (258, 64, 1),
            (1000, 64, 1000 - 257),
            (257, 1000, 0),
            (300, 1000, 300 - 257),
            (1025, 16, 0),
            (1100, 16, 1100 - 1025),
            (1025, 0, 0),
            (2000, 1, 2000 - 1025),
        ] {
            assert_eq!(Sender::new().burst(count, size, US), coalesced, "{count} messages of {size} bytes");
        }
    }

    #[test]
    fn a_broadcast_to_many_counts_as_several_messages() {
        // Peers, size, and how many messages are written one by one before the first that is coalesced.
        for (peers, size, burst) in
            [(8, 64, 257), (9, 64, 257), (16, 64, 65), (64, 64, 5), (64, 0, 17), (64, 4000, 5), (10_000, 64, 2)]
        {
            assert_eq!(Sender::to(peers).burst(burst + 1, size, US), 1, "{size} bytes to {peers}");
            assert_eq!(Sender::to(peers).burst(burst, size, US), 0, "{size} bytes to {peers}");
        }
    }

    /// Who writes for longer than he pauses falls behind as soon as he sends a little faster.
    #[test]
    fn closely_behind_a_broadcast_is_as_long_as_its_writes_took() {
        // Peers, pause, and whether that becomes a stream.
        for (peers, pause, streams) in [
            (1, 9 * US, true),
            (1, 11 * US, false),
            (8, 30 * US, true),
            (8, 50 * US, false),
            (64, 300 * US, true),
            (64, 330 * US, false),
        ] {
            let coalesced = Sender::to(peers).burst(1000, 64, pause);
            assert_eq!(coalesced > 700, streams, "{peers} peers, {pause:?}: {coalesced}");
            assert_eq!(coalesced > 0, streams, "{peers} peers, {pause:?}: {coalesced}");
        }
    }

    /// Writes that took very long took as long as something else had the core.
    #[test]
    fn a_writer_that_was_preempted_is_not_slow() {
        let mut sender = Sender::to(8);
        for _ in 0..20 {
            sender.detector.took(100 * MS, 8);
        }
        let most = nanos(8 * CLOSE);
        assert!((most - 10..=most).contains(&sender.detector.closely), "no more than so much for each");
        for _ in 0..10 {
            sender.detector.took(40 * US, 8);
        }
        assert!(sender.detector.closely < nanos(41 * US));
    }

    #[test]
    fn what_does_not_follow_closely_is_written_at_once_also_after_a_stream() {
        for mut sender in [Sender::new(), Sender::streaming()] {
            assert_eq!(sender.burst(100_000, 1000, CLOSE), 0);
        }
        for pause in [CLOSE, MS, KEPT, 1000 * KEPT] {
            assert!(!Sender::streaming().send(64, pause), "{pause:?}");
        }
    }

    #[test]
    fn a_hitch_does_not_end_a_stream_and_a_rest_does() {
        for (pause, coalesced) in
            [(CLOSE, true), (MS, true), (4 * MS, true), (KEPT - MS, true), (KEPT, false), (KEPT * 100, false)]
        {
            let mut sender = Sender::streaming();
            sender.send(64, pause);
            assert_eq!(sender.send(64, US), coalesced, "{pause:?}");
            sender.waiting = 0;
            assert_eq!(sender.burst(100, 64, US) > 0, coalesced, "{pause:?}");
        }
    }

    /// A sender that is preempted for as long as it runs is a stream all the same, and stays one.
    #[test]
    fn a_stream_on_a_busy_machine_is_one() {
        for size in [4, 64, 1000] {
            let mut sender = Sender::new();
            let mut last = 0;
            for _ in 0..10 {
                let end = sender.now + 4 * MS;
                last = 0;
                while sender.now < end {
                    last += sender.burst(900, size, US / 4);
                }
                sender.now += 4 * MS;
            }
            assert!(last > 5_000, "{last} messages of {size} bytes in the last slice");
        }
    }

    #[test]
    fn bursts_that_come_again_and_again_are_no_stream() {
        // Ten messages in each millisecond, and a hundred in each hundredth of a second; also behind a stream.
        for (count, pause) in [(10, MS), (100, 10 * MS)] {
            for mut sender in [Sender::new(), Sender::streaming()] {
                let mut coalesced = Vec::new();
                for _ in 0..400 {
                    sender.now += pause;
                    coalesced.push(sender.burst(count, 64, US));
                }
                assert!(coalesced[200..].iter().all(|count| *count == 0), "{count} in {pause:?}: {coalesced:?}");
            }
        }
    }

    #[test]
    fn who_answers_is_not_coalesced() {
        for mut sender in [Sender::new(), Sender::streaming()] {
            for _ in 0..10_000 {
                sender.detector.received();
                assert!(!sender.send(1000, US));
            }
        }
    }

    /// The time in which only others were sent something counts as quiet.
    #[test]
    fn an_answer_after_a_rest_ends_a_stream_too() {
        let mut sender = Sender::streaming();
        sender.detector.received();
        sender.send(64, KEPT);
        assert_eq!(sender.burst(100, 64, US), 0);
    }

    #[test]
    fn who_joins_a_stream_is_in_it_until_a_rest() {
        let mut sender = Sender::new();
        sender.send(64, US);
        sender.detector.join();
        assert_eq!(sender.burst(10, 64, US), 10);
        assert_eq!(sender.burst(10, 64, REST), 0);
        assert_eq!(sender.burst(100, 64, US), 0);
    }
}
