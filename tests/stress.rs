//! Many threads at once, through the C functions: storms of opening and closing, one socket in many hands, and
//! closing under everybody's feet. Each test has a time limit, and afterwards nothing is left: no thread, no
//! descriptor, no socket file.

mod support;

use std::collections::{BTreeSet, HashSet};
use std::ffi::{CString, c_int, c_void};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nanomsg::internals::capi::{
    NN_DONTWAIT, NN_POLLIN, NN_POLLOUT, nn_bind, nn_close, nn_connect, nn_errno, nn_poll, nn_pollfd, nn_recv, nn_send,
    nn_setsockopt, nn_shutdown, nn_socket,
};
use nanomsg::internals::options::{LINGER, RCVTIMEO, RECONNECT_IVL, SNDTIMEO};
use support::{ScratchDir, free_port};

const AF_SP: c_int = 1;
const PROTOCOLS: [c_int; 10] = [0x10, 0x20, 0x21, 0x30, 0x31, 0x50, 0x51, 0x62, 0x63, 0x70];
const PUSH: c_int = 0x50;
const PULL: c_int = 0x51;
const PAIR: c_int = 0x10;

const LIMIT: Duration = Duration::from_secs(60);

/// One test at a time, watched, and with an account of what the process owns.
struct Alone {
    /// What there was before. (A test that failed may have left something behind; one is enough to fail.)
    descriptors: BTreeSet<String>,
    threads: usize,
    scratch: ScratchDir,
    /// Dropped at the end, which calls the watchdog off.
    _watchdog: mpsc::Sender<()>,
    /// Dropped last: taking the scratch directory away opens descriptors, which are none of the next test's.
    _turn: MutexGuard<'static, ()>,
}

impl Alone {
    fn start(test: &'static str) -> Alone {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (watchdog, over) = mpsc::channel::<()>();
        thread::spawn(move || {
            if over.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{test} hangs: not over after {LIMIT:?}");
                std::process::abort();
            }
        });
        let (descriptors, threads) = (descriptors(), library_threads());
        Alone { descriptors, threads, scratch: ScratchDir::new(), _watchdog: watchdog, _turn: turn }
    }

    /// A new address on each transport.
    fn addresses(&self) -> [String; 3] {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let ipc = self.scratch.ipc_address();
        let inproc = format!("inproc://stress/{}", MADE.fetch_add(1, Ordering::Relaxed));
        [inproc, ipc, format!("tcp://127.0.0.1:{}", free_port())]
    }

    /// Every socket has been closed.
    fn nothing_is_left(self) {
        let files = fs::read_dir(self.scratch.path("")).expect("the scratch directory");
        assert_eq!(files.count(), 0, "socket files are left");
        // A thread that has been joined is still listed for a moment.
        until("threads to be gone", || library_threads() == self.threads);
        assert_eq!(descriptors(), self.descriptors, "descriptors");
    }
}

fn descriptors() -> BTreeSet<String> {
    let all: Vec<_> = fs::read_dir("/proc/self/fd").expect("/proc").flatten().map(|entry| entry.path()).collect();
    // The one by which the directory was read is closed by now.
    let open = all.into_iter().filter_map(|path| Some((path.clone(), fs::read_link(&path).ok()?)));
    open.map(|(path, target)| format!("{} {}", path.display(), target.display())).collect()
}

fn library_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc").flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with("millrace")).count()
}

fn until(what: &str, is_it: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !is_it() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        thread::park_timeout(Duration::from_micros(200));
    }
}

/// A handle. Threads share it as C programs do.
#[derive(Clone, Copy)]
struct Handle(c_int);

impl Handle {
    fn open(protocol: c_int) -> Handle {
        let handle = nn_socket(AF_SP, protocol);
        assert!(handle >= 0, "nn_socket: errno {}", nn_errno());
        let handle = Handle(handle);
        handle.set(RECONNECT_IVL, 10);
        handle
    }

