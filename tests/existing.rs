//! Bindings of other people to the C library, unmodified, on our library; the genuine one is the control, which finds what a program of ours has wrong.
//!
//! PyPI's nanomsg has its own programs (`tests/python.rs`). npm's nanomsg is not here: it has the library inside, and does not build with the system's.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::patterns::kinds;
use support::peer::Kind;
use support::python::environment;
use support::{ScratchDir, command, free_port, repo_root, require_genuine, require_tool, run};

const LIMIT: Duration = Duration::from_secs(120);

/// Runs a program with each library, in a directory and with a port that nobody else has.
fn works(program: &Path, script: Option<&str>) {
    for kind in kinds() {
        let Kind::Nanomsg(lib) = kind else { continue };
        let dir = ScratchDir::new();
        let mut program = command(program, lib);
        program.args(script.map(|script| repo_root().join("tests/existing").join(script)));
        program.arg(dir.path("")).arg(free_port().to_string()).env("PYTHONDONTWRITEBYTECODE", "1");
        let outcome = run(&mut program, LIMIT);
        outcome.expect_success(&format!("{program:?} on {lib:?}"));
        assert_eq!(outcome.stdout.trim(), "ok");
    }
}

#[test]
fn python_nnpy_and_nanoservice() {
    require_tool("python3", "python3");
    require_genuine();
    let python = environment("python-existing", "nnpy==1.4.2 nanoservice==0.7.2", "nnpy, nanoservice");
    works(&python, Some("nnpy_user.py"));
    works(&python, Some("nanoservice_user.py"));
}

/// Debian's libnanomsg-raw-perl.
#[test]
fn perl() {
    let found = run(Command::new("perl").args(["-MNanoMsg::Raw", "-e", "1"]), LIMIT);
    found.expect_success("perl -MNanoMsg::Raw (Debian package libnanomsg-raw-perl; `make test` installs it)");
    works(Path::new("perl"), Some("raw.pl"));
}

/// crates.io's nanomsg.
#[test]
fn rust() {
    require_genuine();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("existing-crate");
    let manifest = repo_root().join("tests/existing/crate/Cargo.toml");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--manifest-path"]).arg(manifest).env("CARGO_TARGET_DIR", &target);
    run(&mut cargo, LIMIT).expect_success("cargo build of the user of crates.io's nanomsg");
    works(&target.join("debug/nanomsg-user"), None);
}
