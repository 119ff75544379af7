//! All that a socket is, but for its lock: the protocol machine, the pipes, the endpoints, who waits.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::core::lifecycle::Lifecycle;
use crate::core::options::USUAL_BUFFER;
use crate::core::text::without_controls;
use crate::core::{Arrivals, Cmd, ContextId, PipeId, Result, SocketCore};
use crate::reactor::Polled;
use crate::sys::eventfd::SharedFd;
use crate::sys::stderr;
use crate::transport::pipe::StreamPipe;
use crate::transport::source::Source;
use crate::transport::stream::Buffers;
use crate::transport::{EndpointOptions, Setup, TransportOptions};

use super::alarm::{Alarm, AlarmOwner};
use super::contexts::ContextTable;
use super::endpoints::{Endpoints, Failed, TransportRef};
use super::handshakes::BegunHandshakes;
use super::key::Key;
use super::monitor::Monitors;
use super::notify::Notify;
use super::pipes::{Pipe, PipeTable};
use super::runtime::Runtime;
use super::waiters::{Phase, Side, Waiters};

pub struct SocketState {
    pub core: SocketCore,
    pub pipes: PipeTable,
    pub endpoints: Endpoints,
    pub monitors: Monitors,
    pub handshakes: BegunHandshakes,
    pub transport_options: TransportOptions,
    pub waiters: Waiters,
    pub notify: Notify,
    /// Whether the I/O thread was asked to poll also while callers do.
    pub keeps_polling: bool,
    pub phase: Phase,
    pub runtime: Arc<Runtime>,
    /// Whoever is told what happens to descriptors, timers and peers: the socket.
    pub me: Weak<dyn Source>,
    alarm: Alarm,
    pub contexts: ContextTable,
}

impl SocketState {
    pub fn new(runtime: Arc<Runtime>, core: SocketCore, me: Weak<dyn Source>) -> SocketState {
        let mut state = SocketState {
            pipes: PipeTable::new(Weak::clone(&me), Arc::clone(&runtime), core.kind()),
            core,
            endpoints: Endpoints::default(),
            monitors: Monitors::default(),
            handshakes: BegunHandshakes::default(),
            transport_options: TransportOptions::default(),
            waiters: Waiters::default(),
            notify: Notify::default(),
            keeps_polling: false,
            phase: Phase::Open,
            runtime,
            me,
            alarm: Alarm::default(),
            contexts: ContextTable::default(),
        };
        state.options_changed();
        state
    }

    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub fn feed(&mut self, cmd: Cmd) {
        self.core.notice(cmd, &mut self.pipes);
        if let Cmd::Writable(_) | Cmd::Hangup(_) | Cmd::Detach(_) = cmd {
            self.waiters.pipe_changed(&mut self.pipes.work);
        }
    }

    /// Did a command leave anything to settle? Most do not.
    #[inline]
    pub fn is_unsettled(&self) -> bool {
        self.pipes.is_unsettled() || self.phase == Phase::Closing
    }

    /// The protocol's timer of the socket itself, or of a context, expired.
    pub fn alarm(&mut self, context: ContextId) {
        let (alarm, owner) = self.alarm_of(context);
        if alarm.is_some_and(|alarm| alarm.expired(&owner)) {
            self.feed(Cmd::Timer(context));
        }
    }

    pub fn set_alarm(&mut self, context: ContextId, after: Option<Duration>) {
        let (alarm, owner) = self.alarm_of(context);
        if let Some(alarm) = alarm {
            alarm.set(after, &owner);
        }
    }

    pub fn disarm_alarm(&mut self) {
        self.alarm.disarm(&self.runtime);
    }

    fn alarm_of(&mut self, context: ContextId) -> (Option<&mut Alarm>, AlarmOwner<'_>) {
        let owner = AlarmOwner { source: &self.me, context, runtime: &self.runtime };
        let alarm = match context {
            ContextId::SOCKET => Some(&mut self.alarm),
            context => self.contexts.get_mut(context).map(|context| &mut context.alarm),
        };
        (alarm, owner)
    }

    /// Those who wait to send or to receive in a context; if any of them may have what arrives, they wait in one line.
    pub fn waiters_of(&mut self, context: ContextId, side: Side) -> &mut Waiters {
        let in_line = side == Side::Recv && self.core.kind().contexts == Some(Arrivals::Shared);
        match self.contexts.get_mut(context) {
            Some(own) if !in_line => &mut own.waiters,
            _ => &mut self.waiters,
        }
    }

    /// Those who poll a context.
    pub fn pollers_of(&mut self, context: ContextId) -> &mut Waiters {
        if context != ContextId::SOCKET {
            self.contexts.watch(context);
        }
        match self.contexts.get_mut(context) {
            Some(own) => &mut own.waiters,
            None => &mut self.waiters,
        }
    }

    /// How long a call may wait, in milliseconds; negative: for ever.
    pub fn time_limit(&self, context: ContextId, side: Side) -> i32 {
        match (self.contexts.get(context), side) {
            (Some(own), side) => own.time_limit(side),
            (None, Side::Send | Side::SendTo) => self.core.options.sndtimeo,
            (None, Side::Recv) => self.core.options.rcvtimeo,
        }
    }

