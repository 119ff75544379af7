//! The C headers, nanomsg's eleven and ours: made from `src/capi` by cbindgen, committed, never stale, good C and good C++.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cbindgen::{Builder, Config, Style};
use support::{ScratchDir, repo_root, require_genuine, require_tool, run};

/// A header in `include`, and what cbindgen cannot know of it.
struct Header {
    /// `nanomsg`, or `millrace` for what nanomsg does not have.
    directory: &'static str,
    name: &'static str,
    /// Modules of `src/capi` that it is made of.
    sources: &'static [&'static str],
    system_includes: &'static [&'static str],
    includes: &'static [&'static str],
    /// Text of ours, put before what is generated: macros.
    text: Option<&'static str>,
    /// Code of ours, put behind it: what is no function of the library.
    tail: Option<&'static str>,
    /// Types that no function mentions.
    types: &'static [&'static str],
    style: Style,
    /// Of the sources those whose items stand in this header, if not all do: names of files in `qi`.
    parts: &'static [&'static str],
}

const PLAIN: Header = Header {
    directory: "nanomsg",
    name: "",
    sources: &[],
    system_includes: &[],
    includes: &[],
    text: None,
    tail: None,
    types: &[],
    style: Style::Tag,
    parts: &[],
};

/// The object bus, whose headers are parts of one: cbindgen must see all of it to know the types in each.
const BUS: Header = Header {
    directory: "millrace",
    sources: &[
        "qi/error.rs",
        "qi/handles.rs",
        "qi/build.rs",
        "qi/read.rs",
        "qi/codec.rs",
        "qi/format.rs",
        "qi/take.rs",
        "qi/options.rs",
        "qi/client.rs",
        "qi/calls.rs",
        "qi/subscribe.rs",
        "qi/endpoint.rs",
        "qi/objects.rs",
        "qi/requests.rs",
        "qi/arguments.rs",
        "qi/members.rs",
        "qi/server_options.rs",
        "qi/server.rs",
        "qi/provider.rs",
    ],
    ..PLAIN
};

const HEADERS: [Header; 21] = [
    Header {
        name: "nn",
        sources: &[
            "headers/nn.rs",
            "calls/information.rs",
            "calls/message.rs",
            "calls/socket.rs",
            "calls/options.rs",
            "calls/endpoint.rs",
            "calls/transfer.rs",
            "calls/poll.rs",
            "calls/device.rs",
        ],
        system_includes: &["errno.h", "stddef.h", "stdint.h"],
        text: Some("headers/nn.text.h"),
        ..PLAIN
    },
    Header { name: "inproc", sources: &["headers/inproc.rs"], ..PLAIN },
    Header { name: "ipc", sources: &["headers/ipc.rs"], ..PLAIN },
    Header { name: "tcp", sources: &["headers/tcp.rs"], ..PLAIN },
    Header { name: "ws", sources: &["headers/ws.rs"], includes: &["nn.h"], ..PLAIN },
    Header { name: "pair", sources: &["headers/pair.rs"], ..PLAIN },
    Header { name: "pubsub", sources: &["headers/pubsub.rs"], ..PLAIN },
    Header {
        name: "reqrep",
        sources: &["headers/reqrep.rs"],
        includes: &["nn.h"],
        types: &["nn_req_handle"],
        style: Style::Both,
        ..PLAIN
    },
    Header { name: "pipeline", sources: &["headers/pipeline.rs"], ..PLAIN },
    Header { name: "survey", sources: &["headers/survey.rs"], ..PLAIN },
    Header { name: "bus", sources: &["headers/bus.rs"], ..PLAIN },
    Header { directory: "millrace", name: "tls", sources: &["headers/tls.rs"], ..PLAIN },
    Header { directory: "millrace", name: "options", sources: &["headers/options.rs"], ..PLAIN },
    Header {
        directory: "millrace",
        name: "context",
        sources: &["calls/context.rs"],
        text: Some("headers/context.text.h"),
        ..PLAIN
    },
    Header {
        directory: "millrace",
        name: "log",
        sources: &["headers/log.rs", "calls/log.rs"],
        text: Some("headers/log.text.h"),
        ..PLAIN
    },
    Header {
        directory: "millrace",
        name: "monitor",
        sources: &["headers/monitor.rs", "calls/monitor.rs"],
        system_includes: &["stddef.h", "stdint.h"],
        text: Some("headers/monitor.text.h"),
        ..PLAIN
    },
    Header { directory: "millrace", name: "qi", includes: &["qi_service.h"], text: Some("headers/qi.text.h"), ..PLAIN },
    Header {
        directory: "millrace",
        name: "peer",
        sources: &["headers/peer.rs"],
        types: &["nnx_process"],
        system_includes: &["stdint.h"],
        ..PLAIN
    },
    Header {
        name: "qi_values",
        parts: &["error", "handles", "build", "read", "codec", "format", "take"],
        system_includes: &["errno.h", "stdarg.h", "stddef.h", "stdint.h"],
        text: Some("headers/qi_values.text.h"),
        tail: Some("headers/qi_values.tail.h"),
        ..BUS
    },
    Header {
        name: "qi_client",
        parts: &["options", "client", "calls", "subscribe", "endpoint"],
        includes: &["qi_values.h"],
        tail: Some("headers/qi_client.tail.h"),
        ..BUS
    },
    Header {
        name: "qi_service",
        parts: &["objects", "requests", "arguments", "members", "server_options", "server", "provider"],
        includes: &["qi_client.h"],
        text: Some("headers/qi_service.text.h"),
        ..BUS
    },
];

