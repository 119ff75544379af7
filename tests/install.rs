//! `make install` and `make uninstall`: what is laid out, and that programs build against it, start and run.

mod support;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::installed::{Installed, files_below, make};
use support::{Lib, ScratchDir, c_compiler, c_program, repo_root, require_tool, run};

const LIMIT: Duration = Duration::from_secs(120);

/// Runs it with the loader's path as it is here, and not as cargo sets it.
fn succeed(command: &mut Command) -> String {
    if command.get_envs().all(|(name, _)| name != "LD_LIBRARY_PATH") {
        command.env_remove("LD_LIBRARY_PATH");
    }
    let outcome = run(command, LIMIT);
    outcome.expect_success(&format!("{command:?}"));
    outcome.stdout
}

/// A program that includes and calls what is installed.
const PROGRAM: &str = r#"
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <millrace/qi.h>
int main(void) {
    int s = nn_socket(AF_SP, NN_PAIR);
    return s < 0 || nn_bind(s, "inproc://installed") < 0 || nn_close(s) != 0;
}
"#;

fn write_program(dir: &ScratchDir) -> PathBuf {
    let source = dir.path("program.c");
    fs::write(&source, PROGRAM).expect("write a program");
    source
}

/// The whole list, so that nothing is forgotten and nothing comes along. Pages and headers are whatever there is.
#[test]
fn what_is_installed() {
    let installed = Installed::make(&["PREFIX=/opt/it"]);
    let found: BTreeSet<String> = files_below(&installed.path("/opt/it")).into_iter().collect();
    let mut expected: BTreeSet<String> = [
        "bin/inproc_lat",
        "bin/inproc_thr",
        "bin/local_lat",
        "bin/local_thr",
        "bin/nanobench",
        "bin/nanocat",
        "bin/nanoqi",
        "bin/remote_lat",
        "bin/remote_thr",
        "lib/cmake/nanomsg-1.2.1/nanomsg-config-version.cmake",
        "lib/cmake/nanomsg-1.2.1/nanomsg-config.cmake",
        "lib/libnanomsg.a",
        "lib/libnanomsg.so",
        "lib/libnanomsg.so.5",
        "lib/libnanomsg.so.5.1.0",
        "lib/libnanomsg.so.6",
        "lib/libnanomsg.so.6.0.1",
        "lib/pkgconfig/nanomsg.pc",
        "share/bash-completion/completions/nanocat",
        "share/bash-completion/completions/nanoqi",
        "share/fish/vendor_completions.d/nanocat.fish",
        "share/fish/vendor_completions.d/nanoqi.fish",
        "share/man/man1/inproc_lat.1",
        "share/man/man1/inproc_thr.1",
        "share/man/man1/local_thr.1",
        "share/man/man1/remote_lat.1",
        "share/man/man1/remote_thr.1",
        "share/zsh/site-functions/_nanocat",
        "share/zsh/site-functions/_nanoqi",
    ]
    .map(str::to_owned)
    .into();
    for include in ["include", "bindings/cpp/include"] {
        expected.extend(files_below(&repo_root().join(include)).into_iter().map(|header| format!("include/{header}")));
    }
    for page in files_below(&repo_root().join("docs"))
        .into_iter()
        .filter_map(|page| Some(page.strip_prefix("man/")?.to_owned()))
    {
        let section = page.rsplit('.').next().filter(|section| ["1", "3", "7"].contains(section));
        expected.extend(section.map(|section| format!("share/man/man{section}/{page}")));
    }
    assert_eq!(found, expected);
    for code in ["lib/libnanomsg.so.6.0.1", "lib/libnanomsg.so.5.1.0", "bin/nanoqi", "bin/local_lat"] {
        let sections = succeed(Command::new("readelf").arg("-SW").arg(installed.path("/opt/it").join(code)));
        assert!(!sections.contains(".symtab") && !sections.contains(".debug_info"), "{code} is not stripped");
    }
}

