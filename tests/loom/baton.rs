//! Who polls: callers that wait, an I/O thread, and events that arrive at any moment.
//!
//! The rules and the parkers are the real ones. What the reactor does with them is written down here again, in
//! the words of `src/reactor`, over a kernel that keeps events until somebody polls. Time does not pass: a nap
//! is over at once, which is every possible length of it as far as interleavings go.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread::{self, JoinHandle};

use crate::explore;
use crate::reactor::baton::{Baton, IoTurn, Wake};
use crate::reactor::parker::Parker;

/// The poll: what has happened and was not fetched yet.
#[derive(Default)]
struct Kernel {
    ready: Mutex<Fetched>,
    bell: Condvar,
}

#[derive(Default)]
struct Fetched {
    /// Sockets for which an answer has arrived.
    events: Vec<usize>,
    woken: bool,
    polled: bool,
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
    answered: bool,
    caller: Option<usize>,
}

struct Model {
    kernel: Kernel,
    baton: Baton<usize>,
    /// The third has no caller; somebody else wants to see it served.
    sockets: [Socket; 3],
    parkers: [Parker; 2],
    io: Parker,
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

    fn poll(&self) -> Vec<usize> {
        let mut ready = self.ready.lock().unwrap();
        assert!(!std::mem::replace(&mut ready.polled, true), "two threads poll");
        while ready.events.is_empty() && !ready.woken {
            ready = self.bell.wait(ready).unwrap();
        }
        ready.polled = false;
        ready.woken = false;
        std::mem::take(&mut ready.events)
    }
}

impl Model {
    fn new() -> Arc<Model> {
        Arc::new(Model {
            kernel: Kernel::default(),
            baton: Baton::new(),
            sockets: Default::default(),
            parkers: Default::default(),
            io: Parker::default(),
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
            Wake::Io => self.notify(&self.io),
        }
    }

    fn poll_once(&self, sleeper: &Parker) {
        let ready = self.kernel.poll();
        sleeper.end_poll();
        for socket in ready {
            self.answer(socket);
        }
    }

    /// Tells a socket's caller that its answer has come, as leaving a visit does.
    fn answer(&self, socket: usize) {
        let mut state = self.sockets[socket].state.lock().unwrap();
        state.answered = true;
        let caller = state.caller.take();
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
        if self.baton.acquire(&me) {
            self.carry_out(self.baton.release());
        } else {
            self.carry_out(self.baton.leave(&me));
        }
    }

    /// `Reactor::wait`.
    fn wait(&self, me: usize) {
        let parker = &self.parkers[me];
        loop {
            if parker.take_notice() {
                break;
            }
            if self.baton.acquire(&me) {
                self.poll_until_noticed(parker);
                self.carry_out(self.baton.release());
                return;
            }
            parker.park(None);
        }
        self.carry_out(self.baton.leave(&me));
    }

    fn poll_until_noticed(&self, parker: &Parker) {
        while !parker.take_notice() {
            if parker.begin_poll() {
                self.poll_once(parker);
            }
        }
    }

    /// `Reactor::serve`.
    fn serve(&self) {
        while !self.is_stopping() {
            match self.baton.io_turn() {
                IoTurn::Poll => self.serve_poll(),
                IoTurn::Nap => {}
                IoTurn::Sleep => {
                    self.io.park(None);
                    self.io.take_notice();
                }
            }
        }
    }

    fn serve_poll(&self) {
        loop {
            if self.is_stopping() {
                return self.carry_out(self.baton.hand_back());
            }
            if self.io.begin_poll() {
                self.poll_once(&self.io);
            }
            self.io.take_notice();
            if let Some(wake) = self.baton.io_yield() {
                return self.carry_out(wake);
            }
        }
    }

    /// `Reactor::attend`.
    fn attend(&self) {
        self.carry_out(self.baton.attend(true));
        if self.baton.is_held() {
            self.kernel.wake();
        }
        self.notify(&self.io);
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
        self.notify(&self.io);
        io.join().unwrap();
    }

    /// Callers have come and gone: the I/O thread must poll again.
    fn is_served_without_callers(&self) {
        self.kernel.arrive(2);
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
        model.kernel.arrive(0);
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
        model.kernel.arrive(0);
        model.kernel.arrive(1);
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
        model.kernel.arrive(1);
        model.kernel.arrive(0);
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
        model.kernel.arrive(0);
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
        model.kernel.arrive(0);
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
        model.attend();
        model.kernel.arrive(1);
        model.wait_seen(1);
        model.kernel.arrive(0);
        caller.join().unwrap();
        model.stop(io);
    });
}
