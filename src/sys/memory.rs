//! Memory that is about to be overwritten, without the cost of clearing it first.

use std::arch::asm;

use crate::core::chunk::{Chunk, words_for};
use crate::core::{Error, Result};

/// A chunk of `len` bytes of arbitrary content, for data that are yet to come: from the kernel, or from the user of
/// `nn_allocmsg`, whose contents are documented as undefined.
pub fn unfilled_chunk(len: usize) -> Result<Chunk> {
    let count = words_for(len)?;
    let mut words: Vec<u128> = Vec::new();
    words.try_reserve_exact(count).map_err(|_| Error::NO_MEMORY)?;
    let start = words.as_mut_ptr();
    // SAFETY: the vector has room for `count` words, and every bit pattern is a word. That the memory has
    // *some* pattern is the work of the empty assembly: it is given the address and may write through it
    // (no `nomem`), so for the compiler the memory is initialised with values it knows nothing of.
    unsafe {
        asm!("/* {0} */", in(reg) start, options(nostack, preserves_flags));
        words.set_len(count);
    }
    Chunk::from_parts(words, len).ok_or(Error::NO_MEMORY)
}

/// Lengthens the data of a chunk to `len` bytes, the new ones arbitrary.
pub fn lengthen(chunk: Chunk, len: usize) -> Result<Chunk> {
    let kept = chunk.len();
    let mut longer = unfilled_chunk(len)?;
    longer.bytes_mut()[..kept].copy_from_slice(chunk.bytes());
    Ok(longer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfilled_chunk_can_be_filled() {
        for len in [0, 1, 15, 16, 17, 70_000] {
            let mut chunk = unfilled_chunk(len).unwrap();
            chunk.bytes_mut().fill(7);
            assert_eq!(chunk.bytes(), vec![7; len]);
        }
        assert_eq!(unfilled_chunk(usize::MAX).unwrap_err(), Error::NO_MEMORY);
    }

    #[test]
    fn lengthening_keeps_the_data() {
        let longer = lengthen(Chunk::copy_of(b"abc").unwrap(), 100_000).unwrap();
        assert_eq!((longer.len(), &longer.bytes()[..3]), (100_000, &b"abc"[..]));
    }
}
