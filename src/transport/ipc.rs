//! ipc: UNIX stream sockets (transports.md 3).

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use socket2::{Domain, SockAddr, Socket};

use crate::core::options::OptionValue;
use crate::core::{Error, Result};
use crate::sys::Owned;

use super::framing::{Framing, SP_IPC};
use super::lock_file::{FileIdentity, LockFile, identity};
use super::stream::{Listening, Stream, Wire, begin_connect, open};
use super::{BACKLOG, Dialer, EndpointOptions, Listener, Setup, Transport, TransportOptions};

pub const LEVEL: i32 = -2;
pub const SEC_ATTR: i32 = 1;
pub const OUTBUFSZ: i32 = 2;
pub const INBUFSZ: i32 = 3;
/// Ours.
pub const MODE: i32 = 19829;
pub const OWNER: i32 = 19830;
pub const GROUP: i32 = 19831;

/// Longest path, without the final NUL.
pub const PATH_MAX: usize = 107;

/// `ipc`, and what others call it.
#[derive(Debug)]
pub struct Ipc {
    scheme: &'static str,
}

pub static IPC: Ipc = Ipc { scheme: "ipc" };
pub static UNIX: Ipc = Ipc { scheme: "unix" };

impl Transport for Ipc {
    fn scheme(&self) -> &'static str {
        self.scheme
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

    fn listen(&self, address: &[u8], options: &EndpointOptions) -> Result<Box<dyn Listener>> {
        let (given, name) = name(address)?;
        let path = absolute(given);
        // Made before the lock is taken, so dropped after that has been let go: it takes it itself to remove its file.
        let mut listener = IpcListener::new()?;
        // Between its bind and its listen a socket looks just like a stale one: without a lock two binders at once could both
        // succeed, and one never be found.
        let _alone = LockFile::take(&path);
        remove_stale(&path, &name)?;
        listener.socket.0.bind(&name)?;
        (listener.file, listener.path) = (identity(&path), path);
        // Nobody can connect before it listens.
        give_away(&listener.path, &options.options)?;
        listener.socket.0.listen(BACKLOG)?;
        Ok(Box::new(listener))
    }

    fn dialer(&self, address: &[u8], _options: &EndpointOptions) -> Result<Box<dyn Dialer>> {
        let (given, name) = name(address)?;
        Ok(Box::new(IpcDialer::new(given, name)))
    }

