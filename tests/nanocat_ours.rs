//! Our nanocat beside Debian's: the same command line, the same bytes on standard output, the same exit code; and what only ours
//! can do.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use support::patterns::Report;
use support::{Outcome, ScratchDir, free_port, repo_root, run};

const LIMIT: Duration = Duration::from_secs(30);
const OURS: &str = env!("CARGO_BIN_EXE_nanocat");
const GENUINE: &str = "/usr/bin/nanocat";

fn tool(path: &str) -> Command {
    assert!(Path::new(path).exists(), "{path} is missing: install the Debian package nanomsg-utils");
    let mut command = Command::new(path);
    // The genuine tool on the genuine library.
    command.env_remove("LD_LIBRARY_PATH");
    command
}

/// Words of a command line; PORT and PATH stand for unused ones.
fn words(line: &str, dir: &ScratchDir) -> Vec<String> {
    let line =
        line.replace("PORT", &free_port().to_string()).replace("PATH", dir.path("x").to_str().expect("a plain name"));
    line.split_whitespace().map(str::to_owned).collect()
}

/// Runs it under a name that both can have.
fn outcome(path: &str, line: &str) -> Outcome {
    use std::os::unix::process::CommandExt;
    let dir = ScratchDir::new();
    run(tool(path).arg0("nanocat").args(words(line, &dir)), LIMIT)
}

// What is said about command lines, and how they end.

const LINES: &[&str] = &[
    "",
    "-",
    "--",
    "stray",
    "--pull stray",
    "--pull",
    "--push",
    "-L PORT",
    "--zzz",
    "--zzz=1",
    "-Z",
    "-vZ",
    "--=x",
    // Abbreviations.
    "--re",
    "--pu",
    "--b",
    "--co",
    "--s",
    "--d",
    "--v --pull",
    "--ver --pull -L PORT --rec 0",
    "--pull --su",
    "--sub --pul",
    "--bind-l",
    "--pull --bind-l PORT --rec 0",
    // Arguments.
    "-D",
    "-F",
    "-l",
    "--data",
    "--subscribe",
    "--pull -L",
    "--rec",
    "--help=3",
    "--help=",
    "--verb=3",
    "--recv-timeout abc",
    "--recv-timeout=abc",
    "--rec=abc",
    "-i x",
    "-ix",
    "--pull -L PORT --recv-timeout 1x",
    "--pull -L PORT --recv-timeout=0",
    "-vvL PORT --pull --recv-timeout=0",
    "-qvL PORT --pull --rec .0 -",
    "--pull -L PORT --recv-timeout 0e3 --",
    // What excludes and needs what.
    "--push --pull -L PORT",
    "--sub --sub",
    "--req -L PORT --sub",
    "--push -L PORT -Dx -D y",
    "--push -L PORT -Dx --file y",
    "--push -L PORT -Dx --fi y",
    "-D x",
    "-A --recv-timeout 1",
    "--rec 1 --push -L PORT -D x",
    "-A -Q -D x --push -L PORT",
    "--pull -L PORT -i 3",
    "--bus -L PORT --subscribe x -i 1",
    "--push -L PORT",
    "--raw --hex --asc --pull -L PORT --rec 0",
    "--pull -L PORT -D x",
    "--push -L PORT -A -Dx",
    "--pull --subscribe x -L PORT",
    "--pub -L PORT --recv-timeout 1 -Dx",
    "--format x",
    "--format=",
    "--form=x",
    "--form x",
    // How it ends.
    "--pull -L PORT --recv-timeout 1",
    "--pull -X PATH --recv-timeout 1",
    "--sub -L PORT --recv-timeout 1",
    "--pair -l PORT --recv-timeout 1",
    "--bus -L PORT -D x --recv-timeout 1",
    "--pub -L PORT -D x",
    "--req -L PORT -D x --recv-timeout 1",
    "--surveyor -L PORT -D x",
    "--rep -L PORT -D x --recv-timeout 1",
    "--respondent -L PORT -D x --recv-timeout 1",
    "--rep -L PORT --recv-timeout 1",
    "--push -l PORT -D x --send-timeout 0.2",
    "--pair -x PATH -D x --send-timeout 0.2",
    "--push -L PORT -D x --send-timeout 0",
    "--pair -i 1 -L PORT --recv-timeout 0",
    "--pull --bind tcp://127.0.0.1",
    "--pull --bind=",
    "--pull --bind tcp://no.such.name.invalid:PORT",
    "--pull --bind nonsense://x",
    "--pull --bind ipc://PATH/missing/directory",
    "--pull --bind tcp://127.0.0.1:PORT --bind tcp://127.0.0.1:PORT",
    "--pull --connect tcp://127.0.0.1:0",
    "--push -L PORT -F /nonexistent",
    "--push -F /nonexistent --zzz",
    "--pull -L PORT --socket-name 0123456789012345678901234567890123456789012345678901234567890123",
    "--pull -L PORT --socket-name a --socket-name b --recv-timeout 0",
    "--pub -L PORT -D x -d 0.1 --send-timeout 1",
];

