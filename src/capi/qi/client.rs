use std::ffi::{c_char, c_int};
use std::sync::LazyLock;

use crate::core::Error;
use crate::qi::client::{CallError, Proxy, Session};
use crate::qi::endpoint::may_change;
use crate::qi::meta::ServiceInfoLayout;
use crate::qi::value::Value;

use super::build::nnqi_value;
use super::error::{Failure, Result, boundary};
use super::handles::{Handles, Kind};
use super::options::{nnqi_options, session_options, timeout};
use super::view;

/// A connection to a directory, and to what it leads to. Any thread. Close it with nnqi_close.
pub type nnqi_session = u64;
/// A service, or another object, of a peer. Any thread. Free it with nnqi_proxy_free.
pub type nnqi_proxy = u64;

static SESSIONS: LazyLock<Handles<Session>> = LazyLock::new(|| Handles::new(Kind::Session));
static PROXIES: LazyLock<Handles<Proxy>> = LazyLock::new(|| Handles::new(Kind::Proxy));

pub fn proxy(handle: nnqi_proxy) -> Result<Proxy> {
    PROXIES.get(handle)
}

pub fn session(handle: nnqi_session) -> Result<Session> {
    SESSIONS.get(handle)
}

pub fn add_proxy(proxy: Proxy) -> nnqi_proxy {
    PROXIES.add(proxy)
}

/// Connects to the directory at url, as tcp://robot.local:9559, and authenticates; waits for it. options may be NULL; nothing
/// of them is kept but answer and context. Returns 0 with EFAULT, EINVAL (no such address, no certificates), ENOENT (no such
/// file), EACCES (the directory does not want this user), ECONNREFUSED, ETIMEDOUT, EPROTO (that is no directory), EDEADLK (on a
/// thread that reads a connection) and the like; nnqi_error() tells more. Close it with nnqi_close. (10, 11)
/// Example: nnqi_session robots = nnqi_connect("tcp://robot.local:9559", &(struct nnqi_options){.user = "nao", .token = "secret"});
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_connect(url: *const c_char, options: *const nnqi_options) -> nnqi_session {
    boundary(|| {
        // SAFETY: a non-null `url` ends with a zero.
        let url = unsafe { view::utf8(url) }?;
        // SAFETY: a non-null `options` is some, whose texts end with a zero, with functions as C says.
        let options = unsafe { session_options(options) }?;
        Ok(SESSIONS.add(Session::connect(url, options)?))
    })
}

/// Closes a session with its connections: proxies, subscriptions and calls under way of it fail from now on with ENOTCONN, also what
/// waits for them in other threads, and for the session itself, or a service that is just being connected to. They
/// are to be freed all the same. Returns 0, or -1 with EBADF, or with EDEADLK in a chooser. Any thread. (11)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_close(session: nnqi_session) -> c_int {
    boundary(|| {
        // Not when the handle is gone already.
        may_change()?;
        SESSIONS.remove(session)?.close();
        Ok(0)
    })
}

/// 1 while there is a connection to the directory, 0 while there is none: it was lost, and with reconnect another one is being made; -1
/// with EBADF. Any thread. (10)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_is_connected(session: nnqi_session) -> c_int {
    boundary(|| Ok(c_int::from(SESSIONS.get(session)?.connection().is_ok())))
}

/// Bytes in use of a session's memory_limit, which is 16 KiB for each connection when nothing waits; -1 with EBADF. Any thread. (10)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_session_memory(session: nnqi_session) -> i64 {
    boundary(|| Ok(i64::try_from(SESSIONS.get(session)?.memory()).unwrap_or(i64::MAX)))
}

/// The services that the directory lists: a list of structs with the fields name, serviceId, machineId, processId, endpoints,
/// sessionId, objectUid. Waits for the answer. Returns 0 with EBADF, ENOTCONN, ETIMEDOUT, EPROTO (the directory refuses, or makes no
/// sense) or EDEADLK (on a thread that reads a connection). Free it. Any other thread. (11)
/// Example: nnqi_value all = nnqi_services(session), name = nnqi_find(nnqi_item(all, 0), "name");
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_services(session: nnqi_session) -> nnqi_value {
    boundary(|| {
        let services = SESSIONS.get(session)?.services()?;
        let layout = ServiceInfoLayout::Seven;
        let items = services.iter().map(|info| info.to_value(layout)).collect();
        Ok(view::add(Value::list(layout.signature().clone(), items)))
    })
}

