//! What others say, as text for a terminal or a log.

/// Names, addresses and what peers say cannot make lines of their own, nor have a terminal do anything: control characters are
/// written as escapes, and so are those that turn the direction of writing.
pub fn without_controls(line: &str) -> String {
    let is_control = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut clean = String::with_capacity(line.len());
    for c in line.chars() {
        match is_control(c) {
            true => clean.extend(c.escape_default()),
            false => clean.push(c),
        }
    }
    clean
}

/// The same of a text that may have several lines.
#[cfg(feature = "qi")]
pub fn lines_without_controls(text: &str) -> String {
    text.split('\n').map(without_controls).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line() {
        assert_eq!(without_controls("é\x1b[2J\r\n\t\u{9b}\u{202e}"), "é\\u{1b}[2J\\r\\n\\t\\u{9b}\\u{202e}");
    }

    #[cfg(feature = "qi")]
    #[test]
    fn lines_stay_lines() {
        assert_eq!(lines_without_controls("1\x07\n\n2\r\n"), "1\\u{7}\n\n2\\r\n");
        assert_eq!(lines_without_controls(""), "");
    }
}
