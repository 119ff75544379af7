//! The backtrace (protocols.md 2.5): the stack of 32-bit words in front of a request or survey, its
//! hop limit, and the keys by which an answer finds its way back.
//!
//! ```text
//! originator ─▶ first hop:         [1|id] body       the top bit marks the last word
//! after hop 1 (its key k1):   [k1] [1|id] body       every hop pushes the key of the arrival pipe;
//! after hop 2:           [k2] [k1] [1|id] body       an answer pops its way back from the left
//! ```

use std::collections::HashMap;

use crate::core::{Cmd, DropReason, Header, Message, PipeId};
use crate::protocol::drops::join;

/// Bytes of a header word.
pub const WORD: usize = 4;

/// Set in the last word of a backtrace, the request or survey id, and in no other.
pub const TOP: u32 = 1 << 31;

/// A word as it is in a header.
pub fn header_word(word: u32) -> [u8; WORD] {
    word.to_be_bytes()
}

fn first_word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|word| u32::from_be_bytes(*word))
}

/// Length in bytes of the backtrace at the start of `bytes`, which must end within `max_ttl` words.
fn backtrace_len(bytes: &[u8], max_ttl: u8) -> Result<usize, DropReason> {
    let (words, _) = bytes.as_chunks::<WORD>();
    let last = words.iter().take(usize::from(max_ttl)).position(|word| u32::from_be_bytes(*word) & TOP != 0);
    match last {
        Some(last) => Ok((last + 1) * WORD),
        None if words.len() < usize::from(max_ttl) => Err(DropReason::Malformed),
        None => Err(DropReason::TooManyHops),
    }
}

/// Makes the backtrace of an arrived request or survey its header, unless it is malformed, travelled through too many hops, or there is
/// no memory for it.
pub fn split_request(message: &mut Message<'_>, max_ttl: u8) -> Result<(), DropReason> {
    // An inproc peer keeps the header apart; usually it is exactly the backtrace.
    if !message.header.is_empty() {
        if backtrace_len(&message.header, max_ttl) == Ok(message.header.len()) {
            return Ok(());
        }
        join(message)?;
    }
    let len = backtrace_len(message.body.bytes(), max_ttl)?;
    split(message, len);
    Ok(())
}

/// Makes the first word of an arrived answer its header, unless it is too short, or there is no memory for it.
pub fn split_reply(message: &mut Message<'_>) -> Result<(), DropReason> {
    if message.header.len() == WORD {
        return Ok(());
    }
    join(message)?;
    if message.body.len() < WORD {
        return Err(DropReason::Malformed);
    }
    split(message, WORD);
    Ok(())
}

/// The id of an answer whose header is one word.
pub fn reply_id(header: &Header) -> Option<u32> {
    first_word(header)
}

fn split(message: &mut Message<'_>, len: usize) {
    message.header = Header::from_slice(&message.body.bytes()[..len]);
    message.body.advance(len);
}

/// Ids of the requests of a REQ, of the surveys of a SURVEYOR: random start, then one by one.
#[derive(Debug)]
pub struct RequestIds {
    last: u32,
}

impl RequestIds {
    pub fn new(seed: u64) -> RequestIds {
        RequestIds { last: seed as u32 }
    }

    /// The next id, as the word that is sent.
    pub fn advance(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.last | TOP
    }
}

/// One pipe of an answering socket.
#[derive(Clone, Copy, Debug)]
struct ReplyOrigin {
    key: u32,
    writable: bool,
}

/// The pipes of an answering socket (REP, RESPONDENT), found by the keys it pushed.
#[derive(Debug)]
pub struct Origins {
    /// By pipe.
    table: Vec<Option<ReplyOrigin>>,
    /// Where answers go; a pipe that hung up is not there any more.
    by_key: HashMap<u32, PipeId>,
    next_key: u32,
}

impl Origins {
    /// The first key is random, so that answers to an earlier life of this socket go nowhere.
    pub fn new(seed: u64) -> Origins {
        Origins { table: Vec::new(), by_key: HashMap::new(), next_key: (seed >> 32) as u32 & !TOP }
    }

    pub fn attach(&mut self, pipe: PipeId) {
        self.detach(pipe);
        let index = pipe.0 as usize;
        if index >= self.table.len() {
            self.table.resize(index + 1, None);
        }
        // After 2³¹ pipes the keys start again, while some of the first pipes may still live.
        while self.by_key.contains_key(&self.next_key) {
            self.advance_key();
        }
        self.table[index] = Some(ReplyOrigin { key: self.next_key, writable: false });
        self.by_key.insert(self.next_key, pipe);
        self.advance_key();
    }

    /// Nothing can be sent to the pipe any more; what came from it keeps its key.
    pub fn hangup(&mut self, pipe: PipeId) {
        if let Some(key) = self.key(pipe) {
            self.by_key.remove(&key);
        }
    }

    pub fn detach(&mut self, pipe: PipeId) {
        self.hangup(pipe);
        if let Some(origin) = self.table.get_mut(pipe.0 as usize) {
            *origin = None;
        }
    }

    pub fn set_writable(&mut self, pipe: PipeId, writable: bool) {
        if let Some(Some(origin)) = self.table.get_mut(pipe.0 as usize) {
            origin.writable = writable;
        }
    }

    /// Keeps up with what happens to pipes.
    #[inline]
    pub fn update(&mut self, cmd: Cmd) {
        match cmd {
            Cmd::Attach { pipe, .. } => self.attach(pipe),
            Cmd::Hangup(pipe) => self.hangup(pipe),
            Cmd::Detach(pipe) => self.detach(pipe),
            Cmd::Writable(pipe) => self.set_writable(pipe, true),
            Cmd::Unwritable(pipe) => self.set_writable(pipe, false),
            _ => {}
        }
    }

    /// Pushes the key of the pipe on which the message came. False for a pipe not known.
    pub fn push_key(&self, pipe: PipeId, header: &mut Header) -> bool {
        let key = self.key(pipe);
        key.map(|key| header.insert_from_slice(0, &header_word(key))).is_some()
    }

    /// Pops the first word and finds its pipe, and whether that takes something now. `None`: there is no such pipe any more.
    pub fn pop_key(&self, header: &mut Header) -> Option<(PipeId, bool)> {
        let pipe = *self.by_key.get(&first_word(header)?)?;
        header.drain(..WORD);
        Some((pipe, self.origin(pipe)?.writable))
    }

    /// Does the first word lead to a pipe that takes nothing now?
    pub fn is_clogged(&self, header: &Header) -> bool {
        let pipe = first_word(header).and_then(|word| self.by_key.get(&word));
        pipe.and_then(|pipe| self.origin(*pipe)).is_some_and(|origin| !origin.writable)
    }

    pub fn is_writable(&self, pipe: PipeId) -> bool {
        self.origin(pipe).is_some_and(|origin| origin.writable)
    }

    fn key(&self, pipe: PipeId) -> Option<u32> {
        self.origin(pipe).map(|origin| origin.key)
    }

    fn origin(&self, pipe: PipeId) -> Option<&ReplyOrigin> {
        self.table.get(pipe.0 as usize)?.as_ref()
    }

    fn advance_key(&mut self) {
        self.next_key = (self.next_key + 1) & !TOP;
    }
}
