//! Closing a socket: nothing accepted is lost, and nobody waits longer than NN_LINGER (nanomsg-api.md 10).

use std::sync::Arc;
use std::time::Instant;

use crate::core::{Readiness, Result};
use crate::reactor::parker::Parker;
use crate::reactor::{Manner, Waited};

use super::life::FLUSH;
use super::socket::{Phase, Socket, State};

impl Socket {
    /// Closes the socket: blocked callers get `EBADF`, endpoints end, inproc peers lose their pipes, and what was
    /// accepted for sending is handed to the kernel, for at most NN_LINGER milliseconds. `EBADF` if it is
    /// being closed already. Not interrupted by signals.
    pub fn close(self: &Arc<Self>) -> Result<()> {
        self.start_closing()?.wait();
        Ok(())
    }

    /// The first half of [`Socket::close`], which does not wait. So several sockets linger at the same time.
    pub fn start_closing(self: &Arc<Self>) -> Result<Farewell> {
        let mut visit = self.visit_open()?;
        visit.phase = Phase::Closing;
        let deadline = Instant::now().checked_add(visit.core.options.linger().max(FLUSH));
        for id in visit.endpoints.ids() {
            if visit.end_endpoint(id) {
                // Names are asked for only without a visit.
                drop(visit);
                self.session.names.forget(self, id);
                visit = self.visit();
            }
        }
        let left: Vec<_> = visit.pipes.ids().collect();
        visit.leave_all(left);
        drop(visit);
        Ok(Farewell { socket: Arc::clone(self), deadline })
    }

    /// Waits until every pipe has handed over what it had.
    fn drain(&self, deadline: Option<Instant>) {
        let me = Parker::mine();
        loop {
            {
                let mut visit = self.visit();
                visit.settle();
                if visit.phase == Phase::Drained {
                    return;
                }
                me.take_notice();
                visit.waiters.close = Some(Arc::clone(&me));
            }
            let waited = self.session.reactor.wait(&me, deadline, Manner { polls: self.polls(), ..Manner::POLLING });
            if matches!(waited, Waited::TimedOut | Waited::Failed) {
                return;
            }
        }
    }
}

/// A socket that is being closed, and must still be waited for.
#[must_use]
pub struct Farewell {
    socket: Arc<Socket>,
    deadline: Option<Instant>,
}

impl Farewell {
    /// Waits until what was accepted is with the kernel, or NN_LINGER is over; lets go of everything.
    pub fn wait(self) {
        self.socket.drain(self.deadline);
        self.socket.visit().release();
    }
}

impl State {
    /// Drops what did not make it in time, and every descriptor.
    fn release(&mut self) {
        let late: Vec<_> = self.pipes.ids().collect();
        for id in late {
            self.pipes.remove(id);
        }
        self.phase = Phase::Drained;
        self.monitors.end();
        self.waiters.close = None;
        self.disarm_alarm();
        if self.notify.is_wanted() {
            // Foreign loops that watch them wake up before they go.
            self.notify.set(Readiness { send: true, recv: true });
            self.notify = Default::default();
            self.session.reactor.attend(false);
        }
    }
}
