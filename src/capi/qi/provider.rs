use std::ffi::{c_char, c_int};
use std::sync::{Arc, LazyLock};

use crate::capi::pointers;
use crate::qi::bus::Provider;
use crate::qi::endpoint::may_wait;

use super::error::{Failure, boundary};
use super::handles::{Handles, Kind};
use super::objects::{self, nnqi_object};
use super::options::{nnqi_options, session_options};
use super::server::nnqi_server_statistics;
use super::server_options::{nnqi_server_options, server_options};
use super::view;

/// Services of this process on the bus of another: registered with its directory, and reached at addresses of ours. Any thread.
/// Close it with nnqi_provider_close.
pub type nnqi_provider = u64;

static PROVIDERS: LazyLock<Handles<Arc<Provider>>> = LazyLock::new(|| Handles::new(Kind::Provider));

/// Connects to the directory at url and listens at count addresses, as tcp://0.0.0.0:0, where clients will reach the services: at each
/// address that the machine has when a service is registered. With count 0 only the directory's own process reaches them, on the
/// connection that registers them (nnqi_server_reach).
/// options, of the session with the directory, may be NULL; with reconnect the services are registered again after a loss. serving,
/// of what listens, may be NULL too. What is kept of them is told at nnqi_connect and nnqi_server_open; so are the errors, with
/// which this returns 0. What the directory refuses after a loss, as a name that is taken by then, is tried again until it is taken, or
/// unregistered. Close it with nnqi_provider_close. (11)
/// Example: nnqi_provider here = nnqi_provider_open("tcp://robot.local:9559", (const char *const[]){"tcp://0.0.0.0:0"}, 1, NULL, NULL);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_provider_open(
    url: *const c_char,
    addresses: *const *const c_char,
    count: usize,
    options: *const nnqi_options,
    serving: *const nnqi_server_options,
) -> nnqi_provider {
    boundary(|| {
        // SAFETY: a non-null `url` ends with a zero, a non-null `addresses` has `count` texts that do.
        let (url, addresses) = unsafe { (view::utf8(url)?, view::texts(addresses, count)?) };
        // SAFETY: those that are not NULL have texts that end with a zero, and functions as C says.
        let (options, serving) = unsafe { (session_options(options)?, server_options(serving)?) };
        Ok(PROVIDERS.add(Arc::new(Provider::start(url, &addresses, options, serving)?)))
    })
}

/// Registers an object as a service of this name (UTF-8). When this returns, everybody may call it. Returns the service's id, or
/// -1 with EBADF, EFAULT, EINVAL (not UTF-8, or the directory has no method for this), EPROTO (the directory refuses: nnqi_error() is
/// its text), EHOSTUNREACH (nobody could dial any address that the provider listens at), ENOTCONN (or what the object passes on to, nnqi_forward, is lost), ETIMEDOUT, or EDEADLK (on a thread that reads a connection). Any other thread. (11)
/// Example: nnqi_register(provider, "Lamp", object);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_register(provider: nnqi_provider, name: *const c_char, object: nnqi_object) -> i64 {
    boundary(|| {
        let (provider, object) = (PROVIDERS.get(provider)?, objects::object(object)?);
        // SAFETY: a non-null `name` ends with a zero.
        Ok(provider.register(unsafe { view::utf8(name) }?, &object)?.into())
    })
}

/// An address that the provider listens at, from 0 on, with the port that the system has chosen; as nnqi_server_address. Any thread. (12)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_provider_address(
    provider: nnqi_provider,
    index: usize,
    buffer: *mut c_char,
    size: usize,
) -> i64 {
    boundary(|| {
        let addresses = PROVIDERS.get(provider)?.addresses();
        let address = addresses.get(index).ok_or_else(|| Failure::invalid("there is no such address"))?;
        // SAFETY: a non-null `buffer` has room for `size` bytes.
        unsafe { view::copy_text(address.as_bytes(), buffer, size) }
    })
}

/// 1 while there is a connection to the directory, so that the services are registered or being registered, else 0; as
/// nnqi_is_connected. Any thread. (11)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_provider_is_connected(provider: nnqi_provider) -> c_int {
    boundary(|| Ok(c_int::from(PROVIDERS.get(provider)?.session().connection().is_ok())))
}

/// Takes a service back. Returns 0, or -1 with EBADF, EFAULT, EINVAL (not UTF-8, or the directory has no method for this),
/// EHOSTUNREACH (it is none of ours), EDEADLK (on a thread that reads a connection), or with ENOTCONN, ETIMEDOUT or EPROTO (the directory
/// refuses): with these three it is ours no more all the same, neither served nor registered again. Any other thread. (11)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_unregister(provider: nnqi_provider, name: *const c_char) -> c_int {
    boundary(|| {
        let provider = PROVIDERS.get(provider)?;
        // SAFETY: a non-null `name` ends with a zero.
        provider.unregister(unsafe { view::utf8(name) }?)?;
        Ok(0)
    })
}

/// Stores the counts of what a provider serves, as nnqi_server_statistics does of a server. Returns 0, or -1 with EBADF or EFAULT. Any thread. (11)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_provider_statistics(
    provider: nnqi_provider,
    statistics: *mut nnqi_server_statistics,
) -> c_int {
    boundary(|| {
        let provider = PROVIDERS.get(provider)?;
        let found = nnqi_server_statistics::of(provider.statistics());
        // SAFETY: a non-null `statistics` has room for one.
        Ok(unsafe { pointers::write(statistics, found) }.map(|()| 0)?)
    })
}

/// As nnqi_server_memory, of what a provider serves: -1 with EBADF. Any thread. (11)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_provider_memory(provider: nnqi_provider) -> i64 {
    boundary(|| Ok(i64::try_from(PROVIDERS.get(provider)?.statistics().memory).unwrap_or(i64::MAX)))
}

/// As nnqi_server_workers, of what a provider serves: -1 with EBADF. Any thread. (11)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_provider_workers(provider: nnqi_provider) -> c_int {
    boundary(|| Ok(c_int::try_from(PROVIDERS.get(provider)?.workers()).unwrap_or(c_int::MAX)))
}

/// Takes all services of a provider back and ends its connections; waits until the code of methods has returned, as nnqi_server_close,
/// and at most a second for the directory, which takes them back by itself when the connection has ended.
/// What waits for the directory in other threads fails with ENOTCONN. Returns 0, or -1 with EBADF, or with EDEADLK on a thread that
/// reads a connection. Any other thread. (11)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_provider_close(provider: nnqi_provider) -> c_int {
    boundary(|| {
        // Not when the handle is gone already.
        may_wait()?;
        PROVIDERS.remove(provider)?.close();
        Ok(0)
    })
}
