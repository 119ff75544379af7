//! A chunk: one heap block of message data, 16-byte aligned, with headroom in front of the data.
//!
//! The headroom exists for the C boundary alone: `nn_allocmsg` hands out a pointer to the data, and
//! the block must be found again from that pointer (nanomsg-api.md 1.7). Keeping it in every chunk
//! means that a received chunk becomes an `NN_MSG` message, and back, without being copied.

use crate::core::{Error, Result, recycle};

/// Bytes in front of the data. A multiple of 16, so the data keep the block's alignment.
pub const HEADROOM: usize = HEADROOM_WORDS * WORD;
const HEADROOM_WORDS: usize = 2;
const WORD: usize = size_of::<u128>();

/// Invariant: `words` holds the headroom and at least `len` bytes after it.
#[derive(Debug)]
pub struct Chunk {
    words: Vec<u128>,
    len: usize,
}

impl Chunk {
    /// A chunk of `len` zero bytes; `ENOMEM` when there is no memory for it.
    pub fn zeroed(len: usize) -> Result<Chunk> {
        let mut words = reserved(len)?;
        words.resize(words_for(len)?, 0);
        Ok(Chunk { words, len })
    }

    /// A chunk of `len` bytes in a block of `words(count)`: whatever those contain.
    pub fn within(len: usize, words: impl Fn(usize) -> Option<Vec<u128>>) -> Result<Chunk> {
        let count = words_for(len)?;
        let words = recycle::take(count).or_else(|| or_with_what_was_kept(|| words(count))).ok_or(Error::NO_MEMORY)?;
        Chunk::from_parts(words, len).ok_or(Error::NO_MEMORY)
    }

    /// A chunk that holds a copy of `bytes`.
    pub fn copy_of(bytes: &[u8]) -> Result<Chunk> {
        if let Some(words) = recycle::take(words_for(bytes.len())?) {
            let mut chunk = Chunk { words, len: bytes.len() };
            chunk.bytes_mut().copy_from_slice(bytes);
            return Ok(chunk);
        }
        let mut words = reserved(bytes.len())?;
        let (whole, rest) = bytes.as_chunks::<WORD>();
        words.extend(whole.iter().map(|word| u128::from_ne_bytes(*word)));
        if !rest.is_empty() {
            let mut last = [0; WORD];
            last[..rest.len()].copy_from_slice(rest);
            words.push(u128::from_ne_bytes(last));
        }
        Ok(Chunk { words, len: bytes.len() })
    }

    /// Rebuilds a chunk from what [`Chunk::into_parts`] gave. `None` if the parts do not fit together.
    pub fn from_parts(words: Vec<u128>, len: usize) -> Option<Chunk> {
        (words.len() >= words_for(len).ok()?).then_some(Chunk { words, len })
    }

    /// The block and the length of its data, which start [`HEADROOM`] bytes into it.
    pub fn into_parts(mut self) -> (Vec<u128>, usize) {
        (std::mem::take(&mut self.words), self.len)
    }

    /// Bytes of data.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no data.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The data.
    #[inline(always)]
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[HEADROOM..HEADROOM + self.len]
    }

    /// The data, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[HEADROOM..HEADROOM + self.len]
    }

    /// The same block with a copy of `bytes` in it; `None` if it is too small for them.
    pub fn refilled(self, bytes: &[u8]) -> Option<Chunk> {
        let mut chunk = Chunk::from_parts(self.into_parts().0, bytes.len())?;
        chunk.bytes_mut().copy_from_slice(bytes);
        Some(chunk)
    }

    /// Shortens the data to `len` bytes; the block stays where it is. A larger `len` changes nothing.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Drops the first `count` bytes of the data by moving the rest forward.
    pub fn drop_front(&mut self, count: usize) {
        let keep = self.len - count;
        self.bytes_mut().copy_within(count.., 0);
        self.len = keep;
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        recycle::give(std::mem::take(&mut self.words));
    }
}

fn words_for(len: usize) -> Result<usize> {
    let padded = len.checked_add(WORD - 1).ok_or(Error::NO_MEMORY)? / WORD;
    Ok(padded + HEADROOM_WORDS)
}

fn reserved(len: usize) -> Result<Vec<u128>> {
    let count = words_for(len)?;
    let reserve = || {
        let mut words = Vec::new();
        words.try_reserve_exact(count).ok().map(|()| words)
    };
    let mut words = or_with_what_was_kept(reserve).ok_or(Error::NO_MEMORY)?;
    words.extend([0; HEADROOM_WORDS]);
    Ok(words)
}

/// Tries to get memory; if there is none, once more without what is kept for later.
fn or_with_what_was_kept<T>(get: impl Fn() -> Option<T>) -> Option<T> {
    get().or_else(|| if recycle::empty() { get() } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_hold_what_was_given_at_every_length() {
        for len in 0..70 {
            let bytes: Vec<u8> = (0..len).collect();
            let chunk = Chunk::copy_of(&bytes).unwrap();
            assert_eq!(chunk.bytes(), bytes);
            assert_eq!(chunk.bytes().as_ptr() as usize % 16, 0);
        }
    }

    #[test]
    fn a_block_is_filled_anew_if_it_is_large_enough() {
        let chunk = Chunk::copy_of(&[1; 40]).unwrap();
        let place = chunk.bytes().as_ptr();
        let chunk = chunk.refilled(&[2; 33]).unwrap();
        assert_eq!((chunk.bytes(), chunk.bytes().as_ptr()), (&[2; 33][..], place));
        let chunk = chunk.refilled(&[3; 48]).unwrap();
        assert_eq!((chunk.bytes(), chunk.bytes().as_ptr()), (&[3; 48][..], place), "what it had at first fits again");
        assert!(chunk.refilled(&[4; 49]).is_none());
    }

    #[test]
    fn the_front_can_be_dropped() {
        let mut chunk = Chunk::copy_of(b"headbody").unwrap();
        chunk.drop_front(4);
        assert_eq!(chunk.bytes(), b"body");
    }

    #[test]
    fn absurd_sizes_are_an_error() {
        assert_eq!(Chunk::zeroed(usize::MAX).unwrap_err(), Error::NO_MEMORY);
        assert_eq!(Chunk::zeroed(usize::MAX / 2).unwrap_err(), Error::NO_MEMORY);
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let (words, len) = Chunk::copy_of(b"abc").unwrap().into_parts();
        assert!(Chunk::from_parts(words.clone(), 17).is_none());
        assert_eq!(Chunk::from_parts(words, len).unwrap().bytes(), b"abc");
    }
}
