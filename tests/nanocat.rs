//! Debian's nanocat binary on our library: formats, roles, exit codes, byte for byte what it does on the genuine library.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::patterns::{Report, TRANSPORTS, address, kinds, pairings};
use support::peer::Kind;
use support::{Lib, ScratchDir, command, run};

const LIMIT: Duration = Duration::from_secs(30);

fn nanocat(kind: Kind, args: &[&str]) -> Command {
    let path = Path::new("/usr/bin/nanocat");
    assert!(path.exists(), "{} is missing: install the Debian package nanomsg-utils", path.display());
    let Kind::Nanomsg(lib) = kind else { unreachable!("nanocat on NNG") };
    let mut nanocat = command(path, lib);
    nanocat.args(args);
    nanocat
}

/// A nanocat whose output is looked at once it has ended; killed when dropped.
struct Background {
    child: std::process::Child,
    output: std::path::PathBuf,
}

impl Background {
    fn start(kind: Kind, args: &[&str], dir: &ScratchDir, name: &str) -> Self {
        let output = dir.path(name);
        let file = fs::File::create(&output).expect("output file");
        let child = nanocat(kind, args).stdin(Stdio::null()).stdout(file).spawn().expect("start nanocat");
        Self { child, output }
    }

    /// Its exit code and standard output, once it has ended by itself.
    fn finish(mut self) -> (Option<i32>, Vec<u8>) {
        let deadline = std::time::Instant::now() + LIMIT;
        while std::time::Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("wait for nanocat") {
                return (status.code(), fs::read(&self.output).expect("output"));
            }
            #[expect(clippy::disallowed_methods, reason = "looks again and again what another program has done")]
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("nanocat did not end in time");
    }

