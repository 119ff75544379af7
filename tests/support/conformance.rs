//! Reads `bindings/conformance.json`, and starts the bindings' peer programs.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use nanomsg::internals::{Body, Context, EngineSocket, Message, Wait, process};
use nanomsg::{Error, OptionValue, Result};
use serde_json::Value;

use crate::support::node_binding::INSTALLED;
use crate::support::peer::Peer;
use crate::support::python_binding::PYTHON;
use crate::support::{Lib, c_program, command, our_lib_dir, repo_root, run};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    C,
    Cpp,
    Python,
    Node,
    Rust,
}

pub const LANGUAGES: [Language; 5] = [Language::C, Language::Cpp, Language::Python, Language::Node, Language::Rust];

impl fmt::Display for Language {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, out)
    }
}

pub struct List(Value);

pub struct Pattern {
    pub name: String,
    pub bind: String,
    pub connect: String,
    pub steps: Vec<String>,
}

/// Sockets with as many contexts each.
pub struct Contexts {
    pub bind: String,
    pub connect: String,
    /// The side that asks, 'B' or 'C'.
    pub asks: char,
    pub count: u8,
}

pub struct Failing {
    pub name: String,
    pub socket: String,
    pub steps: Vec<String>,
    pub errno: i32,
}

pub struct Setting {
    pub name: String,
    pub socket: String,
    pub first: String,
    pub set: String,
    pub refused: Option<String>,
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("{key} of {value}")).to_owned()
}

/// Of an option, as commands have it.
fn value(of: &Value) -> Option<String> {
    of.as_str().map(str::to_owned).or_else(|| of.as_i64().map(|number| number.to_string()))
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().expect("a list").iter().map(|item| item.as_str().expect("text").to_owned()).collect()
}

impl List {
    pub fn read() -> List {
        let file = fs::read_to_string(repo_root().join("bindings/conformance.json")).expect("the list");
        List(serde_json::from_str(&file).expect("JSON"))
    }

    fn rows(&self, key: &str) -> std::slice::Iter<'_, Value> {
        self.0[key].as_array().expect("a list").iter()
    }

    /// What the list says of the object bus.
    pub fn bus(&self) -> &Value {
        &self.0["bus"]
    }

    pub fn sizes(&self) -> Vec<u64> {
        self.rows("sizes").map(|size| size.as_u64().expect("a size")).collect()
    }

    pub fn transports(&self) -> Vec<String> {
        texts(&self.0["transports"])
    }

    pub fn patterns(&self) -> Vec<Pattern> {
        let row = |row| Pattern {
            name: text(row, "name"),
            bind: text(row, "bind"),
            connect: text(row, "connect"),
            steps: texts(&row["steps"]),
        };
        self.rows("patterns").map(row).collect()
    }

    pub fn contexts(&self) -> Vec<Contexts> {
        let row = |row| Contexts {
            bind: text(row, "bind"),
            connect: text(row, "connect"),
            asks: text(row, "asks").chars().next().expect("a side"),
            count: row["count"].as_u64().expect("a count") as u8,
        };
        self.rows("contexts").map(row).collect()
    }

    pub fn errors(&self) -> Vec<Failing> {
        let row = |row| Failing {
            name: text(row, "name"),
            socket: text(row, "socket"),
            steps: texts(&row["steps"]),
            errno: errno(&text(row, "error")),
        };
        self.rows("errors").map(row).collect()
    }

    pub fn options(&self) -> Vec<Setting> {
        let row = |row: &Value| Setting {
            name: text(row, "name"),
            socket: text(row, "socket"),
            first: value(&row["first"]).expect("a value"),
            set: value(&row["set"]).expect("a value"),
            refused: value(&row["refused"]),
        };
        self.rows("options").map(row).collect()
    }
}

pub fn errno(name: &str) -> i32 {
    let error = match name {
        "ENOTSUP" => Error::NOT_SUPPORTED,
        "EFSM" => Error::FSM,
        "ETIMEDOUT" => Error::TIMED_OUT,
        "EINVAL" => Error::INVALID,
        "EPROTONOSUPPORT" => Error::PROTO_NO_SUPPORT,
        "EADDRINUSE" => Error::ADDR_IN_USE,
        "ENOENT" => Error::from_errno(2),
        "EBADF" => Error::BAD_FD,
        _ => panic!("what is {name}?"),
    };
    error.errno()
}

