//! What is left to be done once a socket's lock is released.

use std::sync::Arc;
use std::task::Waker;

use smallvec::SmallVec;

use crate::reactor::parker::Parker;
use crate::transport::coalescing::counters::WriteCounters;
use crate::transport::inproc::Peer;
use crate::transport::pipe::Ready;
use crate::transport::source::Source;

use super::handshakes::PendingHandshake;
use super::logging::Level;

pub enum Job {
    /// Somebody who waits may have got what it waits for.
    Wake(Arc<Parker>),
    /// As well, but it is a task of an async runtime.
    WakeTask(Waker),
    /// The other end of an inproc pipe must know.
    Tell(Peer, Ready),
    /// Write what the pipe of this key has pending.
    Flush(u64),
    /// Have the I/O thread do so, and look after the pipe while more follows.
    FlushLater(Arc<dyn Source>, u64, WriteCounters),
    /// Go on with the handshake of a pipe.
    Prepare(PendingHandshake),
    /// Tell people.
    Log(Level, String),
}

pub type Work = SmallVec<[Job; 4]>;