#[test]
fn nothing_is_left_by_uninstall() {
    let installed = Installed::make(&["PREFIX=/usr", "LIBDIR=/usr/lib/some-tuple"]);
    let strange = installed.path("/usr/include/nanomsg/somebody-elses.h");
    fs::write(&strange, "").expect("write a file");
    installed.run("uninstall");
    assert_eq!(files_below(installed.root()), ["usr/include/nanomsg/somebody-elses.h"]);
    assert!(
        !installed.path("/usr/include/millrace").exists()
            && !installed.path("/usr/lib/some-tuple/cmake/nanomsg-1.2.1").exists()
    );
}

/// `sudo make install` has no cargo in its path. A tree that has changed since is not installed as it was, and the way out is said.
#[test]
fn a_tree_that_changed_since_it_was_built_says_so() {
    let out = ScratchDir::new();
    let outcome = run(&mut make("install", out.as_ref()), LIMIT);
    assert!(outcome.code == Some(2) && outcome.stderr.contains("run make, then sudo make install"), "{outcome:?}");
}

/// Whoever types `make` for the first time, without Rust, is told how to get that.
#[test]
fn without_cargo_it_says_what_is_missing() {
    let out = ScratchDir::new();
    let outcome = run(&mut make("all", out.as_ref()), LIMIT);
    assert!(outcome.code == Some(2) && outcome.stderr.contains("rustup.rs"), "{outcome:?}");
    assert!(!outcome.stderr.contains("sudo make install"), "{outcome:?}");
}

/// ldconfig goes by the names within the files; a mere link for `.so.5` to a `.so.6` is left out of the loader's cache.
#[test]
fn the_loader_knows_both_names() {
    let installed = Installed::make(&[]);
    let lib = installed.path("/usr/local/lib");
    let (conf, cache) = (installed.path("/ld.conf"), installed.path("/ld.cache"));
    fs::write(&conf, format!("{}\n", lib.display())).expect("write a configuration");
    succeed(Command::new("/sbin/ldconfig").arg("-f").arg(&conf).arg("-C").arg(&cache));
    let listing = succeed(Command::new("/sbin/ldconfig").arg("-C").arg(&cache).arg("-p"));
    for name in ["libnanomsg.so.5", "libnanomsg.so.6"] {
        let line = format!("=> {}", lib.join(name).display());
        assert!(listing.contains(&line), "{name} is not in the cache:\n{listing}");
    }
}

/// Debian's library is not loaded beside ours, and what it exports comes from ours.
#[test]
fn programs_built_for_nanomsg_1_1_run() {
    let installed = Installed::make(&[]);
    let lib = installed.path("/usr/local/lib");
    for name in ["pair", "reqrep", "pubsub", "symbols"] {
        let program = c_program(&format!("ctests/{name}.c"), Lib::Genuine);
        run(Command::new(&program).env("LD_LIBRARY_PATH", &lib), LIMIT).expect_success(name);
        let loaded = succeed(Command::new("ldd").arg(&program).env("LD_LIBRARY_PATH", &lib));
        for library in ["libnanomsg.so.5", "libnanomsg.so.6"] {
            assert!(loaded.contains(&format!("{library} => {}", lib.join(library).display())), "{loaded}");
        }
    }
}

/// What looks for functions by hand finds them behind the old name, too.
#[test]
fn a_library_opened_by_its_old_name_has_the_functions() {
    let installed = Installed::make(&[]);
    let script = "import ctypes; ctypes.CDLL('libnanomsg.so.5').nn_errno; print('found')";
    let python =
        succeed(Command::new("python3").args(["-c", script]).env("LD_LIBRARY_PATH", installed.path("/usr/local/lib")));
    assert_eq!(python, "found\n");
}

