use std::ffi::{CString, c_char, c_int};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::capi::pointers;
use crate::qi::bus::serve;
use crate::qi::client::{Proxy, shared_reactor};
use crate::qi::endpoint::may_wait;
use crate::qi::server::{Server, ServerStatistics};

use super::client::{self, nnqi_proxy};
use super::error::{Failure, Result, boundary};
use super::handles::{Handles, Kind};
use super::objects::{self, nnqi_object};
use super::options::timeout;
use super::server_options::{nnqi_server_options, server_options};
use super::view;

/// A directory with services of this process. Any thread. Close it with nnqi_server_close.
pub type nnqi_server = u64;

/// What a server has to do now, and has done.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nnqi_server_statistics {
    /// Connections that are open.
    pub connections: u64,
    /// Calls that have no answer yet.
    pub pending_calls: u64,
    /// Registrations for signals and properties.
    pub subscriptions: u64,
    /// Objects that peers have been given and not released.
    pub exports: u64,
    /// Events that the open connections have lost because they do not read.
    pub events_dropped: u64,
}

impl nnqi_server_statistics {
    pub(super) fn of(counts: ServerStatistics) -> nnqi_server_statistics {
        nnqi_server_statistics {
            connections: counts.connections as u64,
            pending_calls: counts.pending_calls as u64,
            subscriptions: counts.subscriptions as u64,
            exports: counts.exports as u64,
            events_dropped: counts.events_dropped,
        }
    }
}

static SERVERS: LazyLock<Handles<Hosted>> = LazyLock::new(|| Handles::new(Kind::Server));

/// A server, and what C has a pointer to as long as it has the handle.
#[derive(Clone)]
struct Hosted {
    server: Arc<Server>,
    url: Arc<CString>,
}

fn add(server: Server) -> nnqi_server {
    let url = server.addresses().into_iter().next().unwrap_or_default();
    SERVERS.add(Hosted { server: Arc::new(server), url: Arc::new(view::c_text(url.as_bytes())) })
}

fn get(handle: nnqi_server) -> Result<Arc<Server>> {
    Ok(SERVERS.get(handle)?.server)
}

/// Starts a directory that listens at count addresses, as tcp://127.0.0.1:9559 (port 0: any that is free). options may be NULL.
/// Nothing of them is kept but authenticate and context. Returns 0 with EFAULT (a pointer is NULL), EINVAL (options, certificate or
/// key, an address), EPROTO (tcps without a certificate), ENOENT (no such file), EADDRINUSE, EACCES, EMFILE, EDEADLK
/// (on a thread that reads a connection) and the like. (11)
/// Example: nnqi_server bus = nnqi_server_open((const char *const[]){"tcp://0.0.0.0:9559"}, 1, &(struct nnqi_server_options){.user = "nao", .token = "secret"});
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_server_open(
    urls: *const *const c_char,
    count: usize,
    options: *const nnqi_server_options,
) -> nnqi_server {
    boundary(|| {
        // SAFETY: a non-null `urls` has `count` texts that end with a zero.
        let urls = unsafe { view::texts(urls, count) }?;
        // SAFETY: a non-null `options` is some, whose texts end with a zero, with functions as C says.
        let options = unsafe { server_options(options) }?;
        Ok(add(Server::standalone(&shared_reactor()?, &urls, options)?))
    })
}

/// A directory that listens at url, with this object as a service of this name: nnqi_server_open with one address and without options,
/// nnqi_add_service and nnqi_object_free in one. The object is taken, even on failure. Returns 0 as these fail. More services may be
/// added. Close it with nnqi_server_close. nnqi_serve("tcp://127.0.0.1:9559", "Lamp", nnqi_object_new(lamp, NULL)) (11)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_serve(url: *const c_char, name: *const c_char, object: nnqi_object) -> nnqi_server {
    boundary(|| {
        let object = objects::take(object);
        // SAFETY: those that are not NULL end with a zero.
        let (url, name) = unsafe { (view::utf8(url)?, view::utf8(name)?) };
        let (object, server) = (object?, serve(url)?);
        server.add_service(name, &object)?;
        Ok(add(server))
    })
}

