//! What a machine has dropped, for the socket and for each of its pipes. It counts where it drops; who drops nothing pays nothing.

use crate::core::{Cmd, DropReason, Drops, Message, PipeId};

/// What a machine has dropped.
#[derive(Default, Debug)]
pub struct DropCounts {
    total: Drops,
    /// By pipe; only of those that had to do with any.
    by_pipe: Vec<Option<Box<Drops>>>,
}

impl DropCounts {
    /// Keeps up with what happens to pipes: a new one has dropped nothing.
    #[inline]
    pub fn update(&mut self, cmd: Cmd) {
        if let Cmd::Attach { pipe, .. } = cmd
            && let Some(counted) = self.by_pipe.get_mut(pipe.0 as usize)
        {
            *counted = None;
        }
    }

    /// A message that had to do with this pipe, or with none.
    pub fn count(&mut self, pipe: Option<PipeId>, reason: DropReason) {
        self.total.add(reason, 1);
        let Some(index) = pipe.map(|pipe| pipe.0 as usize) else { return };
        if index >= self.by_pipe.len() {
            self.by_pipe.resize(index + 1, None);
        }
        self.by_pipe[index].get_or_insert_default().add(reason, 1);
    }

    /// Was a message from this pipe good for something? Counts it if not.
    #[inline]
    pub fn keeps(&mut self, pipe: PipeId, outcome: Result<(), DropReason>) -> bool {
        outcome.map_err(|reason| self.count(Some(pipe), reason)).is_ok()
    }

    /// Puts the header of a message from this pipe in front of its body. Without memory for that it is dropped.
    #[inline]
    pub fn joins(&mut self, pipe: PipeId, message: &mut Message<'_>) -> bool {
        self.keeps(pipe, join(message))
    }

    /// Of one pipe, or of all and of none.
    pub fn of(&self, pipe: Option<PipeId>) -> Drops {
        match pipe {
            None => self.total,
            Some(pipe) => self.by_pipe.get(pipe.0 as usize).and_then(Option::as_deref).copied().unwrap_or_default(),
        }
    }
}

/// Puts the header in front of the body.
pub fn join(message: &mut Message<'_>) -> Result<(), DropReason> {
    message.join().map_err(|_| DropReason::NoMemory)
}
