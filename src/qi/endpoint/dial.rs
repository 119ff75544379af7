//! Connecting: to one address, or to whichever of several is first (`race.rs` says when which is tried).

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::core::Error;
use crate::qi::address::Endpoint;
use crate::reactor::deadline_in;
use crate::reactor::parker::Parker;
use crate::reactor::{Reactor, WaitMode};
use crate::transport::pipe::Ready;
use crate::transport::source::Source;
use crate::transport::stream::Stream;

use super::attempt::{Attempt, Progress, Way};
use super::config::Config;
use super::failure::{Failure, Reason};
use super::race::Race;
use super::{EndPoint, STREAM, reentrancy};

/// What is to be done on a connection before it has won its race. Looked at on the thread that dials.
pub trait Handshake {
    /// Why it has come to nothing.
    type Error;

    /// Looks how far it is, and goes on; `caller` is notified when there is more to look at. What it has sent is flushed. It may call code of the program.
    fn look(&mut self, caller: &Arc<Parker>) -> Handshaking<Self::Error>;
}

/// How far a handshake is.
pub enum Handshaking<E> {
    Pending,
    Done,
    /// Others may do better.
    Failed(E),
    /// The same is to be expected of all others.
    Refused(E),
}

/// Why an address has not been reached.
pub enum NotReached<E> {
    Connecting(Failure),
    Handshake(E),
}

/// How long dialling may take.
#[derive(Clone, Copy)]
pub struct Until<'u> {
    pub end: Option<Instant>,
    /// Nobody wants the connection any more. Who says so notifies the parker of the thread that dials.
    pub given_up: &'u dyn Fn() -> bool,
}

impl EndPoint {
    /// Connects to `address` (`tcp://host:port`, `tcps://host:port`, `unix://path`), within `timeout` (`None`: as long as the
    /// kernel tries). A name is resolved off the I/O thread; of its addresses the first that answers is taken, and the
    /// failure is that of the last.
    /// `welcome` makes handlers before the first byte is read; what it sends is written first.
    ///
    /// Blocks, so it is `EDEADLK` on the reading thread. [`Failure`] tells what went wrong; `EINTR` when a signal handler ran.
    pub fn connect(
        reactor: &Arc<Reactor>,
        address: &str,
        config: Config,
        timeout: Option<Duration>,
        welcome: impl FnOnce(&Arc<EndPoint>),
    ) -> Result<Arc<EndPoint>, Failure> {
        let address = Endpoint::parse(address)?;
        let mut welcome = Some(welcome);
        let begin = |endpoint: &Arc<EndPoint>, _| {
            if let Some(welcome) = welcome.take() {
                welcome(endpoint);
            }
            Ok(WithoutHandshake(Arc::clone(endpoint)))
        };
        let end = deadline_in(timeout);
        let until = Until { end, given_up: &|| false };
        match EndPoint::connect_first(reactor, &[address], config, until, begin) {
            Ok(connected) => Ok(connected.0),
            Err(failures) => Err(match failures.into_iter().next() {
                Some(NotReached::Connecting(failure)) => failure,
                Some(NotReached::Handshake(never)) => match never {},
                None => Failure::TimedOut,
            }),
        }
    }

    /// [`EndPoint::connect`] to the first of these addresses that answers and whose handshake is done: each is tried when the one before
    /// has failed, or is not done soon, and all but one are closed. `begin` makes handlers and the handshake for that one of the
    /// addresses. Fails with what was wrong with each, or with the refusal alone.
    pub fn connect_first<H: Handshake>(
        reactor: &Arc<Reactor>,
        addresses: &[Endpoint],
        config: Config,
        until: Until<'_>,
        begin: impl FnMut(&Arc<EndPoint>, usize) -> Result<H, H::Error>,
    ) -> Result<H, Vec<NotReached<H::Error>>> {
        if let Err(error) = reentrancy::may_wait() {
            return Err(addresses.iter().map(|_| NotReached::Connecting(Failure::System(error))).collect());
        }
        RacingAttempts::new(reactor, addresses, config, until, begin).run()
    }
}

/// A connection by itself: nothing is to be done on it.
struct WithoutHandshake(Arc<EndPoint>);

impl Handshake for WithoutHandshake {
    type Error = std::convert::Infallible;

    fn look(&mut self, _caller: &Arc<Parker>) -> Handshaking<Self::Error> {
        Handshaking::Done
    }
}

/// A race under way, on the thread that waits for it.
struct RacingAttempts<'d, H: Handshake, B> {
    reactor: &'d Arc<Reactor>,
    config: Arc<Config>,
    until: Until<'d>,
    begin: B,
    caller: Arc<Parker>,
    race: Race<(usize, Way)>,
    attempts: Vec<(usize, Attempt)>,
    handshakes: Vec<(usize, H)>,
    /// For each address, why it was not reached.
    failures: Vec<NotReached<H::Error>>,
}

/// What the race has come to.
enum RaceOutcome<H: Handshake> {
    Won(H),
    Refused(H::Error),
}

