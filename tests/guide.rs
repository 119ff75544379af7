//! The guides show programs that exist: `docs/*.md` against `examples` and `examples-c`, all of which are compiled.

mod support;

use std::fs;
use std::path::Path;

use support::{Lib, c_program, repo_root};

fn files(directory: &str, extension: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(repo_root().join(directory)).expect(directory);
    let paths = entries.map(|entry| entry.expect(directory).path());
    let wanted = |path: &Path| path.extension().is_some_and(|found| found == extension);
    let read = |path: &Path| (path.display().to_string(), fs::read_to_string(path).expect("text"));
    paths.filter(|path| wanted(path)).map(|path| read(&path)).collect()
}

/// Code blocks of a language that are whole programs, or parts of them.
fn programs(guide: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    let code = guide.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned());
    code.filter(|code| code.contains("main(")).collect()
}

#[test]
fn the_programs_of_the_guides_are_the_examples() {
    let mut shown = Vec::new();
    for (guide, text) in files("docs", "md") {
        for (language, directory, extension) in [("rust", "examples", "rs"), ("c", "examples-c", "c")] {
            let examples = files(directory, extension);
            for program in programs(&text, language) {
                let found = examples.iter().find(|(_, example)| example.contains(&program));
                let (name, _) = found.unwrap_or_else(|| panic!("{guide}: no example has\n{program}"));
                shown.push(Path::new(name).file_name().expect("a file").to_owned());
            }
        }
    }
    shown.sort();
    assert_eq!(shown, ["qi_client.c", "qi_client.rs", "qi_service.rs"]);
}
