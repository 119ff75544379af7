//! A connecting endpoint: one attempt after the other, each address by address (transports.md 1.2). A machine; it says what to
//! do next, and after how long, and is told what came of it.
//!
//! ```text
//!            ┌──────────────────────────── the wait is over ─────────────────────────────┐
//!            ▼                                                                           │
//!   Resolving ──▶ Connecting ──▶ Connected (a pipe greets, lives, ends) ──▶ Waiting ─────┘
//!        │           │   ▲ └─ refused, unreachable, out of time: the next address
//!        │           └───┘                          └── none left ──▶ Waiting
//!        └── no such name ──▶ Waiting
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use super::ReconnectBackoff;

/// Addresses of a name that are tried in one attempt: what a name server lists has no limit of its own.
const MAX_ADDRESSES: usize = 16;

/// What is to be done next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DialStep<A> {
    Nothing,
    /// Look the name up, and tell the answer by [`Dialling::resolved`].
    Resolve,
    /// Connect to this address (`None`: to what was literally given) within a time, if there is one.
    Connect(Option<A>, Option<Duration>),
    /// The attempt has failed, or the connection is over: begin anew after this long.
    Wait(Duration),
}

impl<A> DialStep<A> {
    /// Until the next attempt, if this one is over.
    pub fn wait(&self) -> Option<Duration> {
        if let DialStep::Wait(time) = self { Some(*time) } else { None }
    }
}

#[derive(Debug)]
pub struct Dialling<A> {
    backoff: ReconnectBackoff,
    /// A connection that lasted this long is replaced at once when it is lost.
    steady: Duration,
    state: DialState,
    /// Addresses yet to be tried in this attempt, and the time that it has left for them.
    rest: VecDeque<A>,
    left: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum DialState {
    Idle,
    Resolving,
    Connecting,
    Connected,
    Waiting,
    /// Nothing is tried any more.
    Ended,
}

impl<A> Dialling<A> {
    /// From NN_RECONNECT_IVL and NN_RECONNECT_IVL_MAX, in milliseconds, not negative.
    pub fn new(interval: i32, max: i32) -> Dialling<A> {
        let steady = Duration::from_millis(interval.max(0) as u64);
        Dialling {
            backoff: ReconnectBackoff::new(interval, max),
            steady,
            state: DialState::Idle,
            rest: VecDeque::new(),
            left: None,
        }
    }

    /// Whether an attempt is under way.
    pub fn is_in_progress(&self) -> bool {
        matches!(self.state, DialState::Resolving | DialState::Connecting)
    }

    /// For people.
    pub fn name_of_state(&self) -> &'static str {
        match self.state {
            DialState::Idle => "idle",
            DialState::Resolving => "resolving",
            DialState::Connecting => "connecting",
            DialState::Connected => "connected",
            DialState::Waiting => "waiting",
            DialState::Ended => "ended",
        }
    }

    /// Begins an attempt: the endpoint is new, or its wait is over. `limit`: what connecting may take in all. A name has to be
    /// resolved first.
    pub fn begin(&mut self, is_name: bool, limit: Option<Duration>) -> DialStep<A> {
        self.left = limit;
        if is_name {
            self.state = DialState::Resolving;
            return DialStep::Resolve;
        }
        self.state = DialState::Connecting;
        DialStep::Connect(None, limit)
    }

    /// The name has these addresses. None at all is a failure.
    pub fn resolved(&mut self, addresses: impl IntoIterator<Item = A>) -> DialStep<A> {
        if self.state != DialState::Resolving {
            return DialStep::Nothing;
        }
        self.rest = addresses.into_iter().take(MAX_ADDRESSES).collect();
        self.next_address()
    }

    /// The connect under way has failed, after this long.
    pub fn failed(&mut self, took: Duration) -> DialStep<A> {
        if self.state != DialState::Connecting {
            return DialStep::Nothing;
        }
        self.left = self.left.map(|left| left.saturating_sub(took));
        self.next_address()
    }

    /// The connect under way has succeeded.
    pub fn connected(&mut self) -> DialStep<A> {
        self.state = DialState::Connected;
        self.rest.clear();
        DialStep::Nothing
    }

    /// The connection has ended. `lasted`: for how long the protocol had it, if it ever did.
    pub fn lost(&mut self, lasted: Option<Duration>) -> DialStep<A> {
        if let Some(lasted) = lasted {
            self.backoff.succeeded(lasted >= self.steady);
        }
        self.wait()
    }

    /// The connection has ended, and another one would come to the same end.
    pub fn give_up(&mut self) {
        self.state = DialState::Ended;
    }

