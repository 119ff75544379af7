//! The Node.js package of this source tree, packed and installed where nothing else is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use super::{Outcome, repo_root, require_tool, run};

/// The first build compiles the engine once more.
const BUILD: Duration = Duration::from_secs(1500);
const LIMIT: Duration = Duration::from_secs(300);

/// What tests need beside the package.
const BESIDE: [&str; 2] = ["typescript@5", "@types/node@20"];

pub fn binding() -> PathBuf {
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

/// A directory where the package is installed, as somebody would who has only the archive that `npm pack` made; with its tests
/// and examples, and the peer of the conformance list.
pub static INSTALLED: LazyLock<PathBuf> = LazyLock::new(|| {
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
    for program in ["peer.js", "bus.js"] {
        fs::copy(repo_root().join("bindings/conformance").join(program), dir.join(program)).expect("copy");
    }
    dir
});

/// The directory with the program of another version of Node.js, which npm has as a package.
pub fn version(version: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("node-{version}"));
    let bin = dir.join("node_modules/node/bin");
    if !bin.join("node").exists() {
        fs::create_dir_all(&dir).expect("directory for Node.js");
        fs::write(dir.join("package.json"), "{\"private\": true}").expect("package.json");
        npm(&["install", &format!("node@{version}")], &dir, LIMIT);
    }
    bin
}

/// A directory and all in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("directory");
    for entry in fs::read_dir(from).expect("directory to copy") {
        let path = entry.expect("entry").path();
        let copied = to.join(path.file_name().expect("name"));
        match path.is_dir() {
            true => copy(&path, &copied),
            false => drop(fs::copy(&path, copied).expect("copy")),
        }
    }
}
