//! Telling an event to all subscribers, in turns (qi-messaging.md 15).
//!
//! ```text
//!   emit ──▶ the emitter's turn ──all are told──▶ done
//!                 └── more are left: kept behind `order` ──▶ turns of a worker, between the object's other tasks ──▶ done
//!                                                        └── the next emission tells them first
//! ```
//!
//! So a signal with very many subscribers keeps neither its emitter nor the object for long, all see the same order, and no more than
//! one event waits.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::qi::actions::TRACE;
use crate::qi::capability::Capabilities;
use crate::qi::convert::convert;
use crate::qi::endpoint::turn::Turn;
use crate::qi::message::{Flags, HEADER_SIZE, Message};
use crate::qi::payload::write_event;
use crate::qi::signature::Signature;
use crate::qi::value::Writer;
use crate::transport::coalescing::Coalescing;

use super::connection::Policy;
use super::export::{Exported, refer};
use super::mailbox::Origin;
use super::model::{Address, Answer, Emission, Object, Subscription, Task};
use super::object::count;
use super::signals::{EmitError, Emitted};
use crate::qi::workers::Crew;

/// Subscribers that are told in one turn.
const AT_ONCE: u32 = 512;

/// What is left to be done without the lock.
#[derive(Default)]
struct EmissionAftermath {
    /// Whose end is code of others: what they refer to may be the last of its kind.
    done: SmallVec<[Emission; 1]>,
    /// Who is to go on.
    crew: Option<Arc<Crew<Object>>>,
}

/// An object that has more to tell. If nobody comes to it, it is told at the end of this.
struct More(Option<Object>);

impl Drop for More {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            object.tell_rest(u32::MAX);
        }
    }
}

impl Object {
    /// Emits what has been put together.
    pub(super) fn emit_answer(&self, signal: u32, answer: Answer) -> Result<Emitted, EmitError> {
        self.emit_after(signal, || Ok((answer, ())))
    }

    /// Emits what comes of a change that subscribers are to see in the order of the events. Nobody else changes or emits meanwhile.
    pub(super) fn emit_after<T>(
        &self,
        signal: u32,
        change: impl FnOnce() -> Result<(Answer, T), EmitError>,
    ) -> Result<Emitted, EmitError> {
        let mut out = EmissionAftermath::default();
        let (emitted, changed) = {
            let mut order = self.0.order.lock();
            let (answer, changed) = change()?;
            (self.emit_in_order(&mut order, signal, answer, &mut out), changed)
        };
        drop(changed);
        self.settle(out);
        emitted
    }

    fn emit_in_order(
        &self,
        order: &mut Option<Emission>,
        signal: u32,
        answer: Answer,
        out: &mut EmissionAftermath,
    ) -> Result<Emitted, EmitError> {
        if let Some(mut before) = order.take() {
            // What is wrong about it has been told.
            let _ = self.tell(&mut before, u32::MAX);
            out.done.push(before);
        }
        let (mut emission, mut coalescing) = self.begin_emission(signal, answer)?;
        let told = self.tell(&mut emission, AT_ONCE);
        let size = emission.size();
        let rest = emission.left.as_slice().first().filter(|_| told.is_ok());
        match rest.map(|subscription| Arc::clone(&subscription.peer.common.crew)) {
            Some(crew) => {
                out.crew = Some(crew);
                *order = Some(emission);
            }
            None => out.done.push(emission),
        }
        let emitted = told?;
        if emitted.sent > 0 {
            coalescing.set_size(size);
            coalescing.wrote(size);
        }
        Ok(emitted)
    }

    /// Emits a trace: all at once, and in no order with other signals. The caller may hold `order`.
    pub(super) fn emit_trace(&self, answer: Answer) -> Result<Emitted, EmitError> {
        let (mut emission, _) = self.begin_emission(TRACE, answer)?;
        self.tell(&mut emission, u32::MAX)
    }

    fn begin_emission(&self, signal: u32, answer: Answer) -> Result<(Emission, Coalescing), EmitError> {
        let declared = self.0.signals.get(&signal).ok_or_else(|| EmitError::Unknown(signal.to_string()))?.clone();
        // Also if nobody listens: a mistake should not wait for the first subscriber.
        let value = convert(answer.value, &declared).map_err(|error| EmitError::Type(error.to_string()))?;
        if signal != TRACE {
            self.trace_signal(signal, &value);
        }
        let of_signal = |subscription: &&Arc<Subscription>| subscription.signal == signal;
        let left: Vec<_> = self.0.subscriptions.lock().iter().filter(of_signal).cloned().collect();
        // It is the thread that streams, if anybody does. Its connections cannot know: with a few subscribers there is too much time
        // between two events of one of them.
        let mut coalescing = Coalescing::default();
        let policy = Policy::Event { in_stream: coalescing.in_stream(0) };
        let answer = Answer { value, objects: answer.objects };
        let (ids, encodings, left) = (Vec::new(), Default::default(), left.into_iter());
        Ok((Emission { signal, declared, answer, ids, encodings, policy, left }, coalescing))
    }

