//! How much of something that all connections use one of them may have: of memory, of places in a mailbox, of threads.
//!
//! Each may have as much as is left free for the others (a *dynamic threshold*, as switches with shared buffers have it): one by itself
//! gets half, four get a fifth each and leave a fifth. So nobody can use it up, nobody has to say how many will come, and some is left for
//! who comes next.

/// Whether somebody may have `own` while all together have `all`, both with what is being asked for, of `limit`.
pub fn is_fair(own: usize, all: usize, limit: usize) -> bool {
    own <= limit.saturating_sub(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_leaves_as_much_as_it_has() {
        assert!(is_fair(50, 50, 100) && !is_fair(51, 51, 100), "one by itself");
        assert!(is_fair(20, 80, 100) && !is_fair(21, 81, 100), "the fourth of four");
        assert!(!is_fair(1, 200, 100), "there is less than nothing");
    }
}
