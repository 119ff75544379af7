//! One robot and one pilot, each in Rust, in C and in Python (on libqi's package and on ours): every pilot flies every robot, and prints
//! the same. `docs/qi.md` says how many lines each of them has, which is counted here.

mod support;

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::examples::rust_example;
use support::libqi::{self, Service};
use support::python_binding::PYTHON;
use support::{Lib, ScratchDir, c_program, command, repo_root, run};

const LIMIT: Duration = Duration::from_secs(60);

const PRINTED: &str = "walked to 2.5\na route of 4.5\nbattery 75\ncharged to 100\nsensor head 0.5\nsensor position 2.5\nit said hello\n\
    the left arm is at 0.5\nrefused: backwards\nrefused: no such arm\n";

/// A program in Python as it is, on our package, or with the import line of libqi's.
fn python(dir: &ScratchDir, name: &str, ours: bool) -> Command {
    let (path, import) = (format!("bindings/python/examples/{name}.py"), "from millrace import qi\n");
    let text = fs::read_to_string(repo_root().join(path)).expect("a program");
    assert!(text.contains(import), "{name}");
    let text = if ours { text } else { text.replace(import, "import qi\n") };
    let file = dir.path(&format!("{name}_{ours}.py"));
    fs::write(&file, text).expect("write a program");
    let mut command = Command::new(if ours { PYTHON.clone() } else { libqi::python() });
    command.arg(file).env("PYTHONDONTWRITEBYTECODE", "1").env("QI_LOG_LEVEL", "0");
    command
}

/// The program in each language.
fn all(dir: &ScratchDir, name: &str) -> [(&'static str, Command); 4] {
    let c = c_program(&format!("examples-c/{name}.c"), Lib::Ours);
    [
        ("Rust", Command::new(rust_example(name).expect("an example in Rust"))),
        ("C", command(&c, Lib::Ours)),
        ("Python", python(dir, name, true)),
        ("Python on libqi", python(dir, name, false)),
    ]
}

#[test]
fn every_pilot_flies_every_robot() {
    let dir = ScratchDir::new();
    for (robot_in, mut robot) in all(&dir, "qi_robot") {
        robot.arg("tcp://127.0.0.1:0").stderr(Stdio::null());
        for (pilot_in, mut pilot) in all(&dir, "qi_pilot") {
            // A robot each: it remembers where it has walked to.
            let service = Service::run(&mut robot);
            let outcome = run(pilot.arg(&service.url), LIMIT);
            outcome.expect_success(&format!("the pilot in {pilot_in} of the robot in {robot_in}"));
            assert_eq!(outcome.stdout, PRINTED, "the pilot in {pilot_in} of the robot in {robot_in}");
            let ended = service.finish();
            // libqi's package now and then aborts when it ends.
            assert!(robot_in == "Python on libqi" || ended.success(), "{robot_in}: {ended}");
        }
    }
}

/// Lines of code, without comments and empty ones.
fn lines(path: &str) -> usize {
    let text = fs::read_to_string(repo_root().join(path)).expect("a program");
    let (open, close) = if path.ends_with(".py") { ("\"\"\"", "\"\"\"") } else { ("/*", "*/") };
    let mut code = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(open) {
        code += before;
        rest = after.split_once(close).map_or("", |(_, after)| after);
    }
    code += rest;
    code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[test]
fn the_guide_says_how_long_they_are() {
    let guide = fs::read_to_string(repo_root().join("docs/qi.md")).expect("the guide");
    for (language, directory, ending) in
        [("Rust", "examples", "rs"), ("Python", "bindings/python/examples", "py"), ("C", "examples-c", "c")]
    {
        let [robot, pilot] = ["qi_robot", "qi_pilot"].map(|name| lines(&format!("{directory}/{name}.{ending}")));
        let row = format!("| {language} | {robot} | {pilot} |");
        assert!(guide.contains(&row), "docs/qi.md should have: {row}");
    }
}
