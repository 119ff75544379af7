use std::ffi::{OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::capi::pointers;
use crate::core::Error;
use crate::qi::capability::CapabilityMap;
use crate::qi::client::{Authenticator, Backoff, Credentials, SessionOptions};
use crate::qi::convert::convert;
use crate::qi::endpoint::{Budget, Config, TlsClient, files};
use crate::qi::value::Value;

use super::build::nnqi_value;
use super::error::{Failure, Result};
use super::user::User;
use super::view;

/// Milliseconds as C passes them; negative: for ever.
pub fn timeout(milliseconds: c_int) -> Option<Duration> {
    u64::try_from(milliseconds).ok().map(Duration::from_millis)
}

/// Answers a server that wants to know more than user and token (an authenticator that says NNQI_CONTINUE): gets what the server
/// has said, a map of signature {sm} which the library frees afterwards, and returns another with what the server is to know, which
/// is taken, or 0 for nothing. Keys begin with auth_, which is put in front where it is missing. It is called on a thread that
/// connects, may take its time, and must return: exceptions of C++ and longjmp must not leave it.
pub type nnqi_answerer = Option<unsafe extern "C" fn(question: nnqi_value, context: *mut c_void) -> nnqi_value>;

/// Settings of a session, or of an end point (nnqi_endpoint_connect). All zero, as {0}, is the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nnqi_options {
    /// For directories that ask who we are; NULL: nobody.
    pub user: *const c_char,
    /// What goes with user, or NULL. If the directory is reached by tcps, it is not sent to services over plain tcp, nor is what answer says: those that have
    /// no other endpoint are EHOSTUNREACH.
    pub token: *const c_char,
    /// Milliseconds for connecting and authenticating, to the directory or, over all of its endpoints, to a service; 0: 10000; negative: as
    /// long as it takes.
    pub connect_timeout: c_int,
    /// 1: connect again when connections are lost, and restore proxies and subscriptions; what fails then is tried again, at most 10 s
    /// later. A subscription ends only if its signal does not come back.
    pub reconnect: c_int,
    /// For directories that ask further; NULL: they get an empty answer.
    pub answer: nnqi_answerer,
    /// What answer gets. It must stay valid as long as the session may connect, which is wherever a service of it is found; when
    /// nnqi_close returns, a call may still be under way in another thread.
    pub context: *mut c_void,
    /// For addresses with tcps: a file (PEM) with the certificates that are believed, each in its time: themselves, whoever has signed
    /// them, and as those of authorities that have signed others. One without names is believed for any. Plain tcp is EINVAL then, and
    /// endpoints of services that have it are not dialled (EHOSTUNREACH if there are no others). NULL: every certificate is believed, as
    /// libqi does: nobody can read along, but anybody can be at the other end.
    pub authorities: *const c_char,
    /// With authorities: the name or address that certificates must be for; NULL: what is dialled.
    pub server_name: *const c_char,
    /// Milliseconds for each call, property and subscription of the session's services, and of objects that came from them, that is
    /// given no time of its own (a negative one is none); 0: 300000, which is 5 minutes; negative: as long as it takes. What the session asks its directory, and reaching a service, has the shorter of
    /// this and connect_timeout. Objects that came to a method of a server (nnqi_proxy_of) have 5 minutes.
    pub call_timeout: c_int,
    /// Bytes of the longest payload that is accepted, up to 4294967295; 0: 50 MB. A longer one ends the connection; one longer than
    /// that and than 50 MB is not sent (EMSGSIZE).
    pub max_payload: i64,
    /// Bytes that may wait in memory over all connections of the session: messages that have not wholly arrived, events and results that nobody
    /// has taken, what is to be sent, and 16 KiB for each connection; 0: 268435456 (256 MiB). Each connection and subscription may have as much as is left
    /// free, one by itself nearly half of it (15/32); what has no room is dropped and counted, or is an error of the call.
    pub memory_limit: i64,
    /// Milliseconds in which a message that has begun to arrive must get on by 16 KiB, or be whole; 0: 30000; negative: no limit. If it
    /// does not, the connection ends.
    pub stall_timeout: c_int,
}

/// # Safety
/// A non-null `given` is readable, its texts are NULL or end with a zero, and its functions are what they are said to be.
pub unsafe fn session_options(given: *const nnqi_options) -> Result<SessionOptions> {
    let mut options = SessionOptions::default();
    if given.is_null() {
        return Ok(options);
    }
    // SAFETY: the caller's promise.
    let given = unsafe { pointers::read(given, Error::FAULT) }?;
    // SAFETY: the caller's promise, of each text.
    let text = |text| some(text, |text| unsafe { view::utf8(text) }.map(str::to_owned));
    options.dial.credentials.user = text(given.user)?;
    options.dial.credentials.token = text(given.token)?;
    options.dial.credentials.authenticator = given.answer.map(|answer| answering(answer, User::new(given.context)));
    if given.connect_timeout != 0 {
        options.dial.timeout = timeout(given.connect_timeout);
    }
    options.reconnect = (given.reconnect != 0).then(Backoff::default);
    if given.call_timeout != 0 {
        options.call_timeout = timeout(given.call_timeout);
    }
    set(&mut options.dial.config.max_payload, "max_payload", given.max_payload)?;
    memory(&mut options.dial.config, given.memory_limit, given.stall_timeout)?;
    // SAFETY: the caller's promise.
    let authorities = some(given.authorities, |name| unsafe { file(name) })?;
    options.dial.config.tls_client = match (authorities, text(given.server_name)?) {
        (None, None) => None,
        (None, Some(_)) => return Err(Failure::invalid("a name of the server without authorities")),
        (Some((name, pem)), server) => Some(believing(&name, &pem, server.as_deref())?),
    };
    Ok(options)
}

