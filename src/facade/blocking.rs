//! Calls that wait: try, wait, try again (nanomsg-api.md 2.8 and 9).

use std::sync::Arc;
use std::time::Instant;

use crate::core::options::Options;
use crate::core::{ContextId, Error, Result};
use crate::reactor::parker::Parker;
use crate::reactor::{Reactor, WaitMode, Waited};

use super::state::SocketState;
use super::waiters::Side;

/// Whether a call may wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// NN_DONTWAIT: `EAGAIN` instead.
    No,
    /// As long as NN_SNDTIMEO or NN_RCVTIMEO say.
    Option,
}

/// A call that tries until it succeeds, fails, or may wait no longer.
pub struct Blocking {
    context: ContextId,
    side: Side,
    wait: Wait,
    stage: CallStage,
}

enum CallStage {
    First,
    /// It may not wait, only see once more what the kernel has; it fails with this.
    LastTry(Error),
    Waiting {
        me: Arc<Parker>,
        deadline: Option<Instant>,
        mode: WaitMode,
        waited: Waited,
    },
}

impl Blocking {
    pub fn new(context: ContextId, side: Side, wait: Wait) -> Blocking {
        Blocking { context, side, wait, stage: CallStage::First }
    }

    /// Under the lock, before another try.
    pub fn resume(&self, state: &mut SocketState) {
        if let CallStage::Waiting { me, .. } = &self.stage {
            state.waiters_of(self.context, self.side).remove(self.side, me);
        }
    }

    /// Under the lock, when a try has come to nothing: prepares to wait, or says what the call fails with. `polls`: the answer
    /// comes through the poll.
    pub fn prepare(&mut self, state: &mut SocketState, polls: bool) -> Result<()> {
        match &mut self.stage {
            CallStage::First => match patience(self.wait, state.time_limit(self.context, self.side)) {
                Err(not_now) => self.stage = CallStage::LastTry(not_now),
                Ok(deadline) => {
                    let mode = WaitMode { polls, spins: state.core.options.spin != 0 };
                    let me = Parker::mine();
                    self.stage = CallStage::Waiting { me, deadline, mode, waited: Waited::Noticed };
                }
            },
            CallStage::LastTry(not_now) => return Err(*not_now),
            CallStage::Waiting { waited: Waited::Noticed, .. } => {}
            CallStage::Waiting { waited: Waited::TimedOut, .. } => return Err(Error::TIMED_OUT),
            CallStage::Waiting { waited: Waited::Interrupted, .. } => return Err(Error::INTERRUPTED),
            CallStage::Waiting { waited: Waited::Failed, .. } => return Err(Error::BAD_FD),
        }
        if let CallStage::Waiting { me, .. } = &self.stage {
            // Whatever notice came before this is stale: the try has failed.
            me.take_notice();
            state.waiters_of(self.context, self.side).add(self.side, me);
        }
        Ok(())
    }

    /// Without the lock, between two tries.
    pub fn wait(&mut self, reactor: &Reactor, polls: bool) {
        match &mut self.stage {
            CallStage::Waiting { me, deadline, mode, waited } => *waited = reactor.wait(me, *deadline, *mode),
            CallStage::First | CallStage::LastTry(_) if polls => reactor.poll_now(),
            CallStage::First | CallStage::LastTry(_) => {}
        }
    }
}

/// Until when a call may wait, if at all; the error is what it fails with otherwise.
fn patience(wait: Wait, timeout: i32) -> Result<Option<Instant>> {
    match (wait, timeout) {
        (Wait::No, _) => Err(Error::AGAIN),
        (Wait::Option, 0) => Err(Error::TIMED_OUT),
        (Wait::Option, _) => Ok(Options::timeout(timeout).map(|time| Instant::now() + time)),
    }
}
