//! What goes wrong with calls, and on the way to them, told apart: each has a text that says what to do, and an errno.

use std::fmt;

use crate::core::Error;
use crate::qi::address::AddressError;
use crate::qi::convert::{ConvertError, ResolveError};
use crate::qi::endpoint::{Failure, Reason};
use crate::qi::message::HeaderError;
use crate::qi::meta::MetaError;
use crate::qi::payload::PayloadError;

/// Why a call failed, or what leads to calls; and what a method of ours fails with.
#[derive(Clone, Debug, PartialEq)]
pub enum CallError {
    /// The text is not an address to connect to.
    Address {
        /// The text.
        url: String,
        /// What is wrong with it.
        error: AddressError,
    },
    /// No connection to `url` came about.
    Connect {
        /// Where to.
        url: String,
        /// Why not.
        failure: Failure,
    },
    /// A server of ours cannot listen at `url`.
    Listen {
        /// Where.
        url: String,
        /// Why not.
        failure: Failure,
    },
    /// The server does not want this user: its own text (section 10).
    Rejected {
        /// Whose.
        url: String,
        /// What it said.
        reason: String,
    },
    /// The server's part of authentication makes no sense, or it hung up in the middle of it.
    Authentication {
        /// Whose.
        url: String,
        /// What is wrong.
        problem: String,
    },
    /// The peer answered with an Error: its own text (section 17). Of a method of ours: the text that its caller gets.
    Remote(String),
    /// The call was cancelled.
    Canceled,
    /// Not within the time allowed. A call may have been carried out all the same.
    TimedOut,
    /// The connection is gone, and with it all objects of it; what was pending may or may not have been done.
    Disconnected(Reason),
    /// No such method, or not for these arguments (section 18).
    Resolve(Box<ResolveError>),
    /// No such signal or property.
    NoMember {
        /// Signal or property.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The meta object's member cannot be used.
    Meta(Box<MetaError>),
    /// What was sent or received is not of the type it should be; `member` is what it was for.
    Payload {
        /// What it was for.
        member: String,
        /// What is wrong with it.
        error: Box<PayloadError>,
    },
    /// The result is not of the type that the program wants.
    Result(Box<ConvertError>),
    /// The directory does not know the service: its own text.
    NoService {
        /// Its name.
        name: String,
        /// What the directory said.
        text: String,
    },
    /// The service is known, but none of its endpoints can be used from here: each, and why (section 12).
    Unreachable {
        /// Its name.
        name: String,
        /// Each, and why.
        endpoints: Vec<String>,
    },
    /// The peer answers what no peer of this protocol answers.
    Protocol(String),
    /// A method waits for its own object, which does one thing at a time: it would wait for itself.
    OwnTurn,
    /// The result came, but there was no room for it until somebody would ask for it
    /// ([`Budget`](crate::qi::endpoint::Budget)). The call has been carried out.
    NoRoom,
    /// What the system says; `EDEADLK`: waiting is impossible on the thread that reads the connection.
    System(Error),
}

/// The result of whatever leads to calls.
pub type Result<T> = std::result::Result<T, CallError>;

impl CallError {
    /// The errno that fits best.
    pub fn errno(&self) -> Error {
        match self {
            CallError::Address { .. } | CallError::Resolve(_) | CallError::NoMember { .. } => Error::INVALID,
            CallError::Connect { failure, .. } | CallError::Listen { failure, .. } => failure.error(),
            CallError::Rejected { .. } => Error::ACCESS,
            CallError::Canceled => Error::INTERRUPTED,
            CallError::TimedOut => Error::TIMED_OUT,
            CallError::Disconnected(_) => Error::NOT_CONNECTED,
            CallError::NoService { .. } | CallError::Unreachable { .. } => Error::HOST_UNREACHABLE,
            CallError::OwnTurn => Error::DEADLOCK,
            CallError::NoRoom => Error::NO_BUFFERS,
            CallError::System(error) => *error,
            CallError::Payload { error, .. } if matches!(**error, PayloadError::Convert(_)) => Error::INVALID,
            CallError::Result(_) => Error::INVALID,
            _ => Error::PROTO,
        }
    }

    /// The connection is of no use any more, or there never was one.
    pub fn is_disconnection(&self) -> bool {
        matches!(self, CallError::Disconnected(_) | CallError::Connect { .. })
            || *self == CallError::System(Error::NOT_CONNECTED)
    }

