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
//!
//! # Conversions
//!
//! Who wants an event in another type is told last. A conversion cannot be divided, and of a large event it takes a tenth of a second: so the emitter converts
//! small ones only, within its turn, and the rest is left to workers, one type at a time for each object, without the lock and in nobody's turn. If
//! the next event comes before they are done, those who still wait for the last one lose it (which is counted as what is dropped), and have the next one first.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::qi::actions::TRACE;
use crate::qi::capability::Capabilities;
use crate::qi::convert::convert;
use crate::qi::endpoint::turn::Turn;
use crate::qi::message::{Flags, Message};
use crate::qi::payload::write_event;
use crate::qi::signature::Signature;
use crate::qi::value::Writer;
use crate::transport::coalescing::{EventUnderWay, begin_event, end_event};

use super::connection::Policy;
use super::export::{Exported, refer};
use super::mailbox::Origin;
use super::model::{Address, Answer, Common, Emission, EventOrder, Object, Subscription, Task};
use super::object::count;
use super::signals::{EmitError, Emitted};

/// Subscribers that are told in one turn.
const AT_ONCE: u32 = 512;

/// Bytes of an event that its emitter may convert.
const SMALL: usize = 16 * 1024;

/// What is left to be done without the lock.
#[derive(Default)]
struct EmissionAftermath {
    /// Whose end is code of others: what they refer to may be the last of its kind.
    done: SmallVec<[Emission; 1]>,
    /// Who is to go on, if anybody.
    rest: Option<(Rest, Arc<Common>)>,
}

/// What is left of an emission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Subscribers,
    /// All others are told.
    Conversions,
}

/// An object that has more to tell. If nobody comes to it, it is told at the end of this.
struct More(Option<Object>);

