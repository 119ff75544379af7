//! What is to be written: whole messages in the order of their acceptance, bounded in bytes. A pure machine.
//!
//! Short messages are copied one after another into one buffer; a long payload is shared, never copied. A batch is
//! taken out, written outside the lock, and what the kernel did not take comes back to the front.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

use crate::qi::message::{HEADER_SIZE, Message};

use super::budget::Account;

/// A payload up to this length is copied behind its header.
const COPIED: usize = 4 * 1024;
/// Bytes (about) and pieces of one write.
const BATCH: usize = 256 * 1024;
const PIECES: usize = 64;

#[derive(Debug)]
pub struct Outgoing {
    pieces: VecDeque<Bytes>,
    /// The end of the queue, still growing.
    tail: BytesMut,
    limit: usize,
    reserve: usize,
    /// Bytes ever accepted, and handed to the kernel.
    accepted: u64,
    written: u64,
    /// Where each control answer ends, and its length.
    control: VecDeque<(u64, usize)>,
    control_queued: usize,
    /// Bytes of the first piece that are with the kernel: they are in memory as long as the rest of it.
    begun: usize,
    account: Arc<Account>,
}

/// What is being written.
#[derive(Debug, Default)]
pub struct Batch {
    pieces: VecDeque<Bytes>,
    /// Bytes of the first one that have been written.
    begun: usize,
}

impl Outgoing {
    /// For `limit` bytes, and `reserve` bytes more for control answers, which count on this account.
    pub fn new(limit: usize, reserve: usize, account: Arc<Account>) -> Outgoing {
        Outgoing {
            pieces: VecDeque::new(),
            tail: BytesMut::new(),
            limit,
            reserve,
            accepted: 0,
            written: 0,
            control: VecDeque::new(),
            control_queued: 0,
            begun: 0,
            account,
        }
    }

    /// Bytes accepted and not yet with the kernel.
    pub fn queued(&self) -> u64 {
        self.accepted - self.written
    }

    pub fn is_empty(&self) -> bool {
        self.queued() == 0
    }

    /// Is there room for a message? An empty queue takes one of any length: it is in memory anyway.
    pub fn has_room(&self, message: &Message) -> bool {
        let length = HEADER_SIZE + message.payload.len();
        let fits = self.queued() + length as u64 <= self.limit as u64;
        self.is_empty() || (fits && self.account.has_room(length))
    }

    /// Who waits for room may try again: half of it is there.
    pub fn has_drained(&self) -> bool {
        self.queued() <= self.limit as u64 / 2
    }

    /// Appends a message, whether there is room or not. `size` is the length of its payload.
    pub fn push(&mut self, message: &Message, size: u32) {
        self.tail.extend_from_slice(&message.header.encode(size));
        if message.payload.len() <= COPIED {
            self.tail.extend_from_slice(&message.payload);
        } else {
            self.end_tail();
            self.pieces.push_back(message.payload.clone());
        }
        if self.tail.len() >= BATCH {
            self.end_tail();
        }
        self.accepted += (HEADER_SIZE + message.payload.len()) as u64;
        self.account.charge(HEADER_SIZE + message.payload.len());
    }

    /// Appends a control answer, for which there is a reserve when there is no room. False: that is used up.
    #[must_use]
    pub fn push_control(&mut self, message: &Message, size: u32) -> bool {
        if self.has_room(message) {
            self.push(message, size);
            return true;
        }
        let length = HEADER_SIZE + message.payload.len();
        if self.control_queued + length > self.reserve {
            return false;
        }
        self.push(message, size);
        self.control.push_back((self.accepted, length));
        self.control_queued += length;
        true
    }

    /// What to write next; empty if there is nothing. It must come back through [`Outgoing::put_back`].
    pub fn take_batch(&mut self) -> Batch {
        self.end_tail();
        // The piece that crosses the limit goes too: a header should not leave without its payload.
        let mut bytes = 0;
        let fits = |piece: &&Bytes| {
            let fits = bytes < BATCH;
            bytes += piece.len();
            fits
        };
        let count = self.pieces.iter().take(PIECES).take_while(fits).count();
        match count == self.pieces.len() {
            // With the memory that holds them, so that an idle connection holds none.
            true => Batch { pieces: std::mem::take(&mut self.pieces), begun: self.begun },
            false => Batch { pieces: self.pieces.drain(..count).collect(), begun: self.begun },
        }
    }

    /// `written` bytes of the batch are with the kernel, the rest comes first again.
    pub fn put_back(&mut self, batch: Batch, written: usize) {
        self.written += written as u64;
        self.account.give(self.begun + written - batch.begun);
        self.begun = batch.begun;
        for piece in batch.pieces.into_iter().rev() {
            self.pieces.push_front(piece);
        }
        while let Some((_, length)) = self.control.front().filter(|(end, _)| *end <= self.written) {
            self.control_queued -= length;
            self.control.pop_front();
        }
        if self.control.is_empty() {
            self.control = VecDeque::new();
        }
    }

    /// Nothing will be written any more.
    pub fn clear(&mut self) {
        self.account.give(self.queued() as usize + self.begun);
        *self = Outgoing::new(self.limit, self.reserve, Arc::clone(&self.account));
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(std::mem::take(&mut self.tail).freeze());
        }
    }
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The pieces, for one vectored write.
    pub fn slices(&self) -> Vec<IoSlice<'_>> {
        self.pieces.iter().map(|piece| IoSlice::new(piece)).collect()
    }

    /// The first `count` bytes have been written.
    pub fn advance(&mut self, mut count: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            if count < piece.len() {
                piece.advance(count);
                self.begun += count;
                return;
            }
            count -= piece.len();
            self.begun = 0;
            self.pieces.pop_front();
        }
    }
}