/// A service by its name. If it is not there, waits for it for at most milliseconds (negative: for ever; 0: does not). Reaching it, over all of
/// its endpoints, and each thing that its directory is asked, has the shorter of connect_timeout and call_timeout, and no more than is left of milliseconds.
/// Returns 0 with EBADF,
/// EFAULT, EINVAL (not UTF-8, or the directory has no method for this), EHOSTUNREACH (no such service, or none of its endpoints can be
/// used), EACCES (where it is we are not wanted), EPROTO (that makes no sense there), ENOTCONN, ETIMEDOUT (it has not come, or was not reached, in this
/// time), EDEADLK (on a thread that reads a connection), or, if it has only one endpoint, what connecting to that fails with. Free it with nnqi_proxy_free. Any other
/// thread. (11)
/// Example: nnqi_proxy lamp = nnqi_service(session, "Lamp", 5000);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_service(session: nnqi_session, name: *const c_char, milliseconds: c_int) -> nnqi_proxy {
    boundary(|| {
        let session = SESSIONS.get(session)?;
        // SAFETY: a non-null `name` ends with a zero.
        let name = unsafe { view::utf8(name) }?;
        let proxy = match milliseconds {
            0 => session.service(name)?,
            _ => session.wait_for_service(name, timeout(milliseconds)).map_err(|error| match error {
                CallError::TimedOut if milliseconds > 0 => {
                    Failure::new(Error::TIMED_OUT, format!("service \"{name}\" has not come within {milliseconds} ms"))
                }
                error => Failure::from(error),
            })?,
        };
        Ok(PROXIES.add(proxy))
    })
}

/// The object of a peer's that a value of signature o refers to: a result or an item of one, an argument of an event, or of a
/// request (then calls go to the caller, on its connection). The proxy keeps it in being, and so does the value; when the last of
/// them is freed, the peer is told. It ends with its connection. Returns 0 with EBADF, EINVAL (it is no object, one of this
/// process, or came through no connection) or ENOTCONN. Free it with nnqi_proxy_free. Any thread. (7)
/// Example: nnqi_proxy child = nnqi_proxy_of(value);
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_proxy_of(value: nnqi_value) -> nnqi_proxy {
    boundary(|| {
        let view = view::looked_into(value)?;
        Ok(PROXIES.add(view.held().proxy(view.value()?)?))
    })
}

/// nnqi_proxy_of with the value taken, even on failure: for a method that returns an object. Returns, fails and is to be freed as that.
/// nnqi_take_proxy(nnqi_call(robot, "arm", nnqi_pack("(s)", "left"), -1)) (7)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_take_proxy(value: nnqi_value) -> nnqi_proxy {
    boundary(|| {
        let found = view::looked_into(value);
        // What is wrong with it is said by the line above.
        let _ = view::free(value);
        let view = found?;
        Ok(PROXIES.add(view.held().proxy(view.value()?)?))
    })
}

/// Frees a proxy. Its subscriptions, and what other threads are doing with it, go on. Returns 0, or -1 with EBADF. Any thread.
/// (13)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_proxy_free(proxy: nnqi_proxy) -> c_int {
    boundary(|| PROXIES.remove(proxy).map(|_| 0))
}

/// 1 while the object is there as far as is known, 0 while it is not: its connection has ended, or its service has gone; with
/// reconnect it is looked for. -1 with EBADF. Any thread. (10)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_proxy_is_connected(proxy: nnqi_proxy) -> c_int {
    boundary(|| Ok(c_int::from(PROXIES.get(proxy)?.is_connected())))
}

/// What the object can do: its meta object, a struct with the fields methods, signals, properties (maps by id) and description.
/// Asks nobody. Returns 0 with EBADF. Free it. Any thread. (8)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_meta(proxy: nnqi_proxy) -> nnqi_value {
    boundary(|| Ok(view::add(PROXIES.get(proxy)?.meta().to_value())))
}