    fn set(self, option: c_int, value: c_int) {
        let value: *const c_int = &value;
        // SAFETY: an int of that size, which lives across the call.
        assert_eq!(unsafe { nn_setsockopt(self.0, 0, option, value.cast(), size_of::<c_int>()) }, 0);
    }

    fn bind(self, url: &str) -> Result<c_int, c_int> {
        let url = CString::new(url).expect("no NUL");
        // SAFETY: a C string that lives across the call.
        outcome(unsafe { nn_bind(self.0, url.as_ptr()) })
    }

    fn connect(self, url: &str) -> Result<c_int, c_int> {
        let url = CString::new(url).expect("no NUL");
        // SAFETY: a C string that lives across the call.
        outcome(unsafe { nn_connect(self.0, url.as_ptr()) })
    }

    fn send(self, body: &[u8], flags: c_int) -> Result<c_int, c_int> {
        // SAFETY: a buffer of that length, which lives across the call.
        outcome(unsafe { nn_send(self.0, body.as_ptr().cast::<c_void>(), body.len(), flags) })
    }

    fn recv(self, body: &mut [u8], flags: c_int) -> Result<c_int, c_int> {
        // SAFETY: a buffer of that length, which lives across the call.
        outcome(unsafe { nn_recv(self.0, body.as_mut_ptr().cast::<c_void>(), body.len(), flags) })
    }

    fn poll(self, events: c_int, timeout: c_int) -> Result<c_int, c_int> {
        let mut request = nn_pollfd { fd: self.0, events: events as i16, revents: 0 };
        // SAFETY: one request, which lives across the call.
        outcome(unsafe { nn_poll(&mut request, 1, timeout) })
    }

    fn close(self) -> Result<c_int, c_int> {
        outcome(nn_close(self.0))
    }
}

fn outcome(result: c_int) -> Result<c_int, c_int> {
    if result >= 0 { Ok(result) } else { Err(nn_errno()) }
}

/// Numbers that look random and are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn new(seed: usize) -> Dice {
        Dice((seed as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }
}

fn in_threads(count: usize, body: impl Fn(usize) + Send + Sync) {
    let start = Barrier::new(count);
    thread::scope(|scope| {
        for number in 0..count {
            let (start, body) = (&start, &body);
            scope.spawn(move || {
                start.wait();
                body(number);
            });
        }
    });
}

#[test]
fn the_first_and_the_last_socket_come_and_go() {
    let alone = Alone::start("the first and the last socket");
    in_threads(16, |number| {
        for round in 0..100 {
            let handle = Handle::open(PROTOCOLS[(number + round) % PROTOCOLS.len()]);
            assert_eq!(handle.close(), Ok(0));
        }
    });
    alone.nothing_is_left();
}

/// A hundred threads open, bind, connect, talk and close as they like, on a handful of addresses.
#[test]
fn a_storm_of_everything() {
    let alone = Alone::start("a storm of everything");
    let addresses: Vec<_> = (0..3).flat_map(|_| alone.addresses()).collect();
    in_threads(100, |number| {
        let mut dice = Dice::new(number);
        for _ in 0..15 {
            one_life(&mut dice, &addresses);
        }
    });
    alone.nothing_is_left();
}

fn one_life(dice: &mut Dice, addresses: &[String]) {
    let handle = Handle::open(PROTOCOLS[dice.throw(PROTOCOLS.len())]);
    handle.set(LINGER, dice.throw(2) as c_int * 20);
    handle.set(SNDTIMEO, 2);
    handle.set(RCVTIMEO, 2);
    let mut endpoints = Vec::new();
    let mut body = vec![0; 10_000];
    for _ in 0..dice.throw(12) {
        let address = &addresses[dice.throw(addresses.len())];
        let flags = dice.throw(2) as c_int * NN_DONTWAIT;
        let size = dice.throw(body.len());
        let done = match dice.throw(8) {
            0 | 1 => handle.bind(address).map(|id| endpoints.push(id)),
            2 | 3 => handle.connect(address).map(|id| endpoints.push(id)),
            4 => handle.send(&body[..size], flags).map(drop),
            5 => handle.recv(&mut body, flags).map(drop),
            6 => handle.poll(NN_POLLIN | NN_POLLOUT, 1).map(drop),
            _ => endpoints.pop().map_or(Ok(()), |id| outcome(nn_shutdown(handle.0, id)).map(drop)),
        };
        if let Err(errno) = done {
            let expected = [libc::EADDRINUSE, libc::EAGAIN, libc::ETIMEDOUT, libc::ENOTSUP];
            // EFSM; and a poll for what a type cannot do.
            assert!(expected.contains(&errno) || errno > 100_000 || errno == libc::ENOPROTOOPT, "errno {errno}");
        }
    }
    assert_eq!(handle.close(), Ok(0));
}