impl Drop for More {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            object.tell_rest(Rest::Subscribers, u32::MAX);
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
        order: &mut EventOrder,
        signal: u32,
        answer: Answer,
        out: &mut EmissionAftermath,
    ) -> Result<Emitted, EmitError> {
        if let Some(mut before) = order.waiting.take() {
            // What is wrong about it has been told.
            let _ = self.tell(&mut before, &mut Turn::of(u32::MAX), true);
            self.overtake(&mut before);
            out.done.push(before);
        }
        let (mut emission, begun) = self.begin_emission(signal, answer)?;
        let mut turn = Turn::of(AT_ONCE);
        let told = self.tell(&mut emission, &mut turn, false);
        let told = told.and_then(|emitted| match order.is_converting {
            true => Ok(emitted),
            false => self.convert_small(&mut emission, &mut turn, emitted),
        });
        self.leave(order, emission, told.is_ok(), out);
        let emitted = told?;
        end_event(begun, emitted.sent);
        Ok(emitted)
    }

    /// Emits a trace: all at once, and in no order with other signals. The caller may hold `order`.
    pub(super) fn emit_trace(&self, answer: Answer) -> Result<Emitted, EmitError> {
        let (mut emission, _) = self.begin_emission(TRACE, answer)?;
        let mut turn = Turn::of(u32::MAX);
        let emitted = self.tell(&mut emission, &mut turn, true)?;
        let mut emitted = self.convert_small(&mut emission, &mut turn, emitted)?;
        emitted.dropped += self.overtake(&mut emission);
        emitted.waiting = 0;
        Ok(emitted)
    }

    fn begin_emission(&self, signal: u32, answer: Answer) -> Result<(Emission, EventUnderWay), EmitError> {
        let declared = self.0.signals.get(&signal).ok_or_else(|| EmitError::Unknown(signal.to_string()))?.clone();
        // Also if nobody listens: a mistake should not wait for the first subscriber.
        let value = convert(answer.value, &declared).map_err(|error| EmitError::Type(error.to_string()))?;
        if signal != TRACE {
            self.trace_signal(signal, &value);
        }
        let of_signal = |subscription: &&Arc<Subscription>| subscription.signal == signal;
        let (mut to_convert, left): (Vec<_>, Vec<_>) = {
            let subscriptions = self.0.subscriptions.lock();
            subscriptions.iter().filter(of_signal).cloned().partition(|to| to.takes_conversion(&declared))
        };
        to_convert.sort_by_key(|to| !to.overtaken.load(Ordering::Relaxed));
        // It is the thread that emits in a row, if anybody does. Its connections cannot know: with a few subscribers there is too much time
        // between two events of one of them.
        let begun = begin_event();
        let policy = Policy::Event { in_row: begun.in_row };
        let answer = Answer { value, objects: answer.objects };
        let (ids, encodings, left) = (Vec::new(), Default::default(), left.into_iter());
        Ok((Emission { signal, declared, answer, ids, encodings, policy, left, to_convert }, begun))
    }

    /// Tells subscribers that are left and need no conversion, for a turn or to the last.
    fn tell(&self, emission: &mut Emission, turn: &mut Turn, to_the_last: bool) -> Result<Emitted, EmitError> {
        let mut emitted = Emitted::default();
        while (to_the_last || turn.may_go_on())
            && let Some(subscription) = emission.left.next()
        {
            if !subscription.ended.load(Ordering::Relaxed) {
                let sent = emission.send(&subscription).map_err(EmitError::Type)?;
                self.count_event(&subscription, sent, &mut emitted);
            }
        }
        emitted.waiting = emission.waiting();
        Ok(emitted)
    }

    fn count_event(&self, subscription: &Subscription, sent: bool, emitted: &mut Emitted) {
        if sent {
            emitted.sent += 1;
            count(&self.0.counters.events_sent);
        } else if !subscription.peer.is_closed() {
            emitted.dropped += 1;
            count(&self.0.counters.events_dropped);
            subscription.peer.count_dropped_event();
        }
    }

    /// Converts a small event while the turn lasts, if all others are told.
    fn convert_small(
        &self,
        emission: &mut Emission,
        turn: &mut Turn,
        mut emitted: Emitted,
    ) -> Result<Emitted, EmitError> {
        while emission.left.as_slice().is_empty() && !emission.to_convert.is_empty() && emission.is_small() {
            // The clock is to be looked at each time.
            turn.weigh(SMALL * 2);
            if !turn.may_go_on() {
                break;
            }
            self.convert_next(emission, &mut emitted)?;
        }
        emitted.waiting = emission.waiting();
        Ok(emitted)
    }

    /// Converts it for who is the next to want that, and all who want the same.
    fn convert_next(&self, emission: &mut Emission, emitted: &mut Emitted) -> Result<(), EmitError> {
        for subscription in emission.take_same_type() {
            if subscription.ended.load(Ordering::Relaxed) {
                continue;
            }
            subscription.overtaken.store(false, Ordering::Relaxed);
            let sent = emission.send(&subscription).map_err(EmitError::Type)?;
            self.count_event(&subscription, sent, emitted);
        }
        emission.forget_conversions();
        Ok(())
    }

    /// The next event comes: who waits for a conversion of this one loses it. Says how many do.
    fn overtake(&self, emission: &mut Emission) -> usize {
        let mut emitted = Emitted::default();
        for subscription in std::mem::take(&mut emission.to_convert) {
            if !subscription.ended.load(Ordering::Relaxed) {
                subscription.overtaken.store(true, Ordering::Relaxed);
                self.count_event(&subscription, false, &mut emitted);
            }
        }
        emitted.dropped
    }

    /// Leaves what is left of it to others. If a worker converts the one before, that sees to it.
    fn leave(&self, order: &mut EventOrder, emission: Emission, is_good: bool, out: &mut EmissionAftermath) {
        match emission.rest().filter(|_| is_good) {
            Some(rest) => {
                out.rest = Some(rest).filter(|_| !order.is_converting);
                order.waiting = Some(emission);
            }
            None => out.done.push(emission),
        }
    }

    /// Tells some of who is left, as far as that is `rest`; for the next event others have been asked. Or all.
    fn tell_rest(&self, rest: Rest, most: u32) {
        let mut out = EmissionAftermath::default();
        let mut order = self.0.order.lock();
        let is_all = most == u32::MAX;
        if order.is_converting {
            return;
        }
        let mine = order.waiting.take_if(|emission| is_all || emission.rest().is_some_and(|(left, _)| left == rest));
        let Some(mut emission) = mine else { return };
        if rest == Rest::Conversions && !is_all {
            order.is_converting = true;
            drop(order);
            let told = self.convert_next(&mut emission, &mut Emitted::default());
            order = self.0.order.lock();
            order.is_converting = false;
            if let Some(next) = order.waiting.take() {
                self.overtake(&mut emission);
                out.done.push(std::mem::replace(&mut emission, next));
            }
            self.leave(&mut order, emission, told.is_ok(), &mut out);
        } else {
            let told = self.tell(&mut emission, &mut Turn::of(most), is_all);
            if is_all {
                self.overtake(&mut emission);
            }
            self.leave(&mut order, emission, told.is_ok(), &mut out);
        }
        drop(order);
        self.settle(out);
    }

    fn settle(&self, EmissionAftermath { done, rest }: EmissionAftermath) {
        drop(done);
        let Some((rest, common)) = rest else { return };
        let mut more = More(Some(self.clone()));
        let run = move || {
            if let Some(object) = more.0.take() {
                object.tell_rest(rest, AT_ONCE);
            }
        };
        let task = Task::Run { run: Box::new(run), crew: Arc::clone(&common.crew) };
        // In turn with what connections ask for; it is about none of them. Conversions are nothing that the object does.
        let whose = if rest == Rest::Conversions { &common.sender } else { self };
        if let Ok(true) = whose.0.mailbox.push(Origin::Server { about: 0 }, task) {
            common.crew.submit(0, whose.clone());
        }
    }
}

