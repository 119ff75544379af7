//! What only our nanocat can do, and what goes with it: completions and the manual page.

mod support;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::Value;
use support::nanocat::{Background, LIMIT, OURS, Telling, outcome, tool};
use support::{ScratchDir, free_port, repo_root, require_tool, run};

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
fn events_for_people() {
    let port = free_port();
    let address = format!("tcp://127.0.0.1:{port}");
    let mut asks = Telling::start(&format!("--pull -l {port} --count 1 --events"));
    // The name of an error is the library's business.
    let refused = nanomsg::Error::from_errno(libc::ECONNREFUSED);
    asks.line(&[&format!("connect failed {address} at 127.0.0.1:{port}: {refused}; again in 100 ms")]);
    let _publisher = Background::start(OURS, &format!("--pub -L {port} -D x -i 0.05"));
    asks.line(&[&format!("refused {address} with 127.0.0.1:{port}: "), "NN_PUB", "does not fit"]);
    drop(_publisher);
    let _pusher = Background::start(OURS, &format!("--push -L {port} -D x"));
    asks.line(&[&format!("greeted {address} with 127.0.0.1:{port}")]);
    let rest = asks.rest();
    assert_eq!(rest.last(), Some(&format!("stopped {address}")), "{rest:?}");
}

#[test]
fn events_for_programs() {
    let port = free_port();
    let mut pull = Telling::start(&format!("--pull -L {port} --count 1 --events --json"));
    let listening: Value = serde_json::from_str(&pull.line(&["listening"])).expect("JSON");
    assert_eq!(listening["address"], format!("tcp://127.0.0.1:{port}"));
    assert!(listening["time"].as_u64() > Some(1_700_000_000_000), "{listening}");
    let _push = Background::start(OURS, &format!("--push -l {port} -D x"));
    let rest = pull.rest();
    let events: Vec<Value> = rest.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let kinds: Vec<_> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!((&kinds[..2], kinds.last()), (&["accepted", "greeted"][..], Some(&"stopped")), "{rest:?}");
    assert!(events[1]["pipe"].as_u64() > Some(0) && events[1]["pipe"] == events[0]["pipe"], "{rest:?}");
    assert!(events[1]["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{rest:?}");
}

/// An endpoint that cannot be made says so, events or not.
#[test]
fn events_do_not_hide_how_it_ends() {
    let outcome = outcome(OURS, "--pull --bind tcp://127.0.0.1 --events");
    assert_eq!((outcome.code, &*outcome.stderr), (Some(3), "Can't bind: Invalid argument\n"));
}

/// A certificate for 127.0.0.1 that has signed itself, and its key: their files.
fn identity(dir: &ScratchDir, name: &str) -> [String; 2] {
    let names = ["127.0.0.1".to_owned(), "example.org".to_owned()];
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.push(DnType::CommonName, name);
    let key_pair = KeyPair::generate().expect("a key");
    let cert = params.self_signed(&key_pair).expect("a certificate");
    let files = [("cert", cert.pem()), ("key", key_pair.serialize_pem())];
    files.map(|(what, text)| {
        let path = dir.path(&format!("{name}.{what}"));
        fs::write(&path, text).expect("write a file");
        path.to_str().expect("a plain name").to_owned()
    })
}

#[test]
fn messages_through_tls() {
    let dir = ScratchDir::new();
    let ([cert, key], [client_cert, client_key]) = (identity(&dir, "server"), identity(&dir, "client"));
    for scheme in ["tls+tcp", "wss"] {
        let address = format!("{scheme}://127.0.0.1:{}", free_port());
        let server = format!("--rep --bind {address} --tls-cert {cert} --tls-key {key} -D pong");
        let client = |more: &str| {
            let line = format!("--req --connect {address} -D ping -A --recv-timeout 20 {more}");
            Background::start(OURS, &line).finish()
        };
        let pong = (Some(0), "pong\n".to_owned());
        {
            let _rep = Background::start(OURS, &server);
            assert_eq!(client(&format!("--tls-ca {cert}")), pong, "{scheme}");
            assert_eq!(client(&format!("--tls-ca {cert} --tls-name example.org --tls-min 1.3")), pong, "{scheme}");
            assert_eq!(client("--tls-insecure"), pong, "{scheme}");
        }
        // Clients show certificates.
        let _rep = Background::start(OURS, &format!("{server} --tls-auth required --tls-ca {client_cert}"));
        let shown = format!("--tls-ca {cert} --tls-cert {client_cert} --tls-key {client_key}");
        assert_eq!(client(&shown), pong, "{scheme}");
    }
}

const UNKNOWN: &str = "nobody who is believed has signed";

/// Who is not believed gets nothing, and `--events` says why.
#[test]
fn tls_refuses_whom_it_should() {
    let dir = ScratchDir::new();
    let ([cert, key], [other, _]) = (identity(&dir, "server"), identity(&dir, "other"));
    let address = format!("tls+tcp://127.0.0.1:{}", free_port());
    let server = format!("--pull --bind {address} --tls-cert {cert} --tls-key {key} --events");
    {
        let _pull = Background::start(OURS, &server);
        for (line, why) in [
            (format!("--tls-ca {other}"), UNKNOWN),
            (String::new(), UNKNOWN),
            (format!("--tls-ca {cert} --tls-name example.com"), "for another name"),
        ] {
            Telling::start(&format!("--push --connect {address} -D x --events {line}")).line(&["refused", why]);
        }
    }
    let _pull = Background::start(OURS, &format!("{server} --tls-auth required --tls-ca {other}"));
    Telling::start(&format!("--pair --connect {address} --events --tls-ca {cert}")).line(&["refused"]);
}

#[test]
fn what_is_wrong_with_tls_is_said() {
    let dir = ScratchDir::new();
    let [cert, key] = identity(&dir, "server");
    let rubbish = dir.path("rubbish");
    fs::write(&rubbish, "no certificate").expect("write a file");
    let rubbish = rubbish.display();
    let no_file = nanomsg::Error::from_errno(libc::ENOENT);
    let invalid = nanomsg::Error::INVALID;
    for (line, code, said) in [
        ("--tls-cert /nonexistent", 3, format!("Can't use --tls-cert /nonexistent: {no_file}\n")),
        (&format!("--tls-ca {rubbish}"), 3, format!("Can't use --tls-ca {rubbish}: {invalid}\n")),
        ("--tls-auth some", 1, "nanocat: Invalid value ``some'' for --tls-auth . Options are:".to_owned()),
        ("--tls-min 1.1", 1, "nanocat: Invalid value ``1.1'' for --tls-min . Options are:".to_owned()),
        (
            &format!("--tls-cert {cert}"),
            3,
            format!("Can't bind: {invalid} (TLS: --tls-cert and --tls-key are needed)\n"),
        ),
        ("", 3, format!("Can't bind: {invalid} (TLS: --tls-cert and --tls-key are needed)\n")),
        (&format!("--tls-cert {cert} --tls-key {key} --bind tls+tcp://x"), 3, format!("Can't bind: {invalid}\n")),
    ] {
        let outcome = outcome(OURS, &format!("--pull --bind tls+tcp://127.0.0.1:PORT {line}"));
        assert!(outcome.code == Some(code) && outcome.stderr.starts_with(&said), "{line}: {outcome:?}");
    }
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

#[test]
fn fish_completes() {
    require_tool("fish", "fish");
    let script = repo_root().join("packaging/completions/nanocat.fish");
    let reply = |words: &str| {
        let text = format!("source {}; complete -C '{words}'", script.display());
        let outcome = run(Command::new("fish").args(["--no-config", "-c", &text]), LIMIT);
        outcome.expect_success("fish");
        let words = outcome.stdout.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned);
        words.collect::<Vec<_>>()
    };
    assert_eq!(reply("nanocat --su"), ["--sub", "--subscribe", "--surveyor"]);
    assert_eq!(reply("nanocat --pull --format a"), ["ascii"]);
    assert_eq!(reply("nn_req --tls-auth "), ["none", "optional", "required"]);
}

/// What zsh's `_arguments` is given: a specification for each option, taken apart by zsh.
#[test]
fn zsh_understands_the_completions() {
    require_tool("zsh", "zsh");
    let script = repo_root().join("packaging/completions/_nanocat");
    let text = format!("_arguments() {{ shift; print -rl -- \"$@\" }}; source {}", script.display());
    let outcome = run(Command::new("zsh").args(["-f", "-c", &text]), LIMIT);
    outcome.expect_success("zsh");
    let help = self::outcome(OURS, "--help").stdout;
    for name in
        help.lines().filter_map(|line| line.strip_prefix(" --")).filter_map(|rest| rest.split([',', ' ']).next())
    {
        let given = outcome.stdout.lines().filter(|line| {
            let rest = line.strip_prefix(&format!("*--{name}")).map(|rest| rest.trim_start_matches('='));
            rest.is_some_and(|rest| rest.starts_with('['))
        });
        assert_eq!(given.count(), 1, "{name}: {}", outcome.stdout);
    }
    assert!(outcome.stdout.contains(":FORMAT:(no raw ascii"), "{}", outcome.stdout);
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
