//! What a socket or a monitor has in the event loop: a descriptor for each side.

use std::cell::{Cell, RefCell};
use std::os::fd::RawFd;
use std::rc::Rc;

use nanomsg::internals::Context;
use nanomsg::{Error, Result};

use crate::hub::{Core, Poll};

/// Dropping it lets go of the descriptors, which must be before they are closed.
pub struct Watching {
    hub: Rc<Core>,
    polls: [RefCell<Option<Poll>>; 2],
    /// Those of a socket, while they are watched: the loop polls for it.
    polled_for: [Cell<bool>; 2],
}

impl Watching {
    pub fn in_loop(hub: &Rc<Core>) -> Watching {
        Watching { hub: Rc::clone(hub), polls: Default::default(), polled_for: Default::default() }
    }

    pub fn hub(&self) -> &Rc<Core> {
        &self.hub
    }

    /// Watches one side, whose descriptor is asked for the first time. `lib` is told `2 * slot + side` until it pauses. `EMFILE`.
    pub fn start(&self, side: u32, slot: u32, fd: impl FnOnce() -> Result<RawFd>) -> Result<()> {
        let side = side & 1;
        let mut poll = self.polls[side as usize].borrow_mut();
        match &*poll {
            Some(poll) => poll.resume(),
            None => {
                let started = Poll::start(&self.hub, fd()?, 2 * slot + side);
                *poll = Some(started.map_err(|_| Error::TOO_MANY_FILES)?);
            }
        }
        Ok(())
    }

    /// The same of a socket or context, for which the loop then polls.
    pub fn start_polling(&self, side: u32, slot: u32, context: &Context, option: i32) -> Result<()> {
        self.start(side, slot, || self.hub.polling.descriptor(&self.hub, context, option))?;
        self.poll_for(side, true);
        Ok(())
    }

    fn poll_for(&self, side: u32, yes: bool) {
        if self.polled_for[side as usize & 1].replace(yes) != yes {
            self.hub.polling.watches(yes);
        }
    }

    pub fn pause(&self, side: u32) {
        self.poll_for(side, false);
        if let Some(poll) = &*self.polls[side as usize & 1].borrow() {
            poll.pause();
        }
    }

    /// Whether watching keeps the process alive.
    pub fn keep_alive(&self, side: u32, yes: bool) {
        if let Some(poll) = &*self.polls[side as usize & 1].borrow() {
            poll.keep_alive(yes);
        }
    }

    pub fn end(&self) {
        [0, 1].into_iter().for_each(|side| self.poll_for(side, false));
        for poll in &self.polls {
            poll.borrow_mut().take();
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.end();
    }
}
