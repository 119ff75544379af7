//! Reconnection: what libqi's users have to restart their programs for. Off unless asked for.
//!
//! ```text
//!   wait for news ──▶ directory lost? connect and authenticate again, later and later
//!        ▲                 │ no
//!        └──────────── proxies without a connection: find the service again, listen again
//! ```
//!
//! Calls that were under way at the loss have failed, and are not repeated: nobody knows whether they were carried out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::qi::endpoint::Reason;
use crate::sys::signals::spawn_without_signals;

use super::error::{ClientError, Result};
use super::proxy::Cell;
use super::session::Core;
use super::waiting::deadline_in;

/// How long to wait between attempts: each twice as long as the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure; 100 ms.
    pub first: Duration,
    /// At most; 10 s.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(10) }
    }
}

impl Backoff {
    /// The time to wait after so many failures in a row, at least one.
    pub fn delay(&self, failures: u32) -> Duration {
        let factor = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }
}

/// Starts the thread that looks after a session. It ends with it.
pub(super) fn start(core: &Arc<Core>, backoff: Backoff) -> Result<()> {
    let (session, news) = (Arc::downgrade(core), Arc::clone(&core.news));
    let keep = move || {
        let mut failures = 0;
        loop {
            let seen = news.count();
            let Some(core) = session.upgrade().filter(|core| !core.is_closed()) else { return };
            failures = if restore(&core) { 0 } else { failures + 1 };
            // Not held while waiting: the session ends with its last handle.
            drop(core);
            let retry = (failures > 0).then(|| Instant::now() + backoff.delay(failures));
            if failures == 0 {
                // Without a time limit only a thread that may not wait could fail, which this is not.
                let _ = news.wait(seen, None);
            } else {
                rest(&news, &session, retry);
            }
        }
    };
    spawn_without_signals("millrace-qi-keeper", keep).map(drop).map_err(|error| crate::core::Error::from(error).into())
}

/// Waits until `retry`, whatever news there are but the session's end.
fn rest(news: &super::news::News, session: &std::sync::Weak<Core>, retry: Option<Instant>) {
    loop {
        let seen = news.count();
        if session.upgrade().is_none_or(|core| core.is_closed()) || news.wait(seen, retry).is_err() {
            return;
        }
    }
}

/// Makes good what is lost. False: not all could be, and it is worth trying again later.
fn restore(core: &Arc<Core>) -> bool {
    if core.link().is_err() && core.open().is_err() {
        return false;
    }
    let mut whole = core.restore_others();
    for cell in core.lost() {
        match move_cell(core, &cell) {
            // It will be news when it comes back.
            Ok(()) | Err(ClientError::NoService { .. }) => {}
            Err(_) => whole = false,
        }
    }
    whole
}

fn move_cell(core: &Arc<Core>, cell: &Arc<Cell>) -> Result<()> {
    cell.move_to(core.place(&cell.name)?);
    let place = cell.place();
    let deadline = deadline_in(core.options.call_timeout.or(core.options.dial.timeout));
    for feed in cell.live_feeds() {
        match feed.attach(&place, deadline) {
            Ok(()) => {}
            // Lost again, before all was made good: the next round begins anew.
            Err(error) if error.is_disconnection() => return Err(error),
            // What came back has no such signal.
            Err(_) => feed.end(&Reason::Removed),
        }
    }
    Ok(())
}
