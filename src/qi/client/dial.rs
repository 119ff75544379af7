//! From a URL to a connection that is authenticated (qi-messaging.md 10).

use std::sync::Arc;
use std::time::Duration;

use crate::qi::actions::AUTHENTICATE;
use crate::qi::address::Endpoint;
use crate::qi::calls::requester::{Outcome, Target, Waiter};
use crate::qi::capability::{Announced, Capabilities, CapabilityMap};
use crate::qi::endpoint::{
    Config, EndPoint, Failure, Handshake, Handshaking, NotReached, Pattern, Reason, Taken, Types, Until,
};
use crate::qi::message::{Flags, Message, Type};
use crate::qi::payload::PayloadError;
use crate::qi::value::Reader;
use crate::reactor::parker::Parker;
use crate::reactor::{Reactor, deadline_in};
use crate::sys::sync::Mutex;

use super::authentication::{Authentication, AuthenticationStep, Credentials};
use crate::qi::calls::Connection;
use crate::qi::calls::waiting::Slot;
use crate::qi::calls::{CallError, Result};

/// What connections are made with.
#[derive(Clone, Debug)]
pub struct DialOptions {
    /// What we announce. `Capabilities::OURS` and relative endpoints, which a client can follow.
    pub capabilities: Capabilities,
    /// Who the session says it is.
    pub credentials: Credentials,
    /// Settings of the end point: limits, TLS.
    pub config: Config,
    /// For connecting and authenticating together; 10 s. `None`: as long as it takes.
    pub timeout: Option<Duration>,
}

impl Default for DialOptions {
    fn default() -> DialOptions {
        DialOptions {
            capabilities: Capabilities { relative_endpoint_uri: true, ..Capabilities::OURS },
            credentials: Credentials::default(),
            config: Config::default(),
            timeout: Some(Duration::from_secs(10)),
        }
    }
}

impl Connection {
    /// Connects to `url` and authenticates. Blocks: `EDEADLK` on a thread that reads a connection. The errors tell apart
    /// what is no address, what is not reached, TLS, a server that rejects us (with its words), and nonsense.
    pub fn open(reactor: &Arc<Reactor>, url: &str, options: &DialOptions) -> Result<Arc<Connection>> {
        Connection::open_unless(reactor, url, options, &|| false)
    }

    /// [`Connection::open`], unless it is given up meanwhile.
    pub(super) fn open_unless(
        reactor: &Arc<Reactor>,
        url: &str,
        options: &DialOptions,
        given_up: &dyn Fn() -> bool,
    ) -> Result<Arc<Connection>> {
        let address = Endpoint::to_connect(url).map_err(|error| CallError::Address { url: url.into(), error })?;
        Connection::open_first(reactor, std::slice::from_ref(&address), options, given_up)
            .map_err(|mut errors| errors.pop().unwrap_or(CallError::connect(&address.to_string(), Failure::PeerClosed)))
    }

    /// [`Connection::open`] for the first of these endpoints that answers and lets us in; which that is, its
    /// [`url`](Connection::url) says. One that is silent, or of no use, does not keep the others from being tried, all within
    /// `options.timeout`; but who does not want us has been found. Fails with an error for each, or that of the refusal alone.
    pub(super) fn open_first(
        reactor: &Arc<Reactor>,
        endpoints: &[Endpoint],
        options: &DialOptions,
        given_up: &dyn Fn() -> bool,
    ) -> std::result::Result<Arc<Connection>, Vec<CallError>> {
        let until = Until { end: deadline_in(options.timeout), given_up };
        let begin = |endpoint: &Arc<EndPoint>, at: usize| Candidate::new(endpoint, &endpoints[at], options);
        let opened = EndPoint::connect_first(reactor, endpoints, options.config.clone(), until, begin);
        let explained = |(endpoint, why): (&Endpoint, NotReached<CallError>)| match why {
            NotReached::Connecting(failure) => CallError::connect(&endpoint.to_string(), failure),
            NotReached::Handshake(error) => error,
        };
        match opened {
            Ok(candidate) => Ok(candidate.connection),
            Err(failures) => Err(endpoints.iter().zip(failures).map(explained).collect()),
        }
    }
}

/// A connection on which authentication is under way.
struct Candidate {
    connection: Arc<Connection>,
    announced: Arc<Announcements>,
    machine: Authentication,
    /// What is to be asked next, or where the answer will be.
    round: AuthenticationRound,
}

enum AuthenticationRound {
    Ask(CapabilityMap),
    Asked(Arc<Slot<Outcome>>),
}

impl Handshake for Candidate {
    type Error = CallError;

    fn look(&mut self, caller: &Arc<Parker>) -> Handshaking<CallError> {
        match self.step(caller) {
            Ok(false) => Handshaking::Pending,
            Ok(true) => Handshaking::Done,
            Err(error) => {
                self.connection.close();
                match explained(self.connection.url(), error) {
                    error @ CallError::Rejected { .. } => Handshaking::Refused(error),
                    error => Handshaking::Failed(error),
                }
            }
        }
    }
}