/// What of a session's settings goes for a connection by itself: its configuration, and the time that connecting has. `EINVAL` for
/// the rest.
///
/// # Safety
/// As [`session_options`].
pub unsafe fn connection_options(given: *const nnqi_options) -> Result<(Config, Option<Duration>)> {
    // SAFETY: the caller's promise.
    let SessionOptions { mut dial, reconnect, call_timeout, .. } = unsafe { session_options(given) }?;
    let calls = call_timeout != SessionOptions::default().call_timeout;
    let Credentials { user, token, authenticator } = dial.credentials;
    if user.is_some() || token.is_some() || authenticator.is_some() {
        return Err(Failure::invalid("an end point by itself does not authenticate: no user, token or answer"));
    }
    if reconnect.is_some() || calls {
        return Err(Failure::invalid(
            "an end point by itself neither connects again nor calls: no reconnect or call_timeout",
        ));
    }
    // When the peer is authenticated, only the caller knows.
    dial.config.max_payload_before = dial.config.max_payload;
    Ok((dial.config, dial.timeout))
}

fn believing(name: &str, pem: &[u8], server: Option<&str>) -> Result<TlsClient> {
    let believed = TlsClient::verified(pem).map_err(|error| Failure::new(error, format!("{name}: no certificates")))?;
    match server {
        None => Ok(believed),
        Some(server) => believed
            .expecting(server)
            .map_err(|error| Failure::new(error, format!("\"{server}\" is no name of a server"))),
    }
}

fn answering(
    answer: unsafe extern "C" fn(question: nnqi_value, context: *mut c_void) -> nnqi_value,
    context: User,
) -> Arc<Authenticator> {
    Arc::new(move |question: &CapabilityMap| {
        let question = view::add(question.to_value());
        // SAFETY: C promises a function of this kind, and that it can be called with `context` as long as there is a session.
        let answer = unsafe { answer(question, context.pointer()) };
        // C may have taken it.
        let _ = view::free(question);
        // What is no answer is the empty one: the server decides.
        if answer == 0 { Vec::new() } else { pairs(answer).unwrap_or_default() }
    })
}

/// What connections may keep in memory, and for how long.
pub fn memory(config: &mut Config, memory_limit: i64, stall_timeout: c_int) -> Result<()> {
    let mut limit = config.budget.limit();
    set(&mut limit, "memory_limit", memory_limit)?;
    config.budget = Budget::new(limit);
    if stall_timeout != 0 {
        config.stall_timeout = timeout(stall_timeout).unwrap_or(Duration::ZERO);
    }
    Ok(())
}

/// Sets what C has given as another number than 0; `EINVAL` if it does not fit.
pub fn set<T: TryFrom<i64>>(setting: &mut T, name: &str, given: i64) -> Result<()> {
    if given != 0 {
        *setting = T::try_from(given).map_err(|_| Failure::invalid(format!("{name} cannot be {given}")))?;
    }
    Ok(())
}

/// Keys and values of a map from strings, which is taken.
pub fn pairs(handle: nnqi_value) -> Result<Vec<(String, Value)>> {
    let (value, inner) = view::take(handle)?;
    inner.held.refuse()?;
    let map = convert(value, &CapabilityMap::signature()).map_err(Failure::invalid)?;
    let map = CapabilityMap::from_value(&map).ok_or_else(|| Failure::invalid("no map from strings"))?;
    let map = map.map_err(Failure::invalid)?;
    Ok(map.entries().map(|(key, value)| (key.lossy().into_owned(), value.clone())).collect())
}

/// What `read` makes of a text that may be NULL.
pub fn some<T>(text: *const c_char, read: impl FnOnce(*const c_char) -> Result<T>) -> Result<Option<T>> {
    if text.is_null() { Ok(None) } else { read(text).map(Some) }
}

/// The name of a file, for people, and what is in it.
///
/// # Safety
/// `name` ends with a zero.
pub unsafe fn file(name: *const c_char) -> Result<(String, Vec<u8>)> {
    // SAFETY: the caller's promise.
    let name = OsStr::from_bytes(unsafe { pointers::text(name) }?);
    let shown = name.to_string_lossy().into_owned();
    let content = files::read(Path::new(name))
        .map_err(|error| Failure::new(Error::from(error), "cannot be read").about(&shown))?;
    Ok((shown, content))
}
