use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::capi::pointers;
use crate::core::Error;
use crate::qi::client::{CallError, Event, Notice, Overflow, Proxy, SubscribeOptions, Subscription, Watch};

use super::build::nnqi_value;
use super::client::{self, nnqi_proxy, nnqi_session};
use super::error::{Failure, Result, boundary};
use super::handles::{Handles, Kind};
use super::options::timeout;
use super::user::User;
use super::view;

/// Listens to a signal, or to the changes of a property. Any thread. End it with nnqi_unsubscribe.
pub type nnqi_subscription = u64;

/// Told of events: their arguments, a tuple, which the library frees afterwards (nnqi_copy keeps it), and how many events were
/// lost just before because the callback was slow. arguments is 0 when the connection has ended: then no event comes any more. It
/// is called in order and never twice at once, on a thread that the callbacks of a process share, where it may take its time and use
/// everything of this header: others have other threads meanwhile, as long as not more than 256 are held up. It must return:
/// exceptions of C++ and longjmp must not leave it.
pub type nnqi_callback = Option<unsafe extern "C" fn(arguments: nnqi_value, missed: u64, user: *mut c_void)>;

/// Told what becomes of a session or proxy: what is NNQI_LOST, NNQI_RESTORED, NNQI_SERVICE_ADDED or NNQI_SERVICE_REMOVED. text, which
/// is valid until this returns, says why it is lost, or is the name of the service, whose id id is; else it is empty and id 0.
/// It is called as nnqi_callback is.
pub type nnqi_told = Option<unsafe extern "C" fn(what: c_int, id: u32, text: *const c_char, user: *mut c_void)>;

/// For nnqi_told: the connection has ended, or the service of a proxy has gone.
pub const NNQI_LOST: c_int = 1;
/// For nnqi_told: it is there again, which happens with reconnect. Services may have come and gone in between.
pub const NNQI_RESTORED: c_int = 2;
/// For nnqi_told, of a session: a service is ready.
pub const NNQI_SERVICE_ADDED: c_int = 3;
/// For nnqi_told, of a session: a service is no more.
pub const NNQI_SERVICE_REMOVED: c_int = 4;

/// When the queue of a subscription is full: events that come are dropped and counted.
pub const NNQI_KEEP_OLDEST: c_int = 0;
/// When the queue of a subscription is full: the oldest are dropped and counted, for who wants the latest image of a camera.
pub const NNQI_KEEP_NEWEST: c_int = 1;
/// When the queue of a subscription is full: it ends, after what is queued, with ENOTCONN. For who must not miss any.
pub const NNQI_END: c_int = 2;

/// How to listen. All zero, as {0}, is the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nnqi_subscribe_options {
    /// Events that may wait to be taken; 0: 100.
    pub queue: usize,
    /// Bytes that they take in memory, which are some 150 beside their arguments; 0: 64 MiB. One event of any size may wait.
    pub bytes: i64,
    /// What happens when either is full: NNQI_KEEP_OLDEST, NNQI_KEEP_NEWEST or NNQI_END.
    pub when_full: c_int,
    /// Milliseconds for the peer to accept; 0: as for calls of the proxy; negative: as long as it takes.
    pub timeout: c_int,
    /// The signature of a tuple that the arguments are wanted in, as (d); NULL: what the signal declares. They are converted; EINVAL if that
    /// is possible for no event, of (s) for example. A single event that cannot be is EPROTO of nnqi_next, and passed over by callbacks.
    pub wanted: *const c_char,
}

#[derive(Clone)]
enum EventListening {
    Queue(Arc<Subscription>),
    Callback(Arc<Watch>),
}

static SUBSCRIPTIONS: LazyLock<Handles<EventListening>> = LazyLock::new(|| Handles::new(Kind::Subscription));

fn options(queue: usize) -> Result<SubscribeOptions> {
    match queue {
        0 => Err(Failure::invalid("a queue without room for an event")),
        queue => Ok(SubscribeOptions { queue, ..SubscribeOptions::default() }),
    }
}

