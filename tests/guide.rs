//! What the manual shows is true: code is that of the examples, commands run, links lead somewhere, names exist.
//!
//! | block | what is tested |
//! |---|---|
//! | `c`, `rust`, `js` | it is a part of a file in `examples-c` or `examples`, which tests/examples.rs builds and runs |
//! | `sh` | it runs, in a shell that stops at the first failure; if a `text` block follows, that is what it prints |
//! | `console`, `text`, ... | shown only |

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use support::patterns::Report;
use support::repo_root;
use support::shell::Workshop;

struct Page {
    path: PathBuf,
    text: String,
}

struct Block {
    language: String,
    code: String,
}

/// The README and the manual. The specification that the project was built to is not of this house.
fn pages() -> Vec<Page> {
    let mut pages = vec![repo_root().join("README.md")];
    markdown(&repo_root().join("docs"), &mut pages);
    pages.retain(|path| !path.starts_with(repo_root().join("docs/spec")));
    pages.iter().map(|path| Page { path: path.clone(), text: fs::read_to_string(path).expect("text") }).collect()
}

fn markdown(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        match entry.path() {
            path if path.is_dir() => markdown(&path, found),
            path if path.extension().is_some_and(|extension| extension == "md") => found.push(path),
            _ => {}
        }
    }
    found.sort();
}

impl Page {
    fn name(&self) -> String {
        self.path.strip_prefix(repo_root()).expect("in the repository").display().to_string()
    }

    fn events(&self) -> Parser<'_> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES)
    }

    /// The blocks of code, but for those that tests/manual.rs quotes from the headers.
    fn blocks(&self) -> Vec<Block> {
        let (mut blocks, mut quoted, mut open) = (Vec::new(), false, None);
        for event in self.events() {
            match event {
                Event::Html(html) if html.starts_with("<!-- header:") => quoted = true,
                Event::Html(html) if html.starts_with("<!-- /header") => quoted = false,
                Event::Start(Tag::CodeBlock(kind)) => {
                    let language = match kind {
                        CodeBlockKind::Fenced(language) => language.to_string(),
                        CodeBlockKind::Indented => "console".to_owned(),
                    };
                    open = Some(Block { language, code: String::new() });
                }
                Event::Text(text) => open.iter_mut().for_each(|block: &mut Block| block.code += &text),
                Event::End(TagEnd::CodeBlock) => blocks.extend(open.take().filter(|_| !quoted)),
                _ => {}
            }
        }
        blocks
    }

    fn links(&self) -> Vec<String> {
        let target = |event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.to_string()),
            _ => None,
        };
        self.events().filter_map(target).collect()
    }

    /// The names by which a forge lets one link to the headings.
    fn anchors(&self) -> BTreeSet<String> {
        let (mut anchors, mut heading) = (BTreeSet::new(), None);
        for event in self.events() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::Text(text) | Event::Code(text) => {
                    heading.iter_mut().for_each(|heading| heading.push_str(&text));
                }
                Event::End(TagEnd::Heading(HeadingLevel::H1 | HeadingLevel::H2 | HeadingLevel::H3)) => {
                    let heading = heading.take().unwrap_or_default().to_lowercase();
                    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
                    anchors.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
                }
                _ => {}
            }
        }
        anchors
    }
}

fn sources(directories: &[&str]) -> Vec<Vec<String>> {
    let entries = directories.iter().flat_map(|directory| fs::read_dir(repo_root().join(directory)).expect(directory));
    let texts = entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts.map(|text| text.lines().map(|line| line.trim_end().to_owned()).collect()).collect()
}

/// Without the indentation that all lines have.
fn dedented(lines: &[String]) -> Vec<&str> {
    let indent = |line: &String| line.len() - line.trim_start().len();
    let common = lines.iter().filter(|line| !line.is_empty()).map(indent).min().unwrap_or(0);
    lines.iter().map(|line| line.get(common..).unwrap_or_default()).collect()
}

fn is_part_of(code: &str, sources: &[Vec<String>]) -> bool {
    let lines: Vec<String> = code.trim_end().lines().map(|line| line.trim_end().to_owned()).collect();
    let wanted = dedented(&lines);
    sources.iter().any(|source| source.windows(lines.len()).any(|window| dedented(window) == wanted))
}

/// What a program has to include, and nothing else.
fn are_includes(code: &str) -> bool {
    let header =
        |line: &str| line.strip_prefix("#include <").and_then(|rest| rest.strip_suffix('>')).map(str::to_owned);
    code.lines().all(|line| header(line).is_some_and(|header| repo_root().join("include").join(header).exists()))
}

#[test]
fn code_in_the_manual_is_that_of_the_examples() {
    let (c, rust) = (sources(&["examples-c"]), sources(&["examples"]));
    let mut report = Report::default();
    for page in pages() {
        for block in page.blocks() {
            let found = match block.language.as_str() {
                "c" => are_includes(&block.code) || is_part_of(&block.code, &c),
                "js" => is_part_of(&block.code, &c),
                "rust" => is_part_of(&block.code, &rust),
                // Lines for a Cargo.toml are tried by tests/recipes.rs.
                "toml" | "sh" | "console" | "text" | "json" | "cpp" | "cmake" | "python" | "ts" => true,
                _ => false,
            };
            let wrong =
                || format!("no example has this, or its language ({:?}) is unknown:\n{}", block.language, block.code);
            report.row(page.name(), if found { Ok(()) } else { Err(wrong()) });
        }
    }
    report.finish();
}

