use std::ffi::{c_char, c_int};
use std::sync::{Arc, LazyLock};

use crate::capi::pointers;
use crate::core::Error;
use crate::qi::client::shared_reactor;
use crate::qi::server::{Options, Server, Verdict};

use super::error::{Failure, Result, guard};
use super::handles::{Handles, Kind};
use super::objects::{self, nnqi_object};
use super::view;

/// A directory with services of this process. Any thread. Close it with nnqi_server_close.
pub type nnqi_server = u64;

/// Settings of a server. All zero, as {0}, is the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nnqi_server_options {
    /// Who is let in, with token; NULL: everybody.
    pub user: *const c_char,
    /// What user must show; NULL: nothing is asked for.
    pub token: *const c_char,
    /// Threads that objects work on; 0: one for each processor, at least 2.
    pub workers: c_int,
}

static SERVERS: LazyLock<Handles<Arc<Server>>> = LazyLock::new(|| Handles::new(Kind::Server));

/// Starts a directory that listens at count addresses, as tcp://127.0.0.1:9559 (port 0: any that is free). options may be NULL.
/// Nothing of them is kept. Returns 0 with EFAULT (a pointer is NULL), EINVAL (options, an address), EADDRINUSE, EACCES,
/// EMFILE and the like.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_server_open(
    urls: *const *const c_char,
    count: usize,
    options: *const nnqi_server_options,
) -> nnqi_server {
    guard(|| {
        // SAFETY: a non-null `urls` has `count` pointers.
        let urls = unsafe { pointers::array(urls, count) }?;
        // SAFETY: those that are not NULL end with a zero.
        let urls = urls.iter().map(|url| unsafe { view::utf8(*url) }).collect::<Result<Vec<_>>>()?;
        // SAFETY: a non-null `options` is some, whose texts end with a zero.
        let options = unsafe { options_of(options) }?;
        Ok(SERVERS.add(Arc::new(Server::standalone(&shared_reactor()?, &urls, options)?)))
    })
}

/// # Safety
/// A non-null `given` is readable, and its texts are NULL or end with a zero.
unsafe fn options_of(given: *const nnqi_server_options) -> Result<Options> {
    let mut options = Options::default();
    if given.is_null() {
        return Ok(options);
    }
    // SAFETY: the caller's promise.
    let given = unsafe { pointers::read(given, Error::FAULT) }?;
    match usize::try_from(given.workers) {
        Ok(0) => {}
        Ok(workers) => options.workers = workers,
        Err(_) => return Err(Failure::invalid("a negative number of workers")),
    }
    if !given.user.is_null() {
        // SAFETY: the caller's promise.
        let user = unsafe { pointers::text(given.user) }?.to_vec();
        // SAFETY: the caller's promise.
        let token = if given.token.is_null() { None } else { Some(unsafe { pointers::text(given.token) }?.to_vec()) };
        options = options.authenticator(move |shown| {
            let token_fits = token.as_deref().is_none_or(|token| shown.token == Some(token));
            match shown.user == Some(&*user) && token_fits {
                true => Verdict::Accept(Vec::new()),
                false => Verdict::Reject("wrong user or token".to_owned()),
            }
        });
    } else if !given.token.is_null() {
        return Err(Failure::invalid("a token without a user"));
    }
    Ok(options)
}

/// An address that the server listens at, from 0 on, with the port that the system has chosen; copied as nnqi_signature
/// copies. Returns its length, or -1 with EBADF, EFAULT or EINVAL (there are not so many). Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_server_address(server: nnqi_server, index: usize, buffer: *mut c_char, size: usize) -> i64 {
    guard(|| {
        let addresses = SERVERS.get(server)?.addresses();
        let address = addresses.get(index).ok_or_else(|| Failure::invalid("there is no such address"))?;
        // SAFETY: a non-null `buffer` has room for `size` bytes.
        unsafe { view::copy_text(address.as_bytes(), buffer, size) }
    })
}

/// Adds an object as a service of this name (UTF-8). When this returns, everybody may call it. Returns the service's id, or
/// -1 with EBADF, EFAULT or EINVAL (the name is taken, or empty). Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_add_service(server: nnqi_server, name: *const c_char, object: nnqi_object) -> i64 {
    guard(|| {
        let (server, object) = (SERVERS.get(server)?, objects::object(object)?);
        // SAFETY: a non-null `name` ends with a zero.
        Ok(server.add_service(unsafe { view::utf8(name) }?, &object)?.into())
    })
}

/// Removes a service by its id. Requests that wait are still handled. Returns 0, or -1 with EBADF or EINVAL (there is none, or
/// not of this process). Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_remove_service(server: nnqi_server, id: u32) -> c_int {
    guard(|| {
        SERVERS.get(server)?.remove_service(id)?;
        Ok(0)
    })
}

/// Closes listeners and connections, and waits until the code of methods has returned (but not for itself, if that is what
/// calls this). Requests that are still open are to be answered all the same; nobody hears it. Returns 0, or -1 with
/// EBADF. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_server_close(server: nnqi_server) -> c_int {
    guard(|| {
        SERVERS.remove(server)?.close();
        Ok(0)
    })
}
