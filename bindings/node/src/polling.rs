//! The event loop polls for the engine while sockets are watched in it (`nanomsg::internals::EventLoop`): what comes is fetched by the loop's own thread,
//! which then finds the sockets' descriptors readable, and no other thread has to be woken.

use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::os::fd::RawFd;
use std::rc::Rc;

use nanomsg::internals::{Context, EventLoop, process};
use nanomsg::{Error, OptionValue, Result};

use crate::hub::{Core, Poll};

/// Of one environment.
#[derive(Default)]
pub struct Polling {
    engine: RefCell<Option<(EventLoop, Poll)>>,
    /// Sockets that are watched.
    watched: Cell<u32>,
    is_polling: Cell<bool>,
}

impl Polling {
    /// The descriptor of one side of a socket that is about to be watched.
    pub fn descriptor(&self, hub: &Rc<Core>, context: &Context, option: i32) -> Result<RawFd> {
        if self.engine.borrow().is_none() {
            *self.engine.borrow_mut() = start(hub).ok();
        }
        match &*self.engine.borrow() {
            Some((engine, _)) => engine.descriptor(context, option),
            // Without descriptors for that, the engine's thread polls.
            None => match context.option(0, option)? {
                OptionValue::Int(fd) => Ok(fd),
                _ => Err(Error::INVALID),
            },
        }
    }

    /// One socket more is watched, or one less.
    pub fn watches(&self, more: bool) {
        let before = self.watched.get();
        self.watched.set(if more { before + 1 } else { before.saturating_sub(1) });
        if (before == 0) != (self.watched.get() == 0) {
            self.with_engine(|engine| engine.set_awaited(self.watched.get() > 0));
        }
    }

    /// The poll is readable.
    pub fn turn(&self) {
        self.with_engine(|engine| drop(engine.turn()));
    }

    /// A socket is ready.
    pub fn told(&self) {
        self.with_engine(EventLoop::told);
    }

    /// A socket was told, and JavaScript has done what it does with that: an answer may come at once.
    pub fn linger(&self) {
        self.with_engine(|engine| drop(engine.linger()));
    }

    fn with_engine(&self, act: impl FnOnce(&EventLoop)) {
        // (It ends while it is in use only at the end of the environment.)
        let Ok(engine) = self.engine.try_borrow() else { return };
        if let Some((engine, poll)) = &*engine {
            act(engine);
            let polls = self.watched.get() > 0 && engine.polls();
            if self.is_polling.replace(polls) != polls {
                if polls { poll.resume() } else { poll.pause() }
            }
        }
    }

    /// At the end of the environment.
    pub fn end(&self) {
        self.engine.borrow_mut().take();
    }
}

fn start(hub: &Rc<Core>) -> Result<(EventLoop, Poll)> {
    let engine = EventLoop::new(process::session()?)?;
    let poll = Poll::of_engine(hub, engine.poll_fd() as c_int).map_err(|_| Error::TOO_MANY_FILES)?;
    poll.keep_alive(false);
    Ok((engine, poll))
}
