//! How a connection ends.
//!
//! ```text
//!   Open ──close()──▶ Closing: handlers have ended; what was accepted is written, then end-of-file ─┐
//!     │                  └── all written and the peer's end-of-file, or the linger time is over ──▶ Over
//!     └── peer's end-of-file, fault, overflow ──────────────────────────────────────────────────────▲
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::core::Result;
use crate::reactor::{Polled, WaitMode, deadline_in};

use super::budget::QUANTUM;
use super::failure::Reason;
use super::handlers::Aftermath;
use super::queue::wake_all;
use super::ring::Wakes;
use super::{EndPoint, LINGER, reentrancy};

impl EndPoint {
    /// Closes. Handlers end here and now; what was accepted for sending is written in the background for at most the linger
    /// time, which [`EndPoint::wait_closed`] waits for. Closing what is closed is no error.
    pub fn close(&self) -> Result<()> {
        reentrancy::may_change()?;
        let (senders, lingers) = {
            let mut output = self.output.lock();
            if !output.close() {
                return Ok(());
            }
            self.open.store(false, Ordering::Release);
            let lingers = output.polled != Polled::Not && !self.config.linger.is_zero() && output.failure().is_none();
            if let Some(me) = self.me.upgrade().filter(|_| lingers) {
                output.timers.push(self.reactor.arm(Instant::now() + self.config.linger, me, LINGER));
            }
            (output.senders.drain(..).collect::<Wakes>(), lingers)
        };
        wake_all(&self.reactor, senders);
        self.end_handlers(&Reason::Closed);
        self.flush();
        if !lingers {
            self.finish(Reason::Closed);
        }
        Ok(())
    }

    /// Waits until the connection is over, its handlers have ended and what was accepted before [`EndPoint::close`] is with the
    /// kernel or lost, but for at most `timeout` (`None`: for ever). `ETIMEDOUT`, `EINTR`; `EDEADLK` on the reading thread.
    pub fn wait_closed(&self, timeout: Option<Duration>) -> Result<()> {
        let deadline = deadline_in(timeout);
        self.reactor.wait_for(deadline, WaitMode::POLLING, |me, stay| {
            let mut output = self.output.lock();
            output.close_waiters.retain(|other| !Arc::ptr_eq(other, me));
            if output.is_done() {
                return Some(Ok(()));
            }
            if let Err(error) = reentrancy::may_wait() {
                return Some(Err(error));
            }
            if stay {
                output.close_waiters.push(Arc::clone(me));
            }
            None
        })?
    }

    /// The connection is over, now. Only the first caller does anything.
    pub(super) fn finish(&self, reason: Reason) {
        let (stream, registration, timers, senders) = {
            let mut output = self.output.lock();
            if !output.end() {
                return;
            }
            output.nothing_is_unwritten(&self.reactor);
            self.open.store(false, Ordering::Release);
            self.account.give(QUANTUM);
            let timers = std::mem::take(&mut output.timers);
            let senders: Wakes = output.senders.drain(..).collect();
            (output.stream.take(), output.polled.take(), timers, senders)
        };
        if let Some(registration) = registration {
            self.reactor.deregister(registration);
        }
        for timer in timers {
            self.reactor.disarm(timer);
        }
        let (input, stall) = self.input.lock().end();
        stall.into_iter().for_each(|timer| self.reactor.disarm(timer));
        // The descriptor is closed when the last of these goes: here, or with who is reading or writing.
        drop((stream, input));
        wake_all(&self.reactor, senders);
        self.end_handlers(&reason);
        if registration.is_some() {
            self.keep_polling(false);
        }
        let close_waiters = self.output.lock().done();
        wake_all(&self.reactor, close_waiters);
    }

    fn end_handlers(&self, reason: &Reason) {
        let mut out = Aftermath::default();
        self.table.lock().end_all(reason, &mut out);
        self.settle(out);
    }
}
