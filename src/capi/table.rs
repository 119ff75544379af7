//! Handles: small dense integers that stand for sockets, and for their contexts.
//!
//! A call looks its socket up without a lock or a cache line that callers on other sockets write to:
//! every slot is a line of its own, held for reading as long as the call lasts. Only opening and
//! closing meet at the registry.

use std::collections::HashMap;
use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, TryLockError};

use crate::core::{Error, Result};
use crate::facade::{self, Closing, Context, EngineSocket, Session, StatePlace, StateSignpost};
use crate::sys::fork;

/// Sockets and contexts that can be open at a time.
pub const MAX_SOCKETS: usize = SEGMENTS * SEGMENT;
const SEGMENTS: usize = 256;
const SEGMENT: usize = 256;

/// A socket, or a context, held for the length of a call. There is none if the handle was never opened or is closed.
pub type Held<'t> = RwLockReadGuard<'t, Option<Context>>;

/// On a cache line of its own: a call writes to the lock's counter.
#[derive(Default)]
#[repr(align(64))]
struct HandleSlot {
    context: RwLock<Option<Context>>,
    /// Where the socket's state is, as long as it is not being closed. Down where that is of no use.
    signpost: StateSignpost,
}

type HandleSegment = [HandleSlot; SEGMENT];

pub struct Table {
    /// On the heap, and made there: callers' stacks may be small.
    segments: Box<[OnceLock<Box<HandleSegment>>; SEGMENTS]>,
    registry: Mutex<SocketRegistry>,
    /// Signalled when the last socket has been closed.
    emptied: Condvar,
    /// The table that this one follows after a fork: kept in sight of leak checkers, never looked at.
    _inherited: AtomicPtr<Table>,
}

#[derive(Default)]
struct SocketRegistry {
    handles: SocketHandles,
    /// Places of sockets, of those that are open and of those that are closed. They are never let go of.
    places: HashMap<c_int, Arc<StatePlace>>,
    left_places: Vec<Arc<StatePlace>>,
    /// Lives from the first socket to the last.
    session: Option<Arc<Session>>,
    /// Somebody has asked for a socket: from then on termination has an effect.
    used: bool,
    terminated: bool,
}

/// The table of this process; null until the first socket, and again in a forked child.
static TABLE: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());

/// The table that was left behind at the last fork.
static FORGOTTEN: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());

/// Opens a socket and returns its handle.
pub fn open(raw: Result<bool>, protocol: c_int) -> Result<c_int> {
    table().open(raw, protocol)
}

/// Opens a context of a socket, and returns its handle.
pub fn open_context(handle: c_int) -> Result<c_int> {
    let table = present().ok_or(Error::BAD_FD)?;
    let context = with_socket(handle, Context::open)?;
    table.add(context)
}

/// Runs a call on the socket or the context of a handle; `EBADF` if there is none or it is being closed.
pub fn with<T>(handle: c_int, call: impl FnOnce(&Context) -> Result<T>) -> Result<T> {
    match &*hold(handle)? {
        Some(context) => call(context),
        None => Err(Error::BAD_FD),
    }
}

/// The same for what only whole sockets can do: `ENOTSUP` on a context.
pub fn with_socket<T>(handle: c_int, call: impl FnOnce(&Arc<EngineSocket>) -> Result<T>) -> Result<T> {
    with(handle, |context| call(context.as_socket().ok_or(Error::NOT_SUPPORTED)?))
}

/// Sends bytes in the midst of a stream, with one lock where [`with`] takes two; false: nothing is done.
#[inline(always)]
pub fn append(handle: c_int, body: &[u8]) -> bool {
    present().and_then(|table| table.find(handle)).is_some_and(|slot| facade::append(&slot.signpost, body))
}

/// The same of a message that is received.
#[inline(always)]
pub fn take_bytes(handle: c_int, room: &mut [u8]) -> Option<usize> {
    facade::take_bytes(&present()?.find(handle)?.signpost, room)
}

/// Keeps the socket of a handle from being closed completely.
pub fn hold(handle: c_int) -> Result<Held<'static>> {
    present().ok_or(Error::BAD_FD)?.hold(handle)
}

/// Closes a socket; returns when every other call on it has returned.
pub fn close(handle: c_int) -> Result<()> {
    present().ok_or(Error::BAD_FD)?.close(handle)
}

/// Closes every socket and lets no new one be opened. Nothing happens if nobody has ever asked for one (nanomsg-api.md 2.11).
pub fn terminate() {
    if let Some(table) = present() {
        table.terminate();
    }
}

