//! The text of the C headers, for the manual to quote.

use std::fs;

use crate::support::repo_root;

/// Something that a header describes.
pub struct Item {
    /// As `nanomsg/nn.h`.
    pub header: String,
    pub name: String,
    pub kind: Kind,
    /// The comment, without the numbers of sections of the specification.
    pub text: String,
    /// As it is declared.
    pub code: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Function,
    Constant,
    Structure,
}

/// All headers but those of the object bus, which has a guide of its own.
pub fn items() -> Vec<Item> {
    let mut items = Vec::new();
    for directory in ["nanomsg", "millrace"] {
        let entries = fs::read_dir(repo_root().join("include").join(directory)).expect("headers");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("a header").file_name()).collect();
        names.sort();
        for name in
            names.iter().filter_map(|name| name.to_str()).filter(|name| !name.starts_with("qi") && name.ends_with(".h"))
        {
            let header = format!("{directory}/{name}");
            let text = fs::read_to_string(repo_root().join("include").join(&header)).expect("a header");
            items.extend(items_of(&header, &text));
        }
    }
    items
}

fn items_of(header: &str, text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line != "/**" {
            continue;
        }
        let comment: Vec<&str> = lines.by_ref().take_while(|line| *line != " */").collect();
        let Some(first) = lines.next() else { break };
        let mut code = first.to_owned();
        if first.ends_with('{') {
            for line in lines.by_ref() {
                code += &format!("\n{line}");
                if line.starts_with('}') {
                    break;
                }
            }
        }
        let comment: Vec<&str> = comment.iter().map(|line| line.trim_start_matches([' ', '*'])).collect();
        let text = without_sections(&comment.join("\n"));
        let (kind, name) = named(first);
        items.push(Item { header: header.to_owned(), name, kind, text, code });
    }
    items
}

fn named(first: &str) -> (Kind, String) {
    let words: Vec<&str> = first.split([' ', '(']).collect();
    match words[0] {
        "#define" => (Kind::Constant, words[1].to_owned()),
        "NN_EXPORT" => {
            let name = words.iter().map(|word| word.trim_start_matches('*')).find(|word| word.starts_with("nn_"));
            // A struct may be what it returns.
            let name = first.split('(').next().and_then(|start| start.rsplit([' ', '*']).next()).or(name);
            (Kind::Function, name.unwrap_or_default().to_owned())
        }
        _ => (Kind::Structure, words.iter().rev().nth(1).copied().unwrap_or_default().to_owned()),
    }
}

/// "... Any thread. (2.5, 2.8)" names sections that readers of the manual do not have.
fn without_sections(text: &str) -> String {
    let Some(at) = text.rfind('(') else { return text.to_owned() };
    let inner = text[at + 1..].trim_end_matches(')');
    let is_sections = text.ends_with(')') && inner.chars().all(|c| c.is_ascii_digit() || ". ,\n".contains(c));
    if is_sections { text[..at].trim_end().to_owned() } else { text.to_owned() }
}

/// The error numbers that a text names.
pub fn errors(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_error = |word: &&str| {
        word.len() > 3 && word.starts_with('E') && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    };
    let mut errors: Vec<String> = words.filter(is_error).map(str::to_owned).collect();
    errors.sort();
    errors.dedup();
    errors
}
