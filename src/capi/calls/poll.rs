use std::ffi::{c_int, c_short};
use std::time::Duration;

use smallvec::SmallVec;

use crate::capi::errno::boundary;
use crate::capi::headers::nn::{NN_POLLIN, NN_POLLOUT, nn_pollfd};
use crate::capi::pointers;
use crate::capi::table::{self, Held};
use crate::core::{Error, Readiness, Result};
use crate::facade::{self, Probe};

/// As many sockets are polled without an allocation.
const USUAL: usize = 8;

const IN: c_short = NN_POLLIN as c_short;
const OUT: c_short = NN_POLLOUT as c_short;

/// Waits until one of the nfds sockets in fds is ready for one of its events, for at most timeout
/// milliseconds; negative: for ever, 0: not at all. Returns how many are ready, revents of all entries being
/// set; 0 when the time is over, or -1, revents being left alone. Entries without events are ignored. Ready
/// is a hint: with several threads, or a message that turns out not to match, the call may still wait.
/// Fails with EBADF (a bad socket), ENOPROTOOPT (an event the socket type does not have), EINTR (a signal),
/// EFAULT (fds is NULL), EINVAL (negative nfds), ENOMEM. Any thread. (2.9)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nn_poll(fds: *mut nn_pollfd, nfds: c_int, timeout: c_int) -> c_int {
    boundary(|| {
        let count = pointers::count(nfds, Error::INVALID)?;
        // SAFETY: `fds` has `nfds` entries that nobody else uses meanwhile.
        let entries = unsafe { pointers::array_mut(fds, count) }?;
        poll(entries, u64::try_from(timeout).ok().map(Duration::from_millis))
    })
}

fn poll(entries: &mut [nn_pollfd], timeout: Option<Duration>) -> Result<c_int> {
    let count = watched(entries).count();
    let mut held: SmallVec<[Held<'static>; USUAL]> = SmallVec::new();
    held.try_reserve(count).map_err(|_| Error::NO_MEMORY)?;
    // The first entry that is wrong in any way decides, so a bad handle waits for its turn.
    let mut bad_handle = Ok(());
    for entry in watched(entries) {
        match table::hold(entry.fd) {
            Ok(context) => held.push(context),
            Err(error) => {
                bad_handle = Err(error);
                break;
            }
        }
    }
    let mut probes: SmallVec<[Probe<'_>; USUAL]> = SmallVec::new();
    probes.try_reserve(count).map_err(|_| Error::NO_MEMORY)?;
    for (entry, context) in watched(entries).zip(&held) {
        let context = context.as_ref().ok_or(Error::BAD_FD)?;
        probes.push(Probe::of(context, wanted(entry))?);
    }
    bad_handle?;

    let ready = facade::poll(&mut probes, timeout)?;
    if ready > 0 {
        let mut probes = probes.iter();
        for entry in entries {
            let probe = if is_watched(entry) { probes.next() } else { None };
            entry.revents = probe.map_or(0, |probe| events(probe.ready));
        }
    }
    Ok(ready as c_int)
}

fn watched(entries: &[nn_pollfd]) -> impl Iterator<Item = &nn_pollfd> {
    entries.iter().filter(|entry| is_watched(entry))
}

fn is_watched(entry: &nn_pollfd) -> bool {
    entry.events & (IN | OUT) != 0
}

fn wanted(entry: &nn_pollfd) -> Readiness {
    Readiness { send: entry.events & OUT != 0, recv: entry.events & IN != 0 }
}

fn events(ready: Readiness) -> c_short {
    (if ready.recv { IN } else { 0 }) | (if ready.send { OUT } else { 0 })
}