/// One language, obeying commands.
pub enum Speaker {
    Program(Language, Box<Peer>),
    Here(Rust),
}

impl Speaker {
    pub fn start(language: Language) -> Speaker {
        let program = match language {
            Language::C => command(&c_program("bindings/conformance/peer.c", Lib::Ours), Lib::Ours),
            Language::Cpp => command(&CPP, Lib::Ours),
            Language::Python => {
                let mut python = Command::new(&*PYTHON);
                python.arg(repo_root().join("bindings/conformance/peer.py"));
                python
            }
            Language::Node => {
                let mut node = Command::new("node");
                node.arg(INSTALLED.join("peer.js"));
                node
            }
            Language::Rust => return Speaker::Here(Rust::default()),
        };
        Speaker::Program(language, Box::new(Peer::spawn(program, language.to_string())))
    }

    /// The answer, whatever it is.
    pub fn hear(&mut self, line: &str) -> String {
        match self {
            Speaker::Program(_, peer) => {
                peer.tell(line);
                match peer.hear() {
                    Ok(value) => format!("ok {value}").trim().to_owned(),
                    // NAME: ANSWER
                    Err(answer) => answer.split_once(": ").map_or(answer.clone(), |(_, answer)| answer.to_owned()),
                }
            }
            Speaker::Here(rust) => rust.answer(line),
        }
    }

    /// What stands behind `ok`.
    pub fn ask(&mut self, line: &str) -> String {
        let answer = self.hear(line);
        match answer.strip_prefix("ok") {
            Some(rest) => rest.trim().to_owned(),
            None => panic!("{}: \"{answer}\" on \"{line}\"", self.language()),
        }
    }

    fn language(&self) -> Language {
        match self {
            Speaker::Program(language, _) => *language,
            Speaker::Here(_) => Language::Rust,
        }
    }
}

static CPP: LazyLock<PathBuf> = LazyLock::new(|| cpp_program("peer.cpp"));