/// Lines that our tool says in addition: its own options, where it lists what would do.
const ADDED: [&str; 2] = ["    --lines", "    json"];

#[test]
fn the_same_command_line_has_the_same_outcome() {
    let compare = |line: &&str| {
        let (genuine, ours) = (outcome(GENUINE, line), outcome(OURS, line));
        let ours_said = without_additions(&ours.stderr);
        let same = (genuine.code, &genuine.stdout, &genuine.stderr) == (ours.code, &ours.stdout, &ours_said);
        if same { Ok(()) } else { Err(format!("{genuine:?}\nours {ours:?}")) }
    };
    // Many of them do nothing but wait for a second.
    let results: Vec<_> = std::thread::scope(|scope| {
        let parts: Vec<_> =
            LINES.chunks(8).map(|lines| scope.spawn(|| lines.iter().map(compare).collect::<Vec<_>>())).collect();
        parts.into_iter().flat_map(|part| part.join().expect("a comparison")).collect()
    });
    let mut report = Report::default();
    for (line, result) in LINES.iter().zip(results) {
        report.row((*line).into(), result);
    }
    report.finish();
}

fn without_additions(said: &str) -> String {
    said.split_inclusive('\n').filter(|line| !ADDED.contains(&line.trim_end())).collect()
}

/// What nanomsg's tool says of itself, and then what ours can do in addition.
#[test]
fn help_begins_as_the_genuine_one() {
    for line in ["--help", "-hX", "-h --zzz"] {
        let (genuine, ours) = (outcome(GENUINE, line), outcome(OURS, line));
        assert_eq!((genuine.code, ours.code), (Some(0), Some(0)));
        let more = ours.stdout.strip_prefix(&genuine.stdout).unwrap_or_else(|| panic!("{}", ours.stdout));
        assert!(more.starts_with("\nMore Options") && more.lines().all(|line| line.len() < 80), "{more}");
    }
}

/// Programs that are called `nn_req` and so on.
#[test]
fn the_name_of_the_program_chooses_the_type() {
    let mut report = Report::default();
    let types = ["push", "pull", "pub", "sub", "req", "rep", "surveyor", "respondent", "bus", "pair", "lines", "x"];
    for name in types {
        for line in ["--recv-timeout 0 -L PORT", "--pull", "-D x -L PORT --zzz", "--req -A"] {
            let dir = ScratchDir::new();
            let program = dir.path(&format!("nn_{name}"));
            let words = words(line, &dir);
            let [genuine, ours] = [GENUINE, OURS].map(|path| {
                let _ = fs::remove_file(&program);
                std::os::unix::fs::symlink(path, &program).expect("link");
                let outcome = run(tool(program.to_str().expect("a plain name")).args(&words), LIMIT);
                let said = without_additions(&outcome.stderr);
                (outcome.code, outcome.stdout, said)
            });
            let result = if genuine == ours { Ok(()) } else { Err(format!("{genuine:?}\nours {ours:?}")) };
            report.row(format!("nn_{name} {line}"), result);
        }
    }
    report.finish();
}

