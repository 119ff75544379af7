//! The C++ binding: its tests, examples and the programs of its README, compiled with all warnings as errors by g++ (with the
//! sanitizers) and by clang++ where it is, and run on our library.

mod support;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::{Lib, Outcome, command, our_lib_dir, repo_root, run};

const LIMIT: Duration = Duration::from_secs(60);
const WARNINGS: [&str; 5] = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"];
const SANITIZERS: [&str; 3] = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1"];

/// A compiler, and what it is asked to look for at run time.
struct Compiler {
    name: &'static str,
    standard: &'static str,
    extra: &'static [&'static str],
}

const GCC17: Compiler = Compiler { name: "g++", standard: "c++17", extra: &SANITIZERS };
const GCC20: Compiler = Compiler { name: "g++", standard: "c++20", extra: &SANITIZERS };
const CLANG20: Compiler = Compiler { name: "clang++", standard: "c++20", extra: &[] };
const WITHOUT_EXCEPTIONS: Compiler = Compiler { name: "g++", standard: "c++20", extra: &["-fno-exceptions"] };

fn binding() -> PathBuf {
    repo_root().join("bindings/cpp")
}

fn compile(source: &Path, compiler: &Compiler) -> PathBuf {
    let stem = source.file_stem().and_then(|stem| stem.to_str()).expect("a file name");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cpp");
    fs::create_dir_all(&dir).expect("a directory for programs");
    let extra = compiler.extra.concat();
    let program = dir.join(format!("{stem}.{}.{}{extra}.{}", compiler.name, compiler.standard, std::process::id()));
    let mut cxx = Command::new(compiler.name);
    cxx.arg(format!("-std={}", compiler.standard)).arg("-g").args(WARNINGS);
    cxx.args(compiler.extra).arg("-I").arg(binding().join("include")).arg("-I").arg(repo_root().join("include"));
    cxx.arg(source).arg("-o").arg(&program).arg("-L").arg(our_lib_dir()).args(["-lnanomsg", "-pthread"]);
    run(&mut cxx, Duration::from_secs(180)).expect_success(&format!("{} {}", compiler.name, source.display()));
    program
}

fn run_compiled(source: &Path, compiler: &Compiler) -> Outcome {
    let program = compile(source, compiler);
    let outcome = run(&mut command(&program, Lib::Ours), LIMIT);
    fs::remove_file(&program).expect("the program is ours");
    outcome.expect_success(&format!("{} by {} {}", source.display(), compiler.name, compiler.standard));
    outcome
}

fn test_program(name: &str, compilers: &[Compiler]) {
    for compiler in compilers {
        if compiler.name == "clang++" && Command::new("clang++").arg("--version").output().is_err() {
            println!("no clang++ here: not compiled with it");
            continue;
        }
        run_compiled(&binding().join("tests").join(name), compiler);
    }
}

#[test]
fn sockets() {
    test_program("sockets.cpp", &[GCC17, CLANG20]);
}

#[test]
fn object_bus() {
    test_program("qi.cpp", &[GCC17, CLANG20]);
}

#[test]
fn coroutines() {
    test_program("coroutines.cpp", &[GCC20, CLANG20]);
}

/// What does not throw is enough for a program that is compiled without exceptions.
#[test]
fn forms_with_an_error_code() {
    test_program("codes.cpp", &[GCC17, GCC20, CLANG20, WITHOUT_EXCEPTIONS]);
}

/// A plugin that shows nothing but what it must, and a program of the same kind, mean the same error by the same code.
#[test]
fn errors_cross_libraries_that_hide_what_they_have() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cpp");
    fs::create_dir_all(&dir).expect("a directory for programs");
    let source = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).expect("a source file");
        path
    };
    let visible = "__attribute__((visibility(\"default\")))";
    let plugin =
        format!("#include <millrace/nanomsg.hpp>\n{visible} void answer() {{ millrace::rep().send(\"x\"); }}\n");
    let program = "#include <millrace/nanomsg.hpp>\nvoid answer();\nint main() {\n    try { answer(); }\n    catch (const millrace::error& e) \
                   { return e.code() == millrace::errc::wrong_state ? 0 : 2; }\n    return 1;\n}\n";
    let library = dir.join("libplugin.so");
    let shared = ["-shared", "-fPIC"].map(AsRef::as_ref);
    compile_hidden(&source("plugin.cpp", &plugin), &library, &shared);
    let main = dir.join("uses_plugin");
    let rpath = format!("-Wl,-rpath,{}", dir.display());
    compile_hidden(&source("uses_plugin.cpp", program), &main, &[library.as_os_str(), rpath.as_ref()]);
    run(&mut command(&main, Lib::Ours), LIMIT).expect_success("an error of a plugin");
}

