//! Connecting: to one address, or to whichever of several is first (`race.rs` says when which is tried).

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::core::Error;
use crate::qi::address::Endpoint;
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
        let connected = EndPoint::connect_first(reactor, &[address], config, timeout, |endpoint, _| welcome(endpoint));
        connected.map_err(|failures| failures.into_iter().next().unwrap_or(Failure::TimedOut))
    }

    /// [`EndPoint::connect`] to the first of these addresses that answers: each is tried when the one before has failed or
    /// not answered soon, and all but one are closed without a byte. `welcome` is told which it is. Fails with the failure
    /// of each.
    pub fn connect_first(
        reactor: &Arc<Reactor>,
        addresses: &[Endpoint],
        config: Config,
        timeout: Option<Duration>,
        welcome: impl FnOnce(&Arc<EndPoint>, usize),
    ) -> Result<Arc<EndPoint>, Vec<Failure>> {
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let all = |error: Error| vec![Failure::System(error); addresses.len()];
        reentrancy::may_wait().map_err(all)?;
        let winner = RacingAttempts::new(reactor, addresses, &config, end).run()?;
        let has_unread = winner.stream.has_unread();
        let endpoint = EndPoint::new(reactor, winner.stream, Arc::new(config), winner.peer);
        welcome(&endpoint, winner.of);
        if let Err(error) = endpoint.start() {
            endpoint.finish(Reason::Failed(Failure::System(error)));
            return Err(all(error));
        }
        // A handshake may have taken in more than its own bytes, and nothing will report those.
        if has_unread {
            endpoint.ready(STREAM, Ready { readable: true, ..Ready::default() });
        }
        Ok(endpoint)
    }
}

/// What came first, and to which of the addresses it leads.
struct Winner {
    of: usize,
    stream: Arc<dyn Stream>,
    peer: String,
}

/// A race under way, on the thread that waits for it.
struct RacingAttempts<'d> {
    reactor: &'d Arc<Reactor>,
    config: &'d Config,
    caller: Arc<Parker>,
    race: Race<(usize, Way)>,
    attempts: Vec<(usize, Attempt)>,
    /// For each address, why it was not reached.
    failures: Vec<Failure>,
}

impl<'d> RacingAttempts<'d> {
    fn new(
        reactor: &'d Arc<Reactor>,
        addresses: &[Endpoint],
        config: &'d Config,
        end: Option<Instant>,
    ) -> RacingAttempts<'d> {
        let mut failures = vec![Failure::TimedOut; addresses.len()];
        let mut ways = Vec::new();
        for (of, address) in addresses.iter().enumerate() {
            match Way::to(address) {
                Ok(way) => ways.push((of, way)),
                Err(failure) => failures[of] = failure,
            }
        }
        let race = Race::new(ways, end);
        RacingAttempts { reactor, config, caller: Parker::mine(), race, attempts: Vec::new(), failures }
    }

    fn run(mut self) -> Result<Winner, Vec<Failure>> {
        loop {
            let now = Instant::now();
            while let Some((of, way)) = self.race.begin(now) {
                match Attempt::begin(self.reactor, &self.caller, way, self.config) {
                    Ok(attempt) => self.attempts.push((of, attempt)),
                    Err(failure) => self.fail(of, failure),
                }
            }
            if let Some(winner) = self.look() {
                return Ok(winner);
            }
            if self.race.is_lost() {
                return Err(self.failures);
            }
            if self.race.is_late(now) {
                self.attempts.iter().for_each(|(of, _)| self.failures[*of] = Failure::TimedOut);
                return Err(self.failures);
            }
            if self.race.is_due(now) {
                continue;
            }
            match self.reactor.wait(&self.caller, self.race.wake(), WaitMode::POLLING).error() {
                None | Some(Error::TIMED_OUT) => {}
                Some(error) => return Err(vec![Failure::System(error); self.failures.len()]),
            }
        }
    }

    /// Looks at all that are under way, until one has arrived.
    fn look(&mut self) -> Option<Winner> {
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
                Progress::Connected(stream, peer) => return Some(Winner { of, stream, peer }),
                Progress::Ways(ways) => self.race.became(ways.into_iter().map(|way| (of, way)).collect()),
                Progress::Failed(failure) => self.fail(of, failure),
                Progress::Pending => {}
            }
        }
        None
    }

    fn fail(&mut self, of: usize, failure: Failure) {
        self.failures[of] = failure;
        self.race.failed();
    }
}
