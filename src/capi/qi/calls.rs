use std::ffi::{c_char, c_int, c_void};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::capi::pointers;
use crate::core::Error;
use crate::qi::client::{CallError, CallOptions, Canceler, Completion, PendingCall, Proxy};
use crate::qi::server::Object;
use crate::qi::value::Value;
use crate::sys::sync::Mutex;

use super::build::nnqi_value;
use super::client::{self, nnqi_proxy};
use super::error::{Failure, Result, boundary};
use super::handles::{Handles, Kind};
use super::objects;
use super::options::timeout;
use super::user::User;
use super::view;

/// A call under way: nnqi_call_start, nnqi_call_then. Any thread. Free it with nnqi_pending_free, also when it has ended.
pub type nnqi_pending = u64;

/// Told how a call has ended: its result, which the library frees afterwards (nnqi_copy keeps it), or 0, and then error is the
/// errno and text the words that nnqi_call would have left; text is valid until this returns. It is called on the thread that
/// reads the connection, which may be any that is waiting in a call of this library: it must not block, take no lock that is
/// held around such calls, and must return: exceptions of C++ and longjmp must not leave it. What waits fails with EDEADLK
/// here; nnqi_call_then, nnqi_cancel, nnqi_pending_free and nnqi_post may be used.
pub type nnqi_done =
    Option<unsafe extern "C" fn(result: nnqi_value, error: c_int, text: *const c_char, user: *mut c_void)>;

static PENDING: LazyLock<Handles<UnderWay>> = LazyLock::new(|| Handles::new(Kind::Pending));

#[derive(Clone)]
enum UnderWay {
    Waited(Arc<PendingCall>),
    Told(Arc<CallNotice>),
}

fn waited(handle: nnqi_pending) -> Result<Arc<PendingCall>> {
    match PENDING.get(handle)? {
        UnderWay::Waited(call) => Ok(call),
        UnderWay::Told(_) => Err(Failure::invalid("this call has a function that is told instead of a wait")),
    }
}

/// A call whose end a function is told. Its handle is C's before it is sent: the function may be called at once.
#[derive(Default)]
struct CallNotice(Mutex<CallState>);

#[derive(Default)]
enum CallState {
    #[default]
    Begun,
    /// Cancelled before it was sent.
    Unwanted,
    Sent(Canceler),
    Ended,
}

impl CallNotice {
    fn sent(&self, call: Canceler) {
        let mut state = self.0.lock();
        let unwanted = matches!(*state, CallState::Unwanted);
        if !matches!(*state, CallState::Ended) {
            *state = CallState::Sent(call);
        }
        drop(state);
        if unwanted {
            self.cancel();
        }
    }

    fn cancel(&self) {
        let mut state = self.0.lock();
        let call = match &*state {
            CallState::Sent(call) => call.clone(),
            CallState::Begun => return *state = CallState::Unwanted,
            CallState::Unwanted | CallState::Ended => return,
        };
        drop(state);
        call.cancel();
    }

    fn end(&self) {
        *self.0.lock() = CallState::Ended;
    }

    fn has_ended(&self) -> bool {
        matches!(*self.0.lock(), CallState::Ended)
    }
}

/// What is to be called, as all ways to call are given it.
struct AskedCall<'a> {
    proxy: Proxy,
    method: &'a str,
    arguments: Vec<Value>,
    objects: Vec<Object>,
    options: CallOptions,
}

/// # Safety
/// A non-null `method` ends with a zero.
unsafe fn asked<'a>(
    proxy: nnqi_proxy,
    method: *const c_char,
    arguments: nnqi_value,
    milliseconds: c_int,
) -> Result<AskedCall<'a>> {
    // Taken whatever fails.
    let arguments = objects::arguments(arguments);
    let proxy = client::proxy(proxy)?;
    // SAFETY: the caller's promise.
    let method = unsafe { view::utf8(method) }?;
    let options = CallOptions { timeout: timeout(milliseconds), ..CallOptions::default() };
    let (arguments, objects) = arguments?;
    Ok(AskedCall { proxy, method, arguments, objects, options })
}