/// An address that the server listens at, from 0 on, with the port that the system has chosen; copied as nnqi_signature
/// copies. Returns its length, or -1 with EBADF, EFAULT or EINVAL (there are not so many). Any thread. (12)
/// Example: nnqi_server_address(server, 0, text, sizeof text);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_server_address(
    server: nnqi_server,
    index: usize,
    buffer: *mut c_char,
    size: usize,
) -> i64 {
    boundary(|| {
        let addresses = get(server)?.addresses();
        let address = addresses.get(index).ok_or_else(|| Failure::invalid("there is no such address"))?;
        // SAFETY: a non-null `buffer` has room for `size` bytes.
        unsafe { view::copy_text(address.as_bytes(), buffer, size) }
    })
}

/// The first address that the server listens at, with the port that the system has chosen: what clients connect to. The text is valid until
/// nnqi_server_close. Returns NULL with EBADF, or EINVAL (it listens nowhere). Any thread. puts(nnqi_server_url(server)) (12)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_server_url(server: nnqi_server) -> *const c_char {
    boundary(|| {
        let url = SERVERS.get(server)?.url;
        if url.is_empty() { Err(Failure::invalid("there is no such address")) } else { Ok(url.as_ptr()) }
    })
}

/// Adds an object as a service of this name (UTF-8). When this returns, everybody may call it. Returns the service's id, or
/// -1 with EBADF, EFAULT, EINVAL (the name is taken, or empty) or ENOTCONN (what the object passes on to, nnqi_forward, is lost). Any thread. (11)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_add_service(server: nnqi_server, name: *const c_char, object: nnqi_object) -> i64 {
    boundary(|| {
        let (server, object) = (get(server)?, objects::object(object)?);
        // SAFETY: a non-null `name` ends with a zero.
        Ok(server.add_service(unsafe { view::utf8(name) }?, &object)?.into())
    })
}

/// Removes a service by its id. Requests that wait are still handled. Returns 0, or -1 with EBADF or EINVAL (there is none, or
/// not of this process). Any thread. (11)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_remove_service(server: nnqi_server, id: u32) -> c_int {
    boundary(|| {
        get(server)?.remove_service(id)?;
        Ok(0)
    })
}

/// A service that another process has registered with this server, called on the connection that registered it, so through any
/// firewall. Waits for its meta object for at most milliseconds (negative: for ever). The proxy ends with that connection. Returns 0
/// with EBADF, EFAULT, EHOSTUNREACH (no such service, or it is of this process, or whoever registered it takes no calls there),
/// ENOTCONN, ETIMEDOUT, EPROTO (its own words) or EDEADLK (on a thread that reads a connection). Free it with nnqi_proxy_free. Any
/// thread. (11, 13)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_server_reach(
    server: nnqi_server,
    name: *const c_char,
    milliseconds: c_int,
) -> nnqi_proxy {
    boundary(|| {
        let server = get(server)?;
        // SAFETY: a non-null `name` ends with a zero.
        let name = unsafe { view::utf8(name) }?;
        let remote = server.reach(name, timeout(milliseconds).unwrap_or(Duration::MAX))?;
        Ok(client::add_proxy(Proxy::of_remote(&remote)?))
    })
}

/// Stores the counts of a server. Returns 0, or -1 with EBADF or EFAULT. Any thread. (11)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_server_statistics(server: nnqi_server, statistics: *mut nnqi_server_statistics) -> c_int {
    boundary(|| {
        let server = get(server)?;
        let found = nnqi_server_statistics::of(server.statistics());
        // SAFETY: a non-null `statistics` has room for one.
        Ok(unsafe { pointers::write(statistics, found) }.map(|()| 0)?)
    })
}

/// Bytes in use of what a server's connections may keep in memory together (memory_limit), in steps of 16 KiB; -1 with EBADF. Any
/// thread. (11)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_server_memory(server: nnqi_server) -> i64 {
    boundary(|| Ok(i64::try_from(get(server)?.statistics().memory).unwrap_or(i64::MAX)))
}

/// Threads that a server's methods run on now, busy or idle (max_workers); -1 with EBADF. Any thread. (11)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_server_workers(server: nnqi_server) -> c_int {
    boundary(|| Ok(c_int::try_from(get(server)?.workers()).unwrap_or(c_int::MAX)))
}

/// Closes listeners and connections, and waits until the code of methods has returned (but not for itself, if that is what
/// calls this). Requests that are still open are to be answered all the same; nobody hears it. Returns 0, or -1 with
/// EBADF, or with EDEADLK on a thread that reads a connection (in nnqi_done and the like). Any other thread. (11)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_server_close(server: nnqi_server) -> c_int {
    boundary(|| {
        // Not when the handle is gone already.
        may_wait()?;
        SERVERS.remove(server)?.server.close();
        Ok(0)
    })
}
