//! Which pipe is used next (protocols.md 2.2 to 2.4): load balancing, fair queueing, broadcast and
//! the one pipe of PAIR.
//!
//! A socket may have 10,000 pipes and a message must not pay for that, so ready pipes are kept in
//! lists linked through a table indexed by [`PipeId`]: joining, leaving and advancing are O(1) and
//! allocate nothing.

use crate::core::{Answer, Cmd, DropReason, Drops, Events, Evt, Message, PipeId, Routes};

/// Pipe priorities are 1 (best) to 16.
const LEVELS: usize = 16;
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum RoundPlace {
    Detached,
    /// Attached, but not ready.
    Waiting,
    /// In the list of its level.
    Ready,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    place: RoundPlace,
    level: u8,
    previous: u32,
    next: u32,
}

const ABSENT: Node = Node { place: RoundPlace::Detached, level: 0, previous: NONE, next: NONE };

/// The ready pipes of one priority in the order in which they became ready.
#[derive(Clone, Copy, Debug)]
struct PriorityLevel {
    first: u32,
    last: u32,
    /// The pipe to use next; `NONE` only while the level is empty.
    current: u32,
}

const EMPTY: PriorityLevel = PriorityLevel { first: NONE, last: NONE, current: NONE };

/// Prioritised round robin over the ready pipes (protocols.md 2.2).
#[derive(Debug)]
pub struct RoundRobin {
    nodes: Vec<Node>,
    levels: [PriorityLevel; LEVELS],
    /// Bit n is set while level n has ready pipes.
    occupied: u16,
}

impl Default for RoundRobin {
    fn default() -> RoundRobin {
        RoundRobin { nodes: Vec::new(), levels: [EMPTY; LEVELS], occupied: 0 }
    }
}

impl RoundRobin {
    /// A new pipe, not ready yet. `priority` is 1 to 16.
    pub fn attach(&mut self, pipe: PipeId, priority: u8) {
        self.detach(pipe);
        let index = pipe.0 as usize;
        if index >= self.nodes.len() {
            self.nodes.resize(index + 1, ABSENT);
        }
        let level = priority.clamp(1, LEVELS as u8) - 1;
        self.nodes[index] = Node { place: RoundPlace::Waiting, level, ..ABSENT };
    }

    /// Forgets the pipe. `false` if it was not known.
    pub fn detach(&mut self, pipe: PipeId) -> bool {
        if self.place(pipe) == RoundPlace::Detached {
            return false;
        }
        self.unready(pipe);
        self.nodes[pipe.0 as usize].place = RoundPlace::Detached;
        true
    }

    /// The pipe joins the end of its level. `false` if it was there already, or is not attached.
    pub fn ready(&mut self, pipe: PipeId) -> bool {
        if self.place(pipe) != RoundPlace::Waiting {
            return false;
        }
        let node = &mut self.nodes[pipe.0 as usize];
        let level = &mut self.levels[usize::from(node.level)];
        self.occupied |= 1 << node.level;
        *node = Node { place: RoundPlace::Ready, previous: level.last, next: NONE, ..*node };
        match level.last {
            NONE => (level.first, level.current) = (pipe.0, pipe.0),
            last => self.nodes[last as usize].next = pipe.0,
        }
        level.last = pipe.0;
        true
    }

    /// The pipe leaves its level; if it was the current one, its successor is now.
    pub fn unready(&mut self, pipe: PipeId) {
        if self.place(pipe) != RoundPlace::Ready {
            return;
        }
        let Node { level, previous, next, .. } = self.nodes[pipe.0 as usize];
        self.nodes[pipe.0 as usize].place = RoundPlace::Waiting;
        let list = &mut self.levels[usize::from(level)];
        match previous {
            NONE => list.first = next,
            previous => self.nodes[previous as usize].next = next,
        }
        match next {
            NONE => list.last = previous,
            next => self.nodes[next as usize].previous = previous,
        }
        if list.current == pipe.0 {
            list.current = if next == NONE { list.first } else { next };
        }
        if list.first == NONE {
            self.occupied &= !(1 << level);
        }
    }

    /// The pipe to use now: the current one of the best level that has any.
    pub fn current(&self) -> Option<PipeId> {
        self.best().map(|level| PipeId(self.levels[level].current))
    }

    /// The current pipe had its turn: points at its successor, wrapping at the end.
    pub fn advance(&mut self) {
        if let Some(best) = self.best() {
            let level = &mut self.levels[best];
            let next = self.nodes[level.current as usize].next;
            level.current = if next == NONE { level.first } else { next };
        }
    }

