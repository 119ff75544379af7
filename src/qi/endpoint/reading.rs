//! Reading and delivering, on the thread that polls.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::qi::message::{Message, Type, VERSION};
use crate::transport::pipe::Ready;
use crate::transport::source::{Source, Unsent};

use super::config::count;
use super::decoder::{Decoder, Incoming, Refused};
use super::failure::{Failure, Reason};
use super::handlers::{Aftermath, Answer, Round, Step, Taken};
use super::input::{Input, InputReturned, InputSlot};
use super::queue::wake_all;
use super::ring::Wakes;
use super::turn::Turn;
use super::{AUTHENTICATION, EndPoint, LINGER, RESUMED, STALLED, Sink, reentrancy};

/// What a turn of reading may bring before others have theirs: reads, as long messages need them, and messages and time, as many short
/// ones do.
const READS: usize = 16;
const MESSAGES: u32 = 1024;
/// How long a peer is not read that has sent more than there was room for: twice as long each time, half as long when there was.
const HELD_BACK: Duration = Duration::from_millis(2);
const HELD_BACK_MOST: Duration = Duration::from_millis(128);

/// The texts of Errors for Calls that nobody took. The first is libqi's own (section 17).
const NOBODY: &str = "The call request could not be handled.";
const FULL: &str = "The call was dropped: its consumer is busy and the queue is full.";

/// How a turn of reading ended.
enum ReadEnd {
    /// The kernel has no more.
    Dry,
    /// It may have, but others want their turn.
    More,
    /// There is more here, of which the kernel knows nothing.
    Paused,
    End(Reason),
}

fn next_hold(last: Duration, held_back: bool) -> Duration {
    if held_back { (2 * last).clamp(HELD_BACK, HELD_BACK_MOST) } else { last / 2 }
}

impl Source for EndPoint {
    fn ready(&self, _key: u64, ready: Ready) {
        let _inside = reentrancy::enter_reading(self.address());
        let broken = ready.writable && self.writable();
        if ready.closed || ((ready.readable || broken) && !self.shakes_hands()) {
            self.read(ready.closed);
        }
        // Also what was sent while delivering, and what a stream over a stream could not write before it had read.
        EndPoint::flush(self);
    }

    fn expired(&self, key: u64) {
        let _inside = reentrancy::enter_reading(self.address());
        match key {
            LINGER => self.finish(Reason::Closed),
            RESUMED => {
                self.input.lock().held_back = false;
                self.read(false);
                EndPoint::flush(self);
            }
            STALLED => self.look_for_progress(),
            AUTHENTICATION if !self.is_authenticated() => self.finish(Reason::Failed(Failure::TimedOut)),
            _ => {}
        }
    }

    fn flush(&self, _key: u64) -> bool {
        let _inside = reentrancy::enter_reading(self.address());
        let wanted = self.output.lock().needs_tending();
        EndPoint::flush(self);
        wanted
    }

    fn hand_over(&self, _key: u64) -> Unsent {
        Unsent { bytes: EndPoint::hand_over(self), linger: self.config.linger }
    }
}

impl EndPoint {
    /// Whoever connects has a signature made, which takes milliseconds: each of them in a turn of its own, when that is due, and not one after the other
    /// before anybody else is served. True: this is such a connection.
    fn shakes_hands(&self) -> bool {
        if self.config.tls_server.is_none() {
            return false;
        }
        let mut slot = self.input.lock();
        let shakes_hands = slot.idle().is_some_and(|input| input.stream.awaits_peer());
        if shakes_hands && !slot.held_back {
            slot.held_back = true;
            drop(slot);
            self.resume(Duration::ZERO);
        }
        shakes_hands
    }