fn pkg_config(installed: &Installed, libdir: &str, arguments: &[&str]) -> Vec<String> {
    require_tool("pkg-config", "pkg-config");
    let mut command = Command::new("pkg-config");
    command.args(arguments).arg("nanomsg").env("PKG_CONFIG_PATH", installed.path(libdir).join("pkgconfig"));
    // As cross compilers do it: the tree is not where it will be.
    let words = succeed(command.env("PKG_CONFIG_SYSROOT_DIR", installed.root()));
    words.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn pkg_config_finds_it_in_a_multiarch_directory() {
    let libdir = "/usr/lib/some-tuple";
    let installed = Installed::make(&["PREFIX=/usr", "LIBDIR=/usr/lib/some-tuple"]);
    assert_eq!(pkg_config(&installed, libdir, &["--modversion"]), ["1.2.1"]);
    assert_eq!(pkg_config(&installed, libdir, &["--variable=libdir"]).len(), 1);

    let dir = ScratchDir::new();
    let (source, program) = (write_program(&dir), dir.path("program"));
    let build = |flags: Vec<String>| {
        succeed(c_compiler().arg(&source).arg("-o").arg(&program).args(flags));
        succeed(Command::new(&program).env("LD_LIBRARY_PATH", installed.path(libdir)));
    };
    // Without the keep flag the tool leaves out what the system's directories would do for; not those of a sysroot.
    build(pkg_config(&installed, libdir, &["--cflags", "--libs"]));

    // Statically: all of the program, and the library only.
    let fully = pkg_config(&installed, libdir, &["--static", "--cflags", "--libs"]);
    build([vec!["-static".into()], fully.clone()].concat());
    let archive = installed.path(libdir).join("libnanomsg.a").display().to_string();
    build(fully.into_iter().map(|flag| if flag == "-lnanomsg" { archive.clone() } else { flag }).collect());
}

#[test]
fn the_cmake_package_can_be_moved() {
    require_tool("cmake", "cmake");
    let targets = [("/usr/lib/some-tuple", "nanomsg"), ("/usr/lib", "nanomsg::nanomsg"), ("/usr/lib", "millrace::cpp")];
    for (libdir, target) in targets {
        let installed = Installed::make(&["PREFIX=/usr", &format!("LIBDIR={libdir}")]);
        let dir = ScratchDir::new();
        write_program(&dir);
        fs::write(dir.path("program.cpp"), format!("#include <millrace/nanomsg.hpp>\n{PROGRAM}"))
            .expect("write a program");
        fs::write(dir.path("CMakeLists.txt"), cmake_lists(target)).expect("write CMakeLists.txt");
        let (source, build) = (dir.path("."), dir.path("build"));
        let mut configure = Command::new("cmake");
        configure.arg("-S").arg(&source).arg("-B").arg(&build);
        configure.arg(format!("-Dnanomsg_DIR={}", installed.path(libdir).join("cmake/nanomsg-1.2.1").display()));
        let said = succeed(&mut configure);
        let usr = installed.path("/usr");
        let places = [
            ("INSTALL_PREFIX", usr.clone()),
            ("BINDIR", usr.join("bin")),
            ("INCDIR", usr.join("include")),
            ("LIBDIR", installed.path(libdir)),
        ];
        for (variable, place) in places {
            let line = format!("nanomsg_{variable}={}\n", fs::canonicalize(place).expect("a directory").display());
            assert!(said.contains(&line), "no {line} in:\n{said}");
        }
        succeed(Command::new("cmake").arg("--build").arg(&build));
        succeed(&mut Command::new(build.join("program")));
        let loaded = succeed(Command::new("ldd").arg(build.join("program")));
        assert!(loaded.contains(&*installed.path(libdir).to_string_lossy()), "{loaded}");
    }
}

fn cmake_lists(target: &str) -> String {
    let show = |variable| format!("message(STATUS nanomsg_{variable}=${{nanomsg_{variable}}})\n");
    let shown: String = ["INSTALL_PREFIX", "BINDIR", "INCDIR", "LIBDIR"].map(show).concat();
    let source = if target == "millrace::cpp" { "program.cpp" } else { "program.c" };
    format!(
        "cmake_minimum_required(VERSION 3.10)\nproject(t C CXX)\n\
         find_package(nanomsg 1.1 REQUIRED CONFIG)\nfind_package(nanomsg REQUIRED CONFIG)\n{shown}\
         add_executable(program {source})\ntarget_link_libraries(program {target})\n"
    )
}

/// The C++ binding is headers in the same tree, and a target that brings the library and the standard with it.
#[test]
fn cmake_builds_cpp_programs() {
    require_tool("cmake", "cmake");
    let installed = Installed::make(&["PREFIX=/usr"]);
    let dir = ScratchDir::new();
    let program = "#include <millrace/nanomsg.hpp>\n#include <millrace/qi.hpp>\n\
                   int main() { return millrace::pair().is_open() && millrace::qi::value(1).as<int>() ? 0 : 1; }\n";
    fs::write(dir.path("program.cpp"), program).expect("write a program");
    let lists = "cmake_minimum_required(VERSION 3.10)\nproject(t CXX)\nset(CMAKE_CXX_STANDARD 11)\n\
                 find_package(nanomsg REQUIRED CONFIG)\n\
                 add_executable(program program.cpp)\ntarget_link_libraries(program millrace::cpp)\n";
    fs::write(dir.path("CMakeLists.txt"), lists).expect("write CMakeLists.txt");
    let build = dir.path("build");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(dir.path(".")).arg("-B").arg(&build);
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", installed.path("/usr").display()));
    succeed(&mut configure);
    succeed(Command::new("cmake").arg("--build").arg(&build));
    succeed(&mut Command::new(build.join("program")));
}

/// Half a package is not found, and says why, rather than failing when linking.
#[test]
fn a_cmake_package_without_its_library_is_not_found() {
    require_tool("cmake", "cmake");
    let installed = Installed::make(&[]);
    fs::remove_file(installed.path("/usr/local/lib/libnanomsg.so")).expect("remove the library");
    let dir = ScratchDir::new();
    fs::write(dir.path("CMakeLists.txt"), cmake_lists("nanomsg")).expect("write CMakeLists.txt");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(dir.path(".")).arg("-B").arg(dir.path("build"));
    let outcome = run(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", installed.path("/usr/local").display())), LIMIT);
    assert!(outcome.code != Some(0) && outcome.stderr.contains("does not exist"), "{outcome:?}");
}

/// `nanoqi` and the measuring programs start from where they are installed.
#[test]
fn the_programs_start() {
    let installed = Installed::make(&[]);
    let lib = installed.path("/usr/local/lib");
    for entry in fs::read_dir(installed.path("/usr/local/bin")).expect("bin").flatten() {
        let outcome = run(Command::new(entry.path()).arg("--help").env("LD_LIBRARY_PATH", &lib), LIMIT);
        let said = outcome.stdout.to_lowercase();
        assert!(said.contains("usage:"), "{}: {outcome:?}", entry.path().display());
    }
    let latency = succeed(
        Command::new(installed.path("/usr/local/bin/inproc_lat")).args(["1", "10"]).env("LD_LIBRARY_PATH", &lib),
    );
    assert!(latency.starts_with("message size: 1 [B]\nroundtrip count: 10\naverage latency: "), "{latency}");
}

/// A page for each program, and each page of a program that is there.
#[test]
fn every_program_has_its_page() {
    let installed = Installed::make(&[]);
    let names = |place: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(installed.path(place)).into_iter().flatten().flatten();
        entries.map(|entry| stem(&entry.path())).collect()
    };
    assert_eq!(names("/usr/local/share/man/man1"), names("/usr/local/bin"));
}

#[test]
fn the_programs_pages_are_well_formed() {
    require_tool("mandoc", "mandoc");
    for page in ["nanocat", "nanoqi", "nanobench", "local_lat"] {
        let file = repo_root().join("docs/man").join(format!("{page}.1"));
        let outcome = run(Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(file), LIMIT);
        assert!(outcome.code == Some(0), "{page}: {}", outcome.stdout);
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().and_then(OsStr::to_str).expect("a name").to_owned()
}