    /// The pipe that is used now, and every time as long as no other becomes ready: the only one of its level.
    pub fn only(&self) -> Option<PipeId> {
        let level = &self.levels[self.best()?];
        (level.first == level.last).then_some(PipeId(level.first))
    }

    /// The pipe whose turn it is, and whether others have theirs after it.
    pub fn turn(&self) -> (Option<PipeId>, bool) {
        match self.best().map(|best| &self.levels[best]) {
            Some(level) => (Some(PipeId(level.current)), level.first != level.last),
            None => (None, false),
        }
    }

    /// Priority (1 to 16) of the best level with ready pipes.
    pub fn priority(&self) -> Option<u8> {
        self.best().map(|level| level as u8 + 1)
    }

    pub fn is_ready(&self) -> bool {
        self.occupied != 0
    }

    /// Is this pipe attached, but not ready?
    pub fn is_waiting(&self, pipe: PipeId) -> bool {
        self.place(pipe) == RoundPlace::Waiting
    }

    /// Is it this pipe that is ready?
    pub fn has_ready(&self, pipe: PipeId) -> bool {
        self.place(pipe) == RoundPlace::Ready
    }

    fn best(&self) -> Option<usize> {
        (self.occupied != 0).then(|| self.occupied.trailing_zeros() as usize)
    }

    fn place(&self, pipe: PipeId) -> RoundPlace {
        self.nodes.get(pipe.0 as usize).map_or(RoundPlace::Detached, |node| node.place)
    }

    /// The ready pipes of one level, oldest first.
    fn level(&self, level: usize) -> impl Iterator<Item = PipeId> {
        let follow = |index: u32| (index != NONE).then_some(PipeId(index));
        std::iter::successors(follow(self.levels[level].first), move |pipe| follow(self.nodes[pipe.0 as usize].next))
    }
}

/// Where a socket's messages go out.
pub trait Outlet: Send {
    fn attach(&mut self, pipe: PipeId, priority: u8);

    /// The pipe hung up or is gone. `false` if it was not known (any more).
    fn detach(&mut self, pipe: PipeId) -> bool;

    fn writable(&mut self, pipe: PipeId);

    fn unwritable(&mut self, pipe: PipeId);

    /// Keeps up with what happens to pipes. Always inlined, so that the machine and it look at a command once.
    #[inline(always)]
    fn update(&mut self, cmd: Cmd) {
        match cmd {
            Cmd::Attach { pipe, send_priority, .. } => self.attach(pipe, send_priority),
            Cmd::Hangup(pipe) | Cmd::Detach(pipe) => {
                self.detach(pipe);
            }
            Cmd::Writable(pipe) => self.writable(pipe),
            Cmd::Unwritable(pipe) => self.unwritable(pipe),
            _ => {}
        }
    }

    fn send(&mut self, message: &mut Message<'_>, out: &mut Events) -> Answer;

    /// To this pipe, whose turn does not matter.
    fn send_to(&self, pipe: PipeId, out: &mut Events) -> Answer {
        if !self.is_writable(pipe) {
            return Answer::NotNow;
        }
        out.push(Evt::Transmit(pipe));
        Answer::Done
    }

    /// Does this pipe take a message?
    fn is_writable(&self, pipe: PipeId) -> bool;

    /// Would a send not block?
    fn is_ready(&self) -> bool;

    /// Where sends go until a pipe comes, goes, fills up or takes messages again.
    fn routes(&self) -> Routes;

    /// `NN_STAT_CURRENT_SND_PRIORITY`.
    fn priority(&self) -> i32;

    /// Adds what one pipe, or any, has missed to what was dropped otherwise. Only who waits for nobody misses anything.
    fn drops(&self, _of: Option<PipeId>, others: Drops) -> Drops {
        others
    }
}

/// Round robin over the writable pipes: PUSH and REQ send through it.
#[derive(Debug, Default)]
pub struct LoadBalancer {
    pipes: RoundRobin,
    /// 0 before the first pipe, -1 when none is left. Only news of a writable or a lost pipe changes it; a
    /// pipe that fills up does not (nanomsg-api.md 4).
    priority: i32,
}

impl LoadBalancer {
    /// The pipe whose turn it is; the turn passes on.
    pub fn choose(&mut self) -> Option<PipeId> {
        let pipe = self.pipes.current()?;
        self.pipes.advance();
        Some(pipe)
    }

    /// A message went along its routes: the turn passes on.
    pub fn took_turn(&mut self) -> Routes {
        self.pipes.advance();
        self.routes()
    }

