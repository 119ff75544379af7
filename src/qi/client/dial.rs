//! From a URL to a connection that is authenticated (qi-messaging.md 10).

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::qi::actions::AUTHENTICATE;
use crate::qi::address::Endpoint;
use crate::qi::calls::requester::{Target, Waiter};
use crate::qi::capability::{Announced, Capabilities, CapabilityMap};
use crate::qi::endpoint::{Config, EndPoint, Failure, Pattern, Reason, Taken, Types};
use crate::qi::message::{Flags, Message, Type};
use crate::qi::payload::PayloadError;
use crate::qi::value::Reader;
use crate::reactor::Reactor;
use crate::sys::sync::Mutex;

use super::authentication::{Authentication, AuthenticationStep, Credentials};
use crate::qi::calls::Connection;
use crate::qi::calls::waiting::{Slot, deadline_in};
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
        let address = Endpoint::to_connect(url).map_err(|error| CallError::Address { url: url.into(), error })?;
        Connection::open_first(reactor, std::slice::from_ref(&address), options)
            .map_err(|mut errors| errors.pop().unwrap_or(CallError::connect(&address.to_string(), Failure::PeerClosed)))
    }

    /// [`Connection::open`] for the first of these endpoints that answers and lets us in; which that is, its
    /// [`url`](Connection::url) says. One that answers and is of no use leaves the others to be tried, each time within
    /// `options.timeout`; but who does not want us has been found. Fails with an error for each, or that of the refusal alone.
    pub(super) fn open_first(
        reactor: &Arc<Reactor>,
        endpoints: &[Endpoint],
        options: &DialOptions,
    ) -> std::result::Result<Arc<Connection>, Vec<CallError>> {
        let mut left = endpoints.to_vec();
        let mut errors = Vec::new();
        while !left.is_empty() {
            match race(reactor, &left, options) {
                Ok(connection) => return Ok(connection),
                Err(Lost::All(failed)) => {
                    errors.extend(failed);
                    break;
                }
                Err(Lost::Winner(_, error @ CallError::Rejected { .. })) => return Err(vec![error]),
                Err(Lost::Winner(at, error)) => {
                    left.remove(at);
                    errors.push(error);
                }
            }
        }
        Err(errors)
    }
}

/// Why no connection came of a race.
enum Lost {
    /// No endpoint was reached.
    All(Vec<CallError>),
    /// This one was first, and is of no use.
    Winner(usize, CallError),
}

fn race(
    reactor: &Arc<Reactor>,
    endpoints: &[Endpoint],
    options: &DialOptions,
) -> std::result::Result<Arc<Connection>, Lost> {
    let deadline = deadline_in(options.timeout);
    let mut made = None;
    let announced = Arc::new(Announcements::default());
    let connected =
        EndPoint::connect_first(reactor, endpoints, options.config.clone(), options.timeout, |endpoint, at| {
            let connection = Connection::new(endpoint, &endpoints[at].to_string());
            let heard = connection.and_then(|connection| announced.hear(endpoint).map(|()| connection));
            made = Some((at, heard));
        });
    if let Err(failures) = connected {
        let failed = |(endpoint, failure): (&Endpoint, Failure)| CallError::connect(&endpoint.to_string(), failure);
        return Err(Lost::All(endpoints.iter().zip(failures).map(failed).collect()));
    }
    // An end point that is connected has been welcomed.
    let Some((at, connection)) = made else { return Err(Lost::All(Vec::new())) };
    let connection = connection.map_err(|error| Lost::Winner(at, error))?;
    match authenticate(&connection, &announced, options, deadline) {
        Ok(()) => Ok(connection),
        Err(error) => {
            connection.close();
            Err(Lost::Winner(at, explained(connection.url(), error)))
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
        let map = Reader::new(&message.payload).read(&CapabilityMap::signature());
        let map = map.ok().and_then(|map| CapabilityMap::from_value(&map));
        if let (Some(Ok(map)), Some(announced)) = (map, &mut *self.0.lock()) {
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

fn authenticate(
    connection: &Arc<Connection>,
    announced: &Announcements,
    options: &DialOptions,
    deadline: Option<Instant>,
) -> Result<()> {
    let url = || connection.url().to_owned();
    let mut machine = Authentication::new(options.capabilities, options.credentials.clone());
    let mut map = machine.opening();
    loop {
        let reply = match round(connection, &map, deadline) {
            Err(CallError::Remote(reason)) => return Err(CallError::Rejected { url: url(), reason }),
            reply => reply?,
        };
        machine.announced(announced.take());
        match machine.replied(reply) {
            AuthenticationStep::Again(next) => map = next,
            AuthenticationStep::Done(shared) => {
                connection.agree(shared);
                announced.end();
                return Ok(());
            }
            AuthenticationStep::Refused(reason) => return Err(CallError::Rejected { url: url(), reason }),
            AuthenticationStep::Nonsense(problem) => return Err(CallError::Authentication { url: url(), problem }),
        }
    }
}

/// One Call of authenticate, and the map in its Reply.
fn round(connection: &Arc<Connection>, map: &CapabilityMap, deadline: Option<Instant>) -> Result<CapabilityMap> {
    let signature = CapabilityMap::signature();
    let slot = Arc::new(Slot::default());
    let target = Target { service: 0, object: 0, action: AUTHENTICATE, result: Some(signature.clone()) };
    let failed = |error: PayloadError| CallError::Payload { member: "authenticate".into(), error: Box::new(error) };
    let call = connection.start(target, Waiter::Slot(Arc::clone(&slot)), deadline, |writer| {
        let payload = writer.encode(&map.to_value(), &signature).map_err(|error| failed(error.into()))?;
        Ok((payload, Flags::NONE))
    })?;
    let outcome = slot.wait(connection.reactor(), Some(connection.endpoint()), deadline);
    if outcome.is_err() {
        connection.give_up(call.id);
    }
    let nonsense = |problem: String| CallError::Authentication { url: connection.url().into(), problem };
    let value = connection.result(outcome??, &signature).map_err(|error| nonsense(error.to_string()))?;
    match CapabilityMap::from_value(&value) {
        Some(Ok(map)) => Ok(map),
        Some(Err(error)) => Err(nonsense(error.to_string())),
        None => Err(nonsense(format!("the reply is of type {}", value.signature()))),
    }
}
