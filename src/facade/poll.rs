//! `nn_poll`: readiness of many sockets (nanomsg-api.md 2.9).

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::core::{ContextId, Error, Readiness, Result};
use crate::reactor::deadline_in;
use crate::reactor::parker::Parker;
use crate::reactor::{WaitMode, time_left};
use crate::sys::futex::Slept;

use super::context::Context;
use super::socket::EngineSocket;

/// One socket or context, what its user wants to know of it, and the answer.
#[derive(Debug)]
pub struct Probe<'a> {
    /// The socket; also of a context.
    pub socket: &'a EngineSocket,
    context: ContextId,
    /// What its user wants to know.
    pub want: Readiness,
    /// The answer of [`poll`].
    pub ready: Readiness,
    /// Also an answer: it is closed, or being closed. Whoever goes on with it is told.
    pub is_closed: bool,
    /// NN_SPIN, when it was last looked at.
    spins: bool,
}

impl<'a> Probe<'a> {
    /// `ENOPROTOOPT` if the socket's type cannot do what is asked about.
    pub fn new(socket: &'a EngineSocket, want: Readiness) -> Result<Probe<'a>> {
        Probe::about(socket, ContextId::SOCKET, want)
    }

    /// The same for a context.
    pub fn of(context: &'a Context, want: Readiness) -> Result<Probe<'a>> {
        Probe::about(context.socket(), context.id(), want)
    }

    fn about(socket: &'a EngineSocket, context: ContextId, want: Readiness) -> Result<Probe<'a>> {
        let kind = socket.kind();
        if (want.send && !kind.can_send) || (want.recv && !kind.can_recv) {
            return Err(Error::NO_PROTO_OPT);
        }
        Ok(Probe { socket, context, want, ready: Readiness::default(), is_closed: false, spins: false })
    }

    /// Of what is being closed nothing waits any more: who goes on with it is told.
    fn look(&mut self) {
        let context = self.context;
        let (now, is_open, spins) = self
            .socket
            .with(|state| (state.core.readiness(context), state.has_open(context), state.core.options.spin != 0));
        self.spins = spins;
        self.is_closed = !is_open;
        self.ready = Readiness {
            send: self.want.send && (now.send || self.is_closed),
            recv: self.want.recv && (now.recv || self.is_closed),
        };
    }

    fn is_ready(&self) -> bool {
        self.ready.send || self.ready.recv
    }
}

/// Waits until one of the sockets is ready, or for `timeout` (`None`: for ever); gives how many are. A socket that is closed meanwhile is
/// ready for all that is asked about. `EINTR`; `EBADF` if one is closed already. All probes must belong to one session.
pub fn poll(probes: &mut [Probe<'_>], timeout: Option<Duration>) -> Result<usize> {
    let deadline = deadline_in(timeout);
    let Some(runtime) = probes.first().map(|probe| probe.socket.runtime().clone()) else {
        return sleep_until(deadline);
    };
    let polls = probes.iter().any(|probe| probe.socket.polls());
    for probe in probes.iter_mut() {
        probe.look();
        if probe.is_closed {
            return Err(Error::BAD_FD);
        }
    }
    if let Some(count) = ready_of(probes) {
        return Ok(count);
    }
    if polls {
        runtime.reactor.poll_now();
    }
    let me = Parker::mine();
    me.take_notice();
    if let Some(count) = register(probes, &me) {
        return Ok(count);
    }
    let mode = WaitMode { polls, spins: probes.iter().all(|probe| probe.spins), ..WaitMode::POLLING };
    let ready = runtime.reactor.wait_on(&me, deadline, mode, |me, stay| {
        forget(probes, me);
        look_at(probes).or_else(|| if stay { register(probes, me) } else { None })
    });
    match ready {
        Err(Error::TIMED_OUT) => Ok(0),
        ready => ready,
    }
}

/// Has `me` told of what they want to know, unless some are ready.
fn register(probes: &mut [Probe<'_>], me: &Arc<Parker>) -> Option<usize> {
    for probe in probes.iter() {
        probe.socket.with(|state| state.pollers_of(probe.context).add_poll(me, probe.want));
    }
    // What became ready before we were registered told nobody.
    let count = look_at(probes)?;
    forget(probes, me);
    Some(count)
}

fn forget(probes: &[Probe<'_>], me: &Arc<Parker>) {
    for probe in probes {
        probe.socket.with(|state| state.pollers_of(probe.context).remove_poll(me));
    }
}

/// Polling nothing is a sleep that signals end.
fn sleep_until(deadline: Option<Instant>) -> Result<usize> {
    let me = Parker::mine();
    loop {
        let left = time_left(deadline);
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(0);
        }
        if me.park(left) == Slept::Interrupted {
            return Err(Error::INTERRUPTED);
        }
        me.take_notice();
    }
}

/// How many are ready now; `None` if none is.
fn look_at(probes: &mut [Probe<'_>]) -> Option<usize> {
    for probe in probes.iter_mut() {
        probe.look();
    }
    ready_of(probes)
}

/// How many were ready; `None` if none was.
fn ready_of(probes: &[Probe<'_>]) -> Option<usize> {
    match probes.iter().filter(|probe| probe.is_ready()).count() {
        0 => None,
        count => Some(count),
    }
}