    /// Reads what there is, for one turn. `to_end`: the end is near, so only that, or others' turns, are a reason to stop.
    fn read(&self, to_end: bool) {
        let (mut input, mut to_end) = {
            let mut slot = self.input.lock();
            slot.to_end |= to_end;
            if slot.held_back && !slot.to_end {
                return;
            }
            match slot.take() {
                Some(input) => (input, slot.to_end),
                None => return,
            }
        };
        loop {
            let turn = self.read_turn(&mut input, to_end);
            if let ReadEnd::End(reason) = turn {
                drop(input);
                let lingers = self.output.lock().heard_end();
                return if lingers { EndPoint::flush(self) } else { self.finish(reason) };
            }
            let paused =
                matches!(turn, ReadEnd::Paused) || (matches!(turn, ReadEnd::More) && input.stream.has_unread());
            let held_back = self.overrun.swap(false, Ordering::Relaxed);
            let since = input.stands_since(self.received());
            let mut slot = self.input.lock();
            // One that has more than its turn takes goes on when that is due, however much more comes meanwhile.
            slot.held_back = held_back || paused;
            slot.hold = next_hold(slot.hold, held_back);
            let hold = slot.hold;
            let leftover = match slot.put_back(input, !paused && !held_back) {
                InputReturned::Again(taken) => {
                    (input, to_end) = (taken, slot.to_end);
                    continue;
                }
                InputReturned::Kept => None,
                InputReturned::Over(input) => Some(input),
            };
            self.expect_progress(&mut slot, since);
            drop(slot);
            drop(leftover);
            if held_back || paused {
                self.resume(if held_back { hold } else { Duration::ZERO });
            } else if matches!(turn, ReadEnd::More) {
                self.output.lock().rewatch(&self.reactor);
            }
            return;
        }
    }

    /// Has it looked whether the message gets on that is under way since then, unless that is so already.
    fn expect_progress(&self, slot: &mut InputSlot, since: Option<Instant>) {
        let limit = self.config.stall_timeout;
        let Some(at) = since.and_then(|since| since.checked_add(limit)).filter(|_| !limit.is_zero()) else { return };
        if slot.stall.is_none()
            && !slot.is_over()
            && let Some(me) = self.me.upgrade()
        {
            slot.stall = Some(self.reactor.arm(at, me, STALLED));
        }
    }

    fn look_for_progress(&self) {
        let received = self.received();
        let mut slot = self.input.lock();
        slot.stall = None;
        // Who reads looks when the turn is over.
        let Some(since) = slot.idle().and_then(|input| input.stands_since(received)) else { return };
        if since.elapsed() < self.config.stall_timeout {
            return self.expect_progress(&mut slot, Some(since));
        }
        drop(slot);
        self.finish(Reason::Failed(Failure::Stalled));
    }

    /// Has this read on after a time; none: when others have had their turn.
    fn resume(&self, after: Duration) {
        if let Some(me) = self.me.upgrade().filter(|_| !self.input.lock().is_over()) {
            self.reactor.arm(Instant::now() + after, me, RESUMED);
        }
    }

