//! The examples do what they say. The first comment of each tells how it is built and run, and what it prints:
//!
//! ```text
//! Build:  the command that builds it, in its own directory, against an installed library
//! Leave:  a command for a terminal of its own, left running until the others are done
//! Run:    a command for a terminal of its own that ends by itself
//!         | a line that it prints; `...` stands for any text
//!
//! A command may end with the comment `# in any order`.
//! ```

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use support::examples::rust_example;
use support::installed::Installed;
use support::patterns::Report;
use support::shell::{Terminal, Workshop};
use support::{repo_root, until};

const LIMIT: Duration = Duration::from_secs(60);
/// A comment for the shell, and for us. The expected lines must then have what sorts them before their first dots.
const ANY_ORDER: &str = "# in any order";
/// It serves until it is stopped; `the_page_talks_to_the_wall` is its client.
const WALL: &str = "wall";
const STRICT: &str = "cc -std=gnu11 -O1 -Wall -Wextra -Werror ";

#[derive(Default)]
struct Steps {
    build: Option<String>,
    leave: Vec<String>,
    /// Commands, and the lines that each prints.
    run: Vec<(String, Vec<String>)>,
}

/// What the first comment of a program says.
fn steps(source: &str) -> Steps {
    let mut steps = Steps::default();
    let comment = source.lines().map(|line| line.trim_start_matches(['/', ' ', '*', '!']));
    for line in comment {
        if let Some((label @ ("Build" | "Leave" | "Run"), command)) = line.split_once(":  ") {
            let command = command.trim().to_owned();
            match label {
                "Build" => steps.build = Some(command),
                "Leave" => steps.leave.push(command),
                _ => steps.run.push((command, Vec::new())),
            }
        } else if let (Some(printed), Some((_, lines))) = (line.strip_prefix("| "), steps.run.last_mut()) {
            lines.push(printed.to_owned());
        } else if line.starts_with("#include") || line.starts_with("use ") {
            break;
        }
    }
    steps
}

/// `...` in the pattern stands for any text.
fn matches(pattern: &str, line: &str) -> bool {
    match pattern.split_once("...") {
        None => pattern == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|line| {
            let ends = (0..=line.len()).filter(|&at| line.is_char_boundary(at));
            ends.map(|at| &line[at..]).any(|tail| matches(rest, tail))
        }),
    }
}

/// All terminals at once, as a reader would have them.
fn play(workshop: &Workshop, steps: &Steps) -> Result<(), String> {
    let deadline = Instant::now() + LIMIT;
    let _servers: Vec<Terminal> = steps.leave.iter().map(|command| workshop.start(command)).collect();
    let mut terminals: Vec<_> =
        steps.run.iter().map(|(command, lines)| (workshop.start(command), lines.clone())).collect();
    for (terminal, expected) in &mut terminals {
        let outcome = terminal.wait(deadline);
        let mut printed: Vec<&str> = outcome.stdout.lines().collect();
        if terminal.script.ends_with(ANY_ORDER) {
            printed.sort_unstable();
            expected.sort_unstable();
        }
        let as_said = printed.len() == expected.len()
            && printed.iter().zip(expected.iter()).all(|(line, pattern)| matches(pattern, line));
        if outcome.code != Some(0) || !as_said {
            return Err(format!("{}: expected {expected:#?}, and was {outcome:#?}", terminal.script));
        }
    }
    Ok(())
}

fn programs(directory: &str, ending: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(repo_root().join(directory)).expect(directory);
    let mut paths: Vec<_> = entries.map(|entry| entry.expect(directory).path()).collect();
    paths.sort();
    let named = paths.iter().filter_map(|path| Some((path.file_name()?.to_str()?.strip_suffix(ending)?, path)));
    named.map(|(name, path)| (name.to_owned(), fs::read_to_string(path).expect("text"))).collect()
}

fn c_example(name: &str, source: &str) -> Result<(), String> {
    let steps = steps(source);
    let build = steps.build.as_ref().ok_or("it does not say how to build it")?;
    if steps.run.is_empty() && name != WALL {
        return Err("it does not say how to run it".into());
    }
    let workshop = Workshop::new();
    workshop.bring("examples-c", ".c");
    // As it is written, and without a warning.
    for command in [build.clone(), build.replacen("cc ", STRICT, 1)] {
        let outcome = workshop.start(&command).wait(Instant::now() + LIMIT);
        if outcome.code != Some(0) || !outcome.stderr.is_empty() {
            return Err(format!("{command}: {outcome:#?}"));
        }
    }
    play(&workshop, &steps)
}

#[test]
fn the_examples_in_c_do_what_they_say() {
    let mut report = Report::default();
    for (name, source) in programs("examples-c", ".c") {
        report.row(name.clone(), c_example(&name, &source));
    }
    report.finish();
}

#[test]
fn the_examples_in_c_build_with_installed_files() {
    let installed = Installed::make(&[]);
    let [include, libraries] = ["include", "lib"].map(|name| installed.path("/usr/local").join(name));
    let workshop = Workshop::with(include, libraries.clone());
    workshop.bring("examples-c", ".c");
    for (name, source) in programs("examples-c", ".c") {
        let build = steps(&source).build.unwrap_or_else(|| panic!("{name} does not say how to build it"));
        workshop.run(&build);
    }
    let loaded = workshop.run("ldd ./hello && ./hello").stdout;
    assert!(loaded.contains(&libraries.display().to_string()) && loaded.contains("hello yourself"), "{loaded}");
}

