//! Which machine this is, as libqi's wheel says it: the text of one file (qi-messaging.md 12).

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::object::random;

/// A random uuid, as text.
pub(super) fn uuid() -> String {
    let mut bytes = random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
    }
    text
}

/// The machine's id, in the file that libqi's wheel uses; the file is made if it is missing. Where there can be none, an id
/// that holds as long as the process.
pub fn machine_id() -> String {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
    match config {
        Some(config) => machine_id_in(&config),
        None => uuid(),
    }
}

/// The same below this directory.
pub(super) fn machine_id_in(config: &Path) -> String {
    let dir = config.join("qimessaging");
    let file = dir.join("machine_id");
    if let Some(id) = read(&file) {
        return id;
    }
    let id = uuid();
    // Written aside and linked into place, so that of two processes that start at once one wins, and nobody reads half.
    let aside = dir.join(format!("machine_id.{}", uuid()));
    let written = fs::create_dir_all(&dir)
        .and_then(|()| fs::File::create_new(&aside))
        .and_then(|mut aside| aside.write_all(id.as_bytes()))
        .and_then(|()| fs::hard_link(&aside, &file));
    // It may not have been made at all.
    let _ = fs::remove_file(&aside);
    match written {
        Ok(()) => id,
        Err(_) => read(&file).unwrap_or(id),
    }
}

fn read(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let text = text.trim();
    (!text.is_empty() && text.len() <= 256).then(|| text.to_owned())
}
