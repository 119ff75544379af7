//! Pages of the manual: Markdown in `docs`. What a page quotes of the headers stands between two comments:
//!
//! ```text
//! <!-- header: NAME NAME... -->       of functions, constants or structures; or a header, for all its constants
//! <!-- /header -->
//! ```
//!
//! A page that begins with `<!-- man SECTION NAME: what it is -->` is a manual page too.

use std::fs;
use std::path::{Path, PathBuf};

use crate::header::{Item, Kind};
use crate::support::repo_root;

const BEGIN: &str = "<!-- header: ";
const END: &str = "<!-- /header -->";

pub struct Page {
    pub path: PathBuf,
    pub text: String,
}

/// What the first line of a manual page says.
pub struct Title {
    pub section: String,
    pub name: String,
    pub what: String,
}

/// All pages below `docs`.
pub fn pages() -> Vec<Page> {
    let mut pages = Vec::new();
    collect(&repo_root().join("docs"), &mut pages);
    pages.sort_by(|a, b| a.path.cmp(&b.path));
    pages
}

fn collect(directory: &Path, pages: &mut Vec<Page>) {
    for entry in fs::read_dir(directory).expect("docs") {
        let path = entry.expect("an entry of docs").path();
        if path.is_dir() {
            collect(&path, pages);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&path).expect("text");
            pages.push(Page { path, text });
        }
    }
}

impl Page {
    pub fn title(&self) -> Option<Title> {
        let (head, what) = self.text.strip_prefix("<!-- man ")?.split_once(" -->")?.0.split_once(": ")?;
        let (section, name) = head.split_once(' ')?;
        Some(Title { section: section.to_owned(), name: name.to_owned(), what: what.to_owned() })
    }

    /// What the page quotes.
    pub fn quoted(&self) -> Vec<&str> {
        let blocks = self.text.lines().filter_map(|line| line.strip_prefix(BEGIN)?.strip_suffix(" -->"));
        blocks.flat_map(str::split_whitespace).collect()
    }

    /// The text of a section, without its heading.
    pub fn section(&self, heading: &str) -> Option<&str> {
        let start = self.text.find(&format!("\n## {heading}\n"))? + heading.len() + 5;
        let rest = &self.text[start..];
        Some(rest.find("\n## ").map_or(rest, |end| &rest[..end]))
    }

    /// The page with what it quotes as the headers have it now.
    pub fn refreshed(&self, items: &[Item]) -> String {
        let mut out = String::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            out += &format!("{line}\n");
            let Some(names) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(" -->")) else { continue };
            let quoted = lines.by_ref().take_while(|line| *line != END).count();
            assert!(quoted < self.text.lines().count(), "{}: {line} has no end", self.path.display());
            out += &format!("{}{END}\n", quote(names, items));
        }
        out
    }
}

fn quote(names: &str, items: &[Item]) -> String {
    let of = |name: &str| -> Vec<&Item> {
        let whole = items.iter().filter(|item| item.header == name && item.kind == Kind::Constant);
        let found: Vec<_> = whole.chain(items.iter().find(|item| item.name == name)).collect();
        assert!(!found.is_empty(), "no header has {name}");
        found
    };
    let items: Vec<&Item> = names.split_whitespace().flat_map(of).collect();
    let mut out = String::new();
    for item in items.iter().filter(|item| item.kind == Kind::Structure) {
        out += &format!("\n```c\n{}\n```\n", item.code);
    }
    for item in items.iter().filter(|item| item.kind == Kind::Function) {
        let code = item.code.replace("NN_EXPORT ", "");
        out += &format!("\n```c\n#include <{}>\n\n{code}\n```\n\n{}\n", item.header, wrapped(&marked(&item.text)));
    }
    let constants: Vec<_> = items.iter().filter(|item| item.kind == Kind::Constant).collect();
    if !constants.is_empty() {
        out += "\n| name | meaning |\n|---|---|\n";
    }
    for item in constants {
        out += &format!("| `{}` | {} |\n", item.name, marked(&item.text).replace('\n', " "));
    }
    out + "\n"
}

/// Names of the interface, and what is in quotes, as code.
fn marked(text: &str) -> String {
    let mut out = String::new();
    for (at, piece) in text.split('"').enumerate() {
        if at % 2 == 1 {
            out += &format!("`{piece}`");
            continue;
        }
        for word in piece.split_inclusive([' ', '\n', ',', '.', ')', '(', ';', ':', '=', '*']) {
            let name = word.trim_end_matches([' ', '\n', ',', '.', ')', '(', ';', ':', '=', '*']);
            let is_name = ["NN_", "nn_", "nnx_", "AF_SP", "SP_HDR", "PROTO_SP", "msg_", "MILLRACE_"];
            if is_name.iter().any(|start| name.starts_with(start)) {
                out += &format!("`{name}`{}", &word[name.len()..]);
            } else {
                out += word;
            }
        }
    }
    out
}

/// Lines of at most 120 characters.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            *line += word;
        } else if line.chars().count() + 1 + word.chars().count() <= 120 {
            *line += &format!(" {word}");
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}
