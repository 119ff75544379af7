//! Who polls: callers that wait, an I/O thread, and events that arrive at any moment.
//!
//! The rules and the parkers are the real ones. What the reactor does with them is written down here again, in
//! the words of `src/reactor`, over a kernel that keeps events until somebody polls. Time does not pass: a nap
//! is over at once, which is every possible length of it as far as interleavings go. So a caller need not be slow for the I/O
//! thread to take over from it; some are held up at a certain place until the model lets them go.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread::{self, JoinHandle};

use crate::explore;
use crate::reactor::leadership::{IoTurn, Leadership, Moment, Tenure, Wake};
use crate::reactor::parker::Parker;

/// The poll: what has happened and was not fetched yet.
#[derive(Default)]
struct Kernel {
    ready: Mutex<Ready>,
    bell: Condvar,
}

#[derive(Default)]
struct Ready {
    /// Sockets for which an answer has arrived.
    events: Vec<usize>,
    woken: bool,
    watcher_woken: bool,
    /// Those that were rung, and how many there are beside the first.
    rung: Vec<i32>,
    seats: i32,
}

impl Ready {
    fn is_readable(&self) -> bool {
        self.woken || !self.events.is_empty()
    }
}

/// Of the event loop; no seat has that number.
const LOOPS_BELL: i32 = -1;

/// Where a caller is held up: before it polls, or ...
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Polling,
    /// What it has fetched is not told.
    Telling,
    /// It was woken to take the lead.
    Acquiring,
}

/// A caller is held up here, until it is let go.
#[derive(Default)]
struct Hold {
    over: Mutex<bool>,
    change: Condvar,
}

impl Hold {
    fn stay(&self) {
        let mut over = self.over.lock().unwrap();
        while !*over {
            over = self.change.wait(over).unwrap();
        }
    }

    fn let_go(&self) {
        *self.over.lock().unwrap() = true;
        self.change.notify_all();
    }
}

/// A socket with at most one caller that waits: the monitor of `src/facade`.
#[derive(Default)]
struct Socket {
    state: Mutex<Waiting>,
    /// Somebody who is not served by polling callers (a descriptor) sees the answer.
    seen: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// It is with the kernel.
    arrived: bool,
    answered: bool,
    caller: Option<usize>,
    /// It is waited for in the event loop.
    in_loop: bool,
}

struct Model {
    kernel: Kernel,
    leadership: Leadership<usize>,
    /// The third has no caller; somebody else wants to see it served.
    sockets: [Socket; 3],
    parkers: [Parker; 2],
    io: Parker,
    io_watches: AtomicBool,
    progress: AtomicU64,
    /// Caller 0 is held up.
    held_up: Option<Place>,
    hold: Hold,
    stopping: AtomicBool,
}

impl Kernel {
    fn arrive(&self, socket: usize) {
        self.ready.lock().unwrap().events.push(socket);
        self.bell.notify_all();
    }

    fn wake(&self) {
        self.ready.lock().unwrap().woken = true;
        self.bell.notify_all();
    }

    /// Until there is something to fetch; not even then, if it is for somebody else's bell.
    fn sleep(&self, seat: i32) {
        let mut ready = self.ready.lock().unwrap();
        while !ready.is_readable() && !ready.rung.contains(&seat) {
            ready = self.bell.wait(ready).unwrap();
        }
    }

    /// What there is, once there is something.
    fn poll(&self) -> Vec<usize> {
        let mut ready = self.ready.lock().unwrap();
        while !ready.is_readable() {
            ready = self.bell.wait(ready).unwrap();
        }
        ready.woken = false;
        std::mem::take(&mut ready.events)
    }

    /// What there is now, and whether it was woken.
    fn fetch(&self) -> (Vec<usize>, bool) {
        let mut ready = self.ready.lock().unwrap();
        (std::mem::take(&mut ready.events), std::mem::take(&mut ready.woken))
    }

