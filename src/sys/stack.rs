//! Callers' stacks may be small: 16 KiB is what POSIX promises a thread. The calls of nanomsg need less than that (`ctests/stack.c`).
//! What cannot is done on a stack of its own.

/// Bytes of stack that are enough for the system's resolver, for TLS, which computes with large numbers, and for values that are nested
/// (157 KiB).
const NEEDED: usize = 256 * 1024;

/// Size of a stack that is made. Without optimisation everything takes several times as much.
const MADE: usize = if cfg!(debug_assertions) { 16 * NEEDED } else { 2 * NEEDED };

/// Runs `call` where there is enough stack: here, or, on a thread that has less left, on a stack made for this call.
pub fn with_enough<T>(call: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(NEEDED, MADE, call)
}

#[cfg(test)]
mod tests {
    use super::with_enough;

    /// Uses up stack, `depth` KiB of it.
    fn dive(depth: usize) -> usize {
        let used = std::hint::black_box([depth as u8; 1024]);
        if depth == 0 { 0 } else { dive(depth - 1) + usize::from(used[0] == depth as u8) }
    }

    #[test]
    fn a_thread_with_little_stack_goes_as_deep_as_any() {
        let thread = std::thread::Builder::new().stack_size(32 * 1024);
        let thread = thread.spawn(|| with_enough(|| dive(100))).expect("a thread");
        assert_eq!(thread.join().expect("it did not overflow"), 100);
        assert_eq!(with_enough(|| dive(10)), 10);
    }

    #[test]
    fn a_panic_comes_through() {
        let thread = std::thread::Builder::new().stack_size(32 * 1024);
        let thread = thread.spawn(|| with_enough(|| std::panic::resume_unwind(Box::new(7)))).expect("a thread");
        assert_eq!(thread.join().expect_err("it panics").downcast_ref(), Some(&7));
    }
}
