//! Transports. One over bytes is a stream (how to listen and dial) plus a framing; inproc is a pair of
//! queues. A new transport is one file (or folder) here, a row in `STREAMS` and a line in the conformance kit.

pub mod abstract_name;
pub mod accepting;
pub mod blocks;
pub mod coalescing;
pub mod coalescing_buffer;
pub mod elastic;
pub mod fd;
#[cfg(any(feature = "tls", feature = "qi"))]
pub mod files;
pub mod framing;
pub mod inbox;
pub mod inproc;
pub mod ipc;
mod lock_file;
pub mod outbox;
pub mod pipe;
pub mod resolve;
pub mod source;
pub mod stream;
pub mod system;
pub mod tcp;
pub mod tls;
pub mod url;
pub mod writing;
#[cfg(feature = "ws")]
pub mod ws;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::Socket;

use crate::core::options::OptionValue;
use crate::core::{Error, Result};

use framing::Framing;
use resolve::Query;
use stream::{Buffers, Listening, Stream};

/// How many connections may wait to be accepted: as many as the kernel allows (`somaxconn`), which takes less if this is more. The
/// reference's 100, and 10 for ipc, are less than what comes when a server of a thousand clients has been started anew, and whoever finds no room
/// over tcp tries again after a second.
pub const BACKLOG: i32 = 4096;

/// The transports over bytes.
static STREAMS: &[&dyn Transport] = &[
    &tcp::TCP,
    &tcp::TCP4,
    &tcp::TCP6,
    &ipc::IPC,
    &ipc::UNIX,
    &abstract_name::Abstract,
    #[cfg(feature = "ws")]
    &ws::Ws,
    #[cfg(feature = "tls")]
    &tls::transport::TlsTcp,
    #[cfg(all(feature = "ws", feature = "tls"))]
    &ws::Wss,
];

/// A transport over bytes.
pub trait Transport: Sync + Debug {
    /// What stands before `://`.
    fn scheme(&self) -> &'static str;

    /// The level of its options (NN_TCP, …). The options of a level are told by the first transport of the table that has it.
    fn level(&self) -> i32;

    fn framing(&self) -> &'static dyn Framing;

    /// Whether a peer is known to drop what it has not read when the connection goes, so that an end
    /// must be half-closed and held until the peer's end-of-file.
    fn half_close(&self) -> bool {
        false
    }

    /// A peer must have greeted within this time after the connection came about (transports.md 1.6).
    fn greeting_time(&self) -> Duration {
        Duration::from_millis(1000)
    }

    /// Listens at an address (what follows `://`). Checks it in the order of the specification. May have to wait for the
    /// system's resolver.
    fn listen(&self, address: &[u8], options: &EndpointOptions) -> Result<Box<dyn Listener>>;

    /// Checks an address and gives what can connect to it, again and again.
    fn dialer(&self, address: &[u8], options: &EndpointOptions) -> Result<Box<dyn Dialer>>;

    /// The value of an option nobody has set.
    fn default_option(&self, _option: i32) -> Result<OptionValue> {
        Err(Error::NO_PROTO_OPT)
    }

    /// Checks what a caller wants to set.
    fn check_option(&self, _option: i32, _value: &[u8]) -> Result<OptionValue> {
        Err(Error::NO_PROTO_OPT)
    }

    /// The option whose value this one sets, where there are several ways to give one.
    fn kept_as(&self, option: i32) -> i32 {
        option
    }

    /// Secrets are not.
    fn is_readable(&self, _option: i32) -> bool {
        true
    }
}

/// A listening endpoint. Dropping it stops listening and removes what it left in the file system.
pub trait Listener: Send + Sync + Debug {
    fn socket(&self) -> &Listening;

    /// What a connection that it has accepted is spoken over, configured.
    fn stream(&self, socket: Socket, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>>;
}

/// What a connecting endpoint connects to.
pub trait Dialer: Send + Sync + Debug {
    /// A name that must be resolved before each attempt.
    fn query(&self) -> Option<Query> {
        None
    }

