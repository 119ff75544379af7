//! Python with a package from PyPI, in a virtual environment of its own among the generated files; made once.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::run;

/// The environment's interpreter. `name` is the environment's, `requirement` what is installed (several are
/// separated by spaces), `module` what proves it.
pub fn environment(name: &str, requirement: &str, module: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let python = dir.join("bin/python");
    let minutes = Duration::from_secs(300);
    let import = format!("import {module}");
    let imports = |python: &PathBuf| run(Command::new(python).args(["-c", &import]), minutes).code == Some(0);
    if !python.exists() || !imports(&python) {
        let made = run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir), minutes);
        made.expect_success("python3 -m venv (Debian package python3-venv)");
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(requirement.split(' '));
        run(&mut pip, minutes).expect_success(&format!("pip install {requirement}"));
    }
    python
}
