//! TLS as pipes want their streams: what was taken for writing counts as written when the kernel has it, so that the pipe knows what
//! is still to be sent, and every end is reported.

use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::os::fd::RawFd;
use std::sync::{Mutex, PoisonError};

use smallvec::SmallVec;

use super::super::stream::Stream;
use super::stream::TlsStream;

/// Bytes encrypted for one write.
const BATCH: usize = 64 * 1024;

#[derive(Debug)]
pub struct Tunnel {
    tls: TlsStream,
    /// Bytes of the pipe that are encrypted and not all with the kernel. Until they are, the pipe offers them again.
    owed: Mutex<usize>,
}

impl Tunnel {
    pub fn new(tls: TlsStream) -> Tunnel {
        Tunnel { tls, owed: Mutex::new(0) }
    }
}

impl Stream for Tunnel {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let made = self.tls.read(into)?;
        if made < into.len() && made > 0 && self.tls.has_unread() {
            // An end or a fault follows, of which no readiness would tell.
            let _ = self.tls.shut(Shutdown::Read);
        }
        Ok(made)
    }

    fn write(&self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = from.iter().map(|slice| slice.len()).sum();
        let mut done = 0;
        loop {
            match self.tls.write(&[]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock && done > 0 => return Ok(done),
                outcome => outcome?,
            };
            let paid = (*owed).min(total - done);
            *owed -= paid;
            done += paid;
            if done == total {
                return Ok(done);
            }
            match self.tls.write(&batch(from, done))? {
                0 => return Err(ErrorKind::WouldBlock.into()),
                taken => *owed += taken,
            }
        }
    }

    fn expect(&self, bytes: usize) -> bool {
        self.tls.expect(bytes)
    }

    fn shut_write(&self) -> io::Result<()> {
        self.tls.shut_write()
    }

    fn shut_both(&self) {
        let _ = self.tls.shut(Shutdown::Both);
    }

    fn connected(&self) -> io::Result<()> {
        self.tls.connected()
    }

    fn needs_preparing(&self) -> bool {
        true
    }

    fn prepare(&self) -> io::Result<()> {
        self.tls.prepare()
    }

    fn has_unwritten(&self) -> bool {
        self.tls.has_unwritten()
    }

    fn complaint(&self) -> Option<String> {
        self.tls.complaint()
    }

    fn subject(&self) -> Option<String> {
        self.tls.subject()
    }

    fn say_goodbye(&self) {
        self.tls.say_goodbye();
    }

    fn is_ours(&self) -> bool {
        self.tls.is_ours()
    }

    fn fd(&self) -> RawFd {
        self.tls.fd()
    }
}

/// What follows the first `skip` bytes, as much as is encrypted at a time.
fn batch<'a>(from: &'a [IoSlice<'_>], mut skip: usize) -> SmallVec<[IoSlice<'a>; 4]> {
    let mut room = BATCH;
    let mut slices = SmallVec::new();
    for slice in from {
        let start = skip.min(slice.len());
        skip -= start;
        let rest = &slice[start..];
        let rest = &rest[..rest.len().min(room)];
        room -= rest.len();
        if !rest.is_empty() {
            slices.push(IoSlice::new(rest));
        }
    }
    slices
}
