//! What `make install` lays out of the build that is being tested.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::{ScratchDir, build_dir, repo_root, run};

/// Cargo puts the libraries of a test's build beside the test, and programs one level above.
const LIBRARIES: [&str; 2] = ["libnanomsg.so", "libnanomsg.a"];
const PROGRAMS: [&str; 3] = ["nanobench", "nanocat", "nanoqi"];

/// A tree under a `DESTDIR` of its own, removed on drop. It is made without cargo, as by root after somebody's `make`.
pub struct Installed {
    root: ScratchDir,
    variables: Vec<String>,
}

impl Installed {
    /// Installs with these variables of make.
    pub fn make(variables: &[&str]) -> Installed {
        let variables = variables.iter().map(|&variable| variable.to_owned()).collect();
        let installed = Installed { root: ScratchDir::new(), variables };
        installed.run("install");
        installed
    }

    /// Where a file is now that will be at `path`.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path(path.trim_start_matches('/'))
    }

    pub fn root(&self) -> &Path {
        self.root.as_ref()
    }

    pub fn make_command(&self, target: &str) -> Command {
        let mut make = make(target, built());
        make.args(&self.variables).arg(format!("DESTDIR={}", self.root().display()));
        make
    }

    pub fn run(&self, target: &str) {
        run(&mut self.make_command(target), Duration::from_secs(300)).expect_success(target);
    }
}

/// A directory as `make` leaves it behind: the build under test and what the Makefile adds to it.
pub fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let built = build_dir("built");
        let deps = std::env::current_exe().expect("path of the test executable");
        let libraries = LIBRARIES.map(|name| deps.with_file_name(name));
        let programs = PROGRAMS.map(|name| deps.with_file_name("..").join(name));
        for file in libraries.iter().chain(&programs) {
            let name = built.join(file.file_name().expect("a file's name"));
            let file = fs::canonicalize(file).unwrap_or_else(|error| panic!("no {}: {error}", file.display()));
            let _ = fs::remove_file(&name);
            std::os::unix::fs::symlink(file, name).expect("link to what was built");
        }
        fs::write(built.join(".built"), "").expect("write the mark of a build");
        run(&mut make("all", &built), Duration::from_secs(300)).expect_success("make all");
        built
    })
}

/// `make TARGET` on a build in `out`, with nothing of what cargo sets for tests, and without cargo.
pub fn make(target: &str, out: &Path) -> Command {
    let mut make = Command::new("make");
    make.arg("-C").arg(repo_root()).arg(target).arg(format!("OUT={}", out.display()));
    make.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("CARGO", "no-such-cargo");
    make
}

/// All files and links, relative to `directory`, in order.
pub fn files_below(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_path_buf()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                left.push(path);
            } else {
                found.push(path.strip_prefix(directory).expect("below it").to_str().expect("a plain name").to_owned());
            }
        }
    }
    found.sort();
    found
}
