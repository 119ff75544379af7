//! Does a socket stream? If messages follow each other faster than single writes would take them away, they are
//! appended and leave together in large writes; a lone message, or one that answers another, is written at
//! once. Decided once per call, so that all pipes of a broadcast fare alike, and only when a pipe has nothing
//! waiting: reading the clock costs more than appending a small message.

use std::time::{Duration, Instant};

/// A call that follows the last write by less than this is part of a stream. A lone write costs about as much.
const STREAM_GAP: Duration = Duration::from_micros(10);

#[derive(Debug, Default)]
pub struct Pace {
    /// End of the last write, unless something was received since.
    last_write: Option<Instant>,
    /// What was decided for the call under way.
    decided: Option<bool>,
}

impl Pace {
    /// Is this call's message part of a stream?
    pub fn in_stream(&mut self) -> bool {
        let last_write = self.last_write;
        *self.decided.get_or_insert_with(|| last_write.is_some_and(|at| at.elapsed() < STREAM_GAP))
    }

    /// Who receives between his sends does not stream.
    pub fn received(&mut self) {
        self.last_write = None;
    }

    pub fn wrote(&mut self) {
        self.last_write = Some(Instant::now());
    }

    /// The call under way is over. One that was not part of a stream has written.
    pub fn end_of_turn(&mut self) {
        if self.decided.take() == Some(false) {
            self.wrote();
        }
    }
}