    /// Is a context, or the socket itself, not closed?
    #[inline]
    pub fn has_open(&self, context: ContextId) -> bool {
        self.is_open() && (context == ContextId::SOCKET || self.contexts.get(context).is_some_and(|own| own.is_open))
    }

    /// Hands the options on to where they are used for every message.
    pub fn options_changed(&mut self) {
        self.pipes.max_size = self.core.options.max_size();
        self.pipes.limit.set(self.pipes.max_size);
        self.pipes.tells_peers = self.core.options.recv_peer != 0;
        self.pipes.coalescing.set_wanted(self.core.options.coalesce != 0);
    }

    /// SNDFD or RCVFD. Somebody has to poll for whoever has it.
    pub fn notification(&mut self, context: ContextId, side: Side) -> Result<SharedFd> {
        let notify = match self.contexts.get_mut(context) {
            Some(own) => &mut own.notify,
            None => &mut self.notify,
        };
        let fd = notify.descriptor(side)?;
        if context != ContextId::SOCKET {
            self.contexts.watch(context);
            self.pipes.changed_contexts.push(context);
        }
        Ok(fd)
    }

    /// Who is told by a descriptor or a waker does not poll: from now on the I/O thread does.
    pub fn keep_polling(&mut self) {
        if !std::mem::replace(&mut self.keeps_polling, true) {
            self.runtime.reactor.keep_polling(true);
        }
    }

    /// What a new endpoint takes from the options as they stand.
    pub fn endpoint_options(&self) -> EndpointOptions {
        EndpointOptions { ipv4only: self.core.options.ipv4only != 0, options: self.transport_options.clone() }
    }

    /// A connection of an endpoint begins and is watched, for writability too if that is what comes next. `None`: nobody wants it any more.
    pub fn watch_pipe(
        &mut self,
        endpoint: i32,
        pipe: StreamPipe,
        (transport, remote): (TransportRef, Option<SocketAddr>),
        write: bool,
    ) -> Option<Result<PipeId>> {
        let me = self.me.upgrade()?;
        let priorities = self.endpoints.get(endpoint)?.priorities;
        let fd = pipe.stream().fd();
        let pipe = Pipe::Stream { pipe, polled: Polled::Not, transport, remote };
        let (id, key) = self.pipes.insert(pipe, endpoint, priorities, Lifecycle::Connecting);
        Some(match Polled::register(&self.runtime.reactor, fd, me, key, write) {
            Ok(polled) => {
                self.pipes.registered(id, polled);
                Ok(id)
            }
            Err(error) => {
                self.pipes.remove(id);
                Err(error.into())
            }
        })
    }

    /// What a new connection takes from the options as they stand.
    pub fn setup(&self) -> Setup<'_> {
        let options = &self.core.options;
        let size = |size| usize::try_from(size).ok();
        let is_elastic = options.rcvbuf == USUAL_BUFFER;
        let buffers = Buffers { send: size(options.sndbuf), recv: size(options.rcvbuf), is_elastic };
        Setup { buffers, options: &self.transport_options, limit: &self.pipes.limit, keepalive: options.keepalive() }
    }

    /// One timer per pipe: that of connecting, then the greeting's, later that of lingering.
    pub fn start_timer(&mut self, id: PipeId, after: Duration) {
        let (runtime, me) = (self.runtime.clone(), self.me.upgrade());
        let (Some(entry), Some(me)) = (self.pipes.get(id), me) else { return };
        if let Some(timer) = entry.timer.take() {
            runtime.reactor.disarm(timer);
        }
        let key = Key::Pipe(id, entry.generation).pack();
        entry.timer = Some(runtime.reactor.arm(Instant::now() + after, me, key));
    }

    /// Notes that an endpoint failed, and says so once under NN_PRINT_ERRORS.
    pub fn endpoint_is_ill(&mut self, id: i32, failed: &Failed) {
        let Some(endpoint) = self.endpoints.get(id) else { return };
        let error = failed.error;
        endpoint.last_error = Some(failed.text());
        let before = endpoint.error.replace(error);
        if before.is_none() {
            self.core.statistics.current_ep_errors += 1;
        }
        if before != Some(error) && self.runtime.prints_errors {
            self.print_error(id, &failed.text());
        }
    }

    pub fn endpoint_is_well(&mut self, id: i32) {
        if self.endpoints.get(id).and_then(|endpoint| endpoint.error.take()).is_some() {
            self.core.statistics.current_ep_errors -= 1;
        }
    }

    fn print_error(&mut self, id: i32, text: &str) {
        let name = String::from_utf8_lossy(&self.core.options.name).into_owned();
        let Some(endpoint) = self.endpoints.get(id) else { return };
        let url = String::from_utf8_lossy(&endpoint.url);
        let address = url.split_once("://").map_or(&*url, |(_, address)| address);
        stderr::write_line(&without_controls(&format!("nanomsg: socket.{name}[{address}]: Error: {text}")));
    }
}