impl AskedCall<'_> {
    /// Has the arguments sent, with the objects of ours in them.
    fn send<T>(
        self,
        send: impl FnOnce(&Proxy, &str, &[Value], &CallOptions) -> std::result::Result<T, CallError>,
    ) -> Result<T> {
        let AskedCall { proxy, method, arguments, objects, options } = self;
        Ok(proxy.passing(arguments, &objects, |arguments| send(&proxy, method, arguments, &options))?)
    }
}

/// Calls a method, and waits for its result for at most milliseconds (negative: as long as call_timeout of nnqi_options says).
/// arguments is a tuple (without arguments nnqi_tuple(NULL, 0)), which is taken, even on failure. The method is chosen by
/// name and arguments, or by its full name, as add::(ii). Returns the result (a value of kind v if there is none), or 0 with EBADF,
/// EFAULT, EINVAL (no such method, not for these arguments), EPROTO (the method failed: nnqi_error() is its text), ETIMEDOUT (the
/// peer has been asked to cancel, but it may still be carried out), ENOTCONN, EINTR (cancelled) or EDEADLK (on the library's own I/O
/// thread; in a method of the very object that is called, if that does one thing at a time). Free it. Any thread, code of methods and
/// callbacks of nnqi_watch too. (14)
/// Example: nnqi_value sum = nnqi_call(robot, "add", nnqi_pack("(ii)", 1, 2), 1000);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_call(
    proxy: nnqi_proxy,
    method: *const c_char,
    arguments: nnqi_value,
    milliseconds: c_int,
) -> nnqi_value {
    boundary(|| {
        // SAFETY: a non-null `method` ends with a zero.
        let asked = unsafe { asked(proxy, method, arguments, milliseconds) }?;
        Ok(view::add_received(asked.send(Proxy::start_awaited)?.wait()?))
    })
}

/// nnqi_call with a result of this signature, whatever the method declares: the peer is asked to convert it if it can, and what it does
/// not is converted here. It is EINVAL too if the signature is none, and EINVAL or EPROTO if the result cannot be had in it. Free
/// it. Any thread. nnqi_call_as(memory, "getData", nnqi_pack("(s)", "key"), "[f]", 1000) (14, 19)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_call_as(
    proxy: nnqi_proxy,
    method: *const c_char,
    arguments: nnqi_value,
    signature: *const c_char,
    milliseconds: c_int,
) -> nnqi_value {
    boundary(|| {
        // SAFETY: a non-null `method` ends with a zero. It takes the arguments, so it comes first.
        let asked = unsafe { asked(proxy, method, arguments, milliseconds) };
        // SAFETY: a non-null `signature` ends with a zero.
        let wanted = unsafe { view::signature(signature) }?;
        let mut asked = asked?;
        asked.options.wanted = Some(wanted);
        Ok(view::add_received(asked.send(Proxy::start_awaited)?.wait()?))
    })
}

/// Calls a method and does not wait for its result: nnqi_wait does. Everything else is as of nnqi_call: milliseconds is the
/// time that the call has. Waits at most for room to send. Returns 0 with EBADF, EFAULT, EINVAL, ETIMEDOUT (no room), ENOTCONN or
/// EDEADLK (no room, on the library's own I/O thread). Free it with nnqi_pending_free. Any thread. (14)
/// Example: nnqi_pending walk = nnqi_call_start(robot, "walk", nnqi_pack("(d)", 2.5), 60000);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_call_start(
    proxy: nnqi_proxy,
    method: *const c_char,
    arguments: nnqi_value,
    milliseconds: c_int,
) -> nnqi_pending {
    boundary(|| {
        // SAFETY: a non-null `method` ends with a zero.
        let asked = unsafe { asked(proxy, method, arguments, milliseconds) }?;
        Ok(PENDING.add(UnderWay::Waited(Arc::new(asked.send(Proxy::start_call)?))))
    })
}

