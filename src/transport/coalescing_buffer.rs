//! A coalescing buffer: memory into which small messages are copied, one behind the other.

use crate::core::{Error, Result};
use crate::sys::memory::{fetch_lines, unfilled_words};

use super::framing::PrefixBytes;

/// Invariant: the first `filled` bytes of the words are what was appended.
#[derive(Debug, Default)]
pub struct CoalescingBuffer {
    words: Vec<u128>,
    filled: usize,
}

impl CoalescingBuffer {
    /// An empty one of so many bytes.
    pub fn of(size: usize) -> Result<CoalescingBuffer> {
        let words = unfilled_words(size.div_ceil(size_of::<u128>())).ok_or(Error::NO_MEMORY)?;
        Ok(CoalescingBuffer { words, filled: 0 })
    }

    /// What was appended.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.filled]
    }

    pub fn len(&self) -> usize {
        self.filled
    }

    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    pub fn capacity(&self) -> usize {
        self.words.len() * size_of::<u128>()
    }

    /// Appends a message, its header and its body, with what goes in front of it, if there is room for it and for all of a prefix.
    #[inline(always)]
    pub fn append(&mut self, prefix: &PrefixBytes, header: &[u8], body: &[u8]) -> bool {
        let (front, all) = (prefix.len(), prefix.len() + header.len() + body.len());
        let (room, filled) = (&mut self.words, self.filled);
        let Some(room) = bytemuck::cast_slice_mut::<u128, u8>(room).get_mut(filled..filled + all + PrefixBytes::ROOM)
        else {
            return false;
        };
        prefix.store(room);
        let (to_header, to_body) = room[front..all].split_at_mut(header.len());
        if !header.is_empty() {
            to_header.copy_from_slice(header);
        }
        to_body.copy_from_slice(body);
        self.filled = filled + all;
        true
    }

    /// A message is about to be appended: where it will be is fetched.
    #[inline(always)]
    pub fn fetch_end(&self) {
        fetch_lines(bytemuck::cast_slice(&self.words), self.filled);
    }

    /// Appends bytes for which there is room.
    pub fn extend(&mut self, bytes: &[u8]) {
        let end = self.filled + bytes.len();
        bytemuck::cast_slice_mut(&mut self.words)[self.filled..end].copy_from_slice(bytes);
        self.filled = end;
    }

    /// Forgets the first `count` bytes.
    pub fn drop_front(&mut self, count: usize) {
        bytemuck::cast_slice_mut::<u128, u8>(&mut self.words).copy_within(count..self.filled, 0);
        self.filled -= count;
    }

    pub fn clear(&mut self) {
        self.filled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_is_there_and_what_has_no_room_is_not() {
        let mut buffer = CoalescingBuffer::of(64).unwrap();
        assert!(
            buffer.append(&PrefixBytes::of(*b"12345678"), b"head", b"body")
                && buffer.append(&PrefixBytes::of(*b"9"), b"", b"")
        );
        buffer.extend(b"end");
        assert_eq!(buffer.bytes(), b"12345678headbody9end");
        let room = buffer.capacity() - buffer.len() - PrefixBytes::ROOM;
        assert!(!buffer.append(&PrefixBytes::default(), b"", &vec![7; room + 1]), "room for all of a prefix stays");
        assert_eq!(buffer.len(), 20);
        assert!(buffer.append(&PrefixBytes::default(), b"", &vec![7; room]));
        buffer.drop_front(19);
        assert_eq!(buffer.bytes()[..2], *b"d\x07");
        buffer.clear();
        assert!(buffer.is_empty() && !CoalescingBuffer::default().append(&PrefixBytes::default(), b"", b""));
    }
}
