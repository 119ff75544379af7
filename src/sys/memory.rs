//! Memory that is about to be overwritten, without the cost of clearing it first; and memory that is free.

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

/// The `len` bytes at `start`, whose content is arbitrary: a caller's buffer that is to be filled.
///
/// # Safety
/// They can be written, nobody else uses them during `'a`, and they are no more than `isize::MAX`.
pub unsafe fn unfilled_bytes<'a>(start: *mut u8, len: usize) -> &'a mut [u8] {
    // SAFETY: the caller's promise. As in `unfilled_words`, the memory has some pattern after the empty assembly.
    unsafe {
        asm!("/* {0} */", in(reg) start, options(nostack, preserves_flags));
        std::slice::from_raw_parts_mut(start, len)
    }
}

/// A line of the cache.
const LINE: usize = 64;

/// Has two lines of the cache fetched, that of this byte and the next one: a small message and what is in front of it.
#[inline(always)]
pub fn fetch_lines(bytes: &[u8], at: usize) {
    for at in [at, at.saturating_add(LINE)] {
        if let Some(byte) = bytes.get(at) {
            fetch(byte);
        }
    }
}

/// The processor is to fetch this into its cache, since it will be used soon; nothing else comes of it.
#[inline(always)]
fn fetch(place: &u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: it changes nothing that a program can see, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(std::ptr::from_ref(place).cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        asm!("prfm pldl1keep, [{0}]", in(reg) place, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = place;
}

/// Whether there is memory for so many bytes: to be asked before a container grows that can only abort without. (Another thread may
/// take it in between; but then it lacks a little, and not what somebody chose to send.)
pub fn is_there(bytes: usize) -> bool {
    bytes <= GRANTED || Vec::<u8>::new().try_reserve_exact(bytes).is_ok()
}

/// Gives the system what the allocator keeps of memory that is free: after a million small blocks it keeps all of it, for what may
/// come. It looks at the whole heap, which takes milliseconds.
pub fn give_back_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes any number, and may be called at any time by any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// So much is not asked for.
const GRANTED: usize = 2048;

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

    #[test]
    fn what_cannot_be_is_not_there() {
        assert!(is_there(0) && is_there(1 << 20) && !is_there(isize::MAX as usize) && !is_there(usize::MAX));
    }
}
