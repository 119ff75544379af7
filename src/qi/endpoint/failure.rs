//! Why a connection did not come about, or ended; and why a handler did.

use std::fmt;

use crate::core::Error;
use crate::qi::message::HeaderError;

/// A fault of the connection or of the peer. Each has an errno ([`Failure::error`]) and a text that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// `EINVAL` and relatives: not an address, or not one that can be used this way.
    Address(Error),
    /// `EHOSTUNREACH`: the host's name is not known.
    NoSuchHost,
    /// `ECONNREFUSED`: nobody listens there.
    Refused,
    /// `ETIMEDOUT`: not within the time allowed; also a peer that did not authenticate in time.
    TimedOut,
    /// `EPROTO`: the TLS handshake or its records; a hint if the peer does not speak TLS at all.
    Tls(String),
    /// `EINVAL`: plain `tcp`, and it is said whose certificate must be shown.
    Plain,
    /// `EPROTO` (`EMSGSIZE` for a payload over the limit): the peer does not speak QiMessaging as it should.
    Protocol(HeaderError),
    /// `ECONNRESET`: the connection ended in the middle of a message.
    Cut,
    /// `ECONNRESET`: the peer closed before the connection was of use.
    PeerClosed,
    /// `ETIMEDOUT`: the peer has begun a message and does not go on with it.
    Stalled,
    /// `ENOBUFS`: the peer takes no answers, and the reserve for them is full.
    Overflow,
    /// Whatever else the kernel says.
    System(Error),
}

impl Failure {
    /// The errno.
    pub fn error(&self) -> Error {
        match self {
            Failure::Address(error) | Failure::System(error) => *error,
            Failure::Plain => Error::INVALID,
            Failure::NoSuchHost => Error::HOST_UNREACHABLE,
            Failure::Refused => Error::CONN_REFUSED,
            Failure::TimedOut | Failure::Stalled => Error::TIMED_OUT,
            Failure::Protocol(HeaderError::TooLarge { .. }) => Error::MSG_SIZE,
            Failure::Tls(_) | Failure::Protocol(_) => Error::PROTO,
            Failure::Cut | Failure::PeerClosed => Error::CONN_RESET,
            Failure::Overflow => Error::NO_BUFFERS,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Failure::Refused,
            std::io::ErrorKind::TimedOut => Failure::TimedOut,
            // Only a stream over a stream makes these: the kernel's have a number.
            std::io::ErrorKind::InvalidData if error.raw_os_error().is_none() => Failure::Tls(error.to_string()),
            _ => Failure::System(error.into()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Address(error) => write!(out, "not a usable address ({error})"),
            Failure::NoSuchHost => out.write_str("no such host"),
            Failure::Refused => out.write_str("connection refused: nobody listens there"),
            Failure::TimedOut => out.write_str("not in time"),
            Failure::Plain => {
                out.write_str("tcp:// shows no certificate, and authorities to believe are given: use tcps://")
            }
            Failure::Tls(text) => write!(out, "TLS: {text}"),
            Failure::Protocol(breach) => breach.fmt(out),
            Failure::Cut => out.write_str("the connection ended in the middle of a message"),
            Failure::Stalled => out.write_str("the peer has begun a message and does not go on with it"),
            Failure::PeerClosed => out.write_str("the peer closed the connection"),
            Failure::Overflow => out.write_str("the peer does not read its answers"),
            Failure::System(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for Failure {}

/// Why a handler ended. Its closer is told, and its queue after the last message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// By its id.
    Removed,
    /// Its filter was for one message, or said so.
    Filter,
    /// This side closed the connection.
    Closed,
    /// The peer did, between two messages.
    PeerClosed,
    /// The queue of a subscription was full, which was to end then.
    QueueFull,
    /// It failed.
    Failed(Failure),
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Removed => out.write_str("removed"),
            Reason::QueueFull => out.write_str("the queue was full, and the subscription was to end then"),
            Reason::Filter => out.write_str("done"),
            Reason::Closed => out.write_str("closed"),
            Reason::PeerClosed => out.write_str("closed by the peer"),
            Reason::Failed(failure) => failure.fmt(out),
        }
    }
}