/// Every open socket with its handle.
pub fn all() -> Vec<(c_int, Arc<EngineSocket>)> {
    let Some(table) = present() else { return Vec::new() };
    let highest = table.registry().handles.fresh;
    let open = |handle| Some((handle, Arc::clone(table.hold(handle).ok()?.as_ref()?.as_socket()?)));
    (0..highest).filter_map(open).collect()
}

fn present() -> Option<&'static Table> {
    // SAFETY: the pointer is null or a table that is never freed.
    unsafe { TABLE.load(Ordering::Acquire).as_ref() }
}

fn table() -> &'static Table {
    if let Some(table) = present() {
        return table;
    }
    // Before a table is published. That two threads may both register does no harm.
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if !REGISTERED.load(Ordering::Acquire) {
        fork::on_child(forget);
        REGISTERED.store(true, Ordering::Release);
    }
    let fresh = Box::into_raw(Box::new(Table::new()));
    match TABLE.compare_exchange(ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: just made from a box, and from now on never freed.
        Ok(_) => unsafe { &*fresh },
        Err(winner) => {
            // SAFETY: just made from a box, and nobody has seen it.
            drop(unsafe { Box::from_raw(fresh) });
            // SAFETY: as in `present`; it is not null.
            unsafe { &*winner }
        }
    }
}

/// In a forked child: the parent's sockets are not ours. Their locks may be held by threads that do not exist
/// here, so the table is left behind as it is.
fn forget() {
    let forgotten = TABLE.swap(ptr::null_mut(), Ordering::AcqRel);
    if !forgotten.is_null() {
        FORGOTTEN.store(forgotten, Ordering::Release);
    }
}

impl Table {
    fn new() -> Table {
        Table {
            segments: boxed(),
            registry: Mutex::default(),
            emptied: Condvar::new(),
            _inherited: AtomicPtr::new(FORGOTTEN.load(Ordering::Acquire)),
        }
    }

    /// `raw` is an error if the domain is unknown: termination is said first (nanomsg-api.md 2.1).
    fn open(&self, raw: Result<bool>, protocol: c_int) -> Result<c_int> {
        let mut registry = self.registry();
        if registry.terminated {
            return Err(Error::TERM);
        }
        registry.used = true;
        let raw = raw?;
        let handle = registry.handles.take().ok_or(Error::TOO_MANY_FILES)?;
        match registry.socket(raw, protocol, handle) {
            Ok(socket) => {
                let place = socket.place().map(Arc::clone);
                self.fill(handle, Context::of(socket));
                if let Some(place) = place {
                    // SAFETY: the registry keeps it for as long as there is the table, and that has the signpost.
                    unsafe { self.slot(handle).signpost.point_to(&place) };
                }
                Ok(handle)
            }
            Err(error) => {
                self.release(&mut registry, handle);
                Err(error)
            }
        }
    }

    fn add(&self, context: Context) -> Result<c_int> {
        let mut registry = self.registry();
        if registry.terminated {
            return Err(Error::TERM);
        }
        let handle = registry.handles.take().ok_or(Error::TOO_MANY_FILES)?;
        self.fill(handle, context);
        Ok(handle)
    }

    fn fill(&self, handle: c_int, context: Context) {
        *self.slot(handle).context.write().unwrap_or_else(PoisonError::into_inner) = Some(context);
    }

