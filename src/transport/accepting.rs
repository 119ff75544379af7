//! Accepting what waits at a listener, and what to do when that fails: the same for all listeners.

use std::io::{self, ErrorKind};
use std::time::Duration;

/// When descriptors or memory ran out, accepting is tried again after this long, not at once: the connection that could not be
/// accepted would be reported again and again.
pub const PAUSE: Duration = Duration::from_millis(100);

/// Connections accepted before others have their turn.
pub const AT_ONCE: usize = 64;

/// How accepting ended for now.
#[derive(Debug)]
pub enum Accepted {
    /// Nobody waits any more; the next one will be reported.
    All,
    /// Others have their turn. Readiness is edge-triggered, so the listener must be watched anew.
    Some,
    /// It fails, whoever waits: to be tried again after [`PAUSE`].
    Failed(io::Error),
}

/// Accepts those who wait, one by one. `accept` accepts and welcomes the next one; its error is that of accepting, and
/// `WouldBlock` if nobody waits.
pub fn accept_all(mut accept: impl FnMut() -> io::Result<()>) -> Accepted {
    for _ in 0..AT_ONCE {
        match accept() {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Accepted::All,
            // That connection is gone already; the next may be well.
            Err(error) if error.raw_os_error().is_some_and(is_of_one) => {}
            Err(error) => return Accepted::Failed(error),
        }
    }
    Accepted::Some
}

/// Is it the error of one connection, which the kernel tells by accept(2), rather than ours or the listener's?
fn is_of_one(errno: i32) -> bool {
    matches!(
        errno,
        libc::ECONNABORTED
            | libc::ECONNRESET
            | libc::EINTR
            | libc::ENETDOWN
            | libc::EPROTO
            | libc::ENOPROTOOPT
            | libc::EHOSTDOWN
            | libc::ENONET
            | libc::EHOSTUNREACH
            | libc::EOPNOTSUPP
            | libc::ENETUNREACH
            | libc::ENOTCONN
            | libc::EPIPE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is accepted of these outcomes, 0 being a connection, and how that ends.
    fn accepted(outcomes: &[i32]) -> (usize, Accepted) {
        let (mut outcomes, mut count) = (outcomes.iter(), 0);
        let ended = accept_all(|| match outcomes.next() {
            Some(0) => {
                count += 1;
                Ok(())
            }
            Some(errno) => Err(io::Error::from_raw_os_error(*errno)),
            None => Err(ErrorKind::WouldBlock.into()),
        });
        (count, ended)
    }

    #[test]
    fn all_who_wait_are_accepted_past_those_who_have_gone() {
        for gone in [libc::ECONNABORTED, libc::EPROTO, libc::EHOSTUNREACH] {
            assert!(matches!(accepted(&[0, gone, 0, 0]), (3, Accepted::All)), "{gone}");
        }
    }

    #[test]
    fn what_is_short_or_closed_stops_it() {
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS, libc::EBADF, libc::EINVAL, libc::EPERM] {
            let (count, ended) = accepted(&[0, errno, 0]);
            assert!(count == 1 && matches!(&ended, Accepted::Failed(error) if error.raw_os_error() == Some(errno)));
        }
    }

    #[test]
    fn others_have_their_turn() {
        assert!(matches!(accepted(&[0; AT_ONCE]), (AT_ONCE, Accepted::Some)));
        assert!(matches!(accepted(&[libc::ECONNABORTED; AT_ONCE * 2]), (0, Accepted::Some)), "also from those who go");
    }
}
