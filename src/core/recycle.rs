//! Large blocks that are used again. Fresh memory for a message of a megabyte costs as much as sending it: the system
//! hands it out page by page, each with a fault and cleared. So the last few blocks let go of are kept.
//!
//! Process-wide, because one thread fills a block and another one is done with it. Nobody waits for the lock: who does not get
//! it at once (in a forked child that may be for ever) does without.

use std::sync::{Mutex, MutexGuard};

/// Smaller blocks are the allocator's business, larger ones are rare.
const SMALLEST: usize = 64 * 1024;
const LARGEST: usize = 4 * 1024 * 1024;

/// Blocks that are kept, and bytes in all.
const KEPT: usize = 8;
const KEPT_BYTES: usize = 8 * 1024 * 1024;

const WORD: usize = size_of::<u128>();

type Blocks = Vec<Vec<u128>>;

static BLOCKS: Mutex<Blocks> = Mutex::new(Vec::new());

/// A block with room for `words`, and not for many more. What is in it is left from earlier messages.
pub fn take(words: usize) -> Option<Vec<u128>> {
    if !is_kept(words) {
        return None;
    }
    let mut blocks = blocks()?;
    let index = blocks.iter().rposition(|block| (words..=words * 2).contains(&block.len()))?;
    Some(blocks.swap_remove(index))
}

/// Keeps a block for later, or lets go of it.
pub fn give(block: Vec<u128>) {
    if !is_kept(block.len()) {
        return;
    }
    let Some(mut blocks) = blocks() else { return };
    let words: usize = blocks.iter().map(Vec::len).sum();
    if blocks.len() < KEPT && (words + block.len()) * WORD <= KEPT_BYTES {
        blocks.push(block);
    }
}

fn is_kept(words: usize) -> bool {
    (SMALLEST / WORD..=LARGEST / WORD).contains(&words)
}

fn blocks() -> Option<MutexGuard<'static, Blocks>> {
    BLOCKS.try_lock().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other tests use the same blocks, but none of such an odd size.
    #[test]
    fn a_block_comes_back_if_it_fits() {
        let words = LARGEST / WORD - 77;
        assert!(take(words).is_none());
        until_given(vec![7; words]);
        assert!(take(LARGEST / WORD + 1).is_none(), "too large");
        assert!(take(words / 2 - 1).is_none_or(|block| block.len() != words), "more than twice what is needed");
        let again = std::iter::repeat_with(|| take(words)).take(1000).flatten().next();
        assert_eq!(again.map(|block| block.len()), Some(words));
    }

    /// The lock is not waited for.
    fn until_given(block: Vec<u128>) {
        for _ in 0..1000 {
            give(block.clone());
        }
    }

    #[test]
    fn what_is_kept_is_limited() {
        until_given(vec![0; SMALLEST / WORD]);
        let blocks = BLOCKS.lock().unwrap();
        assert!(!blocks.is_empty() && blocks.len() <= KEPT);
        assert!(blocks.iter().map(Vec::len).sum::<usize>() * WORD <= KEPT_BYTES);
    }
}
