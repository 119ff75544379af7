//! Connecting endpoints: carries out what [`Dialling`] says, which tells the states.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::core::dialling::{DialStep, Dialling};
use crate::core::options::Options;
use crate::core::{Error, Result};
use crate::transport::pipe::StreamPipe;
use crate::transport::resolve;

use super::endpoints::{Dialing, EndpointKind, Failed};
use super::key::Key;
use super::monitor::EventKind;
use super::state::SocketState;

/// Why there is no address to connect to.
const UNRESOLVED: &str = "the host's name is not known, or has no address of the kind that is asked for";

impl SocketState {
    /// Begins an attempt: the endpoint is new, or its wait is over. For a listener: its pause is.
    pub fn try_again(&mut self, id: i32) {
        let limit = Options::timeout(self.core.options.connect_timeout);
        let Some(dial) = self.dial(id) else { return self.resume_accepting(id) };
        dial.wait = None;
        let is_name = dial.dialer.query().is_some();
        self.drive(id, |dialling| dialling.begin(is_name, limit));
    }

    pub fn resolved(&mut self, id: i32, outcome: Result<Vec<IpAddr>>) {
        match outcome {
            Ok(addresses) => {
                self.tell(EventKind::Resolved, id, || listed(&addresses));
                self.drive(id, |dialling| dialling.resolved(addresses));
            }
            Err(error) => {
                // The number is the reference's; its own text is about routes.
                let reason = (error == Error::HOST_UNREACHABLE).then_some(UNRESOLVED);
                let failed = Failed { reason, ..Failed::of(error) };
                self.endpoint_is_ill(id, &failed);
                let step = self.advance(id, |dialling| dialling.resolved([]));
                self.tell_of_failure(EventKind::ConnectFailed, id, &failed, step.wait());
                self.carry_out(id, step);
            }
        }
    }

    /// A connect failed: nothing listens there, or it cannot be reached. It counts when no other address is left.
    pub fn connect_failed(&mut self, id: i32, error: Error) {
        let Some(dial) = self.dial(id) else { return };
        let (took, at) = (dial.began.elapsed(), dial.target);
        let step = self.advance(id, |dialling| dialling.failed(took));
        // Before the next address is tried, which may fail at once.
        let failed = Failed { at, ..Failed::of(error) };
        self.tell_of_failure(EventKind::ConnectFailed, id, &failed, step.wait());
        if step.wait().is_some() {
            self.core.statistics.connect_errors += 1;
            self.endpoint_is_ill(id, &failed);
        }
        self.carry_out(id, step);
    }

    /// An established connection ended. For a listener there is nothing to do. Gives after how long it is made anew.
    pub fn connection_lost(&mut self, id: i32, attached_at: Option<Instant>) -> Option<Duration> {
        let lasted = attached_at.map(|at| at.elapsed());
        self.drive(id, |dialling| dialling.lost(lasted))
    }

    /// An established connection ended, and another one would come to the same end: no more is tried.
    pub fn give_up_dialing(&mut self, id: i32) {
        if let Some(dial) = self.dial(id) {
            dial.dialling.give_up();
        }
    }

    pub fn stop_dialing(&mut self, dial: Dialing) {
        if dial.dialling.is_in_progress() {
            self.core.statistics.inprogress_connections -= 1;
        }
        if let Some(timer) = dial.wait {
            self.runtime.reactor.disarm(timer);
        }
    }

    /// The connect of a pipe succeeded.
    pub fn dial_connected(&mut self, id: i32) {
        self.core.statistics.established_connections += 1;
        self.endpoint_is_well(id);
        self.drive(id, Dialling::connected);
    }

    /// Has the machine go on, and does what it says. If that is to wait, the attempt is over, or the connection that came of
    /// it: gives for how long.
    fn drive(&mut self, id: i32, go_on: impl FnOnce(&mut Dialling<IpAddr>) -> DialStep<IpAddr>) -> Option<Duration> {
        let step = self.advance(id, go_on);
        self.carry_out(id, step);
        step.wait()
    }

    /// Has the machine go on.
    fn advance(&mut self, id: i32, go_on: impl FnOnce(&mut Dialling<IpAddr>) -> DialStep<IpAddr>) -> DialStep<IpAddr> {
        let Some(dial) = self.dial(id) else { return DialStep::Nothing };
        let was_in_progress = dial.dialling.is_in_progress();
        let step = go_on(&mut dial.dialling);
        match (was_in_progress, dial.dialling.is_in_progress()) {
            (false, true) => self.core.statistics.inprogress_connections += 1,
            (true, false) => self.core.statistics.inprogress_connections -= 1,
            _ => {}
        }
        step
    }

    /// Does what the machine has said.
    fn carry_out(&mut self, id: i32, step: DialStep<IpAddr>) {
        match step {
            DialStep::Nothing => {}
            DialStep::Resolve => self.resolve(id),
            DialStep::Connect(address, within) => self.connect_to(id, address, within),
            DialStep::Wait(time) => self.wait_to_retry(id, time),
        }
    }

    fn resolve(&mut self, id: i32) {
        let me = self.me.upgrade();
        let query = self.dial(id).and_then(|dial| dial.dialer.query());
        if let (Some(query), Some(me)) = (query, me)
            && let Err(error) = resolve::start(move || query.answer(), me, Key::Endpoint(id).pack())
        {
            self.resolved(id, Err(error));
        }
    }

    fn connect_to(&mut self, id: i32, address: Option<IpAddr>, within: Option<Duration>) {
        if let Some(dial) = self.dial(id) {
            dial.began = Instant::now();
            dial.target = dial.dialer.target(address);
        }
        let setup = self.setup();
        let Some(EndpointKind::Dial(dial)) = self.endpoints.peek(id) else { return };
        let (transport, remote) = (dial.transport, dial.target);
        match dial.dialer.dial(address, &setup) {
            Ok(stream) => {
                let pipe = StreamPipe::new(stream, transport.framing(), true);
                match self.watch_pipe(id, pipe, (transport, remote), true) {
                    None => {}
                    Some(Ok(pipe_id)) => {
                        if let Some(within) = within {
                            self.start_timer(pipe_id, within);
                        }
                    }
                    Some(Err(error)) => self.connect_failed(id, error),
                }
            }
            Err(error) => self.connect_failed(id, error.into()),
        }
    }

    fn wait_to_retry(&mut self, id: i32, time: Duration) {
        let (me, runtime) = (self.me.upgrade(), self.runtime.clone());
        let (Some(dial), Some(me)) = (self.dial(id), me) else { return };
        dial.wait = Some(runtime.reactor.arm(Instant::now() + time, me, Key::Endpoint(id).pack()));
    }

    fn dial(&mut self, id: i32) -> Option<&mut Dialing> {
        match &mut self.endpoints.get(id)?.kind {
            EndpointKind::Dial(dial) => Some(dial),
            _ => None,
        }
    }
}

fn listed(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}