    fn ring(&self, seat: i32) {
        self.ready.lock().unwrap().rung.push(seat);
        self.bell.notify_all();
    }

    /// Until there is something to fetch, or it was woken.
    fn watch(&self) {
        let mut ready = self.ready.lock().unwrap();
        while !ready.is_readable() && !ready.watcher_woken {
            ready = self.bell.wait(ready).unwrap();
        }
        ready.watcher_woken = false;
    }

    fn wake_watcher(&self) {
        self.ready.lock().unwrap().watcher_woken = true;
        self.bell.notify_all();
    }

    fn has_events(&self) -> bool {
        self.ready.lock().unwrap().is_readable()
    }

    fn new_seat(&self) -> i32 {
        let mut ready = self.ready.lock().unwrap();
        ready.seats += 1;
        ready.seats
    }
}

impl Model {
    fn new() -> Arc<Model> {
        Model::with(None)
    }

    fn with(held_up: Option<Place>) -> Arc<Model> {
        Arc::new(Model {
            kernel: Kernel::default(),
            leadership: Leadership::new(0),
            sockets: Default::default(),
            parkers: Default::default(),
            io: Parker::default(),
            io_watches: AtomicBool::new(false),
            progress: AtomicU64::new(0),
            held_up,
            hold: Hold::default(),
            stopping: AtomicBool::new(false),
        })
    }

    fn notify(&self, parker: &Parker) {
        if parker.notify() {
            self.kernel.wake();
        }
    }

    fn carry_out(&self, wake: Wake<usize>) {
        match wake {
            Wake::Nobody => {}
            Wake::Caller(caller) => self.notify(&self.parkers[caller]),
            Wake::Io => self.notify_io(),
            Wake::Vacated(_) => {}
        }
    }

    fn notify_io(&self) {
        if self.io.notify() {
            match self.io_watches.load(Ordering::Relaxed) {
                true => self.kernel.wake_watcher(),
                false => self.kernel.wake(),
            }
        }
    }

    /// `Reactor::poll_once` of a caller.
    fn poll_once(&self, me: usize, tenure: Tenure) {
        self.kernel.sleep(tenure.seat);
        self.parkers[me].end_poll();
        let Some((ready, rung)) = self.begin_step(tenure) else { return };
        if !ready.is_empty() {
            self.pass(me, Place::Telling);
        }
        for socket in ready {
            self.answer(socket);
        }
        if rung && self.leadership.is_over(tenure) {
            self.kernel.wake();
        }
        if !self.leadership.is_over(tenure) {
            self.progress.store((self.progress.load(Ordering::Relaxed) | 1) + 1, Ordering::SeqCst);
        }
    }

    /// The step begins, and everything is fetched. This is one step here: else a caller that is held up in its midst, taken over
    /// from, and held up again once it has fetched, would have news with it that nobody tells.
    fn begin_step(&self, tenure: Tenure) -> Option<(Vec<usize>, bool)> {
        let mut ready = self.kernel.ready.lock().unwrap();
        if self.leadership.is_over(tenure) {
            return None;
        }
        self.progress.store((self.progress.load(Ordering::Relaxed) | 1) + 2, Ordering::SeqCst);
        if self.io_watches.load(Ordering::SeqCst) {
            ready.watcher_woken = true;
            self.kernel.bell.notify_all();
        }
        Some((std::mem::take(&mut ready.events), std::mem::take(&mut ready.woken)))
    }

    /// An event loop that sleeps on the poll and on its bell, until socket 2 is answered.
    fn wait_in_a_loop(&self) {
        self.sockets[2].state.lock().unwrap().in_loop = true;
        while !self.sockets[2].state.lock().unwrap().answered {
            self.kernel.sleep(LOOPS_BELL);
            self.look_for_loop();
            // What was for somebody else wakes that one again, and the loop; the other one comes first in the end.
            thread::yield_now();
        }
    }

