//! Reconnection: what libqi's users have to restart their programs for. Off unless asked for.
//!
//! ```text
//!   asleep ── a change ─▶ directory lost? connect and authenticate again
//!        ▲                 │ no
//!        │            the observer's services: register what is not registered
//!        │                 │
//!        └──────────── proxies whose services are lost: find them again; subscriptions that are not where their
//!                      proxies are: listen again
//! ```
//!
//! Sessions cost no thread each: this is a strand ([`Strand::that_mends`]), which is woken by changes and by a timer.
//!
//! What fails, or is lost as soon as it is there, is tried again, later and later, each by itself ([`Retry`]): an Error is natural just after a loss, because
//! the other side may not have come back itself, or not noticed that we were gone. Only what cannot mend ends.
//!
//! Calls that were under way at the loss have failed, and are not repeated: nobody knows whether they were carried out.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use crate::qi::endpoint::{Reason, contained};
use crate::sys::sync::Mutex;
use crate::transport::pipe::Ready;
use crate::transport::source::Source;

use super::place::Place;
use super::retry::{Backoff, Retry};
use super::session_core::{Core, Unreached};
use super::state::ProxyState;
use super::strand::Strand;
use super::subscription_state::SubscriptionState;
use crate::qi::calls::{CallError, Result};
use crate::reactor::deadline_in;

/// Has a session looked after until it ends.
pub(super) fn start(core: &Arc<Core>, backoff: Backoff) -> Result<()> {
    let (session, directory, bell) = (Arc::downgrade(core), Mutex::default(), Arc::new(RetryBell::default()));
    let (rings, mut timer) = (Arc::clone(&bell), None);
    let strand = Strand::that_mends(move || {
        if let Some(core) = session.upgrade() {
            let mut round = RetryRound { backoff, next: None };
            if !core.is_closed() {
                restore(&core, &directory, &mut round);
            }
            let next = round.next.map(|at| core.reactor.arm(at, Arc::clone(&rings) as _, 0));
            std::mem::replace(&mut timer, next).into_iter().for_each(|before| core.reactor.disarm(before));
        }
        // When the bell rings, or something has changed, it looks again.
        false
    })?;
    let _ = bell.0.set(Arc::downgrade(&strand));
    core.changes.wake(strand);
    Ok(())
}

/// Wakes who looks after a session when something that has failed is to be tried again. It does not keep the session.
#[derive(Default)]
struct RetryBell(OnceLock<Weak<Strand>>);

impl Source for RetryBell {
    fn ready(&self, _key: u64, _ready: Ready) {}

    fn expired(&self, _key: u64) {
        if let Some(strand) = self.0.get().and_then(Weak::upgrade) {
            strand.wake();
        }
    }

    fn flush(&self, _key: u64) -> bool {
        false
    }
}

/// What has become of an attempt.
enum Mending {
    /// It is there again.
    Made,
    /// There is nothing to try before something changes.
    Settled,
    Failed,
}

impl Mending {
    fn or_failed(self, succeeded: bool) -> Mending {
        if succeeded { self } else { Mending::Failed }
    }
}

/// One look at all that may be lost.
struct RetryRound {
    backoff: Backoff,
    /// When something that has failed is to be tried again.
    next: Option<Instant>,
}

impl RetryRound {
    /// Makes something good if it is time for that. Attempts are changes themselves, so what has failed waits for its time whatever changes.
    fn mend(&mut self, retry: &Mutex<Retry>, make: impl FnOnce() -> Mending) {
        let is_due = retry.lock().is_due(Instant::now(), &self.backoff);
        if is_due {
            // An authenticator is code of the program.
            let outcome = contained(make).unwrap_or(Mending::Failed);
            let mut retry = retry.lock();
            match outcome {
                Mending::Made => retry.made(Instant::now()),
                Mending::Settled => retry.afresh(),
                Mending::Failed => retry.failed(Instant::now(), &self.backoff),
            }
        }
        self.next = self.next.into_iter().chain(retry.lock().at()).min();
    }
}

/// Makes good what is lost.
fn restore(core: &Arc<Core>, directory: &Mutex<Retry>, round: &mut RetryRound) {
    if core.link().is_err() {
        round.mend(directory, || Mending::Made.or_failed(core.open().is_ok()));
    }
    let Ok(link) = core.link() else { return };
    if let Some(observer) = &core.observer {
        round.mend(&core.observer_retry, || Mending::Settled.or_failed(observer.restore(&link)));
    }
    for proxy in core.proxies() {
        if !proxy.is_current() {
            round.mend(&proxy.retry, || find(core, &proxy, link.watching));
        }
        if !proxy.is_current() {
            continue;
        }
        let place = proxy.place();
        for subscription in
            proxy.live_subscriptions().into_iter().filter(|subscription| !subscription.is_attached(&place))
        {
            round.mend(&subscription.retry, || listen(core, &subscription, &place));
        }
    }
}

/// Finds the object of a proxy again.
fn find(core: &Arc<Core>, proxy: &Arc<ProxyState>, watching: bool) -> Mending {
    match core.place(&proxy.name, None) {
        Ok(place) => {
            proxy.move_to(place);
            proxy.live_subscriptions().iter().for_each(|subscription| subscription.retry.lock().afresh());
            Mending::Made
        }
        // It will be noticed when it comes back, if the directory tells of it.
        Err(Unreached { error: CallError::NoService { .. }, .. }) => Mending::Settled.or_failed(watching),
        Err(_) => Mending::Failed,
    }
}

/// Has a subscription listen again.
fn listen(core: &Arc<Core>, subscription: &Arc<SubscriptionState>, place: &Arc<Place>) -> Mending {
    let deadline = deadline_in(core.options.directory_timeout());
    match subscription.attach(place, deadline) {
        Ok(()) => Mending::Made,
        // What came back has no such signal, or none that can be understood, or had in the type wanted, and waiting will not give it one.
        Err(CallError::NoMember { .. } | CallError::Meta(_) | CallError::Payload { .. }) => {
            subscription.end(&Reason::Removed);
            Mending::Settled
        }
        // The peer refuses, or is silent: it may be starting itself.
        Err(_) => Mending::Failed,
    }
}
