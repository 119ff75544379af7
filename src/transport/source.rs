//! Who is told that something became ready: by the reactor, or by the other end of an inproc pipe.

use std::time::Duration;

use super::pipe::Ready;

/// What is left of what was accepted.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Unsent {
    pub bytes: u64,
    /// For how long it may be waited for.
    pub linger: Duration,
}

/// Whatever has registered descriptors or timers, or owns inproc pipes. `key` is the receiver's own name for
/// the thing concerned; one that no longer exists is ignored. Called under no lock.
pub trait Source: Send + Sync {
    fn ready(&self, key: u64, ready: Ready);

    /// Would to tell it anything mean to wait, because somebody is in the midst of a call on it?
    fn is_busy(&self) -> bool {
        false
    }

    /// A timer of this key has expired.
    fn expired(&self, key: u64);

    /// Write what the pipe of this key has pending. False: there was nothing, and the pipe asks again when there
    /// is.
    fn flush(&self, key: u64) -> bool;

    /// The thread that began this stream is about to wait: write what the pipe of this key has pending. False: the stream has ended,
    /// or whoever sends on it flushes by himself.
    fn flush_before_wait(&self, _key: u64) -> bool {
        false
    }

    /// The process is about to end: hands to the kernel what the pipe of this key has pending, as far as it has room, whatever it
    /// said before.
    fn hand_over(&self, _key: u64) -> Unsent {
        Unsent::default()
    }

    /// The name that was asked for has been resolved: its addresses, in the order in which they are to be tried.
    fn resolved(&self, _key: u64, _outcome: crate::core::Result<Vec<std::net::IpAddr>>) {}

    /// The handshake of the pipe of this key is over.
    fn prepared(&self, _key: u64, _outcome: crate::core::Result<()>) {}
}
