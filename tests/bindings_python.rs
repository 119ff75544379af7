//! The Python binding: its wheel is built and installed in a virtual environment of its own; then its tests, docstrings,
//! examples and the programs of its README run, and its types are checked.

mod support;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use python_binding::{PYTHON, binding};
use support::installed::files_below;
use support::libqi::{self, Service};
use support::{Outcome, ScratchDir, free_port, python_binding, repo_root, require_tool, run};

const LIMIT: Duration = Duration::from_secs(300);
/// The engine is compiled for it, and for the first time.
const BUILD: Duration = Duration::from_secs(900);

/// Runs Python on what is installed, in a directory where nothing else is.
fn python(arguments: &[&str]) -> Outcome {
    let scratch = ScratchDir::new();
    let mut command = Command::new(&*PYTHON);
    command.args(arguments).current_dir(scratch.path("")).env("PYTHONDONTWRITEBYTECODE", "1");
    let outcome = run(&mut command, LIMIT);
    outcome.expect_success(&format!("python {arguments:?}"));
    outcome
}

/// With the programs of the virtual environment.
fn path_with_python() -> String {
    let path = env::var("PATH").unwrap_or_default();
    format!("{}:{path}", PYTHON.parent().expect("a directory").display())
}

fn below(path: &str) -> String {
    binding().join(path).to_str().expect("UTF-8 path").to_owned()
}

#[test]
fn its_own_tests() {
    let outcome = python(&["-m", "pytest", "-q", "-p", "no:cacheprovider", &below("tests")]);
    println!("{}", outcome.stdout);
}

/// What PyPI would take as the source: pip builds and installs it where there is nothing else of the tree.
#[test]
fn the_source_archive_is_built_and_installed() {
    // Always the same directory, so that only what has changed is compiled the next time.
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-sdist");
    if dir.exists() {
        fs::remove_dir_all(&dir).expect("the last one goes");
    }
    let mut maturin = Command::new(&*PYTHON);
    maturin.args(["-m", "maturin", "sdist", "--manifest-path", &below("Cargo.toml"), "--out"]).arg(&dir);
    run(&mut maturin, LIMIT).expect_success("maturin sdist");
    let name = "millrace_nanomsg-0.1.0";
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(dir.join(format!("{name}.tar.gz"))).arg("-C").arg(&dir);
    run(&mut tar, LIMIT).expect_success("tar");

    let unpacked = dir.join(name);
    assert_eq!(python_files(&unpacked.join("python")), python_files(&binding().join("python")));
    let site = dir.join("site");
    let mut pip = Command::new(&*PYTHON);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-build-isolation",
        "--no-deps",
        "--target",
    ]);
    // With the crates that the wheel was built of; the library itself is built once more, since it is elsewhere.
    pip.arg(&site).arg(&unpacked).env("CARGO_TARGET_DIR", python_binding::target()).env("PATH", path_with_python());
    run(&mut pip, BUILD).expect_success("pip install of the unpacked archive");
    let program = "import millrace; assert millrace.__file__.startswith(__import__('sys').argv[1]), millrace.__file__\n\
        with millrace.Pair(bind='inproc://a') as a, millrace.Pair(connect='inproc://a') as b: b.send(b'x'); print(a.recv())";
    let mut user = Command::new(&*PYTHON);
    user.args(["-c", program]).arg(&site).current_dir(&dir).env("PYTHONPATH", &site);
    let outcome = run(&mut user, LIMIT);
    outcome.expect_success("a program with what was installed");
    assert_eq!(outcome.stdout, "b'x'\n");
}

/// With symbols and line tables it has 35 MB.
#[test]
fn what_pypi_takes_is_small() {
    let native = "import millrace._native, os; print(os.path.getsize(millrace._native.__file__))";
    let bytes: u64 = python(&["-c", native]).stdout.trim().parse().expect("a size");
    assert!(bytes < 12_000_000, "{bytes} bytes");
}

fn python_files(directory: &Path) -> Vec<String> {
    let files = files_below(directory).into_iter();
    files.filter(|file| !file.contains("__pycache__") && !file.ends_with(".so")).collect()
}

/// Writes the pages of the manual that are made of the docstrings.
fn write_reference(into: &Path) {
    python(&[&below("reference.py"), into.to_str().expect("UTF-8 path")]);
}

#[test]
fn the_reference_is_current() {
    let dir = ScratchDir::new();
    let written = dir.path("reference");
    fs::create_dir(&written).expect("a directory");
    write_reference(&written);
    let pages = files_below(&written);
    assert!(!pages.is_empty());
    for page in pages {
        let (now, committed) = (written.join(&page), repo_root().join("docs/reference").join(&page));
        assert!(
            fs::read_to_string(now).expect("a page") == fs::read_to_string(committed).unwrap_or_default(),
            "docs/reference/{page} is stale: run `cargo test --test bindings_python -- --ignored --exact regenerate`"
        );
    }
}

#[test]
#[ignore = "writes to docs"]
fn regenerate() {
    write_reference(&repo_root().join("docs/reference"));
}

