//! Shared by the cargo integration tests: finds the two libraries, compiles C programs, runs programs under a time limit.
#![allow(dead_code, reason = "every test crate uses its own subset")]

pub mod devices;
pub mod examples;
pub mod installed;
pub mod libqi;
pub mod nanocat;
pub mod node_binding;
pub mod patterns;
pub mod peer;
pub mod python;
pub mod python_binding;
pub mod shell;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// Which libnanomsg a C program is compiled for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lib {
    /// Ours, with our headers.
    Ours,
    /// The distribution's nanomsg 1.1.5, with its headers.
    Genuine,
}

const GENUINE_HEADER: &str = "/usr/include/nanomsg/nn.h";

pub fn repo_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Debian's nanomsg is installed with its headers.
pub fn genuine_available() -> bool {
    Path::new(GENUINE_HEADER).exists()
}

/// Panics with the way out when Debian's nanomsg is missing: a silent skip would look like a pass.
pub fn require_genuine() {
    assert!(
        genuine_available(),
        "{GENUINE_HEADER} is missing: install the Debian package libnanomsg-dev (`make test` does)"
    );
}

/// Panics unless `tool` can be executed.
pub fn require_tool(tool: &str, package: &str) {
    let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    assert!(found, "{tool} is missing: install the Debian package {package} (`make test` does)");
}

/// `deps` directory of the running test; cargo puts the shared library of the same build there.
fn deps_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("path of the test executable");
    exe.parent().expect("test executable in a directory").to_path_buf()
}

/// A directory of this build profile for generated files (the one cargo offers is common to all profiles).
pub fn build_dir(name: &str) -> PathBuf {
    let profile = deps_dir().parent().and_then(Path::file_name).unwrap_or(OsStr::new("profile")).to_owned();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(profile).join(name);
    fs::create_dir_all(&dir).expect("create directory for generated files");
    dir
}

fn unique() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Directory holding OUR libnanomsg.so with its links libnanomsg.so.5 and libnanomsg.so.6.
pub fn our_lib_dir() -> PathBuf {
    let library = deps_dir().join("libnanomsg.so");
    assert!(library.exists(), "{} was not built", library.display());
    let dir = build_dir("lib");
    for name in ["libnanomsg.so", "libnanomsg.so.5", "libnanomsg.so.6"] {
        let link = dir.join(name);
        if fs::read_link(&link).is_ok_and(|target| target == library) {
            continue;
        }
        // Renaming into place keeps tests that run at the same time from ever missing the link.
        let fresh = dir.join(format!("{name}.{}", unique()));
        std::os::unix::fs::symlink(&library, &fresh).expect("symlink to our library");
        fs::rename(&fresh, &link).expect("rename symlink");
    }
    dir
}

/// Compiles `source` (relative to the repository root, e.g. "ctests/pair.c") for `lib`; returns the executable.
/// An up-to-date executable is reused. Panics with the compiler's messages.
pub fn c_program(source: &str, lib: Lib) -> PathBuf {
    if lib == Lib::Genuine {
        require_genuine();
        return compile(source, "genuine", &["-lnanomsg".into()]);
    }
    let (include, dir) = (repo_root().join("include"), our_lib_dir());
    let flags = [
        format!("-I{}", include.display()),
        format!("-L{}", dir.display()),
        format!("-Wl,-rpath,{}", dir.display()),
        "-lnanomsg".into(),
    ];
    compile(source, "ours", &flags)
}

/// Compiles `source` with Debian's NNG.
pub fn nng_program(source: &str) -> PathBuf {
    const HEADER: &str = "/usr/include/nng/nng.h";
    assert!(Path::new(HEADER).exists(), "{HEADER} is missing: install the Debian package libnng-dev");
    compile(source, "nng", &["-lnng".into()])
}

/// The C compiler of the target that the tests were built for, with the flags that its programs need.
pub fn c_compiler() -> Command {
    static COMPILER: LazyLock<cc::Tool> = LazyLock::new(|| {
        let mut build = cc::Build::new();
        build.target(env!("TARGET")).host(env!("HOST")).cargo_metadata(false);
        build.std("gnu11").debug(true).opt_level(1).get_compiler()
    });
    COMPILER.to_command()
}

