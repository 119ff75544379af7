//! Programs that obey one command per line and answer each with one line ("ok ..." or "error ..."): see ctests/peer.h.

use super::{Lib, c_program, command, nng_program};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// An answer takes at most the peer's own limit of 10 s; beyond this it hangs.
const PATIENCE: Duration = Duration::from_secs(40);

/// Which implementation of the protocols a peer runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Nanomsg(Lib),
    Nng,
}

pub const OURS: Kind = Kind::Nanomsg(Lib::Ours);
pub const GENUINE: Kind = Kind::Nanomsg(Lib::Genuine);

/// A process; killed when dropped.
pub struct Peer {
    name: String,
    child: Child,
    commands: ChildStdin,
    answers: Receiver<String>,
}

impl Peer {
    /// A peer without any socket yet.
    pub fn new(kind: Kind) -> Self {
        let command = match kind {
            Kind::Nanomsg(lib) => command(&c_program("ctests/peer.c", lib), lib),
            Kind::Nng => Command::new(nng_program("ctests/nng_peer.c")),
        };
        Self::spawn(command, format!("{kind:?}"))
    }

    /// A peer with one socket, e.g. "REQ" or "REP raw".
    pub fn open(kind: Kind, socket: &str) -> Result<Self, String> {
        let mut peer = Self::new(kind);
        peer.name += &format!(": {socket}");
        peer.ask(&format!("open {socket}"))?;
        Ok(peer)
    }

    /// Any program that speaks lines; `name` is for messages.
    pub fn spawn(mut command: Command, name: String) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let commands = child.stdin.take().expect("piped stdin");
        let output = BufReader::new(child.stdout.take().expect("piped stdout"));
        let (sender, answers) = channel();
        // Reading in a thread gives every answer a time limit; the thread ends with the process.
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { name, child, commands, answers }
    }

    /// Gives a command without waiting for its answer, which `hear` takes later.
    pub fn tell(&mut self, line: &str) {
        // A peer that died is noticed by `hear`.
        let _ = writeln!(self.commands, "{line}");
    }

    /// The next answer, without its "ok".
    pub fn hear(&mut self) -> Result<String, String> {
        let line = self.answers.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("{}: no answer", self.name),
            RecvTimeoutError::Disconnected => match self.child.wait() {
                Ok(status) => format!("{}: died, {status}", self.name),
                Err(error) => format!("{}: {error}", self.name),
            },
        })?;
        match line.strip_prefix("ok") {
            Some(rest) => Ok(rest.trim().to_owned()),
            None => Err(format!("{}: {line}", self.name)),
        }
    }

    pub fn ask(&mut self, line: &str) -> Result<String, String> {
        self.tell(line);
        self.hear().map_err(|error| format!("{error} (on \"{line}\")"))
    }

    /// Asks and compares.
    pub fn expect(&mut self, line: &str, expected: &str) -> Result<(), String> {
        self.tell(line);
        self.hear_expected(expected).map_err(|error| format!("{error} (on \"{line}\")"))
    }

    pub fn hear_expected(&mut self, expected: &str) -> Result<(), String> {
        let heard = self.hear()?;
        if heard == expected { Ok(()) } else { Err(format!("{}: \"{heard}\", not \"{expected}\"", self.name)) }
    }

    /// The socket it was opened with.
    pub fn socket(&self) -> &str {
        self.name.rsplit_once(": ").map_or("", |(_, socket)| socket)
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
