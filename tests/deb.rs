//! The Debian packages: what they say, that lintian has nothing against them, and that they are installed into a root beside
//! Debian's packages that need nanomsg, and used there.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use support::installed::{built, make};
use support::{Outcome, ScratchDir, c_compiler, free_port, require_tool, run};

const LIMIT: Duration = Duration::from_secs(300);
const PACKAGES: [&str; 3] = ["libmillrace", "libmillrace-dev", "millrace-utils"];

fn succeed(command: &mut Command) -> String {
    let outcome = run(command, LIMIT);
    outcome.expect_success(&format!("{command:?}"));
    outcome.stdout
}

/// Makes the packages, once; those of [`PACKAGES`], in order.
fn packages() -> &'static [PathBuf; 3] {
    static MADE: OnceLock<[PathBuf; 3]> = OnceLock::new();
    MADE.get_or_init(|| {
        require_tool("dpkg-shlibdeps", "dpkg-dev");
        let place = built().join("deb");
        let _ = fs::remove_dir_all(&place);
        succeed(&mut make("deb", built()));
        let files = fs::read_dir(place).expect("packages").flatten().map(|entry| entry.path()).collect::<Vec<_>>();
        assert_eq!(files.len(), PACKAGES.len(), "{files:?}");
        PACKAGES.map(|name| {
            let is = |file: &&PathBuf| {
                file.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&format!("{name}_")))
            };
            files.iter().find(is).unwrap_or_else(|| panic!("no {name}: {files:?}")).clone()
        })
    })
}

fn field(package: &Path, name: &str) -> String {
    succeed(Command::new("dpkg-deb").arg("-f").arg(package).arg(name)).trim_end().to_owned()
}

#[test]
fn they_stand_in_for_debian_s() {
    let [library, dev, utils] = packages();
    let provided = field(library, "Provides");
    // Debian's nanocat asks for exactly this version.
    assert!(
        provided.contains("libnanomsg5 (= 1.1.5+dfsg-1.1+b1)") && provided.contains("libnanomsg6 (= 1.2.1)"),
        "{provided}"
    );
    for (package, other) in
        [(library, "libnanomsg5"), (library, "libnanomsg6"), (dev, "libnanomsg-dev"), (utils, "nanomsg-utils")]
    {
        for relation in ["Conflicts", "Replaces", "Provides"] {
            assert!(field(package, relation).contains(other), "{relation} of {}", package.display());
        }
    }
    let needed = field(library, "Depends");
    assert!(needed.contains("libc6 (>=") && needed.contains("libgcc-s1"), "{needed}");
}

#[test]
fn lintian_has_nothing_against_them() {
    require_tool("lintian", "lintian");
    // Its search for misspelt words finds some in machine code.
    let mut lintian = Command::new("lintian");
    lintian.args([
        "--allow-root",
        "--display-info",
        "--fail-on=error,warning,info",
        "--suppress-tags=spelling-error-in-binary",
    ]);
    let outcome = run(lintian.args(packages()), LIMIT);
    assert!(outcome.code == Some(0), "{outcome:?}");
    // Each override has a reason above it.
    let place = support::repo_root().join("packaging/debian");
    for file in fs::read_dir(place).expect("packaging").flatten().map(|entry| entry.path()) {
        if file.extension().is_some_and(|extension| extension == "lintian-overrides") {
            assert!(fs::read_to_string(&file).expect("overrides").starts_with('#'), "{}", file.display());
        }
    }
}

/// Programs that are built with the package ask for nanomsg, not for us, unless they use the object bus.
#[test]
fn what_is_built_with_them_runs_on_nanomsg() {
    let control = |file: &str| succeed(Command::new("dpkg-deb").arg("-I").arg(&packages()[0]).arg(file));
    let symbols = control("symbols");
    assert!(symbols.contains("\nlibnanomsg.so.6 libnanomsg6 #MINVER#\n| libmillrace #MINVER#\n"), "{symbols}");
    assert!(
        symbols.contains("\n nn_socket@Base 1.2\n")
            && symbols.contains("\n nnqi_call@Base 0.1.0 1\n")
            && symbols.contains("\n nnx_monitor@Base 0.1.0 1\n"),
        "{symbols}"
    );
    assert_eq!(control("shlibs"), "libnanomsg 5 libnanomsg5 (>= 1.1.5)\nlibnanomsg 6 libnanomsg6 (>= 1.2)\n");
}

