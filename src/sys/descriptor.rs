//! The library's own descriptors, remembered so that a forked child can let go of them.
//!
//! A child that kept its copies open would keep the parent's connections alive after the parent closed
//! them. So every descriptor of ours is marked in a bit map while it is open, and the fork handler closes
//! the marked ones. A bit map and not a list: the handler may take no lock and allocate nothing.

use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{RecvFlags, recv};

use super::cancel::Uncancelled;

/// Descriptors above this are not remembered (the usual hard limit of a process is at most this).
const TRACKED: usize = 1 << 20;

/// Untouched pages of the map cost nothing.
static OPEN: [AtomicU64; TRACKED / 64] = [const { AtomicU64::new(0) }; TRACKED / 64];

/// Which of the library's descriptors had a number last, for low numbers: one that was closed under us may have been followed by
/// another of ours, and of event descriptors and polls the kernel does not tell which is which.
static LAST: [AtomicU32; 1 << 12] = [const { AtomicU32::new(0) }; 1 << 12];
static MADE: AtomicU32 = AtomicU32::new(0);

/// The numbers below are those of the standard streams.
const FIRST: RawFd = 3;

/// A descriptor that is marked as the library's for as long as it lives.
///
/// It is none of the standard streams, also where the program has closed those: what it prints would go to a peer.
///
/// A program may close it under us (a daemon that closes all it finds), and open something of its own, which gets the number. So it
/// is closed only if it still is what it was.
#[derive(Debug)]
pub struct Owned<T: AsRawFd> {
    inner: ManuallyDrop<T>,
    object: Option<KernelObject>,
    /// It tells it from others in [`LAST`].
    serial: u32,
}

impl<T: AsRawFd + From<OwnedFd> + Into<OwnedFd>> Owned<T> {
    /// Not for what somebody knows by its number already. It fails only if the number has to be another one and none is left: `EMFILE`.
    pub fn new(inner: T) -> io::Result<Owned<T>> {
        let inner = above_standard_streams(inner)?;
        let fd = inner.as_raw_fd();
        let serial = MADE.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        mark(fd, true);
        if let Some(last) = last_with(fd) {
            last.store(serial, Ordering::Relaxed);
        }
        Ok(Owned { inner: ManuallyDrop::new(inner), object: KernelObject::of(fd), serial })
    }
}

impl<T: AsRawFd> Owned<T> {
    /// Has the program left it open, and not put something of its own in its place?
    pub fn is_ours(&self) -> bool {
        let fd = self.inner.as_raw_fd();
        self.had_it_last() && self.object.is_some() && self.object == KernelObject::of(fd)
    }

    fn had_it_last(&self) -> bool {
        last_with(self.inner.as_raw_fd()).is_none_or(|last| last.load(Ordering::Relaxed) == self.serial)
    }
}

impl<T: AsRawFd> std::ops::Deref for Owned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: AsRawFd> Drop for Owned<T> {
    /// Runs before the inner value closes the descriptor, so a number is never marked for two owners.
    fn drop(&mut self) {
        let is_ours = self.is_ours();
        if self.had_it_last() {
            mark(self.inner.as_raw_fd(), false);
        }
        if is_ours {
            // close(2) of the C library is a point of cancellation.
            let _uncancelled = Uncancelled::hold();
            // SAFETY: nobody uses it after this.
            unsafe { ManuallyDrop::drop(&mut self.inner) };
        }
    }
}

fn above_standard_streams<T: AsRawFd + From<OwnedFd> + Into<OwnedFd>>(inner: T) -> io::Result<T> {
    if inner.as_raw_fd() >= FIRST {
        return Ok(inner);
    }
    // Closing the low one may be a point of cancellation.
    let _uncancelled = Uncancelled::hold();
    let low: OwnedFd = inner.into();
    Ok(fcntl_dupfd_cloexec(&low, FIRST)?.into())
}

/// A copy of somebody's descriptor, with a number above those of the standard streams.
pub fn copy_of(fd: RawFd) -> io::Result<OwnedFd> {
    Ok(fcntl_dupfd_cloexec(borrow(fd), FIRST)?)
}

fn last_with(fd: RawFd) -> Option<&'static AtomicU32> {
    LAST.get(usize::try_from(fd).ok()?)
}

