//! The Node.js binding: it is packed and installed in a directory of its own; then its tests, examples and the programs of its
//! README run, and its types are checked.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use support::{Outcome, ScratchDir, repo_root, require_tool, run};

/// The first build compiles the engine once more.
const BUILD: Duration = Duration::from_secs(1500);
const LIMIT: Duration = Duration::from_secs(300);

/// What tests need beside the package.
const BESIDE: [&str; 2] = ["typescript@5", "@types/node@20"];

fn binding() -> PathBuf {
    repo_root().join("bindings/node")
}

fn npm(arguments: &[&str], dir: &Path, limit: Duration) -> Outcome {
    let mut npm = Command::new("npm");
    npm.args(arguments).args(["--no-audit", "--no-fund", "--loglevel=error"]).current_dir(dir);
    npm.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("node-target"));
    let outcome = run(&mut npm, limit);
    outcome.expect_success(&format!("npm {arguments:?}"));
    outcome
}

/// A directory where the package of this source tree is installed, as somebody would who has only the archive that `npm pack` made.
static INSTALLED: LazyLock<PathBuf> = LazyLock::new(|| {
    require_tool("node", "nodejs");
    require_tool("npm", "npm");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node-binding");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("directory for the package");
    fs::write(dir.join("package.json"), "{\"private\": true}").expect("package.json");
    npm(&["pack", "--pack-destination", dir.to_str().expect("UTF-8 path")], &binding(), BUILD);
    let packed = dir.join("millrace-nanomsg-0.1.0.tgz");
    let mut arguments = vec!["install", packed.to_str().expect("UTF-8 path")];
    arguments.extend(BESIDE);
    npm(&arguments, &dir, LIMIT);
    for part in ["tests", "examples"] {
        copy(&binding().join(part), &dir.join(part));
    }
    dir
});

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("directory");
    for entry in fs::read_dir(from).expect("directory to copy") {
        let path = entry.expect("entry").path();
        fs::copy(&path, to.join(path.file_name().expect("name"))).expect("copy");
    }
}

fn node(arguments: &[&str]) -> Outcome {
    let outcome = run(Command::new("node").args(arguments).current_dir(&*INSTALLED), LIMIT);
    outcome.expect_success(&format!("node {arguments:?}"));
    outcome
}

#[test]
fn its_own_tests() {
    let outcome = node(&["--test", "--expose-gc", "tests/"]);
    println!("{}", outcome.stdout);
}

#[test]
fn types_are_complete() {
    let options = "--strict --noEmit --module nodenext --moduleResolution nodenext --target es2022 --types node";
    let mut arguments = vec!["node_modules/typescript/bin/tsc"];
    arguments.extend(options.split(' '));
    node(&[&arguments[..], &["tests/types.ts"]].concat());
    // The same as a module.
    fs::copy(INSTALLED.join("tests/types.ts"), INSTALLED.join("tests/types.mts")).expect("copy");
    node(&[&arguments[..], &["tests/types.mts"]].concat());
}

#[test]
fn programs_of_the_readme_work_as_printed() {
    let readme = fs::read_to_string(binding().join("README.md")).expect("README.md");
    let programs: Vec<&str> = readme.split("```js\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let expected = ["what time is it?\ntime to go\n", "one\ntwo\nthree\n"];
    assert_eq!(programs.len(), expected.len(), "every program is run here");
    for (program, expected) in programs.iter().zip(expected) {
        let kind = if program.contains("import ") { "--input-type=module" } else { "--input-type=commonjs" };
        assert_eq!(node(&[kind, "-e", program]).stdout, expected);
    }
}

#[test]
fn examples() {
    assert_eq!(node(&["examples/pipeline.js"]).stdout, "the sum of the squares is 332833500\n");
    let browser = "
        const { spawn } = require('node:child_process');
        const { once } = require('node:events');
        const { Bus } = require('millrace-nanomsg');
        (async () => {
          const wall = spawn(process.execPath, ['examples/page.js']);
          const [line] = await once(wall.stdout, 'data');
          const page = await (await fetch(String(line).trim())).text();
          const [, address] = /new WebSocket\\('(.*?)'/.exec(page);
          const peers = [0, 1].map(() => new Bus({ connect: address, receiveTimeout: 20000 }));
          for (const peer of peers) while (peer.statistics.currentConnections === 0) await new Promise(setImmediate);
          await peers[0].send('hello');
          console.log(String(await peers[1].receive()));
          wall.kill();
        })();";
    assert_eq!(node(&["-e", browser]).stdout, "hello\n");
}

#[test]
fn a_package_that_cannot_be_loaded_says_why() {
    let scratch = ScratchDir::new();
    copy(&binding().join("lib"), &scratch.path("lib"));
    let program = format!("require({:?})", scratch.path("lib/index.js"));
    let outcome = run(Command::new("node").args(["-e", &program]), LIMIT);
    assert!(outcome.stderr.contains("its native part cannot be loaded"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("npm rebuild millrace-nanomsg"), "{}", outcome.stderr);
}