/// Debian 12's packages that need nanomsg, with what they ask of it.
const DEBIANS: &[(&str, &str, &str)] = &[
    ("libc6", "2.36-9", ""),
    ("libgcc-s1", "12.2.0-14", ""),
    ("libnanomsg5", "1.1.5+dfsg-1.1+b1", "libc6"),
    ("libnanomsg-dev", "1.1.5+dfsg-1.1+b1", "libnanomsg5 (= 1.1.5+dfsg-1.1+b1)"),
    ("nanomsg-utils", "1.1.5+dfsg-1.1+b1", "libnanomsg5 (= 1.1.5+dfsg-1.1+b1), libc6 (>= 2.34)"),
    ("libcriterion3", "2.4.1-2", "libnanomsg5 (>= 1.1.5)"),
    ("libcriterion-dev", "2.4.1-2", "libcriterion3 (= 2.4.1-2), libnanomsg-dev"),
    ("janus", "1.1.2-1", "libnanomsg5 (>= 1.1.5)"),
    ("libnanomsg-raw-perl", "0.10-3+b1", "libnanomsg5 (>= 1.1.5)"),
];

/// A root of its own with dpkg's list of what is installed: Debian's packages by name, ours with their files.
struct Root(ScratchDir);

impl Root {
    fn new() -> Root {
        let root = Root(ScratchDir::new());
        let architecture = succeed(Command::new("dpkg").arg("--print-architecture"));
        for directory in [
            "var/lib/dpkg/info",
            "var/lib/dpkg/updates",
            "var/lib/dpkg/triggers",
            "var/cache/apt/archives/partial",
            "lists/partial",
            "tmp",
        ] {
            fs::create_dir_all(root.path(directory)).expect("a directory of the root");
        }
        let mut status = String::new();
        for (name, version, needs) in DEBIANS {
            let needs = if needs.is_empty() { String::new() } else { format!("Depends: {needs}\n") };
            let multi = if name.starts_with("libc6") || name.starts_with("libgcc") { "Multi-Arch: same\n" } else { "" };
            status += &format!(
                "Package: {name}\nStatus: install ok installed\nPriority: optional\nSection: misc\nMaintainer: Debian <x@debian.org>\n\
                 Architecture: {architecture}{multi}Version: {version}\n{needs}Description: stands for Debian's\n\n"
            );
            let suffix = if multi.is_empty() { "" } else { &format!(":{}", architecture.trim_end()) };
            fs::write(root.path(&format!("var/lib/dpkg/info/{name}{suffix}.list")), "/.\n").expect("a list of files");
        }
        fs::write(root.path("var/lib/dpkg/status"), status).expect("what is installed");
        root
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// Runs a tool of packages as the owner of the root's files, which is whoever runs the tests.
    fn as_owner(tool: &str) -> Command {
        // SAFETY: it has no arguments and cannot fail.
        if unsafe { libc::geteuid() } == 0 {
            return Command::new(tool);
        }
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", tool]);
        command
    }

    fn dpkg(&self, arguments: &[&str], files: &[PathBuf]) -> Outcome {
        let mut dpkg = Root::as_owner("dpkg");
        dpkg.arg(format!("--root={}", self.path("").display())).arg("--log=/dev/null");
        // There are no scripts to be run in this root, and it has no shell and no ldconfig.
        run(dpkg.args(["--force-script-chrootless", "--force-bad-path"]).args(arguments).args(files), LIMIT)
    }

    /// apt on this root alone: it knows no archive and no other settings.
    fn apt(&self, arguments: &[&str], files: &[PathBuf]) -> Outcome {
        let mut apt = Root::as_owner("apt-get");
        for (option, value) in [
            ("Dir::State::status", self.path("var/lib/dpkg/status")),
            ("Dir::State::extended_states", self.path("extended_states")),
            ("Dir::State::lists", self.path("lists")),
            ("Dir::Cache", self.path("var/cache/apt")),
            ("Dir::Etc::sourcelist", "/dev/null".into()),
            ("Dir::Etc::sourceparts", "/dev/null".into()),
            ("Dir::Etc::preferencesparts", "/dev/null".into()),
        ] {
            apt.arg("-o").arg(format!("{option}={}", value.display()));
        }
        run(apt.args(["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User="]).args(arguments).args(files), LIMIT)
    }

    /// The packages that are installed.
    fn installed(&self) -> BTreeMap<String, String> {
        let mut query = Command::new("dpkg-query");
        query.arg(format!("--admindir={}", self.path("var/lib/dpkg").display()));
        let listing = succeed(query.args(["-W", "-f", "${Package} ${Status}\n"]));
        listing
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, status)| (name.to_owned(), status.to_owned()))
            .collect()
    }
}

