//! Generic socket options (level NN_SOL_SOCKET; nanomsg-api.md 2.13 and 3).

use std::time::Duration;

use crate::core::{Error, Result};

/// NN_LINGER, in ms; -1 is for ever.
pub const LINGER: i32 = 1;
/// NN_SNDBUF, in bytes.
pub const SNDBUF: i32 = 2;
/// NN_RCVBUF, in bytes.
pub const RCVBUF: i32 = 3;
/// NN_SNDTIMEO, in ms; -1 is for ever.
pub const SNDTIMEO: i32 = 4;
/// NN_RCVTIMEO, in ms; -1 is for ever.
pub const RCVTIMEO: i32 = 5;
/// NN_RECONNECT_IVL, in ms.
pub const RECONNECT_IVL: i32 = 6;
/// NN_RECONNECT_IVL_MAX, in ms; 0: the interval does not grow.
pub const RECONNECT_IVL_MAX: i32 = 7;
/// NN_SNDPRIO, 1 to 16.
pub const SNDPRIO: i32 = 8;
/// NN_RCVPRIO, 1 to 16.
pub const RCVPRIO: i32 = 9;
/// NN_SNDFD: readable while a message can be sent.
pub const SNDFD: i32 = 10;
/// NN_RCVFD: readable while a message can be received.
pub const RCVFD: i32 = 11;
/// NN_DOMAIN.
pub const DOMAIN: i32 = 12;
/// NN_PROTOCOL.
pub const PROTOCOL: i32 = 13;
/// NN_IPV4ONLY, 0 or 1.
pub const IPV4ONLY: i32 = 14;
/// NN_SOCKET_NAME, a text.
pub const SOCKET_NAME: i32 = 15;
/// NN_RCVMAXSIZE, in bytes; -1 is without a limit.
pub const RCVMAXSIZE: i32 = 16;
/// NN_MAXTTL, 1 to 255 hops.
pub const MAXTTL: i32 = 17;
/// NN_SPIN, 0 or 1. It and those below are ours; far from any number nanomsg may still give away.
pub const SPIN: i32 = 0x4d52;
/// NN_COALESCE, 0 or 1.
pub const COALESCE: i32 = 0x4d53;
/// NN_CONNECT_TIMEOUT, in ms.
pub const CONNECT_TIMEOUT: i32 = 0x4d58;
/// NN_KEEPALIVE, in ms.
pub const KEEPALIVE: i32 = 0x4d59;
/// NN_RECV_PEER, 0 or 1.
pub const RECV_PEER: i32 = 0x4d78;
/// NN_LAST_ENDPOINT, a text. Of the facade's: the engine knows no addresses.
pub const LAST_ENDPOINT: i32 = 0x4d5a;

/// Longest NN_SOCKET_NAME.
const NAME_MAX: usize = 63;

/// What an option reads as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OptionValue {
    /// A number, or 0 and 1.
    Int(i32),
    /// Bytes, which need not be UTF-8.
    Text(Vec<u8>),
    /// NN_IPC_SEC_ATTR: kept for the caller, never followed.
    Pointer(usize),
}

/// Times in milliseconds, sizes in bytes, as C sees them.
#[derive(Debug, Clone)]
pub struct Options {
    pub linger: i32,
    pub sndbuf: i32,
    pub rcvbuf: i32,
    pub sndtimeo: i32,
    pub rcvtimeo: i32,
    pub reconnect_ivl: i32,
    pub reconnect_ivl_max: i32,
    pub sndprio: i32,
    pub rcvprio: i32,
    pub ipv4only: i32,
    pub rcvmaxsize: i32,
    pub maxttl: i32,
    pub spin: i32,
    pub coalesce: i32,
    pub connect_timeout: i32,
    pub keepalive: i32,
    pub recv_peer: i32,
    pub name: Vec<u8>,
}

/// NN_SNDBUF and NN_RCVBUF, as long as the program does not say what they are to be.
pub const USUAL_BUFFER: i32 = 128 * 1024;

impl Options {
    pub fn new(name: &str) -> Options {
        Options {
            linger: 1000,
            sndbuf: USUAL_BUFFER,
            rcvbuf: USUAL_BUFFER,
            sndtimeo: -1,
            rcvtimeo: -1,
            reconnect_ivl: 100,
            reconnect_ivl_max: 0,
            sndprio: 8,
            rcvprio: 8,
            ipv4only: 1,
            rcvmaxsize: 1024 * 1024,
            maxttl: 8,
            spin: 1,
            coalesce: 1,
            connect_timeout: 10_000,
            keepalive: 60_000,
            recv_peer: 0,
            name: name.as_bytes().to_vec(),
        }
    }