fn compile_hidden(source: &Path, output: &Path, more: &[&OsStr]) {
    let mut cxx = Command::new("g++");
    cxx.args(["-std=c++17", "-fvisibility=hidden"]).args(WARNINGS);
    cxx.arg("-I").arg(binding().join("include")).arg("-I").arg(repo_root().join("include"));
    cxx.arg(source).args(more).arg("-o").arg(output).arg("-L").arg(our_lib_dir()).arg("-lnanomsg");
    run(&mut cxx, LIMIT).expect_success(&format!("{}", source.display()));
}

/// C++17 compilers see no coroutines, and no error.
#[test]
fn coroutines_are_left_out_where_there_are_none() {
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_coroutines.cpp");
    let text = "#include <millrace/coroutine.hpp>\n#ifdef MILLRACE_HAS_COROUTINES\n#error\n#endif\nint main() {}\n";
    fs::write(&source, text).expect("a source file");
    run_compiled(&source, &GCC17);
}

#[test]
fn examples_print_what_they_should() {
    let examples = binding().join("examples");
    let printed = run_compiled(&examples.join("signals.cpp"), &GCC17).stdout;
    assert_eq!(
        printed,
        "reading 1: 50\nreading 2: 100\nreading 3: 150\nthere is nothing to calibrate: Protocol error\n"
    );
    let printed = run_compiled(&examples.join("pipeline.cpp"), &GCC17).stdout;
    let mut results: Vec<&str> = printed.lines().filter_map(|line| line.split_once(": ")).map(|(_, n)| n).collect();
    results.sort_by_key(|result| result.parse::<u32>().ok());
    assert_eq!(results, ["1", "4", "9", "16", "25", "36", "49", "64", "81"]);
    let printed = run_compiled(&examples.join("epoll.cpp"), &GCC20).stdout;
    assert_eq!(printed, "one!\ntwo!\nthree!\n");
    let all = fs::read_dir(&examples).expect("examples").count();
    assert_eq!(all, 3, "every example is run here");
}

#[test]
fn programs_of_the_readme_work_as_printed() {
    let readme = fs::read_to_string(binding().join("README.md")).expect("README.md");
    let programs: Vec<&str> = readme.split("```cpp\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let expected = ["hello\n", "hello to you\n", "Hello, world!\nworld in en\n"];
    assert_eq!(programs.len(), expected.len(), "every program is run here");
    for (index, (program, expected)) in programs.iter().zip(expected).enumerate() {
        let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("readme{index}.cpp"));
        fs::write(&source, program).expect("a source file");
        assert_eq!(run_compiled(&source, &GCC20).stdout, expected);
    }
}

/// The comparison with the C functions keeps compiling; what it measures is looked at by people.
#[test]
fn the_benchmark_compiles() {
    let program = compile(&binding().join("bench/overhead.cpp"), &GCC17);
    fs::remove_file(program).expect("the program is ours");
}

/// What would be gone when it is looked at is refused by the compiler, with words that say what to write instead.
#[test]
fn views_are_not_received() {
    let refused = [
        "value(1).as<std::string_view>()",
        "value(1).as<std::vector<std::string_view>>()",
        "value(1).as<std::map<std::string, std::string_view>>()",
        "value(1).as<std::optional<std::tuple<int, std::string_view>>>()",
        "value(1).as<const char*>()",
        "proxy(0).call<std::string_view>(\"name\")",
        "proxy(0).property<std::string_view>(\"name\")",
        "proxy(0).subscribe<std::string_view>(\"name\").next()",
        "builder().method(\"f\", [](std::vector<std::string_view>) {})",
        "builder().method(\"f\", [](const char*) {})",
        "builder().method(\"f\", [](responder<void>, std::string_view) {})",
    ];
    for (index, expression) in refused.iter().enumerate() {
        let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("refused{index}.cpp"));
        let text =
            format!("#include <millrace/qi.hpp>\nvoid f() {{ using namespace millrace::qi; (void)({expression}); }}\n");
        fs::write(&source, text).expect("a source file");
        let mut cxx = Command::new("g++");
        cxx.args(["-std=c++17", "-fsyntax-only"]).arg("-I").arg(binding().join("include"));
        cxx.arg("-I").arg(repo_root().join("include")).arg(&source);
        let outcome = run(&mut cxx, LIMIT);
        assert!(outcome.stderr.contains("say std::string here"), "{expression}: {}", outcome.stderr);
    }
}