/// Compiles one of `bindings/conformance`.
pub fn cpp_program(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("conformance.{name}.{}", std::process::id()));
    let mut cxx = Command::new("g++");
    cxx.args(["-std=c++17", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Werror"]);
    for include in ["bindings/cpp/include", "include"] {
        cxx.arg("-I").arg(repo_root().join(include));
    }
    cxx.arg(repo_root().join("bindings/conformance").join(name)).arg("-o").arg(&program);
    cxx.arg("-L").arg(our_lib_dir()).args(["-lnanomsg", "-pthread"]);
    run(&mut cxx, Duration::from_secs(180)).expect_success(&format!("g++ {name}"));
    program
}

/// Rust's own peer, in this process.
#[derive(Default)]
pub struct Rust(HashMap<String, Context>);

const PROTOCOLS: [(&str, i32); 10] = [
    ("pair", 16),
    ("pub", 32),
    ("sub", 33),
    ("req", 48),
    ("rep", 49),
    ("push", 80),
    ("pull", 81),
    ("surveyor", 98),
    ("respondent", 99),
    ("bus", 112),
];

const OPTIONS: [(&str, i32, i32); 38] = [
    ("linger", 0, 1),
    ("send_buffer", 0, 2),
    ("recv_buffer", 0, 3),
    ("send_timeout", 0, 4),
    ("recv_timeout", 0, 5),
    ("reconnect_interval", 0, 6),
    ("reconnect_interval_max", 0, 7),
    ("send_priority", 0, 8),
    ("recv_priority", 0, 9),
    ("ipv4_only", 0, 14),
    ("recv_max_size", 0, 16),
    ("max_ttl", 0, 17),
    ("tcp_no_delay", -3, 1),
    ("ws_text", -4, 1),
    ("resend_interval", 48, 1),
    ("deadline", 98, 1),
    ("spin", 0, 19794),
    ("coalesce", 0, 19795),
    ("connect_timeout", 0, 19800),
    ("keepalive", 0, 19801),
    ("recv_peer", 0, 19832),
    ("accept_from", 0, 19824),
    ("accept_max", 0, 19825),
    ("dscp", 0, 19826),
    ("bind_device", 0, 19827),
    ("tcp_user_timeout", 0, 19828),
    ("ipc_mode", -2, 19829),
    ("ipc_owner", -2, 19830),
    ("ipc_group", -2, 19831),
    ("tls_server_name", -19794, 7),
    ("tls_auth", -19794, 8),
    ("tls_min_version", -19794, 9),
    ("tls_insecure_no_verification", -19794, 10),
    ("tls_ca", -19794, 5),
    ("tls_key", -19794, 3),
    ("tls_ca_file", -19794, 6),
    ("tls_cert_file", -19794, 2),
    ("tls_key_file", -19794, 4),
];

const TEXTS: [&str; 8] = [
    "accept_from",
    "bind_device",
    "tls_server_name",
    "tls_ca",
    "tls_key",
    "tls_ca_file",
    "tls_cert_file",
    "tls_key_file",
];

const LAST_ENDPOINT: i32 = 0x4d5a;
const CURRENT_CONNECTIONS: i32 = 201;

fn body(size: usize, seed: usize) -> Vec<u8> {
    (0..size).map(|index| ((seed + 7 * index) % 251) as u8).collect()
}

/// What is done with sockets, not with contexts.
fn whole(context: &Context) -> Result<&Arc<EngineSocket>> {
    context.as_socket().ok_or(Error::NOT_SUPPORTED)
}

impl Rust {
    fn answer(&mut self, line: &str) -> String {
        match self.run(&line.split(' ').collect::<Vec<_>>()) {
            Ok(answer) if answer.starts_with("wrong") => answer,
            Ok(answer) => format!("ok {answer}").trim().to_owned(),
            Err(error) => format!("error {}", error.errno()),
        }
    }

    fn run(&mut self, words: &[&str]) -> Result<String> {
        let word = |index: usize| words.get(index).copied().unwrap_or_default();
        let number = |index: usize| word(index).parse::<usize>().expect("a number");
        if word(1) == "open" {
            let (_, protocol) = PROTOCOLS.iter().find(|(name, _)| *name == word(2)).expect("a protocol");
            let socket = process::session()?.socket(false, *protocol, "rust")?;
            self.0.insert(word(0).to_owned(), Context::of(socket));
            return Ok(String::new());
        }
        if word(1) == "context" {
            let opened = Context::open(whole(&self.0[word(2)])?)?;
            self.0.insert(word(0).to_owned(), opened);
            return Ok(String::new());
        }
        let context = &self.0[word(0)];
        match word(1) {
            "bind" => {
                whole(context)?.bind(word(2).as_bytes())?;
                return match context.option(0, LAST_ENDPOINT)? {
                    OptionValue::Text(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
                    other => panic!("{other:?}"),
                };
            }
            "connect" => drop(whole(context)?.connect(word(2).as_bytes())?),
            "subscribe" => context.set_option(33, 1, b"")?,
            "send" => {
                let bytes = body(number(2), number(3));
                context.send(&mut Message::new(Body::Borrowed(&bytes)), Wait::Option)?;
            }
            "recv" => {
                let message = context.recv(Wait::Option)?;
                if message.body.bytes() != body(number(2), number(3)) {
                    return Ok(format!("wrong {} bytes", message.body.len()));
                }
            }
            "connections" => return Ok(whole(context)?.statistic(CURRENT_CONNECTIONS)?.to_string()),
            "close" => match context.as_socket() {
                Some(socket) => socket.close()?,
                None => context.close()?,
            },
            command => return self.option(command, context, word(2), word(3)),
        }
        Ok(String::new())
    }

    fn option(&self, command: &str, context: &Context, name: &str, value: &str) -> Result<String> {
        let (_, level, number) = OPTIONS.iter().find(|(option, ..)| *option == name).expect("an option");
        // NN_WS_MSG_TYPE: 1 is text, 2 binary.
        let changed = |value: i32| if name == "ws_text" { 2 - value } else { value };
        if command == "set" && TEXTS.contains(&name) {
            return context.set_option(*level, *number, value.as_bytes()).map(|()| String::new());
        }
        if command == "set" {
            let value = changed(value.parse().expect("a number"));
            return context.set_option(*level, *number, &value.to_ne_bytes()).map(|()| String::new());
        }
        match context.option(*level, *number)? {
            OptionValue::Int(value) => Ok(changed(value).to_string()),
            OptionValue::Text(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
            other => panic!("{other:?}"),
        }
    }
}
