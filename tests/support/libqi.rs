//! The genuine libqi: PyPI's `qi` in a virtual environment of its own, as a server and as a client; and programs that serve like it.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use super::python::environment;
use super::{ScratchDir, repo_root, require_tool, run};

/// Python with libqi.
pub fn python() -> PathBuf {
    static MAKING: Mutex<()> = Mutex::new(());
    let _alone = MAKING.lock().unwrap_or_else(|poison| poison.into_inner());
    require_tool("python3", "python3");
    environment("python-qi", "qi==3.1.5", "qi")
}

/// Runs a scenario of `tests/python/qi_client.py` against a server at this address, with this id of the machine, or one of its own.
pub fn client(scenario: &str, url: &str, machine: Option<&str>) {
    let dir = ScratchDir::new();
    let mut client = Command::new(python());
    client.arg(repo_root().join("tests/python/qi_client.py")).arg(scenario).arg(url);
    client.env("PYTHONDONTWRITEBYTECODE", "1").env("XDG_CONFIG_HOME", dir.path("config"));
    client.env("QI_LOG_LEVEL", "2");
    if let Some(machine) = machine {
        let config = dir.path("config").join("qimessaging");
        std::fs::create_dir_all(&config).expect("a directory");
        std::fs::write(config.join("machine_id"), machine).expect("a file");
    }
    let outcome = run(&mut client, Duration::from_secs(100));
    outcome.expect_success(scenario);
    assert_eq!(outcome.stdout.trim(), "ok");
}

/// A process with a directory and a service. It prints its URL, then obeys lines on its standard input until that ends, and answers
/// each with a line; what it prints begins with "= ".
pub struct Service {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub url: String,
}

impl Service {
    /// That of `tests/python/qi_service.py`.
    pub fn start() -> Service {
        Service::start_at("tcp://127.0.0.1:0")
    }

    pub fn start_at(url: &str) -> Service {
        Service::start_with(url, "")
    }

    /// With changes to the capabilities that it announces.
    pub fn start_with(url: &str, capabilities: &str) -> Service {
        let mut command = Command::new(python());
        command.env("QI_TRANSPORT_CAPABILITIES", capabilities);
        command.arg(repo_root().join("tests/python/qi_service.py")).arg(url);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        // Its log goes to the same pipe from other threads, and may stand in the middle of an answer.
        command.env("QI_LOG_LEVEL", "0");
        // Its machine id belongs to the test.
        command.env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR"));
        Service::run(command.stderr(Stdio::null()))
    }

    /// That of another program.
    pub fn run(command: &mut Command) -> Service {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a service");
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("its output"));
        let mut service = Service { child, commands, answers, url: String::new() };
        service.url = service.answer();
        service
    }

    pub fn answer(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.answers.read_line(&mut line).expect("its output"), 0, "the service has ended");
            // A program that people start prints its address alone.
            let address = || line.starts_with("tcp://").then_some(line.as_str());
            if let Some(answer) = line.strip_prefix("= ").or_else(address) {
                return answer.trim().to_owned();
            }
        }
    }

    pub fn tell(&mut self, command: &str) -> String {
        writeln!(self.commands.as_mut().expect("its input"), "{command}").expect("the service reads");
        self.answer()
    }

    /// The end of its input ends it, if it keeps to that.
    pub fn finish(mut self) -> ExitStatus {
        drop(self.commands.take());
        self.child.wait().expect("its exit status")
    }

    /// No thread of the process does anything any more when this returns.
    pub fn stand_still(&self) {
        self.signal("STOP");
        let status = format!("/proc/{}/status", self.child.id());
        while !std::fs::read_to_string(&status).expect("its status").contains("State:\tT") {
            std::thread::yield_now();
        }
    }

    pub fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill").success());
    }

    /// The process goes without a word.
    pub fn kill(mut self) {
        let _ = self.child.kill();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