impl Header {
    fn path(&self) -> PathBuf {
        include_dir().join(self.directory).join(format!("{}.h", self.name))
    }

    fn include(&self) -> String {
        format!("#include <{}/{}.h>\n", self.directory, self.name)
    }

    fn generate(&self) -> String {
        let capi = repo_root().join("src/capi");
        let text = |file| fs::read_to_string(capi.join(file)).expect("read the text of a header");
        let mut config = Config::from_file(repo_root().join("cbindgen.toml")).expect("read cbindgen.toml");
        config.include_guard = Some(self.guard());
        config.sys_includes = self.system_includes.iter().map(ToString::to_string).collect();
        config.includes = self.includes.iter().map(ToString::to_string).collect();
        config.after_includes = self.text.map(text);
        config.export.include = self.types.iter().map(ToString::to_string).collect();
        config.style = self.style;
        let builder = self.sources.iter().fold(Builder::new(), |builder, file| builder.with_src(capi.join(file)));
        let mut header = Vec::new();
        builder.with_config(config).generate().expect("generate a header").write(&mut header);
        // Those of cbindgen's own are comments that C89 does not know.
        let mut header = String::from_utf8(header).expect("a header is text");
        if !self.parts.is_empty() {
            header = self.part_of(&header);
        }
        header = told_of_shadows(header);
        if let Some(file) = self.tail {
            let end = header.rfind("#endif").expect("the end of the guard");
            header.insert_str(end, &format!("{}\n", text(file)));
        }
        header.replace("// __cplusplus", "/* __cplusplus */").replace("// extern \"C\"", "/* extern \"C\" */")
    }

    /// What stands in this header, of one with everything.
    fn part_of(&self, whole: &str) -> String {
        let source =
            |part: &&str| fs::read_to_string(repo_root().join(format!("src/capi/qi/{part}.rs"))).expect("a source");
        let own: BTreeSet<String> = self.parts.iter().flat_map(|part| defined(&source(part))).collect();
        let mut part = String::new();
        let mut lines = whole.lines().peekable();
        while let Some(line) = lines.next() {
            let mut item = format!("{line}\n");
            if line != "/**" {
                part += &item;
                continue;
            }
            while let Some(next) =
                lines.next_if(|next| *next != "/**" && !next.starts_with("#ifdef") && !next.starts_with("#endif"))
            {
                item += &format!("{next}\n");
            }
            let name = item.split(" */\n").nth(1).and_then(declared);
            if own.contains(&name.unwrap_or_else(|| panic!("what does this declare? {item}"))) {
                part += &item;
            }
        }
        part
    }

