//! The event loop polls for the engine while sockets are watched in it (`nanomsg::internals::EventLoop`): what comes is fetched by the loop's own thread,
//! which then finds the sockets' descriptors readable, and no other thread has to be woken.

use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::os::fd::RawFd;
use std::rc::Rc;

use nanomsg::internals::{Context, EventLoop, process};
use nanomsg::{Error, OptionValue, Result};

use crate::hub::{Core, Poll};

/// So many turns in a row after which no socket of this loop was ready: others have more to do with the poll, and tell us by the descriptors.
const FRUITLESS: u32 = 8;
/// Then so many times a socket is ready before we poll again.
const LEFT_TO_OTHERS: u32 = 64;

/// Of one environment.
#[derive(Default)]
pub struct Polling {
    engine: RefCell<Option<(EventLoop, Poll)>>,
    /// Sockets that are watched.
    watched: Cell<u32>,
    fruitless: Cell<u32>,
    left: Cell<u32>,
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
            self.go_on();
        }
    }

    /// The poll is readable.
    pub fn turn(&self) {
        let Some((engine, _)) = &*self.engine.borrow() else { return };
        engine.turn();
        self.fruitless.set(self.fruitless.get() + 1);
        if self.fruitless.get() >= FRUITLESS {
            self.left.set(LEFT_TO_OTHERS);
            self.go_on();
        }
    }

    /// A socket is ready.
    pub fn told(&self) {
        self.fruitless.set(0);
        if self.left.get() > 0 {
            self.left.set(self.left.get() - 1);
            if self.left.get() == 0 {
                self.go_on();
            }
        }
    }

    /// At the end of the environment.
    pub fn end(&self) {
        self.engine.borrow_mut().take();
    }

    /// The loop polls while sockets are watched, unless that is left to others; then the engine's thread has to.
    fn go_on(&self) {
        self.fruitless.set(0);
        let Ok(engine) = self.engine.try_borrow() else { return };
        let Some((engine, poll)) = &*engine else { return };
        let (is_watched, is_left) = (self.watched.get() > 0, self.left.get() > 0);
        engine.rely_on_io_thread(is_watched && is_left);
        if is_watched && !is_left { poll.resume() } else { poll.pause() }
    }
}

fn start(hub: &Rc<Core>) -> Result<(EventLoop, Poll)> {
    let engine = EventLoop::new(process::session()?)?;
    let poll = Poll::of_engine(hub, engine.poll_fd() as c_int).map_err(|_| Error::TOO_MANY_FILES)?;
    poll.keep_alive(false);
    Ok((engine, poll))
}
