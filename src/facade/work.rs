//! What a visit leaves to be done once the lock is released.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::reactor::parker::Parker;
use crate::transport::coalescing::pulse::Pulse;
use crate::transport::inproc::Peer;
use crate::transport::pipe::Ready;
use crate::transport::stream::Stream;

pub enum Job {
    /// Somebody who waits may have got what it waits for.
    Wake(Arc<Parker>),
    /// The other end of an inproc pipe must know.
    Tell(Peer, Ready),
    /// Write what the pipe of this key has pending.
    Flush(u64),
    /// Have the I/O thread do so, and look after the pipe while more follows.
    Watch(u64, Pulse),
    /// Go on with the handshake of the pipe of this key.
    Prepare(u64, Arc<dyn Stream>),
}

pub type Work = SmallVec<[Job; 4]>;