/// Whoever has bound an address has it alone until it is closed, and is found there.
#[test]
fn an_address_has_one_owner_at_a_time() {
    let alone = Alone::start("one owner at a time");
    for address in alone.addresses() {
        let owners = AtomicUsize::new(0);
        in_threads(6, |_| {
            let mut turns = 0;
            // An owner that has failed is never gone: then the others need not wait for their turn.
            while turns < 20 && owners.load(Ordering::SeqCst) < FAILED {
                let handle = Handle::open(PAIR);
                match handle.bind(&address) {
                    Ok(_) => {
                        let before = owners.fetch_add(1, Ordering::SeqCst);
                        let found = is_found(handle, &address);
                        if before != 0 || !found {
                            owners.fetch_add(FAILED, Ordering::SeqCst);
                        }
                        assert_eq!(
                            (before, found),
                            (0, true),
                            "{address}: other owners, and whether this one is found"
                        );
                        owners.fetch_sub(1, Ordering::SeqCst);
                        turns += 1;
                    }
                    Err(error) => assert_eq!(error, libc::EADDRINUSE, "{address}"),
                }
                assert_eq!(handle.close(), Ok(0));
            }
        });
    }
    alone.nothing_is_left();
}

const FAILED: usize = 1000;

fn is_found(owner: Handle, address: &str) -> bool {
    let visitor = Handle::open(PAIR);
    visitor.connect(address).expect("connect");
    visitor.set(SNDTIMEO, 5000);
    owner.set(RCVTIMEO, 5000);
    let found = visitor.send(b"visit", 0) == Ok(5) && owner.recv(&mut [0; 8], 0) == Ok(5);
    assert_eq!(visitor.close(), Ok(0));
    found
}

