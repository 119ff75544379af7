//! What a caller is told: one errno, the same number C sees (nanomsg-api.md 1.5).

use std::fmt;

/// An errno. Standard conditions use the platform's values; only [`Error::TERM`] and [`Error::FSM`]
/// are nanomsg's own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Error(i32);

pub type Result<T> = std::result::Result<T, Error>;

/// Base of nanomsg's private error numbers (`NN_HAUSNUMERO`).
pub const HAUSNUMERO: i32 = 156_384_712;

impl Error {
    pub const ACCESS: Error = Error(libc::EACCES);
    pub const ADDR_IN_USE: Error = Error(libc::EADDRINUSE);
    pub const ADDR_NOT_AVAILABLE: Error = Error(libc::EADDRNOTAVAIL);
    pub const AF_NO_SUPPORT: Error = Error(libc::EAFNOSUPPORT);
    pub const AGAIN: Error = Error(libc::EAGAIN);
    pub const BAD_FD: Error = Error(libc::EBADF);
    pub const CONN_REFUSED: Error = Error(libc::ECONNREFUSED);
    pub const CONN_RESET: Error = Error(libc::ECONNRESET);
    pub const DEADLOCK: Error = Error(libc::EDEADLK);
    pub const FAULT: Error = Error(libc::EFAULT);
    pub const FSM: Error = Error(HAUSNUMERO + 54);
    pub const HOST_UNREACHABLE: Error = Error(libc::EHOSTUNREACH);
    pub const INTERRUPTED: Error = Error(libc::EINTR);
    pub const INVALID: Error = Error(libc::EINVAL);
    pub const MSG_SIZE: Error = Error(libc::EMSGSIZE);
    pub const NAME_TOO_LONG: Error = Error(libc::ENAMETOOLONG);
    pub const NO_BUFFERS: Error = Error(libc::ENOBUFS);
    pub const NO_DEVICE: Error = Error(libc::ENODEV);
    pub const NO_MEMORY: Error = Error(libc::ENOMEM);
    pub const NO_PROTO_OPT: Error = Error(libc::ENOPROTOOPT);
    pub const NOT_CONNECTED: Error = Error(libc::ENOTCONN);
    pub const NOT_SUPPORTED: Error = Error(libc::ENOTSUP);
    pub const PROTO: Error = Error(libc::EPROTO);
    pub const PROTO_NO_SUPPORT: Error = Error(libc::EPROTONOSUPPORT);
    pub const TERM: Error = Error(HAUSNUMERO + 53);
    pub const TIMED_OUT: Error = Error(libc::ETIMEDOUT);
    pub const TOO_MANY_FILES: Error = Error(libc::EMFILE);

    /// The positive number stored in `errno`.
    pub fn errno(self) -> i32 {
        self.0
    }

    /// What `nn_strerror` says: nanomsg's own texts, else the platform's.
    pub fn text(self) -> String {
        self.to_string()
    }

    pub fn from_errno(errno: i32) -> Error {
        Error(errno)
    }
}

/// An OS failure keeps its number; one without a number (never seen from the kernel) is `EIO`.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        Error(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> std::io::Error {
        match error {
            // The platform knows nothing of these two.
            Error::TERM | Error::FSM => std::io::Error::other(error),
            Error(errno) => std::io::Error::from_raw_os_error(errno),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::TERM => out.write_str("Nanomsg library was terminated"),
            Error::FSM => out.write_str("Operation cannot be performed in this state"),
            Error(errno) => {
                // The standard library appends " (os error N)" to what strerror says.
                let text = std::io::Error::from_raw_os_error(errno).to_string();
                out.write_str(text.split(" (os error").next().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Error({}: {self})", self.0)
    }
}

impl std::error::Error for Error {}
