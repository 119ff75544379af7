//! Large blocks that are used again. Fresh memory for a message of a megabyte costs as much as sending it: the system
//! hands it out page by page, each with a fault and cleared. So the last few blocks let go of are kept.
//!
//! Process-wide, because one thread fills a block and another one is done with it. Nobody waits for the lock: who does not get
//! it at once (in a forked child that may be for ever) does without.

use std::sync::Mutex;

/// Smaller blocks are the allocator's business, larger ones are rare.
const SMALLEST: usize = 64 * 1024;
const LARGEST: usize = 4 * 1024 * 1024;

/// Blocks that are kept, and bytes in all.
const KEPT: usize = 8;
const KEPT_BYTES: usize = 8 * 1024 * 1024;

const WORD: usize = size_of::<u128>();

static POOL: Mutex<Pool> = Mutex::new(Pool(Vec::new()));

struct Pool(Vec<Vec<u128>>);

/// A block with room for `words`, and not for many more. What is in it is left from earlier messages.
pub fn take(words: usize) -> Option<Vec<u128>> {
    if is_kept(words) { POOL.try_lock().ok()?.take(words) } else { None }
}

/// Keeps a block for later, or lets go of it.
pub fn give(block: Vec<u128>) {
    if is_kept(block.len())
        && let Ok(mut pool) = POOL.try_lock()
    {
        pool.give(block);
    }
}

/// Lets go of all that is kept. True if that was anything.
#[cold]
pub fn empty() -> bool {
    let kept = POOL.try_lock().map(|mut pool| std::mem::take(&mut pool.0)).unwrap_or_default();
    !kept.is_empty()
}

fn is_kept(words: usize) -> bool {
    (SMALLEST / WORD..=LARGEST / WORD).contains(&words)
}

impl Pool {
    fn take(&mut self, words: usize) -> Option<Vec<u128>> {
        let index = self.0.iter().rposition(|block| (words..=words * 2).contains(&block.len()))?;
        Some(self.0.swap_remove(index))
    }

    fn give(&mut self, block: Vec<u128>) {
        let words: usize = self.0.iter().map(Vec::len).sum();
        if self.0.len() < KEPT && (words + block.len()) * WORD <= KEPT_BYTES {
            self.0.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_back_if_it_fits() {
        let mut pool = Pool(Vec::new());
        assert!(pool.take(1000).is_none());
        pool.give(vec![7; 1000]);
        assert!(pool.take(1001).is_none(), "too small");
        assert!(pool.take(499).is_none(), "more than twice what is needed");
        assert_eq!(pool.take(500).map(|block| block.len()), Some(1000));
        assert!(pool.take(500).is_none(), "it was the only one");
    }

    #[test]
    fn what_is_kept_is_limited() {
        let mut pool = Pool(Vec::new());
        (0..KEPT + 5).for_each(|_| pool.give(vec![0; SMALLEST / WORD]));
        assert_eq!(pool.0.len(), KEPT);
        let mut pool = Pool(Vec::new());
        (0..5).for_each(|_| pool.give(vec![0; LARGEST / WORD]));
        assert_eq!(pool.0.len(), KEPT_BYTES / LARGEST);
    }

    #[test]
    fn small_and_huge_blocks_are_not_kept() {
        let limits = [SMALLEST / WORD - 1, SMALLEST / WORD, LARGEST / WORD, LARGEST / WORD + 1];
        assert_eq!(limits.map(is_kept), [false, true, true, false]);
    }
}
