//! Python on our library: multiprocessing with ctypes, and PyPI's binding.

mod support;

use std::time::Duration;
use support::patterns::{genuine_only, kinds, our_lib};
use support::peer::Kind;
use support::python::environment;
use support::{Lib, ScratchDir, command, free_port, repo_root, require_tool, run};

fn script(python: &str, name: &str, how: &str, lib: Lib) {
    let dir = ScratchDir::new();
    let mut python = command(python.as_ref(), lib);
    python.arg(repo_root().join("tests/python").join(name));
    python.arg(how).arg(dir.path("")).arg(free_port().to_string());
    // Scripts run from the source tree leave nothing there.
    python.env("PYTHONDONTWRITEBYTECODE", "1");
    let outcome = run(&mut python, Duration::from_secs(120));
    outcome.expect_success(&format!("{name} {how} on {lib:?}"));
    assert_eq!(outcome.stdout.trim(), "ok");
}

/// Children that share nothing with their parent, as proof of the script, on both libraries.
#[test]
fn spawned_processes() {
    require_tool("python3", "python3");
    for kind in kinds() {
        let Kind::Nanomsg(lib) = kind else { continue };
        script("python3", "processes.py", "spawn", lib);
    }
}

/// Forked children, which hang on the genuine library.
#[test]
fn forked_processes() {
    require_tool("python3", "python3");
    if !genuine_only() {
        script("python3", "processes.py", "fork", our_lib());
    }
}

#[test]
fn binding_from_pypi() {
    require_tool("python3", "python3");
    // Part of the binding is C, compiled here against Debian's headers (packages libnanomsg-dev, python3-dev).
    let python = environment("python", "nanomsg==1.0", "nanomsg");
    for kind in kinds() {
        let Kind::Nanomsg(lib) = kind else { continue };
        for wrapper in ["cpy", "ctypes"] {
            script(python.to_str().expect("UTF-8 path"), "binding.py", wrapper, lib);
        }
    }
}

/// The format of our metrics is what a parser of others takes.
#[test]
fn metrics_for_prometheus() {
    require_tool("python3", "python3");
    let python = environment("prometheus", "prometheus-client==0.26.0", "prometheus_client");
    if !genuine_only() {
        script(python.to_str().expect("UTF-8 path"), "prometheus.py", "-", our_lib());
    }
}
