//! The examples in Rust, built.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{repo_root, run};

/// The program, built in the profile of this test; or why it cannot be.
pub fn rust_example(name: &str) -> Result<PathBuf, String> {
    let profile = Path::new(env!("CARGO_BIN_EXE_nanoqi")).parent().expect("a directory");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", name]).current_dir(repo_root());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    // What cargo tells this test of its package makes ring, and all that needs it, look as if it had to be built anew.
    for (variable, _) in env::vars_os() {
        let text = variable.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(variable);
        }
    }
    let outcome = run(&mut cargo, Duration::from_secs(600));
    match outcome.code {
        Some(0) => Ok(profile.join("examples").join(name)),
        _ => Err(format!("cannot be built: {}", outcome.stderr)),
    }
}