    /// Programs test those of nanomsg, so they are part of its interface.
    fn guard(&self) -> String {
        let name = self.name.to_uppercase();
        match self.directory {
            "nanomsg" => format!("{name}_H_INCLUDED"),
            directory => format!("{}_{name}_H", directory.to_uppercase()),
        }
    }
}

/// What a source defines for C.
fn defined(source: &str) -> Vec<String> {
    let name = |line: &str| {
        let rest = line.strip_prefix("pub ")?;
        let rest = ["type ", "const ", "struct ", "extern \"C\" fn ", "unsafe extern \"C\" fn "]
            .into_iter()
            .find_map(|start| rest.strip_prefix(start))?;
        Some(rest.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next()?.to_owned())
    };
    source.lines().filter_map(name).collect()
}

/// The name that a declaration is for.
fn declared(code: &str) -> Option<String> {
    let word = |text: &str| {
        let word = text.trim_matches(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        Some(word.to_owned()).filter(|word| !word.is_empty())
    };
    let first = code.lines().next()?;
    match first.split(' ').next()? {
        "#define" | "struct" => word(first.split(' ').nth(1)?),
        "typedef" if first.contains("(*") => word(first.split("(*").nth(1)?.split(')').next()?),
        "typedef" => word(first.rsplit(' ').next()?),
        _ => word(first.split('(').next()?.rsplit([' ', '*']).next()?),
    }
}

fn include_dir() -> PathBuf {
    repo_root().join("include")
}

/// `make headers`
#[test]
#[ignore = "writes to include"]
fn regenerate() {
    for header in &HEADERS {
        fs::create_dir_all(include_dir().join(header.directory)).expect("create the directory");
        fs::write(header.path(), header.generate()).expect("write a header");
    }
}

#[test]
fn the_committed_headers_are_up_to_date() {
    for header in &HEADERS {
        let committed = fs::read_to_string(header.path()).unwrap_or_default();
        assert!(committed == header.generate(), "{} is stale: run `make headers`", header.path().display());
    }
}

/// The parts of the bus have all of it, each thing once.
#[test]
fn parts_have_everything_once() {
    let mut parts: Vec<&str> = HEADERS.iter().flat_map(|header| header.parts).copied().collect();
    let mut sources: Vec<String> = parts.iter().map(|part| format!("qi/{part}.rs")).collect();
    sources.sort();
    let mut all: Vec<&str> = BUS.sources.to_vec();
    all.sort_unstable();
    assert_eq!(sources, all);
    parts.sort_unstable();
    parts.dedup();
    assert_eq!(parts.len(), all.len());
    let text: String = HEADERS.iter().filter(|header| !header.parts.is_empty()).map(Header::generate).collect();
    let whole = BUS.generate();
    let functions = |text: &str| text.lines().filter(|line| line.starts_with("NN_EXPORT")).count();
    let types =
        |text: &str| text.lines().filter(|line| line.starts_with("typedef") || line.starts_with("struct")).count();
    assert!(functions(&whole) > 100 && types(&whole) > 20);
    assert_eq!((functions(&text), types(&text)), (functions(&whole), types(&whole)));
}

#[test]
fn nothing_else_is_in_the_directory() {
    let mut expected: Vec<PathBuf> = HEADERS.iter().map(Header::path).collect();
    let directories = ["nanomsg", "millrace"].map(|directory| include_dir().join(directory));
    let entries = directories.iter().flat_map(|directory| fs::read_dir(directory).expect("a directory of headers"));
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

/// In C++ a function hides the constructor of a struct that has its name, and g++ would warn every program of that.
fn told_of_shadows(mut header: String) -> String {
    let structs: Vec<_> = header.split("\nstruct ").skip(1).filter_map(|rest| rest.split_once(" {")).collect();
    let names: Vec<_> = structs.into_iter().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        let Some(function) = header.find(&format!(" {name}(")) else { continue };
        let end = function + header[function..].find(";\n").expect("the end of a function") + 2;
        let comment = header[..function].rfind("\n/**").expect("what it does") + 1;
        let of_gcc = "#if defined(__cplusplus) && defined(__GNUC__)\n#pragma GCC diagnostic";
        header.insert_str(end, &format!("\n{of_gcc} pop\n#endif\n"));
        header.insert_str(comment, &format!("{of_gcc} push\n#pragma GCC diagnostic ignored \"-Wshadow\"\n#endif\n\n"));
    }
    header
}

/// What programs are compiled with: every warning that is about headers at all, and none of them forgiven.
const WARNINGS: [&str; 13] = [
    "-Werror",
    "-pedantic-errors",
    "-Wall",
    "-Wextra",
    "-Wundef",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wcast-qual",
    "-Wcast-align",
    "-Wpointer-arith",
    "-Wwrite-strings",
    "-Wredundant-decls",
    "-Wunused-macros",
];

struct Language {
    name: &'static str,
    standards: &'static [&'static str],
    warnings: &'static [&'static str],
}

