//! The one conformance list of all bindings, `bindings/conformance.json`: C, C++, Python, Node.js and Rust each do what it says,
//! alone and with each of the others on the other side. The peer programs are in `bindings/conformance`.

mod support;

#[path = "support/conformance.rs"]
mod conformance;

#[path = "support/conformance_bus.rs"]
mod rust_bus;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use conformance::{LANGUAGES, List, Speaker};
use support::libqi::{self, Service};
use support::node_binding::INSTALLED;
use support::python_binding::PYTHON;
use support::{Lib, ScratchDir, c_program, command, repo_root, run, until};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn errors() {
    let list = List::read();
    for language in LANGUAGES {
        let mut peer = Speaker::start(language);
        for case in list.errors() {
            peer.ask(&format!("a open {}", case.socket));
            let (last, before) = case.steps.split_last().expect("steps");
            for step in before {
                peer.ask(&format!("a {step}"));
            }
            let heard = peer.hear(&format!("a {last}"));
            assert_eq!(heard, format!("error {}", case.errno), "{language}: {}", case.name);
            peer.hear("a close");
        }
    }
}

#[test]
fn options() {
    let list = List::read();
    for language in LANGUAGES {
        let mut peer = Speaker::start(language);
        for case in list.options() {
            let name = &case.name;
            peer.ask(&format!("a open {}", case.socket));
            assert_eq!(peer.ask(&format!("a get {name}")), case.first, "{language}: {name} at first");
            peer.ask(&format!("a set {name} {}", case.set));
            assert_eq!(peer.ask(&format!("a get {name}")), case.set, "{language}: {name}");
            if let Some(refused) = &case.refused {
                let heard = peer.hear(&format!("a set {name} {refused}"));
                assert_eq!(heard, format!("error {}", conformance::errno("EINVAL")), "{language}: {name} {refused}");
            }
            peer.ask("a close");
        }
    }
}

/// Every language with itself in one process over inproc, and with every language over the rest.
#[test]
fn patterns() {
    let list = List::read();
    let scratch = ScratchDir::new();
    let certificate = Certificate::new(&scratch);
    for bound in LANGUAGES {
        for connected in LANGUAGES {
            let [mut b, mut c] = [bound, connected].map(Speaker::start);
            for transport in list.transports() {
                let url = match transport.as_str() {
                    "inproc" if bound != connected => continue,
                    "inproc" => "inproc://conformance".to_owned(),
                    "ipc" => scratch.ipc_address(),
                    other => format!("{other}://127.0.0.1:0"),
                };
                for pattern in list.patterns() {
                    let what = format!("{} over {transport}, {bound} bound, {connected} connected", pattern.name);
                    println!("{what}");
                    // Names of inproc are known in one process.
                    let c = if transport == "inproc" { None } else { Some(&mut c) };
                    exchange(&mut b, c, &pattern, &url, &certificate, &list.sizes());
                }
            }
        }
    }
}

/// Of 127.0.0.1, and its own authority: the names of two files.
struct Certificate {
    cert: String,
    key: String,
}

impl Certificate {
    fn new(scratch: &ScratchDir) -> Certificate {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let file = |name: &str, contents: String| {
            let path = scratch.path(name);
            std::fs::write(&path, contents).expect("a file");
            path.to_str().expect("a path without oddities").to_owned()
        };
        Certificate { cert: file("cert.pem", made.cert.pem()), key: file("key.pem", made.key_pair.serialize_pem()) }
    }
}

fn exchange(
    b: &mut Speaker,
    mut c: Option<&mut Speaker>,
    pattern: &conformance::Pattern,
    url: &str,
    certificate: &Certificate,
    sizes: &[u64],
) {
    let mut tell = |side: char, line: &str| match (side, &mut c) {
        ('C', Some(c)) => c.ask(&format!("c {line}")),
        ('C', None) => b.ask(&format!("c {line}")),
        _ => b.ask(&format!("b {line}")),
    };
    tell('B', &format!("open {}", pattern.bind));
    tell('C', &format!("open {}", pattern.connect));
    if url.starts_with("tls+") || url.starts_with("wss:") {
        tell('B', &format!("set tls_cert_file {}", certificate.cert));
        tell('B', &format!("set tls_key_file {}", certificate.key));
        tell('C', &format!("set tls_ca_file {}", certificate.cert));
    }
    let address = tell('B', &format!("bind {url}"));
    if pattern.connect == "sub" {
        tell('C', "subscribe");
    }
    for (side, kind) in [('B', &pattern.bind), ('C', &pattern.connect)] {
        if kind == "surveyor" {
            tell(side, "set deadline 60000");
        }
    }
    tell('C', &format!("connect {address}"));
    let joined = until(Instant::now() + PATIENCE, || {
        ['B', 'C'].iter().all(|side| tell(*side, "connections") == "1").then_some(())
    });
    assert!(joined.is_some(), "no connection: {} over {url}", pattern.name);
    for (seed, size) in sizes.iter().enumerate() {
        for step in &pattern.steps {
            let (from, to) = step.split_once('>').expect("FROM>TO");
            tell(from.chars().next().expect("a side"), &format!("send {size} {seed}"));
            tell(to.chars().next().expect("a side"), &format!("recv {size} {seed}"));
        }
    }
    tell('C', "close");
    tell('B', "close");
}