#[test]
fn docstrings_are_true() {
    python(&[
        "-c",
        "import doctest, importlib, millrace\n\
                    names = 'sockets contexts monitor poller qi qi.futures qi.tasks qi.types qi.signals qi.sessions qi.logging qi.translator'.split()\n\
                    modules = [millrace] + [importlib.import_module('millrace.' + name) for name in names]\n\
                    results = [doctest.testmod(m) for m in modules]\n\
                    assert not any(r.failed for r in results) and all(r.attempted for r in results), results",
    ]);
}

#[test]
fn types_are_complete() {
    python(&["-m", "mypy", "--strict", "--cache-dir=/dev/null", "-p", "millrace"]);
    // What is right inside a package may be missing outside.
    python(&["-m", "mypy", "--strict", "--cache-dir=/dev/null", &below("tests/typed_program.py")]);
    // It runs on Node.js, and fetches itself from npm the first time.
    require_tool("node", "nodejs");
    let installed = python(&["-c", "import millrace, os; print(os.path.dirname(millrace.__file__))"]).stdout;
    let pyright = |arguments: &[&str]| {
        let scratch = ScratchDir::new();
        let mut pyright = Command::new(&*PYTHON);
        pyright.args(["-m", "pyright"]).args(arguments).current_dir(scratch.path(""));
        // It looks for packages in what is called `python`.
        pyright.env("PATH", path_with_python());
        pyright.env("PYRIGHT_PYTHON_CACHE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/pyright"));
        run(&mut pyright, LIMIT).expect_success(&format!("pyright {arguments:?}"));
    };
    pyright(&["--warnings", installed.trim()]);
    pyright(&[&below("tests/typed_program.py")]);
    // Every name that users see has a type that all checkers see alike.
    pyright(&["--verifytypes", "millrace", "--ignoreexternal"]);
}

#[test]
fn programs_of_the_readme_work_as_printed() {
    let readme = fs::read_to_string(binding().join("README.md")).expect("README.md");
    let programs: Vec<&str> = readme.split("```python\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let expected =
        ["b'what time is it?'\nb'time to go'\n", "[b'ONE', b'OTHER']\n", "b'HELLO'\n", "Hello world\n", "42\n3\n"];
    assert_eq!(programs.len(), expected.len(), "every program is run here");
    for (program, expected) in programs.iter().zip(expected) {
        assert_eq!(python(&["-c", program]).stdout, expected);
    }
}

/// The lines that scripts of robots consist of, on libqi's package and on ours, each as the script and as the robot.
#[test]
fn scripts_of_robots_run_with_another_import_line() {
    let script = below("tests/robot_script.py");
    let packages = [("qi", libqi::python()), ("millrace", PYTHON.clone())];
    let command = |(package, python): &(&str, PathBuf), what: &str| {
        let mut command = Command::new(python);
        command.args([script.as_str(), package, what]).env("PYTHONDONTWRITEBYTECODE", "1").env("QI_LOG_LEVEL", "0");
        command
    };
    for robot in &packages {
        for package in &packages {
            let robot_runs = Service::run(command(robot, "serve").stderr(Stdio::null()));
            let outcome = run(&mut command(package, &robot_runs.url), LIMIT);
            outcome.expect_success(&format!("a script on {} at a robot of {}", package.0, robot.0));
            assert!(outcome.stdout.contains("ok"), "{outcome:?}");
            let ended = robot_runs.finish();
            // libqi's package now and then aborts when it ends.
            assert!(robot.0 == "qi" || ended.success(), "{ended}");
        }
    }
}

#[test]
fn examples() {
    let printed = python(&[&below("examples/asyncio_server.py")]).stdout;
    assert_eq!(printed, "1000 answers, the last one: for client 999\n");
    let answered = python(&[&below("examples/qi_service.py")]).stdout;
    assert_eq!(answered, "level 5 was seen\n6 degrees\n");
    let [http, ws] = [free_port(), free_port()].map(|port| port.to_string());
    let browser = "import millrace, subprocess, sys, urllib.request\n\
        wall = subprocess.Popen([sys.executable] + sys.argv[1:], stdout=subprocess.PIPE, text=True)\n\
        try:\n\
        \x20   url = wall.stdout.readline().strip()\n\
        \x20   assert 'bus.sp.nanomsg.org' in urllib.request.urlopen(url).read().decode()\n\
        \x20   peers = [millrace.Bus(connect='ws://127.0.0.1:' + sys.argv[3], recv_timeout=20) for _ in range(2)]\n\
        \x20   for peer in peers:\n\
        \x20       while peer.statistics['current_connections'] == 0: pass\n\
        \x20   peers[0].send(b'hello')\n\
        \x20   print(peers[1].recv())\n\
        finally:\n\
        \x20   wall.kill()\n\
        \x20   wall.wait()\n";
    assert_eq!(python(&["-c", browser, &below("examples/wall.py"), &http, &ws]).stdout, "b'hello'\n");
}
