//! The manual and the headers say the same, and so do the manual pages, which are made from the manual.
//!
//! One source: the comments in `src/capi` become the headers; pages in `docs` quote those; the pages become `docs/man`.

mod support;

#[path = "manual/header.rs"]
mod header;
#[path = "manual/page.rs"]
mod page;
#[path = "manual/roff.rs"]
mod roff;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use header::{Kind, errors, items};
use page::{Page, pages};
use support::installed::files_below;
use support::{ScratchDir, repo_root, require_tool, run};

fn man_dir() -> PathBuf {
    repo_root().join("docs/man")
}

/// Every manual page, by its file's name.
fn manual_pages(pages: &[Page]) -> BTreeMap<String, String> {
    let titles: Vec<_> = pages.iter().filter_map(|page| Some((page, page.title()?))).collect();
    // A link to a page of the manual that is a manual page, as nn_send(3).
    let name_of = |target: &str| {
        let file = Path::new(target.split('#').next()?).file_name()?;
        let (_, title) = titles.iter().find(|(page, _)| page.path.file_name() == Some(file))?;
        Some(format!("\\fB{}\\fP(\\fB{}\\fP)", title.name, title.section).replace("(\\fB", "(").replace("\\fP)", ")"))
    };
    let made = titles
        .iter()
        .map(|(page, title)| (format!("{}.{}", title.name, title.section), roff::manual_page(page, title, &name_of)));
    made.collect()
}

/// Writes the references of bindings that are made of their headers and types.
fn write_references(into: &Path) {
    require_tool("python3", "python3");
    let mut python = Command::new("python3");
    run(python.arg(repo_root().join("tools/reference.py")).arg(into), Duration::from_secs(60))
        .expect_success("tools/reference.py");
}

#[test]
fn references_of_bindings_are_current() {
    let written = ScratchDir::new();
    write_references(written.as_ref());
    let pages = files_below(written.as_ref());
    assert_eq!(pages.len(), 4, "{pages:?}");
    for page in pages {
        let (now, committed) = (written.path(&page), repo_root().join("docs/reference").join(&page));
        assert!(
            fs::read_to_string(now).expect("a page") == fs::read_to_string(committed).unwrap_or_default(),
            "docs/reference/{page} is stale: run `make manual`"
        );
    }
}

/// `make manual`
#[test]
#[ignore = "writes to docs"]
fn regenerate() {
    write_references(&repo_root().join("docs/reference"));
    let items = items();
    for page in pages() {
        let fresh = page.refreshed(&items);
        if fresh != page.text {
            fs::write(&page.path, fresh).expect("write a page");
        }
    }
    for (name, text) in manual_pages(&pages()) {
        fs::create_dir_all(man_dir()).expect("docs/man");
        fs::write(man_dir().join(name), text).expect("write a manual page");
    }
}

#[test]
fn pages_quote_the_headers_as_they_are() {
    let items = items();
    for page in pages() {
        let fresh = page.refreshed(&items);
        assert!(fresh == page.text, "{} is stale: run `make manual`", page.path.display());
    }
}

#[test]
fn manual_pages_are_made_from_the_manual() {
    let pages = manual_pages(&pages());
    for (name, text) in &pages {
        let committed = fs::read_to_string(man_dir().join(name)).unwrap_or_default();
        assert!(committed == *text, "docs/man/{name} is stale: run `make manual`");
    }
    for entry in fs::read_dir(man_dir()).expect("docs/man") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        // Those of the programs (section 1) have other sources.
        assert!(name.ends_with(".1") || pages.contains_key(&name), "docs/man/{name} has no page in docs any more");
    }
}

#[test]
fn everything_in_the_headers_is_in_the_manual() {
    let pages = pages();
    let quoted: BTreeSet<&str> = pages.iter().flat_map(Page::quoted).collect();
    // What belongs together is told together, in the page of one of it.
    let told_elsewhere = |name: &str| {
        let groups = ["NN_NS_", "NN_TYPE_", "NN_UNIT_", "NN_VERSION_", "NN_PROTO_"];
        let single = ["NN_HAUSNUMERO", "ETERM", "EFSM", "AF_SP", "AF_SP_RAW", "NN_SOCKADDR_MAX", "NN_SOL_SOCKET"];
        let more = ["NN_DONTWAIT", "PROTO_SP", "SP_HDR", "NN_INPROC", "NN_IPC", "NN_TCP", "NN_WS", "nn_req_handle"];
        groups.iter().any(|group| name.starts_with(group)) || single.contains(&name) || more.contains(&name)
    };
    let items = items();
    let missing = items.iter().filter(|item| {
        !quoted.contains(item.name.as_str()) && !quoted.contains(item.header.as_str()) && !told_elsewhere(&item.name)
    });
    let missing: Vec<&str> = missing.map(|item| item.name.as_str()).collect();
    assert!(missing.is_empty(), "no page in docs quotes {missing:?}");
}

/// The table of errors of a function's page has those that the header names; it may have more where the header
/// refers to another function.
#[test]
fn pages_list_the_errors_that_the_header_names() {
    let items = items();
    for page in pages() {
        let Some(title) = page.title().filter(|title| title.section == "3") else { continue };
        let function =
            items.iter().find(|item| item.kind == Kind::Function && page.quoted().contains(&item.name.as_str()));
        let function = function.unwrap_or_else(|| panic!("{} quotes no function", page.path.display()));
        let section = page.section("Errors").unwrap_or_else(|| panic!("{} has no errors", page.path.display()));
        let rows = section.lines().filter_map(|line| line.strip_prefix("| E")?.split_once(' '));
        let listed: Vec<String> = rows.map(|(name, _)| format!("E{name}")).collect();
        if !section.contains("| error |") {
            continue; // a function that cannot fail says so
        }
        let named = errors(&function.text);
        for error in &named {
            let told = listed.contains(error) || NOT_OF_THE_CALL.contains(&(title.name.as_str(), error.as_str()));
            assert!(told, "{} does not list {error}, which the header names", page.path.display());
        }
        for error in &listed {
            assert!(named.contains(error), "{} lists {error}, which the header does not name", page.path.display());
        }
    }
}

/// Errors that the text of a function names, and that another call fails with.
const NOT_OF_THE_CALL: [(&str, &str); 2] = [("nn_socket", "EBADF"), ("nnx_cancel", "EFSM")];

/// Those of the object bus are told together (nnqi.7), and some that belong together in one page of theirs.
#[test]
fn every_function_has_a_manual_page() {
    let pages = pages();
    let of_section_3 = pages.iter().filter(|page| page.title().is_some_and(|title| title.section == "3"));
    let told: BTreeSet<&str> = of_section_3.flat_map(Page::quoted).collect();
    let items = items();
    let functions = items.iter().filter(|item| item.kind == Kind::Function && !item.name.starts_with("nnqi_"));
    let missing: Vec<&str> = functions.map(|item| item.name.as_str()).filter(|name| !told.contains(name)).collect();
    assert!(missing.is_empty(), "no manual page tells of {missing:?}");
}

#[test]
fn manual_pages_are_good_mdoc_style() {
    require_tool("mandoc", "mandoc");
    let mut mandoc = Command::new("mandoc");
    mandoc.args(["-T", "lint", "-W", "style"]);
    for name in manual_pages(&pages()).keys() {
        mandoc.arg(man_dir().join(name));
    }
    let outcome = run(&mut mandoc, Duration::from_secs(60));
    assert_eq!(outcome.stdout, "", "mandoc finds fault");
    outcome.expect_success("mandoc");
}