    fn read_turn(&self, input: &mut Input, to_end: bool) -> ReadEnd {
        let mut turn = Turn::of(MESSAGES);
        // What the last turn has left.
        match self.deliver_all(&mut input.decoder, &mut turn) {
            Ok(true) => {}
            Ok(false) => return ReadEnd::Paused,
            Err(reason) => return ReadEnd::End(reason),
        }
        for _ in 0..READS {
            let open = self.is_open();
            let (got, dry) = match if open { input.read() } else { input.forget() } {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // Nothing has come, but for something there was no room.
                    return self.deliver_all(&mut input.decoder, &mut turn).map_or_else(ReadEnd::End, |_| self.dry());
                }
                Err(error) => return ReadEnd::End(self.ended_by(Reason::Failed(error.into()))),
            };
            if got == 0 {
                let cut = open && input.decoder.is_amid();
                return ReadEnd::End(self.ended_by(if cut {
                    Reason::Failed(Failure::Cut)
                } else {
                    Reason::PeerClosed
                }));
            }
            match self.deliver_all(&mut input.decoder, &mut turn) {
                Ok(true) => {}
                Ok(false) => return ReadEnd::Paused,
                Err(reason) => return ReadEnd::End(reason),
            }
            if dry && !to_end && !input.stream.has_unread() {
                return self.dry();
            }
        }
        ReadEnd::More
    }

    /// Delivers the messages that are whole. False: the turn is over, and there may be more.
    fn deliver_all(&self, decoder: &mut Decoder, turn: &mut Turn) -> Result<bool, Reason> {
        while self.is_open() {
            if decoder.has_read() && !turn.may_go_on() {
                return Ok(false);
            }
            let limit = if self.is_authenticated() { self.config.max_payload } else { self.config.max_payload_before };
            match decoder.next(limit) {
                Ok(Some(Incoming::Message(message))) => {
                    self.deliver(&message);
                    turn.weigh(message.payload.len());
                }
                Ok(Some(Incoming::Refused(refused))) => self.deliver_refusal(refused),
                Ok(None) => return Ok(true),
                Err(breach) => return Err(Reason::Failed(Failure::Protocol(breach))),
            }
        }
        Ok(true)
    }

    /// There is nothing to read. If writing failed before, that is the end.
    fn dry(&self) -> ReadEnd {
        match self.output.lock().failure() {
            Some(failure) => ReadEnd::End(Reason::Failed(failure.clone())),
            None => ReadEnd::Dry,
        }
    }

    /// The end came from the stream; but if we closed before, that is the reason.
    fn ended_by(&self, reason: Reason) -> Reason {
        if self.open.load(Ordering::Acquire) { reason } else { Reason::Closed }
    }

    /// Shows a message to the handlers. Called by one thread at a time, under no lock.
    fn deliver(&self, message: &Message) {
        count(&self.counters.received, 1);
        let header = &message.header;
        match header.ty {
            Type::None | Type::Unknown(_) => return count(&self.counters.unknown, 1),
            // libqi minds the version of nothing else (section 2).
            Type::Call if header.version != VERSION && header.service != 0 => {
                return self.refuse(message, "This version of the protocol is not spoken here.");
            }
            _ => {}
        }
        let round = self.go_round(message);
        count(&self.counters.dropped, (round.matched - round.taken).into());
        if round.matched == 0 {
            count(&self.counters.unmatched, 1);
        }
        if round.taken == 0 && header.ty == Type::Call {
            self.refuse(message, if round.matched == 0 { NOBODY } else { FULL });
        }
    }

    /// A message for which there is no memory: its caller, there or here, is told in its place.
    fn deliver_refusal(&self, Refused { header, size }: Refused) {
        let budget = &self.config.budget;
        let text = format!(
            "No memory for a message of {size} bytes now: {} of {} bytes are in use.",
            budget.used(),
            budget.limit()
        );
        count(&self.counters.dropped, 1);
        let notice = Message::error_to(&header, &text);
        match header.ty {
            Type::Call => {
                count(&self.counters.received, 1);
                self.refuse_with(notice);
            }
            Type::Reply | Type::Error | Type::Canceled => self.deliver(&notice),
            _ => count(&self.counters.received, 1),
        }
    }

    fn go_round(&self, message: &Message) -> Round {
        let mut round = self.table.lock().begin(&message.header);
        let mut answer = Answer::Start;
        loop {
            let mut out = Aftermath::default();
            let step = self.table.lock().step(&mut round, message, answer, &mut out);
            self.settle(out);
            answer = match step {
                Step::Ask(filter) => {
                    let _inside = reentrancy::enter_filter();
                    // One that panics is not asked again: that is the default.
                    Answer::Verdict(reentrancy::contained(|| filter(&message.header)).unwrap_or_default())
                }
                Step::Call(sink) => {
                    Answer::Taken(reentrancy::contained(|| sink.take(self, message)).unwrap_or(Taken::Full))
                }
                Step::Done => return round,
            };
        }
    }

    /// The Error for a Call that nobody took.
    fn refuse(&self, call: &Message, text: &str) {
        self.refuse_with(Message::error_to(&call.header, text));
    }

    fn refuse_with(&self, error: Message) {
        // If there is no connection any more, nobody waits for it.
        if self.send_control(&error).is_ok() {
            count(&self.counters.refused, 1);
        }
    }

    /// Does what the table has left to do. No lock is held.
    pub(super) fn settle(&self, out: Aftermath<Arc<dyn Sink>>) {
        let Aftermath { ended, mut wakes } = out;
        for ended in ended {
            let mut last = Wakes::new();
            ended.finish(&mut last);
            wakes.extend(last);
        }
        wake_all(&self.reactor, wakes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_floods_on_and_on_is_read_less_and_less() {
        let mut hold = Duration::ZERO;
        let holds: Vec<_> = (0..9)
            .map(|_| {
                hold = next_hold(hold, true);
                hold.as_millis()
            })
            .collect();
        assert_eq!(holds, [2, 4, 8, 16, 32, 64, 128, 128, 128]);
        hold = next_hold(hold, false);
        assert_eq!(next_hold(hold, true), HELD_BACK_MOST, "one turn with room says little");
        for _ in 0..7 {
            hold = next_hold(hold, false);
        }
        assert_eq!(next_hold(hold, true), HELD_BACK);
    }
}
