//! Which machine this is, as libqi's kin tell it (qi-messaging.md 12): its wheel by the text of one file, its builds for
//! systemd by a uuid made of `/etc/machine-id`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::sys::random;

/// Namespace of the version-5 uuids that libqi makes of `/etc/machine-id`.
const NAMESPACE: [u8; 16] =
    [0xdd, 0x96, 0x97, 0x1d, 0x09, 0x12, 0x44, 0xc2, 0xa4, 0x07, 0x8e, 0x79, 0xa8, 0x29, 0x7b, 0x89];

/// The machine's id, in the file that libqi's wheel uses; the file is made if it is missing. Where there can be none, an id
/// that holds as long as the process.
pub fn machine_id() -> String {
    match config_directory() {
        Some(config) => machine_id_in(&config),
        None => random_uuid(),
    }
}

/// The ids under which builds of libqi on this machine would know it: that of the user's file, if there is one, and the
/// one made of `/etc/machine-id`. Peers of either kind are on this machine.
pub fn machine_ids() -> Vec<String> {
    let own = config_directory().and_then(|config| read(&id_file(&config)));
    let system = read(Path::new("/etc/machine-id")).map(|text| uuid_of(&text));
    own.into_iter().chain(system).collect()
}

fn config_directory() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")))
}

fn id_file(config: &Path) -> PathBuf {
    config.join("qimessaging").join("machine_id")
}

/// As [`machine_id`], below this directory.
pub(super) fn machine_id_in(config: &Path) -> String {
    let file = id_file(config);
    if let Some(id) = read(&file) {
        return id;
    }
    let id = random_uuid();
    // Written aside and linked into place, so that of two processes that start at once one wins, and nobody reads half.
    let aside = file.with_file_name(format!("machine_id.{}", random_uuid()));
    let written = fs::create_dir_all(file.parent().unwrap_or(config))
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

/// A random uuid, as text.
pub(super) fn random_uuid() -> String {
    let mut bytes = random::bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    uuid_text(bytes)
}

/// The version-5 uuid of a text, in libqi's namespace.
fn uuid_of(text: &str) -> String {
    let mut sha = sha1_smol::Sha1::from(NAMESPACE);
    sha.update(text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&sha.digest().bytes()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x50;
    uuid_text(bytes)
}

fn uuid_text(mut bytes: [u8; 16]) -> String {
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = |range: std::ops::Range<usize>| bytes[range].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    [0..4, 4..6, 6..8, 8..10, 10..16].map(hex).join("-")
}

#[cfg(test)]
mod tests {
    #[test]
    fn uuids_are_of_version_five() {
        let uuid = super::uuid_of("0123456789abcdef0123456789abcdef");
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "5");
        assert_eq!(uuid, super::uuid_of("0123456789abcdef0123456789abcdef"));
        assert_ne!(uuid, super::uuid_of(""));
    }
}
