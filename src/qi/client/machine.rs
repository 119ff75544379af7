//! Which machine this is, as libqi's kin tell it (qi-messaging.md 12).

use std::env;
use std::fs;
use std::path::PathBuf;

/// Namespace of the version-5 uuids that libqi makes of `/etc/machine-id`.
const NAMESPACE: [u8; 16] =
    [0xdd, 0x96, 0x97, 0x1d, 0x09, 0x12, 0x44, 0xc2, 0xa4, 0x07, 0x8e, 0x79, 0xa8, 0x29, 0x7b, 0x89];

/// The ids under which builds of libqi on this machine would know it: that of the user's file, if there is one, and the
/// one made of `/etc/machine-id`. Peers of either kind are on this machine.
pub fn machine_ids() -> Vec<String> {
    let config = env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let config = config.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    let file = config.and_then(|config| fs::read_to_string(config.join("qimessaging/machine_id")).ok());
    let system = fs::read_to_string("/etc/machine-id").ok();
    let ids = [file.map(|text| text.trim().to_owned()), system.map(|text| uuid(text.trim()))];
    ids.into_iter().flatten().filter(|id| !id.is_empty()).collect()
}

/// The version-5 uuid of a text, in libqi's namespace.
fn uuid(text: &str) -> String {
    let mut sha = sha1_smol::Sha1::from(NAMESPACE);
    sha.update(text.as_bytes());
    let mut bytes = sha.digest().bytes();
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = |range: std::ops::Range<usize>| bytes[range].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    [0..4, 4..6, 6..8, 8..10, 10..16].map(hex).join("-")
}

#[cfg(test)]
mod tests {
    #[test]
    fn uuids_are_of_version_five() {
        let uuid = super::uuid("0123456789abcdef0123456789abcdef");
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "5");
        assert_eq!(uuid, super::uuid("0123456789abcdef0123456789abcdef"));
        assert_ne!(uuid, super::uuid(""));
    }
}