// Two of them.

/// One that runs beside the test; killed when dropped.
struct Background {
    child: Child,
    output: Receiver<Vec<u8>>,
    seen: Vec<u8>,
}

impl Background {
    fn start(path: &str, line: &str) -> Background {
        Background::start_with(tool(path).args(line.split_whitespace()))
    }

    fn start_with(command: &mut Command) -> Background {
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
    fn output(&mut self, length: usize) -> Vec<u8> {
        let deadline = Instant::now() + LIMIT;
        while self.seen.len() < length {
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(more) => self.seen.extend(more),
                Err(_) => break,
            }
        }
        self.seen[..length.min(self.seen.len())].to_vec()
    }

    fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("its input")
    }

    /// Its exit code and all its output, once it has ended by itself.
    fn finish(mut self) -> (Option<i32>, String) {
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

fn pairings() -> [[&'static str; 2]; 3] {
    [[OURS, OURS], [OURS, GENUINE], [GENUINE, OURS]]
}

/// Every format, from either tool, as the genuine one prints it.
#[test]
fn the_same_bytes_in_every_format() {
    let bodies = [b"a\"\\\n\r\t\x01\xff".to_vec(), (0..=255).collect(), vec![b'y'; 65535], vec![b'z'; 1 << 20]];
    let dir = ScratchDir::new();
    let file = dir.path("body");
    let mut report = Report::default();
    for body in &bodies {
        fs::write(&file, body).expect("write a file");
        for format in ["--raw", "-A", "-Q", "--msgpack", "--hex", "--format=quoted"] {
            let [genuine, ours] = [GENUINE, OURS].map(|path| {
                let port = free_port();
                let mut pull = Background::start(path, &format!("--pull -L {port} {format}"));
                let _push = Background::start(OURS, &format!("--push -l {port} -i 0.05 -F {}", file.display()));
                // The second message tells where the first one ends.
                pull.output(2 * body.len() + 4)
            });
            let result = if genuine == ours && !ours.is_empty() {
                Ok(())
            } else {
                Err(format!("{} and {} bytes", genuine.len(), ours.len()))
            };
            report.row(format!("{} bytes {format}", body.len()), result);
        }
    }
    report.finish();
}

/// Each role with each tool on the other side, connecting and bound.
#[test]
fn every_role_with_either_tool() {
    let table = [
        ("--push -D q -i 0.05", "--pull -A", true),
        ("--pub -D q -i 0.05", "--sub -A --subscribe x --subscribe q", true),
        ("--req -D q -i 0.05 -A", "--rep -D r -A", false),
        ("--surveyor -D q -i 0.05 -A", "--respondent -D r -A", false),
        ("--pair -D q -i 0.05 -A", "--pair -D r -i 0.05 -A", false),
        ("--bus -D q -i 0.05 -A", "--bus -D r -i 0.05 -A", false),
    ];
    let mut report = Report::default();
    for [a, b] in pairings() {
        for (asks, answers, one_way) in table {
            for [a_end, b_end] in [["-L", "-l"], ["-l", "-L"]] {
                let port = free_port();
                let mut b = Background::start(b, &format!("{answers} {b_end} {port}"));
                let mut a = Background::start(a, &format!("{asks} {a_end} {port}"));
                let seen = (b.output(6), if one_way { b"r\nr\n".to_vec() } else { a.output(4) });
                let result =
                    if seen == (b"q\nq\nq\n".to_vec(), b"r\nr\n".to_vec()) { Ok(()) } else { Err(format!("{seen:?}")) };
                report.row(format!("{asks} {a_end}, {answers}"), result);
            }
        }
    }
    report.finish();
}

/// What sends once and ends, and what ends for lack of more.
#[test]
fn single_shots() {
    for [a, b] in pairings() {
        let port = free_port();
        let rep = Background::start(b, &format!("--rep -L {port} -D pong"));
        let req = Background::start(a, &format!("--req -l {port} -D ping -A --recv-timeout 20")).finish();
        assert_eq!(req, (Some(0), "pong\n".into()));
        drop(rep);

        let port = free_port();
        let pull = Background::start(b, &format!("--pull -L {port} -Q --recv-timeout 2"));
        let push = Background::start(a, &format!("--push -l {port} -D once")).finish();
        assert_eq!((push.0, pull.finish()), (Some(0), (Some(0), "\"once\"\n".into())));
    }
}

// What the genuine tool does wrong.

#[test]
fn several_short_addresses_and_an_empty_file() {
    let dir = ScratchDir::new();
    let ports = [free_port(), free_port(), free_port()];
    let line = format!("--pull -L {} -L {} -X {} -A --count 3", ports[0], ports[1], dir.path("s").display());
    let pull = Background::start(OURS, &line);
    for end in [format!("-l{}", ports[0]), format!("-l {}", ports[1]), format!("-x {}", dir.path("s").display())] {
        assert_eq!(Background::start(OURS, &format!("--push -F /dev/null {end}")).finish().0, Some(0));
    }
    assert_eq!(pull.finish(), (Some(0), "\n\n\n".into()));
}

/// The genuine tool cuts receive timeouts down to whole seconds: half a second is none at all there.
#[test]
fn fractions_of_a_second() {
    let start = Instant::now();
    let outcome = outcome(OURS, "--pull -L PORT --recv-timeout 0.7");
    assert_eq!(outcome.code, Some(0));
    assert!(start.elapsed() >= Duration::from_millis(700), "after {:?}", start.elapsed());
}

// What only ours can do.

#[test]
fn lines_of_input_are_messages() {
    let port = free_port();
    let pull = Background::start(OURS, &format!("--pull -L {port} -Q --count 4"));
    let mut push = Background::start(OURS, &format!("--push -l {port} --lines"));
    push.input().write_all(b"one\n\ntwo words\nlast, without an end").expect("write lines");
    assert_eq!(push.finish().0, Some(0));
    assert_eq!(pull.finish(), (Some(0), "\"one\"\n\"\"\n\"two words\"\n\"last, without an end\"\n".into()));

    // Each request is answered before the next.
    let port = free_port();
    let rep = Background::start(OURS, &format!("--rep -L {port} -D r -A --count 2"));
    let mut req = Background::start(OURS, &format!("--req -l {port} --lines -A"));
    req.input().write_all(b"a\nb\n").expect("write lines");
    assert_eq!(req.finish(), (Some(0), "r\nr\n".into()));
    assert_eq!(rep.finish(), (Some(0), "a\nb\n".into()));
}

/// A chat: either side speaks while it listens.
#[test]
fn a_pair_speaks_and_listens() {
    let port = free_port();
    let mut left = Background::start(OURS, &format!("--pair -L {port} --lines -A"));
    let mut right = Background::start(OURS, &format!("--pair -l {port} --lines -A"));
    let (mut left_input, mut right_input) = (left.input(), right.input());
    for word in ["one", "two"] {
        left_input.write_all(format!("{word}\n").as_bytes()).expect("type");
        right_input.write_all(format!("{word}!\n").as_bytes()).expect("type");
    }
    assert_eq!((left.output(10), right.output(8)), (b"one!\ntwo!\n".to_vec(), b"one\ntwo\n".to_vec()));
    drop((left_input, right_input));
    assert_eq!((left.finish().0, right.finish().0), (Some(0), Some(0)));

    // With a time limit it goes on listening after the last line.
    let port = free_port();
    let mut asks = Background::start(OURS, &format!("--bus -L {port} --lines -A --recv-timeout 20 --count 1"));
    drop(asks.input());
    let _answers = Background::start(OURS, &format!("--bus -l {port} -D late -i 0.05"));
    assert_eq!(asks.finish(), (Some(0), "late\n".into()));
}

#[test]
fn counts_end_it() {
    let port = free_port();
    let pull = Background::start(OURS, &format!("--pull -L {port} --raw --count 1001"));
    assert_eq!(Background::start(OURS, &format!("--push -l {port} -D x --count 1000")).finish().0, Some(0));
    assert_eq!(Background::start(OURS, &format!("--push -l {port} -D y -i 0.01 --count 1")).finish().0, Some(0));
    assert_eq!(pull.finish(), (Some(0), "x".repeat(1000) + "y"));
}

#[test]
fn json_and_statistics() {
    let port = free_port();
    let pull = Background::start(OURS, &format!("--pull -L {port} --json --count 2"));
    let mut push = tool(OURS);
    push.args(["--push", "-l", &port.to_string(), "--stats", "--lines"]);
    push.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut push = push.spawn().expect("start nanocat");
    push.stdin.take().expect("its input").write_all(b"text\n\xff\n").expect("write lines");
    let said = push.wait_with_output().expect("its output").stderr;
    assert_eq!(pull.finish(), (Some(0), "{\"data\":\"text\"}\n{\"base64\":\"/w==\"}\n".into()));
    let said = String::from_utf8(said).expect("text");
    let last = said.lines().last().expect("statistics");
    assert!(last.starts_with("sent 2 (5 B), ") && last.contains("; peers "), "{said}");
    assert!(!said.contains('\x1b'), "no colours where there is no terminal: {said}");
}

#[test]
fn a_reader_that_goes_ends_it_quietly() {
    let port = free_port();
    let mut pull = tool(OURS);
    pull.args(["--pull", "-L", &port.to_string(), "-A"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut pull = pull.spawn().expect("start nanocat");
    drop(pull.stdout.take());
    let _push = Background::start(OURS, &format!("--push -l {port} -D x -i 0.05"));
    let ended = pull.wait_with_output().expect("the end");
    assert_eq!((ended.status.code(), &*ended.stderr), (Some(141), &b""[..]));
}

#[test]
fn it_says_which_version_it_is() {
    let outcome = outcome(OURS, "--version");
    assert_eq!(
        (outcome.code, outcome.stdout),
        (Some(0), format!("nanocat (Millrace) {}\n", env!("CARGO_PKG_VERSION")))
    );
}

// What goes with it.

/// `nanocat --completions SHELL > packaging/completions/NAME` writes them anew.
#[test]
fn the_completions_are_those_of_the_tool() {
    for (shell, file) in [("bash", "nanocat"), ("zsh", "_nanocat"), ("fish", "nanocat.fish")] {
        let path = repo_root().join("packaging/completions").join(file);
        let script = outcome(OURS, &format!("--completions {shell}")).stdout;
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == script, "{}: write it anew with nanocat --completions {shell}", path.display());
    }
}

#[test]
fn bash_completes() {
    let script = repo_root().join("packaging/completions/nanocat");
    let reply = |words: &str| {
        let text = format!(
            ". {}; COMP_WORDS=(nanocat {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); _nanocat; echo ${{COMPREPLY[*]}}",
            script.display()
        );
        let outcome = run(Command::new("bash").args(["-c", &text]), LIMIT);
        outcome.expect_success("bash");
        outcome.stdout
    };
    assert_eq!(reply("--su"), "--sub --surveyor --subscribe\n");
    assert_eq!(reply("--pull --format a"), "ascii\n");
    assert_eq!(reply("--recv-timeout ''"), "\n");
}

/// Every option is in the manual page.
#[test]
fn the_page_has_every_option() {
    let page = fs::read_to_string(repo_root().join("docs/man/nanocat.1")).expect("the page");
    let help = outcome(OURS, "--help").stdout;
    let options =
        help.lines().filter_map(|line| line.strip_prefix(" --")).filter_map(|rest| rest.split([',', ' ']).next());
    let missing: Vec<_> = options
        .filter(|name| !page.contains(&format!(".It Fl -{name}\n")) && !page.contains(&format!("Fl -{name} ")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