impl Subscription {
    /// It is to have events in a type that takes a conversion.
    fn takes_conversion(&self, declared: &Signature) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| wanted.ty != *declared && self.peer.shared().message_flags)
    }
}

impl Emission {
    fn waiting(&self) -> usize {
        self.left.len() + self.to_convert.len()
    }

    /// What is left of it, and whose server is to do that.
    fn rest(&self) -> Option<(Rest, Arc<Common>)> {
        let of = |rest, subscription: &Arc<Subscription>| (rest, Arc::clone(&subscription.peer.common));
        let subscribers = self.left.as_slice().first().map(|subscription| of(Rest::Subscribers, subscription));
        subscribers.or_else(|| self.to_convert.first().map(|subscription| of(Rest::Conversions, subscription)))
    }

    /// Who wants the type that the next one wants: they are not left any more.
    fn take_same_type(&mut self) -> Vec<Arc<Subscription>> {
        let all = std::mem::take(&mut self.to_convert);
        let next = all.first().and_then(|to| to.wanted.as_ref()).map(|wanted| Arc::clone(&wanted.text));
        let (same, others) =
            all.into_iter().partition(|to| to.wanted.as_ref().map(|wanted| &wanted.text) == next.as_ref());
        self.to_convert = others;
        same
    }

    /// The converted copies have been sent: each is as large as the event, and nobody wants them any more.
    fn forget_conversions(&mut self) {
        self.encodings.retain(|(_, wanted, _), _| wanted.is_none());
    }

    /// It is converted in no time. If nobody has it as it is, it is encoded to be weighed.
    fn is_small(&mut self) -> bool {
        if self.encodings.is_empty()
            && let Some(to) = self.to_convert.first()
        {
            let (shared, objects) = (to.peer.shared(), !self.answer.objects.is_empty());
            let service = to.address.service;
            let ids: Vec<_> = self.answer.objects.iter().map(|_| 0).collect();
            let Ok(encoded) = self.encode(shared, service, &ids, None) else { return true };
            if objects {
                return encoded.0.len() <= SMALL;
            }
            self.encodings.insert((shared, None, None), encoded);
        }
        self.encodings.values().next().is_none_or(|(payload, _)| payload.len() <= SMALL)
    }

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
