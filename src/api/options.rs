//! Options, each with a type of its own; what C knows as a level and a number is in one row each.

use std::time::Duration;

use crate::core::{Error, Result, options};
use crate::facade::OptionValue;
use crate::protocol::{pubsub, reqrep, survey};
#[cfg(feature = "ws")]
use crate::transport::ws;
use crate::transport::{ipc, system, tcp};

use super::context::Context;
use super::protocol::Protocol;
use super::socket::Socket;

/// How a value stands in an option of C.
trait Form: Sized {
    fn bytes(self) -> Result<Vec<u8>>;
    fn of(value: OptionValue) -> Result<Self>;
}

fn int(value: OptionValue) -> Result<i32> {
    match value {
        OptionValue::Int(value) => Ok(value),
        OptionValue::Text(_) | OptionValue::Pointer(_) => Err(Error::INVALID),
    }
}

impl Form for u32 {
    fn bytes(self) -> Result<Vec<u8>> {
        let value = i32::try_from(self).map_err(|_| Error::INVALID)?;
        Ok(value.to_ne_bytes().to_vec())
    }

    fn of(value: OptionValue) -> Result<u32> {
        u32::try_from(int(value)?).map_err(|_| Error::INVALID)
    }
}

impl Form for bool {
    fn bytes(self) -> Result<Vec<u8>> {
        u32::from(self).bytes()
    }

    fn of(value: OptionValue) -> Result<bool> {
        Ok(int(value)? != 0)
    }
}

/// Milliseconds; a fraction of one counts as a whole one, so that a short time is not none.
impl Form for Duration {
    fn bytes(self) -> Result<Vec<u8>> {
        let milliseconds = self.as_nanos().div_ceil(1_000_000);
        u32::try_from(milliseconds).map_err(|_| Error::INVALID)?.bytes()
    }

    fn of(value: OptionValue) -> Result<Duration> {
        u32::of(value).map(|value| Duration::from_millis(value.into()))
    }
}

/// Where a negative number means that there is no limit.
impl<T: Form> Form for Option<T> {
    fn bytes(self) -> Result<Vec<u8>> {
        self.map_or_else(|| Ok((-1_i32).to_ne_bytes().to_vec()), T::bytes)
    }

    fn of(value: OptionValue) -> Result<Option<T>> {
        match int(value)? {
            ..0 => Ok(None),
            value => T::of(OptionValue::Int(value)).map(Some),
        }
    }
}

impl Form for String {
    fn bytes(self) -> Result<Vec<u8>> {
        Ok(self.into_bytes())
    }