    /// Tells so many subscribers that are left, or for a turn.
    fn tell(&self, emission: &mut Emission, most: u32) -> Result<Emitted, EmitError> {
        let (mut emitted, mut turn) = (Emitted::default(), Turn::of(most));
        while (most == u32::MAX || turn.may_go_on())
            && let Some(subscription) = emission.left.next()
        {
            if subscription.ended.load(Ordering::Relaxed) {
                continue;
            }
            let sent = emission.send(&subscription).map_err(EmitError::Type)?;
            if sent {
                emitted.sent += 1;
                count(&self.0.counters.events_sent);
            } else if !subscription.peer.is_closed() {
                emitted.dropped += 1;
                count(&self.0.counters.events_dropped);
                subscription.peer.count_dropped_event();
            }
        }
        emitted.waiting = emission.left.len();
        Ok(emitted)
    }

    /// Tells some of who is left.
    fn tell_rest(&self, most: u32) {
        let mut out = EmissionAftermath::default();
        {
            let mut order = self.0.order.lock();
            let Some(mut emission) = order.take() else { return };
            let told = self.tell(&mut emission, most);
            match emission.left.as_slice().first().filter(|_| told.is_ok()) {
                Some(subscription) => {
                    out.crew = Some(Arc::clone(&subscription.peer.common.crew));
                    *order = Some(emission);
                }
                None => out.done.push(emission),
            }
        }
        self.settle(out);
    }

    fn settle(&self, EmissionAftermath { done, crew }: EmissionAftermath) {
        drop(done);
        let Some(crew) = crew else { return };
        let mut more = More(Some(self.clone()));
        let run = move || {
            if let Some(object) = more.0.take() {
                object.tell_rest(AT_ONCE);
            }
        };
        let task = Task::Run { run: Box::new(run), crew: Arc::clone(&crew) };
        // In turn with what connections ask for; it is about none of them.
        if let Ok(true) = self.0.mailbox.push(Origin::Server { about: 0 }, task) {
            crew.submit(0, self.clone());
        }
    }
}

impl Emission {
    /// Whether it was sent. An error concerns all subscribers.
    fn send(&mut self, to: &Subscription) -> Result<bool, String> {
        let (peer, address) = (&to.peer, to.address);
        let shared = peer.shared();
        if self.ids.is_empty() {
            self.ids = self.answer.objects.iter().map(|_| peer.new_object_id()).collect();
        }
        let wanted = to.wanted.as_ref().filter(|_| shared.message_flags);
        let ty = wanted.map(|wanted| &wanted.ty);
        let objects = !self.ids.is_empty();
        let taken = |&object: &u32| peer.exported(Address { service: address.service, object }).is_some();
        // A second registration of one connection gets objects of its own, since it releases them by itself.
        if objects && self.ids.iter().all(taken) {
            let ids: Vec<_> = self.ids.iter().map(|_| peer.new_object_id()).collect();
            let (payload, flags) = self.encode(shared, address.service, &ids, ty)?;
            return Ok(self.deliver(to, payload, flags, &ids));
        }
        let key = (shared, wanted.map(|wanted| Arc::clone(&wanted.text)), objects.then_some(address.service));
        let (payload, flags) = match self.encodings.get(&key) {
            Some(encoded) => encoded.clone(),
            None => {
                let written = self.encode(shared, address.service, &self.ids, ty)?;
                self.encodings.insert(key, written.clone());
                written
            }
        };
        Ok(self.deliver(to, payload, flags, &self.ids))
    }

    /// Bytes of the event as it was sent, to one of the subscribers.
    fn size(&self) -> usize {
        self.encodings.values().next().map_or(0, |(payload, _)| HEADER_SIZE + payload.len())
    }

    fn encode(
        &self,
        shared: Capabilities,
        service: u32,
        ids: &[u32],
        wanted: Option<&Signature>,
    ) -> Result<(Bytes, Flags), String> {
        let value = refer(&self.answer, service, ids);
        write_event(&mut Writer::new(shared), value, &self.declared, wanted).map_err(|error| error.to_string())
    }

    fn deliver(&self, to: &Subscription, payload: Bytes, flags: Flags, ids: &[u32]) -> bool {
        let (peer, address) = (&to.peer, to.address);
        let message = Message::event(peer.connection.next_id(), address.service, address.object, self.signal, payload);
        let message = message.with_flags(flags);
        if ids.is_empty() {
            return peer.connection.send(message, self.policy).is_ok();
        }
        // Before the event is sent: the answer to it may come at once.
        let Ok(exported) = Exported::with_ids(peer, address.service, &self.answer, ids) else { return false };
        let (_, granted) = exported.into_parts();
        let sent = peer.connection.send(message, self.policy).is_ok();
        if sent {
            granted.keep();
        }
        sent
    }
}