    /// `Reactor::look_for_loop`.
    fn look_for_loop(&self) {
        let tenure = self.leadership.loop_comes();
        let (ready, rung) = match tenure {
            Some(tenure) => self.begin_step(tenure).unwrap_or_default(),
            None => self.kernel.fetch(),
        };
        for socket in ready {
            self.answer(socket);
        }
        if rung && tenure.is_none_or(|tenure| self.leadership.is_over(tenure)) {
            self.kernel.wake();
        }
        if let Some(tenure) = tenure {
            if !self.leadership.is_over(tenure) {
                self.progress.store((self.progress.load(Ordering::Relaxed) | 1) + 1, Ordering::SeqCst);
            }
            self.carry_out(self.leadership.release(tenure));
        }
    }

    fn pass(&self, me: usize, place: Place) {
        if me == 0 && self.held_up == Some(place) {
            self.hold.stay();
        }
    }

    /// Tells a socket's caller that its answer has come, as finishing a guard does.
    fn answer(&self, socket: usize) {
        let mut state = self.sockets[socket].state.lock().unwrap();
        state.answered = true;
        let caller = state.caller.take();
        if state.in_loop {
            self.kernel.ring(LOOPS_BELL);
        }
        drop(state);
        self.sockets[socket].seen.notify_all();
        if let Some(caller) = caller {
            self.notify(&self.parkers[caller]);
        }
    }

    /// A call that waits for its answer.
    fn call(&self, me: usize) {
        loop {
            {
                let mut state = self.sockets[me].state.lock().unwrap();
                if state.answered {
                    return;
                }
                self.parkers[me].take_notice();
                state.caller = Some(me);
            }
            self.wait(me);
        }
    }

    /// A call whose time is over as soon as it would have to sleep, or to poll without an end.
    fn impatient_call(&self, me: usize) {
        self.sockets[me].state.lock().unwrap().caller = Some(me);
        match self.leadership.acquire(&me) {
            Some(tenure) => self.carry_out(self.leadership.release(tenure)),
            None => self.carry_out(self.leadership.leave(&me)),
        }
    }

    /// `Reactor::wait`.
    fn wait(&self, me: usize) {
        let parker = &self.parkers[me];
        loop {
            if parker.take_notice() {
                break;
            }
            if let Some(tenure) = self.leadership.acquire(&me) {
                let noticed = self.poll_until_noticed(me, tenure);
                self.carry_out(self.leadership.release(tenure));
                if noticed {
                    return;
                }
                continue;
            }
            parker.park(None);
            self.pass(me, Place::Acquiring);
        }
        self.carry_out(self.leadership.leave(&me));
    }

    fn poll_until_noticed(&self, me: usize, tenure: Tenure) -> bool {
        while !self.parkers[me].take_notice() {
            if self.leadership.is_over(tenure) {
                return false;
            }
            if self.parkers[me].begin_poll() {
                self.pass(me, Place::Polling);
                self.poll_once(me, tenure);
            }
        }
        true
    }

    /// `Reactor::serve`.
    fn serve(&self) {
        while !self.is_stopping() {
            match self.leadership.io_turn(true) {
                IoTurn::Poll(tenure) => self.serve_poll(tenure),
                IoTurn::Nap { .. } => {}
                IoTurn::Watch => {
                    if let Some(tenure) = self.watch_holder() {
                        self.serve_poll(tenure);
                    }
                }
            }
        }
    }

    fn serve_poll(&self, tenure: Tenure) {
        loop {
            if self.is_stopping() {
                return self.carry_out(self.leadership.hand_back(tenure));
            }
            if self.io.begin_poll() {
                let ready = self.kernel.poll();
                self.io.end_poll();
                for socket in ready {
                    self.answer(socket);
                }
            }
            self.io.take_notice();
            if let Some(wake) = self.leadership.io_yield() {
                return self.carry_out(wake);
            }
        }
    }

