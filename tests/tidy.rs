//! The rules of the house that no lint knows: who may import whom, and how large things may become. Every complaint names its
//! file and line. What is not written at all is in Cargo.toml (`[lints]`) and clippy.toml.

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/source.rs"]
mod source;

use std::collections::BTreeMap;

use circles::Graph;
use source::{Source, all_below, end_of_block, is_word, line_of, lines_of_code};

/// The rooms and those they may enter (ARCHITECTURE.md). A new room is a new row.
const ROOMS: [(&str, &[&str]); 11] = [
    ("bin", &[]),
    ("internals", &["capi", "facade", "qi", "protocol", "transport", "core"]),
    ("api", &["facade", "protocol", "transport", "core", "sys"]),
    ("capi", &["facade", "qi", "core", "sys"]),
    ("facade", &["protocol", "reactor", "transport", "core", "sys"]),
    ("qi", &["reactor", "transport", "core", "sys"]),
    ("reactor", &["transport", "core", "sys"]),
    ("transport", &["core", "sys"]),
    ("protocol", &["core"]),
    ("core", &[]),
    ("sys", &[]),
];

/// The rooms inside `qi` and those they may enter. What lies beside the directories is the codec's.
const QI_ROOMS: [(&str, &[&str]); 7] = [
    ("codec", &[]),
    ("endpoint", &["codec"]),
    ("calls", &["endpoint", "codec"]),
    ("workers", &[]),
    ("client", &["calls", "workers", "endpoint", "codec"]),
    ("server", &["calls", "workers", "endpoint", "codec"]),
    ("bus", &["client", "server", "calls", "endpoint", "codec"]),
];

/// Machines: no I/O, no clock, no threads. Time is an argument.
const PURE: [&str; 2] = ["core", "protocol"];
const IMPURE: [&str; 8] = ["mio", "socket2", "Instant", "SystemTime", "thread", "net", "fs", "Condvar"];

/// Types whose name is that of another type, too. A type is named by its role; this number may only become smaller.
const SHARED_NAMES: usize = 148;

const FILE: usize = 500;
const FUNCTION: usize = 70;

fn fail_if_any(complaints: Vec<String>, rule: &str) {
    assert!(complaints.is_empty(), "{rule}:\n  {}\n", complaints.join("\n  "));
}

fn shipped() -> impl Iterator<Item = Source> {
    all_below("src").into_iter().filter(|source| !source.is_test())
}

/// Places where `word` stands by itself.
fn words<'s>(code: &'s str, word: &'s str) -> impl Iterator<Item = usize> + 's {
    let bytes = code.as_bytes();
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = at.checked_sub(1).is_some_and(|before| is_word(bytes[before]));
        let after = bytes.get(at + word.len()).is_some_and(|after| is_word(*after));
        !before && !after
    })
}

/// Rooms that are named through `crate::…` or a chain of `super::`, with the place.
fn rooms_entered(source: &Source) -> Vec<(usize, String)> {
    let code = &source.shipped;
    let depth = source.module().len();
    let mut entered = Vec::new();
    for at in words(code, "crate") {
        let after = code[at + 5..].trim_start();
        entered.extend(after.strip_prefix("::").into_iter().flat_map(first_names).map(|name| (at, name)));
    }
    for at in words(code, "super").filter(|at| !code[..*at].ends_with("super::")) {
        let chain = code[at..].split("::").take_while(|part| *part == "super").count();
        if chain >= depth {
            let after = &code[at + chain * "super::".len()..];
            entered.extend(first_names(after).into_iter().map(|name| (at, name)));
        }
    }
    entered
}

