//! ipc: UNIX stream sockets (transports.md 3).

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockAddr};

use crate::core::options::OptionValue;
use crate::core::{Error, Result};
use crate::sys::Owned;

use super::framing::{Framing, SP_IPC};
use super::stream::{Listening, Stream, Wire, begin_connect, open};
use super::{Dialer, Listener, Setup, Transport};

pub const LEVEL: i32 = -2;
pub const SEC_ATTR: i32 = 1;
pub const OUTBUFSZ: i32 = 2;
pub const INBUFSZ: i32 = 3;

/// More than the reference's 10: a full backlog only makes connectors try again.
const BACKLOG: i32 = 100;

/// Longest path, without the final NUL.
const PATH_MAX: usize = 107;

/// How often, and after what pauses, a directory's lock is asked for: a second in all.
const LOCK_ATTEMPTS: u32 = 5000;
const LOCK_PAUSE: Duration = Duration::from_micros(200);

#[derive(Debug)]
pub struct Ipc;

impl Transport for Ipc {
    fn scheme(&self) -> &'static str {
        "ipc"
    }

    fn level(&self) -> i32 {
        LEVEL
    }

    fn framing(&self) -> &'static dyn Framing {
        &SP_IPC
    }

    fn half_close(&self) -> bool {
        true
    }

    fn listen(&self, address: &[u8], _ipv4only: bool) -> Result<Box<dyn Listener>> {
        let (path, name) = name(address)?;
        let _alone = lock_directory(&path);
        remove_stale(&path, &name)?;
        let socket = open(Domain::UNIX)?;
        socket.bind(&name)?;
        let file = identity(&path);
        let listener = IpcListener { socket: Listening(Owned::new(socket)), path, file };
        listener.socket.0.listen(BACKLOG)?;
        Ok(Box::new(listener))
    }

    fn dialer(&self, address: &[u8], _ipv4only: bool) -> Result<Box<dyn Dialer>> {
        Ok(Box::new(IpcDialer(name(address)?.1)))
    }

    fn default_option(&self, option: i32) -> Result<OptionValue> {
        match option {
            SEC_ATTR => Ok(OptionValue::Pointer(0)),
            OUTBUFSZ | INBUFSZ => Ok(OptionValue::Int(4096)),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }

    /// At least four bytes, checked before the option; without effect here, as in nanomsg on POSIX.
    fn check_option(&self, option: i32, value: &[u8]) -> Result<OptionValue> {
        let first = value.first_chunk::<4>().ok_or(Error::INVALID)?;
        match option {
            // The address itself is the value (nanomsg-api.md 3.1); it is handed back and never followed.
            SEC_ATTR => Ok(OptionValue::Pointer(value.as_ptr() as usize)),
            OUTBUFSZ | INBUFSZ => Ok(OptionValue::Int(i32::from_ne_bytes(*first))),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }
}

#[derive(Debug)]
struct IpcListener {
    socket: Listening,
    path: PathBuf,
    /// Which file our name was. None for the abstract name, which has no file.
    file: Option<FileIdentity>,
}

impl Listener for IpcListener {
    fn accept(&self, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
        Ok(Arc::new(Wire::new(self.socket.accept()?, setup.buffers)?))
    }

    fn fd(&self) -> RawFd {
        self.socket.0.as_raw_fd()
    }
}

impl Drop for IpcListener {
    /// Already removed by somebody is fine; what somebody else has put there since is not ours to remove.
    fn drop(&mut self) {
        let _alone = lock_directory(&self.path);
        if self.file.is_some() && self.file == identity(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[derive(Debug)]
struct IpcDialer(SockAddr);

impl Dialer for IpcDialer {
    fn dial(&self, _resolved: Option<IpAddr>, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
        let socket = open(Domain::UNIX)?;
        begin_connect(socket.connect(&self.0))?;
        Ok(Arc::new(Wire::new(socket, setup.buffers)?))
    }
}

/// The path and its socket address. An empty path is the abstract name of NUL bytes only.
fn name(address: &[u8]) -> Result<(PathBuf, SockAddr)> {
    if address.len() > PATH_MAX {
        return Err(Error::NAME_TOO_LONG);
    }
    let path = if address.is_empty() { &[0; PATH_MAX + 1][..] } else { address };
    let name = SockAddr::unix(OsStr::from_bytes(path)).map_err(|_| Error::INVALID)?;
    Ok((PathBuf::from(OsStr::from_bytes(address)), name))
}

/// Device and inode.
type FileIdentity = (u64, u64);

fn identity(path: &Path) -> Option<FileIdentity> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Keeps other binders away while a name is looked at and then changed. Between its bind and its listen a socket looks
/// just like a stale one, so without this two binders at once could both succeed and one never be found.
/// A directory that cannot be opened has no lock; and a lock held for long is not a binder's, and not waited for.
fn lock_directory(path: &Path) -> Option<Owned<File>> {
    path.file_name()?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = Owned::new(File::open(directory).ok()?);
    for _ in 0..LOCK_ATTEMPTS {
        match directory.try_lock() {
            Ok(()) => return Some(directory),
            #[expect(
                clippy::disallowed_methods,
                reason = "file locks can be tried or waited for without end, nothing between"
            )]
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Removes a socket nobody listens on any more. Anything else that is in the way stays (unlike in
/// nanomsg, which unlinks regular files too).
fn remove_stale(path: &Path, name: &SockAddr) -> Result<()> {
    match open(Domain::UNIX)?.connect(name) {
        Ok(()) => Err(Error::ADDR_IN_USE),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock => Err(Error::ADDR_IN_USE),
            io::ErrorKind::ConnectionRefused => match fs::symlink_metadata(path) {
                Ok(found) if found.file_type().is_socket() => match fs::remove_file(path) {
                    // Its owner, or somebody who wants to bind as well, was faster.
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
                    _ => Ok(()),
                },
                Ok(_) => Err(Error::ADDR_IN_USE),
                Err(_) => Ok(()),
            },
            _ => Ok(()),
        },
    }
}
