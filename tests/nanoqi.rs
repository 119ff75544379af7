//! nanoqi with a bus of ours: what it tells of several members, of objects that methods return, of costs, and of logs.

mod support;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, PipeReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nanomsg::qi::bus::serve;
use nanomsg::qi::client::connect;
use nanomsg::qi::server::{Call, Object, ObjectBuilder, Server};
use nanomsg::qi::value::Value;
use serde_json::Value as Json;
use support::{repo_root, run};

const LIMIT: Duration = Duration::from_secs(30);
/// As NAOqi has them, with a date alone in a struct.
const MESSAGE: &str = "(s(i)<LogLevel,level>ssssI(L)<Date,ns>L)<LogMessage,source,level,category,location,message,extra,id,date,systemDate>";

fn greeter(name: &'static str) -> Object {
    let mut builder = ObjectBuilder::new();
    builder.signal("said", "(s)");
    builder.property("level", "i", 1);
    builder.function("name", move || name);
    builder.function_with("say", |call: &Call, text: String| call.object().fire("said", (text.as_str(),)).map(drop));
    builder.build().unwrap()
}

fn listener() -> Object {
    let mut builder = ObjectBuilder::new();
    builder.signal("onLogMessages", &format!("([{MESSAGE}])"));
    builder.property("verbosity", "i", 0);
    builder.build().unwrap()
}

/// Tells its one listener what it is told.
fn log_manager(listener: &Object) -> Object {
    let mut builder = ObjectBuilder::new();
    let (given, told) = (listener.clone(), listener.clone());
    builder.function("createListener", move || given.clone());
    builder.method("log", &format!("([{MESSAGE}])"), "v", move |call| {
        told.emit("onLogMessages", call.arguments.clone()).map_err(|error| error.to_string())?;
        Ok(Value::Void.into())
    });
    builder.build().unwrap()
}

/// Two greeters, one of which returns another, and a log manager.
fn bus() -> (Server, String, [Object; 2], Object) {
    let server = serve("tcp://127.0.0.1:0").unwrap();
    let (one, two, logs) = (greeter("one"), greeter("two"), listener());
    let mut builder = ObjectBuilder::new();
    let child = two.clone();
    builder
        .function("child", move |name: String| if name == "x).y" { Ok(child.clone()) } else { Err("no such child") });
    server.add_service("GreeterOne", &one).unwrap();
    server.add_service("GreeterTwo", &two).unwrap();
    server.add_service("Parent", &builder.build().unwrap()).unwrap();
    server.add_service("LogManager", &log_manager(&logs)).unwrap();
    let url = server.addresses()[0].clone();
    (server, url, [one, two], logs)
}

fn nanoqi(url: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanoqi"));
    let outcome = run(command.args(["--qi-url", url]).args(arguments), LIMIT);
    (outcome.code.unwrap_or(-1), outcome.stdout.trim().to_owned(), outcome.stderr.trim().to_owned())
}

/// One that has said that it watches.
fn watching(url: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanoqi"));
    command.args(["--qi-url", url]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "nanoqi: watching\n");
    child
}

