//! Whether what an object passes on to is there, and who is to know: a service of such an object is listed only while it is.
//!
//! ```text
//!   There ── its connection has ended, or its service has gone ──▶ Lost ── found again, by a session that reconnects ──▶ There
//!                                   └── nobody will find it ─────▶ Gone
//! ```
//!
//! Who wants to know looks whenever it may have changed: so it is right whoever is faster.

use std::sync::Arc;

use super::model::{Object, Origin, Presence, Remote};

impl Object {
    /// Of an object of our own: always there.
    pub(in crate::qi) fn presence(&self) -> Presence {
        let Some(origin) = &self.0.origin else { return Presence::There };
        match *origin.presence.lock() {
            // It will be told in a moment.
            Presence::There if origin.remote().peer().is_closed() => Presence::Lost,
            presence => presence,
        }
    }

    pub(in crate::qi) fn is_there(&self) -> bool {
        self.presence() == Presence::There
    }

    /// These are handles of the same object.
    pub(in crate::qi) fn is(&self, other: &Object) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Has `look` called whenever the object may be lost or back, on a thread that may wait, until it gives false. Nothing becomes of an
    /// object of our own.
    pub(in crate::qi) fn on_presence(&self, look: impl Fn(&Object) -> bool + Send + Sync + 'static) {
        if let Some(origin) = &self.0.origin {
            origin.lookers.lock().push(Arc::new(look));
            self.watch_origin();
        }
    }

    /// Follows what it passes on to from now on, if anybody can tell what becomes of that.
    pub(in crate::qi) fn watch_origin(&self) {
        if let Some(origin) = &self.0.origin {
            origin.watched.get_or_init(|| origin.watch.as_ref().and_then(|watch| watch(self)));
        }
    }

    /// What it passes on to is lost.
    pub(in crate::qi) fn lost(&self, may_come_back: bool) {
        self.turned(if may_come_back { Presence::Lost } else { Presence::Gone });
    }

    /// What it passes on to is there again, at this place. If it can do other things now it stays lost: who has the object knows it as
    /// it was.
    pub(in crate::qi) fn found(&self, remote: &Remote) {
        if let Some(origin) = self.0.origin.as_ref().filter(|_| remote.meta().publishable() == *self.0.meta) {
            self.follow_to(origin, remote);
            self.turned(Presence::There);
        }
    }

    fn turned(&self, now: Presence) {
        if let Some(origin) = &self.0.origin {
            *origin.presence.lock() = now;
            origin.have_looked(self);
        }
    }
}

impl Origin {
    fn have_looked(&self, object: &Object) {
        let lookers = self.lookers.lock().clone();
        let done: Vec<_> = lookers.into_iter().filter(|look| !look(object)).collect();
        self.lookers.lock().retain(|look| !done.iter().any(|gone| Arc::ptr_eq(gone, look)));
    }
}
