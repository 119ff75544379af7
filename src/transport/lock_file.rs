//! A lock of our own for a name in the file system: a file beside it that is there only while somebody holds the lock. What others
//! lock for reasons of their own, such as the directory, is nothing to wait for.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::sys::Owned;

/// How often, and after what pauses, the lock is asked for: a second in all. It is held for some system calls only.
const ATTEMPTS: u32 = 5000;
const PAUSE: Duration = Duration::from_micros(200);

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    _file: Owned<File>,
}

impl LockFile {
    /// Waits for the lock on a name. `None`: it cannot be had, because no file can be made there (and then no socket either), or
    /// because somebody has held it for long, who cannot be one of us.
    pub fn take(name: &Path) -> Option<LockFile> {
        let mut file_name = OsString::from(".");
        file_name.push(name.file_name()?);
        file_name.push(".nn_bind");
        let path = name.with_file_name(file_name);
        for _ in 0..ATTEMPTS {
            match attempt(&path) {
                Ok(Some(file)) => return Some(LockFile { path, _file: file }),
                #[expect(
                    clippy::disallowed_methods,
                    reason = "file locks can be tried or waited for without end, nothing between"
                )]
                Ok(None) => thread::sleep(PAUSE),
                Err(_) => return None,
            }
        }
        None
    }
}

impl Drop for LockFile {
    /// The file goes while it is locked. Whoever has opened it meanwhile finds that it is no longer in its place.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Takes the lock if it is free.
fn attempt(path: &Path) -> io::Result<Option<Owned<File>>> {
    let Some(file) = open(path)? else { return Ok(None) };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
        Ok(()) => {}
    }
    let opened = file.metadata()?;
    let is_in_place = identity(path) == Some((opened.dev(), opened.ino()));
    Ok(is_in_place.then_some(file))
}

/// Opens the file, or makes it, for everybody to lock. `None`: somebody else was faster.
fn open(path: &Path) -> io::Result<Option<Owned<File>>> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => return Owned::new(file).map(Some),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => {
            let file = Owned::new(file)?;
            file.set_permissions(Permissions::from_mode(0o444))?;
            Ok(Some(file))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(error),
    }
}

/// Device and inode.
pub type FileIdentity = (u64, u64);

/// Which file a name stands for.
pub fn identity(path: &Path) -> Option<FileIdentity> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A directory of its own, which must be empty in the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("{name}.{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Scratch(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            if !thread::panicking() {
                fs::remove_dir(&self.0).unwrap();
            }
        }
    }

    #[test]
    fn one_at_a_time_has_it_and_nothing_is_left_behind() {
        let scratch = Scratch::new("lock-file");
        let name = scratch.0.join("socket");
        let holders = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let lock = LockFile::take(&name).unwrap();
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        thread::yield_now();
                        holders.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
    }

    #[test]
    fn what_a_killed_holder_left_behind_is_taken_over() {
        let scratch = Scratch::new("lock-file-left");
        fs::write(scratch.0.join(".socket.nn_bind"), "").unwrap();
        assert!(LockFile::take(&scratch.0.join("socket")).is_some());
    }

    #[test]
    fn where_no_file_can_be_there_is_no_lock() {
        assert!(LockFile::take(Path::new("/no/such/directory/socket")).is_none());
        assert!(LockFile::take(Path::new("")).is_none());
    }
}
