//! What an end point is made with, and what it counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::qi::message::{DEFAULT_PAYLOAD_LIMIT, UNAUTHENTICATED_PAYLOAD_LIMIT};
use crate::transport::tls::{TlsClient, TlsServer};

use super::budget::Budget;

/// The settings of one connection. The defaults are good for a client; a listener gives its own to what it accepts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Longest payload in bytes that is accepted from an authenticated peer; 50 MB. One that is longer than this and than 50 MB is not sent
    /// (`EMSGSIZE`): a peer with the defaults would end the connection.
    pub max_payload: u32,
    /// The same before authentication; 64 KiB.
    pub max_payload_before: u32,
    /// The connection ends if it is not authenticated within this time. `None` (the default): no limit.
    pub authentication_time: Option<Duration>,
    /// Bytes that may wait to be written; 4 MiB. A message of any length is accepted when none waits.
    pub send_limit: usize,
    /// Bytes of control answers that may wait beyond that; 64 KiB. When they are full the connection ends.
    pub send_reserve: usize,
    /// How long closing goes on writing what was accepted; 1 s. Zero: only what the kernel takes at once.
    pub linger: Duration,
    /// The I/O thread serves this connection at once even if no caller waits (`reactor/leadership.rs`, rule 4). For those that
    /// serve objects or hand messages to sinks; without it a message may wait for 8 ms when callers have just polled.
    /// Calls from threads are faster without. Off; a listener's own default is on.
    pub keeps_polling: bool,
    /// TCP_USER_TIMEOUT; keepalive begins after the same time. 30 s as in libqi (section 1). Zero: neither.
    pub ping_timeout: Duration,
    /// The connection ends if a message that has begun to arrive gets on by less than 16 KiB in this time, and is not whole then; 30 s.
    /// Zero: it may take as long as it likes.
    pub stall_timeout: Duration,
    /// What all connections that are made with it, or a clone of it, may keep in memory together; 256 MiB, for each
    /// `Config::default()` anew.
    pub budget: Budget,
    /// What a client of `tcps` believes; plain `tcp` is [`Failure::Plain`](super::Failure::Plain) then. `None`: everything, as libqi does.
    pub tls_client: Option<TlsClient>,
    /// What a listener on `tcps` shows; it refuses to listen without.
    pub tls_server: Option<TlsServer>,
}

impl Config {
    /// The longest payload in bytes that is sent.
    pub(super) fn longest_sent(&self) -> u32 {
        self.max_payload.max(DEFAULT_PAYLOAD_LIMIT)
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            max_payload: DEFAULT_PAYLOAD_LIMIT,
            max_payload_before: UNAUTHENTICATED_PAYLOAD_LIMIT,
            authentication_time: None,
            send_limit: 4 * 1024 * 1024,
            send_reserve: 64 * 1024,
            linger: Duration::from_secs(1),
            keeps_polling: false,
            ping_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            budget: Budget::default(),
            tls_client: None,
            tls_server: None,
        }
    }
}

impl Config {
    /// For connections that a listener accepts: keeps_polling, and authenticated within 10 s.
    pub fn accepting() -> Config {
        Config { keeps_polling: true, authentication_time: Some(Duration::from_secs(10)), ..Config::default() }
    }
}

/// What one connection has seen so far.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Statistics {
    /// Messages accepted for sending, control answers included.
    pub sent: u64,
    /// Whole messages read, whatever became of them.
    pub received: u64,
    /// Deliveries refused because a queue or a sink was full. One message may be refused by several.
    pub dropped: u64,
    /// Messages that no handler wanted.
    pub unmatched: u64,
    /// Messages of a type that does not exist.
    pub unknown: u64,
    /// Events not sent because the peer does not read ([`WhenFull::Drop`](super::WhenFull::Drop)).
    pub unsent: u64,
    /// Errors sent for Calls that nobody took.
    pub refused: u64,
    /// Times that something was written: messages that wait go together.
    pub writes: u64,
}

#[derive(Default, Debug)]
pub struct Counters {
    pub sent: AtomicU64,
    pub received: AtomicU64,
    pub dropped: AtomicU64,
    pub unmatched: AtomicU64,
    pub unknown: AtomicU64,
    pub unsent: AtomicU64,
    pub refused: AtomicU64,
    pub writes: AtomicU64,
}

/// Counts `more`.
pub fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl Counters {
    pub fn read(&self) -> Statistics {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            sent: get(&self.sent),
            received: get(&self.received),
            dropped: get(&self.dropped),
            unmatched: get(&self.unmatched),
            unknown: get(&self.unknown),
            unsent: get(&self.unsent),
            refused: get(&self.refused),
            writes: get(&self.writes),
        }
    }
}

/// TCP_NODELAY, keepalive and TCP_USER_TIMEOUT, as libqi sets them (qi-messaging.md 1).
pub fn configure(socket: &socket2::Socket, config: &Config) -> std::io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    let time = config.ping_timeout;
    if !time.is_zero() {
        let keepalive =
            socket2::TcpKeepalive::new().with_time(time).with_interval(Duration::from_secs(3)).with_retries(10);
        socket.set_tcp_keepalive(&keepalive)?;
        socket.set_tcp_user_timeout(Some(time))?;
    }
    Ok(())
}
