//! Rust sources as the tidy rules see them: without comments, without what strings say, without test modules.

use std::fs;
use std::path::{Path, PathBuf};

#[derive(Clone)]
pub struct Source {
    /// Relative to the repository, with `/`.
    pub path: String,
    /// The text with comments and the contents of literals blanked; lines stay where they are.
    pub code: String,
    /// The same without items under `#[cfg(test)]`.
    pub shipped: String,
}

impl Source {
    pub fn parse(path: String, text: &str) -> Source {
        let code = blank_comments_and_literals(text);
        let shipped = blank_test_items(&code);
        Source { path, code, shipped }
    }

    /// Nothing in it is shipped.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// The directory below `src`, or the file at its top.
    pub fn room(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("src/")?;
        let room = rest.split('/').next()?;
        Some(room.strip_suffix(".rs").unwrap_or(room))
    }

    /// The path of its module below the crate.
    pub fn module(&self) -> Vec<&str> {
        let rest = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let mut path: Vec<_> = rest.trim_end_matches(".rs").split('/').collect();
        path.pop_if(|last| matches!(*last, "mod" | "lib"));
        path
    }
}

/// All Rust files below a directory of the repository, in order.
pub fn all_below(directory: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    collect(&root.join(directory), &mut found);
    found.sort();
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
        Source::parse(name, &fs::read_to_string(path).expect("a source file"))
    };
    found.iter().map(read).collect()
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a source directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The line number of a byte position.
pub fn line_of(text: &str, at: usize) -> usize {
    1 + text[..at].matches('\n').count()
}

/// Lines with something on them.
pub fn lines_of_code(text: &str) -> usize {
    text.lines().filter(|line| !line.trim().is_empty()).count()
}

/// Where the block ends whose `{` is the first one after `from`; `None` if a `;` comes first.
pub fn end_of_block(code: &str, from: usize) -> Option<usize> {
    // A `;` in brackets belongs to an array type.
    let (mut depth, mut brackets) = (0, 0);
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b'[' | b'(' => brackets += 1,
            b']' | b')' => brackets -= 1,
            b';' if depth == 0 && brackets == 0 => return None,
            _ => {}
        }
    }
    None
}

fn blank_test_items(code: &str) -> String {
    let mut shipped = code.as_bytes().to_vec();
    for (start, attribute) in code.match_indices("#[cfg(test)]") {
        let after = start + attribute.len();
        let end = end_of_block(code, after)
            .or_else(|| code[after..].find(';').map(|semicolon| after + semicolon + 1))
            .unwrap_or(code.len());
        blank(&mut shipped[start..end]);
    }
    String::from_utf8(shipped).expect("blanking keeps characters whole")
}

/// A small lexer: line and nested block comments, strings, raw strings, characters as opposed to lifetimes.
fn blank_comments_and_literals(text: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        let after_word = at > 0 && is_word(text.as_bytes()[at - 1]);
        let (length, keep) = match rest {
            [b'/', b'/', ..] => (text[at..].find('\n').unwrap_or(rest.len()), 0),
            [b'/', b'*', ..] => (block_comment(rest), 0),
            [b'"', ..] => (string(rest), 1),
            [b'r', b'"' | b'#', ..] if !after_word => raw_string(&text[at..]),
            [b'b', b'r', ..] if !after_word && matches!(rest.get(2), Some(b'"' | b'#')) => {
                let (length, keep) = raw_string(&text[at + 1..]);
                (length + 1, keep)
            }
            [b'\'', ..] => character(&text[at..]),
            _ => (1, 1),
        };
        blank(&mut out[at + keep..(at + length).max(at + keep)]);
        at += length;
    }
    String::from_utf8(out).expect("blanking keeps characters whole")
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at + 1 < rest.len() {
        match &rest[at..at + 2] {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Of `r"…"` and `r#"…"#`; `r#name` is a word.
fn raw_string(rest: &str) -> (usize, usize) {
    let hashes = rest[1..].len() - rest[1..].trim_start_matches('#').len();
    if rest.as_bytes().get(1 + hashes) != Some(&b'"') {
        return (1, 1);
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    (rest[body..].find(&close).map_or(rest.len(), |end| body + end + close.len()), 1)
}

/// Of `'x'` and `'\n'`; a lifetime stays.
fn character(rest: &str) -> (usize, usize) {
    let mut inside = rest[1..].char_indices();
    match inside.next() {
        Some((_, '\\')) => (rest[3..].find('\'').map_or(1, |end| end + 4), 1),
        Some((_, first)) if rest[1 + first.len_utf8()..].starts_with('\'') => (2 + first.len_utf8(), 1),
        _ => (1, 1),
    }
}

pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Everything but line ends becomes a space. Whole characters only, so the text stays UTF-8.
fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}