    fn refresh_priority(&mut self) {
        self.priority = self.pipes.priority().map_or(-1, i32::from);
    }
}

impl Outlet for LoadBalancer {
    fn attach(&mut self, pipe: PipeId, priority: u8) {
        self.pipes.attach(pipe, priority);
    }

    fn detach(&mut self, pipe: PipeId) -> bool {
        let known = self.pipes.detach(pipe);
        if known {
            self.refresh_priority();
        }
        known
    }

    fn writable(&mut self, pipe: PipeId) {
        if self.pipes.ready(pipe) {
            self.refresh_priority();
        }
    }

    fn unwritable(&mut self, pipe: PipeId) {
        self.pipes.unready(pipe);
    }

    fn send(&mut self, _message: &mut Message<'_>, out: &mut Events) -> Answer {
        match self.choose() {
            Some(pipe) => {
                out.push(Evt::Transmit(pipe));
                Answer::Done
            }
            None => Answer::NotNow,
        }
    }

    fn is_writable(&self, pipe: PipeId) -> bool {
        self.pipes.has_ready(pipe)
    }

    fn is_ready(&self) -> bool {
        self.pipes.is_ready()
    }

    fn routes(&self) -> Routes {
        let (send, turns) = self.pipes.turn();
        Routes { send, turns, ..Routes::default() }
    }

    fn priority(&self) -> i32 {
        self.priority
    }
}

/// Round robin over the readable pipes: every socket that receives, but PAIR and the full REQ.
#[derive(Debug, Default)]
pub struct FairQueue {
    pipes: RoundRobin,
}

impl FairQueue {
    pub fn attach(&mut self, pipe: PipeId, priority: u8) {
        self.pipes.attach(pipe, priority);
    }

    pub fn detach(&mut self, pipe: PipeId) {
        self.pipes.detach(pipe);
    }

    pub fn readable(&mut self, pipe: PipeId) {
        self.pipes.ready(pipe);
    }

    /// Keeps up with what happens to pipes, and with what was taken of them. A pipe that hung up may have more to take.
    /// Always inlined, as [`Outlet::update`].
    #[inline(always)]
    pub fn update(&mut self, cmd: Cmd) {
        match cmd {
            Cmd::Attach { pipe, recv_priority, .. } => self.attach(pipe, recv_priority),
            Cmd::Detach(pipe) => self.detach(pipe),
            Cmd::Readable(pipe) => self.readable(pipe),
            Cmd::Incoming { pipe, more } => self.taken(pipe, more),
            _ => {}
        }
    }

    /// Asks for a message of the pipe whose turn it is.
    pub fn receive(&mut self, out: &mut Events) -> Answer {
        match self.pipes.current() {
            Some(pipe) => {
                out.push(Evt::Take(pipe));
                Answer::Done
            }
            None => Answer::NotNow,
        }
    }

    /// A message of this pipe came: its turn is over. `more`: it has another one.
    pub fn taken(&mut self, pipe: PipeId, more: bool) {
        if self.pipes.current() == Some(pipe) {
            self.pipes.advance();
        }
        if !more {
            self.pipes.unready(pipe);
        }
    }

    pub fn is_ready(&self) -> bool {
        self.pipes.is_ready()
    }

    /// The pipe of every receive, until another one becomes readable or this one is empty.
    pub fn route(&self) -> Option<PipeId> {
        self.pipes.only()
    }

    /// The routes of the next message, if nobody looks at it.
    pub fn routes(&self) -> Routes {
        let (recv, turns) = self.pipes.turn();
        Routes { recv, turns, ..Routes::default() }
    }

    /// A message came along them, and there is more behind it: the turn passes on.
    pub fn took_turn(&mut self) -> Routes {
        self.pipes.advance();
        self.routes()
    }

