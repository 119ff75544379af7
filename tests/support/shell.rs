//! Shells in a directory of their own, in which the library is as good as installed: `cc x.c -lnanomsg` builds, what was
//! built runs, and the library's own tools are found before all others.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Outcome, ScratchDir, free_port, our_lib_dir, repo_root, until};

/// Ports that examples and manual use. Tests run side by side, so each workshop has others in their place.
const PORTS: [&str; 5] = [":5555", ":5556", ":5557", ":5558", ":9559"];

pub struct Workshop {
    scratch: ScratchDir,
    ports: Vec<(&'static str, String)>,
}

impl Workshop {
    pub fn new() -> Self {
        let scratch = ScratchDir::new();
        let ports = PORTS.iter().map(|&port| (port, format!(":{}", free_port()))).collect();
        Self { scratch, ports }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path(name)
    }

    /// The text with this workshop's ports and directory in place of those that the manual names.
    pub fn localised(&self, text: &str) -> String {
        let with = |text: String, (port, own): &(&str, String)| text.replace(port, own);
        let text = self.ports.iter().fold(text.to_owned(), with);
        text.replace("ipc:///tmp/", &format!("ipc://{}/", self.path("").display()))
    }

    /// Brings the files with this ending of a directory of the repository.
    pub fn bring(&self, directory: &str, ending: &str) {
        for entry in fs::read_dir(repo_root().join(directory)).expect(directory) {
            let path = entry.expect(directory).path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if name.ends_with(ending) {
                let text = fs::read_to_string(&path).expect("text");
                fs::write(self.path(&name), self.localised(&text)).expect("write a file");
            }
        }
    }

    /// A shell that runs `script`; its output goes through files, so that nobody must read it meanwhile.
    pub fn start(&self, script: &str) -> Terminal {
        let script = self.localised(script);
        let tools = Path::new(env!("CARGO_BIN_EXE_nanoqi")).parent().expect("a directory").display();
        let include = repo_root().join("include");
        let path = std::env::var("PATH").unwrap_or_default();
        let [out, err] = ["out", "err"].map(|stream| self.path(&format!("{}.{stream}", super::unique())));
        let mut shell = Command::new("sh");
        shell.args(["-euc", &script]).current_dir(self.path("")).process_group(0).stdin(Stdio::null());
        shell.stdout(File::create(&out).expect("output file")).stderr(File::create(&err).expect("output file"));
        shell.env("PATH", format!("{tools}:{path}"));
        shell.env("CPATH", include).env("LIBRARY_PATH", our_lib_dir()).env("LD_LIBRARY_PATH", our_lib_dir());
        let child = shell.spawn().unwrap_or_else(|error| panic!("cannot start a shell: {error}"));
        Terminal { script, child, out, err, ended: false }
    }

    /// Runs `script` to its end and panics if it fails.
    pub fn run(&self, script: &str) -> Outcome {
        let mut terminal = self.start(script);
        let outcome = terminal.wait(Instant::now() + Duration::from_secs(60));
        outcome.expect_success(&terminal.script);
        outcome
    }
}

pub struct Terminal {
    pub script: String,
    child: Child,
    out: PathBuf,
    err: PathBuf,
    ended: bool,
}

impl Terminal {
    /// Waits for the end of the script, until the deadline; then everything in it is killed.
    pub fn wait(&mut self, deadline: Instant) -> Outcome {
        if let Some(status) = until(deadline, || self.child.try_wait().expect("wait for a shell")) {
            self.ended = true;
            // A signal's number as a shell would tell it.
            return self.outcome(status.code().or(status.signal().map(|signal| 128 + signal)), false);
        }
        self.kill();
        self.outcome(None, true)
    }

    fn outcome(&self, code: Option<i32>, timed_out: bool) -> Outcome {
        let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        Outcome { code, stdout: read(&self.out), stderr: read(&self.err), timed_out }
    }

    fn kill(&mut self) {
        if !self.ended {
            self.ended = true;
            // SAFETY: the group is the child's own, and the child has not been waited for, so its id cannot be reused.
            unsafe { libc::kill(-(self.child.id() as i32), libc::SIGKILL) };
            let _ = self.child.wait();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.kill();
    }
}
