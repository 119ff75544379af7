//! The examples in Rust, built.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{cargo, run};

/// The program, built in the profile of this test; or why it cannot be.
pub fn rust_example(name: &str) -> Result<PathBuf, String> {
    let profile = Path::new(env!("CARGO_BIN_EXE_nanoqi")).parent().expect("a directory");
    let mut cargo = cargo();
    cargo.args(["build", "--quiet", "--example", name]);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let outcome = run(&mut cargo, Duration::from_secs(600));
    match outcome.code {
        Some(0) => Ok(profile.join("examples").join(name)),
        _ => Err(format!("cannot be built: {}", outcome.stderr)),
    }
}
