//! Event loops of others that know descriptors, as asyncio's: while something waits in one, it polls for us.
//!
//! A loop that watched a descriptor for each socket was woken by the I/O thread, which the kernel had woken: two changes of threads for each message. So it
//! watches the poll itself, and what it then fetches says which of those that wait in it may go on.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use crate::core::{ContextId, Result};
use crate::reactor::sync::Mutex;
use crate::sys::Owned;
use crate::sys::eventfd::Bell;

use super::context::Context;
use super::futures::Place;
use super::loop_share::LoopShare;
use super::process;
use super::runtime::Runtime;
use super::session::Session;
use super::socket::EngineSocket;
use super::turning::{self, TurnOutcome};
use super::waiters::Side;

/// So many pieces of a large message are waited for in one turn: others of the loop want theirs.
const PIECES: usize = 16;

/// One event loop. All but waking it is for the loop's own thread.
pub struct EventLoop {
    runtime: Arc<Runtime>,
    poll: Owned<OwnedFd>,
    called: Arc<Called>,
    share: Mutex<LoopShare>,
    /// No socket that the last turn was about is without NN_SPIN.
    may_spin: AtomicBool,
    /// Somebody waits in it.
    is_awaited: AtomicBool,
    /// The I/O thread was asked to poll on and on.
    is_relying: AtomicBool,
    generation: u64,
}

/// Who may go on, by the numbers that they were given.
struct Called {
    bell: Bell,
    state: Mutex<CalledState>,
}

#[derive(Default)]
struct CalledState {
    numbers: Vec<u64>,
    is_rung: bool,
}

/// Calls one of those that wait.
struct CallLater {
    called: Arc<Called>,
    number: u64,
}

/// What somebody in a loop waits for: room to send, or a message, on one socket or context. Dropping it ends the wait.
pub struct LoopWait {
    socket: Arc<EngineSocket>,
    context: ContextId,
    side: Side,
    waker: Waker,
    place: Place,
    generation: u64,
}

/// Which of both is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// Room to send.
    Room,
    /// A message.
    Message,
}

impl EventLoop {
    /// `EMFILE`.
    pub fn new(session: &Session) -> Result<EventLoop> {
        let runtime = Arc::clone(session.runtime());
        let poll = Owned::new(runtime.reactor.poll_descriptor()?)?;
        let called = Arc::new(Called { bell: Bell::new()?, state: Mutex::default() });
        Ok(EventLoop {
            runtime,
            poll,
            called,
            share: Mutex::default(),
            may_spin: AtomicBool::new(false),
            is_awaited: AtomicBool::new(false),
            is_relying: AtomicBool::new(false),
            generation: process::generation(),
        })
    }