/// Those of the bus need one another, or a robot; `cargo test` sees that they compile, and tests/qi_client.rs and tests/qi_programs.rs play such scenes.
const OF_THE_BUS: [&str; 5] = ["qi_client", "qi_forward", "qi_pilot", "qi_robot", "qi_service"];

/// What its comment says, with the program, built, in place of `cargo run`.
fn built_steps(name: &str, source: &str) -> Result<Steps, String> {
    let program = rust_example(name)?.display().to_string();
    let start = format!("cargo run --example {name}");
    let in_place =
        |command: &mut String| *command = command.replace(&format!("{start} --"), &program).replace(&start, &program);
    let mut steps = steps(source);
    steps.leave.iter_mut().for_each(in_place);
    steps.run.iter_mut().for_each(|(command, _)| in_place(command));
    Ok(steps)
}

#[test]
fn the_examples_in_rust_do_what_they_say() {
    let mut report = Report::default();
    for (name, source) in programs("examples", ".rs") {
        if OF_THE_BUS.contains(&name.as_str()) {
            continue;
        }
        let result = built_steps(&name, &source).and_then(|steps| {
            if steps.run.is_empty() && name != WALL {
                Err("it does not say how to run it".into())
            } else {
                play(&Workshop::new(), &steps)
            }
        });
        report.row(name, result);
    }
    report.finish();
}

/// What a program in C shows of C alone, or what another one in Rust shows as well: event loops are runtimes there.
const IN_C_ALONE: [&str; 5] = ["epoll", "pubsub", "qi_callback", "reqrep", "uv"];

#[test]
fn the_examples_in_c_have_twins_in_rust() {
    let names = |directory, ending| programs(directory, ending).into_iter().map(|(name, _)| name);
    let rust: Vec<String> = names("examples", ".rs").collect();
    let without: Vec<String> = names("examples-c", ".c").filter(|name| !rust.contains(name)).collect();
    assert_eq!(without, IN_C_ALONE);
}

#[test]
fn dots_stand_for_any_text() {
    assert!(matches("a...c...", "a b c d"));
    assert!(matches("...", ""));
    assert!(!matches("a...c", "a b"));
    assert!(!matches("abc", "abcd"));
}

/// What the page's JavaScript does, done by hand: its two WebSockets, with the socket types that it names.
#[test]
fn the_page_talks_to_the_wall() {
    let source = |path| fs::read_to_string(repo_root().join(path)).expect("the program");
    let workshop = Workshop::new();
    workshop.bring("examples-c", "wall.c");
    let in_c = steps(&source("examples-c/wall.c"));
    workshop.run(in_c.build.as_ref().expect("how it is built"));
    the_page_talks_to(&workshop, &in_c);
    let in_rust = built_steps(WALL, &source("examples/wall.rs")).expect("a program");
    the_page_talks_to(&Workshop::new(), &in_rust);
}

fn the_page_talks_to(workshop: &Workshop, steps: &Steps) {
    let page = fs::read_to_string(repo_root().join("examples-c/wall.html")).expect("the page");
    let _wall = workshop.start(&steps.leave[0]);

    let sockets = page.lines().filter_map(|line| line.split_once("new WebSocket(\"ws://")?.1.split_once("\");"));
    let mut sockets = sockets.map(|(socket, _)| {
        let (address, protocol) = socket.split_once("\", \"").expect("an address and a socket type");
        browser(&workshop.localised(address), protocol)
    });
    let mut writer = sockets.next().expect("a socket that writes");
    let mut reader = sockets.next().expect("a socket that reads");

    // PUB sends to whoever it knows of, which our handshake does not tell: write until something comes.
    reader.set_read_timeout(Some(Duration::from_millis(100))).expect("a time limit");
    let deadline = Instant::now() + LIMIT;
    let mut frame = [0; 7];
    loop {
        // FIN and text; masked, by nothing; "hello".
        writer.write_all(b"\x81\x85\0\0\0\0hello").expect("write to the wall");
        match reader.read_exact(&mut frame) {
            Ok(()) => break,
            Err(error) => assert!(Instant::now() < deadline, "nothing comes from the wall: {error}"),
        }
    }
    assert_eq!(&frame, b"\x81\x05hello", "a text frame, as JavaScript wants it");
}

/// The opening handshake of a browser.
fn browser(address: &str, protocol: &str) -> TcpStream {
    let connected = until(Instant::now() + LIMIT, || TcpStream::connect(address).ok());
    let mut stream = connected.unwrap_or_else(|| panic!("{address}: nobody listens"));
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nOrigin: null\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {protocol}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("write a handshake");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer to the handshake");
        answer.push(byte[0]);
    }
    let answer = String::from_utf8(answer).expect("text").to_lowercase();
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert!(answer.contains(&format!("sec-websocket-protocol: {protocol}\r\n")), "a browser insists on it: {answer}");
    stream
}
