//! Measures one transport.

use std::net::TcpListener;
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nanomsg::internals::{Body, EngineSocket, Message, Session, Wait};

use crate::peer::{self, PeerRole, text};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MeasuredTransport {
    Inproc,
    Ipc,
    Tcp,
    Ws,
}

impl MeasuredTransport {
    pub const ALL: [MeasuredTransport; 4] =
        [MeasuredTransport::Inproc, MeasuredTransport::Ipc, MeasuredTransport::Tcp, MeasuredTransport::Ws];

    pub fn named(name: &str) -> Result<MeasuredTransport, String> {
        let found = MeasuredTransport::ALL.into_iter().find(|transport| transport.name() == name);
        found.ok_or_else(|| "no such transport; there are inproc, ipc, tcp and ws".into())
    }

    pub fn name(self) -> &'static str {
        match self {
            MeasuredTransport::Inproc => "inproc",
            MeasuredTransport::Ipc => "ipc",
            MeasuredTransport::Tcp => "tcp",
            MeasuredTransport::Ws => "ws",
        }
    }

    /// An address that nobody else uses at this moment.
    fn address(self) -> Result<String, String> {
        let port = || -> std::io::Result<u16> { Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port()) };
        let port = || port().map_err(|error| format!("no free port: {error}"));
        let id = std::process::id();
        Ok(match self {
            MeasuredTransport::Inproc => "inproc://nanobench".into(),
            MeasuredTransport::Ipc => format!("ipc://{}/nanobench.{id}", std::env::temp_dir().display()),
            MeasuredTransport::Tcp => format!("tcp://127.0.0.1:{}", port()?),
            MeasuredTransport::Ws => format!("ws://127.0.0.1:{}", port()?),
        })
    }
}

/// Round trips: median and 99th percentile.
pub struct RoundTrip {
    pub median: Duration,
    pub late: Duration,
}

/// Sends messages of `size` bytes and waits for each to come back, for this long after a warm-up.
pub fn round_trip(transport: MeasuredTransport, size: usize, time: Duration) -> Result<RoundTrip, String> {
    with_peer(transport, PeerRole::Echo, size, |socket| {
        let bytes = vec![111; size];
        let once = || -> Result<Duration, String> {
            let begin = Instant::now();
            socket.send(&mut Message::new(Body::Borrowed(&bytes)), Wait::Option).map_err(text("cannot send"))?;
            socket.recv(Wait::Option).map_err(text("cannot receive"))?;
            Ok(begin.elapsed())
        };
        let (warm, mut times) = (Instant::now(), Vec::new());
        while once().map(|_| warm.elapsed())? < time / 5 {}
        let begin = Instant::now();
        while begin.elapsed() < time || times.is_empty() {
            times.push(once()?);
        }
        times.sort_unstable();
        Ok(RoundTrip { median: times[times.len() / 2], late: times[times.len() * 99 / 100] })
    })
}

/// Receives what a peer sends as fast as it can; gives messages a second.
pub fn one_way(transport: MeasuredTransport, size: usize, time: Duration) -> Result<f64, String> {
    with_peer(transport, PeerRole::Flood, size, |socket| {
        let mut message = Message::default();
        let mut receive = |time: Duration| -> Result<f64, String> {
            let (begin, mut count) = (Instant::now(), 0);
            loop {
                // Reading the clock costs as much as a small message does.
                for _ in 0..16 {
                    socket.recv_into(&mut message, Wait::Option).map_err(text("cannot receive"))?;
                    count += 1;
                }
                let elapsed = begin.elapsed();
                if elapsed >= time {
                    return Ok(f64::from(count) / elapsed.as_secs_f64());
                }
            }
        };
        receive(time / 5)?;
        receive(time)
    })
}

/// A peer at work: a process, or over inproc a thread.
enum BenchPeer {
    Process(Child),
    Thread(JoinHandle<Result<(), String>>),
}

/// Binds a socket, starts a peer, measures, and sees the peer off.
fn with_peer<T>(
    transport: MeasuredTransport,
    role: PeerRole,
    size: usize,
    measure: impl FnOnce(&Arc<EngineSocket>) -> Result<T, String>,
) -> Result<T, String> {
    let session = Session::start().map_err(text("cannot start"))?;
    let socket = peer::socket(&session)?;
    let address = transport.address()?;
    socket.bind(address.as_bytes()).map_err(text(&format!("cannot bind {address}")))?;
    let peer = start(&session, transport, role, &address, size)?;
    let outcome = measure(&socket);
    // An empty message ends it; so does our going.
    let _ = socket.send(&mut Message::default(), Wait::Option);
    let _ = socket.close();
    let ended = match peer {
        BenchPeer::Process(mut child) => {
            if outcome.is_err() {
                let _ = child.kill();
            }
            child.wait().map(drop).map_err(|error| error.to_string())
        }
        BenchPeer::Thread(thread) => thread.join().unwrap_or_else(|_| Err("the peer panicked".into())),
    };
    session.stop();
    let value = outcome?;
    ended.map(|()| value)
}

fn start(
    session: &Arc<Session>,
    transport: MeasuredTransport,
    role: PeerRole,
    address: &str,
    size: usize,
) -> Result<BenchPeer, String> {
    if transport == MeasuredTransport::Inproc {
        let (session, address) = (Arc::clone(session), address.to_owned());
        let thread = std::thread::Builder::new().spawn(move || peer::serve(&session, role, &address, size));
        return thread.map(BenchPeer::Thread).map_err(|error| format!("cannot start a thread: {error}"));
    }
    let program = std::env::current_exe().map_err(|error| format!("cannot find myself: {error}"))?;
    let mut command = Command::new(program);
    command.args(["--peer", role.name(), address, &size.to_string()]);
    command.spawn().map(BenchPeer::Process).map_err(|error| format!("cannot start the peer: {error}"))
}