/// # Safety
/// A non-null `given` is readable, and its text is NULL or ends with a zero.
unsafe fn given_options(given: *const nnqi_subscribe_options) -> Result<SubscribeOptions> {
    let mut options = SubscribeOptions::default();
    if given.is_null() {
        return Ok(options);
    }
    // SAFETY: the caller's promise.
    let given = unsafe { pointers::read(given, Error::FAULT) }?;
    if given.queue != 0 {
        options.queue = given.queue;
    }
    if given.bytes != 0 {
        let wrong = |_| Failure::invalid(format!("bytes cannot be {}", given.bytes));
        options.bytes = usize::try_from(given.bytes).map_err(wrong)?;
    }
    options.when_full = match given.when_full {
        NNQI_KEEP_OLDEST => Overflow::KeepOldest,
        NNQI_KEEP_NEWEST => Overflow::KeepNewest,
        NNQI_END => Overflow::End,
        other => {
            return Err(Failure::invalid(format!("when_full is NNQI_KEEP_OLDEST, _NEWEST or NNQI_END, not {other}")));
        }
    };
    if given.timeout != 0 {
        options.timeout = Some(timeout(given.timeout).unwrap_or(Duration::MAX));
    }
    if !given.wanted.is_null() {
        // SAFETY: the caller's promise.
        let wanted = unsafe { view::signature(given.wanted) }?;
        if !wanted.is_arguments() {
            return Err(Failure::invalid(format!("wanted is the signature of a tuple, as (i), not {wanted}")));
        }
        options.wanted = Some(wanted);
    }
    Ok(options)
}

/// Listens to a signal or property of this name, with a queue of so many events (at least 1), which hold 64 MiB together (one of any
/// size may wait); later ones are dropped and counted.
/// Waits until the peer has accepted, at most as long as the session's call_timeout says: no event after that is lost but by
/// overflow. Returns 0 with EBADF, EFAULT, EINVAL (no such signal, queue is 0), ENOTCONN (or the service has gone), ETIMEDOUT, EPROTO (the peer refuses) or EDEADLK (on a
/// thread that reads a connection). Any other thread. (15)
/// Example: nnqi_subscription touched = nnqi_subscribe(robot, "touched", 10);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_subscribe(proxy: nnqi_proxy, signal: *const c_char, queue: usize) -> nnqi_subscription {
    boundary(|| {
        let proxy = client::proxy(proxy)?;
        // SAFETY: a non-null `signal` ends with a zero.
        let subscription = proxy.subscribe_with(unsafe { view::utf8(signal) }?, options(queue)?)?;
        Ok(SUBSCRIPTIONS.add(EventListening::Queue(Arc::new(subscription))))
    })
}

/// nnqi_subscribe with options, which may be NULL; EINVAL also for what is wrong about them. (15)
/// nnqi_subscribe_with(camera, "image", &(struct nnqi_subscribe_options){.queue = 1, .when_full = NNQI_KEEP_NEWEST})
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_subscribe_with(
    proxy: nnqi_proxy,
    signal: *const c_char,
    options: *const nnqi_subscribe_options,
) -> nnqi_subscription {
    boundary(|| {
        let proxy = client::proxy(proxy)?;
        // SAFETY: a non-null `options` is some; a non-null `signal` ends with a zero.
        let (options, signal) = unsafe { (given_options(options)?, view::utf8(signal)?) };
        Ok(SUBSCRIPTIONS.add(EventListening::Queue(Arc::new(proxy.subscribe_with(signal, options)?))))
    })
}