/// The names that a path goes on with: `a::…`, or those in front of `{a::…, b}`.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start().bytes().take_while(|byte| is_word(*byte)).map(char::from).collect()
    };
    let Some(group) = path.trim_start().strip_prefix('{') else { return vec![name(path)] };
    let mut names = vec![name(group)];
    let mut depth = 1;
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 1 => names.push(name(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

#[test]
fn rooms_enter_only_rooms_below() {
    let mut complaints = Vec::new();
    for source in shipped() {
        let Some(room) = source.room().filter(|room| *room != "lib") else { continue };
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            complaints.push(format!("{}:1: no room called {room} in tests/tidy.rs", source.path));
            continue;
        };
        for (at, other) in rooms_entered(&source) {
            let known = ROOMS.iter().any(|(name, _)| *name == other);
            if known && other != room && !allowed.contains(&other.as_str()) {
                let line = line_of(&source.shipped, at);
                complaints.push(format!("{}:{line}: {room} must not import {other}", source.path));
            }
        }
    }
    fail_if_any(complaints, "imports go from the C API down to the core");
}

/// What the crate shows: its Rust API, the bus, and one hidden list. Everything else is private, so the compiler finds what nobody uses.
const SHOWN: [&str; 3] = ["pub mod internals", "pub mod qi", "pub use api::*"];

#[test]
fn the_engine_is_private() {
    let top = Source::parse("src/lib.rs".into(), include_str!("../src/lib.rs"));
    let shown: Vec<_> =
        top.shipped.lines().filter(|line| line.starts_with("pub")).map(|line| line.trim_end_matches(';')).collect();
    assert_eq!(shown, SHOWN, "src/lib.rs: modules of the engine are private; src/internals.rs names what others need");
}

/// Crates beside the library, which see what `src/internals.rs` names.
const OUTSIDE: [&str; 5] = ["bench", "bindings", "examples", "src/bin", "tests"];

/// The list has no globs, and nothing in it is there for nobody.
#[test]
fn internals_are_named_one_by_one_and_used() {
    let list = Source::parse("src/internals.rs".into(), include_str!("../src/internals.rs"));
    let sources = OUTSIDE.into_iter().flat_map(all_below).filter(|source| source.path != "tests/tidy.rs");
    let used: Vec<_> = sources.filter(|source| words(&source.code, "internals").next().is_some()).collect();
    let mut complaints = Vec::new();
    for (at, _) in list.shipped.match_indices("pub use ") {
        let end = at + list.shipped[at..].find(';').expect("the end of a `use`");
        let path = &list.shipped[at..end];
        let items = path.rsplit("::").next().unwrap_or_default().trim_start_matches('{').trim_end_matches('}');
        for item in items.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let is_used = used.iter().any(|source| words(&source.code, item).next().is_some());
            if item == "*" || !is_used {
                complaints.push(format!("src/internals.rs:{}: {item}", line_of(&list.shipped, at)));
            }
        }
    }
    fail_if_any(complaints, "items that somebody outside the library uses, one by one");
}

/// The room of a file; inside `qi`, that room.
fn inner_room(source: &Source) -> String {
    let room = source.room().unwrap_or_default();
    if room != "qi" {
        return room.to_owned();
    }
    let inside = source.module().get(1).copied().unwrap_or_default();
    let known = QI_ROOMS.iter().find(|(name, _)| *name == inside);
    format!("qi/{}", known.map_or("codec", |(name, _)| name))
}

#[test]
fn rooms_of_qi_enter_only_rooms_below() {
    let files: Vec<_> = shipped().collect();
    let graph = Graph::new(&files);
    let mut complaints = Vec::new();
    for (from, source) in files.iter().enumerate() {
        // The top of the room only names what is in it.
        let Some(room) = inner_room(source).strip_prefix("qi/").map(str::to_owned) else { continue };
        let allowed = QI_ROOMS.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, allowed)| allowed);
        for needed in graph.needs(from) {
            let Some(other) = inner_room(needed).strip_prefix("qi/").map(str::to_owned) else { continue };
            if other == room || allowed.contains(&other.as_str()) {
                continue;
            }
            complaints.push(format!("{}: {room} must not import {} of {other}", source.path, needed.path));
        }
    }
    fail_if_any(complaints, "imports go from the bus down to the codec");
}

#[test]
fn files_of_a_room_do_not_go_in_circles() {
    let files: Vec<_> = shipped().collect();
    let circles = Graph::new(&files).circles(inner_room);
    let complaints = circles.iter().map(|circle| format!("a circle: {circle:?}")).collect();
    fail_if_any(complaints, "files need each other in one direction");
}