    fn hold(&self, handle: c_int) -> Result<Held<'_>> {
        let slot = self.find(handle).ok_or(Error::BAD_FD)?;
        // Only `open` and `close` write: to whoever does not get the slot at once, the socket is not
        // there. Nor could waiting be allowed: nn_poll holds many slots, some of them twice.
        match slot.context.try_read() {
            Ok(held) => Ok(held),
            Err(TryLockError::Poisoned(held)) => Ok(held.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Error::BAD_FD),
        }
    }

    #[inline(always)]
    fn find(&self, handle: c_int) -> Option<&HandleSlot> {
        // What is negative is as good as too large.
        let index = handle.cast_unsigned() as usize;
        let segment = self.segments.get(index / SEGMENT)?.get()?;
        Some(&segment[index % SEGMENT])
    }

    fn close(&self, handle: c_int) -> Result<()> {
        let closing = self.start_closing(handle)?;
        self.finish_closing(handle, closing);
        Ok(())
    }

    /// From here on it refuses every call, and those that wait are waking up. A context has nothing to be waited for.
    fn start_closing(&self, handle: c_int) -> Result<Option<Closing>> {
        let held = self.hold(handle)?;
        let context = held.as_ref().ok_or(Error::BAD_FD)?;
        // Before the socket's lock is taken: who has it after that finds the place left.
        self.slot(handle).signpost.take_down();
        context.start_closing()
    }

    fn finish_closing(&self, handle: c_int, closing: Option<Closing>) {
        if let Some(closing) = closing {
            closing.wait();
        }
        // Calls hold the slot, so this waits until the last of them has left.
        let context = self.slot(handle).context.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(context);
        self.release(&mut self.registry(), handle);
    }

    fn terminate(&self) {
        let mut registry = self.registry();
        if !registry.used {
            return;
        }
        registry.terminated = true;
        let highest = registry.handles.fresh;
        drop(registry);
        // `EBADF`: it is free, or another thread is closing it and waited for below. All linger at the same time.
        let start = |handle| Some((handle, self.start_closing(handle).ok()?));
        let leaving: Vec<_> = (0..highest).filter_map(start).collect();
        for (handle, closing) in leaving {
            self.finish_closing(handle, closing);
        }
        let mut registry = self.registry();
        while registry.handles.open > 0 {
            registry = self.emptied.wait(registry).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Frees a handle; with the last one the session ends.
    fn release(&self, registry: &mut SocketRegistry, handle: c_int) {
        registry.left_places.extend(registry.places.remove(&handle));
        if registry.handles.release(handle) {
            if let Some(session) = registry.session.take() {
                session.stop();
            }
            self.emptied.notify_all();
        }
    }

    fn slot(&self, handle: c_int) -> &HandleSlot {
        let index = handle as usize;
        let segment = self.segments[index / SEGMENT].get_or_init(boxed);
        &segment[index % SEGMENT]
    }

    fn registry(&self) -> MutexGuard<'_, SocketRegistry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An array that is made where it stays.
fn boxed<T: Default, const N: usize>() -> Box<[T; N]> {
    let made: Box<[T]> = (0..N).map(|_| T::default()).collect();
    #[expect(clippy::expect_used, reason = "it was made of so many")]
    Box::try_from(made).ok().expect("an array of the length that was made")
}

impl SocketRegistry {
    fn socket(&mut self, raw: bool, protocol: c_int, handle: c_int) -> Result<Arc<EngineSocket>> {
        let session = match &self.session {
            Some(session) => session,
            None => self.session.insert(Session::start()?),
        };
        let session = Arc::clone(session);
        let place = self.free_place();
        let socket = session.socket_at(Arc::clone(&place), raw, protocol, &handle.to_string());
        self.places.insert(handle, place);
        socket
    }

    /// One that was left, once its socket is no more.
    fn free_place(&mut self) -> Arc<StatePlace> {
        match self.left_places.iter().position(|place| place.try_lock().is_some_and(|state| state.is_none())) {
            Some(index) => self.left_places.swap_remove(index),
            None => Arc::default(),
        }
    }
}

/// Which handles are free: the one freed last is taken first, and the order starts anew when all are free.
#[derive(Default)]
struct SocketHandles {
    freed: Vec<c_int>,
    /// Handles from here on have not been used since all were free.
    fresh: c_int,
    open: usize,
}

impl SocketHandles {
    fn take(&mut self) -> Option<c_int> {
        let handle = match self.freed.pop() {
            Some(handle) => handle,
            None if self.open < MAX_SOCKETS => {
                self.fresh += 1;
                self.fresh - 1
            }
            None => return None,
        };
        self.open += 1;
        Some(handle)
    }

    /// Returns true if no handle is taken any more.
    fn release(&mut self, handle: c_int) -> bool {
        self.open -= 1;
        if self.open > 0 {
            self.freed.push(handle);
            return false;
        }
        *self = SocketHandles::default();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: c_int = 16;

    #[test]
    fn the_handle_freed_last_is_taken_first() {
        let mut handles = SocketHandles::default();
        assert_eq!([handles.take(), handles.take(), handles.take(), handles.take()], [0, 1, 2, 3].map(Some));
        assert!(!handles.release(1));
        assert!(!handles.release(3));
        assert_eq!([handles.take(), handles.take(), handles.take()], [3, 1, 4].map(Some));
    }

    #[test]
    fn the_order_starts_anew_when_all_are_free() {
        let mut handles = SocketHandles::default();
        assert_eq!([handles.take(), handles.take(), handles.take()], [0, 1, 2].map(Some));
        assert!(!handles.release(0));
        assert!(!handles.release(2));
        assert!(handles.release(1));
        assert_eq!(handles.take(), Some(0));
    }

    #[test]
    fn handles_run_out_at_the_limit() {
        let mut handles = SocketHandles::default();
        for expected in 0..MAX_SOCKETS {
            assert_eq!(handles.take(), Some(expected as c_int));
        }
        assert_eq!(handles.take(), None);
        assert!(!handles.release(17));
        assert_eq!(handles.take(), Some(17));
        assert_eq!(handles.take(), None);
    }

    #[test]
    fn sockets_open_and_close() {
        let table = Table::new();
        assert!(table.hold(0).is_err());
        assert_eq!(table.open(Ok(false), PAIR).unwrap(), 0);
        assert_eq!(table.open(Ok(true), PAIR).unwrap(), 1);
        assert!(table.hold(0).unwrap().is_some());
        assert!(table.hold(2).unwrap().is_none());
        for absent in [-1, c_int::MIN, 256, 65_535, 65_536, c_int::MAX] {
            assert_eq!(table.hold(absent).err(), Some(Error::BAD_FD));
        }
        table.close(0).unwrap();
        assert_eq!(table.close(0), Err(Error::BAD_FD));
        assert_eq!(table.open(Ok(false), PAIR).unwrap(), 0);
        table.close(0).unwrap();
        table.close(1).unwrap();
        assert!(table.registry().session.is_none());
    }

    /// What a REQ sends depends on what it receives. A SUB only receives, though it has contexts as well.
    #[test]
    fn who_sends_and_receives_by_turns_has_no_signpost() {
        let table = Table::new();
        // PUB, SUB, PUSH, PULL, BUS; REQ, REP, SURVEYOR, RESPONDENT.
        let signed = [32, 33, 80, 81, 112].map(|kind| (kind, true));
        for (kind, signed) in signed.into_iter().chain([48, 49, 98, 99].map(|kind| (kind, false))) {
            assert_eq!(table.open(Ok(false), kind).unwrap(), 0);
            assert_eq!(table.find(0).unwrap().signpost.follow().is_some(), signed, "{kind}");
            table.close(0).unwrap();
        }
    }

    #[test]
    fn a_place_is_found_until_its_socket_is_closed_and_serves_the_next_one() {
        let table = Table::new();
        assert_eq!(table.open(Ok(false), PAIR).unwrap(), 0);
        let found = |table: &Table| table.find(0).unwrap().signpost.follow().is_some_and(|state| state.is_some());
        let first = Arc::as_ptr(&table.registry().places[&0]);
        assert!(found(&table));
        let closing = table.start_closing(0).unwrap();
        assert!(!found(&table), "before the socket is closed");
        table.finish_closing(0, closing);
        // The I/O thread may have it for a moment.
        while table.registry().left_places[0].try_lock().is_none_or(|state| state.is_some()) {
            std::thread::yield_now();
        }
        assert_eq!(table.open(Ok(false), PAIR).unwrap(), 0);
        assert!(found(&table));
        assert_eq!(Arc::as_ptr(&table.registry().places[&0]), first);
        table.close(0).unwrap();
        assert_eq!(table.registry().places.len(), 0);
    }

    #[test]
    fn a_failed_open_leaves_no_trace() {
        let table = Table::new();
        assert_eq!(table.open(Ok(false), 12_345).unwrap_err(), Error::INVALID);
        assert_eq!(table.open(Err(Error::AF_NO_SUPPORT), PAIR).unwrap_err(), Error::AF_NO_SUPPORT);
        assert!(table.registry().session.is_none());
        assert_eq!(table.open(Ok(false), PAIR).unwrap(), 0);
        table.close(0).unwrap();
    }

    #[test]
    fn a_call_in_progress_delays_the_end_of_close() {
        let table = Table::new();
        table.open(Ok(false), PAIR).unwrap();
        let held = table.hold(0).unwrap();
        std::thread::scope(|scope| {
            let closer = scope.spawn(|| table.close(0));
            // Once close waits for the slot, nobody else gets it.
            while table.hold(0).is_ok() {
                std::thread::yield_now();
            }
            assert!(!closer.is_finished());
            drop(held);
            closer.join().unwrap().unwrap();
        });
        assert!(table.hold(0).unwrap().is_none());
    }

    #[test]
    fn termination_closes_everything_and_lasts() {
        let table = Table::new();
        table.terminate();
        for _ in 0..3 {
            table.open(Ok(false), PAIR).unwrap();
        }
        table.terminate();
        assert_eq!(table.registry().handles.open, 0);
        assert_eq!(table.open(Err(Error::AF_NO_SUPPORT), PAIR).unwrap_err(), Error::TERM);
        table.terminate();
    }

    #[test]
    fn many_threads_open_and_close() {
        let table = Table::new();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let handle = table.open(Ok(false), PAIR).unwrap();
                        table.close(handle).unwrap();
                    }
                });
            }
        });
        assert_eq!(table.registry().handles.open, 0);
    }
}
