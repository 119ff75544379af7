//! nanocat, ours and Debian's: run to its end, or beside a test.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use super::{Outcome, ScratchDir, free_port, run};

pub const LIMIT: Duration = Duration::from_secs(30);
pub const OURS: &str = env!("CARGO_BIN_EXE_nanocat");
pub const GENUINE: &str = "/usr/bin/nanocat";

pub fn tool(path: &str) -> Command {
    assert!(Path::new(path).exists(), "{path} is missing: install the Debian package nanomsg-utils");
    let mut command = Command::new(path);
    // The genuine tool on the genuine library.
    command.env_remove("LD_LIBRARY_PATH");
    command
}

/// Words of a command line; PORT and PATH stand for unused ones.
pub fn words(line: &str, dir: &ScratchDir) -> Vec<String> {
    let line =
        line.replace("PORT", &free_port().to_string()).replace("PATH", dir.path("x").to_str().expect("a plain name"));
    line.split_whitespace().map(str::to_owned).collect()
}

/// Runs it under a name that both can have.
pub fn outcome(path: &str, line: &str) -> Outcome {
    use std::os::unix::process::CommandExt;
    let dir = ScratchDir::new();
    run(tool(path).arg0("nanocat").args(words(line, &dir)), LIMIT)
}

/// One that runs beside the test; killed when dropped.
pub struct Background {
    child: Child,
    output: Receiver<Vec<u8>>,
    seen: Vec<u8>,
}

impl Background {
    pub fn start(path: &str, line: &str) -> Background {
        Background::start_with(tool(path).args(line.split_whitespace()))
    }

    pub fn start_with(command: &mut Command) -> Background {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("start nanocat");
        let mut stdout = child.stdout.take().expect("its output");
        let (tell, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 1 << 16];
            while let Ok(length @ 1..) = stdout.read(&mut buffer) {
                if tell.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Background { child, output, seen: Vec::new() }
    }

    /// The first `length` bytes it prints, or what there is of them in time.
    pub fn output(&mut self, length: usize) -> Vec<u8> {
        let deadline = Instant::now() + LIMIT;
        while self.seen.len() < length {
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(more) => self.seen.extend(more),
                Err(_) => break,
            }
        }
        self.seen[..length.min(self.seen.len())].to_vec()
    }

    pub fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("its input")
    }

    /// Its exit code and all its output, once it has ended by itself.
    pub fn finish(mut self) -> (Option<i32>, String) {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + LIMIT;
        // The output ends with the program.
        loop {
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(more) => self.seen.extend(more),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("nanocat did not end in time"),
            }
        }
        let status = self.child.wait().expect("wait for nanocat");
        (status.code(), String::from_utf8_lossy(&self.seen).into_owned())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One that tells on standard error what happens; killed when dropped.
pub struct Telling {
    child: Child,
    lines: Receiver<String>,
}

impl Telling {
    pub fn start(line: &str) -> Telling {
        let mut command = tool(OURS);
        command.args(line.split_whitespace()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start nanocat");
        let said = BufReader::new(child.stderr.take().expect("its standard error"));
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Telling { child, lines }
    }

    /// The next line that has all these words.
    pub fn line(&mut self, words: &[&str]) -> String {
        let deadline = Instant::now() + LIMIT;
        let mut seen = String::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if words.iter().all(|word| line.contains(word)) => return line,
                Ok(line) => seen += &format!("{line}\n"),
                Err(_) => panic!("no line with {words:?} among\n{seen}"),
            }
        }
    }

    /// What else it says until it ends by itself.
    pub fn rest(mut self) -> Vec<String> {
        let deadline = Instant::now() + LIMIT;
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => rest.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("nanocat did not end in time"),
            }
        }
        let _ = self.child.wait();
        rest
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