fn printed(child: Child) -> Vec<String> {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn several_members_are_watched_and_called() {
    let (server, url, [one, two], _) = bus();
    let all = watching(&url, &["watch", "Greeter*.said", "GreeterOne.level", "--count", "3"]);
    let json = watching(&url, &["watch", "G*.said", "--count", "1", "--json", "--time"]);
    let alone = watching(&url, &["watch", "GreeterOne.said", "--count", "1"]);
    let child = watching(&url, &["watch", "Parent.child(\"x).y\").said", "--count", "1"]);
    one.fire("said", ("a",)).unwrap();
    assert_eq!(printed(alone), ["[\"a\"]"]);
    let line: Json = serde_json::from_str(&printed(json)[0]).unwrap();
    assert_eq!((&line["member"], &line["value"]), (&"GreeterOne.said".into(), &serde_json::json!(["a"])));
    assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    two.fire("said", ("b",)).unwrap();
    assert_eq!(printed(child), ["[\"b\"]"]);
    one.set("level", 2).unwrap();
    let mut lines = printed(all);
    lines.sort();
    assert_eq!(lines, ["GreeterOne.level: 2", "GreeterOne.said: [\"a\"]", "GreeterTwo.said: [\"b\"]"]);
    let (code, out, _) = nanoqi(&url, &["call", "Greeter*.name"]);
    assert_eq!((code, out.as_str()), (0, "GreeterOne.name: \"one\"\nGreeterTwo.name: \"two\""));
    assert_eq!(nanoqi(&url, &["call", "Parent.child(\"x).y\").name"]).1, "\"two\"");
    let (code, _, error) = nanoqi(&url, &["call", "Parent.child(\"z\").name"]);
    assert!(code == 4 && error.contains("no such child"), "{error}");
    let (code, _, error) = nanoqi(&url, &["call", "GreeterOne.name().x"]);
    assert!(code == 4 && error.contains("GreeterOne.name returns no object"), "{error}");
    let (code, _, error) = nanoqi(&url, &["watch", "Nobody*.said"]);
    assert!(code == 3 && error.contains("nothing matches Nobody*.said"), "{error}");
    server.close();
}

/// What peers call themselves, and what they say, makes no line of its own, which would look like one of nanoqi's.
#[test]
fn names_and_texts_of_peers_stay_in_their_line() {
    let (server, url, ..) = bus();
    let mut builder = ObjectBuilder::new();
    builder.method("fail", "()", "v", |_| Err("first\nnanoqi: second".into()));
    server.add_service("New\nline", &builder.build().unwrap()).unwrap();
    let (code, out, _) = nanoqi(&url, &["list"]);
    assert!(code == 0 && out.contains("New\\nline") && !out.contains("\nline"), "{out}");
    let (code, _, error) = nanoqi(&url, &["call", "New\nline.fail"]);
    assert!(code == 4 && error == "nanoqi: first\\nnanoqi: second", "{error}");
    server.close();
}

/// Its connection may last, so nothing else tells.
#[test]
fn a_watch_ends_with_the_service() {
    let (server, url, ..) = bus();
    let id = server.add_service("Leaving", &greeter("leaving")).unwrap();
    let child = watching(&url, &["watch", "Leaving.said"]);
    server.remove_service(id).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(3));
    server.close();
}

/// A running server with so much memory for its peers. It is ended by its number when the test is over.
struct Served(Child, String);