/// Every language with every language: as many requests under way as there are contexts, answered in the opposite order.
#[test]
fn contexts() {
    let list = List::read();
    for bound in LANGUAGES {
        for connected in LANGUAGES {
            let [mut b, mut c] = [bound, connected].map(Speaker::start);
            for case in list.contexts() {
                println!("contexts of {}, {bound} bound, and {}, {connected} connected", case.bind, case.connect);
                b.ask(&format!("a open {}", case.bind));
                c.ask(&format!("a open {}", case.connect));
                let address = b.ask("a bind tcp://127.0.0.1:0");
                if case.bind == "surveyor" {
                    b.ask("a set deadline 60000");
                }
                c.ask(&format!("a connect {address}"));
                let joined = until(Instant::now() + PATIENCE, || (b.ask("a connections") == "1").then_some(()));
                assert!(joined.is_some(), "no connection: {}", case.bind);
                answer_backwards(&mut b, &mut c, &case);
            }
        }
    }
}

fn answer_backwards(b: &mut Speaker, c: &mut Speaker, case: &conformance::Contexts) {
    let (asking, answering) = if case.asks == 'B' { (b, c) } else { (c, b) };
    let names: Vec<char> = (b'b'..b'b' + case.count).map(char::from).collect();
    for (number, name) in names.iter().enumerate() {
        for side in [&mut *asking, &mut *answering] {
            side.ask(&format!("{name} context a"));
        }
        asking.ask(&format!("{name} send 100 {number}"));
        answering.ask(&format!("{name} recv 100 {number}"));
    }
    for (number, name) in names.iter().enumerate().rev() {
        answering.ask(&format!("{name} send 10 {number}"));
        asking.ask(&format!("{name} recv 10 {number}"));
    }
    for name in names.iter().chain(&['a']) {
        asking.ask(&format!("{name} close"));
        answering.ask(&format!("{name} close"));
    }
}

/// The object bus: C, C++, Python, Node.js, Rust and libqi's own package, each at each.
#[test]
fn services() {
    let programs = repo_root().join("bindings/conformance");
    let file = repo_root().join("bindings/conformance.json");
    let cpp = conformance::cpp_program("bus.cpp");
    let program = |language: &str| {
        let python = |python: &Path| {
            let mut command = Command::new(python);
            command.arg(programs.join("bus.py")).arg(language);
            command.env("PYTHONDONTWRITEBYTECODE", "1").env("QI_LOG_LEVEL", "0");
            command
        };
        match language {
            "node" => {
                let mut command = Command::new("node");
                command.arg("bus.js").current_dir(&*INSTALLED);
                command
            }
            "C" => command(&c_program("bindings/conformance/bus.c", Lib::Ours), Lib::Ours),
            "C++" => command(&cpp, Lib::Ours),
            "millrace" => python(&PYTHON),
            _ => python(&libqi::python()),
        }
    };
    let others = ["C", "C++", "node", "millrace", "qi"];
    let check = |server: &str, url: &str| {
        println!("Rust at {server}");
        rust_bus::check(url, List::read().bus());
        for client in others {
            let outcome = run(program(client).args(["check", url]).arg(&file), PATIENCE);
            // libqi's package now and then aborts when it ends, after it has said that all was right.
            assert!(outcome.stdout.contains("ok"), "{client} at {server}: {outcome:?}");
            assert!(client == "qi" || outcome.code == Some(0), "{client} at {server}: {outcome:?}");
        }
    };
    for server in others {
        let service = Service::run(program(server).arg("serve").stderr(Stdio::null()));
        check(server, &service.url);
        let ended = service.finish();
        assert!(server == "qi" || ended.success(), "{server}: {ended}");
    }
    check("Rust", &rust_bus::service().addresses()[0]);
}
