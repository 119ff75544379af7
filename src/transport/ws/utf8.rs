//! UTF-8 that arrives in pieces.

/// Checks a text piece by piece; a code point may be split between pieces.
#[derive(Debug, Default)]
pub struct Utf8 {
    /// The beginning of a code point whose rest is still to come.
    begun: [u8; 4],
    len: usize,
}

impl Utf8 {
    /// False as soon as no continuation could make the text valid.
    pub fn accepts(&mut self, mut piece: &[u8]) -> bool {
        while self.len > 0 {
            let Some((next, rest)) = piece.split_first() else { return true };
            self.begun[self.len] = *next;
            self.len += 1;
            piece = rest;
            match std::str::from_utf8(&self.begun[..self.len]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => {}
            }
        }
        let Err(error) = std::str::from_utf8(piece) else { return true };
        let begun = &piece[error.valid_up_to()..];
        if error.error_len().is_some() {
            return false;
        }
        self.begun[..begun.len()].copy_from_slice(begun);
        self.len = begun.len();
        true
    }

    /// Whether the text may end here.
    pub fn is_whole(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&[u8]]) -> (bool, bool) {
        let mut utf8 = Utf8::default();
        (pieces.iter().all(|piece| utf8.accepts(piece)), utf8.is_whole())
    }

    #[test]
    fn code_points_may_be_split_anywhere() {
        let text = "aé€𝄞\u{10ffff}\0z".as_bytes();
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(check(&pieces), (true, true), "{first} {second}");
            }
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(check(&bytes), (true, true));
    }

    #[test]
    fn the_first_impossible_byte_is_noticed() {
        let bad: [&[u8]; 8] =
            [b"\xff", b"\x80", b"\xc0\xaf", b"\xe0\x80", b"\xed\xa0", b"\xf4\x90", b"\xf5", b"\xe2\x82a"];
        for text in bad {
            assert!(!check(&[text]).0, "{text:x?}");
            let bytes: Vec<&[u8]> = text.chunks(1).collect();
            assert!(!check(&bytes).0, "{text:x?} byte by byte");
        }
    }

    #[test]
    fn an_unfinished_code_point_is_no_end() {
        assert_eq!(check(&[b"a\xe2\x82"]), (true, false));
        assert_eq!(check(&[b"\xf0", b"\x9d", b"\x84"]), (true, false));
        assert_eq!(check(&[]), (true, true));
    }
}
