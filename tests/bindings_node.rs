//! The Node.js binding: it is packed and installed in a directory of its own; then its tests, examples and the programs of its
//! README run, and its types are checked.

mod support;

use std::fs;
use std::process::Command;
use std::time::Duration;

use node_binding::{INSTALLED, binding, copy};
use support::{Outcome, ScratchDir, node_binding, run};

const LIMIT: Duration = Duration::from_secs(300);

/// It finds the tests by their names. (What a directory means there is not the same in all versions.)
const OWN_TESTS: [&str; 2] = ["--test", "--expose-gc"];

fn node(arguments: &[&str]) -> Outcome {
    let outcome = run(Command::new("node").args(arguments).current_dir(&*INSTALLED), LIMIT);
    outcome.expect_success(&format!("node {arguments:?}"));
    outcome
}

#[test]
fn its_own_tests() {
    let outcome = node(&OWN_TESTS);
    println!("{}", outcome.stdout);
}

/// The oldest version that it is for, and the one after the system's.
#[test]
#[ignore = "npm brings 200 MB, and it takes minutes: make nodes"]
fn its_own_tests_with_other_versions() {
    for version in ["18", "22"] {
        let bin = node_binding::version(version);
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        let mut node = Command::new(bin.join("node"));
        // Its tests start others, which are to be the same.
        node.args(OWN_TESTS).env("PATH", path).current_dir(&*INSTALLED);
        run(&mut node, LIMIT).expect_success(&format!("the tests with Node.js {version}"));
    }
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
    let expected = [
        "what time is it?\ntime to go\n",
        "[ 'ONE', 'OTHER' ]\n",
        "one\ntwo\nthree\n",
        "Hello world\nworld was greeted\n",
    ];
    assert_eq!(programs.len(), expected.len(), "every program is run here");
    for (program, expected) in programs.iter().zip(expected) {
        let kind = if program.contains("import ") { "--input-type=module" } else { "--input-type=commonjs" };
        assert_eq!(node(&[kind, "-e", program]).stdout, expected);
    }
}

#[test]
fn examples() {
    assert_eq!(node(&["examples/pipeline.js"]).stdout, "the sum of the squares is 332833500\n");
    assert_eq!(node(&["examples/qi_service.js"]).stdout, "level 5 was seen\n6 degrees\n");
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

/// With symbols and line tables it has 35 MB.
#[test]
fn what_npm_takes_is_small() {
    let native = fs::metadata(INSTALLED.join("node_modules/millrace-nanomsg/millrace.node")).expect("the native part");
    assert!(native.len() < 12_000_000, "{} bytes", native.len());
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
