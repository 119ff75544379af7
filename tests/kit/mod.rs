//! The conformance kit: what every transport must do, whichever it is. `checks` is the list; here is the bench
//! they are run on: sockets with time limits, addresses, and waiting for a state instead of for luck.

pub mod checks;
pub mod ends;
pub mod flow;
pub mod peers;

use std::cell::RefCell;
use std::net::TcpListener;
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nanomsg::internals::{EngineSocket, Message, Probe, Readiness, Session, Wait, options, poll, tls};
use nanomsg::{Error, Result};

use crate::support::{ScratchDir, free_port};

/// Longest that any single step of a check may take; and a whole check.
pub const STEP: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(30);

pub const PAIR: i32 = 0x10;
pub const PUB: i32 = 0x20;
pub const REQ: i32 = 0x30;
pub const REP: i32 = 0x31;
pub const PUSH: i32 = 0x50;
pub const PULL: i32 = 0x51;
pub const BUS: i32 = 0x70;

/// Statistics by nanomsg's numbers.
pub const ESTABLISHED: i32 = 101;
pub const DROPPED: i32 = 103;
pub const BROKEN: i32 = 104;
pub const CONNECTIONS: i32 = 201;
pub const SENT: i32 = 301;
pub const RECEIVED: i32 = 302;
pub const BYTES_SENT: i32 = 303;
pub const BYTES_RECEIVED: i32 = 304;

/// A transport under test.
#[derive(Clone, Copy)]
pub struct Transport {
    pub name: &'static str,
    /// An address that nobody uses.
    address: fn(&ScratchDir) -> String,
    /// It goes through the kernel: there are greetings, buffers and limits that inproc has not.
    pub is_stream: bool,
    /// Who breaks a rule is told so, and takes it as a farewell: nothing is broken, nothing comes back.
    pub says_farewell: bool,
    /// It needs a certificate, and somebody to believe in.
    pub is_secure: bool,
    /// The address is a socket that listens already, so connecting to it succeeds while nobody is bound, and it can be bound by several.
    listens_by_itself: bool,
    /// Whether this machine has it.
    is_here: fn() -> bool,
}

fn has_ipv6() -> bool {
    std::net::TcpListener::bind((std::net::Ipv6Addr::LOCALHOST, 0)).is_ok()
}

const NO_STREAM: Transport = Transport {
    name: "inproc",
    address: |_| "inproc://kit".into(),
    is_stream: false,
    says_farewell: false,
    is_secure: false,
    listens_by_itself: false,
    is_here: || true,
};
const STREAM: Transport = Transport { is_stream: true, ..NO_STREAM };

pub const INPROC: Transport = NO_STREAM;
pub const IPC: Transport = Transport { name: "ipc", address: ScratchDir::ipc_address, ..STREAM };
pub const TCP: Transport = Transport { name: "tcp", address: |_| format!("tcp://127.0.0.1:{}", free_port()), ..STREAM };
pub const FD: Transport = Transport { name: "fd", address: |_| given_listener(), listens_by_itself: true, ..STREAM };
pub const UNIX: Transport =
    Transport { name: "unix", address: |scratch| scratch.ipc_address().replace("ipc:", "unix:"), ..STREAM };
pub const ABSTRACT: Transport =
    Transport { name: "abstract", address: |scratch| scratch.ipc_address().replace("ipc:", "abstract:"), ..STREAM };
pub const TCP4: Transport =
    Transport { name: "tcp4", address: |_| format!("tcp4://localhost:{}", free_port()), ..STREAM };
pub const TCP6: Transport =
    Transport { name: "tcp6", address: |_| format!("tcp6://[::1%lo]:{}", free_port()), is_here: has_ipv6, ..STREAM };
pub const WS: Transport =
    Transport { name: "ws", address: |_| format!("ws://127.0.0.1:{}", free_port()), says_farewell: true, ..STREAM };

pub const TLS: Transport = Transport {
    name: "tls+tcp",
    address: |_| format!("tls+tcp://127.0.0.1:{}", free_port()),
    is_secure: true,
    ..STREAM
};
pub const WSS: Transport =
    Transport { name: "wss", address: |_| format!("wss://127.0.0.1:{}", free_port()), is_secure: true, ..WS };

/// A tcp socket as a service manager hands it over. It stays open for as long as the tests run.
fn given_listener() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let url = format!("fd://{}", listener.as_raw_fd());
    GIVEN.lock().expect("the listeners").push(listener);
    url
}

static GIVEN: Mutex<Vec<TcpListener>> = Mutex::new(Vec::new());

/// Where a listener is connected to.
fn dialled(url: &str) -> String {
    let given = GIVEN.lock().expect("the listeners");
    match given.iter().find(|listener| format!("fd://{}", listener.as_raw_fd()) == url) {
        Some(listener) => format!("tcp://{}", listener.local_addr().expect("its address")),
        None => url.to_owned(),
    }
}

/// One check's own session and addresses.
pub struct Bench {
    pub transport: Transport,
    session: Arc<Session>,
    scratch: ScratchDir,
    made: RefCell<u32>,
}

impl Bench {
    /// A new address. inproc names are the session's own, so counting is enough to tell them apart.
    pub fn url(&self) -> String {
        *self.made.borrow_mut() += 1;
        let url = (self.transport.address)(&self.scratch);
        if self.transport.is_stream { url } else { format!("{url}/{}", self.made.borrow()) }
    }