    /// The address that [`Dialer::dial`] connects to, where it is one of the network.
    fn target(&self, _resolved: Option<IpAddr>) -> Option<SocketAddr> {
        None
    }

    /// Starts connecting, without waiting. `resolved` is one of the answers to [`Dialer::query`].
    fn dial(&self, resolved: Option<IpAddr>, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>>;
}

/// What a new endpoint takes from its socket's options.
#[derive(Clone, Default, Debug)]
pub struct EndpointOptions {
    /// NN_IPV4ONLY.
    pub ipv4only: bool,
    pub options: TransportOptions,
}

/// What a new connection takes from its socket's options.
#[derive(Debug)]
pub struct Setup<'a> {
    pub buffers: Buffers,
    pub options: &'a TransportOptions,
    pub limit: &'a SizeLimit,
    /// How long a connection over the network may be silent before the system asks whether the peer is still there.
    pub keepalive: Option<Duration>,
}

/// NN_RCVMAXSIZE as it stands at any moment, for streams that must know it before the inbox does: those
/// that gather a message of unknown length, or tell the peer why it is refused.
#[derive(Clone, Debug)]
pub struct SizeLimit(Arc<AtomicU64>);

impl SizeLimit {
    pub fn set(&self, max: Option<u64>) {
        self.0.store(max.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub fn is_exceeded_by(&self, len: u64) -> bool {
        len > self.0.load(Ordering::Relaxed)
    }
}

impl Default for SizeLimit {
    fn default() -> SizeLimit {
        SizeLimit(Arc::new(AtomicU64::new(u64::MAX)))
    }
}

pub fn find(scheme: &[u8]) -> Option<&'static dyn Transport> {
    STREAMS.iter().copied().find(|transport| transport.scheme().as_bytes() == scheme)
}

/// A socket's transport options: they exist on every socket, whatever its endpoints are.
#[derive(Clone, Default)]
pub struct TransportOptions {
    set: BTreeMap<(i32, i32), OptionValue>,
    revision: u64,
}

impl Debug for TransportOptions {
    /// Says nothing of keys.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_list().entries(self.set.keys()).finish()
    }
}

/// An option that can be set. It may name a file, which has been read: that can take long, so it is not done under a lock.
#[derive(Debug)]
pub struct CheckedOption {
    level: i32,
    kept_as: i32,
    value: OptionValue,
}

impl CheckedOption {
    pub fn of(level: i32, option: i32, value: &[u8]) -> Result<CheckedOption> {
        if level == system::LEVEL {
            return Ok(CheckedOption { level, kept_as: option, value: system::check(option, value)? });
        }
        let transport = of_level(level)?;
        let value = transport.check_option(option, value)?;
        Ok(CheckedOption { level, kept_as: transport.kept_as(option), value })
    }
}

impl TransportOptions {
    pub fn set(&mut self, option: CheckedOption) {
        let CheckedOption { level, kept_as, value } = option;
        self.set.insert((level, kept_as), value);
        self.revision += 1;
    }

    /// Counts the changes.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    pub fn get(&self, level: i32, option: i32) -> Result<OptionValue> {
        let set = self.set.get(&(level, option));
        if level == system::LEVEL {
            return set.map_or_else(|| system::default(option), |value| Ok(value.clone()));
        }
        let transport = of_level(level)?;
        match set {
            Some(value) if transport.is_readable(option) => Ok(value.clone()),
            _ => transport.default_option(option),
        }
    }

    /// A text that was set, also one that cannot be read back.
    pub fn text(&self, level: i32, option: i32) -> Option<Vec<u8>> {
        match self.set.get(&(level, option)) {
            Some(OptionValue::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    /// An option known to be an integer of a known transport.
    pub fn int(&self, level: i32, option: i32) -> i32 {
        match self.get(level, option) {
            Ok(OptionValue::Int(value)) => value,
            _ => 0,
        }
    }
}

fn of_level(level: i32) -> Result<&'static dyn Transport> {
    let known = STREAMS.iter().copied().find(|transport| transport.level() == level);
    known.ok_or(Error::NO_PROTO_OPT)
}