    /// What a caller of ours is told when a method fails with this. Of calls that we have made for it, it gets no more than it needs.
    pub(in crate::qi) fn text_for_peer(&self) -> String {
        match self {
            CallError::Canceled => "canceled".to_owned(),
            CallError::Disconnected(_) => "disconnected".to_owned(),
            other => other.to_string(),
        }
    }

    pub(in crate::qi) fn connect(url: &str, failure: Failure) -> CallError {
        CallError::Connect { url: url.to_owned(), failure }
    }
}

/// What people get wrong most (qi-design-notes.md 4), guessed from how the attempt failed.
fn hint(url: &str, failure: &Failure) -> &'static str {
    let secure = url.starts_with("tcps:");
    match failure {
        Failure::Refused => " (is the directory running, and is this its port? 9559 is usual for tcp, 9503 for tcps)",
        // A server that speaks TLS does not know what to make of our greeting, and most just hang up.
        Failure::PeerClosed | Failure::Cut if !secure => " (if it wants TLS, use tcps://)",
        Failure::System(error) if *error == Error::CONN_RESET && !secure => " (if it wants TLS, use tcps://)",
        Failure::PeerClosed | Failure::Cut if secure => " (if it does not speak TLS, use tcp://)",
        Failure::TimedOut => " (is the host reachable, and does this port speak QiMessaging?)",
        Failure::Protocol(HeaderError::Magic(_)) => " (is this the port of a QiMessaging server?)",
        _ => "",
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Address { url, error } => write!(out, "\"{url}\": {error}"),
            CallError::Connect { url, failure } => write!(out, "{url}: {failure}{}", hint(url, failure)),
            CallError::Listen { url, failure } => write!(out, "{url}: {failure}"),
            CallError::Rejected { url, reason } => write!(out, "{url}: authentication rejected: {reason}"),
            CallError::Authentication { url, problem } => write!(out, "{url}: authentication failed: {problem}"),
            CallError::Remote(text) => out.write_str(text),
            CallError::Canceled => out.write_str("the call was cancelled"),
            CallError::TimedOut => out.write_str("no answer in time"),
            CallError::Disconnected(reason @ Reason::QueueFull) => write!(out, "no more events: {reason}"),
            CallError::Disconnected(reason) => write!(out, "the connection is gone: {reason}"),
            CallError::Resolve(error) => error.fmt(out),
            CallError::NoMember { what, name } => write!(out, "no such {what}: {name}"),
            CallError::Meta(error) => error.fmt(out),
            CallError::Payload { member, error } => write!(out, "{member}: {error}"),
            CallError::Result(error) => write!(out, "the result: {error}"),
            CallError::NoService { name, text } => write!(out, "no service \"{name}\": {text}"),
            CallError::Unreachable { name, endpoints } if endpoints.is_empty() => {
                write!(out, "service \"{name}\" has no endpoints")
            }
            CallError::Unreachable { name, endpoints } => {
                write!(
                    out,
                    "service \"{name}\" has no endpoint that can be reached from here: {}",
                    endpoints.join("; ")
                )
            }
            CallError::Protocol(text) => write!(out, "the peer breaks the protocol: {text}"),
            CallError::OwnTurn => out.write_str(
                "a method waits for its own object, which does one thing at a time (let it do several at once, or do not wait)",
            ),
            CallError::NoRoom => out.write_str(
                "the result has come and been dropped: so many wait to be taken that the session's memory_limit is used up",
            ),
            CallError::System(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for CallError {}

impl From<Error> for CallError {
    fn from(error: Error) -> CallError {
        if error == Error::TIMED_OUT { CallError::TimedOut } else { CallError::System(error) }
    }
}

impl From<&str> for CallError {
    fn from(text: &str) -> CallError {
        CallError::Remote(text.to_owned())
    }
}

impl From<String> for CallError {
    fn from(text: String) -> CallError {
        CallError::Remote(text)
    }
}

impl From<ResolveError> for CallError {
    fn from(error: ResolveError) -> CallError {
        CallError::Resolve(Box::new(error))
    }
}

impl From<MetaError> for CallError {
    fn from(error: MetaError) -> CallError {
        CallError::Meta(Box::new(error))
    }
}
