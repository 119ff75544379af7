//! The other side of a measurement. It ends when it is sent an empty message, or when the measuring side has gone.

use std::sync::Arc;
use std::time::Duration;

use nanomsg::Error;
use nanomsg::internals::{Body, EngineSocket, Message, PAIR, Probe, Readiness, Session, Wait, options, poll};

/// How long either side waits for the other before it gives up.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How many messages are sent between two looks for the end.
const BATCH: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerRole {
    /// Sends back whatever it gets.
    Echo,
    /// Sends and sends.
    Flood,
}

impl PeerRole {
    pub fn named(name: &str) -> Result<PeerRole, String> {
        match name {
            "echo" => Ok(PeerRole::Echo),
            "flood" => Ok(PeerRole::Flood),
            _ => Err("neither echo nor flood".into()),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            PeerRole::Echo => "echo",
            PeerRole::Flood => "flood",
        }
    }
}

/// A PAIR socket that takes messages of any size and waits no longer than [`PATIENCE`].
pub fn socket(session: &Arc<Session>) -> Result<Arc<EngineSocket>, String> {
    let socket = session.socket(false, i32::from(PAIR.id), "nanobench").map_err(text("cannot open a socket"))?;
    let patience = PATIENCE.as_millis() as i32;
    for (option, value) in [(options::RCVMAXSIZE, -1), (options::RCVTIMEO, patience), (options::SNDTIMEO, patience)] {
        socket.set_option(0, option, &value.to_ne_bytes()).map_err(text("cannot set an option"))?;
    }
    Ok(socket)
}

/// Says what failed, and why.
pub fn text(what: &str) -> impl Fn(Error) -> String {
    move |error| format!("{what}: {error}")
}

/// The peer as a process of its own.
pub fn run(role: PeerRole, address: &str, size: usize) -> Result<(), String> {
    let session = Session::start().map_err(text("cannot start"))?;
    let outcome = serve(&session, role, address, size);
    session.stop();
    outcome
}

/// The peer on a session, which over inproc is that of the measuring side.
pub fn serve(session: &Arc<Session>, role: PeerRole, address: &str, size: usize) -> Result<(), String> {
    let socket = socket(session)?;
    socket.connect(address.as_bytes()).map_err(text("cannot connect"))?;
    let outcome = match role {
        PeerRole::Echo => echo(&socket),
        PeerRole::Flood => flood(&socket, size),
    };
    // What the measuring side no longer takes is of no interest.
    let _ = socket.close();
    outcome.map_err(text("the peer fails"))
}

fn echo(socket: &EngineSocket) -> Result<(), Error> {
    loop {
        let mut message = socket.recv(Wait::Option)?;
        if message.is_empty() {
            return Ok(());
        }
        socket.send(&mut message, Wait::Option)?;
    }
}

/// Never waits for a message to be taken alone: the measuring side takes no more of them when it has enough.
fn flood(socket: &EngineSocket, size: usize) -> Result<(), Error> {
    let bytes = vec![111; size];
    let either = Readiness { send: true, recv: true };
    loop {
        for _ in 0..BATCH {
            match socket.send(&mut Message::new(Body::Borrowed(&bytes)), Wait::No) {
                Ok(_) => {}
                Err(Error::AGAIN) => break,
                Err(error) => return Err(error),
            }
        }
        let mut probe = [Probe::new(socket, either)?];
        if poll(&mut probe, Some(PATIENCE))? == 0 {
            return Err(Error::TIMED_OUT);
        }
        if probe[0].ready.recv {
            return socket.recv(Wait::No).map(drop);
        }
    }
}
