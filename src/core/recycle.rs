//! Large blocks that are used again. Fresh memory for a message of a megabyte costs as much as sending it: the system
//! hands it out page by page, each with a fault and cleared. So the last few blocks let go of are kept.
//!
//! Process-wide, because one thread fills a block and another one is done with it. Nobody waits for the lock: who does not get
//! it at once (in a forked child that may be for ever) does without.

use std::sync::{Mutex, PoisonError};

/// Smaller blocks are the allocator's business, larger ones are rare.
const SMALLEST: usize = 64 * 1024;
/// A message of 4 MiB, with what a chunk has in front of it.
const LARGEST: usize = 4 * 1024 * 1024 + 64;

/// Bytes that are kept in all, unless the process says otherwise.
const KEPT: usize = 2 * LARGEST;

const WORD: usize = size_of::<u128>();

static POOL: Mutex<Pool> = Mutex::new(Pool::keeping(KEPT));

struct Pool {
    kept: Vec<Vec<u128>>,
    /// Bytes of these.
    bytes: usize,
    /// As many as there may be.
    most: usize,
}

/// Keeps up to so many bytes from now on: for a process where blocks come back many at a time, as where a garbage collector lets go of them.
pub fn keep_blocks(bytes: usize) {
    POOL.lock().unwrap_or_else(PoisonError::into_inner).most = bytes;
}

/// A block with room for `words`, and not for many more. What is in it is left from earlier messages.
pub fn take(words: usize) -> Option<Vec<u128>> {
    if is_kept(words) { POOL.try_lock().ok()?.take(words) } else { None }
}

/// Keeps a block for later, or lets go of it.
pub fn give(block: Vec<u128>) {
    if is_kept(block.len())
        && let Ok(mut pool) = POOL.try_lock()
    {
        let replaced = pool.give(block);
        // Giving memory back takes the system long.
        drop(pool);
        drop(replaced);
    }
}

/// Lets go of all that is kept. True if that was anything.
#[cold]
pub fn empty() -> bool {
    let kept = POOL.try_lock().map(|mut pool| pool.take_all()).unwrap_or_default();
    !kept.is_empty()
}

fn is_kept(words: usize) -> bool {
    (SMALLEST / WORD..=LARGEST / WORD).contains(&words)
}

impl Pool {
    const fn keeping(most: usize) -> Pool {
        Pool { kept: Vec::new(), bytes: 0, most }
    }

    fn take(&mut self, words: usize) -> Option<Vec<u128>> {
        let index = self.kept.iter().rposition(|block| (words..=words * 2).contains(&block.len()))?;
        let block = self.kept.remove(index);
        self.bytes -= block.len() * WORD;
        Some(block)
    }

    /// Keeps a block, in place of those that nobody has wanted for longest: messages of another size are on their way. Gives these.
    fn give(&mut self, block: Vec<u128>) -> Vec<Vec<u128>> {
        let size = block.len() * WORD;
        if size > self.most {
            return vec![block];
        }
        let (mut freed, mut count) = (0, 0);
        while self.bytes - freed + size > self.most {
            freed += self.kept[count].len() * WORD;
            count += 1;
        }
        self.bytes = self.bytes - freed + size;
        let replaced = self.kept.drain(..count).collect();
        self.kept.push(block);
        replaced
    }

    fn take_all(&mut self) -> Vec<Vec<u128>> {
        self.bytes = 0;
        std::mem::take(&mut self.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_back_if_it_fits() {
        let mut pool = Pool::keeping(KEPT);
        assert!(pool.take(1000).is_none());
        pool.give(vec![7; 1000]);
        assert!(pool.take(1001).is_none(), "too small");
        assert!(pool.take(499).is_none(), "more than twice what is needed");
        assert_eq!(pool.take(500).map(|block| block.len()), Some(1000));
        assert!(pool.take(500).is_none(), "it was the only one");
    }

    #[test]
    fn what_is_kept_is_limited() {
        for most in [KEPT, 3 * KEPT] {
            for size in [SMALLEST, LARGEST] {
                let mut pool = Pool::keeping(most);
                // Twice: what was taken out makes room.
                for _ in 0..2 {
                    (0..most / size + 5).for_each(|_| drop(pool.give(vec![0; size / WORD])));
                    assert_eq!(pool.kept.len(), most / size);
                    assert_eq!(std::iter::from_fn(|| pool.take(size / WORD)).count(), most / size);
                }
            }
        }
        let mut pool = Pool::keeping(KEPT);
        pool.give(vec![0; LARGEST / WORD]);
        assert_eq!(pool.take_all().len(), 1);
        (0..9).for_each(|_| drop(pool.give(vec![0; LARGEST / WORD])));
        assert_eq!(pool.kept.len(), KEPT / LARGEST, "nothing of what was let go of counts");
    }

    /// As behind the first large message of a peer, whose chunk has grown step by step.
    #[test]
    fn blocks_that_nobody_wants_any_more_make_room_for_others() {
        let mut pool = Pool::keeping(KEPT);
        let grown = [64, 128, 256, 512, 1024, 2048].map(|kibibytes| vec![0; kibibytes * 1024 / WORD]);
        grown.into_iter().for_each(|block| drop(pool.give(block)));
        for _ in 0..2 {
            assert!(pool.give(vec![0; LARGEST / WORD]).iter().all(|block| block.len() < LARGEST / WORD));
        }
        assert_eq!(std::iter::from_fn(|| pool.take(LARGEST / WORD)).count(), 2);
        assert_eq!(pool.bytes, pool.kept.iter().map(|block| block.len() * WORD).sum::<usize>());
        assert_eq!(Pool::keeping(SMALLEST).give(vec![0; 2 * SMALLEST / WORD]).len(), 1, "more than there may be");
    }

    #[test]
    fn small_and_huge_blocks_are_not_kept() {
        let limits = [SMALLEST / WORD - 1, SMALLEST / WORD, LARGEST / WORD, LARGEST / WORD + 1];
        assert_eq!(limits.map(is_kept), [false, true, true, false]);
    }
}
