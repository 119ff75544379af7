//! What goes wrong for a client, told apart: each has a text that says what to do, and an errno.

use std::fmt;

use crate::core::Error;
use crate::qi::address::AddressError;
use crate::qi::convert::{ConvertError, ResolveError};
use crate::qi::endpoint::{Failure, Reason};
use crate::qi::message::HeaderError;
use crate::qi::meta::MetaError;
use crate::qi::payload::PayloadError;

/// Why a client's operation failed.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientError {
    /// The text is not an address to connect to.
    Address { url: String, error: AddressError },
    /// No connection to `url` came about.
    Connect { url: String, failure: Failure },
    /// The server does not want this user: its own text (section 10).
    Rejected { url: String, reason: String },
    /// The server's part of authentication makes no sense, or it hung up in the middle of it.
    Authentication { url: String, problem: String },
    /// The peer answered with an Error: its own text (section 17).
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
    NoMember { what: &'static str, name: String },
    /// The meta object's member cannot be used.
    Meta(Box<MetaError>),
    /// What was sent or received is not of the type it should be; `member` is what it was for.
    Payload { member: String, error: Box<PayloadError> },
    /// The result is not of the type that the program wants.
    Result(Box<ConvertError>),
    /// The directory does not know the service: its own text.
    NoService { name: String, text: String },
    /// The service is known, but none of its endpoints can be used from here: each, and why (section 12).
    Unreachable { name: String, endpoints: Vec<String> },
    /// The peer answers what no peer of this protocol answers.
    Protocol(String),
    /// What the system says; `EDEADLK`: waiting is impossible on the thread that reads the connection.
    System(Error),
}

/// The result of whatever a client does.
pub type Result<T> = std::result::Result<T, ClientError>;

impl ClientError {
    /// The errno that fits best.
    pub fn errno(&self) -> Error {
        match self {
            ClientError::Address { .. } | ClientError::Resolve(_) | ClientError::NoMember { .. } => Error::INVALID,
            ClientError::Connect { failure, .. } => failure.error(),
            ClientError::Rejected { .. } => Error::ACCESS,
            ClientError::Canceled => Error::INTERRUPTED,
            ClientError::TimedOut => Error::TIMED_OUT,
            ClientError::Disconnected(_) => Error::NOT_CONNECTED,
            ClientError::NoService { .. } | ClientError::Unreachable { .. } => Error::HOST_UNREACHABLE,
            ClientError::System(error) => *error,
            ClientError::Payload { error, .. } if matches!(**error, PayloadError::Convert(_)) => Error::INVALID,
            ClientError::Result(_) => Error::INVALID,
            _ => Error::PROTO,
        }
    }

    /// The connection is of no use any more, or there never was one.
    pub fn is_disconnection(&self) -> bool {
        matches!(self, ClientError::Disconnected(_) | ClientError::Connect { .. })
            || *self == ClientError::System(Error::NOT_CONNECTED)
    }

    pub(super) fn connect(url: &str, failure: Failure) -> ClientError {
        ClientError::Connect { url: url.to_owned(), failure }
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

impl fmt::Display for ClientError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Address { url, error } => write!(out, "\"{url}\": {error}"),
            ClientError::Connect { url, failure } => write!(out, "{url}: {failure}{}", hint(url, failure)),
            ClientError::Rejected { url, reason } => write!(out, "{url}: authentication rejected: {reason}"),
            ClientError::Authentication { url, problem } => write!(out, "{url}: authentication failed: {problem}"),
            ClientError::Remote(text) => out.write_str(text),
            ClientError::Canceled => out.write_str("the call was cancelled"),
            ClientError::TimedOut => out.write_str("no answer in time"),
            ClientError::Disconnected(reason) => write!(out, "the connection is gone: {reason}"),
            ClientError::Resolve(error) => error.fmt(out),
            ClientError::NoMember { what, name } => write!(out, "no such {what}: {name}"),
            ClientError::Meta(error) => error.fmt(out),
            ClientError::Payload { member, error } => write!(out, "{member}: {error}"),
            ClientError::Result(error) => write!(out, "the result: {error}"),
            ClientError::NoService { name, text } => write!(out, "no service \"{name}\": {text}"),
            ClientError::Unreachable { name, endpoints } if endpoints.is_empty() => {
                write!(out, "service \"{name}\" has no endpoints")
            }
            ClientError::Unreachable { name, endpoints } => {
                write!(
                    out,
                    "service \"{name}\" has no endpoint that can be reached from here: {}",
                    endpoints.join("; ")
                )
            }
            ClientError::Protocol(text) => write!(out, "the peer breaks the protocol: {text}"),
            ClientError::System(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for ClientError {}

impl From<Error> for ClientError {
    fn from(error: Error) -> ClientError {
        if error == Error::TIMED_OUT { ClientError::TimedOut } else { ClientError::System(error) }
    }
}

impl From<ResolveError> for ClientError {
    fn from(error: ResolveError) -> ClientError {
        ClientError::Resolve(Box::new(error))
    }
}

impl From<MetaError> for ClientError {
    fn from(error: MetaError) -> ClientError {
        ClientError::Meta(Box::new(error))
    }
}