    /// The first `length` bytes it prints, for programs that go on for ever.
    fn output(&self, length: usize) -> Vec<u8> {
        let deadline = std::time::Instant::now() + LIMIT;
        loop {
            let mut bytes = fs::read(&self.output).expect("output");
            if bytes.len() >= length || std::time::Instant::now() >= deadline {
                bytes.truncate(length);
                return bytes;
            }
            #[expect(clippy::disallowed_methods, reason = "looks again and again what another program has done")]
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn same(what: &str, got: &[u8], expected: &[u8]) -> Result<(), String> {
    if got == expected {
        return Ok(());
    }
    Err(format!("{what}: \"{}\", not \"{}\"", got.escape_ascii(), expected.escape_ascii()))
}

/// A test in all pairings and over both transports: the two libraries, the transport, a place for files.
fn everywhere(test: impl Fn([Kind; 2], &str, &ScratchDir) -> Result<(), String>) {
    let dir = ScratchDir::new();
    let mut report = Report::default();
    for kinds in pairings() {
        for transport in TRANSPORTS {
            report.row(format!("{kinds:?} over {transport}"), test(kinds, transport, &dir));
        }
    }
    report.finish();
}

// What is printed.

/// A message in every format, by the table of formats.
fn formatted(bytes: &[u8]) -> [(&'static str, Vec<u8>); 6] {
    let printable = |byte: u8| (0x20..0x7f).contains(&byte);
    let quoted = |byte: u8| match byte {
        b'\n' => "\\n".into(),
        b'\r' => "\\r".into(),
        b'\\' | b'"' => format!("\\{}", byte as char),
        _ if printable(byte) => (byte as char).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    let ascii = bytes.iter().map(|&byte| if printable(byte) { byte } else { b'.' });
    let quoted: String = bytes.iter().map(|&byte| quoted(byte)).collect();
    let hex: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    let length = bytes.len();
    let prefix = match length {
        0..0x100 => vec![0xc4, length as u8],
        0x100..0x10000 => [&[0xc5][..], &(length as u16).to_be_bytes()].concat(),
        _ => [&[0xc6][..], &(length as u32).to_be_bytes()].concat(),
    };
    [
        ("no", Vec::new()),
        ("raw", bytes.to_vec()),
        ("ascii", ascii.chain([b'\n']).collect()),
        ("quoted", format!("\"{quoted}\"\n").into_bytes()),
        ("hex", format!("\"{hex}\"\n").into_bytes()),
        ("msgpack", [prefix, bytes.to_vec()].concat()),
    ]
}

#[test]
fn formats() {
    let bodies = [
        b"a\"\\\n\r\t\x01\xff".to_vec(), // the example of the table
        (0..=255).collect(),
        vec![b'x'; 255],
        vec![b'y'; 65535],
        vec![b'z'; 1 << 20],
    ];
    let input = ScratchDir::new();
    for (i, body) in bodies.iter().enumerate() {
        fs::write(input.path(&i.to_string()), body).expect("input file");
    }
    everywhere(|[sender, receiver], transport, dir| {
        for (i, body) in bodies.iter().enumerate() {
            let file = input.path(&i.to_string());
            for (format, expected) in formatted(body) {
                let address = &address(transport, dir);
                let pull = ["--pull", "--bind", address, "--format", format];
                let pull = Background::start(receiver, &pull, dir, "pull");
                // Sending again and again needs no guess when the other side is ready.
                let push = ["--push", "--connect", address, "-F", file.to_str().unwrap(), "-i", "0.1"];
                let _push = Background::start(sender, &push, dir, "push");
                same(format, &pull.output(expected.len()), &expected)?;
            }
        }
        Ok(())
    });
}

/// Each role, connecting and bound, with what each of them sends.
#[test]
fn roles() {
    let table = [
        ("--push", Some("q"), "--pull", None),
        ("--pub", Some("q"), "--sub", None),
        ("--req", Some("q"), "--rep", Some("r")),
        ("--surveyor", Some("q"), "--respondent", Some("r")),
        ("--pair", Some("q"), "--pair", Some("r")),
        ("--bus", Some("q"), "--bus", Some("r")),
    ];
    everywhere(|[a, b], transport, dir| {
        for (a_role, a_sends, b_role, b_sends) in table {
            for swapped in [false, true] {
                let address = &address(transport, dir);
                let (a_end, b_end) = if swapped { ("--bind", "--connect") } else { ("--connect", "--bind") };
                let start = |kind, role: &str, end, sends: Option<&str>, hears: bool, name: &str| {
                    let mut args = vec![role, end, address.as_str()];
                    // Roles that answer take no interval; the others repeat, for there may be nobody yet.
                    let answers = matches!(role, "--rep" | "--respondent");
                    args.extend(sends.map(|data| ["-D", data]).into_iter().flatten());
                    if sends.is_some() && !answers {
                        args.extend(["-i", "0.1"]);
                    }
                    if hears {
                        args.push("-A");
                    }
                    Background::start(kind, &args, dir, name)
                };
                let b_process = start(b, b_role, b_end, b_sends, true, "b");
                let a_process = start(a, a_role, a_end, a_sends, b_sends.is_some(), "a");
                same(b_role, &b_process.output(4), b"q\nq\n")?;
                if b_sends.is_some() {
                    same(a_role, &a_process.output(4), b"r\nr\n")?;
                }
            }
        }
        Ok(())
    });
}

#[test]
fn subscriptions() {
    everywhere(|[publisher, subscriber], transport, dir| {
        let address = &address(transport, dir);
        let args = ["--sub", "--bind", address, "--subscribe", "x", "--subscribe", "other", "-A"];
        let sub = Background::start(subscriber, &args, dir, "sub");
        let publish = |data, name| {
            let args = ["--pub", "--connect", address, "-D", data, "-i", "0.05"];
            Background::start(publisher, &args, dir, name)
        };
        let (_unwanted, _wanted) = (publish("unwanted", "unwanted"), publish("x wanted", "wanted"));
        same("subscriber", &sub.output(27), b"x wanted\nx wanted\nx wanted\n")
    });
}

/// A sender that ends after its one message, and a receiver that ends for lack of more.
#[test]
fn single_shot() {
    everywhere(|[sender, receiver], transport, dir| {
        if transport == "ipc" && sender == receiver && receiver == Kind::Nanomsg(Lib::Genuine) {
            // The genuine receiver drops unread messages at the hang-up of the genuine sender.
            return Ok(());
        }
        let address = &address(transport, dir);
        let pull =
            Background::start(receiver, &["--pull", "--bind", address, "-Q", "--recv-timeout", "2"], dir, "pull");
        let push = Background::start(sender, &["--push", "--connect", address, "-D", "once"], dir, "push");
        let sent = push.finish();
        let received = pull.finish();
        same("output", &received.1, b"\"once\"\n")?;
        if (sent.0, received.0) == (Some(0), Some(0)) { Ok(()) } else { Err(format!("{sent:?}, {received:?}")) }
    });
}

#[test]
fn request_from_a_single_shot() {
    everywhere(|[requester, replier], transport, dir| {
        let address = &address(transport, dir);
        let _rep = Background::start(replier, &["--rep", "--bind", address, "-D", "pong"], dir, "rep");
        let req = ["--req", "--connect", address, "-D", "ping", "-A", "--recv-timeout", "20"];
        let req = Background::start(requester, &req, dir, "req").finish();
        same("output", &req.1, b"pong\n")?;
        if req.0 == Some(0) { Ok(()) } else { Err(format!("exit code {:?}", req.0)) }
    });
}

// How it ends.

/// Command lines with the expected exit code and a part of what stderr says. PORT and PATH stand for unused ones.
const COMMAND_LINES: &[(&str, i32, &str)] = &[
    ("--help", 0, ""),
    ("", 1, "At least one of the following required:"),
    ("--pull", 1, "At least one of the following required:"),
    ("--push --pull -L PORT", 1, "conflicts with the following options:"),
    ("--pull -L PORT --nonsense", 1, "Unknown option ``--nonsense''"),
    ("--pull -L PORT stray", 1, "Unexpected argument ``stray''"),
    ("--pull -L PORT --format x", 1, "Invalid value ``x''"),
    ("--pull -L PORT --recv-timeout 1", 0, ""),
    ("--pull -X PATH --recv-timeout 1", 0, ""),
    ("--sub -L PORT --recv-timeout 1", 0, ""),
    ("--pair -l PORT --recv-timeout 1", 0, ""),
    ("--bus -L PORT -D x --recv-timeout 1", 0, ""),
    ("--pub -L PORT -D x", 0, ""),
    ("--req -L PORT -D x --recv-timeout 1", 0, ""),
    ("--surveyor -L PORT -D x", 0, ""),
    ("--rep -L PORT -D x --recv-timeout 1", 3, "Can't recv: Connection timed out"),
    ("--respondent -L PORT -D x --recv-timeout 1", 3, "Can't recv: Connection timed out"),
    ("--push -l PORT -D x --send-timeout 0.2", 3, "Can't send: Connection timed out"),
    ("--pair -x PATH -D x --send-timeout 0.2", 3, "Can't send: Connection timed out"),
    ("--pull --bind tcp://127.0.0.1", 3, "Can't bind: Invalid argument"),
    ("--pull --bind tcp://no.such.name.invalid:PORT", 3, "Can't bind: No such device"),
    ("--pull --bind nonsense://x", 3, "Can't bind: Protocol not supported"),
    ("--pull --bind ipc://PATH/missing/directory", 3, "Can't bind: No such file or directory"),
    ("--pull --bind tcp://127.0.0.1:PORT --bind tcp://127.0.0.1:PORT", 3, "Can't bind: Address already in use"),
    ("--pull --connect tcp://127.0.0.1:0", 3, "Can't connect: Invalid argument"),
    (
        "--pull -L PORT --socket-name 0123456789012345678901234567890123456789012345678901234567890123",
        3,
        "Can't set socket name",
    ),
    ("--push -L PORT -F /nonexistent", 2, "/nonexistent"),
];

/// The same exit code and the same words on both libraries.
#[test]
fn exit_codes() {
    let mut report = Report::default();
    for &(line, code, words) in COMMAND_LINES {
        let mut seen = Vec::new();
        for kind in [Kind::Nanomsg(Lib::Genuine)].into_iter().chain(kinds()) {
            let dir = ScratchDir::new();
            let port = support::free_port().to_string();
            let line = line.replace("PORT", &port).replace("PATH", dir.path("x").to_str().unwrap());
            let args: Vec<_> = line.split_whitespace().collect();
            let outcome = run(&mut nanocat(kind, &args), LIMIT);
            let result = if outcome.code != Some(code) || !outcome.stderr.contains(words) {
                Err(format!("{outcome:?}, not {code} \"{words}\""))
            } else {
                Ok(())
            };
            report.row(format!("{line} on {kind:?}"), result);
            seen.push((outcome.stdout, outcome.stderr));
        }
        let equal = seen.iter().all(|output| *output == seen[0]);
        report.row(line.into(), if equal { Ok(()) } else { Err(format!("outputs differ: {seen:?}")) });
    }
    report.finish();
}
