//! ws: WebSocket, RFC 6455 (transports.md 5).

use crate::core::options::{OptionValue, int};
use crate::core::{Error, Result};

use super::framing::{Framing, SP_IPC};
use super::{Dialer, Listener, Transport};

pub const LEVEL: i32 = -4;
pub const MSG_TYPE: i32 = 1;

pub const TEXT: i32 = 1;
pub const BINARY: i32 = 2;

#[derive(Debug)]
pub struct Ws;

impl Transport for Ws {
    fn scheme(&self) -> &'static str {
        "ws"
    }

    fn level(&self) -> i32 {
        LEVEL
    }

    fn framing(&self) -> &'static dyn Framing {
        &SP_IPC
    }

    fn listen(&self, _address: &[u8], _ipv4only: bool) -> Result<Box<dyn Listener>> {
        Err(Error::PROTO_NO_SUPPORT)
    }

    fn dialer(&self, _address: &[u8], _ipv4only: bool) -> Result<Box<dyn Dialer>> {
        Err(Error::PROTO_NO_SUPPORT)
    }

    fn default_option(&self, option: i32) -> Result<OptionValue> {
        match option {
            MSG_TYPE => Ok(OptionValue::Int(BINARY)),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }

    /// The length is checked before the option.
    fn check_option(&self, option: i32, value: &[u8]) -> Result<OptionValue> {
        match (option, int(value)?) {
            (MSG_TYPE, value @ (TEXT | BINARY)) => Ok(OptionValue::Int(value)),
            (MSG_TYPE, _) => Err(Error::INVALID),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }
}
