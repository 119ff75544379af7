//! Whether anybody listens to a signal, for objects that want to be told: a camera runs only while somebody looks.

use std::sync::Arc;

use crate::qi::endpoint::contained;
use crate::sys::sync::Mutex;

use super::mailbox::Origin;
use super::model::{Audience, Object, OnSubscribers, Subscription, Task};
use crate::qi::workers::turns::GONE;

impl Audience {
    pub fn new(code: Box<OnSubscribers>) -> Audience {
        Audience { code, state: Mutex::default() }
    }

    fn is_to_look(&self) -> bool {
        let mut state = self.state.lock();
        state.telling = std::mem::take(&mut state.again);
        state.telling
    }
}

/// That it is to be told, which happens when this is dropped: by a worker in the object's turn, or by who ends the workers, since a
/// camera must not run on because its server has gone.
struct Due {
    object: Object,
    signal: u32,
}

impl Drop for Due {
    fn drop(&mut self) {
        let Some(audience) = self.object.0.audiences.get(&self.signal) else { return };
        {
            let mut state = audience.state.lock();
            state.again = true;
            if std::mem::replace(&mut state.telling, true) {
                return;
            }
        }
        while audience.is_to_look() {
            let now = self.object.is_listened_to(self.signal);
            if std::mem::replace(&mut audience.state.lock().told, now) != now {
                contained(|| (audience.code)(&self.object, now));
            }
        }
    }
}

impl Object {
    fn is_listened_to(&self, signal: u32) -> bool {
        self.0.subscriptions.lock().iter().any(|subscription| subscription.signal == signal)
    }

    /// A registration has come or gone: if it is the first or was the last, the object is to know.
    pub(super) fn audience_changed(&self, subscription: &Subscription) {
        let signal = subscription.signal;
        if !self.0.audiences.contains_key(&signal) {
            return;
        }
        let due = Due { object: self.clone(), signal };
        let (peer, crew) = (&subscription.peer, &subscription.peer.common.crew);
        let about = if peer.is_closed() { GONE } else { peer.id() };
        let task = Task::Run { run: Box::new(move || drop(due)), crew: Arc::clone(crew) };
        if let Ok(true) = self.0.mailbox.push(Origin::Server { about }, task) {
            crew.submit(0, self.clone());
        }
    }
}
