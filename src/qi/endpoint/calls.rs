//! The ids of our own messages. Each side numbers its own (qi-messaging.md 2), all parties of a connection together.

use std::collections::HashSet;

#[derive(Debug, Default)]
pub struct Calls {
    last: u32,
    pending: HashSet<u32>,
}

impl Calls {
    /// A new id: not 0, and not that of a call under way, also after the numbers have begun anew.
    pub fn next(&mut self) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1);
            if self.last != 0 && !self.pending.contains(&self.last) {
                return self.last;
            }
        }
    }

    /// A new id that is not given again before [`Calls::end`].
    pub fn begin(&mut self) -> u32 {
        let id = self.next();
        self.pending.insert(id);
        id
    }

    /// False: it was not pending.
    pub fn end(&mut self, id: u32) -> bool {
        self.pending.remove(&id)
    }

    pub fn pending(&self) -> usize {
        self.pending.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_skip_zero_and_what_is_pending_when_they_begin_anew() {
        let mut calls = Calls { last: u32::MAX - 2, ..Calls::default() };
        let kept = calls.begin();
        assert_eq!(kept, u32::MAX - 1);
        assert_eq!([calls.next(), calls.begin(), calls.next()], [u32::MAX, 1, 2]);
        calls.last = u32::MAX - 2;
        assert_eq!([calls.next(), calls.next()], [u32::MAX, 2]);
        assert!(calls.end(kept));
        assert!(!calls.end(kept));
        calls.last = u32::MAX - 2;
        assert_eq!(calls.next(), kept);
        assert_eq!(calls.pending(), 1);
    }
}