#[test]
fn commands_in_the_manual_run() {
    let mut report = Report::default();
    for page in pages() {
        let blocks = page.blocks();
        for (at, block) in blocks.iter().enumerate().filter(|(_, block)| block.language == "sh") {
            let workshop = Workshop::new();
            workshop.bring("examples-c", ".c");
            let outcome = workshop.run(&block.code);
            let shown = blocks.get(at + 1).filter(|next| next.language == "text");
            let as_shown = shown.is_none_or(|shown| shown.code == outcome.stdout);
            let wrong = || format!("{}\nprints\n{}", block.code, outcome.stdout);
            report.row(page.name(), if as_shown { Ok(()) } else { Err(wrong()) });
        }
    }
    report.finish();
}

#[test]
fn links_lead_somewhere() {
    let mut paths = vec![];
    markdown(&repo_root().join("docs"), &mut paths);
    for directory in ["bindings/cpp", "bindings/python", "bindings/node"] {
        paths.push(repo_root().join(directory).join("README.md"));
    }
    let files = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "DESIGN.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "bench/README.md",
        "bench/history.md",
    ];
    paths.extend(files.map(|name| repo_root().join(name)));
    let read = |path: &PathBuf| Page { path: path.clone(), text: fs::read_to_string(path).unwrap_or_default() };
    let mut report = Report::default();
    for page in paths.iter().map(read) {
        for link in page.links() {
            if ["https://", "http://", "mailto:"].iter().any(|scheme| link.starts_with(scheme)) {
                continue;
            }
            let (file, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(file, anchor)| (file, Some(anchor)));
            let directory = page.path.parent().expect("a directory");
            let target = if file.is_empty() { page.path.clone() } else { directory.join(file) };
            let leads = target.exists() && anchor.is_none_or(|anchor| read(&target).anchors().contains(anchor));
            report.row(page.name(), if leads { Ok(()) } else { Err(format!("{link} leads nowhere")) });
        }
    }
    report.finish();
}

/// "Everything on one page."
#[test]
fn the_table_of_contents_has_every_page() {
    let docs = repo_root().join("docs");
    let contents = fs::read_to_string(docs.join("README.md")).expect("the table of contents");
    for page in pages().iter().filter(|page| page.path.starts_with(&docs) && page.path != docs.join("README.md")) {
        let path = page.path.strip_prefix(&docs).expect("in docs").display().to_string();
        assert!(contents.contains(&format!("({path})")), "docs/README.md has no link to {path}");
    }
}

/// The page of examples has all of them, and no table of a forge's directory is needed to find one.
#[test]
fn the_list_of_examples_has_every_example() {
    let page = fs::read_to_string(repo_root().join("docs/examples.md")).expect("the list");
    for (directory, endings) in [("examples-c", &["c", "html"][..]), ("examples", &["rs"])] {
        for entry in fs::read_dir(repo_root().join(directory)).expect(directory).flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_example = name.rsplit('.').next().is_some_and(|ending| endings.contains(&ending));
            assert!(
                !is_example || page.contains(&format!("(../{directory}/{name})")),
                "docs/examples.md has no {name}"
            );
        }
    }
}

/// Functions, options and constants of ours that the manual names are there, with that name.
#[test]
fn names_in_the_manual_exist() {
    let headers = ["include/nanomsg", "include/millrace"].map(|directory| sources(&[directory]));
    let headers: String = headers.iter().flatten().flatten().map(|line| format!("{line}\n")).collect();
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').map(str::to_owned).collect()
    };
    let known: BTreeSet<String> = words(&headers).into_iter().collect();
    let pages = pages();
    // Manual pages have names as functions have; so has what these pages say of others.
    let titles = pages.iter().filter_map(|page| page.text.strip_prefix("<!-- man ")?.split([' ', ':']).nth(1));
    let allowed: BTreeSet<&str> = titles.chain(["nn_init", "NN_PRINT_ERRORS", "NN_MAX_SOCKETS"]).collect();
    let mut report = Report::default();
    for page in &pages {
        for word in words(&page.text) {
            let is_ours = ["nn_", "NN_", "nnx_", "nnqi_", "NNQI_"].iter().any(|start| word.starts_with(start));
            // A name that ends so stands for all that begin so.
            let exists = word.ends_with('_') || known.contains(&word) || allowed.contains(word.as_str());
            if is_ours {
                report.row(page.name(), if exists { Ok(()) } else { Err(format!("there is no {word}")) });
            }
        }
    }
    report.finish();
}

/// Debian 12's cargo, for one, would complain about the lock file instead.
#[test]
fn an_old_cargo_is_told_what_to_do() {
    let workshop = Workshop::new();
    let script = repo_root().join("tools/rust.sh").display().to_string();
    for (version, new_enough) in [("1.63.0", false), ("1.88.9", false), ("1.89.0", true), ("2.0.0-nightly", true)] {
        workshop.run(&format!("printf '#!/bin/sh\\necho cargo {version}\\n' > cargo; chmod +x cargo"));
        let outcome = workshop.start(&format!("{script} ./cargo")).wait(Instant::now() + Duration::from_secs(30));
        assert_eq!(outcome.code, Some(if new_enough { 0 } else { 1 }), "{version}: {outcome:?}");
        assert!(new_enough || outcome.stderr.contains("rustup.rs") && outcome.stderr.contains(version), "{outcome:?}");
    }
    let outcome = workshop.start(&format!("{script} no-such-cargo")).wait(Instant::now() + Duration::from_secs(30));
    assert!(outcome.code == Some(1) && outcome.stderr.contains("rustup.rs"), "{outcome:?}");
}