    pub fn socket(&self, protocol: i32) -> Sock {
        let sock = Sock(self.session.socket(false, protocol, "kit").expect("a socket"));
        for option in [options::SNDTIMEO, options::RCVTIMEO] {
            sock.set(option, STEP.as_millis() as i32);
        }
        sock.set(options::RECONNECT_IVL, 10);
        if self.transport.is_secure {
            let (certificate, key) = identity();
            for (option, pem) in [(tls::CERT, certificate), (tls::KEY, key), (tls::CA, certificate)] {
                sock.set_option(tls::LEVEL, option, pem.as_bytes()).expect("PEM");
            }
        }
        sock
    }

    pub fn bound(&self, protocol: i32, url: &str) -> Sock {
        let sock = self.socket(protocol);
        sock.bind(url.as_bytes()).expect("bind");
        sock
    }

    pub fn connected(&self, protocol: i32, url: &str) -> Sock {
        let sock = self.socket(protocol);
        sock.connect(url);
        sock
    }

    /// A bound and a connected socket that know of each other.
    pub fn linked(&self, binder: i32, connector: i32) -> (Sock, Sock) {
        let url = self.url();
        let pair = (self.bound(binder, &url), self.connected(connector, &url));
        pair.0.until_connections(1);
        pair.1.until_connections(1);
        pair
    }
}

/// A certificate of this machine, and its key.
fn identity() -> (&'static str, &'static str) {
    static MADE: OnceLock<(String, String)> = OnceLock::new();
    let (certificate, key) = MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("made");
        (made.cert.pem(), made.key_pair.serialize_pem())
    });
    (certificate, key)
}

/// A socket that is closed when the check is done with it.
pub struct Sock(pub Arc<EngineSocket>);

impl Deref for Sock {
    type Target = Arc<EngineSocket>;

    fn deref(&self) -> &Arc<EngineSocket> {
        &self.0
    }
}

impl Drop for Sock {
    fn drop(&mut self) {
        // The check may have closed it itself; and what a failed check left behind shall not hold it up.
        if thread::panicking() {
            let _ = self.set_option(0, options::LINGER, &0_i32.to_ne_bytes());
        }
        let _ = self.close();
    }
}

impl Sock {
    pub fn connect(&self, url: &str) -> i32 {
        self.0.connect(dialled(url).as_bytes()).expect("connect")
    }

    pub fn set(&self, option: i32, value: i32) {
        self.set_option(0, option, &value.to_ne_bytes()).expect("an option");
    }

    pub fn say(&self, body: &[u8]) {
        send(self, body, Wait::Option).expect("send");
    }

    pub fn hear(&self) -> Vec<u8> {
        self.recv(Wait::Option).expect("receive").body.bytes().to_vec()
    }

    /// Sends as much as is taken without waiting; at most `most` messages.
    pub fn fill(&self, most: usize, body: impl Fn(usize) -> Vec<u8>) -> usize {
        for count in 0..most {
            match send(self, &body(count), Wait::No) {
                Ok(_) => {}
                Err(Error::AGAIN) => return count,
                Err(error) => panic!("send {count}: {error}"),
            }
        }
        most
    }

    pub fn stat(&self, statistic: i32) -> u64 {
        self.statistic(statistic).expect("a statistic")
    }

    pub fn until_connections(&self, count: u64) {
        self.until_stat(CONNECTIONS, |now| now == count);
    }

    pub fn until_stat(&self, statistic: i32, is_it: impl Fn(u64) -> bool) {
        until(&format!("statistic {statistic}"), || is_it(self.stat(statistic)));
    }

    /// Waits until a send, or a receive, would not block.
    pub fn until_ready(&self, want: Readiness) {
        let mut probes = [Probe::new(self, want).expect("a probe")];
        assert_eq!(poll(&mut probes, Some(STEP)), Ok(1), "not ready in time");
    }

    pub fn is_ready(&self, want: Readiness) -> bool {
        let mut probes = [Probe::new(self, want).expect("a probe")];
        poll(&mut probes, Some(Duration::ZERO)).expect("poll") == 1
    }
}

pub const TO_SEND: Readiness = Readiness { send: true, recv: false };
pub const TO_RECV: Readiness = Readiness { send: false, recv: true };

pub fn send(socket: &EngineSocket, body: &[u8], wait: Wait) -> Result<usize> {
    socket.send(&mut Message::new(nanomsg::internals::Body::Borrowed(body)), wait)
}

/// Looks again and again, for as long as a step may take.
#[track_caller]
pub fn until(what: &str, mut is_it: impl FnMut() -> bool) {
    let deadline = Instant::now() + STEP;
    while !is_it() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        thread::park_timeout(Duration::from_micros(200));
    }
}

/// `size` bytes which tell their number and their place.
pub fn pattern(number: usize, size: usize) -> Vec<u8> {
    (0..size).map(|at| (number * 31 + at * 7 + (at >> 8)) as u8).collect()
}

/// Runs one check within its time, on a bench of its own.
pub fn run(transport: Transport, check: fn(&Bench)) {
    if !(transport.is_here)() {
        return eprintln!("skipped: this machine has no {}", transport.name);
    }
    let (done, outcome) = mpsc::channel();
    let runner = thread::spawn(move || {
        let bench = Bench {
            transport,
            session: Session::start().expect("a session"),
            scratch: ScratchDir::new(),
            made: RefCell::default(),
        };
        check(&bench);
        bench.session.stop();
        // The receiver waits for this, or has given up.
        let _ = done.send(());
    });
    match outcome.recv_timeout(LIMIT) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{}: the check hangs", transport.name),
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {
            if let Err(panic) = runner.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}