    /// Each address has an equal share of the time that is left.
    fn next_address(&mut self) -> DialStep<A> {
        let Some(address) = self.rest.pop_front() else { return self.wait() };
        self.state = DialState::Connecting;
        let others = u32::try_from(self.rest.len()).unwrap_or(u32::MAX - 1);
        DialStep::Connect(Some(address), self.left.map(|left| left / (others + 1)))
    }

    fn wait(&mut self) -> DialStep<A> {
        self.state = DialState::Waiting;
        DialStep::Wait(self.backoff.next_wait())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Option<Duration> = Some(Duration::from_secs(10));

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn at_once() -> DialStep<char> {
        DialStep::Wait(Duration::ZERO)
    }

    #[test]
    fn a_literal_is_tried_again_and_again() {
        let mut dialling = Dialling::<char>::new(100, 0);
        assert_eq!(dialling.begin(false, LIMIT), DialStep::Connect(None, LIMIT));
        assert!(dialling.is_in_progress());
        assert_eq!(dialling.failed(seconds(1)), at_once());
        assert!(!dialling.is_in_progress());
        assert_eq!(dialling.begin(false, None), DialStep::Connect(None, None));
        assert_eq!(dialling.failed(seconds(1)), DialStep::Wait(Duration::from_millis(100)));
    }

    #[test]
    fn all_addresses_of_a_name_get_their_turn_in_one_attempt() {
        let mut dialling = Dialling::new(100, 0);
        assert_eq!(dialling.begin(true, LIMIT), DialStep::Resolve);
        assert_eq!(dialling.resolved(['a', 'b', 'c']), DialStep::Connect(Some('a'), LIMIT.map(|limit| limit / 3)));
        // Refused at once: the others may take longer.
        assert_eq!(dialling.failed(Duration::ZERO), DialStep::Connect(Some('b'), Some(seconds(5))));
        assert!(dialling.is_in_progress());
        assert_eq!(dialling.failed(seconds(5)), DialStep::Connect(Some('c'), Some(seconds(5))));
        assert_eq!(dialling.failed(seconds(9)), at_once());
        assert_eq!(dialling.failed(seconds(9)), DialStep::Nothing, "that was the end of the attempt");
        assert_eq!(dialling.begin(true, LIMIT), DialStep::Resolve, "it may have other addresses now");
    }

    #[test]
    fn without_a_limit_there_is_none_for_any_address() {
        let mut dialling = Dialling::new(100, 0);
        dialling.begin(true, None);
        assert_eq!(dialling.resolved(['a', 'b']), DialStep::Connect(Some('a'), None));
        assert_eq!(dialling.failed(seconds(99)), DialStep::Connect(Some('b'), None));
    }

    #[test]
    fn a_name_without_addresses_is_a_failed_attempt() {
        let mut dialling = Dialling::<char>::new(100, 0);
        dialling.begin(true, LIMIT);
        assert_eq!(dialling.resolved([]), at_once());
        assert_eq!(dialling.resolved(['a']), DialStep::Nothing, "nobody asked");
    }

    #[test]
    fn what_was_not_needed_is_not_tried_later() {
        let mut dialling = Dialling::new(100, 0);
        dialling.begin(true, LIMIT);
        dialling.resolved(['a', 'b']);
        assert_eq!(dialling.connected(), DialStep::Nothing);
        assert!(!dialling.is_in_progress());
        assert_eq!(dialling.lost(Some(seconds(1))), at_once());
        dialling.begin(true, LIMIT);
        assert_eq!(dialling.resolved(['c']), DialStep::Connect(Some('c'), LIMIT));
        assert_eq!(dialling.failed(seconds(1)), DialStep::Wait(Duration::from_millis(100)));
    }

    #[test]
    fn a_connection_that_did_not_last_is_not_replaced_in_a_frenzy() {
        let mut dialling = Dialling::<char>::new(100, 1000);
        for _ in 0..3 {
            dialling.begin(false, LIMIT);
            dialling.connected();
            assert_eq!(dialling.lost(Some(Duration::from_millis(99))), DialStep::Wait(Duration::from_millis(100)));
        }
        dialling.begin(false, LIMIT);
        dialling.connected();
        assert_eq!(dialling.lost(Some(Duration::from_millis(100))), at_once());
    }

    #[test]
    fn no_name_server_decides_how_many_are_tried() {
        let mut dialling = Dialling::new(0, 0);
        dialling.begin(true, None);
        let mut step = dialling.resolved(0..1000);
        let mut tried = 0;
        while let DialStep::Connect(..) = step {
            tried += 1;
            step = dialling.failed(Duration::ZERO);
        }
        assert_eq!(tried, MAX_ADDRESSES);
    }
}
