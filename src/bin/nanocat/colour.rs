//! Colours, where people look and have not said that they want none.

use std::io::IsTerminal;

pub const RED: &str = "\x1b[31m";
pub const DIM: &str = "\x1b[2m";
pub const PLAIN: &str = "\x1b[0m";

/// On a terminal, unless NO_COLOR is set or the terminal is a dumb one.
pub fn wanted(stream: &impl IsTerminal) -> bool {
    stream.is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_some_and(|value| value != "dumb")
}
