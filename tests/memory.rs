//! From the k-th on, all large requests for memory of a send or a receive fail, for every k: the call says `ENOMEM`, or does with less, and
//! what follows is as if it had not been. (With real limits, and through C: ctests/memory.c.)

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nanomsg::Error;
use nanomsg::internals::{Body, EngineSocket, Message, Session, Wait, options};
use support::{ScratchDir, free_port};

/// What is less is bookkeeping, whose size neither caller nor peer decides: for that memory is taken for granted.
const LARGE: usize = 2048;

thread_local! {
    /// Large requests of this thread until they fail.
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    static FAILED: Cell<bool> = const { Cell::new(false) };
}

struct Failing;

#[global_allocator]
static ALLOCATOR: Failing = Failing;

impl Failing {
    fn refuses(size: usize) -> bool {
        if size < LARGE {
            return false;
        }
        match LEFT.get() {
            Some(0) => {
                FAILED.set(true);
                true
            }
            Some(left) => {
                LEFT.set(Some(left - 1));
                false
            }
            None => false,
        }
    }
}

// SAFETY: it gives what the system's allocator gives, or null, which an allocator may.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the same.
        if Failing::refuses(layout.size()) { ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the same.
        if Failing::refuses(layout.size()) { ptr::null_mut() } else { unsafe { System.alloc_zeroed(layout) } }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise is the same.
        if Failing::refuses(size) { ptr::null_mut() } else { unsafe { System.realloc(block, layout, size) } }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Runs `call` while large requests of this thread fail but for the first `k`; says whether it came to that.
fn lacking<T>(k: usize, call: impl FnOnce() -> T) -> (T, bool) {
    LEFT.set(Some(k));
    let result = call();
    LEFT.set(None);
    (result, FAILED.take())
}

const PATIENCE: Duration = Duration::from_secs(20);
const SIZES: [usize; 7] = [0, 100, 3000, 8190, 30_000, 100_000, 3_000_000];
const TRANSPORTS: [&str; 4] = ["inproc", "ipc", "tcp", "ws"];

struct Ends {
    _dir: ScratchDir,
    session: Arc<Session>,
    receivers: Vec<Arc<EngineSocket>>,
    sender: Arc<EngineSocket>,
}

impl Ends {
    /// `receivers` sockets of one type, bound, and one of the other that has connected to them all.
    fn new(transport: &str, raw: bool, receivers: usize, types: [i32; 2]) -> Ends {
        let dir = ScratchDir::new();
        let session = Session::start().expect("a session");
        let open = |id| {
            let socket = session.socket(raw, id, "memory").expect("a socket");
            for (option, value) in
                [(options::RCVMAXSIZE, -1_i32), (options::RCVTIMEO, 1000), (options::RECONNECT_IVL, 1)]
            {
                socket.set_option(0, option, &value.to_ne_bytes()).expect("an option");
            }
            socket
        };
        let sender = open(types[1]);
        let mut bound = Vec::new();
        for number in 0..receivers {
            let url = match transport {
                "inproc" => format!("inproc://memory{number}"),
                "ipc" => dir.ipc_address(),
                other => format!("{other}://127.0.0.1:{}", free_port()),
            };
            let receiver = open(types[0]);
            if types[0] == 33 {
                receiver.set_option(33, 1, b"").expect("subscribe");
            }
            receiver.bind(url.as_bytes()).expect("bind");
            sender.connect(url.as_bytes()).expect("connect");
            bound.push(receiver);
        }
        let ends = Ends { _dir: dir, session, receivers: bound, sender };
        ends.settle();
        ends
    }

    /// Waits until all are connected.
    fn settle(&self) {
        let deadline = Instant::now() + PATIENCE;
        let connections = |socket: &EngineSocket| socket.statistic(201).expect("connections") as usize;
        while connections(&self.sender) < self.receivers.len() || self.receivers.iter().any(|one| connections(one) < 1)
        {
            assert!(Instant::now() < deadline, "never connected");
            std::thread::yield_now();
        }
    }

    /// Connections that the sender has ever made.
    fn made(&self) -> u64 {
        self.sender.statistic(101).expect("established connections")
    }

    /// Connections that the first receiver has lost.
    fn lost(&self) -> u64 {
        self.receivers[0].statistic(104).expect("broken connections")
    }

    /// Waits until all are connected again: the sender may still have the connection that is lost.
    fn settle_again(&self, made: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.made() <= made {
            assert!(Instant::now() < deadline, "never connected again");
            std::thread::yield_now();
        }
        self.settle();
    }

    fn send(&self, body: &[u8]) -> Result<usize, Error> {
        self.sender.send(&mut Message::new(Body::Borrowed(body)), Wait::Option)
    }

    fn expect(&self, body: &[u8], what: &str) {
        for receiver in &self.receivers {
            let message = receiver.recv(Wait::Option).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(message.body.bytes() == body, "{what}: {} bytes for {}", message.body.len(), body.len());
        }
    }

    fn close(self) {
        self.sender.close().expect("close");
        self.receivers.iter().for_each(|receiver| receiver.close().expect("close"));
        self.session.stop();
    }
}

/// Sends with failing memory until nothing fails any more. A message is refused or arrives, and so does the next.
fn sends(transport: &str, raw: bool, receivers: usize, types: [i32; 2]) -> usize {
    let ends = Ends::new(transport, raw, receivers, types);
    let mut refused = 0;
    for size in SIZES {
        let body: Vec<u8> = (0..size).map(|at| (at * 7) as u8).collect();
        for k in 0.. {
            let what = format!("{transport}, types {types:?}, raw {raw}, {size} bytes, request {k}");
            let (outcome, fired) = lacking(k, || ends.send(&body));
            match outcome {
                Ok(sent) => {
                    assert_eq!(sent, size, "{what}");
                    ends.expect(&body, &what);
                }
                Err(error) => {
                    assert_eq!((error, fired), (Error::NO_MEMORY, true), "{what}");
                    refused += 1;
                }
            }
            ends.send(b"next").expect(&what);
            ends.expect(b"next", &what);
            if !fired {
                break;
            }
            assert!(k < 100, "{what}");
        }
    }
    ends.close();
    refused
}

#[test]
fn a_send_is_refused_or_arrives() {
    for transport in TRANSPORTS {
        for raw in [false, true] {
            for types in [[16, 16], [81, 80], [33, 32], [112, 112]] {
                let refused = sends(transport, raw, 1, types);
                assert!(refused > 0, "{transport}: memory never lacked");
            }
        }
    }
}

/// Broadcasts of more than one pipe: who has no memory for a message misses it, as who is slow does.
#[test]
fn a_broadcast_reaches_whom_it_can() {
    for transport in TRANSPORTS {
        let ends = Ends::new(transport, false, 3, [33, 32]);
        // (After the largest, everybody is slow.)
        for &size in &SIZES[..6] {
            let body: Vec<u8> = (0..size).map(|at| (at * 7) as u8).collect();
            for k in 0.. {
                let what = format!("{transport}, {size} bytes, request {k}");
                let (outcome, fired) = lacking(k, || ends.send(&body));
                assert!(outcome.is_ok() || (outcome == Err(Error::NO_MEMORY) && fired), "{what}");
                ends.send(b"next").expect(&what);
                for receiver in &ends.receivers {
                    let first = receiver.recv(Wait::Option).expect(&what);
                    if first.body.bytes() != b"next" {
                        assert!(first.body.bytes() == body && outcome.is_ok(), "{what}");
                        assert_eq!(receiver.recv(Wait::Option).expect(&what).body.bytes(), b"next", "{what}");
                    }
                }
                if !fired {
                    break;
                }
            }
        }
        ends.close();
    }
}

#[test]
fn requests_and_answers_are_refused_or_arrive() {
    for transport in TRANSPORTS {
        for types in [[49, 48], [99, 98]] {
            let ends = Ends::new(transport, false, 1, types);
            for size in SIZES {
                let body: Vec<u8> = (0..size).map(|at| (at * 7) as u8).collect();
                for k in 0.. {
                    let what = format!("{transport}, types {types:?}, {size} bytes, request {k}");
                    let (outcome, asked) = lacking(k, || ends.send(&body));
                    if outcome.is_err() {
                        assert_eq!((outcome, asked), (Err(Error::NO_MEMORY), true), "{what}");
                        assert_eq!(ends.sender.recv(Wait::Option).err(), Some(Error::FSM), "{what}: nothing was asked");
                        ends.send(&body).expect(&what);
                    }
                    ends.expect(&body, &what);
                    let answer = || ends.receivers[0].send(&mut Message::new(Body::Borrowed(&body)), Wait::Option);
                    let (outcome, answered) = lacking(k, answer);
                    if outcome.is_err() {
                        assert_eq!((outcome, answered), (Err(Error::NO_MEMORY), true), "{what}");
                        answer().expect(&what);
                    }
                    assert!(ends.sender.recv(Wait::Option).expect(&what).body.bytes() == body, "{what}");
                    if !asked && !answered {
                        break;
                    }
                }
            }
            ends.close();
        }
    }
}

/// Receiving: the message comes, or its connection goes, or that when what comes behind it is read; the process and later messages stay.
#[test]
fn a_receive_succeeds_or_loses_the_connection() {
    for transport in TRANSPORTS {
        let ends = Ends::new(transport, false, 1, [81, 80]);
        for size in SIZES {
            let body: Vec<u8> = (0..size).map(|at| (at * 7) as u8).collect();
            for k in 0..6 {
                let what = format!("{transport}, {size} bytes, request {k}");
                let (made, lost) = (ends.made(), ends.lost());
                ends.send(&body).expect(&what);
                let (outcome, fired) = lacking(k, || ends.receivers[0].recv(Wait::Option));
                match outcome {
                    Ok(message) => {
                        assert!(message.body.bytes() == body, "{what}");
                        if ends.lost() > lost {
                            assert!(fired, "{what}");
                            ends.settle_again(made);
                        }
                    }
                    Err(error) => {
                        assert_eq!((error, fired), (Error::TIMED_OUT, true), "{what}");
                        ends.settle_again(made);
                    }
                }
            }
        }
        ends.send(b"next").expect("a send");
        ends.expect(b"next", transport);
        ends.close();
    }
}
