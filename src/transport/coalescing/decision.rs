//! What is part of a stream, and who writes what waits: the decision for one socket, or connection, together with that for the thread
//! that sends on it. A pure machine: what it asks of the world, the clock first of all, is handed in ([`World`]).
//!
//! ```text
//!   a call begins ── in_stream? ──▶ decided ── end_of_call, wrote ──▶ nothing is decided
//! ```
//!
//! A call that sends to several pipes is decided once; it is never decided if each pipe has something waiting already.

use std::time::Instant;

use super::stream_detector::StreamDetector;

/// What a decision may depend on beside what was sent. Asked only when it matters: each answer costs more than to append a small
/// message does.
pub trait World {
    fn now(&self) -> Instant;

    /// Does the process still want anything to be coalesced?
    fn coalesces(&self) -> bool;

    /// Has the calling thread a real-time policy? Then the I/O thread may not get to run while it sends.
    fn is_real_time(&self) -> bool;
}

/// Who is to write what has been appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flusher {
    /// Nobody need be told: nothing waits, or somebody is at it, or will be.
    Nobody,
    /// The I/O thread, which is to be told; it looks after what follows as well, while the stream lasts.
    IoThread,
    /// The sender itself, as soon as it has let go of the lock.
    Sender,
}

/// Nobody is writing, and the kernel has room: who writes what waits now? `hurry`: the buffer is full, or its sender wants nothing to
/// wait; `watched`: the I/O thread looks after it already; `in_stream`: asked if neither is so.
pub fn flusher(hurry: bool, watched: bool, in_stream: impl FnOnce() -> bool) -> Flusher {
    match (hurry, watched) {
        (true, _) => Flusher::Sender,
        (false, true) => Flusher::Nobody,
        (false, false) if in_stream() => Flusher::IoThread,
        (false, false) => Flusher::Sender,
    }
}

/// What one thread has sent, to whatever.
#[derive(Clone, Copy, Debug)]
pub struct SendingThread {
    detector: StreamDetector,
    /// Its policy is a real-time one. Asked before its first message that would be coalesced, and again with each stream.
    real_time: Option<bool>,
}

impl SendingThread {
    pub const fn new() -> SendingThread {
        SendingThread { detector: StreamDetector::new(), real_time: None }
    }

    pub fn is_real_time(&self) -> bool {
        self.real_time == Some(true)
    }
}

/// Who else may know that messages stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// What the thread sends elsewhere counts, too.
    WithThread,
    /// Others ask for the thread.
    Alone,
}

/// The part of one socket, or connection.
#[derive(Debug)]
pub struct Decider {
    detector: StreamDetector,
    scope: Scope,
    /// Whether the user wants anything to be coalesced.
    pub wanted: bool,
    /// What was decided for the call under way.
    pub decided: Option<Decision>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decision {
    pub in_stream: bool,
    /// It follows closely on what was written last.
    pub close: bool,
    pub size: usize,
    /// How often it has been written, by itself.
    pub writes: u32,
    /// When it was decided, if the clock was read for that.
    pub since: Option<Instant>,
}

impl Decider {
    pub fn new(scope: Scope) -> Decider {
        Decider { detector: StreamDetector::new(), scope, wanted: true, decided: None }
    }

    /// Is this call's message, of `size` bytes, part of a stream? Decided once for each call.
    pub fn in_stream(&mut self, size: usize, thread: &mut SendingThread, world: &impl World) -> bool {
        if let Some(decision) = self.decided {
            return decision.in_stream;
        }
        let mut clock = None;
        let mut now = || *clock.get_or_insert_with(|| world.now());
        let mut close = self.detector.look(&mut now);
        let mut streams = self.detector.streams();
        if self.scope == Scope::WithThread {
            close |= thread.detector.look(&mut now);
            streams |= thread.detector.streams();
        }
        let mut in_stream = close && streams && self.wanted;
        if in_stream {
            in_stream = !*thread.real_time.get_or_insert_with(|| world.is_real_time()) && world.coalesces();
        } else if !streams {
            thread.real_time = None;
        }
        if in_stream && !self.detector.streams() {
            self.detector.join();
        }
        self.decided = Some(Decision { in_stream, close, size, writes: 0, since: clock });
        in_stream
    }

    /// Who receives between his sends does not stream.
    pub fn received(&mut self, thread: &mut SendingThread) {
        self.each(thread, StreamDetector::received);
    }

    /// The message under way, whose size was not known before, has this one.
    pub fn set_size(&mut self, size: usize) {
        if let Some(decision) = &mut self.decided {
            decision.size = size;
        }
    }

    /// The message under way has been written by itself, to one more of those who get it.
    pub fn wrote_one(&mut self) {
        if let Some(decision) = &mut self.decided {
            decision.writes += 1;
        }
    }

    /// This thread has written `size` bytes that had been waiting; that ended `now`.
    pub fn flushed(&mut self, size: usize, thread: &mut SendingThread, now: Instant) {
        self.each(thread, |detector| detector.flushed(size, now));
    }

