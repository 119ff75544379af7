//! Which file needs which, and the circles among them: files of one room each of which, in the end, needs all the others.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, is_word};

/// Files as nodes, and an arrow to each file that a path in the code leads to. Re-exports are followed to where a thing is, and are
/// no need of the file that makes them.
pub struct Graph<'s> {
    pub files: &'s [Source],
    arrows: Vec<BTreeSet<usize>>,
}

impl<'s> Graph<'s> {
    pub fn new(files: &'s [Source]) -> Graph<'s> {
        let modules = Modules::new(files);
        let arrows = files.iter().enumerate().map(|(from, source)| {
            let module = own_module(source);
            let paths = paths(&source.shipped).into_iter().filter(|path| !path.exports);
            let targets = paths.filter_map(|path| modules.find(&module, &path.names));
            targets.filter(|to| *to != from).collect()
        });
        Graph { files, arrows: arrows.collect() }
    }

    /// The files that a file needs.
    pub fn needs(&self, from: usize) -> impl Iterator<Item = &'s Source> {
        self.arrows[from].iter().map(|to| &self.files[*to])
    }

    /// The circles inside the rooms; `room` says where a file belongs. Each with its files in order.
    pub fn circles(&self, room: impl Fn(&Source) -> String) -> Vec<Vec<&'s str>> {
        let rooms: Vec<_> = self.files.iter().map(room).collect();
        let reached: Vec<_> = (0..self.files.len()).map(|from| self.reached(from, &rooms)).collect();
        let mut circles = BTreeSet::new();
        for (from, there) in reached.iter().enumerate() {
            let circle: BTreeSet<_> = there.iter().copied().filter(|to| reached[*to].contains(&from)).collect();
            if !circle.is_empty() {
                circles.insert(circle);
            }
        }
        let names = |circle: BTreeSet<usize>| circle.into_iter().map(|at| self.files[at].path.as_str()).collect();
        circles.into_iter().map(names).collect()
    }

    fn reached(&self, from: usize, rooms: &[String]) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut next = vec![from];
        while let Some(at) = next.pop() {
            let there = self.arrows[at].iter().filter(|to| rooms[**to] == rooms[from]);
            next.extend(there.filter(|to| reached.insert(**to)));
        }
        reached
    }
}

fn own_module(source: &Source) -> Vec<String> {
    source.module().into_iter().map(str::to_owned).collect()
}

/// Which file is which module, and what each of them re-exports.
struct Modules {
    files: BTreeMap<Vec<String>, usize>,
    exports: BTreeMap<Vec<String>, Vec<Path>>,
}

impl Modules {
    fn new(files: &[Source]) -> Modules {
        let of = |source: &Source| paths(&source.shipped).into_iter().filter(|path| path.exports).collect();
        Modules {
            files: files.iter().enumerate().map(|(at, source)| (own_module(source), at)).collect(),
            exports: files.iter().map(|source| (own_module(source), of(source))).collect(),
        }
    }

    /// The file in which what a path of this module names is.
    fn find(&self, module: &[String], path: &[String]) -> Option<usize> {
        self.files.get(&self.resolve(module, path, 0)?).copied()
    }

    /// The module that a path leads to or into. `None`: none of ours.
    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Option<Vec<String>> {
        if depth > 8 {
            return None;
        }
        let (first, rest) = path.split_first()?;
        let (mut at, rest) = match first.as_str() {
            "crate" => (Vec::new(), rest),
            "self" => (module.to_vec(), rest),
            "super" => {
                let up = path.iter().take_while(|name| *name == "super").count();
                (module[..module.len().checked_sub(up)?].to_vec(), &path[up..])
            }
            _ => {
                let child = [module, std::slice::from_ref(first)].concat();
                if !self.files.contains_key(&child) {
                    return None;
                }
                (child, rest)
            }
        };
        for (place, name) in rest.iter().enumerate() {
            let child = [&at[..], std::slice::from_ref(name)].concat();
            if self.files.contains_key(&child) {
                at = child;
                continue;
            }
            let export = self.exports.get(&at)?.iter().find(|export| export.called == *name);
            return match export {
                Some(export) => {
                    let there = [&export.names[..], &rest[place + 1..]].concat();
                    self.resolve(&at, &there, depth + 1).or(Some(at))
                }
                None => Some(at),
            };
        }
        Some(at)
    }
}

/// A path in the code, one of those that a group stands for.
struct Path {
    names: Vec<String>,
    /// What it is called here: its last name, or what follows `as`.
    called: String,
    /// It stands behind `pub use`.
    exports: bool,
}

/// The paths of a source: those of its `use`s, and those in the code that begin with `crate`, `super` or `self`.
fn paths(code: &str) -> Vec<Path> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !is_word(bytes[at]) {
            at += 1;
            continue;
        }
        let word = word(&code[at..]);
        let after = at + word.len();
        let follows_path = code[..at].trim_end().ends_with("::");
        if word == "use" {
            let end = code[after..].find(';').map_or(code.len(), |end| after + end);
            let exports = is_public(&code[..at]);
            tree(&code[after..end], &[], exports, &mut found);
            at = end;
        } else if matches!(word, "crate" | "super" | "self") && code[after..].starts_with("::") && !follows_path {
            let names = names_of(&code[at..]);
            let called = names.last().cloned().unwrap_or_default();
            found.push(Path { names, called, exports: false });
            at = after;
        } else {
            at = after;
        }
    }
    found
}

/// Does what comes before a `use` make it a re-export?
fn is_public(before: &str) -> bool {
    let last = before.rsplit([';', '}', '\n']).next().unwrap_or_default().trim();
    last.starts_with("pub")
}

fn word(text: &str) -> &str {
    let end = text.bytes().position(|byte| !is_word(byte)).unwrap_or(text.len());
    &text[..end]
}

/// `crate::a::b` at the beginning of a text.
fn names_of(text: &str) -> Vec<String> {
    let mut names = vec![word(text).to_owned()];
    let mut rest = &text[names[0].len()..];
    while let Some(after) = rest.strip_prefix("::") {
        let name = word(after);
        if name.is_empty() {
            break;
        }
        names.push(name.to_owned());
        rest = &after[name.len()..];
    }
    names
}

/// All paths of a use tree: `a::{b, c::{d, e as f}}`.
fn tree(text: &str, prefix: &[String], exports: bool, found: &mut Vec<Path>) {
    let text = text.trim();
    let names = names_of(text);
    let length = names.iter().map(String::len).sum::<usize>() + 2 * (names.len() - 1);
    let rest = text[length..].trim_start_matches("::").trim();
    let own = names.iter().filter(|name| !name.is_empty()).cloned();
    let mut path: Vec<_> = prefix.iter().cloned().chain(own).collect();
    if let Some(group) = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        members(group).into_iter().for_each(|member| tree(member, &path, exports, found));
        return;
    }
    if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
        path.pop();
    }
    let called = rest.strip_prefix("as ").map(|name| name.trim().to_owned());
    let called = called.or_else(|| path.last().cloned()).unwrap_or_default();
    found.push(Path { names: path, called, exports });
}

/// What commas part, but not those inside of braces.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start) = (0, 0);
    let mut members = Vec::new();
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members.push(&group[start..]);
    members.into_iter().map(str::trim).filter(|member| !member.is_empty()).collect()
}
