//! Is a message part of a stream? If messages follow each other faster than single writes would take them away, they
//! are appended and leave together in large writes; a lone message, or one that answers another, is written
//! at once.
//!
//! A stream is seen in two ways: one socket sends without receiving in between (a publisher, a device), or one
//! thread does (which may feed a hundred sockets in turn). It is decided once per call, so that all pipes of a
//! broadcast fare alike, and only when a pipe has nothing waiting: reading the clock costs more than
//! appending a small message.

use std::cell::Cell;
use std::time::Instant;

use crate::transport::pulse::STREAM_GAP;

/// The pace of one socket.
#[derive(Debug, Default)]
pub struct Pace {
    /// End of the last write, unless something was received since.
    last_write: Option<Instant>,
    /// What was decided for the call under way.
    decided: Option<bool>,
}

thread_local! {
    /// The same for the calling thread, whatever socket it wrote to.
    static LAST_WRITE: Cell<Option<Instant>> = const { Cell::new(None) };
}

impl Pace {
    /// Is this call's message part of a stream?
    pub fn in_stream(&mut self) -> bool {
        let last_write = self.last_write.max(LAST_WRITE.get());
        *self.decided.get_or_insert_with(|| last_write.is_some_and(|at| at.elapsed() < STREAM_GAP))
    }

    /// Who receives between his sends does not stream.
    pub fn received(&mut self) {
        self.last_write = None;
        LAST_WRITE.set(None);
    }

    pub fn wrote(&mut self) {
        self.last_write = Some(Instant::now());
        LAST_WRITE.set(self.last_write);
    }

    /// Was anything decided for the call under way?
    pub fn is_decided(&self) -> bool {
        self.decided.is_some()
    }

    /// The call under way is over. One that was not part of a stream has written.
    pub fn end_of_turn(&mut self) {
        if self.decided.take() == Some(false) {
            self.wrote();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_message_right_after_the_first_is_a_stream() {
        let mut pace = Pace::default();
        assert!(!pace.in_stream());
        pace.end_of_turn();
        // No clock can be moved here: so ask at once, and again after a receive.
        let soon = pace.last_write.unwrap().elapsed() < STREAM_GAP / 2;
        assert!(pace.in_stream() || !soon);
        pace.end_of_turn();
        pace.received();
        assert!(!pace.in_stream());
    }
}
