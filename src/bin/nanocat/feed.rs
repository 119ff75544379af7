//! What is sent, one message after the other.

use std::io::{self, BufRead};

use crate::plan::Data;

/// Messages in order, until there are no more.
pub enum Feed {
    /// The same again and again; so many times, if that is said.
    Same { bytes: Vec<u8>, left: Option<u64> },
    /// The lines of standard input.
    Lines { left: Option<u64> },
}

impl Feed {
    /// `None` if there is nothing to send.
    pub fn new(data: Data, left: Option<u64>) -> Option<Feed> {
        match data {
            Data::None => None,
            Data::Bytes(bytes) => Some(Feed::Same { bytes, left }),
            Data::Lines => Some(Feed::Lines { left }),
        }
    }

    /// Puts the next message into `into`; false if there is none.
    pub fn next(&mut self, into: &mut Vec<u8>) -> io::Result<bool> {
        let (Feed::Same { left, .. } | Feed::Lines { left }) = self;
        if let Some(left) = left {
            let Some(less) = left.checked_sub(1) else { return Ok(false) };
            *left = less;
        }
        into.clear();
        match self {
            Feed::Same { bytes, .. } => into.extend_from_slice(bytes),
            Feed::Lines { .. } => return next_line(&mut io::stdin().lock(), into),
        }
        Ok(true)
    }
}

/// A line without its end; the last one need not have any.
fn next_line(from: &mut impl BufRead, into: &mut Vec<u8>) -> io::Result<bool> {
    let length = from.read_until(b'\n', into)?;
    into.pop_if(|last| *last == b'\n');
    Ok(length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_may_be_empty_and_need_not_be_text() {
        let mut from = &b"one\n\n\xff\r\nlast"[..];
        let mut line = Vec::new();
        let mut lines = Vec::new();
        while next_line(&mut from, &mut line).unwrap() {
            lines.push(std::mem::take(&mut line));
        }
        assert_eq!(lines, [&b"one"[..], b"", b"\xff\r", b"last"]);
    }

    #[test]
    fn the_same_as_often_as_is_said() {
        let mut feed = Feed::new(Data::Bytes(b"x".to_vec()), Some(2)).unwrap();
        let mut message = Vec::new();
        assert_eq!([feed.next(&mut message).unwrap(), feed.next(&mut message).unwrap()], [true, true]);
        assert!(message == b"x" && !feed.next(&mut message).unwrap());
        assert!(Feed::new(Data::None, None).is_none());
    }
}