/// apt takes away Debian's library and nothing else, of its own accord.
#[test]
fn apt_exchanges_the_library_alone() {
    let root = Root::new();
    let library = packages()[0].clone();
    let outcome = root.apt(&["-s", "install"], &[library]);
    outcome.expect_success("apt-get -s install");
    let removed: Vec<_> = outcome.stdout.lines().filter(|line| line.starts_with("Remv ")).collect();
    assert!(matches!(removed[..], [line] if line.starts_with("Remv libnanomsg5 ")), "{}", outcome.stdout);
    let installed: Vec<_> = outcome.stdout.lines().filter(|line| line.starts_with("Inst ")).collect();
    assert!(matches!(installed[..], [line] if line.starts_with("Inst libmillrace ")), "{}", outcome.stdout);
}

#[test]
fn installed_and_used() {
    let root = Root::new();
    root.dpkg(&["--auto-deconfigure", "--install"], packages()).expect_success("dpkg --install");
    let installed = root.installed();
    for ours in PACKAGES {
        assert_eq!(installed.get(ours).map(String::as_str), Some("install ok installed"), "{ours}: {installed:?}");
    }
    for theirs in ["libnanomsg5", "libnanomsg-dev", "nanomsg-utils"] {
        assert!(installed.get(theirs).is_none_or(|status| !status.ends_with(" installed")), "{theirs}: {installed:?}");
    }
    for kept in ["libcriterion3", "libcriterion-dev", "janus", "libnanomsg-raw-perl"] {
        assert_eq!(installed.get(kept).map(String::as_str), Some("install ok installed"), "{kept}");
    }
    root.apt(&["check"], &[]).expect_success("apt-get check");

    let lib = fs::read_dir(root.path("usr/lib"))
        .expect("usr/lib")
        .flatten()
        .map(|entry| entry.path())
        .next()
        .expect("the libraries' place");
    compiles_against(&root, &lib);
    talks(&root, &lib);
    genuine_nanocat_runs(&root, &lib);
}

/// A C program of the dev package's examples, compiled with what pkg-config says of this root.
fn compiles_against(root: &Root, lib: &Path) {
    let flags = succeed(
        Command::new("pkg-config")
            .args(["--cflags", "--libs", "nanomsg"])
            .env("PKG_CONFIG_LIBDIR", lib.join("pkgconfig"))
            .env("PKG_CONFIG_SYSROOT_DIR", root.path("").to_str().expect("a plain name").trim_end_matches('/')),
    );
    let program = root.path("tmp/reqrep");
    let source = root.path("usr/share/doc/libmillrace-dev/examples/reqrep.c");
    succeed(c_compiler().arg("-pthread").arg(&source).arg("-o").arg(&program).args(flags.split_whitespace()));
    let libraries = succeed(Command::new("ldd").arg(&program).env("LD_LIBRARY_PATH", lib));
    assert!(
        libraries.contains(&format!("libnanomsg.so.6 => {}", lib.join("libnanomsg.so.6").display())),
        "{libraries}"
    );
    succeed(Command::new(&program).env("LD_LIBRARY_PATH", lib));
}

/// Both ends of our nanocat, from the package.
fn talks(root: &Root, lib: &Path) {
    let nanocat = root.path("usr/bin/nanocat");
    answered(&nanocat, &nanocat, lib);
}

/// Debian's nanocat, as it is, on the library of the package.
fn genuine_nanocat_runs(root: &Root, lib: &Path) {
    let genuine = Path::new("/usr/bin/nanocat");
    let loaded = succeed(Command::new("ldd").arg(genuine).env("LD_LIBRARY_PATH", lib));
    assert!(loaded.contains(&format!("libnanomsg.so.5 => {}", lib.join("libnanomsg.so.5").display())), "{loaded}");
    answered(genuine, &root.path("usr/bin/nanocat"), lib);
    answered(&root.path("usr/bin/nanocat"), genuine, lib);
}

/// A request from one is answered by the other.
fn answered(asks: &Path, answers: &Path, lib: &Path) {
    let port = free_port().to_string();
    let mut rep = Command::new(answers);
    rep.args(["--rep", "-L", &port, "-D", "pong"])
        .env("LD_LIBRARY_PATH", lib)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut rep = rep.spawn().expect("start nanocat");
    let mut req = Command::new(asks);
    req.args(["--req", "-l", &port, "-D", "ping", "-A", "--recv-timeout", "30"]).env("LD_LIBRARY_PATH", lib);
    let outcome = run(&mut req, LIMIT);
    let _ = rep.kill();
    let _ = rep.wait();
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), "pong\n"), "{}", outcome.stderr);
}