impl Candidate {
    fn new(endpoint: &Arc<EndPoint>, address: &Endpoint, options: &DialOptions) -> Result<Candidate> {
        let connection = Connection::new(endpoint, &address.to_string())?;
        let announced = Arc::new(Announcements::default());
        announced.hear(endpoint)?;
        let machine = Authentication::new(options.capabilities, options.credentials.clone());
        let round = AuthenticationRound::Ask(machine.opening());
        Ok(Candidate { connection, announced, machine, round })
    }

    /// Goes on as far as it can. True: we are let in.
    fn step(&mut self, caller: &Arc<Parker>) -> Result<bool> {
        let url = || self.connection.url().to_owned();
        loop {
            let outcome = match &self.round {
                AuthenticationRound::Ask(map) => {
                    self.round = AuthenticationRound::Asked(ask(&self.connection, map)?);
                    continue;
                }
                AuthenticationRound::Asked(slot) => match slot.look(caller) {
                    Some(outcome) => outcome,
                    None => return Ok(false),
                },
            };
            let reply = match reply(&self.connection, outcome) {
                Err(CallError::Remote(reason)) => return Err(CallError::Rejected { url: url(), reason }),
                reply => reply?,
            };
            self.machine.announced(self.announced.take());
            match self.machine.replied(reply) {
                AuthenticationStep::Again(next) => self.round = AuthenticationRound::Ask(next),
                AuthenticationStep::Done(shared) => {
                    self.connection.agree(shared);
                    self.announced.end();
                    return Ok(true);
                }
                AuthenticationStep::Refused(reason) => return Err(CallError::Rejected { url: url(), reason }),
                AuthenticationStep::Nonsense(problem) => {
                    return Err(CallError::Authentication { url: url(), problem });
                }
            }
        }
    }
}

/// What went wrong before the connection was of use is a failure to connect.
fn explained(url: &str, error: CallError) -> CallError {
    let failure = match error {
        CallError::Disconnected(Reason::Failed(failure)) => failure,
        CallError::Disconnected(_) => Failure::PeerClosed,
        CallError::TimedOut => Failure::TimedOut,
        error => return error,
    };
    CallError::connect(url, failure)
}

/// What the peer announces by Capability messages while authentication is under way; `None` after it.
struct Announcements(Mutex<Option<Announced>>);

impl Default for Announcements {
    fn default() -> Announcements {
        Announcements(Mutex::new(Some(Announced::default())))
    }
}

impl Announcements {
    fn hear(self: &Arc<Self>, endpoint: &EndPoint) -> Result<()> {
        let announcements = Arc::clone(self);
        let sink = move |_: &EndPoint, message: &Message| {
            announcements.add(message);
            Taken::Yes
        };
        endpoint.make_sink(Pattern::types(Types::of(Type::Capability)), Arc::new(sink), None)?;
        Ok(())
    }

    fn add(&self, message: &Message) {
        let mut announced = self.0.lock();
        let Some(announced) = &mut *announced else { return };
        let map = Reader::new(&message.payload).read(&CapabilityMap::signature());
        if let Some(Ok(map)) = map.ok().and_then(|map| CapabilityMap::from_value(&map)) {
            announced.add(map.announced());
        }
    }

    /// Those since this was asked last.
    fn take(&self) -> Announced {
        self.0.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn end(&self) {
        *self.0.lock() = None;
    }
}

/// Begins one Call of authenticate.
fn ask(connection: &Arc<Connection>, map: &CapabilityMap) -> Result<Arc<Slot<Outcome>>> {
    let signature = CapabilityMap::signature();
    let slot = Arc::new(Slot::awaited());
    let target = Target { service: 0, object: 0, action: AUTHENTICATE, result: Some(signature.clone()) };
    let failed = |error: PayloadError| CallError::Payload { member: "authenticate".into(), error: Box::new(error) };
    connection.start(target, Waiter::Slot(Arc::clone(&slot)), None, |writer| {
        let payload = writer.encode(&map.to_value(), &signature).map_err(|error| failed(error.into()))?;
        Ok((payload, Flags::NONE))
    })?;
    connection.endpoint().flush();
    Ok(slot)
}

/// The map in its Reply.
fn reply(connection: &Arc<Connection>, outcome: Outcome) -> Result<CapabilityMap> {
    let nonsense = |problem: String| CallError::Authentication { url: connection.url().into(), problem };
    let value =
        connection.result(outcome?, &CapabilityMap::signature()).map_err(|error| nonsense(error.to_string()))?;
    match CapabilityMap::from_value(&value) {
        Some(Ok(map)) => Ok(map),
        Some(Err(error)) => Err(nonsense(error.to_string())),
        None => Err(nonsense(format!("the reply is of type {}", value.signature()))),
    }
}