/// Calls a method as nnqi_call_start, and has done called with what comes of it, exactly once; if this fails, never. user is
/// handed to it, and must be valid until then. pending may be NULL; else *pending becomes a handle for nnqi_cancel and nnqi_is_done,
/// to be freed with nnqi_pending_free, and is 0 if this fails. It is set before done can be called, which may be before this
/// returns, and *pending is not used afterwards. Returns 0, or -1 as nnqi_call_start. Any thread. (14)
/// Example: nnqi_call_then(robot, "walk", nnqi_pack("(d)", 2.5), 60000, done, NULL, &pending);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_call_then(
    proxy: nnqi_proxy,
    method: *const c_char,
    arguments: nnqi_value,
    milliseconds: c_int,
    done: nnqi_done,
    user: *mut c_void,
    pending: *mut nnqi_pending,
) -> c_int {
    boundary(|| {
        let give = |handle| match pending.is_null() {
            true => Ok(()),
            // SAFETY: it has room for a handle.
            false => unsafe { pointers::write(pending, handle) },
        };
        give(0)?;
        // SAFETY: a non-null `method` ends with a zero.
        let asked = unsafe { asked(proxy, method, arguments, milliseconds) }?;
        let done = done.ok_or(Error::FAULT)?;
        let told = Arc::new(CallNotice::default());
        let handle = if pending.is_null() { 0 } else { PENDING.add(UnderWay::Told(Arc::clone(&told))) };
        give(handle)?;
        let tell = telling(done, User::new(user), Arc::clone(&told));
        match asked.send(|proxy, method, arguments, options| proxy.call_then(method, arguments, options, tell)) {
            Ok(call) => told.sent(call),
            Err(failure) => {
                give(0)?;
                // There is none without a place for it, and C may have freed it.
                let _ = PENDING.remove(handle);
                return Err(failure);
            }
        }
        Ok(0)
    })
}

fn telling(
    done: unsafe extern "C" fn(nnqi_value, c_int, *const c_char, *mut c_void),
    user: User,
    told: Arc<CallNotice>,
) -> Completion {
    Box::new(move |outcome| {
        told.end();
        let (result, (error, text)) = match outcome {
            Ok(received) => (view::add_received(received), Default::default()),
            Err(error) => (0, Failure::from(error).into_parts()),
        };
        // SAFETY: C promises a function of this kind, and that it can be called with `user` once.
        unsafe { done(result, error, text.as_ptr(), user.pointer()) };
        // C may have taken it.
        let _ = view::free(result);
    })
}

/// The result of a call under way; waits for it for at most milliseconds (0: not at all; negative: as long as the call may
/// take). Returns 0 with EAGAIN (not yet) or EDEADLK (as of nnqi_call), and the call goes on, or with what nnqi_call returns else: then the call has ended. Only one
/// nnqi_wait gets the end, and the others, at once or later, EINTR; if another thread frees the handle, this returns with EBADF.
/// ENOBUFS: the result came before anybody waited for it, when those of other calls that nobody had taken used up memory_limit, and was dropped; the call
/// has been carried out. It is EINVAL if a function is told the end (nnqi_call_then). The result is yours to free, and the handle stays one until it is
/// freed. Any thread. (14)
/// Example: nnqi_value walked = nnqi_wait(pending, -1);
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_wait(pending: nnqi_pending, milliseconds: c_int) -> nnqi_value {
    boundary(|| {
        let outcome = waited(pending)?.wait_for(timeout(milliseconds).unwrap_or(Duration::MAX));
        let outcome = outcome.ok_or_else(|| Failure::new(Error::AGAIN, "no answer yet"));
        let received = PENDING.waited(pending, outcome.and_then(|received| Ok(received?)))?;
        Ok(view::add_received(received))
    })
}

/// 1 if the call has ended, so that nnqi_wait would not wait, or the function of nnqi_call_then is being called or has been; else 0;
/// -1 with EBADF. A call whose time is over ends only when somebody waits for it, or a function is told. Any thread. (14)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_is_done(pending: nnqi_pending) -> c_int {
    boundary(|| {
        Ok(c_int::from(match PENDING.get(pending)? {
            UnderWay::Waited(call) => call.is_done(),
            UnderWay::Told(call) => call.has_ended(),
        }))
    })
}