    /// A write of `size` bytes has ended `now`: that of the message under way, or of what had been waiting.
    pub fn wrote(&mut self, size: usize, thread: &mut SendingThread, now: Instant) {
        match self.decided {
            Some(Decision { in_stream: false, .. }) => self.end_of_call(thread, || now),
            _ => {
                self.decided = None;
                self.flushed(size, thread, now);
            }
        }
    }

    /// The call under way is over. One that was not part of a stream has written.
    pub fn end_of_call(&mut self, thread: &mut SendingThread, now: impl FnOnce() -> Instant) {
        let Some(Decision { in_stream: false, close, size, writes, since }) = self.decided.take() else { return };
        let now = now();
        self.each(thread, |detector| detector.wrote(size, writes, close, now));
        match since {
            _ if writes <= 1 => self.detector.wrote_once(),
            Some(since) => self.detector.took(now.saturating_duration_since(since), writes),
            None => {}
        }
    }

    #[inline]
    fn each(&mut self, thread: &mut SendingThread, tell: impl Fn(&mut StreamDetector)) {
        tell(&mut self.detector);
        if self.scope == Scope::WithThread {
            tell(&mut thread.detector);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::time::Duration;

    use super::super::stream_detector::{BURST_MESSAGES, KEPT, REST};
    use super::*;

    const US: Duration = Duration::from_micros(1);
    /// Messages of this size reach the mark of messages first.
    const SIZE: usize = 64;

    struct ByHand {
        now: Cell<Instant>,
        coalesces: Cell<bool>,
        real_time: Cell<bool>,
        /// How often the clock, the process and the thread were asked.
        asked: RefCell<[usize; 3]>,
    }

    impl World for ByHand {
        fn now(&self) -> Instant {
            self.asked.borrow_mut()[0] += 1;
            self.now.get()
        }

        fn coalesces(&self) -> bool {
            self.asked.borrow_mut()[1] += 1;
            self.coalesces.get()
        }

        fn is_real_time(&self) -> bool {
            self.asked.borrow_mut()[2] += 1;
            self.real_time.get()
        }
    }

    impl ByHand {
        fn new() -> ByHand {
            let now = Cell::new(Instant::now());
            ByHand { now, coalesces: Cell::new(true), real_time: Cell::new(false), asked: RefCell::default() }
        }

        fn pass(&self, time: Duration) {
            self.now.set(self.now.get() + time);
        }
    }

    /// A message after a pause; what is coalesced is flushed with the call. Was it?
    fn send(decider: &mut Decider, thread: &mut SendingThread, world: &ByHand, pause: Duration) -> bool {
        world.pass(pause);
        let in_stream = decider.in_stream(SIZE, thread, world);
        assert_eq!(decider.in_stream(0, thread, world), in_stream, "decided once");
        world.pass(5 * US);
        decider.wrote_one();
        decider.wrote(SIZE, thread, world.now.get());
        assert!(decider.decided.is_none(), "the call is over");
        in_stream
    }

    /// The first of so many messages in a close row that is part of a stream.
    fn first_of(count: usize, mut send: impl FnMut(usize) -> bool) -> Option<usize> {
        (1..=count).find(|number| send(*number))
    }

    /// One socket makes a stream, or one thread does with many sockets, unless others ask for the thread.
    #[test]
    fn a_socket_streams_or_its_thread_does() {
        let marks = BURST_MESSAGES as usize + 2;
        // Sockets, threads, scope, and the message that is the first of a stream.
        for (sockets, threads, scope, first) in [
            (1, 1, Scope::WithThread, Some(marks)),
            (1, 1, Scope::Alone, Some(marks)),
            (50, 1, Scope::WithThread, Some(marks)),
            (50, 1, Scope::Alone, None),
            (1, 50, Scope::WithThread, Some(marks)),
            (50, 49, Scope::WithThread, None),
        ] {
            let world = ByHand::new();
            let mut deciders: Vec<_> = (0..sockets).map(|_| Decider::new(scope)).collect();
            let mut of_threads = vec![SendingThread::new(); threads];
            let seen = first_of(400, |number| {
                send(&mut deciders[number % sockets], &mut of_threads[number % threads], &world, US)
            });
            assert_eq!(seen, first, "{sockets} sockets, {threads} threads, {scope:?}");
        }
    }

    /// A message each 150 µs to 64, whose writes take 5 µs each: there is hardly time for anything else.
    #[test]
    fn a_publisher_to_many_streams_at_a_moderate_rate() {
        for (peers, first) in [(1, None), (16, None), (64, Some(7))] {
            let (world, mut decider, mut thread) =
                (ByHand::new(), Decider::new(Scope::WithThread), SendingThread::new());
            let seen = first_of(400, |_| {
                let in_stream = decider.in_stream(SIZE, &mut thread, &world);
                for _ in 0..peers {
                    world.pass(5 * US);
                    decider.wrote_one();
                }
                decider.end_of_call(&mut thread, || world.now.get());
                world.pass(150 * US);
                in_stream
            });
            assert_eq!(seen, first, "{peers} peers");
        }
    }

    /// What keeps a message of a stream from being coalesced, and whether the next one is again.
    #[test]
    fn what_ends_a_stream_and_what_only_interrupts_it() {
        type Change = fn(&mut Decider, &mut SendingThread, &ByHand);
        let rows: [(&str, Change, [bool; 2]); 7] = [
            ("nothing", |_, _, _| {}, [true, true]),
            ("a pause", |_, _, world| world.pass(20 * US), [false, true]),
            ("a rest", |_, _, world| world.pass(KEPT), [false, false]),
            ("it receives", |decider, thread, _| decider.received(thread), [false, true]),
            ("it is not wanted", |decider, _, _| decider.wanted = false, [false, false]),
            ("the process ends", |_, _, world| world.coalesces.set(false), [false, false]),
            // A thread is asked when its stream begins, so that it takes effect with the next one.
            ("it becomes urgent", |_, _, world| world.real_time.set(true), [true, true]),
        ];
        for (what, change, expected) in rows {
            let (world, mut decider, mut thread) =
                (ByHand::new(), Decider::new(Scope::WithThread), SendingThread::new());
            while !send(&mut decider, &mut thread, &world, US) {}
            for _ in 0..10_000 {
                send(&mut decider, &mut thread, &world, US);
            }
            change(&mut decider, &mut thread, &world);
            let seen = [(); 2].map(|()| send(&mut decider, &mut thread, &world, US));
            assert_eq!(seen, expected, "{what}");
        }
    }

    #[test]
    fn a_thread_with_a_real_time_policy_is_asked_once_for_each_stream() {
        let (world, mut decider, mut thread) = (ByHand::new(), Decider::new(Scope::WithThread), SendingThread::new());
        world.real_time.set(true);
        for _ in 0..1000 {
            assert!(!send(&mut decider, &mut thread, &world, US));
        }
        assert_eq!((world.asked.borrow()[2], thread.is_real_time()), (1, true));
        world.real_time.set(false);
        world.pass(KEPT);
        for _ in 0..1000 {
            send(&mut decider, &mut thread, &world, US);
        }
        assert_eq!((world.asked.borrow()[2], thread.is_real_time()), (2, false));
    }

    /// For each message that may be part of a stream the clock is read once, whoever wants to know; for others not at all.
    #[test]
    fn the_world_is_asked_only_when_it_matters() {
        let (world, mut decider, mut thread) = (ByHand::new(), Decider::new(Scope::WithThread), SendingThread::new());
        send(&mut decider, &mut thread, &world, US);
        assert_eq!(*world.asked.borrow(), [0, 0, 0], "nothing precedes the first message");
        send(&mut decider, &mut thread, &world, US);
        assert_eq!(*world.asked.borrow(), [1, 0, 0], "it is no stream");
        decider.received(&mut thread);
        send(&mut decider, &mut thread, &world, US);
        assert_eq!(*world.asked.borrow(), [1, 0, 0], "who answers does not stream");
        let mut now = 0;
        decider.end_of_call(&mut thread, || {
            now += 1;
            world.now.get()
        });
        assert_eq!(now, 0, "nothing was decided");
    }

    /// A socket that takes part in its thread's stream is in it until a rest, though it had sent little itself.
    #[test]
    fn who_joins_a_stream_stays_in_it() {
        let world = ByHand::new();
        let [mut busy, mut quiet] = [(); 2].map(|()| Decider::new(Scope::WithThread));
        let mut thread = SendingThread::new();
        while !send(&mut busy, &mut thread, &world, US) {}
        assert!(send(&mut quiet, &mut thread, &world, US), "the thread streams");
        let mut other = SendingThread::new();
        assert!(send(&mut quiet, &mut other, &world, US), "now it does by itself");
        world.pass(REST.max(KEPT));
        assert!(!send(&mut quiet, &mut other, &world, US));
        assert!(!send(&mut quiet, &mut other, &world, US));
    }

    #[test]
    fn a_size_that_becomes_known_later_counts() {
        let world = ByHand::new();
        let first = |size: usize| {
            let (mut decider, mut thread) = (Decider::new(Scope::Alone), SendingThread::new());
            first_of(2000, |_| {
                world.pass(US);
                let in_stream = decider.in_stream(0, &mut thread, &world);
                decider.set_size(size);
                decider.end_of_call(&mut thread, || world.now.get());
                in_stream
            })
        };
        assert_eq!(first(0), Some(1026), "each counts as 16 bytes of 16 KiB");
        assert_eq!(first(1000), Some(258), "of messages there were enough");
    }

    #[test]
    fn who_writes_what_waits() {
        for (hurry, watched, in_stream, expected) in [
            (true, false, false, Flusher::Sender),
            (true, true, true, Flusher::Sender),
            (false, true, false, Flusher::Nobody),
            (false, true, true, Flusher::Nobody),
            (false, false, true, Flusher::IoThread),
            (false, false, false, Flusher::Sender),
        ] {
            assert_eq!(flusher(hurry, watched, || in_stream), expected, "{hurry} {watched} {in_stream}");
        }
        assert_eq!(flusher(true, false, || unreachable!()), Flusher::Sender, "not asked");
        assert_eq!(flusher(false, true, || unreachable!()), Flusher::Nobody, "not asked");
    }
}