const C: Language = Language {
    name: "c",
    standards: &["c89", "c99", "c11", "c17", "c2x", "gnu89", "gnu17"],
    warnings: &[
        "-Wstrict-prototypes",
        "-Wmissing-prototypes",
        "-Wold-style-definition",
        "-Wc++-compat",
        "-Wnested-externs",
        "-Wshadow",
    ],
};

const CPP: Language = Language {
    name: "c++",
    standards: &["c++98", "c++11", "c++14", "c++17", "c++20", "c++2b", "gnu++17"],
    warnings: &[
        "-Wold-style-cast",
        "-Wzero-as-null-pointer-constant",
        "-Wnon-virtual-dtor",
        "-Weffc++",
        "-Wextra-semi",
        "-Wshadow",
    ],
};

#[test]
fn gcc_takes_them_as_c() {
    compile_everything("gcc", &C, &[]);
}

#[test]
fn gcc_takes_them_as_cpp() {
    compile_everything("g++", &CPP, &["-Wuseless-cast"]);
}

#[test]
fn clang_takes_them_as_c() {
    compile_everything("clang", &C, &CLANG);
}

#[test]
fn clang_takes_them_as_cpp() {
    compile_everything("clang", &CPP, &CLANG);
}

/// All that it can say, but for how structures are padded (that is the ABI) and that NULL may be 0 (which is the program's).
const CLANG: [&str; 3] = ["-Weverything", "-Wno-padded", "-Wno-zero-as-null-pointer-constant"];

/// Each header alone, twice; and all together, in several orders, with their macros used.
fn compile_everything(compiler: &str, language: &Language, more: &[&str]) {
    require_tool(compiler, compiler);
    let dir = ScratchDir::new();
    let each: Vec<String> = HEADERS.iter().map(Header::include).collect();
    let mut programs: Vec<String> = each.iter().map(|header| format!("{header}{header}{NOTHING}")).collect();
    programs.push(format!("{}{USE}", each.concat()));
    programs.push(format!("{}{USE}", each.iter().rev().cloned().collect::<String>()));
    programs.extend(each.iter().map(|first| format!("{first}{}{USE}", each.concat())));
    let sources: Vec<PathBuf> = (0..programs.len()).map(|index| dir.path(&format!("{index}"))).collect();
    for (source, program) in sources.iter().zip(&programs) {
        fs::write(source, program).expect("write a program");
    }
    for standard in language.standards {
        let mut cc = Command::new(compiler);
        cc.args(["-fsyntax-only", "-x", language.name]).arg(format!("-std={standard}"));
        cc.args(WARNINGS).args(language.warnings).args(more).arg("-I").arg(include_dir()).args(&sources);
        run(&mut cc, Duration::from_secs(120)).expect_success(&format!("{compiler} -std={standard}"));
    }
}

