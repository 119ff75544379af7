//! Fetching events, as a system call made directly: the C library's function is a point where a thread may be cancelled, and rustix's
//! leaves an argument that the kernel does not look at to chance, which valgrind tells of.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::time::Duration;

use rustix::event::epoll::Event;

/// Fetches what there is, after at most `timeout`, which is rounded up to milliseconds.
pub fn fetch(epoll: RawFd, room: &mut [MaybeUninit<Event>], timeout: Duration) -> io::Result<&[Event]> {
    let milliseconds = timeout.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as libc::c_int;
    let most = room.len().min(i32::MAX as usize) as libc::c_int;
    let no_mask = std::ptr::null::<libc::sigset_t>();
    // SAFETY: the kernel writes at most `most` events to the room, whose layout is that of its `epoll_event`; there is no mask, so
    // the size of one is not looked at.
    let fetched = unsafe {
        libc::syscall(libc::SYS_epoll_pwait, epoll, room.as_mut_ptr(), most, milliseconds, no_mask, size_of::<u64>())
    };
    match usize::try_from(fetched) {
        // SAFETY: so many events have been written.
        Ok(count) => Ok(unsafe { std::slice::from_raw_parts(room.as_ptr().cast::<Event>(), count) }),
        Err(_) => Err(io::Error::last_os_error()),
    }
}