fn compile(source: &str, variant: &str, flags: &[String]) -> PathBuf {
    let source = repo_root().join(source);
    let stem = source.file_stem().expect("file name").to_str().expect("UTF-8 file name");
    // Programs of several directories may have one name.
    let room = source.parent().and_then(Path::file_name).and_then(OsStr::to_str).unwrap_or_default();
    let program = build_dir(&format!("{variant}/{room}")).join(stem);

    let mut inputs = vec![source.clone()];
    inputs.extend(headers(source.parent().expect("source directory")));
    for ours in ["include/nanomsg", "include/millrace"] {
        inputs.extend(headers(&repo_root().join(ours)));
    }
    let newest = inputs.iter().map(|path| modified(path)).max().flatten();
    if modified(&program) > newest {
        return program;
    }

    let fresh = program.with_file_name(format!("{stem}.{}", unique()));
    let mut cc = c_compiler();
    cc.args(["-Wall", "-Wextra", "-Werror", "-pthread"]);
    cc.arg(&source).arg("-o").arg(&fresh).args(flags);
    let outcome = run(&mut cc, Duration::from_secs(120));
    assert_eq!(outcome.code, Some(0), "cannot compile {}:\n{}", source.display(), outcome.stderr);
    fs::rename(&fresh, &program).expect("rename executable");
    program
}

fn headers(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension() == Some(OsStr::new("h"))).collect()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

/// A command running `program` on `lib`, whatever library path cargo set for the test itself.
/// `Lib::Ours` works for programs linked with Debian's library too: that is what drop-in means.
pub fn command(program: &Path, lib: Lib) -> Command {
    let mut command = Command::new(program);
    match lib {
        Lib::Ours => command.env("LD_LIBRARY_PATH", our_lib_dir()),
        Lib::Genuine => command.env_remove("LD_LIBRARY_PATH"),
    };
    command
}

#[derive(Debug)]
pub struct Outcome {
    /// Exit status; None if a signal ended the program.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub timed_out: bool,
}

impl Outcome {
    /// Panics with everything the program said unless it exited with 0 in time.
    pub fn expect_success(&self, what: &str) {
        assert!(
            self.code == Some(0) && !self.timed_out,
            "{what}: {}\n--- stdout\n{}--- stderr\n{}",
            if self.timed_out { "timed out".into() } else { format!("exit status {:?}", self.code) },
            self.stdout,
            self.stderr
        );
    }
}

/// Looks again and again until something is there, or the deadline has passed: for what other programs do.
pub fn until<T>(deadline: Instant, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    loop {
        let found = look();
        if found.is_some() || Instant::now() >= deadline {
            return found;
        }
        #[expect(clippy::disallowed_methods, reason = "nobody tells what another program does")]
        thread::sleep(Duration::from_millis(5));
    }
}

/// Runs `cmd` in a process group of its own with no input; kills the group once `limit` has passed.
/// Output goes through files: a pipe could be held open by a grandchild and block the reader.
pub fn run(cmd: &mut Command, limit: Duration) -> Outcome {
    let id = unique();
    let [out, err] = ["out", "err"].map(|stream| build_dir("output").join(format!("{id}.{stream}")));
    cmd.stdin(Stdio::null()).process_group(0);
    cmd.stdout(File::create(&out).expect("output file")).stderr(File::create(&err).expect("output file"));
    let mut child = cmd.spawn().unwrap_or_else(|error| panic!("cannot run {cmd:?}: {error}"));

    let deadline = Instant::now() + limit;
    let ended = until(deadline, || child.try_wait().expect("wait for child"));
    let status = ended.unwrap_or_else(|| {
        // SAFETY: the group is the child's own, and the child has not been waited for, so its id cannot be reused.
        unsafe { libc::kill(-(child.id() as i32), libc::SIGKILL) };
        child.wait().expect("wait for killed child")
    });
    let take = |path: &Path| {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let _ = fs::remove_file(path);
        text
    };
    Outcome { code: status.code(), stdout: take(&out), stderr: take(&err), timed_out: ended.is_none() }
}

/// Cargo, as somebody would start it who stands in the repository.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(repo_root());
    // What cargo tells this test of its package makes ring, and all that needs it, look as if it had to be built anew.
    for (variable, _) in std::env::vars_os() {
        let text = variable.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(variable);
        }
    }
    cargo
}

/// A loopback port nobody listens on at this moment. The kernel gives its own choices, which are above these, to outgoing
/// connections too: such a port could be taken again before the test binds to it.
pub fn free_port() -> u16 {
    const FIRST: usize = 10_000;
    const COUNT: usize = 20_000;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let start = std::process::id() as usize * 97;
    let candidates = std::iter::repeat_with(|| FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT);
    let mut free = candidates.take(COUNT).map(|port| port as u16);
    free.find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok()).expect("a free port")
}

/// A fresh directory with a short name (an ipc path has room for 107 bytes), removed on drop.
pub struct ScratchDir(PathBuf);

impl ScratchDir {
    pub fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("sp.{}", unique()));
        fs::create_dir_all(&dir).expect("create scratch directory");
        Self(dir)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A unique ipc address in this directory.
    pub fn ipc_address(&self) -> String {
        format!("ipc://{}", self.path(&unique()).display())
    }
}

impl AsRef<Path> for ScratchDir {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
