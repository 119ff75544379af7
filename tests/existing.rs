//! Bindings of other people to the C library, unmodified, on our library; the genuine one is the control, which finds what a program of ours has wrong.
//!
//! PyPI's nanomsg has its own programs (`tests/python.rs`).

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::patterns::kinds;
use support::peer::Kind;
use support::python::environment;
use support::{ScratchDir, command, free_port, repo_root, require_genuine, require_tool, run};

const LIMIT: Duration = Duration::from_secs(120);

/// Runs a program with each library, in a directory and with a port that nobody else has.
fn works(program: &Path, script: Option<&str>, environment: &[(&str, &Path)]) {
    for kind in kinds() {
        let Kind::Nanomsg(lib) = kind else { continue };
        let dir = ScratchDir::new();
        let mut program = command(program, lib);
        program.args(script.map(|script| repo_root().join("tests/existing").join(script)));
        program.arg(dir.path("")).arg(free_port().to_string()).env("PYTHONDONTWRITEBYTECODE", "1");
        program.envs(environment.iter().copied());
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
    works(&python, Some("nnpy_user.py"), &[]);
    works(&python, Some("nanoservice_user.py"), &[]);
}

/// Debian's libnanomsg-raw-perl.
#[test]
fn perl() {
    let found = run(Command::new("perl").args(["-MNanoMsg::Raw", "-e", "1"]), LIMIT);
    found.expect_success("perl -MNanoMsg::Raw (Debian package libnanomsg-raw-perl; `make test` installs it)");
    works(Path::new("perl"), Some("raw.pl"), &[]);
}

/// npm's nanomsg. It has a library of its own inside; it is built with the system's, whose headers it looks for in the wrong place.
#[test]
fn node() {
    require_tool("npm", "npm");
    require_genuine();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("existing-node");
    fs::create_dir_all(&dir).expect("a directory");
    if !dir.join("node_modules/nanomsg/build/Release/node_nanomsg.node").exists() {
        let node = run(Command::new("node").args(["-p", "path.resolve(process.execPath, '../..')"]), LIMIT);
        node.expect_success("node");
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(&dir).arg("nanomsg@4.2.1");
        // The headers of this Node, which would be fetched otherwise.
        npm.env("npm_config_nodedir", node.stdout.trim()).env("npm_config_use_system_libnanomsg", "true");
        npm.env("CXXFLAGS", "-I/usr/include/nanomsg");
        run(&mut npm, LIMIT).expect_success("npm install nanomsg (with a C++ compiler)");
    }
    works(Path::new("node"), Some("nanomsg_user.js"), &[("NANOMSG_INSTALLED", &dir)]);
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
    works(&target.join("debug/nanomsg-user"), None, &[]);
}