    /// `Reactor::watch_holder`. Nobody knows how long a moment is.
    fn watch_holder(&self) -> Option<Tenure> {
        while !self.is_stopping() && self.sleeps_until_events() {
            let before = self.now();
            thread::yield_now();
            let now = self.now();
            if self.io.take_notice() || self.is_stopping() {
                return None;
            }
            if now == before && (now.1 % 2 == 1 || self.kernel.has_events()) {
                return self.take_over(now);
            }
            if now.1 % 2 == 1 {
                // It looks again a moment later, which here is now, or after it has been told.
                return None;
            }
        }
        None
    }

    fn sleeps_until_events(&self) -> bool {
        self.io_watches.store(true, Ordering::SeqCst);
        // (Under the lock, since loom knows of no order of all that is sequentially consistent.)
        let is_under_way = {
            let _order = self.kernel.ready.lock().unwrap();
            self.now().1 % 2 == 1
        };
        if !is_under_way && self.io.begin_poll() {
            self.kernel.watch();
            self.io.end_poll();
        }
        self.io_watches.store(false, Ordering::Relaxed);
        !self.io.take_notice()
    }

    fn now(&self) -> (Moment, u64) {
        (self.leadership.moment(), self.progress.load(Ordering::SeqCst))
    }

    fn take_over(&self, (held_up, steps): (Moment, u64)) -> Option<Tenure> {
        let seat = self.kernel.new_seat();
        let tenure = {
            let mut ready = self.kernel.ready.lock().unwrap();
            let tenure = self.leadership.take_over(held_up, seat)?;
            ready.rung.extend(held_up.holder.map(|holder| holder.seat));
            self.kernel.bell.notify_all();
            tenure
        };
        if steps % 2 == 1 {
            self.progress.store(steps + 1, Ordering::Relaxed);
            self.watch_anew();
        }
        Some(tenure)
    }

    /// What has arrived and was not told is reported again.
    fn watch_anew(&self) {
        for (index, socket) in self.sockets.iter().enumerate() {
            let state = socket.state.lock().unwrap();
            if state.arrived && !state.answered {
                self.kernel.arrive(index);
            }
        }
    }

    fn arrive(&self, socket: usize) {
        self.sockets[socket].state.lock().unwrap().arrived = true;
        self.kernel.arrive(socket);
    }

