//! The end point's handlers: a queue, its consumer, the reader, and whoever removes the handler or ends the connection.
//!
//! The table and the queue are the real ones, behind the lock that `src/qi/endpoint` keeps them behind; what it does with
//! them (`go_round`, `remove_handler`, `Queue::next`) is written down here again. A consumer that misses its wake-up sleeps
//! for ever.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use nanomsg::internals::models::Message;

use crate::explore;
use crate::qi::endpoint::budget::Budget;
use crate::qi::endpoint::failure::Reason;
use crate::qi::endpoint::filter::{Filter, Pattern, Verdict};
use crate::qi::endpoint::handlers::{Aftermath, Answer, Step, Table, Taken, Target};
use crate::qi::endpoint::ring::{Next, Ring, Wakes};
use crate::reactor::parker::Parker;
use crate::sys::sync::Mutex;

struct House {
    table: Mutex<Table<()>>,
    ring: Arc<Ring>,
    id: u64,
    told: Arc<AtomicUsize>,
    /// The handler's filter or sink is being called.
    inside: AtomicUsize,
}

fn wake(wakes: Wakes) {
    for parker in wakes {
        assert!(!parker.notify(), "nobody polls here");
    }
}

impl House {
    fn new(filter: Filter, sink: bool, length: usize) -> Arc<House> {
        let ring = Arc::new(Ring::new(length, Budget::default().account()));
        let told = Arc::new(AtomicUsize::new(0));
        let mut table = Table::default();
        let target = if sink { Target::Sink(()) } else { Target::Queue(Arc::clone(&ring)) };
        let count = Arc::clone(&told);
        let closer = Box::new(move |_: &Reason| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let id = table.add(filter, target, Some(closer)).unwrap();
        Arc::new(House { table: Mutex::new(table), ring, id, told, inside: AtomicUsize::new(0) })
    }

    fn settle(&self, out: Aftermath<()>) {
        let Aftermath { ended, mut wakes } = out;
        for ended in ended {
            assert_eq!(self.inside.load(Ordering::SeqCst), 0, "told while its code was being called");
            ended.finish(&mut wakes);
        }
        wake(wakes);
    }

    /// `EndPoint::go_round`; gives how many took the message.
    fn deliver(&self, id: u32) -> u32 {
        let message = Message::post(id, 1, 1, 1, Default::default());
        let mut round = self.table.lock().begin(&message.header);
        let mut answer = Answer::Start;
        loop {
            let mut out = Aftermath::default();
            let step = self.table.lock().step(&mut round, &message, answer, &mut out);
            self.settle(out);
            answer = match step {
                Step::Done => return round.taken,
                Step::Ask(filter) => Answer::Verdict(self.calling(|| filter(&message.header))),
                Step::Call(()) => Answer::Taken(self.calling(|| Taken::Yes)),
            };
        }
    }

    fn calling<T>(&self, call: impl FnOnce() -> T) -> T {
        let told = || self.told.load(Ordering::SeqCst);
        assert_eq!(told(), 0, "called after it was told");
        self.inside.fetch_add(1, Ordering::SeqCst);
        let outcome = call();
        assert_eq!(told(), 0, "told while its code was being called");
        self.inside.fetch_sub(1, Ordering::SeqCst);
        outcome
    }

    fn remove(&self) -> bool {
        let mut out = Aftermath::default();
        let outcome = self.table.lock().remove(self.id, &mut out);
        self.settle(out);
        outcome.is_ok()
    }

    fn end(&self) {
        let mut out = Aftermath::default();
        self.table.lock().end_all(&Reason::PeerClosed, &mut out);
        self.settle(out);
    }

    /// `Queue::next`, until the end; gives the ids of the messages.
    fn consume(&self) -> Vec<u32> {
        let me = Arc::new(Parker::default());
        let mut ids = Vec::new();
        loop {
            me.take_notice();
            let mut wakes = Wakes::new();
            let next = self.ring.take_or_wait(&me, true, &mut wakes);
            wake(wakes);
            match next {
                Some(Next::Message(message)) => ids.push(message.header.id),
                Some(Next::End(_)) => {
                    assert_eq!(self.told.load(Ordering::SeqCst), 1, "the end comes after the closer");
                    return ids;
                }
                None => drop(me.park(None)),
            }
        }
    }

    /// `Queue::next` of somebody whose time is over: the last look. Gives how many messages it brought.
    fn give_up(&self) -> u32 {
        let me = Arc::new(Parker::default());
        let mut wakes = Wakes::new();
        let next = self.ring.take_or_wait(&me, true, &mut wakes);
        let next = next.or_else(|| self.ring.take_or_wait(&me, false, &mut wakes));
        wake(wakes);
        u32::from(matches!(next, Some(Next::Message(_))))
    }

    fn told(&self) -> usize {
        self.told.load(Ordering::SeqCst)
    }
}

fn start<T: 'static>(house: &Arc<House>, body: impl FnOnce(&House) -> T + 'static) -> thread::JoinHandle<T> {
    let house = Arc::clone(house);
    thread::spawn(move || body(&house))
}