    fn of(value: OptionValue) -> Result<String> {
        match value {
            OptionValue::Text(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
            OptionValue::Int(_) | OptionValue::Pointer(_) => Err(Error::INVALID),
        }
    }
}

/// A row: what it is; its getter and its setter; its type; its level and number.
macro_rules! options {
    (impl $owner:ident; $($(#[$about:meta])+ $get:ident, $set:ident: $type:ty = $level:expr, $number:expr;)*) => {
        impl $owner {
            $(
                $(#[$about])+
                pub fn $get(&self) -> Result<$type> {
                    <$type>::of(self.option($level, $number)?)
                }

                #[doc = concat!("Sets [`", stringify!($get), "`](", stringify!($owner), "::", stringify!($get), "). `EINVAL` for a value out of its range; `ENOPROTOOPT` if this type of socket has no such option.")]
                pub fn $set(&self, value: $type) -> Result<()> {
                    self.set_option($level, $number, &value.bytes()?)
                }
            )*
        }
    };
}

options! {
    impl Socket;

    /// How long closing the socket may wait for peers that do not read. 1 s unless set; `None`: as long as it takes.
    linger, set_linger: Option<Duration> = 0, options::LINGER;
    /// Bytes of messages that wait to be sent to a peer, in the process and in the kernel each. 128 KiB unless set; at least 1.
    send_buffer, set_send_buffer: u32 = 0, options::SNDBUF;
    /// Bytes of messages that have arrived from a peer and wait to be received. 128 KiB unless set; at least 1.
    recv_buffer, set_recv_buffer: u32 = 0, options::RCVBUF;
    /// How long [`Socket::send`] waits. `None`, for ever, unless set; zero does not wait.
    send_timeout, set_send_timeout: Option<Duration> = 0, options::SNDTIMEO;
    /// How long [`Socket::recv`] waits. `None`, for ever, unless set; zero does not wait.
    recv_timeout, set_recv_timeout: Option<Duration> = 0, options::RCVTIMEO;
    /// How long after a lost connection or a failed attempt an endpoint tries again. 100 ms unless set.
    reconnect_interval, set_reconnect_interval: Duration = 0, options::RECONNECT_IVL;
    /// Up to what that interval doubles with every failed attempt; zero, unless set: it stays as it is.
    reconnect_interval_max, set_reconnect_interval_max: Duration = 0, options::RECONNECT_IVL_MAX;
    /// Of endpoints bound or connected from now on: peers of priority 1 are sent to first, those of 16 last. 8 unless set.
    send_priority, set_send_priority: u32 = 0, options::SNDPRIO;
    /// Of endpoints bound or connected from now on: from peers of priority 1 is received first. 8 unless set; 1 to 16.
    recv_priority, set_recv_priority: u32 = 0, options::RCVPRIO;
    /// Whether endpoints made from now on use IPv4 alone. On unless set.
    ipv4_only, set_ipv4_only: bool = 0, options::IPV4ONLY;
    /// The socket's name in descriptions. At most 63 bytes.
    name, set_name: String = 0, options::SOCKET_NAME;
    /// The largest message in bytes that is received; a connection with a larger one is ended. 1 MiB unless set; `None`: any.
    max_message_size, set_max_message_size: Option<u32> = 0, options::RCVMAXSIZE;
    /// How many devices a message may have passed. 8 unless set; 1 to 255.
    max_hops, set_max_hops: u32 = 0, options::MAXTTL;
    /// Whether a thread that waits may spin for some microseconds first. On unless set. Millrace's own (`docs/tuning.md`).
    spin, set_spin: bool = 0, options::SPIN;
    /// Whether messages of a stream may be written together. On unless set. Millrace's own (`docs/tuning.md`).
    coalesce, set_coalesce: bool = 0, options::COALESCE;
    /// How long an attempt to connect may take. 10 s unless set; `None`: as long as the system says. Millrace's own.
    connect_timeout, set_connect_timeout: Option<Duration> = 0, options::CONNECT_TIMEOUT;
    /// After how long without traffic a tcp or ws peer is asked whether it is there. 60 s unless set; zero: never. Millrace's own.
    keepalive, set_keepalive: Duration = 0, options::KEEPALIVE;
    /// Whether messages tell who sent them ([`Message::peer`](super::message::Message::peer)). Off unless set. Millrace's own.
    recv_peer, set_recv_peer: bool = 0, options::RECV_PEER;
    /// From which IP addresses connections are accepted, as in `10.0.0.0/8, ::1`; empty, unless set: from all. Millrace's own.
    accept_from, set_accept_from: String = system::LEVEL, system::ACCEPT_FROM;
    /// How many connections a bound endpoint may have at a time. `None`, any number, unless set. Millrace's own.
    accept_max, set_accept_max: Option<u32> = system::LEVEL, system::ACCEPT_MAX;
    /// Whether small writes over tcp leave at once, instead of waiting for others to come (TCP_NODELAY). Off unless set.
    tcp_no_delay, set_tcp_no_delay: bool = tcp::LEVEL, tcp::NODELAY;
    /// The permissions of the files of ipc endpoints bound from now on, as in `0o600`. What the umask leaves unless set. Millrace's own.
    ipc_mode, set_ipc_mode: Option<u32> = ipc::LEVEL, ipc::MODE;
    /// REQ: after how long without an answer a question is asked again. 60 s unless set.
    resend_interval, set_resend_interval: Duration = Protocol::Req.number(), reqrep::RESEND_IVL;
    /// SURVEYOR: how long answers are gathered. 1 s unless set.
    survey_deadline, set_survey_deadline: Duration = Protocol::Surveyor.number(), survey::DEADLINE;
}

#[cfg(feature = "ws")]
options! {
    impl Socket;

    /// How the WebSocket messages of this socket are marked: 2, unless set, is binary, 1 text.
    ws_message_type, set_ws_message_type: u32 = ws::LEVEL, ws::MSG_TYPE;
}

options! {
    impl Context;

    /// How long [`Context::send`] waits. What the socket has when the context is opened, unless set; `None`: for ever.
    send_timeout, set_send_timeout: Option<Duration> = 0, options::SNDTIMEO;
    /// How long [`Context::recv`] waits. What the socket has when the context is opened, unless set; `None`: for ever.
    recv_timeout, set_recv_timeout: Option<Duration> = 0, options::RCVTIMEO;
    /// REQ: after how long without an answer a question is asked again. What the socket has when the context is opened, unless set.
    resend_interval, set_resend_interval: Duration = Protocol::Req.number(), reqrep::RESEND_IVL;
    /// SURVEYOR: how long answers are gathered. What the socket has when the context is opened, unless set.
    survey_deadline, set_survey_deadline: Duration = Protocol::Surveyor.number(), survey::DEADLINE;
}

impl Context {
    /// SUB: as [`Socket::subscribe`], for this context alone.
    pub fn subscribe(&self, topic: impl AsRef<[u8]>) -> Result<()> {
        self.set_option(Protocol::Sub.number(), pubsub::SUBSCRIBE, topic.as_ref())
    }

    /// SUB: as [`Socket::unsubscribe`], for this context alone.
    pub fn unsubscribe(&self, topic: impl AsRef<[u8]>) -> Result<()> {
        self.set_option(Protocol::Sub.number(), pubsub::UNSUBSCRIBE, topic.as_ref())
    }
}

impl Socket {
    /// SUB: from now on also receives messages that begin with these bytes; with none, all. `ENOPROTOOPT` for other sockets.
    pub fn subscribe(&self, topic: impl AsRef<[u8]>) -> Result<()> {
        self.set_option(Protocol::Sub.number(), pubsub::SUBSCRIBE, topic.as_ref())
    }

    /// SUB: undoes one [`Socket::subscribe`] with the same bytes. `EINVAL` if there is none.
    pub fn unsubscribe(&self, topic: impl AsRef<[u8]>) -> Result<()> {
        self.set_option(Protocol::Sub.number(), pubsub::UNSUBSCRIBE, topic.as_ref())
    }

    /// Reads any option by its level and its number in the C headers (nanomsg-api.md 3). `ENOPROTOOPT` for an unknown one.
    pub fn option(&self, level: i32, number: i32) -> Result<OptionValue> {
        self.engine()?.option(level, number)
    }

    /// Sets any option by its level and its number in the C headers, from the bytes that C would give: those of an `int`, or of a text.
    /// `EINVAL` for a bad value or length, `ENOPROTOOPT` for an unknown or read-only option.
    pub fn set_option(&self, level: i32, number: i32, value: &[u8]) -> Result<()> {
        self.engine()?.set_option(level, number, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it reads as after it was set.
    fn there_and_back<T: Form>(value: T) -> Result<T> {
        let bytes = value.bytes()?;
        T::of(OptionValue::Int(options::int(&bytes)?))
    }

    #[test]
    fn values_fit_or_are_refused() {
        assert_eq!(there_and_back(Some(Duration::from_micros(1))), Ok(Some(Duration::from_millis(1))));
        assert_eq!(there_and_back(None::<Duration>), Ok(None));
        assert_eq!(there_and_back(Duration::from_secs(4_000_000)), Err(Error::INVALID));
        assert_eq!(there_and_back(u32::MAX), Err(Error::INVALID));
        assert_eq!(there_and_back(true), Ok(true));
        assert_eq!(u32::of(OptionValue::Int(-1)), Err(Error::INVALID));
        assert_eq!(bool::of(OptionValue::Text(Vec::new())), Err(Error::INVALID));
        assert_eq!(String::of(OptionValue::Int(1)), Err(Error::INVALID));
    }
}