/// A path, whatever its form, is an arrow; a re-export is none.
#[test]
fn circles_are_seen() {
    let file = |path: &str, text: &str| Source::parse(path.into(), text);
    let circle = |files: &[Source]| {
        let circles = Graph::new(files).circles(inner_room);
        circles.iter().map(|circle| circle.join(" ")).collect::<Vec<_>>()
    };
    let top =
        file("src/core/mod.rs", "mod a; mod b; mod c; pub use b::B; pub(crate) use c::{C, D as E}; pub struct Own;");
    let a = file("src/core/a.rs", "use super::B; fn a() {}");
    let b = file("src/core/b.rs", "use super::Own; fn b() { crate::core::c::f(); }");
    let c = |text: &str| file("src/core/c.rs", text);
    let with = |text: &str| [top.clone(), a.clone(), b.clone(), c(text)];
    assert!(circle(&with("use crate::sys::{a, b};")).is_empty());
    for path in ["use super::a::{self, x};", "use crate::core::{a as other};", "fn c() { super::a::x() }"] {
        assert_eq!(circle(&with(path)), ["src/core/a.rs src/core/b.rs src/core/c.rs"], "{path}");
    }
    let renamed = [top.clone(), file("src/core/a.rs", "use super::E;"), c("use crate::core::a;")];
    assert_eq!(circle(&renamed), ["src/core/a.rs src/core/c.rs"]);
    let other_room = [file("src/core/a.rs", "use crate::sys::b;"), file("src/sys/b.rs", "use crate::core::a;")];
    assert!(circle(&other_room).is_empty(), "directions are looked after elsewhere");
    assert!(circle(&with("mod tests { }\n#[cfg(test)]\nmod more { use super::super::a; }")).is_empty());
}

#[test]
fn machines_know_no_io_no_clock_and_no_threads() {
    let mut complaints = Vec::new();
    for source in shipped().filter(|source| source.room().is_some_and(|room| PURE.contains(&room))) {
        for word in IMPURE {
            for at in words(&source.shipped, word) {
                complaints.push(format!("{}:{}: {word}", source.path, line_of(&source.shipped, at)));
            }
        }
    }
    fail_if_any(complaints, "core and protocol are pure");
}

#[test]
fn files_and_functions_stay_small() {
    let mut complaints = Vec::new();
    for source in shipped() {
        let lines = lines_of_code(&source.shipped);
        if lines > FILE {
            complaints.push(format!("{}:1: {lines} lines of code, {FILE} at most", source.path));
        }
        for at in words(&source.shipped, "fn") {
            let Some(end) = end_of_block(&source.shipped, at) else { continue };
            let lines = lines_of_code(&source.shipped[at..end]);
            if lines > FUNCTION {
                let line = line_of(&source.shipped, at);
                complaints.push(format!("{}:{line}: a function of {lines} lines, {FUNCTION} at most", source.path));
            }
        }
    }
    fail_if_any(complaints, "small files, small functions");
}

/// Structs with more flags than three: most of what they could say cannot be. In these everything can be, for a reason (DESIGN.md, "The
/// order of the house"). The list may only become shorter.
const FLAGS: [(&str, usize, &str); 3] = [
    ("Reactor", 4, "set by different threads without a lock"),
    ("Capabilities", 6, "names on the wire, each of them on or off as the peer likes"),
    ("Arguments", 4, "switches of nanoqi's command line"),
];

/// How many fields of a struct are flags.
fn flags(body: &str) -> usize {
    let kinds = ["bool", "Cell<bool>", "AtomicBool"];
    body.lines()
        .filter_map(|line| line.trim().strip_suffix(',')?.split_once(": "))
        .filter(|(_, kind)| kinds.contains(kind))
        .count()
}