/// What a descriptor stands for, as far as the kernel tells: sockets and files have numbers of their own; event descriptors and
/// polls share one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct KernelObject {
    device: libc::dev_t,
    inode: libc::ino_t,
    pub(super) mode: libc::mode_t,
}

impl KernelObject {
    pub(super) fn of(fd: RawFd) -> Option<KernelObject> {
        let mut found = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: the pointer is to room for a stat, which the call fills if it succeeds.
        let filled = unsafe { libc::fstat(fd, found.as_mut_ptr()) } == 0;
        // SAFETY: filled just now.
        let found = filled.then(|| unsafe { found.assume_init() })?;
        // Who may read a file can change while it is open; of which kind it is, cannot.
        Some(KernelObject { device: found.st_dev, inode: found.st_ino, mode: found.st_mode & libc::S_IFMT })
    }

    /// A socket, or what has no name in any file system. Ours are nearly all of this kind; files of others never are.
    fn is_socket_or_nameless(self) -> bool {
        self.mode == libc::S_IFSOCK || self.mode == 0
    }
}

/// Reads from a socket what is there, without waiting, whatever the socket is set to.
pub fn receive(fd: RawFd, into: &mut [u8]) -> io::Result<usize> {
    Ok(recv(borrow(fd), into, RecvFlags::DONTWAIT)?.1)
}

/// A descriptor that is known by its number, for a system call.
pub fn borrow<'fd>(fd: RawFd) -> BorrowedFd<'fd> {
    let number = if fd < 0 { RawFd::MAX } else { fd };
    // SAFETY: a number that no descriptor has, or one that was closed and is somebody else's now, makes the call fail or concern
    // the wrong descriptor, but touches no memory. Only -1 may not be borrowed.
    unsafe { BorrowedFd::borrow_raw(number) }
}

fn mark(fd: RawFd, open: bool) {
    let Ok(index) = usize::try_from(fd) else { return };
    let Some(word) = OPEN.get(index / 64) else { return };
    let bit = 1 << (index % 64);
    match open {
        true => word.fetch_or(bit, Ordering::Relaxed),
        false => word.fetch_and(!bit, Ordering::Relaxed),
    };
}

/// Is it one of the library's?
pub(super) fn is_marked(fd: RawFd) -> bool {
    let index = usize::try_from(fd).unwrap_or(TRACKED);
    OPEN.get(index / 64).is_some_and(|word| word.load(Ordering::Relaxed) & (1 << (index % 64)) != 0)
}

/// Closes every marked descriptor, unless it is a file: then the program has closed ours, and opened that. Only for a freshly forked child, where no other thread exists and
/// the owners of these descriptors have been forgotten.
pub(super) fn close_all_marked() {
    for (index, word) in OPEN.iter().enumerate() {
        let mut bits = word.swap(0, Ordering::Relaxed);
        while bits != 0 {
            let fd = index * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            if KernelObject::of(fd as RawFd).is_some_and(KernelObject::is_socket_or_nameless) {
                // SAFETY: close takes any number. The descriptor is the child's own copy; whoever would
                // have used it again in this process was leaked by the fork handlers.
                unsafe { libc::close(fd as RawFd) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::FromRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_descriptor_is_marked_while_it_lives() {
        let owned = Owned::new(std::fs::File::open("/dev/null").unwrap()).unwrap();
        let fd = owned.as_raw_fd() as usize;
        let marked = || OPEN[fd / 64].load(Ordering::Relaxed) & (1 << (fd % 64)) != 0;
        assert!(marked());
        drop(owned);
        assert!(!marked());
    }

    #[test]
    fn what_has_got_the_number_of_a_closed_descriptor_stays_open() {
        let (ours, _peer) = UnixStream::pair().unwrap();
        let (others, mut others_peer) = UnixStream::pair().unwrap();
        let owned = Owned::new(ours).unwrap();
        // SAFETY: both are open; the copy is closed below, and not by its owner.
        assert_eq!(unsafe { libc::dup2(others.as_raw_fd(), owned.as_raw_fd()) }, owned.as_raw_fd());
        let number = owned.as_raw_fd();
        drop(others);
        drop(owned);
        // SAFETY: the copy made above, which nobody owns.
        let mut others = UnixStream::from(unsafe { OwnedFd::from_raw_fd(number) });
        others.write_all(b"x").unwrap();
        assert_eq!(others_peer.read(&mut [0]).unwrap(), 1);
    }
}
