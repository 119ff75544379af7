//! Blocking: try, wait, try again (nanomsg-api.md 2.8 and 9).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::core::options::Options;
use crate::core::socket::Progress;
use crate::core::{Error, Readiness, Result};
use crate::reactor::parker::Parker;
use crate::reactor::{Manner, Waited};

use super::socket::{Phase, Socket, State};
use super::visit::Visit;
use super::work::{Job, Work};

/// Whether a call may wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// NN_DONTWAIT: `EAGAIN` instead.
    No,
    /// As long as NN_SNDTIMEO or NN_RCVTIMEO say.
    Option,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Send,
    Recv,
}

/// Who waits for what. A waiter is taken out when it is woken, and comes back if it must go on waiting.
#[derive(Default)]
pub struct Waiters {
    send: VecDeque<Arc<Parker>>,
    recv: VecDeque<Arc<Parker>>,
    poll: Vec<(Arc<Parker>, Readiness)>,
    /// Who waits until there are so many peers.
    peers: Vec<(Arc<Parker>, u64)>,
    pub close: Option<Arc<Parker>>,
}

impl Waiters {
    pub fn is_empty(&self) -> bool {
        let Waiters { send, recv, poll, peers, close } = self;
        send.is_empty() && recv.is_empty() && poll.is_empty() && peers.is_empty() && close.is_none()
    }

    pub fn add(&mut self, side: Side, parker: &Arc<Parker>) {
        self.side(side).push_back(Arc::clone(parker));
    }

    pub fn remove(&mut self, side: Side, parker: &Arc<Parker>) {
        self.side(side).retain(|other| !Arc::ptr_eq(other, parker));
    }

    pub fn add_poll(&mut self, parker: &Arc<Parker>, want: Readiness) {
        self.poll.push((Arc::clone(parker), want));
    }

    pub fn remove_poll(&mut self, parker: &Arc<Parker>) {
        self.poll.retain(|(other, _)| !Arc::ptr_eq(other, parker));
    }

    pub fn add_for_peers(&mut self, parker: &Arc<Parker>, count: u64) {
        self.peers.push((Arc::clone(parker), count));
    }

    pub fn remove_for_peers(&mut self, parker: &Arc<Parker>) {
        self.peers.retain(|(other, _)| !Arc::ptr_eq(other, parker));
    }

    /// There are so many peers now.
    pub fn peer_came(&mut self, now: u64, work: &mut Work) {
        work.extend(self.peers.extract_if(.., |(_, count)| *count <= now).map(|(parker, _)| Job::Wake(parker)));
    }

    /// One sender or receiver is enough: it looks again when it leaves, and wakes the next if there is more.
    /// A closing socket wakes everybody.
    pub fn wake(&mut self, ready: Readiness, phase: Phase, work: &mut Work) {
        let open = phase == Phase::Open;
        for (list, ready) in [(&mut self.send, ready.send), (&mut self.recv, ready.recv)] {
            let count = if open { usize::from(ready) } else { list.len() };
            for _ in 0..count {
                let Some(parker) = list.pop_front() else { break };
                work.push(Job::Wake(parker));
            }
        }
        if !self.poll.is_empty() {
            let hit = |want: &Readiness| !open || (want.send && ready.send) || (want.recv && ready.recv);
            work.extend(self.poll.extract_if(.., |(_, want)| hit(want)).map(|(parker, _)| Job::Wake(parker)));
        }
        if !open {
            work.extend(self.peers.drain(..).map(|(parker, _)| Job::Wake(parker)));
        }
        if phase == Phase::Drained {
            work.extend(self.close.take().map(Job::Wake));
        }
    }

    fn side(&mut self, side: Side) -> &mut VecDeque<Arc<Parker>> {
        match side {
            Side::Send => &mut self.send,
            Side::Recv => &mut self.recv,
        }
    }
}

impl Socket {
    /// Attempts until it is done, fails, or may wait no longer.
    pub(super) fn attempt<T>(
        &self,
        side: Side,
        wait: Wait,
        mut attempt: impl FnMut(&mut State) -> Progress<T>,
    ) -> Result<T> {
        let mut visit = self.visit();
        if let Some(outcome) = visit.try_once(&mut attempt) {
            return outcome;
        }
        match visit.patience(side, wait) {
            Ok(deadline) => self.wait_and_attempt(side, deadline, visit, attempt),
            Err(not_now) => {
                visit.pipes.flush_all();
                drop(visit);
                if self.polls() {
                    self.session.reactor.glance();
                }
                self.visit().try_once(&mut attempt).unwrap_or(Err(not_now))
            }
        }
    }

    /// The attempt has just failed, in the visit under way.
    fn wait_and_attempt<'s, T>(
        &'s self,
        side: Side,
        deadline: Option<Instant>,
        mut visit: Visit<'s>,
        mut attempt: impl FnMut(&mut State) -> Progress<T>,
    ) -> Result<T> {
        let me = Parker::mine();
        loop {
            // Whatever notice came before this is stale: the attempt has failed.
            me.take_notice();
            visit.waiters.add(side, &me);
            visit.pipes.flush_all();
            let manner = Manner { polls: self.polls(), spins: visit.core.options.spin != 0 };
            drop(visit);
            let waited = self.session.reactor.wait(&me, deadline, manner);
            visit = self.visit();
            visit.waiters.remove(side, &me);
            if let Some(outcome) = visit.try_once(&mut attempt) {
                return outcome;
            }
            match waited {
                Waited::Noticed => {}
                Waited::TimedOut => return Err(Error::TIMED_OUT),
                Waited::Interrupted => return Err(Error::INTERRUPTED),
                Waited::Failed => return Err(Error::BAD_FD),
            }
        }
    }
}

impl State {
    /// Until when a call may wait, if at all; the error is what it fails with otherwise.
    fn patience(&self, side: Side, wait: Wait) -> Result<Option<Instant>> {
        let timeout = match side {
            Side::Send => self.core.options.sndtimeo,
            Side::Recv => self.core.options.rcvtimeo,
        };
        match (wait, timeout) {
            (Wait::No, _) => Err(Error::AGAIN),
            (Wait::Option, 0) => Err(Error::TIMED_OUT),
            (Wait::Option, _) => Ok(Options::timeout(timeout).map(|time| Instant::now() + time)),
        }
    }

    /// `None`: not now.
    fn try_once<T>(&mut self, attempt: &mut impl FnMut(&mut State) -> Progress<T>) -> Option<Result<T>> {
        if !self.is_open() {
            return Some(Err(Error::BAD_FD));
        }
        match attempt(self) {
            Progress::Done(value) => Some(Ok(value)),
            Progress::Failed(error) => Some(Err(error)),
            Progress::NotNow => None,
        }
    }
}
