use std::ffi::{c_char, c_int};
use std::sync::{Arc, LazyLock};

use crate::capi::pointers;
use crate::qi::client::Provider;
use crate::qi::server::Options;

use super::client::{nnqi_options, options_of};
use super::error::{Result, guard};
use super::handles::{Handles, Kind};
use super::objects::{self, nnqi_object};
use super::view;

/// Services of this process on the bus of another: registered with its directory, and reached at addresses of ours. Any thread.
/// Close it with nnqi_provider_close.
pub type nnqi_provider = u64;

static PROVIDERS: LazyLock<Handles<Arc<Provider>>> = LazyLock::new(|| Handles::new(Kind::Provider));

/// Connects to the directory at url and listens at count addresses, as tcp://0.0.0.0:0, where clients will reach the services.
/// options may be NULL; with reconnect the services are registered again after a loss. Nothing is kept. Returns 0 as
/// nnqi_connect, or with EADDRINUSE and the like.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_provider_open(
    url: *const c_char,
    addresses: *const *const c_char,
    count: usize,
    options: *const nnqi_options,
) -> nnqi_provider {
    guard(|| {
        // SAFETY: a non-null `url` ends with a zero, a non-null `addresses` has `count` pointers.
        let (url, addresses) = unsafe { (view::utf8(url)?, pointers::array(addresses, count)?) };
        // SAFETY: those that are not NULL end with a zero.
        let addresses = addresses.iter().map(|address| unsafe { view::utf8(*address) }).collect::<Result<Vec<_>>>()?;
        // SAFETY: a non-null `options` is some, whose texts end with a zero.
        let options = unsafe { options_of(options) }?;
        Ok(PROVIDERS.add(Arc::new(Provider::start(url, &addresses, options, Options::default())?)))
    })
}

/// Registers an object as a service of this name (UTF-8). When this returns, everybody may call it. Returns the service's id, or
/// -1 with EBADF, EFAULT, EPROTO (the directory refuses: nnqi_error() is its text), ENOTCONN or ETIMEDOUT. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_register(provider: nnqi_provider, name: *const c_char, object: nnqi_object) -> i64 {
    guard(|| {
        let (provider, object) = (PROVIDERS.get(provider)?, objects::object(object)?);
        // SAFETY: a non-null `name` ends with a zero.
        Ok(provider.register(unsafe { view::utf8(name) }?, &object)?.into())
    })
}

/// Takes a service back. Returns 0, or -1 with EBADF, EFAULT, EHOSTUNREACH (it is none of ours), ENOTCONN or ETIMEDOUT. Any
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_unregister(provider: nnqi_provider, name: *const c_char) -> c_int {
    guard(|| {
        let provider = PROVIDERS.get(provider)?;
        // SAFETY: a non-null `name` ends with a zero.
        provider.unregister(unsafe { view::utf8(name) }?)?;
        Ok(0)
    })
}

/// Ends all services of a provider and its connections. Returns 0, or -1 with EBADF. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_provider_close(provider: nnqi_provider) -> c_int {
    guard(|| PROVIDERS.remove(provider).map(|_| 0))
}