/// The same as nnqi_subscribe, with the same errors, with a callback instead of nnqi_next; user is handed to it, and must be valid until it will not be called any more:
/// it may still be running when nnqi_unsubscribe returns. (15)
/// Example: nnqi_subscription watch = nnqi_watch(robot, "touched", 10, callback, NULL);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_watch(
    proxy: nnqi_proxy,
    signal: *const c_char,
    queue: usize,
    callback: nnqi_callback,
    user: *mut c_void,
) -> nnqi_subscription {
    boundary(|| {
        let proxy = client::proxy(proxy)?;
        // SAFETY: a non-null `signal` ends with a zero.
        watch(&proxy, unsafe { view::utf8(signal) }?, options(queue)?, callback, user)
    })
}

/// nnqi_watch with options, which may be NULL; EINVAL also for what is wrong about them. (15)
/// Example: nnqi_subscription watch = nnqi_watch_with(robot, "image", &(struct nnqi_subscribe_options){.queue = 1, .when_full = NNQI_KEEP_NEWEST}, callback, NULL);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_watch_with(
    proxy: nnqi_proxy,
    signal: *const c_char,
    options: *const nnqi_subscribe_options,
    callback: nnqi_callback,
    user: *mut c_void,
) -> nnqi_subscription {
    boundary(|| {
        let proxy = client::proxy(proxy)?;
        // SAFETY: a non-null `options` is some; a non-null `signal` ends with a zero.
        let (options, signal) = unsafe { (given_options(options)?, view::utf8(signal)?) };
        watch(&proxy, signal, options, callback, user)
    })
}

fn watch(
    proxy: &Proxy,
    signal: &str,
    options: SubscribeOptions,
    callback: nnqi_callback,
    user: *mut c_void,
) -> Result<nnqi_subscription> {
    let callback = callback.ok_or(Error::FAULT)?;
    let user = User::new(user);
    let tell = move |event: std::result::Result<Event, CallError>| {
        let (arguments, missed) = match event {
            Ok(event) => (view::add_received(event.arguments), event.missed),
            Err(error) if error.is_disconnection() => (0, 0),
            // An event that cannot be decoded: the next one comes after it.
            Err(_) => return,
        };
        // SAFETY: C promises a function of this kind, and that it can be called with `user` until the end.
        unsafe { callback(arguments, missed, user.pointer()) };
        // C may have taken it.
        let _ = view::free(arguments);
    };
    Ok(SUBSCRIPTIONS.add(EventListening::Callback(Arc::new(proxy.watch(signal, options, tell)?))))
}

/// Has callback told what becomes of a session: NNQI_LOST when the directory's connection has ended, also by nnqi_close; NNQI_RESTORED
/// when there is another one, with reconnect; and which services come and go. What is lost already is told at once. If more than 10,000
/// services, or 1 MiB of their names, wait for a callback, they are dropped and NNQI_RESTORED stands for them: ask for the services
/// again, as after a loss. user is handed to it, as of nnqi_watch. End it with nnqi_unsubscribe. Returns 0 with EBADF or EFAULT. Any
/// thread. (11)
/// Example: nnqi_subscription watch = nnqi_watch_session(session, told, NULL);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_watch_session(
    session: nnqi_session,
    callback: nnqi_told,
    user: *mut c_void,
) -> nnqi_subscription {
    boundary(|| {
        let watch = client::session(session)?.on_notice(telling(callback, user)?)?;
        Ok(SUBSCRIPTIONS.add(EventListening::Callback(Arc::new(watch))))
    })
}

/// The same for a proxy: NNQI_LOST when its connection has ended or its service has gone, NNQI_RESTORED when it is there again, with
/// reconnect. (11)
/// Example: nnqi_subscription watch = nnqi_watch_proxy(robot, told, NULL);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_watch_proxy(
    proxy: nnqi_proxy,
    callback: nnqi_told,
    user: *mut c_void,
) -> nnqi_subscription {
    boundary(|| {
        let watch = client::proxy(proxy)?.on_notice(telling(callback, user)?)?;
        Ok(SUBSCRIPTIONS.add(EventListening::Callback(Arc::new(watch))))
    })
}