impl Served {
    fn start(memory: &str) -> Served {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nanoqi"));
        command.args(["--qi-url", "tcp://127.0.0.1:0", "serve", "--memory", memory]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Served(child, line.trim().to_owned())
    }

    /// What it says to a name of so many bytes: why there is no such service.
    fn asked_for(&self, length: usize) -> String {
        let session = connect(&self.1).unwrap();
        let directory = session.service("ServiceDirectory").unwrap();
        let name = "x".repeat(length);
        directory.call("service", &[name.into()]).unwrap_err().to_string().chars().take(100).collect()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `--memory` is what a running server keeps to, and it serves on.
#[test]
fn a_server_has_the_memory_that_it_is_given() {
    let no_memory = "No memory for a message of";
    let small = Served::start("1");
    assert!(small.asked_for(2 << 20).contains(no_memory), "{}", small.asked_for(2 << 20));
    assert!(!small.asked_for(100_000).contains(no_memory), "{}", small.asked_for(100_000));
    let large = Served::start("16");
    assert!(!large.asked_for(2 << 20).contains(no_memory), "{}", large.asked_for(2 << 20));
}

#[test]
fn what_methods_cost_is_told() {
    let (server, url, ..) = bus();
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanoqi"));
    command.args(["--qi-url", &url, "--json", "--interval", "0.2", "top", "Greeter*"]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let session = nanomsg::qi::client::Session::connect(&url, Default::default()).unwrap();
    let greeter = session.service("GreeterTwo").unwrap();
    let counts = || greeter.call_to::<bool>("isStatsEnabled", &[]).unwrap();
    while !counts() {
        std::thread::yield_now();
    }
    // It has begun to count, but the first look may be still to come.
    let caller = std::thread::spawn(move || while greeter.call_to::<String>("name", &[]).is_ok() {});
    let line = loop {
        let mut text = String::new();
        out.read_line(&mut text).unwrap();
        let line: Json = serde_json::from_str(&text).unwrap();
        if line["method"] == "GreeterTwo.name" {
            break line;
        }
    };
    assert!(line["calls"].as_u64().unwrap() > 0 && line["calls_per_second"].as_f64().unwrap() > 0.0, "{line}");
    assert!(line["mean_seconds"].as_f64().unwrap() <= line["longest_seconds"].as_f64().unwrap(), "{line}");
    // Asked to end, it leaves things as they were, and ends as by that signal. (SIGINT is ignored by what a script runs behind it.)
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    session.close();
    caller.join().unwrap();
    let session = nanomsg::qi::client::Session::connect(&url, Default::default()).unwrap();
    for name in ["GreeterOne", "GreeterTwo"] {
        assert!(!session.service(name).unwrap().call_to::<bool>("isStatsEnabled", &[]).unwrap(), "{name}");
    }
    // And so it does by itself.
    let greeter = session.service("GreeterOne").unwrap();
    let (code, out, error) = nanoqi(&url, &["top", "--count", "1", "--interval", "0.01"]);
    assert!(code == 0 && out.contains("calls/s"), "{out} {error}");
    assert!(!greeter.call_to::<bool>("isStatsEnabled", &[]).unwrap());
    let (code, _, error) = nanoqi(&url, &["top", "Nobody"]);
    assert!(code == 3 && error.contains("no service Nobody"), "{error}");
    server.close();
}

/// Whoever should read what it prints stands still; nobody reads here at all.
struct Deaf {
    child: Child,
    reader: PipeReader,
}

impl Deaf {
    fn start(url: &str, arguments: &[&str]) -> Deaf {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut full = writer.try_clone().unwrap();
        // It ends with the reader.
        std::thread::spawn(move || while full.write_all(&[b'.'; 1000]).is_ok() {});
        let mut command = Command::new(env!("CARGO_BIN_EXE_nanoqi"));
        let child = command.args(["--qi-url", url]).args(arguments).stdout(writer).spawn().unwrap();
        Deaf { child, reader }
    }

    /// One of its threads is in write(1, ...).
    fn is_stuck(&self) -> bool {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let is_writing = |task: fs::DirEntry| {
            let call = fs::read_to_string(task.path().join("syscall")).unwrap_or_default();
            call.starts_with(&format!("{} 0x1 ", libc::SYS_write))
        };
        tasks.flatten().any(is_writing)
    }

    /// The signal that has ended it, which it was sent.
    fn end(mut self) -> Option<i32> {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        let (tell, told) = std::sync::mpsc::channel();
        let id = self.child.id();
        std::thread::spawn(move || tell.send(self.child.wait().unwrap().signal()));
        let signal = told.recv_timeout(LIMIT);
        // It goes on if it has not ended.
        drop(self.reader);
        signal.unwrap_or_else(|_| panic!("{id} has not ended"))
    }
}

#[test]
fn who_prints_to_somebody_who_stands_still_can_be_ended() {
    let (server, url, [greeter, _], _) = bus();
    let top = Deaf::start(&url, &["--interval", "0.001", "top", "GreeterOne"]);
    while !top.is_stuck() {
        std::thread::yield_now();
    }
    assert_eq!(top.end(), Some(libc::SIGTERM));
    let session = connect(&url).unwrap();
    assert!(!session.service("GreeterOne").unwrap().call_to::<bool>("isStatsEnabled", &[]).unwrap(), "told so");
    let watch = Deaf::start(&url, &["watch", "GreeterOne.said"]);
    while !watch.is_stuck() {
        greeter.fire("said", ("hello",)).unwrap();
        std::thread::yield_now();
    }
    assert_eq!(watch.end(), Some(libc::SIGTERM));
    server.close();
}

/// It was carried out all the same, so it is not as if it had been refused.
#[test]
fn what_cannot_be_printed_has_an_exit_code_of_its_own() {
    let (server, url, ..) = bus();
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanoqi"));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = command.args(["--qi-url", &url, "call", "GreeterOne.name"]).stdout(full).stderr(Stdio::piped());
    let output = child.spawn().unwrap().wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(7) && error.contains("cannot write"), "{error}");
    server.close();
}

/// As one that is written in Python is, without saying the types of its methods.
#[test]
fn a_log_manager_may_take_anything() {
    let server = serve("tcp://127.0.0.1:0").unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let mut builder = ObjectBuilder::new();
    builder.method("log", "(m)", "v", move |call| {
        tell.send(call.arguments[0].clone()).map_err(|error| error.to_string())?;
        Ok(Value::Void.into())
    });
    server.add_service("LogManager", &builder.build().unwrap()).unwrap();
    let (code, _, error) = nanoqi(&server.addresses()[0], &["log", "send", "here", "something"]);
    assert_eq!((code, error.as_str()), (0, ""));
    let message = told.recv_timeout(LIMIT).unwrap().undynamic().unwrap();
    assert_eq!(message.signature().to_string(), format!("[{MESSAGE}]"));
    server.close();
}

#[test]
fn logs_are_sent_and_viewed() {
    let (server, url, _, listener) = bus();
    let view = watching(&url, &["log", "--level", "warning", "--count", "1"]);
    let json = watching(&url, &["log", "--level", "debug", "--count", "2", "--json"]);
    assert_eq!(listener.get("verbosity").unwrap().integer(), Some(6), "what the second one wants");
    for (level, text) in [("info", "by the way"), ("error", "on fire")] {
        let (code, _, error) = nanoqi(&url, &["log", "send", "motion", text, "--level", level]);
        assert_eq!(code, 0, "{error}");
    }
    let [line] = &printed(view)[..] else { panic!("one line") };
    assert!(line.ends_with("Z [error] motion: on fire"), "{line}");
    let lines: Vec<Json> = printed(json).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["message"], "by the way");
    assert!(lines[0]["source"].as_str().unwrap().starts_with("nanoqi:"), "{}", lines[0]);
    server.close();
}

/// Every command and option of `--help` is in the completions for each shell, and in the manual page; nothing else is.
#[test]
fn the_completions_and_the_page_are_those_of_the_tool() {
    let (code, help, _) = nanoqi("", &["--help"]);
    assert_eq!(code, 0);
    let indented = help.lines().filter_map(|line| line.strip_prefix("  "));
    let words: BTreeSet<&str> = indented.filter_map(|line| line.split(' ').next()).collect();
    assert!(words.contains("--qi-url") && words.contains("list"), "{help}");
    let packaging = repo_root().join("packaging/completions");
    let read = |file: &str| fs::read_to_string(packaging.join(file)).expect(file);
    // What stands behind `before` in a line, up to one of `ends`.
    let found = |text: &str, before: &str, ends: &[char], dashes: &str| -> BTreeSet<String> {
        let parts = text.lines().filter_map(|line| Some(line.split_once(before)?.1.split(ends).next()?.to_owned()));
        parts.map(|word| format!("{dashes}{word}")).collect()
    };
    let of_fish = read("nanoqi.fish");
    let mut fish = found(&of_fish, "nanoqi -l ", &[' '], "--");
    fish.extend(found(&of_fish, " -n $none -a ", &[' '], ""));
    let of_zsh = read("_nanoqi");
    let mut zsh = found(&of_zsh, "    '--", &['=', '['], "--");
    zsh.extend(found(&of_zsh, "            '", &[':'], ""));
    let of_bash = read("nanoqi");
    let lists = of_bash.lines().filter(|line| line.contains("-W \"--") || line.contains("-W \"list "));
    let bash: BTreeSet<String> =
        lists.flat_map(|line| line.split('"').nth(1).unwrap_or_default().split(' ')).map(str::to_owned).collect();
    let mut expected: BTreeSet<String> = words.iter().map(|&word| word.to_owned()).collect();
    // (It is a command, too.)
    expected.insert("help".into());
    assert_eq!((&fish, &zsh, &bash), (&expected, &expected, &expected));

    let page = fs::read_to_string(repo_root().join("docs/man/nanoqi.1")).expect("the page");
    let missing: Vec<_> = words
        .iter()
        .filter(|word| match word.strip_prefix("--") {
            Some(option) => !page.contains(&format!(".It Fl -{option}")),
            None => !page.contains(&format!(".It Cm {word}")),
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// On the line and in the environment; a token that is left out would be another one's.
#[test]
fn what_is_no_text_is_refused_by_its_name() {
    let bad = OsStr::from_bytes(b"tcp://\xff");
    let nanoqi = |words: &[&OsStr], variable: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nanoqi"));
        command.args(words).env_remove("NANOQI_URL").env_remove("NANOQI_TOKEN");
        if !variable.is_empty() {
            command.env(variable, bad);
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let list = OsStr::new("list");
    for (words, variable, named) in [
        (&[OsStr::new("call"), OsStr::new("T.echo"), bad][..], "", "unicode"),
        (&[OsStr::new("--token"), bad, list], "", "unicode"),
        (&[list], "NANOQI_URL", "NANOQI_URL"),
        (&[list], "NANOQI_TOKEN", "NANOQI_TOKEN"),
        (&[OsStr::new("serve"), OsStr::new("--user"), OsStr::new("me")], "NANOQI_TOKEN", "NANOQI_TOKEN"),
    ] {
        let (code, said) = nanoqi(words, variable);
        assert!(
            code == Some(1) && said.contains(named) && !said.contains("panicked"),
            "{words:?} {variable}: {code:?} {said}"
        );
    }
}

#[test]
fn what_is_waited_for_may_come() {
    let server = serve("tcp://127.0.0.1:0").unwrap();
    let url = server.addresses()[0].clone();
    let commands: [&[&str]; 6] = [
        &["log", "send", "here", "a word"],
        &["log"],
        &["top", "GreeterOne"],
        &["top", "Greeter*", "--count", "1", "--interval", "0.01"],
        &["call", "Greeter*.name"],
        &["info", "GreeterOne"],
    ];
    for command in commands {
        let (code, _, error) = nanoqi(&url, &[command, &["--wait", "--timeout", "0.1"]].concat());
        assert_eq!(code, 5, "{command:?}: {error}");
    }
    for (command, printed) in [(commands[3], "calls/s"), (commands[4], "\"one\"")] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nanoqi"));
        child.args(["--qi-url", &url, "--wait", "--timeout", "30"]).args(command).stdout(Stdio::piped());
        let child = child.spawn().unwrap();
        let service = server.add_service("GreeterOne", &greeter("one")).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains(printed), "{command:?}: {text}");
        server.remove_service(service).unwrap();
    }
    server.close();
}

#[test]
fn a_signal_is_not_posted_with_what_it_does_not_take() {
    let (server, url, ..) = bus();
    let (code, _, error) = nanoqi(&url, &["post", "GreeterOne.said", "1", "2"]);
    assert!(code != 0 && error.contains("arguments of said"), "{code}: {error}");
    assert_eq!(nanoqi(&url, &["post", "GreeterOne.said", "a"]).0, 0);
    server.close();
}
