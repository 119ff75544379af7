//! Who waits for what on a socket.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use crate::core::Readiness;
use crate::reactor::parker::Parker;

use super::work::{Job, Work};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Send,
    /// To one peer, whatever others take.
    SendTo,
    Recv,
}

/// How far a socket is from its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    Open,
    /// Everybody is sent away; what was accepted is on its way.
    Closing,
    /// All pipes are gone.
    Drained,
}

/// A waiter is taken out when it is woken, and comes back if it must go on waiting.
#[derive(Default)]
pub struct Waiters {
    send: VecDeque<Arc<Parker>>,
    send_to: VecDeque<Arc<Parker>>,
    recv: VecDeque<Arc<Parker>>,
    poll: Vec<(Arc<Parker>, Readiness)>,
    /// Who waits until there are so many peers.
    peers: Vec<(Arc<Parker>, u64)>,
    /// Tasks of async runtimes, with the numbers by which they are removed.
    tasks: Vec<(u64, Waker, Side)>,
    tasks_seen: u64,
    pub close: Option<Arc<Parker>>,
}

impl Waiters {
    #[inline]
    pub fn is_empty(&self) -> bool {
        let Waiters { send, send_to, recv, poll, peers, tasks, tasks_seen: _, close } = self;
        let parkers = send.is_empty() && recv.is_empty() && poll.is_empty() && peers.is_empty() && close.is_none();
        parkers && send_to.is_empty() && tasks.is_empty()
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

    /// The number by which it can be removed.
    pub fn add_task(&mut self, side: Side, waker: Waker) -> u64 {
        self.tasks_seen += 1;
        self.tasks.push((self.tasks_seen, waker, side));
        self.tasks_seen
    }

    pub fn remove_task(&mut self, id: u64) {
        self.tasks.retain(|(other, ..)| *other != id);
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
        if !self.tasks.is_empty() {
            // All of them: one that is woken may have been given up, and would not wake the next.
            self.wake_tasks(work, |side| match side {
                Side::Send => ready.send || !open,
                Side::SendTo => !open,
                Side::Recv => ready.recv || !open,
            });
        }
        if !open {
            work.extend(self.peers.drain(..).map(|(parker, _)| Job::Wake(parker)));
            self.pipe_changed(work);
        }
        if phase == Phase::Drained {
            work.extend(self.close.take().map(Job::Wake));
        }
    }

    /// Some pipe takes messages again, or is no more: perhaps the one that somebody waits for.
    #[inline]
    pub fn pipe_changed(&mut self, work: &mut Work) {
        if !self.send_to.is_empty() {
            work.extend(self.send_to.drain(..).map(Job::Wake));
        }
        if !self.tasks.is_empty() {
            self.wake_tasks(work, |side| side == Side::SendTo);
        }
    }

    /// All who wait on this side, whether or not they can go on.
    pub fn wake_all(&mut self, side: Side, work: &mut Work) {
        work.extend(self.side(side).drain(..).map(Job::Wake));
        self.wake_tasks(work, |other| other == side);
    }

    fn wake_tasks(&mut self, work: &mut Work, hit: impl Fn(Side) -> bool) {
        work.extend(self.tasks.extract_if(.., |(.., side)| hit(*side)).map(|(_, waker, _)| Job::WakeTask(waker)));
    }

    fn side(&mut self, side: Side) -> &mut VecDeque<Arc<Parker>> {
        match side {
            Side::Send => &mut self.send,
            Side::SendTo => &mut self.send_to,
            Side::Recv => &mut self.recv,
        }
    }
}
