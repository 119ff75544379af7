//! What `--help` says.

use crate::table::{CHOICES, Choice, Group, MANDATORY};

/// Where the text of an option begins, and where lines end.
const COLUMN: usize = 24;
const WIDTH: usize = 80;

/// The whole text for a program called so.
pub fn text(program: &str) -> String {
    let mut text = format!("Usage:\n    {program} {}\n\nA command-line interface to nanomsg\n", usage());
    for group in Group::ALL {
        text += &format!("\n{}:\n", group.title());
        text.extend(CHOICES.iter().filter(|choice| choice.group == group).map(entry));
    }
    text
}

fn usage() -> String {
    let mandatory = |choice: &&Choice| choice.provides & MANDATORY != 0;
    let required: Vec<_> = CHOICES.iter().filter(mandatory).map(|choice| format!("--{}", choice.long)).collect();
    let optional = || CHOICES.iter().filter(|choice| !mandatory(choice));
    let flags: String = optional().filter(|choice| choice.meta.is_none()).filter_map(|choice| choice.short).collect();
    let with_argument: String =
        optional().filter_map(|choice| Some(format!("[-{} {}] ", choice.short?, choice.meta?))).collect();
    format!("{{{}}} [-{flags}] {with_argument}[options] ", required.join("|"))
}

fn entry(choice: &Choice) -> String {
    let mut text = format!(" --{}", choice.long);
    if let Some(short) = choice.short {
        text += &format!(",-{short}");
    }
    if let Some(meta) = choice.meta {
        text += &format!(" {meta}");
    }
    if text.len() >= COLUMN {
        text.push('\n');
    }
    let mut column = if text.ends_with('\n') { 0 } else { text.len() };
    let mut first = true;
    for word in choice.help.split(' ') {
        if !first && column + 1 + word.len() >= WIDTH {
            text.push('\n');
            column = 0;
            first = true;
        }
        if first {
            text += &" ".repeat(COLUMN - column);
            column = COLUMN;
        } else {
            text.push(' ');
            column += 1;
        }
        text += word;
        column += word.len();
        first = false;
    }
    text + "\n"
}