    /// `Reactor::keep_polling`.
    fn keep_polling(&self) {
        self.carry_out(self.leadership.keep_polling(true));
        if self.leadership.is_held() {
            self.kernel.wake();
        }
        self.notify_io();
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn start(self: &Arc<Self>, body: impl FnOnce(&Model) + 'static) -> JoinHandle<()> {
        let model = Arc::clone(self);
        thread::spawn(move || body(&model))
    }

    fn stop(&self, io: JoinHandle<()>) {
        self.stopping.store(true, Ordering::Release);
        self.notify_io();
        io.join().unwrap();
    }

    /// Callers have come and gone: the I/O thread must poll again.
    fn is_served_without_callers(&self) {
        self.arrive(2);
        self.wait_seen(2);
    }

    /// The owner of a notification descriptor, which never polls.
    fn wait_seen(&self, socket: usize) {
        let mut state = self.sockets[socket].state.lock().unwrap();
        while !state.answered {
            state = self.sockets[socket].seen.wait(state).unwrap();
        }
    }
}

#[test]
fn a_caller_gets_its_answer_whenever_it_arrives() {
    explore(3, || {
        let model = Model::new();
        let io = model.start(Model::serve);
        let caller = model.start(|model| model.call(0));
        model.arrive(0);
        caller.join().unwrap();
        model.stop(io);
    });
}

#[test]
fn an_answer_that_comes_past_the_poll_is_not_lost() {
    explore(3, || {
        let model = Model::new();
        let io = model.start(Model::serve);
        let caller = model.start(|model| model.call(0));
        model.answer(0);
        caller.join().unwrap();
        model.stop(io);
    });
}

#[test]
fn two_callers_get_their_answers_in_either_order() {
    explore(2, || {
        let model = Model::new();
        let io = model.start(Model::serve);
        let callers = [0, 1].map(|me| model.start(move |model| model.call(me)));
        model.arrive(0);
        model.arrive(1);
        for caller in callers {
            caller.join().unwrap();
        }
        model.is_served_without_callers();
        model.stop(io);
    });
}

#[test]
fn without_an_io_thread_callers_hand_the_poll_to_each_other() {
    explore(3, || {
        let model = Model::new();
        let callers = [0, 1].map(|me| model.start(move |model| model.call(me)));
        model.arrive(1);
        model.arrive(0);
        for caller in callers {
            caller.join().unwrap();
        }
    });
}

#[test]
fn a_caller_that_gives_up_hands_on() {
    explore(2, || {
        let model = Model::new();
        let io = model.start(Model::serve);
        let patient = model.start(|model| model.call(0));
        let impatient = model.start(|model| model.impatient_call(1));
        model.arrive(0);
        patient.join().unwrap();
        impatient.join().unwrap();
        model.is_served_without_callers();
        model.stop(io);
    });
}

#[test]
fn when_all_callers_have_left_the_io_thread_serves() {
    explore(3, || {
        let model = Model::new();
        let io = model.start(Model::serve);
        model.arrive(0);
        model.call(0);
        model.is_served_without_callers();
        model.stop(io);
    });
}

#[test]
fn an_attended_socket_is_served_while_a_caller_waits_and_after_it() {
    explore(2, || {
        let model = Model::new();
        let io = model.start(Model::serve);
        let caller = model.start(|model| model.call(0));
        model.keep_polling();
        model.arrive(1);
        model.wait_seen(1);
        model.arrive(0);
        caller.join().unwrap();
        model.stop(io);
    });
}

#[test]
fn a_loop_is_told_whenever_its_message_comes() {
    explore(3, || {
        let model = Model::new();
        let io = model.start(Model::serve);
        let in_loop = model.start(Model::wait_in_a_loop);
        model.arrive(2);
        in_loop.join().unwrap();
        model.stop(io);
    });
}

#[test]
fn a_loop_and_a_caller_get_what_is_theirs() {
    explore(2, || {
        let model = Model::new();
        let in_loop = model.start(Model::wait_in_a_loop);
        let caller = model.start(|model| model.call(0));
        model.arrive(0);
        model.arrive(2);
        in_loop.join().unwrap();
        caller.join().unwrap();
    });
}

/// Caller 0 is held up, with the lead; what comes for the other one gets there, and afterwards its own.
fn others_are_served_while_a_caller_is_held_up(place: Place) {
    explore(1, move || {
        let model = Model::with(Some(place));
        let io = model.start(Model::serve);
        let held_up = model.start(|model| model.call(0));
        if place == Place::Telling {
            model.arrive(0);
        }
        // (If the I/O thread has told the news itself, nobody is held up.)
        let model2 = Arc::clone(&model);
        let other = thread::spawn(move || model2.call(1));
        model.arrive(1);
        other.join().unwrap();
        model.hold.let_go();
        if place != Place::Telling {
            model.arrive(0);
        }
        held_up.join().unwrap();
        model.is_served_without_callers();
        model.stop(io);
    });
}

#[test]
fn others_are_served_while_a_caller_does_not_come_to_poll() {
    others_are_served_while_a_caller_is_held_up(Place::Polling);
}

#[test]
fn others_are_served_while_a_caller_does_not_tell_what_it_has_fetched() {
    others_are_served_while_a_caller_is_held_up(Place::Telling);
}

#[test]
fn others_are_served_while_a_woken_caller_does_not_take_the_lead() {
    others_are_served_while_a_caller_is_held_up(Place::Acquiring);
}
