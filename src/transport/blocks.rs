//! Read buffers, shared by all connections of a session: who has nothing to read owns none.

use std::sync::{Arc, Mutex, PoisonError};

use crate::core::{Chunk, Result};
use crate::sys::memory::unfilled_words;

/// One read brings at most this much.
pub const BLOCK: usize = 64 * 1024;

/// Blocks kept for reuse; more are given back to the system.
const KEPT: usize = 16;

#[derive(Debug, Default)]
pub struct Blocks(Mutex<Vec<Arc<Chunk>>>);

impl Blocks {
    /// A block of [`BLOCK`] bytes that nobody else looks at. Its contents are stale.
    pub fn get(&self) -> Result<Arc<Chunk>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match kept {
            Some(block) => Ok(block),
            None => Ok(Arc::new(Chunk::within(BLOCK, unfilled_words)?)),
        }
    }

    /// Gives a block back. One that messages still look into, or of another size, is let go of instead.
    pub fn put(&self, mut block: Arc<Chunk>) {
        if block.len() != BLOCK || Arc::get_mut(&mut block).is_none() {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(block);
        }
    }
}
