//! Whether and for how long a call may wait (nanomsg-api.md 2.8 and 9).

use std::time::Instant;

use crate::core::options::Options;
use crate::core::{Error, Result};

/// Whether a call may wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// NN_DONTWAIT: `EAGAIN` instead.
    No,
    /// As long as NN_SNDTIMEO or NN_RCVTIMEO say.
    Option,
}

/// Until when a call may wait, if at all; the error is what it fails with otherwise.
pub fn patience(wait: Wait, timeout: i32) -> Result<Option<Instant>> {
    match (wait, timeout) {
        (Wait::No, _) => Err(Error::AGAIN),
        (Wait::Option, 0) => Err(Error::TIMED_OUT),
        (Wait::Option, _) => Ok(Options::timeout(timeout).map(|time| Instant::now() + time)),
    }
}