    /// Sets an option from the bytes a C caller gave. A wrong length is `EINVAL` before the option is
    /// looked up; unknown and read-only options are `ENOPROTOOPT`; the old value stays on any error.
    pub fn set(&mut self, option: i32, value: &[u8]) -> Result<()> {
        if option == SOCKET_NAME {
            return self.set_name(value);
        }
        let value = int(value)?;
        let (slot, valid) = match option {
            LINGER => (&mut self.linger, true),
            SNDBUF => (&mut self.sndbuf, value > 0),
            RCVBUF => (&mut self.rcvbuf, value > 0),
            SNDTIMEO => (&mut self.sndtimeo, true),
            RCVTIMEO => (&mut self.rcvtimeo, true),
            RECONNECT_IVL => (&mut self.reconnect_ivl, value >= 0),
            RECONNECT_IVL_MAX => (&mut self.reconnect_ivl_max, value >= 0),
            SNDPRIO => (&mut self.sndprio, (1..=16).contains(&value)),
            RCVPRIO => (&mut self.rcvprio, (1..=16).contains(&value)),
            IPV4ONLY => (&mut self.ipv4only, value == 0 || value == 1),
            RCVMAXSIZE => (&mut self.rcvmaxsize, value >= -1),
            MAXTTL => (&mut self.maxttl, (1..=255).contains(&value)),
            SPIN => (&mut self.spin, value == 0 || value == 1),
            COALESCE => (&mut self.coalesce, value == 0 || value == 1),
            CONNECT_TIMEOUT => (&mut self.connect_timeout, value == -1 || value > 0),
            KEEPALIVE => (&mut self.keepalive, value >= 0),
            RECV_PEER => (&mut self.recv_peer, value == 0 || value == 1),
            _ => return Err(Error::NO_PROTO_OPT),
        };
        if !valid {
            return Err(Error::INVALID);
        }
        *slot = value;
        Ok(())
    }

    pub fn get(&self, option: i32) -> Result<OptionValue> {
        Ok(OptionValue::Int(match option {
            SOCKET_NAME => return Ok(OptionValue::Text(self.name.clone())),
            LINGER => self.linger,
            SNDBUF => self.sndbuf,
            RCVBUF => self.rcvbuf,
            SNDTIMEO => self.sndtimeo,
            RCVTIMEO => self.rcvtimeo,
            RECONNECT_IVL => self.reconnect_ivl,
            RECONNECT_IVL_MAX => self.reconnect_ivl_max,
            SNDPRIO => self.sndprio,
            RCVPRIO => self.rcvprio,
            IPV4ONLY => self.ipv4only,
            RCVMAXSIZE => self.rcvmaxsize,
            MAXTTL => self.maxttl,
            SPIN => self.spin,
            COALESCE => self.coalesce,
            CONNECT_TIMEOUT => self.connect_timeout,
            KEEPALIVE => self.keepalive,
            RECV_PEER => self.recv_peer,
            _ => return Err(Error::NO_PROTO_OPT),
        }))
    }

    /// NN_SNDTIMEO or NN_RCVTIMEO: `None` waits for ever.
    pub fn timeout(milliseconds: i32) -> Option<Duration> {
        u64::try_from(milliseconds).ok().map(Duration::from_millis)
    }

    /// NN_LINGER; a negative value, "for ever" in the documents, is as long as a reader can imagine.
    pub fn linger(&self) -> Duration {
        Options::timeout(self.linger).unwrap_or(Duration::from_secs(3600 * 24 * 365))
    }

    /// NN_KEEPALIVE: `None` is off.
    pub fn keepalive(&self) -> Option<Duration> {
        Options::timeout(self.keepalive).filter(|time| !time.is_zero())
    }

    /// Largest acceptable transport payload, if limited.
    pub fn max_size(&self) -> Option<u64> {
        u64::try_from(self.rcvmaxsize).ok()
    }

    /// An embedded NUL ends the name.
    fn set_name(&mut self, value: &[u8]) -> Result<()> {
        if value.len() > NAME_MAX {
            return Err(Error::INVALID);
        }
        self.name = value.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        Ok(())
    }
}

/// An `int` option given as bytes; any other length is `EINVAL`.
pub fn int(value: &[u8]) -> Result<i32> {
    value.try_into().map(i32::from_ne_bytes).map_err(|_| Error::INVALID)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(options: &mut Options, option: i32, value: i32) -> Result<()> {
        options.set(option, &value.to_ne_bytes())
    }

    #[test]
    fn ranges_are_enforced_and_the_old_value_stays() {
        let mut options = Options::new("0");
        for (option, bad) in [
            (SNDBUF, 0),
            (RCVBUF, -1),
            (RECONNECT_IVL, -1),
            (SNDPRIO, 0),
            (RCVPRIO, 17),
            (SPIN, 2),
            (COALESCE, -1),
            (CONNECT_TIMEOUT, 0),
            (CONNECT_TIMEOUT, -2),
            (KEEPALIVE, -1),
            (RECV_PEER, 2),
        ] {
            let before = options.get(option);
            assert_eq!(set(&mut options, option, bad), Err(Error::INVALID));
            assert_eq!(options.get(option), before);
        }
        for bad in [0, -1, 256] {
            assert_eq!(set(&mut options, MAXTTL, bad), Err(Error::INVALID));
        }
    }

    #[test]
    fn the_length_is_checked_before_the_option() {
        let mut options = Options::new("0");
        assert_eq!(options.set(9999, b"abc"), Err(Error::INVALID));
        assert_eq!(options.set(9999, b"abcd"), Err(Error::NO_PROTO_OPT));
        assert_eq!(set(&mut options, DOMAIN, 1), Err(Error::NO_PROTO_OPT));
    }

    #[test]
    fn a_name_ends_at_a_nul_and_fits() {
        let mut options = Options::new("3");
        options.set(SOCKET_NAME, b"ab\0cd").unwrap();
        assert_eq!(options.get(SOCKET_NAME), Ok(OptionValue::Text(b"ab".to_vec())));
        assert_eq!(options.set(SOCKET_NAME, &[b'x'; 64]), Err(Error::INVALID));
        options.set(SOCKET_NAME, &[b'x'; 63]).unwrap();
    }
}
