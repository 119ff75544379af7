//! What a caller is told: one errno, the same number C sees (nanomsg-api.md 1.5).

use std::fmt;

/// An errno. Standard conditions use the platform's values; only [`Error::TERM`] and [`Error::FSM`]
/// are nanomsg's own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Error(i32);

/// What may fail gives this: a value, or an errno.
pub type Result<T> = std::result::Result<T, Error>;

/// Base of nanomsg's private error numbers (`NN_HAUSNUMERO`).
pub const HAUSNUMERO: i32 = 156_384_712;

impl Error {
    /// EACCES: permission is missing.
    pub const ACCESS: Error = Error(libc::EACCES);
    /// EADDRINUSE: somebody else is bound to the address.
    pub const ADDR_IN_USE: Error = Error(libc::EADDRINUSE);
    /// EADDRNOTAVAIL: this machine does not have the address.
    pub const ADDR_NOT_AVAILABLE: Error = Error(libc::EADDRNOTAVAIL);
    /// EAFNOSUPPORT: no such domain, or no such family of addresses.
    pub const AF_NO_SUPPORT: Error = Error(libc::EAFNOSUPPORT);
    /// EAGAIN: it cannot be done at once, and was not to be waited for.
    pub const AGAIN: Error = Error(libc::EAGAIN);
    /// EBADF: there is no such socket, or it has been closed.
    pub const BAD_FD: Error = Error(libc::EBADF);
    /// ECONNREFUSED: nobody listens there.
    pub const CONN_REFUSED: Error = Error(libc::ECONNREFUSED);
    /// ECONNRESET: the peer ended the connection.
    pub const CONN_RESET: Error = Error(libc::ECONNRESET);
    /// EDEADLK: it would wait for itself, called from where it must not wait.
    pub const DEADLOCK: Error = Error(libc::EDEADLK);
    /// EFAULT: a pointer that must not be null.
    pub const FAULT: Error = Error(libc::EFAULT);
    /// EFSM, nanomsg's own: the pattern does not allow it now, as a REP that sends before it has received.
    pub const FSM: Error = Error(HAUSNUMERO + 54);
    /// EHOSTUNREACH: there is no way to the host, or the peer is not connected any more.
    pub const HOST_UNREACHABLE: Error = Error(libc::EHOSTUNREACH);
    /// EINTR: a signal handler ran while the call waited.
    pub const INTERRUPTED: Error = Error(libc::EINTR);
    /// EINVAL: an argument is not one of those that may be.
    pub const INVALID: Error = Error(libc::EINVAL);
    /// EMSGSIZE: the message is longer than it may be.
    pub const MSG_SIZE: Error = Error(libc::EMSGSIZE);
    /// ENAMETOOLONG: the address, or the name, is too long.
    pub const NAME_TOO_LONG: Error = Error(libc::ENAMETOOLONG);
    /// ENOBUFS: there is no room for more.
    pub const NO_BUFFERS: Error = Error(libc::ENOBUFS);
    /// ENODEV: there is no such network interface.
    pub const NO_DEVICE: Error = Error(libc::ENODEV);
    /// ENOMEM: memory is short.
    pub const NO_MEMORY: Error = Error(libc::ENOMEM);
    /// ENOPROTOOPT: there is no such option.
    pub const NO_PROTO_OPT: Error = Error(libc::ENOPROTOOPT);
    /// ENOTCONN: there is no connection.
    pub const NOT_CONNECTED: Error = Error(libc::ENOTCONN);
    /// ENOTSUP: this socket, or this build of the library, cannot do that.
    pub const NOT_SUPPORTED: Error = Error(libc::ENOTSUP);
    /// EPROTO: the peer does not keep to the protocol.
    pub const PROTO: Error = Error(libc::EPROTO);
    /// EPROTONOSUPPORT: there is no such transport.
    pub const PROTO_NO_SUPPORT: Error = Error(libc::EPROTONOSUPPORT);
    /// ETERM, nanomsg's own: the library was shut down by `nn_term`.
    pub const TERM: Error = Error(HAUSNUMERO + 53);
    /// ETIMEDOUT: the time limit is over.
    pub const TIMED_OUT: Error = Error(libc::ETIMEDOUT);
    /// EMFILE: there are too many sockets, or open files.
    pub const TOO_MANY_FILES: Error = Error(libc::EMFILE);

    /// The positive number stored in `errno`.
    pub fn errno(self) -> i32 {
        self.0
    }

    /// What `nn_strerror` says: nanomsg's own texts, else the platform's.
    pub fn text(self) -> String {
        self.to_string()
    }

    /// The error of this number.
    pub fn from_errno(errno: i32) -> Error {
        Error(errno)
    }
}

/// An OS failure keeps its number; one without a number (never seen from the kernel) is `EIO`, or `ENOMEM` if memory is short.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        let without = if error.kind() == std::io::ErrorKind::OutOfMemory { libc::ENOMEM } else { libc::EIO };
        Error(error.raw_os_error().unwrap_or(without))
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
