//! What a machine keeps for the socket itself and for each of its contexts.

use std::collections::VecDeque;

use crate::core::{ContextId, Message};

#[derive(Debug, Default)]
pub struct Contexts<T> {
    /// At hand, since most sockets have nothing else.
    socket: T,
    /// From context 1 on.
    opened: Vec<Option<T>>,
}

impl<T> Contexts<T> {
    pub fn new(socket: T) -> Contexts<T> {
        Contexts { socket, opened: Vec::new() }
    }

    pub fn socket(&self) -> &T {
        &self.socket
    }

    pub fn open(&mut self, context: ContextId, with: T) {
        let Some(index) = index(context) else { return };
        if index >= self.opened.len() {
            self.opened.resize_with(index + 1, || None);
        }
        self.opened[index] = Some(with);
    }

    pub fn close(&mut self, context: ContextId) -> Option<T> {
        self.opened.get_mut(index(context)?)?.take()
    }

    #[inline]
    pub fn get(&self, context: ContextId) -> Option<&T> {
        match index(context) {
            None => Some(&self.socket),
            Some(index) => self.opened.get(index)?.as_ref(),
        }
    }

    #[inline]
    pub fn get_mut(&mut self, context: ContextId) -> Option<&mut T> {
        match index(context) {
            None => Some(&mut self.socket),
            Some(index) => self.opened.get_mut(index)?.as_mut(),
        }
    }

    /// The socket itself, then the contexts.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ContextId, &mut T)> {
        let opened = (1..).zip(&mut self.opened).filter_map(|(id, state)| Some((ContextId(id), state.as_mut()?)));
        std::iter::once((ContextId::SOCKET, &mut self.socket)).chain(opened)
    }
}

/// `None`: the socket itself.
fn index(context: ContextId) -> Option<usize> {
    (context.0 as usize).checked_sub(1)
}

/// Messages that wait for the user of a context. A socket without contexts leaves them in its pipes, so that who sends too fast is held
/// up; but in one pipe there are messages for several contexts, and none must wait for another one's user. Of more than this the
/// oldest are dropped.
pub const MOST_WAITING: usize = 1024;

#[derive(Debug, Default)]
pub struct Waiting(VecDeque<Message<'static>>);

impl Waiting {
    /// Whether another one was dropped for it.
    pub fn push(&mut self, message: Message<'static>) -> bool {
        let is_full = self.0.len() == MOST_WAITING;
        if is_full {
            self.0.pop_front();
        }
        self.0.push_back(message);
        is_full
    }

    pub fn pop(&mut self) -> Option<Message<'static>> {
        self.0.pop_front()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
