//! The examples in the comments of the bus's headers: each is compiled and run, as it stands there.

mod support;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use support::{Lib, c_program, command, repo_root, run};

/// Where the addresses of the examples are in this test.
const HERE: [(&str, &str); 2] = [("\"tcp://robot.local:9559\"", "url"), ("tcp://0.0.0.0:9559", "tcp://127.0.0.1:0")];

/// Each line of the headers that begins with `Example:`.
#[test]
fn examples_in_comments_run() {
    let (mut functions, mut table, mut count) = (String::new(), String::new(), 0);
    for name in ["qi_values.h", "qi_client.h", "qi_service.h"] {
        let header = fs::read_to_string(repo_root().join("include/millrace").join(name)).expect("a header");
        for example in header.lines().filter_map(|line| line.trim_start_matches([' ', '*']).strip_prefix("Example: ")) {
            count += 1;
            let code = HERE.iter().fold(example.to_owned(), |code, (there, here)| code.replace(there, here));
            writeln!(functions, "static void example_{count}(void)\n{{\n{code}\n}}").expect("a text");
            writeln!(table, "{{{example:?}, example_{count}}},").expect("a text");
        }
    }
    assert!(count >= 60, "{count} examples");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("header_examples");
    fs::create_dir_all(&directory).expect("a directory");
    let unused = "#pragma GCC diagnostic ignored \"-Wunused-variable\"\n#pragma GCC diagnostic ignored \"-Wunused-but-set-variable\"\n";
    let examples = format!("{unused}{functions}static const struct example EXAMPLES[] = {{\n{table}{{0, 0}}}};\n");
    fs::write(directory.join("examples.h"), examples).expect("the examples");
    fs::copy(repo_root().join("tests/data/header_examples.c"), directory.join("header_examples.c")).expect("a program");
    let program = c_program(directory.join("header_examples.c").to_str().expect("a name"), Lib::Ours);
    run(&mut command(&program, Lib::Ours), Duration::from_secs(100)).expect_success("the examples");
}
