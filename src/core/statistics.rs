//! Honest counters, one set per socket (nanomsg-api.md 4).

use crate::core::{Error, Result};

/// Message and byte counters move in core::Socket; connection counters where connections live.
#[derive(Debug, Default, Clone)]
pub struct Statistics {
    pub established_connections: u64,
    pub accepted_connections: u64,
    pub dropped_connections: u64,
    pub broken_connections: u64,
    pub connect_errors: u64,
    pub bind_errors: u64,
    pub accept_errors: u64,
    pub current_connections: u64,
    pub inprogress_connections: u64,
    pub current_ep_errors: u64,
    pub messages_sent: u64,
    pub messages_received: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
}

pub const CURRENT_SND_PRIORITY: i32 = 401;

impl Statistics {
    /// The counter with nanomsg's number `stat`; `EINVAL` if there is none.
    pub fn get(&self, stat: i32) -> Result<u64> {
        Ok(match stat {
            101 => self.established_connections,
            102 => self.accepted_connections,
            103 => self.dropped_connections,
            104 => self.broken_connections,
            105 => self.connect_errors,
            106 => self.bind_errors,
            107 => self.accept_errors,
            201 => self.current_connections,
            202 => self.inprogress_connections,
            203 => self.current_ep_errors,
            301 => self.messages_sent,
            302 => self.messages_received,
            303 => self.bytes_sent,
            304 => self.bytes_received,
            _ => return Err(Error::INVALID),
        })
    }
}
