//! Closing a socket: nothing accepted is lost, and nobody waits longer than NN_LINGER (nanomsg-api.md 10).

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::core::lifecycle::FLUSH;
use crate::core::{Error, Readiness, Result};
use crate::reactor::WaitMode;

use super::socket::EngineSocket;
use super::state::SocketState;
use super::waiters::Phase;

impl EngineSocket {
    /// Closes the socket: blocked callers get `EBADF`, endpoints end, inproc peers lose their pipes, and what was
    /// accepted for sending is handed to the kernel, for at most NN_LINGER milliseconds. `EBADF` if it is
    /// being closed already. Not interrupted by signals.
    pub fn close(self: &Arc<Self>) -> Result<()> {
        self.start_closing()?.wait();
        Ok(())
    }

    /// The first half of [`EngineSocket::close`], which does not wait. So several sockets linger at the same time.
    pub fn start_closing(self: &Arc<Self>) -> Result<Closing> {
        let (deadline, inproc) = self.with_open(|state| {
            state.phase = Phase::Closing;
            let deadline = Instant::now().checked_add(state.core.options.linger().max(FLUSH));
            let mut inproc = state.endpoints.ids();
            inproc.retain(|id| state.end_endpoint(*id));
            let left: Vec<_> = state.pipes.ids().collect();
            state.leave_all(left);
            state.end_contexts();
            Ok((deadline, inproc))
        })?;
        inproc.into_iter().for_each(|id| self.forget_name(id));
        Ok(Closing { socket: Arc::clone(self), deadline })
    }

    /// Waits until every pipe has handed over what it had. `EINTR`, if it is interruptible; what is not drained in time is dropped.
    fn drain(&self, deadline: Option<Instant>, interruptible: bool) -> Result<()> {
        let mode = WaitMode { polls: self.polls(), interruptible, ..WaitMode::POLLING };
        let drained = self.runtime().reactor.wait_for(deadline, mode, |me, stay| {
            self.with(|state| {
                state.settle();
                let is_drained = state.phase == Phase::Drained;
                state.waiters.close = (stay && !is_drained).then(|| Arc::clone(me));
                is_drained.then_some(())
            })
        });
        match drained {
            Err(Error::INTERRUPTED) => Err(Error::INTERRUPTED),
            _ => Ok(()),
        }
    }
}

/// A socket that is being closed, and must still be waited for.
#[must_use]
pub struct Closing {
    socket: Arc<EngineSocket>,
    deadline: Option<Instant>,
}

impl Closing {
    /// Waits until what was accepted is with the kernel, or NN_LINGER is over; lets go of everything.
    pub fn wait(self) {
        // Nothing interrupts it.
        let _ = self.wait_until(false);
    }

    /// The same for who answers signals: `EINTR` when a handler ran, and it can be waited for again, here or elsewhere.
    pub fn wait_interruptibly(&self) -> Result<()> {
        self.wait_until(true)
    }

    fn wait_until(&self, interruptible: bool) -> Result<()> {
        self.socket.drain(self.deadline, interruptible)?;
        self.socket.with(SocketState::release);
        Ok(())
    }

    /// Waits in a thread of its own, if there is something to wait for, and then does this. Without a thread, here.
    pub fn wait_elsewhere(self, then: impl FnOnce() + Send + 'static) {
        if self.socket.with(|state| state.phase == Phase::Drained) {
            self.wait();
            return then();
        }
        let closing_later = Arc::new(Mutex::new(Some((self, then))));
        let say = move || {
            let closing_later = closing_later.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some((closing, then)) = closing_later {
                closing.wait();
                then();
            }
        };
        if thread::Builder::new().name("millrace-close".into()).spawn(say.clone()).is_err() {
            say();
        }
    }
}

impl SocketState {
    fn end_contexts(&mut self) {
        for context in self.contexts.ids() {
            if let Some(own) = self.contexts.get_mut(context).filter(|own| own.is_open) {
                own.end(&self.runtime, &mut self.pipes.work);
            }
        }
    }

    /// Drops what did not make it in time, and every descriptor.
    fn release(&mut self) {
        let late: Vec<_> = self.pipes.ids().collect();
        for id in late {
            self.forget(id);
        }
        self.phase = Phase::Drained;
        self.monitors.end();
        self.waiters.close = None;
        self.disarm_alarm();
        if self.notify.is_wanted() {
            // Foreign loops that watch them wake up before they go.
            self.notify.set(Readiness { send: true, recv: true });
            self.notify = Default::default();
        }
        if std::mem::take(&mut self.keeps_polling) {
            self.runtime.reactor.keep_polling(false);
        }
    }
}