/// Asks the peer to end the call, if it knows how to, and waits for nothing. The call still has its one end,
/// which nnqi_wait, also one that is waiting in another thread, or the function of nnqi_call_then gets: EINTR, or the result if it
/// was too late. After the end it does nothing. Returns 0, or -1 with EBADF. Any thread, that function too. (16)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_cancel(pending: nnqi_pending) -> c_int {
    boundary(|| {
        match PENDING.get(pending)? {
            UnderWay::Waited(call) => call.cancel(),
            UnderWay::Told(call) => call.cancel(),
        }
        Ok(0)
    })
}

/// Frees a call. One that has not ended goes on at the peer, unless nnqi_cancel came before, and nobody hears of its end, but for
/// the function of nnqi_call_then, which is called all the same. Returns 0, or -1 with EBADF. Any thread, that function too.
/// (14)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_pending_free(pending: nnqi_pending) -> c_int {
    boundary(|| {
        if let UnderWay::Waited(call) = PENDING.remove(pending)? {
            // Others may be waiting for it, and hold it as long.
            call.forget();
        }
        Ok(0)
    })
}

/// Calls a method without an answer: nobody hears of a failure. Waits for nothing but room to send, if the peer does not read, and for that at most
/// as long as call_timeout of nnqi_options says (ETIMEDOUT: it has not been sent). arguments as of nnqi_call. The name may be a
/// signal's: then the object emits it. Returns 0, or -1 as nnqi_call. Any thread. (14)
/// Example: nnqi_post(robot, "say", nnqi_pack("(s)", "hello"));
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_post(proxy: nnqi_proxy, method: *const c_char, arguments: nnqi_value) -> c_int {
    boundary(|| {
        // SAFETY: a non-null `method` ends with a zero.
        let asked = unsafe { asked(proxy, method, arguments, -1) }?;
        asked.send(|proxy, method, arguments, _| proxy.post(method, arguments))?;
        Ok(0)
    })
}

/// The value of a property; waits for the answer, at most as long as the session's call_timeout says (nnqi_property_get_within: so long). Returns
/// 0 as nnqi_call. Free it. Any thread.
/// (15)
/// Example: double height = nnqi_take_double(nnqi_property_get(robot, "height"), 0);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_property_get(proxy: nnqi_proxy, name: *const c_char) -> nnqi_value {
    // SAFETY: the caller's promise.
    unsafe { nnqi_property_get_within(proxy, name, -1) }
}

/// nnqi_property_get for at most milliseconds (negative: as long as call_timeout of nnqi_options says). (15)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_property_get_within(
    proxy: nnqi_proxy,
    name: *const c_char,
    milliseconds: c_int,
) -> nnqi_value {
    boundary(|| {
        let proxy = client::proxy(proxy)?;
        let options = CallOptions { timeout: timeout(milliseconds), ..CallOptions::default() };
        // SAFETY: a non-null `name` ends with a zero.
        Ok(view::add_received(proxy.property_with(unsafe { view::utf8(name) }?, &options)?))
    })
}

/// Sets a property to a value, which is taken; waits for the answer as nnqi_property_get. Returns 0, or -1 as nnqi_call. Any thread.
/// (15)
/// Example: nnqi_property_set(robot, "battery", nnqi_int('i', 100));
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_property_set(proxy: nnqi_proxy, name: *const c_char, value: nnqi_value) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { nnqi_property_set_within(proxy, name, value, -1) }
}

/// nnqi_property_set for at most milliseconds (negative: as long as call_timeout of nnqi_options says). (15)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_property_set_within(
    proxy: nnqi_proxy,
    name: *const c_char,
    value: nnqi_value,
    milliseconds: c_int,
) -> c_int {
    boundary(|| {
        let value = objects::property_value(value);
        let proxy = client::proxy(proxy)?;
        let options = CallOptions { timeout: timeout(milliseconds), ..CallOptions::default() };
        // SAFETY: a non-null `name` ends with a zero.
        proxy.set_property_with(unsafe { view::utf8(name) }?, value?, &options)?;
        Ok(0)
    })
}