#[test]
fn states_are_no_bundles_of_flags() {
    let mut complaints = Vec::new();
    for source in shipped() {
        for at in words(&source.shipped, "struct") {
            let Some(end) = end_of_block(&source.shipped, at) else { continue };
            let name =
                source.shipped[at..].split(|letter: char| !letter.is_ascii_alphanumeric()).nth(1).unwrap_or_default();
            let most = FLAGS.iter().find(|(known, ..)| *known == name).map_or(3, |(_, most, _)| *most);
            let count = flags(&source.shipped[at..end]);
            if count > most {
                let line = line_of(&source.shipped, at);
                complaints.push(format!(
                    "{}:{line}: {name} has {count} flags, {most} at most: an enum says what may be",
                    source.path
                ));
            }
        }
    }
    fail_if_any(complaints, "one enum for what cannot be at the same time");
    assert_eq!(flags("struct A {\n    a: bool,\n    pub b: Cell<bool>,\n    c: Vec<bool>,\n    d: AtomicBool,\n}"), 3);
}

/// The name of the type that a line at the left margin declares.
fn declared(line: &str) -> Option<&str> {
    let kinds = ["struct", "enum", "union", "trait", "type"];
    let words =
        line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').filter(|word| !word.is_empty());
    let modifiers = ["pub", "crate", "super", "in", "qi", "unsafe"];
    let mut words = words.skip_while(|word| modifiers.contains(word));
    words.next().filter(|word| kinds.contains(word) && !line.starts_with(' '))?;
    words.next()
}

/// `Result` is what every room calls its own.
fn shared_names(sources: &[Source]) -> BTreeMap<&str, Vec<&str>> {
    let mut names = BTreeMap::<_, Vec<_>>::new();
    for source in sources {
        for name in source.shipped.lines().filter_map(declared).filter(|name| *name != "Result") {
            names.entry(name).or_default().push(source.path.as_str());
        }
    }
    names.retain(|_, paths| paths.len() > 1);
    names
}

#[test]
fn types_have_names_of_their_own() {
    let sources: Vec<_> = shipped().collect();
    let shared = shared_names(&sources);
    let count: usize = shared.values().map(Vec::len).sum();
    assert!(
        count <= SHARED_NAMES,
        "{count} types share a name, {SHARED_NAMES} at most: name new ones by their role\n{shared:#?}"
    );
}

#[test]
fn declarations_are_seen() {
    let file = |path: &str, text: &str| Source::parse(path.into(), text);
    let one = "struct A;\npub(crate) enum B<T> {}\npub(in crate::qi) struct C(u8);\npub unsafe trait D {}\nimpl E { type A = u8; }\n    type A = u8;";
    let two = "pub type A = u8;\nunion B {}\npub struct C {}\ntrait D {}\nstruct E;\ntype Result = u8;\nfn f() {}";
    let three = "type Result = u8;\n#[cfg(test)]\nmod tests {\nstruct E;\n}";
    let sources = [file("src/core/a.rs", one), file("src/core/b.rs", two), file("src/core/c.rs", three)];
    assert_eq!(shared_names(&sources).into_keys().collect::<Vec<_>>(), ["A", "B", "C", "D"]);
}

/// The rules are only as good as the eyes they see with.
#[test]
fn sources_are_read_as_the_compiler_does() {
    let text = r##"
use crate::{core::{Error, Result}, facade, sys::Owned};
use super::super::capi::x; // crate::capi
/* unsafe /* nested */ todo!() */
const A: &str = "unsafe \" todo!()";
const B: &str = r#"dbg!() " "#;
fn quoted<'a>(c: &'a [u8; 2]) -> char { '"' }
fn escaped() -> char { '\'' }
#[cfg(test)]
mod tests { fn f() { unsafe {} } }
fn last() {}
"##;
    let source = Source::parse("src/reactor/deep.rs".into(), text);
    let rooms: Vec<_> = rooms_entered(&source).into_iter().map(|(_, room)| room).collect();
    assert_eq!(rooms, ["core", "facade", "sys", "capi"]);
    assert!(words(&source.code, "unsafe").count() == 1, "only that of the test module");
    assert!(words(&source.shipped, "unsafe").next().is_none());
    assert!(!source.code.contains("todo!") && !source.code.contains("dbg!"));
    assert_eq!(words(&source.shipped, "fn").count(), 3);
    assert_eq!(source.code.len(), text.len());
    let last = source.shipped.find("fn last").expect("what follows the test module");
    assert_eq!(line_of(&source.shipped, last), 11);
    assert_eq!(end_of_block(&source.shipped, last), Some(source.shipped.trim_end().len()));
}