fn telling(callback: nnqi_told, user: *mut c_void) -> Result<impl FnMut(Notice) + Send + 'static> {
    let callback = callback.ok_or(Error::FAULT)?;
    let user = User::new(user);
    Ok(move |notice| {
        let (what, id, text) = match notice {
            Notice::Lost(why) => (NNQI_LOST, 0, why.to_string()),
            Notice::Restored => (NNQI_RESTORED, 0, String::new()),
            Notice::ServiceAdded { id, name } => (NNQI_SERVICE_ADDED, id, name),
            Notice::ServiceRemoved { id, name } => (NNQI_SERVICE_REMOVED, id, name),
        };
        // No name has a zero in it: the directory would not have taken it.
        let text = CString::new(text).unwrap_or_default();
        // SAFETY: C promises a function of this kind, and that it can be called with `user` until the end.
        unsafe { callback(what, id, text.as_ptr(), user.pointer()) };
    })
}

fn queue(handle: nnqi_subscription) -> Result<Arc<Subscription>> {
    match SUBSCRIPTIONS.get(handle)? {
        EventListening::Queue(subscription) => Ok(subscription),
        EventListening::Callback(_) => Err(Failure::invalid("this subscription has a callback instead of a queue")),
    }
}

/// The arguments of the next event, a tuple; waits for it for at most milliseconds (0: not at all; negative: for ever). missed,
/// which may be NULL, gets the number of events lost just before it because the queue was full. Returns 0 with EBADF, EINVAL
/// (it has a callback), ETIMEDOUT, ENOTCONN (the connection has ended, the session is closed, or with NNQI_END the queue was full, and there are no more) or EPROTO (an
/// event that cannot be decoded, or not be had in the type wanted; the next one can be taken), or EDEADLK (there is none, on a thread that reads a connection). Free it. Any thread; each event goes to one of them. If another
/// thread calls nnqi_unsubscribe, this returns at once with EBADF. (15)
/// Example: nnqi_value event = nnqi_next(subscription, 1000, NULL);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_next(
    subscription: nnqi_subscription,
    milliseconds: c_int,
    missed: *mut u64,
) -> nnqi_value {
    boundary(|| {
        let event = queue(subscription)?.next(timeout(milliseconds));
        let event = event.map_err(|error| match &error {
            // Not EINVAL: the caller has done nothing wrong.
            CallError::Payload { .. } => Failure::new(Error::PROTO, error),
            _ => Failure::from(error),
        });
        let event = SUBSCRIPTIONS.waited(subscription, event)?;
        if !missed.is_null() {
            // SAFETY: it has room for a number.
            unsafe { pointers::write(missed, event.missed) }?;
        }
        Ok(view::add_received(event.arguments))
    })
}

/// A descriptor that is readable while there is something for nnqi_next, for poll and its like. It belongs to the subscription:
/// neither read nor close it, and take it out of poll sets before nnqi_unsubscribe. Returns -1 with EBADF, EINVAL (it has a callback)
/// or EMFILE. Any thread. (15)
/// Example: struct pollfd ready = {nnqi_descriptor(subscription), POLLIN, 0};
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_descriptor(subscription: nnqi_subscription) -> c_int {
    boundary(|| Ok(queue(subscription)?.descriptor()?))
}

/// Ends listening, and waits for nothing: no callback begins after this, but one may be under way. What waits for events in another
/// thread fails with EBADF; a descriptor of the subscription becomes readable and is closed when the last of them has returned.
/// Returns 0, or -1 with EBADF. Any thread, callbacks too. (15)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_unsubscribe(subscription: nnqi_subscription) -> c_int {
    boundary(|| {
        // Others may be waiting for an event, and hold it as long.
        match SUBSCRIPTIONS.remove(subscription)? {
            EventListening::Queue(subscription) => subscription.close(),
            EventListening::Callback(watch) => watch.close(),
        }
        Ok(0)
    })
}
