//! How much of something that all connections use one of them may have: of memory, of places in a mailbox, of threads.
//!
//! Each may have as much as is left free for the others (a *dynamic threshold*, as switches with shared buffers have it): four get a
//! fifth each and leave a fifth. So nobody can use it up, and nobody has to say how many will come.
//!
//! What is left halves with each that fills its share, so after twenty it is nothing. Therefore a sixteenth is a **reserve**: of that each
//! gets only a little, its first 1024th of all there is, or the first unit; so who comes next finds that, however many fill their shares.

/// Whether somebody may have `own` while all together have `all`, both with what is being asked for, of `limit`; it is given in units
/// of `unit`.
pub fn is_fair(own: usize, all: usize, limit: usize, unit: usize) -> bool {
    let (reserve, least) = (limit / 16, (limit / 1024).max(unit));
    if own <= least { all <= limit } else { own <= (limit - reserve).saturating_sub(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_leaves_as_much_as_it_has() {
        assert!(is_fair(750, 750, 1600, 1) && !is_fair(751, 751, 1600, 1), "one by itself: half of what is no reserve");
        assert!(is_fair(300, 1200, 1600, 1) && !is_fair(301, 1201, 1600, 1), "the fourth of four");
        assert!(!is_fair(2, 1500, 1600, 1) && !is_fair(1, 1601, 1600, 1), "there is nothing left, or less");
    }

    #[test]
    fn who_comes_next_gets_a_little_however_many_have_taken_all_they_may() {
        let limit = 1 << 20;
        let mut all = 0;
        for filler in 0..60 {
            let own = (1..).take_while(|own| is_fair(*own, all + own, limit, 1)).last().unwrap_or(0);
            assert!(own >= limit / 1024, "filler {filler} gets {own}");
            all += own;
        }
        assert!(all <= limit);
        assert!(is_fair(1, 1, 1, 1) && !is_fair(1, 2, 1, 1), "of little, too");
        assert!(is_fair(100, 1000, 1000, 100) && !is_fair(200, 1000, 1000, 100), "in large units");
    }
}