const NOTHING: &str = "int main(void) { return 0; }\n";

/// Uses what the preprocessor alone does not look at.
const USE: &str = "
int main(void) {
    struct nn_msghdr message = {NULL, 0, NULL, NN_MSG};
    struct nn_cmsghdr property = {NN_CMSG_LEN(3), PROTO_SP, SP_HDR};
    struct nn_iovec part = {NULL, NN_CMSG_SPACE(3)};
    struct nn_pollfd poll = {0, NN_POLLIN | NN_POLLOUT, 0};
    struct nn_symbol_properties symbol = {EACCESS, \"\", NN_NS_ERROR, NN_TYPE_NONE, NN_UNIT_NONE};
    nn_req_handle request;
    union nn_req_handle *same = &request;
    struct nn_cmsghdr *next = NN_CMSG_NXTHDR(&message, NN_CMSG_FIRSTHDR(&message));
    unsigned char *data = NN_CMSG_DATA(&property);
    message.msg_iov = &part;
    request.i = poll.fd + symbol.value + (next == NULL) + (data == NULL);
    return same->i == ETERM || same->i == EFSM || nn_errno() == NN_WS;
}
";

/// Programs ask by `#ifdef` what there is, also by the names that keep a header from being read twice.
#[test]
fn every_macro_of_the_genuine_headers_is_there() {
    require_genuine();
    let (own, genuine) = (macros(&include_dir()), macros(Path::new("/usr/include")));
    let missing: Vec<&String> = genuine.difference(&own).collect();
    assert!(genuine.contains("NN_H_INCLUDED") && missing.is_empty(), "{missing:?}");
}

/// The names of the macros that the eleven headers in this directory leave behind; of those with arguments, with how many.
fn macros(directory: &Path) -> BTreeSet<String> {
    let dir = ScratchDir::new();
    let source = dir.path("all.c");
    let includes: String = HEADERS
        .iter()
        .filter(|header| header.directory == "nanomsg")
        .map(|header| format!("#include \"{}/nanomsg/{}.h\"\n", directory.display(), header.name))
        .collect();
    fs::write(&source, includes).expect("write a program");
    let outcome = run(support::c_compiler().args(["-E", "-dM"]).arg(source), Duration::from_secs(60));
    outcome.expect_success("the preprocessor");
    let macros = outcome.stdout.lines().filter_map(|line| line.strip_prefix("#define "));
    let named = macros.map(|definition| match definition.split_once(['(', ' ']) {
        Some((name, rest)) if definition[name.len()..].starts_with('(') => {
            format!("{name}/{}", rest.split(')').next().unwrap_or_default().split(',').count())
        }
        Some((name, _)) => name.to_owned(),
        None => definition.to_owned(),
    });
    named.collect()
}

/// What existing bindings rely on: they read the headers line by line with regular expressions.
#[test]
fn the_text_suits_parsers_of_lines() {
    let all: String = HEADERS.iter().map(Header::generate).collect();
    let functions = all.lines().filter(|line| line.starts_with("NN_EXPORT "));
    assert_eq!(functions.filter(|line| line.contains("nn_") && line.ends_with(");")).count(), 23);
    let expected = [
        "#define NN_PAIR 16",
        "#define NN_TCP -3",
        "#define ETERM 156384765",
        "#define NN_DONTWAIT 1",
        "#define NN_STAT_CURRENT_SND_PRIORITY 401",
        "typedef union nn_req_handle {",
        "struct nn_pollfd {",
        "NN_EXPORT int nn_send(int s, const void *buf, size_t len, int flags);",
        "NN_EXPORT struct nn_cmsghdr *nn_cmsg_nxthdr_(const struct nn_msghdr *mhdr, const struct nn_cmsghdr *cmsg);",
    ];
    for line in expected {
        assert!(all.lines().any(|found| found == line), "no line {line:?}");
    }
}
