//! The Python package of this source tree, built and installed in a virtual environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use super::{repo_root, run};

/// The first build compiles the engine once more.
const BUILD: Duration = Duration::from_secs(1500);
const LIMIT: Duration = Duration::from_secs(300);

pub fn binding() -> PathBuf {
    repo_root().join("bindings/python")
}

/// Where it is compiled.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-target")
}

/// An interpreter that has the wheel of this source tree, and what the tests need.
pub static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let dir = tmp.join("python-binding");
    let python = dir.join("bin/python");
    if !python.exists() {
        let made = run(Command::new("python3").args(["-m", "venv"]).arg(&dir), LIMIT);
        made.expect_success("python3 -m venv (Debian package python3-venv)");
    }
    let pip = |arguments: &[&str], limit| {
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(arguments);
        pip.env("CARGO_TARGET_DIR", target());
        run(&mut pip, limit).expect_success(&format!("pip install {arguments:?}"));
    };
    pip(
        &[
            "maturin>=1.7,<2",
            "pytest>=8,<9",
            "mypy>=1.8,<2",
            "pyright>=1.1.400,<2",
            "uvloop>=0.19",
            "trio>=0.22",
            "anyio>=4",
        ],
        LIMIT,
    );
    pip(&["--force-reinstall", "--no-deps", binding().to_str().expect("UTF-8 path")], BUILD);
    python
});