    /// Asks for all that waits, the best pipes first: who is told that a pipe has more asks for that, too.
    pub fn receive_all(&self, out: &mut Events) {
        (0..LEVELS).flat_map(|level| self.pipes.level(level)).for_each(|pipe| out.push(Evt::Take(pipe)));
    }
}

/// A copy to every writable pipe (protocols.md 2.3): PUB, BUS and SURVEYOR.
#[derive(Debug, Default)]
pub struct Broadcast {
    pipes: RoundRobin,
    misses: Misses,
}

/// Who has missed how many messages. A send counts itself, not those who miss it: 10,000 that are stalled cost no more than one.
#[derive(Debug, Default)]
struct Misses {
    attached: usize,
    /// Messages for all that were sent while somebody missed them, or might have.
    sends: u64,
    /// By pipe: of one that is writable, what it has missed; of another, `sends` less what it has missed.
    balance: Vec<u64>,
    /// What those missed that are gone.
    by_gone: u64,
    /// Sent while nobody was there.
    by_all: u64,
}

/// Broadcast knows no priorities: all its pipes are in one level.
const ONE_LEVEL: u8 = 1;

impl Broadcast {
    /// Sends to the writable pipes, but not to `except`, in the order in which they became writable. Done even if there
    /// is no pipe; when memory is short nothing is sent.
    pub fn send_except(&mut self, except: Option<PipeId>, message: &mut Message<'_>, out: &mut Events) -> Answer {
        let mut targets = self.pipes.level(0).filter(|pipe| Some(*pipe) != except);
        if let Some(first) = targets.next() {
            if let Some(second) = targets.next() {
                // Only here can it fail, so there are never copies for some pipes only.
                if let Err(error) = message.fan_out() {
                    return Answer::Fail(error);
                }
                out.push(Evt::Transmit(first));
                out.push(Evt::Transmit(second));
                targets.for_each(|pipe| out.push(Evt::Transmit(pipe)));
            } else {
                out.push(Evt::Transmit(first));
            }
        }
        self.misses.sent(except.filter(|pipe| self.pipes.is_waiting(*pipe)));
        Answer::Done
    }
}

impl Broadcast {
    /// What an attached pipe has missed.
    fn missed(&self, pipe: PipeId) -> u64 {
        let balance = self.misses.balance.get(pipe.0 as usize).copied().unwrap_or(0);
        match self.pipes.place(pipe) {
            RoundPlace::Detached => 0,
            RoundPlace::Waiting => self.misses.sends - balance,
            RoundPlace::Ready => balance,
        }
    }
}

impl Misses {
    fn attach(&mut self, pipe: PipeId) {
        let index = pipe.0 as usize;
        if index >= self.balance.len() {
            self.balance.resize(index + 1, 0);
        }
        self.balance[index] = self.sends;
        self.attached += 1;
    }

    fn detach(&mut self, missed: u64) {
        self.by_gone += missed;
        self.attached -= 1;
    }

    /// A pipe has become writable, or is no more.
    fn turn(&mut self, pipe: PipeId) {
        if let Some(balance) = self.balance.get_mut(pipe.0 as usize) {
            *balance = self.sends - *balance;
        }
    }

    /// `spared`: the message is not for this pipe, which is not writable.
    fn sent(&mut self, spared: Option<PipeId>) {
        self.sends += 1;
        if let Some(balance) = spared.and_then(|pipe| self.balance.get_mut(pipe.0 as usize)) {
            *balance += 1;
        }
        self.by_all += u64::from(self.attached == 0);
    }
}

impl Outlet for Broadcast {
    fn attach(&mut self, pipe: PipeId, _priority: u8) {
        self.detach(pipe);
        self.pipes.attach(pipe, ONE_LEVEL);
        self.misses.attach(pipe);
    }

    fn detach(&mut self, pipe: PipeId) -> bool {
        let missed = self.missed(pipe);
        let known = self.pipes.detach(pipe);
        if known {
            self.misses.detach(missed);
        }
        known
    }

    fn writable(&mut self, pipe: PipeId) {
        if self.pipes.ready(pipe) {
            self.misses.turn(pipe);
        }
    }

    fn unwritable(&mut self, pipe: PipeId) {
        if self.pipes.has_ready(pipe) {
            self.pipes.unready(pipe);
            self.misses.turn(pipe);
        }
    }

    fn send(&mut self, message: &mut Message<'_>, out: &mut Events) -> Answer {
        self.send_except(None, message, out)
    }

    fn is_writable(&self, pipe: PipeId) -> bool {
        self.pipes.has_ready(pipe)
    }

    /// Who is not writable misses the message, so nobody is waited for.
    fn is_ready(&self) -> bool {
        true
    }

    /// Where somebody misses what is sent, that is counted.
    fn routes(&self) -> Routes {
        Routes { send: self.pipes.only().filter(|_| self.misses.attached == 1), ..Routes::default() }
    }

    fn priority(&self) -> i32 {
        0
    }

    fn drops(&self, of: Option<PipeId>, mut others: Drops) -> Drops {
        let attached = (0..self.misses.balance.len()).map(|index| self.missed(PipeId(index as u32)));
        let missed = of.map_or_else(|| attached.sum::<u64>() + self.misses.by_gone, |pipe| self.missed(pipe));
        others.add(DropReason::PeerFull, missed);
        others.add(DropReason::NoPeer, if of.is_none() { self.misses.by_all } else { 0 });
        others
    }
}