impl<'d, H: Handshake, B: FnMut(&Arc<EndPoint>, usize) -> Result<H, H::Error>> RacingAttempts<'d, H, B> {
    fn new(
        reactor: &'d Arc<Reactor>,
        addresses: &[Endpoint],
        config: Config,
        until: Until<'d>,
        begin: B,
    ) -> RacingAttempts<'d, H, B> {
        let mut failures = Vec::new();
        let mut ways = Vec::new();
        for (of, address) in addresses.iter().enumerate() {
            let way = Way::to(address, &config).map(|way| ways.push((of, way)));
            failures.push(NotReached::Connecting(way.err().unwrap_or(Failure::TimedOut)));
        }
        let (config, caller) = (Arc::new(config), Parker::mine());
        let race = Race::new(ways, until.end);
        let (attempts, handshakes) = (Vec::new(), Vec::new());
        RacingAttempts { reactor, config, until, begin, caller, race, attempts, handshakes, failures }
    }

    fn run(mut self) -> Result<H, Vec<NotReached<H::Error>>> {
        loop {
            let now = Instant::now();
            while let Some((of, way)) = self.race.begin(now) {
                match Attempt::begin(self.reactor, &self.caller, way, &self.config) {
                    Ok(attempt) => self.attempts.push((of, attempt)),
                    Err(failure) => self.fail(of, NotReached::Connecting(failure)),
                }
            }
            self.look();
            match self.look_at_handshakes() {
                Some(RaceOutcome::Won(winner)) => return Ok(winner),
                Some(RaceOutcome::Refused(error)) => return Err(vec![NotReached::Handshake(error)]),
                None => {}
            }
            if self.race.is_lost() {
                return Err(self.failures);
            }
            if self.race.is_late(now) {
                return Err(self.given_up(&Failure::TimedOut));
            }
            if (self.until.given_up)() {
                return Err(self.given_up(&Failure::System(Error::NOT_CONNECTED)));
            }
            if self.race.is_due(now) {
                continue;
            }
            match self.reactor.wait(&self.caller, self.race.wake(), WaitMode::POLLING).error() {
                None | Some(Error::TIMED_OUT) => {}
                Some(error) => return Err(self.given_up(&Failure::System(error))),
            }
        }
    }

    /// What is still under way has failed of this.
    fn given_up(mut self, failure: &Failure) -> Vec<NotReached<H::Error>> {
        let under_way = self.attempts.iter().map(|(of, _)| *of).chain(self.handshakes.iter().map(|(of, _)| *of));
        for of in under_way {
            self.failures[of] = NotReached::Connecting(failure.clone());
        }
        self.failures
    }

    /// Looks at all that are not connected yet.
    fn look(&mut self) {
        let mut at = 0;
        while let Some((of, attempt)) = self.attempts.get_mut(at) {
            let (of, progress) = (*of, attempt.look());
            if matches!(progress, Progress::Pending) {
                at += 1;
                continue;
            }
            // No more to be heard of it, before somebody else listens to its descriptor.
            drop(self.attempts.remove(at));
            match progress {
                Progress::Connected(stream, peer) => match self.connected(of, stream, peer) {
                    Ok(handshake) => self.handshakes.push((of, handshake)),
                    Err(error) => self.fail(of, error),
                },
                Progress::Ways(ways) => self.race.became(ways.into_iter().map(|way| (of, way)).collect()),
                Progress::Failed(failure) => self.fail(of, NotReached::Connecting(failure)),
                Progress::Pending => {}
            }
        }
    }

    fn connected(&mut self, of: usize, stream: Arc<dyn Stream>, peer: String) -> Result<H, NotReached<H::Error>> {
        let has_unread = stream.has_unread();
        let endpoint = EndPoint::new(self.reactor, stream, Arc::clone(&self.config), peer);
        let handshake = (self.begin)(&endpoint, of).map_err(|error| {
            endpoint.finish(Reason::Closed);
            NotReached::Handshake(error)
        })?;
        if let Err(error) = endpoint.start() {
            endpoint.finish(Reason::Failed(Failure::System(error)));
            return Err(NotReached::Connecting(Failure::System(error)));
        }
        // A handshake may have taken in more than its own bytes, and nothing will report those.
        if has_unread {
            endpoint.ready(STREAM, Ready { readable: true, ..Ready::default() });
        }
        Ok(handshake)
    }

    /// Looks at all that are connected, until one is done.
    fn look_at_handshakes(&mut self) -> Option<RaceOutcome<H>> {
        let mut at = 0;
        while let Some((of, handshake)) = self.handshakes.get_mut(at) {
            let of = *of;
            match handshake.look(&self.caller) {
                Handshaking::Pending => at += 1,
                Handshaking::Done => return Some(RaceOutcome::Won(self.handshakes.swap_remove(at).1)),
                Handshaking::Refused(error) => return Some(RaceOutcome::Refused(error)),
                Handshaking::Failed(error) => {
                    drop(self.handshakes.remove(at));
                    self.fail(of, NotReached::Handshake(error));
                }
            }
        }
        None
    }

    fn fail(&mut self, of: usize, failure: NotReached<H::Error>) {
        self.failures[of] = failure;
        self.race.failed();
    }
}
