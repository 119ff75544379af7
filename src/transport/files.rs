//! Files that the program names: certificates, keys.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Longest file that is read. All authorities that a system knows are a quarter of a mebibyte; a device or a disk has no end.
const MOST: u64 = 16 << 20;

/// What is in a file, of at most 16 MiB: `EFBIG`.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_from(File::open(path)?, MOST)
}

fn read_from(file: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(most + 1).read_to_end(&mut content)?;
    match content.len() as u64 > most {
        true => Err(io::Error::from_raw_os_error(libc::EFBIG)),
        false => Ok(content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_an_end() {
        assert_eq!(read_from(&b"12345678"[..], 8).unwrap(), b"12345678");
        assert_eq!(read_from(&b"123456789"[..], 8).unwrap_err().raw_os_error(), Some(libc::EFBIG));
        assert_eq!(read(Path::new("/dev/zero")).unwrap_err().raw_os_error(), Some(libc::EFBIG));
        assert_eq!(read(Path::new("/no/such/file")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
