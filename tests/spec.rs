//! What the code cites of the specification is there: `protocols.md 2.2` in a comment is a section of `docs/spec/protocols.md`, and
//! a number in parentheses at the end of a line of a C header one of the file that the header names.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use support::repo_root;

/// Sections by file.
type Specification = BTreeMap<String, BTreeSet<String>>;

/// Where citations are looked for; DESIGN.md and its like may cite, too.
const CITING: [&str; 9] =
    ["src", "include", "tests", "ctests", "docs", "examples", "examples-c", "bench", "ARCHITECTURE.md"];

/// C comments say the number alone.
const HEADERS: [(&str, &str); 2] = [("include/nanomsg", "nanomsg-api.md"), ("include/millrace", "qi-messaging.md")];

fn specification() -> Specification {
    let sections = |text: &str| -> BTreeSet<String> {
        let headings = text.lines().filter(|line| line.starts_with('#'));
        let numbers = headings.filter_map(|line| line.trim_start_matches('#').split_whitespace().next());
        let numbers = numbers.filter(|number| number.starts_with(|first: char| first.is_ascii_digit()));
        numbers.map(|number| number.trim_end_matches('.').to_owned()).collect()
    };
    let name = |path: &Path| path.file_name().expect("a file").to_string_lossy().into_owned();
    files("docs/spec").iter().map(|path| (name(path), sections(&text_of(path)))).collect()
}

/// All files below a path of the repository, or the one it is.
fn files(below: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![repo_root().join(below)];
    while let Some(path) = left.pop() {
        match fs::read_dir(&path) {
            Ok(entries) => left.extend(entries.map(|entry| entry.expect("a directory entry").path())),
            Err(_) => found.push(path),
        }
    }
    found.sort();
    found
}

fn text_of(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).expect("a file")).into_owned()
}

/// `2.2`, `10, 14 and 16` or `9 to 17` at the beginning of a text.
fn numbers(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(|other: char| !other.is_ascii_digit() && other != '.').unwrap_or(rest.len());
        let number = rest[..end].trim_end_matches('.');
        if number.is_empty() {
            return found;
        }
        found.push(number);
        rest = &rest[number.len()..];
        let Some(next) = [", ", " and ", " to "].iter().find_map(|word| rest.strip_prefix(word)) else { return found };
        rest = next;
    }
}

/// Files of the specification that a text names, with the sections behind each, and the line.
fn citations<'t>(text: &'t str, specification: &'t Specification) -> Vec<(usize, &'t str, Vec<&'t str>)> {
    let mut found = Vec::new();
    for (line, content) in text.lines().enumerate() {
        for name in specification.keys().filter(|name| *name != "README.md") {
            for (at, _) in content.match_indices(name.as_str()) {
                let cited = numbers(content[at + name.len()..].trim_start());
                found.push((line + 1, name.as_str(), cited));
            }
        }
    }
    found
}

/// Of a C header: what stands in parentheses at the end of a line.
fn closing_numbers(text: &str) -> Vec<(usize, Vec<&str>)> {
    let ends = text.lines().enumerate().filter_map(|(line, content)| {
        let inside = content.trim_end_matches(" */").strip_suffix(')')?.rsplit('(').next()?;
        let cited = numbers(inside);
        (!cited.is_empty()).then_some((line + 1, cited))
    });
    ends.collect()
}

#[test]
fn cited_sections_exist() {
    let specification = specification();
    let (mut missing, mut count) = (Vec::new(), 0);
    let mut look = |path: &Path, line: usize, name: &str, cited: &[&str]| {
        count += cited.len();
        let unknown = cited.iter().filter(|number| !specification[name].contains(**number));
        let place = path.strip_prefix(repo_root()).expect("below the root").display();
        missing.extend(unknown.map(|number| format!("{place}:{line}: {name} has no section {number}")));
    };
    for path in CITING.iter().flat_map(|below| files(below)).filter(|path| !path.ends_with("tests/spec.rs")) {
        let text = text_of(&path);
        for (line, name, cited) in citations(&text, &specification) {
            look(&path, line, name, &cited);
        }
    }
    for (directory, name) in HEADERS {
        for path in files(directory) {
            let text = text_of(&path);
            for (line, cited) in closing_numbers(&text) {
                look(&path, line, name, &cited);
            }
        }
    }
    assert!(missing.is_empty(), "citations of what is not there:\n  {}\n", missing.join("\n  "));
    assert!(count > 300, "only {count} citations were found: they are written in another way");
}

#[test]
fn citations_are_read_as_people_read_them() {
    let specification = BTreeMap::from([("protocols.md".to_owned(), BTreeSet::new())]);
    let text = "//! PAIR (protocols.md 3): one\n// of protocols.md 2.2 to 2.4, and\n// protocols.md. 5 of them, protocols.md 8, 10 and 14.";
    let found = citations(text, &specification);
    let expected = [
        (1, "protocols.md", vec!["3"]),
        (2, "protocols.md", vec!["2.2", "2.4"]),
        (3, "protocols.md", vec![]),
        (3, "protocols.md", vec!["8", "10", "14"]),
    ];
    assert_eq!(found, expected);
    let header = " * code. (8, 15)\n * (w) */\nint f(int a); /* C (8 bits) W (16) i */\n/* Free it. (6) */";
    assert_eq!(closing_numbers(header), [(1, vec!["8", "15"]), (4, vec!["6"])]);
}