    /// To be watched while somebody waits in the loop: readable when there is something for [`EventLoop::turn`] to fetch. Others may be quicker.
    pub fn poll_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }

    /// To be watched always: readable when somebody else has called who waits here.
    pub fn bell_fd(&self) -> RawFd {
        self.called.bell.fd()
    }

    /// Fetches what there is, and gives the numbers of those that may go on. [`EventLoop::polls`] may have changed.
    pub fn turn(&self) -> Vec<u64> {
        if self.generation != process::generation() {
            return Vec::new();
        }
        let mut seen = turning::run(self.called.address(), || self.runtime.reactor.look_for_loop());
        // The next piece of a large message is here sooner than a loop that sleeps is awake.
        for _ in 0..PIECES {
            if !seen.may_spin || seen.bytes_under_way == 0 {
                break;
            }
            seen = self.spin();
        }
        self.may_spin.store(seen.may_spin, Ordering::Relaxed);
        let numbers = self.take_numbers();
        self.decide(|share| share.turned(!numbers.is_empty()));
        numbers
    }

    /// The same for who is about to sleep: looks for a short while, if that has been worth it lately, whether an answer comes to what was sent since.
    pub fn linger(&self) -> Vec<u64> {
        if self.generation != process::generation() || !self.may_linger() {
            return Vec::new();
        }
        self.spin();
        self.take_numbers()
    }

    fn may_linger(&self) -> bool {
        self.may_spin.load(Ordering::Relaxed) && self.is_awaited.load(Ordering::Relaxed) && self.polls()
    }

    fn spin(&self) -> TurnOutcome {
        turning::run(self.called.address(), || self.runtime.reactor.spin_for_loop(|| turning::seen().moved))
    }

    /// Those that others have called, when the bell was rung. [`EventLoop::polls`] may have changed.
    pub fn called(&self) -> Vec<u64> {
        self.told();
        self.take_numbers()
    }

    /// A descriptor of [`EventLoop::descriptor`] was found ready: as if a number were called.
    pub fn told(&self) {
        self.decide(LoopShare::called);
    }

    /// Whether somebody waits in the loop at all.
    pub fn set_awaited(&self, is_awaited: bool) {
        self.is_awaited.store(is_awaited, Ordering::Relaxed);
        self.decide(|_| {});
    }

    /// Is the poll to be watched while somebody waits in the loop? If not, the I/O thread has it, until enough has been called.
    pub fn polls(&self) -> bool {
        self.share.lock().polls()
    }

    fn decide(&self, decision: impl FnOnce(&mut LoopShare)) {
        let relies = {
            let mut share = self.share.lock();
            decision(&mut share);
            !share.polls()
        };
        self.rely_on_io_thread(relies && self.is_awaited.load(Ordering::Relaxed));
    }

    fn take_numbers(&self) -> Vec<u64> {
        let mut state = self.called.state.lock();
        if std::mem::take(&mut state.is_rung) {
            self.called.bell.still();
        }
        std::mem::take(&mut state.numbers)
    }

    /// The loop does not watch the poll although somebody waits in it, so the I/O thread must poll whatever callers do; or not any more.
    fn rely_on_io_thread(&self, relies: bool) {
        if self.generation == process::generation() && self.is_relying.swap(relies, Ordering::Relaxed) != relies {
            self.runtime.reactor.keep_polling(relies);
        }
    }

    /// The descriptor of NN_SNDFD or NN_RCVFD for a loop that polls meanwhile, so that the I/O thread need not. `ENOPROTOOPT`, `EMFILE`, `EBADF`.
    pub fn descriptor(&self, context: &Context, option: i32) -> Result<RawFd> {
        context.socket().descriptor_for_loop(context.id(), option).map(|fd| fd.as_raw_fd())
    }

    /// Begins to look after one that waits, as yet for nothing. The number is what [`EventLoop::turn`] gives of it. `ENOPROTOOPT`: a socket of
    /// this type never does that.
    pub fn awaited(&self, context: &Context, want: Want, number: u64) -> Result<LoopWait> {
        let kind = context.kind();
        let side = match want {
            Want::Room if kind.can_send => Side::Send,
            Want::Message if kind.can_recv => Side::Recv,
            _ => return Err(crate::core::Error::NO_PROTO_OPT),
        };
        let waker = Waker::from(Arc::new(CallLater { called: Arc::clone(&self.called), number }));
        let (socket, context) = (Arc::clone(context.socket()), context.id());
        Ok(LoopWait { socket, context, side, waker, place: Place::default(), generation: self.generation })
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        self.rely_on_io_thread(false);
    }
}

impl Called {
    fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}

impl Wake for CallLater {
    fn wake(self: Arc<Self>) {
        let mut state = self.called.state.lock();
        state.numbers.push(self.number);
        // A turn gives them without being told.
        if !turning::is_of(self.called.address()) && !std::mem::replace(&mut state.is_rung, true) {
            // It fails only if the program has closed the descriptor, and then nobody watches it.
            let _ = self.called.bell.ring();
        }
    }
}

impl LoopWait {
    /// Waits, once. True: there is no need to, since it may be done now, or fails.
    pub fn wait(&mut self) -> bool {
        if self.generation != process::generation() {
            return true;
        }
        let LoopWait { context, side, waker, place, .. } = self;
        let is_ready = self.socket.with(|state| {
            let ready = state.core.readiness(*context);
            if !state.has_open(*context) || if *side == Side::Recv { ready.recv } else { ready.send } {
                return true;
            }
            place.take_in(state.pollers_of(*context), *side, waker);
            false
        });
        if !is_ready {
            self.socket.runtime().reactor.flush_begun();
        }
        is_ready
    }
}

impl Drop for LoopWait {
    fn drop(&mut self) {
        // In a forked child the wait is the parent's, whose threads may have held the socket's lock.
        if self.generation == process::generation() {
            self.socket.give_up(self.context, &mut self.place);
        }
    }
}