#[test]
fn what_was_taken_is_read_and_then_comes_the_end() {
    explore(3, || {
        let house = House::new(Pattern::ANY.into(), false, 2);
        let consumer = start(&house, House::consume);
        let taken = house.deliver(1) + house.deliver(2);
        house.end();
        assert_eq!((taken, consumer.join().unwrap()), (2, vec![1, 2]));
        assert_eq!(house.told(), 1);
    });
}

/// Who gives up takes no word with it that was meant for who goes on waiting: that one would sleep on beside a message.
#[test]
fn who_gives_up_leaves_the_message_to_others() {
    explore(3, || {
        let house = House::new(Pattern::ANY.into(), false, 2);
        let quitter = start(&house, House::give_up);
        let consumer = start(&house, |house| {
            let me = Arc::new(Parker::default());
            while house.ring.take_or_wait(&me, true, &mut Wakes::new()).is_none() {
                me.park(None);
                me.take_notice();
            }
        });
        house.deliver(1);
        if quitter.join().unwrap() == 1 {
            house.deliver(2);
        }
        consumer.join().unwrap();
    });
}

#[test]
fn a_handler_that_is_removed_meanwhile_loses_nothing_it_took() {
    explore(3, || {
        let house = House::new(Pattern::ANY.into(), false, 1);
        let consumer = start(&house, House::consume);
        let remover = start(&house, House::remove);
        let taken = house.deliver(1);
        assert!(remover.join().unwrap());
        assert_eq!(consumer.join().unwrap().len() as u32, taken);
        assert_eq!(house.told(), 1);
    });
}

#[test]
fn two_consumers_share_and_both_see_the_end() {
    explore(2, || {
        let house = House::new(Pattern::ANY.into(), false, 2);
        let other = start(&house, House::consume);
        let one = start(&house, House::consume);
        let taken = house.deliver(1) + house.deliver(2);
        house.end();
        let mut ids = one.join().unwrap();
        ids.extend(other.join().unwrap());
        ids.sort_unstable();
        assert_eq!((taken, ids), (2, vec![1, 2]));
    });
}

#[test]
fn removal_and_the_end_of_the_connection_tell_once() {
    explore(3, || {
        let house = House::new(Pattern::ANY.into(), true, 1);
        let remover = start(&house, House::remove);
        let ender = start(&house, House::end);
        house.deliver(1);
        remover.join().unwrap();
        ender.join().unwrap();
        assert_eq!(house.told(), 1);
        assert!(!house.remove());
    });
}

#[test]
fn a_callback_is_never_called_once_its_handler_was_told() {
    explore(3, || {
        let filter = Filter::callback(|_| Verdict { matched: true, keep: true, exclusive: false });
        let house = House::new(filter, true, 1);
        let remover = start(&house, House::remove);
        let taken = house.deliver(1);
        house.deliver(2);
        assert!(remover.join().unwrap());
        assert!(taken <= 1);
        assert_eq!(house.told(), 1);
    });
}

#[test]
fn a_once_handler_that_is_removed_meanwhile_is_told_once() {
    explore(3, || {
        let house = House::new(Pattern { once: true, ..Pattern::ANY }.into(), false, 1);
        let consumer = start(&house, House::consume);
        let remover = start(&house, House::remove);
        let taken = house.deliver(1);
        let removed = remover.join().unwrap();
        assert!(taken == 1 || removed);
        assert_eq!((consumer.join().unwrap().len() as u32, house.told()), (taken, 1));
    });
}
