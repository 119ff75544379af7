//! The standard error output, as a library may use it: of its own accord it never waits, raises no SIGPIPE, and writes to nothing else that has got
//! the number 2. Not by `std::io::stderr`: a child that is forked while that is locked could never write to it again.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ReadWriteFlags, pwritev2, write};
use rustix::net::{SendFlags, send};

use super::cancel::Uncancelled;
use super::descriptor::{self, KernelObject};
use super::per_process::PerProcess;

const NUMBER: RawFd = libc::STDERR_FILENO;

/// Longest line: what a pipe takes whole or not at all (PIPE_BUF of Linux), so that lines of several processes do not mix.
const LINE_MAX: usize = 4096;

/// A forked child has its own: it may have directed the output elsewhere, and the lock may be held in the parent.
static OUTPUT: PerProcess<Mutex<ErrorOutput>> = PerProcess::new();

#[derive(Debug)]
struct ErrorOutput {
    /// What the number 2 stood for when it was looked at. `None`: it was closed, or is a connection of ours.
    object: Option<KernelObject>,
    /// Lines that there was no room for, since the last that was written.
    lost: u64,
}

/// Takes what has the number 2 now for the standard error output, unless that was settled before.
pub fn settle() {
    drop(output());
}

/// The program says that what has the number 2 now is its standard error output.
pub fn settle_again() {
    output().object = current();
}

/// Writes a line, which gets its end here, if it can be done at once. If not it is lost, and the next one tells of it.
pub fn write_line(line: &str) {
    let mut output = output();
    // A program may have closed it, and the next connection got the number.
    let Some(object) = current().filter(|object| output.object == Some(*object)) else { return };
    let mut bytes = Vec::new();
    if output.lost > 0 {
        bytes.extend_from_slice(format!("millrace: warn: {} lines were lost here\n", output.lost).as_bytes());
    }
    bytes.extend_from_slice(line.as_bytes());
    bytes.truncate(LINE_MAX - 1);
    bytes.push(b'\n');
    match object.write_at_once(&bytes) {
        Ok(()) => output.lost = 0,
        Err(_) => output.lost += 1,
    }
}

/// Writes a line that the program has asked for, to what has the number 2 now, and waits for room there as perror(3) does. Without a
/// lock: who waits must not hold up others, nor a child that is forked meanwhile.
pub fn print_line(line: &str) {
    if current().is_none() {
        return;
    }
    let output = descriptor::borrow(NUMBER);
    let line = format!("{line}\n");
    let mut rest = line.as_bytes();
    let _without = WithoutSigpipe::hold();
    while !rest.is_empty() {
        match write(output, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            // The program has set it so.
            Err(Errno::AGAIN) => drop(poll(&mut [PollFd::new(&output, PollFlags::OUT)], None)),
            // Whether anybody can read it is nobody's error.
            Err(_) => return,
        }
    }
}

fn output() -> MutexGuard<'static, ErrorOutput> {
    let output = OUTPUT.get_or_make(|| Mutex::new(ErrorOutput { object: current(), lost: 0 }));
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

fn current() -> Option<KernelObject> {
    KernelObject::of(NUMBER).filter(|_| !descriptor::is_marked(NUMBER))
}

impl KernelObject {
    fn write_at_once(self, bytes: &[u8]) -> io::Result<()> {
        let output = descriptor::borrow(NUMBER);
        let mut watched = [PollFd::new(&output, PollFlags::OUT)];
        if poll(&mut watched, Some(&Timespec::default()))? == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.mode == libc::S_IFSOCK {
            send(output, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
            return Ok(());
        }
        let _without = WithoutSigpipe::hold();
        if self.mode == libc::S_IFIFO {
            // Another process may have taken the room meanwhile. Older systems cannot be asked not to wait for a pipe.
            match pwritev2(output, &[io::IoSlice::new(bytes)], u64::MAX, ReadWriteFlags::NOWAIT) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => (),
                other => return other.map(drop).map_err(io::Error::from),
            }
        }
        write(output, bytes)?;
        Ok(())
    }
}

/// As long as it lives, a write to a pipe that nobody reads fails on this thread, and raises no signal.
struct WithoutSigpipe {
    before: libc::sigset_t,
    was_pending: bool,
}

impl WithoutSigpipe {
    fn hold() -> WithoutSigpipe {
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        let mut pending = MaybeUninit::<libc::sigset_t>::uninit();
        let sigpipe = sigpipe();
        // SAFETY: the sets are places for one each, of which the calls fill those that they are given to fill.
        unsafe {
            libc::sigemptyset(before.as_mut_ptr());
            libc::sigemptyset(pending.as_mut_ptr());
            libc::sigpending(pending.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_BLOCK, &sigpipe, before.as_mut_ptr());
            let was_pending = libc::sigismember(pending.as_ptr(), libc::SIGPIPE) == 1;
            WithoutSigpipe { before: before.assume_init(), was_pending }
        }
    }
}

impl Drop for WithoutSigpipe {
    fn drop(&mut self) {
        // (The waiting function is a point of cancellation.)
        let _uncancelled = Uncancelled::hold();
        let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the sets are filled. The signal that the write has raised is for this thread, where it is blocked: it is taken away.
        unsafe {
            if !self.was_pending {
                libc::sigtimedwait(&sigpipe(), std::ptr::null_mut(), &at_once);
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut());
        }
    }
}

fn sigpipe() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the first call fills the set.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE);
        set.assume_init()
    }
}