/// Eight threads send on one socket, eight receive on the other: each message arrives exactly once.
#[test]
fn one_socket_in_many_hands() {
    const HANDS: usize = 8;
    const EACH: usize = 3000;
    let alone = Alone::start("one socket in many hands");
    for address in alone.addresses() {
        let (push, pull) = (Handle::open(PUSH), Handle::open(PULL));
        pull.bind(&address).expect("bind");
        push.connect(&address).expect("connect");
        let heard = Mutex::new(HashSet::new());
        let twice = AtomicUsize::new(0);
        in_threads(2 * HANDS, |hand| {
            if hand < HANDS {
                for number in 0..EACH {
                    let mut body = (hand * EACH + number).to_ne_bytes().to_vec();
                    body.resize(8 + number % 500, 0);
                    push.send(&body, 0).expect("send");
                }
                return;
            }
            let mut body = [0; 600];
            for _ in 0..EACH {
                let size = pull.recv(&mut body, 0).expect("receive") as usize;
                let number = usize::from_ne_bytes(*body.first_chunk().expect("a number"));
                assert_eq!(size, 8 + number % EACH % 500);
                if !heard.lock().unwrap().insert(number) {
                    twice.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        assert_eq!(twice.into_inner(), 0, "{address}: messages came twice");
        assert_eq!(heard.into_inner().unwrap().len(), HANDS * EACH, "{address}");
        assert_eq!(pull.recv(&mut [0; 8], NN_DONTWAIT), Err(libc::EAGAIN));
        assert_eq!((push.close(), pull.close()), (Ok(0), Ok(0)));
    }
    alone.nothing_is_left();
}

/// Both directions at once, more threads than processors, and every message answered.
#[test]
fn many_pairs_talk_at_the_same_time() {
    const ROUNDS: usize = 200;
    let alone = Alone::start("many pairs");
    let addresses: Vec<_> = (0..8).flat_map(|_| alone.addresses()).collect();
    in_threads(2 * addresses.len(), |number| {
        let handle = Handle::open(PAIR);
        let address = &addresses[number / 2];
        let mut body = [0; 64];
        if number % 2 == 0 {
            handle.bind(address).expect("bind");
            for _ in 0..ROUNDS {
                let size = handle.recv(&mut body, 0).expect("receive") as usize;
                handle.send(&body[..size], 0).expect("send");
            }
        } else {
            handle.connect(address).expect("connect");
            for round in 0..ROUNDS {
                handle.send(&[round as u8; 40], 0).expect("send");
                assert_eq!(handle.recv(&mut body, 0), Ok(40));
                assert_eq!(body[..40], [round as u8; 40]);
            }
        }
        assert_eq!(handle.close(), Ok(0));
    });
    alone.nothing_is_left();
}

/// Whatever somebody does on a socket while it is closed, it ends with `EBADF`, and one of two who close it
/// at once has closed it.
#[test]
fn closing_sends_everybody_home() {
    let alone = Alone::start("closing sends everybody home");
    for round in 0..40 {
        for address in alone.addresses() {
            let (push, pull) = (Handle::open(PUSH), Handle::open(PULL));
            push.set(LINGER, 0);
            pull.bind(&address).expect("bind");
            push.connect(&address).expect("connect");
            let closed = AtomicUsize::new(0);
            let mut dice = Dice::new(round);
            let patience = dice.throw(300);
            in_threads(10, |number| {
                let handle = if number % 2 == 0 { push } else { pull };
                let error = match number {
                    // A full pipe blocks the senders, an empty one the receivers: both happens.
                    0 | 2 => loop {
                        if let Err(error) = handle.send(&[0; 20_000], 0) {
                            break error;
                        }
                    },
                    1 => loop {
                        if let Err(error) = handle.recv(&mut [0; 8], 0) {
                            break error;
                        }
                    },
                    3 => loop {
                        if let Err(error) = handle.poll(NN_POLLIN, -1) {
                            break error;
                        }
                    },
                    _ if number < 6 => return,
                    _ => {
                        thread::park_timeout(Duration::from_micros(patience as u64));
                        match handle.close() {
                            Ok(_) => {
                                closed.fetch_add(1, Ordering::Relaxed);
                                return;
                            }
                            Err(error) => error,
                        }
                    }
                };
                assert_eq!(error, libc::EBADF);
            });
            assert_eq!(closed.into_inner(), 2, "each of two sockets was closed once");
        }
    }
    alone.nothing_is_left();
}

/// One side comes and goes while the other goes on sending; nothing hangs, and what was received is in order.
#[test]
fn a_peer_that_comes_and_goes() {
    let alone = Alone::start("a peer that comes and goes");
    for address in alone.addresses() {
        let push = Handle::open(PUSH);
        push.set(LINGER, 0);
        push.bind(&address).expect("bind");
        let sender = thread::spawn(move || {
            for number in 0_u64.. {
                match push.send(&number.to_ne_bytes(), 0) {
                    Ok(_) => {}
                    Err(error) => return error,
                }
            }
            unreachable!("there are many numbers")
        });
        for _ in 0..60 {
            let pull = Handle::open(PULL);
            pull.connect(&address).expect("connect");
            let mut last = None;
            for _ in 0..50 {
                let mut body = [0; 8];
                pull.recv(&mut body, 0).expect("receive");
                let number = u64::from_ne_bytes(body);
                assert!(last.replace(number) < Some(number), "{address}");
            }
            assert_eq!(pull.close(), Ok(0));
        }
        assert_eq!(push.close(), Ok(0));
        assert_eq!(sender.join().unwrap(), libc::EBADF);
    }
    alone.nothing_is_left();
}
