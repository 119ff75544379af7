//! Memory that is about to be overwritten, without the cost of clearing it first.

use std::arch::asm;

/// `count` words of arbitrary content, for data that are yet to come: from the kernel, or from the user of
/// `nn_allocmsg`, whose contents are documented as undefined. `None` if there is no memory.
pub fn unfilled_words(count: usize) -> Option<Vec<u128>> {
    let mut words: Vec<u128> = Vec::new();
    words.try_reserve_exact(count).ok()?;
    let start = words.as_mut_ptr();
    // SAFETY: the vector has room for `count` words, and every bit pattern is a word. That the memory has
    // *some* pattern is the work of the empty assembly: it is given the address and may write through it
    // (no `nomem`), so for the compiler the memory is initialised with values it knows nothing of.
    unsafe {
        asm!("/* {0} */", in(reg) start, options(nostack, preserves_flags));
        words.set_len(count);
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfilled_memory_can_be_filled() {
        for count in [0, 1, 70_000] {
            let mut words = unfilled_words(count).unwrap();
            words.fill(7);
            assert_eq!(words, vec![7; count]);
        }
        assert!(unfilled_words(usize::MAX).is_none());
    }
}