    fn default_option(&self, option: i32) -> Result<OptionValue> {
        match option {
            SEC_ATTR => Ok(OptionValue::Pointer(0)),
            OUTBUFSZ | INBUFSZ => Ok(OptionValue::Int(4096)),
            MODE | OWNER | GROUP => Ok(OptionValue::Int(-1)),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }

    /// At least four bytes, checked before the option; without effect here, as in nanomsg on POSIX.
    fn check_option(&self, option: i32, value: &[u8]) -> Result<OptionValue> {
        let first = value.first_chunk::<4>().ok_or(Error::INVALID)?;
        let number = i32::from_ne_bytes(*first);
        match option {
            MODE if value.len() == 4 && (-1..=0o777).contains(&number) => Ok(OptionValue::Int(number)),
            OWNER | GROUP if value.len() == 4 && number >= -1 => Ok(OptionValue::Int(number)),
            MODE | OWNER | GROUP => Err(Error::INVALID),
            // The address itself is the value (nanomsg-api.md 3.1); it is handed back and never followed.
            SEC_ATTR => Ok(OptionValue::Pointer(value.as_ptr() as usize)),
            OUTBUFSZ | INBUFSZ => Ok(OptionValue::Int(number)),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }
}

#[derive(Debug)]
pub struct IpcListener {
    socket: Listening,
    path: PathBuf,
    /// Which file our name was. None for abstract names, which have no file.
    file: Option<FileIdentity>,
}

impl IpcListener {
    /// Listens at a name that has no file.
    pub fn without_file(name: &SockAddr) -> Result<IpcListener> {
        let listener = IpcListener::new()?;
        listener.socket.0.bind(name)?;
        listener.socket.0.listen(BACKLOG)?;
        Ok(listener)
    }

    /// Without a name, and nobody can connect yet.
    fn new() -> Result<IpcListener> {
        let socket = Listening(Owned::new(open(Domain::UNIX)?)?);
        Ok(IpcListener { socket, path: PathBuf::new(), file: None })
    }
}

impl Listener for IpcListener {
    fn socket(&self) -> &Listening {
        &self.socket
    }

    fn stream(&self, socket: Socket, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
        Ok(Arc::new(Wire::unix(socket, setup.buffers)?))
    }
}

impl Drop for IpcListener {
    /// Already removed by somebody is fine; what somebody else has put there since is not ours to remove.
    fn drop(&mut self) {
        if self.file.is_none() || self.file != identity(&self.path) {
            return;
        }
        let _alone = LockFile::take(&self.path);
        if self.file == identity(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Finds the same file whatever becomes of the current directory.
#[derive(Debug)]
pub struct IpcDialer {
    name: SockAddr,
    /// Kept open where the name leads through it.
    _directory: Option<Owned<File>>,
}

impl IpcDialer {
    pub fn to(name: SockAddr) -> IpcDialer {
        IpcDialer { name, _directory: None }
    }

    fn new(given: &Path, name: SockAddr) -> IpcDialer {
        if given.as_os_str().is_empty() || given.is_absolute() {
            return IpcDialer::to(name);
        }
        let path = absolute(given);
        if path.is_absolute() && path.as_os_str().len() <= PATH_MAX {
            return IpcDialer::to(SockAddr::unix(&path).unwrap_or(name));
        }
        through_directory(given).unwrap_or(IpcDialer::to(name))
    }
}

impl Dialer for IpcDialer {
    fn dial(&self, _resolved: Option<IpAddr>, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
        let socket = open(Domain::UNIX)?;
        begin_connect(socket.connect(&self.name))?;
        Ok(Arc::new(Wire::unix(socket, setup.buffers)?))
    }
}

/// Gives a file the owner and the permissions that were asked for.
fn give_away(path: &Path, options: &TransportOptions) -> io::Result<()> {
    let chosen = |option| u32::try_from(options.int(LEVEL, option)).ok();
    let (owner, group) = (chosen(OWNER), chosen(GROUP));
    // The empty name has no file.
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    if owner.is_some() || group.is_some() {
        lchown(path, owner, group)?;
    }
    chosen(MODE).map_or(Ok(()), |mode| fs::set_permissions(path, Permissions::from_mode(mode)))
}

/// The path and its socket address. An empty path is the abstract name of NUL bytes only.
fn name(address: &[u8]) -> Result<(&Path, SockAddr)> {
    if address.len() > PATH_MAX {
        return Err(Error::NAME_TOO_LONG);
    }
    let path = if address.is_empty() { &[0; PATH_MAX + 1][..] } else { address };
    let name = SockAddr::unix(OsStr::from_bytes(path)).map_err(|_| Error::INVALID)?;
    Ok((Path::new(OsStr::from_bytes(address)), name))
}

/// The same file by a path that the current directory has no part in; as it is given where that does not lead there, because a
/// directory above may not be searched.
fn absolute(given: &Path) -> PathBuf {
    if given.as_os_str().is_empty() || given.is_absolute() {
        return given.to_owned();
    }
    let Ok(current) = env::current_dir() else { return given.to_owned() };
    let path = current.join(given);
    let same = path.parent().and_then(directory_identity) == directory_identity(directory_of(given));
    if same { path } else { given.to_owned() }
}

fn directory_of(given: &Path) -> &Path {
    given.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn directory_identity(path: &Path) -> Option<FileIdentity> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Through the descriptor of its directory a file is found where its absolute path is too long for a socket's name. (That is what
/// relative paths are often for.)
fn through_directory(given: &Path) -> Option<IpcDialer> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let directory = OpenOptions::new().read(true).custom_flags(flags).open(directory_of(given)).ok()?;
    let directory = Owned::new(directory).ok()?;
    let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(given.file_name()?);
    let name = SockAddr::unix(path).ok()?;
    Some(IpcDialer { name, _directory: Some(directory) })
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
