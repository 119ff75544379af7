//! Our nanocat beside Debian's: the same command line, the same bytes on standard output, the same exit code. What only ours
//! can do is in nanocat_more.rs.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use support::nanocat::{Background, GENUINE, LIMIT, OURS, outcome, tool, words};
use support::patterns::Report;
use support::{ScratchDir, free_port, run};

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

/// Every role that prints, in every format, as the genuine one prints it.
#[test]
fn every_role_in_every_format() {
    let roles = [
        ("--pull", "--push -i 0.05"),
        ("--sub", "--pub -i 0.05"),
        ("--rep -D r", "--req -i 0.05"),
        ("--req -D q -i 0.05", "--rep"),
        ("--respondent -D r", "--surveyor -i 0.05"),
        ("--surveyor -D q -i 0.05", "--respondent"),
        ("--pair", "--pair -i 0.05"),
        ("--bus -D q -i 0.05", "--bus -i 0.05"),
    ];
    let body = b"a\"\\\n\r\t\x01\xff".to_vec();
    let formats = [("raw", 8), ("ascii", 9), ("quoted", 24), ("hex", 35), ("msgpack", 10)];
    let dir = ScratchDir::new();
    let file = dir.path("body");
    fs::write(&file, &body).expect("write a file");
    let mut report = Report::default();
    for (prints, speaks) in roles {
        for (format, length) in formats {
            let [genuine, ours] = [GENUINE, OURS].map(|path| {
                let port = free_port();
                let mut prints = Background::start(path, &format!("{prints} -L {port} --format {format}"));
                let _speaks = Background::start(OURS, &format!("{speaks} -l {port} -F {}", file.display()));
                prints.output(2 * length)
            });
            let same = genuine == ours && ours.len() == 2 * length && ours[..length] == ours[length..];
            report.row(
                format!("{prints} {format}"),
                if same { Ok(()) } else { Err(format!("{genuine:?}\nours {ours:?}")) },
            );
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
