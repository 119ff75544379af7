use std::ffi::{c_char, c_int, c_void};
use std::sync::{Arc, LazyLock};

use crate::capi::pointers;
use crate::core::Error;
use crate::qi::client::{Event, SubscribeOptions, Subscription, Watch};

use super::build::nnqi_value;
use super::client::{self, nnqi_proxy};
use super::error::{Failure, Result, guard};
use super::handles::{Handles, Kind};
use super::options::timeout;
use super::user::User;
use super::view;

/// Listens to a signal, or to the changes of a property. Any thread. End it with nnqi_unsubscribe.
pub type nnqi_subscription = u64;

/// Told of events: their arguments, a tuple, which the library frees afterwards (nnqi_copy keeps it), and how many events were
/// lost just before because the callback was slow. arguments is 0 when the connection has ended: then no event comes any more. It
/// is called on a thread of the subscription's own, in order, may use everything of this header, and must return:
/// exceptions of C++ and longjmp must not leave it.
pub type nnqi_callback = Option<unsafe extern "C" fn(arguments: nnqi_value, missed: u64, user: *mut c_void)>;

#[derive(Clone)]
enum Listening {
    Queue(Arc<Subscription>),
    Callback(Arc<Watch>),
}

static SUBSCRIPTIONS: LazyLock<Handles<Listening>> = LazyLock::new(|| Handles::new(Kind::Subscription));

fn options(queue: usize) -> SubscribeOptions {
    SubscribeOptions { queue: queue.max(1), ..SubscribeOptions::default() }
}

/// Listens to a signal or property of this name, with a queue of so many events (at least 1), which hold 64 MiB together (one of any
/// size may wait); later ones are dropped and counted.
/// Waits until the peer has accepted, at most as long as the session's call_timeout says: no event after that is lost but by
/// overflow. Returns 0 with EBADF, EFAULT, EINVAL (no such signal), ENOTCONN, ETIMEDOUT, EPROTO (the peer refuses) or EDEADLK (on a
/// thread that reads a connection). Any other thread. (15)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_subscribe(proxy: nnqi_proxy, signal: *const c_char, queue: usize) -> nnqi_subscription {
    guard(|| {
        let proxy = client::proxy(proxy)?;
        // SAFETY: a non-null `signal` ends with a zero.
        let subscription = proxy.subscribe_with(unsafe { view::utf8(signal) }?, options(queue))?;
        Ok(SUBSCRIPTIONS.add(Listening::Queue(Arc::new(subscription))))
    })
}

/// The same, with the same errors, with a callback instead of nnqi_next; user is handed to it, and must be valid until it will not be called any more:
/// it may still be running when nnqi_unsubscribe returns. (15)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_watch(
    proxy: nnqi_proxy,
    signal: *const c_char,
    queue: usize,
    callback: nnqi_callback,
    user: *mut c_void,
) -> nnqi_subscription {
    guard(|| {
        let proxy = client::proxy(proxy)?;
        // SAFETY: a non-null `signal` ends with a zero.
        let signal = unsafe { view::utf8(signal) }?;
        let callback = callback.ok_or(Error::FAULT)?;
        let user = User::new(user);
        let tell = move |event: std::result::Result<Event, crate::qi::client::CallError>| {
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
        Ok(SUBSCRIPTIONS.add(Listening::Callback(Arc::new(proxy.watch(signal, options(queue), tell)?))))
    })
}

fn queue(handle: nnqi_subscription) -> Result<Arc<Subscription>> {
    match SUBSCRIPTIONS.get(handle)? {
        Listening::Queue(subscription) => Ok(subscription),
        Listening::Callback(_) => Err(Failure::invalid("this subscription has a callback instead of a queue")),
    }
}

/// The arguments of the next event, a tuple; waits for it for at most milliseconds (0: not at all; negative: for ever). missed,
/// which may be NULL, gets the number of events lost just before it because the queue was full. Returns 0 with EBADF, EINVAL
/// (it has a callback), ETIMEDOUT, ENOTCONN (the connection has ended, or the session is closed, and there are no more) or EPROTO (an
/// event that cannot be decoded; the next one can be taken), or EDEADLK (there is none, on a thread that reads a connection). Free it. Any thread; each event goes to one of them. If another
/// thread calls nnqi_unsubscribe, this returns at once with EBADF. (15)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_next(
    subscription: nnqi_subscription,
    milliseconds: c_int,
    missed: *mut u64,
) -> nnqi_value {
    guard(|| {
        let event = queue(subscription)?.next(timeout(milliseconds));
        let event = SUBSCRIPTIONS.waited(subscription, event.map_err(Failure::from))?;
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
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_descriptor(subscription: nnqi_subscription) -> c_int {
    guard(|| Ok(queue(subscription)?.descriptor()?))
}

/// Ends listening, and waits for nothing: no callback begins after this, but one may be under way. What waits for events in another
/// thread fails with EBADF; a descriptor of the subscription becomes readable and is closed when the last of them has returned.
/// Returns 0, or -1 with EBADF. Any thread, callbacks too. (15)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_unsubscribe(subscription: nnqi_subscription) -> c_int {
    guard(|| {
        // Others may be waiting for an event, and hold it as long.
        match SUBSCRIPTIONS.remove(subscription)? {
            Listening::Queue(subscription) => subscription.close(),
            Listening::Callback(watch) => watch.close(),
        }
        Ok(0)
    })
}
