//! What a compiled program relies on: functions, the layout of structures, the values of constants. abidiff (Debian:
//! abigail-tools) compares genuine nanomsg 1.1.5 with us, and what we promised last (`tests/abi`) with what we have now.
//!
//! Genuine's library comes without types. So a small library is made of either's headers: a pointer to each function, and an
//! enumeration of the constants. Ours is linked with the library, which must have all of them.
#![cfg(target_arch = "x86_64")] // the dump is of this one

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::{Outcome, ScratchDir, c_compiler, our_lib_dir, repo_root, require_genuine, require_tool, run};

const NANOMSG: [&str; 11] =
    ["nn.h", "bus.h", "inproc.h", "ipc.h", "pair.h", "pipeline.h", "pubsub.h", "reqrep.h", "survey.h", "tcp.h", "ws.h"];
const MILLRACE: [&str; 4] = ["options.h", "qi_values.h", "qi_client.h", "qi_service.h"];

/// How a dump is made: nothing of it depends on where it is made.
const DUMP: [&str; 5] = ["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--type-id-style", "hash"];

fn dump() -> PathBuf {
    repo_root().join("tests/abi/millrace.abi")
}

/// Some headers of one library, as programs see them.
struct Headers<'h> {
    include: &'h Path,
    directory: &'h str,
    names: &'h [&'h str],
}

impl Headers<'_> {
    fn text(&self) -> String {
        let read = |name: &&str| fs::read_to_string(self.include.join(self.directory).join(name)).expect("a header");
        self.names.iter().map(read).collect()
    }

    /// A library that has a pointer to every function and an enumeration with every constant.
    fn described(&self, dir: &ScratchDir, more: &[String]) -> PathBuf {
        let text = self.text();
        let mut source = String::new();
        for name in self.names {
            source += &format!("#include <{}/{name}>\n", self.directory);
        }
        for function in functions(&text) {
            source += &format!("__typeof__({function}) *abi_{function} = {function};\n");
        }
        let constants: String = constants(&text).iter().map(|name| format!(", abi_{name} = {name}")).collect();
        source += &format!("enum abi_constants {{ abi_none = 0{constants} }} abi_constants;\n");
        let library = dir.path("described.so");
        fs::write(dir.path("described.c"), source).expect("write a program");
        let mut cc = c_compiler();
        // The name of the source is in the dump: it must not say where that was.
        cc.current_dir(dir.path("")).arg("described.c").arg("-o").arg(&library);
        cc.args(["-O0", "-shared", "-fPIC", "-I"]).arg(self.include).args(more);
        run(&mut cc, Duration::from_secs(60)).expect_success("the compiler");
        library
    }
}

/// Names that a header declares with its macro for exported functions.
fn functions(text: &str) -> Vec<&str> {
    let declarations = text.split("NN_EXPORT ").skip(1).filter_map(|rest| rest.split_once('(')?.0.into());
    let names = declarations.filter_map(|declaration: &str| {
        let name = declaration.trim_end().rsplit([' ', '*', '\n']).next()?;
        name.starts_with("nn").then_some(name)
    });
    names.collect()
}

/// Macros of nanomsg or ours that stand for an integer: made of digits, operators and the names of other such. Not those that
/// say which version this is. (abidiff can be told to overlook their change, and then overlooks that others are gone.)
fn constants(text: &str) -> Vec<&str> {
    let of_one = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_ ()*+|<-x".contains(&byte);
    let defined = text.lines().filter_map(|line| line.strip_prefix("#define ")?.split_once(' '));
    let integers = defined.filter(|(name, value)| {
        let value = value.split("/*").next().unwrap_or_default();
        let is_ours = name.starts_with("NN") && !name.starts_with("NN_VERSION_") && !name.contains('(');
        is_ours && !value.trim().is_empty() && value.bytes().all(of_one)
    });
    integers.map(|(name, _)| name).collect()
}

/// Our headers as they are, with a library behind every function.
fn ours(dir: &ScratchDir, directory: &str, names: &[&str]) -> PathBuf {
    let headers = Headers { include: &repo_root().join("include"), directory, names };
    let library = our_lib_dir().display().to_string();
    headers.described(dir, &["-Wl,-z,defs".into(), format!("-L{library}"), "-lnanomsg".into()])
}

/// What abidiff has to say. Functions and constants may come in addition; nothing may go or change.
fn differences(before: &Path, after: &Path) -> Outcome {
    require_tool("abidiff", "abigail-tools");
    let mut abidiff = Command::new("abidiff");
    run(abidiff.arg("--no-added-syms").args([before, after]), Duration::from_secs(60))
}

#[test]
fn programs_for_the_genuine_library_find_what_they_know() {
    require_genuine();
    let (theirs, mine) = (ScratchDir::new(), ScratchDir::new());
    let genuine = Headers { include: Path::new("/usr/include"), directory: "nanomsg", names: &NANOMSG };
    assert!(functions(&genuine.text()).len() == 23 && constants(&genuine.text()).len() > 70, "what is looked for");
    let before = genuine.described(&theirs, &[]);
    differences(&before, &ours(&mine, "nanomsg", &NANOMSG)).expect_success("nanomsg's interface");
}

#[test]
fn programs_for_our_last_headers_find_what_they_know() {
    let dir = ScratchDir::new();
    differences(&dump(), &ours(&dir, "millrace", &MILLRACE)).expect_success("the interface in include/millrace");
}

/// Not a test: writes down what is promised from now on.
#[test]
#[ignore = "writes to tests/abi"]
fn regenerate() {
    require_tool("abidw", "abigail-tools");
    let dir = ScratchDir::new();
    let library = ours(&dir, "millrace", &MILLRACE);
    run(Command::new("abidw").args(DUMP).arg("--out-file").arg(dump()).arg(library), Duration::from_secs(60))
        .expect_success("abidw");
}

/// Each kind of change that a program would notice is one that abidiff tells.
#[test]
fn changes_are_seen() {
    const BEFORE: &str = "
#define NN_EXPORT extern
#define NN_ONE 1
struct nn_pair { int first; int second; };
NN_EXPORT int nn_use(const struct nn_pair *pair, int flags);
NN_EXPORT void nn_end(void);
";
    let seen = |after: &str| {
        let (old, new) = (ScratchDir::new(), ScratchDir::new());
        let [before, after] = [(&old, BEFORE), (&new, after)].map(|(dir, text)| {
            fs::create_dir(dir.path("nanomsg")).expect("a directory");
            fs::write(dir.path("nanomsg/nn.h"), text).expect("a header");
            Headers { include: &dir.path(""), directory: "nanomsg", names: &["nn.h"] }.described(dir, &[])
        });
        differences(&before, &after).code != Some(0)
    };
    assert!(!seen(BEFORE));
    for (from, to) in [
        ("NN_ONE 1", "NN_ONE 2"),
        ("#define NN_ONE 1", ""),
        ("int first; int second;", "int second; int first;"),
        ("int second;", "int second; int third;"),
        ("int flags", "long flags"),
        ("NN_EXPORT void nn_end(void);", ""),
    ] {
        assert!(BEFORE.contains(from) && seen(&BEFORE.replace(from, to)), "{from} became {to}");
    }
    for addition in ["NN_EXPORT int nn_more(void);", "#define NN_TWO 2"] {
        assert!(!seen(&format!("{BEFORE}{addition}\n")), "{addition}");
    }
}
