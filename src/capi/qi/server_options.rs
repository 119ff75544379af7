use std::ffi::{CString, c_char, c_int, c_void};
use std::time::Duration;

use crate::capi::pointers;
use crate::core::Error;
use crate::qi::address::Endpoint;
use crate::qi::endpoint::TlsServer;
use crate::qi::server::{Credentials as Shown, Options, Verdict};

use super::build::nnqi_value;
use super::error::{Failure, Result};
use super::options::{file, memory, pairs, set, some};
use super::user::User;
use super::view;

/// What an authenticator says: the peer is not let in; and a nnqi_check: the value is refused.
#[allow(dead_code, reason = "C programs return it")]
pub const NNQI_REJECT: c_int = 0;
/// What an authenticator says: the peer is let in; and a nnqi_check: the value is accepted.
pub const NNQI_ACCEPT: c_int = 1;
/// What an authenticator says: the peer is to authenticate again, at most 16 times.
pub const NNQI_CONTINUE: c_int = 2;

/// What a peer shows to be let in.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nnqi_credentials {
    /// The value of auth_user; NULL if there is none, or it has a zero in it.
    pub user: *const c_char,
    /// The value of auth_token; NULL as of user.
    pub token: *const c_char,
    /// The peer's address.
    pub remote: *const c_char,
    /// All that it has sent now, a map of signature {sm}. The library frees it afterwards.
    pub all: nnqi_value,
}

/// Decides who is let in: returns NNQI_ACCEPT, NNQI_REJECT or NNQI_CONTINUE; whatever else it returns rejects. It may set *told,
/// which is 0, to a value that is taken: a string that says why the peer is rejected, or a map from strings, as {sm}, of what the
/// peer is told beside. shown and its texts are valid until it returns. It is called on the thread that reads the connection,
/// for one message of it at a time but for several connections at once: it must not block (what waits fails with EDEADLK), and must
/// return: exceptions of C++ and longjmp must not leave it.
pub type nnqi_authenticator =
    Option<unsafe extern "C" fn(shown: *const nnqi_credentials, told: *mut nnqi_value, context: *mut c_void) -> c_int>;

/// Settings of a server. All zero, as {0}, is the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nnqi_server_options {
    /// Who is let in, with token; NULL: everybody, or whom authenticate lets in.
    pub user: *const c_char,
    /// What user must show; NULL: nothing is asked for.
    pub token: *const c_char,
    /// Threads that objects work on at once; 0: one for each processor, at least 2. One that has been inside a method for 10 ms, because it
    /// waits or computes, does not count any more, nor one that has spent most of its time in shorter methods on waiting: while calls wait,
    /// others take its place, up to max_workers.
    pub workers: c_int,
    /// Decides who is let in; NULL: user and token do. With a user it is EINVAL.
    pub authenticate: nnqi_authenticator,
    /// What authenticate gets. It must stay valid until the server is closed; a call may still be under way in another thread then.
    pub context: *mut c_void,
    /// For addresses with tcps, which need both: a file (PEM) with the server's certificate and those that lead to its authority.
    pub certificate: *const c_char,
    /// A file (PEM) with the key that belongs to the certificate.
    pub key: *const c_char,
    /// Bytes of the longest payload that is accepted of a peer that was let in, up to 4294967295; 0: 50 MB. A longer one ends the
    /// connection. One longer than that and than 50 MB is not sent: its caller gets an Error instead.
    pub max_payload: i64,
    /// Bytes that a connection may leave unread before it loses events; 0: 8 MiB. Above 16 MiB it changes nothing.
    pub event_limit: i64,
    /// Milliseconds that an answer waits for a caller that does not read, before that gets an Error instead; 0: 1000.
    pub answer_wait: c_int,
    /// Which machine this is, for what the directory says of itself and of its services, and a provider of its own; NULL: it is found out. For
    /// providers that is the directory's, if it is reached by an address of this machine.
    pub machine_id: *const c_char,
    /// Addresses that are listed for services beside those that are listened on, as tcp://robot.local:9559, and then NULL; or NULL.
    /// They must be such as can be connected to.
    pub advertise: *const *const c_char,
    /// Threads in all, those inside long methods included; at least workers; 0: 256. Beyond workers each connection may have as many inside
    /// methods as are left for the others, one by itself nearly half of them (15/32); its next call ends with an error. When all threads are inside
    /// methods and none has come back for a second, calls that wait for a thread end with an error, too.
    pub max_workers: c_int,
    /// Bytes that may wait in memory over all connections: messages that have not wholly arrived, calls without an answer and what is decoded
    /// of their arguments, properties that peers have set, what is to be sent, and 16 KiB for each connection; 0: 268435456 (256 MiB). Each
    /// connection may have as much as is left free, one by itself nearly half of it (15/32), and a little always. What has no room is dropped and counted; a call ends with an error, and a new connection is closed at once.
    pub memory_limit: i64,
    /// Milliseconds in which a message that has begun to arrive must get on by 16 KiB, or be whole; 0: 30000; negative: no limit. If it
    /// does not, the connection ends.
    pub stall_timeout: c_int,
}

/// # Safety
/// A non-null `given` is readable, its texts are NULL or end with a zero, its array of texts is NULL or ends with NULL, and its
/// functions are what they are said to be.
pub unsafe fn server_options(given: *const nnqi_server_options) -> Result<Options> {
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
    set(&mut options.max_workers, "max_workers", given.max_workers.into())?;
    if given.workers != 0 && given.max_workers != 0 && options.max_workers < options.workers {
        let Options { workers, max_workers, .. } = options;
        return Err(Failure::invalid(format!("max_workers is {max_workers}, which is less than workers, {workers}")));
    }
    // SAFETY: the caller's promise, of each text.
    let bytes = |text| some(text, |text| Ok(unsafe { pointers::text(text) }?.to_vec()));
    match (bytes(given.user)?, bytes(given.token)?, given.authenticate) {
        (None, None, None) => {}
        (None, None, Some(authenticate)) => {
            options = options.authenticator(asking(authenticate, User::new(given.context)));
        }
        (Some(_), Some(token), None) if token.is_empty() => {
            return Err(Failure::invalid(
                "an empty token, with which clients cannot come: NULL is for a user without one",
            ));
        }
        (Some(user), token, None) => options = options.authenticator(comparing(user, token)),
        (None, Some(_), _) => return Err(Failure::invalid("a token without a user")),
        (Some(_), _, Some(_)) => return Err(Failure::invalid("a user beside what decides about users")),
    }
    // SAFETY: the caller's promise, of each name.
    let pem = |name| some(name, |name| unsafe { file(name) });
    let (certificate, key) = (pem(given.certificate)?, pem(given.key)?);
    options.connection.tls_server = match (certificate, key) {
        (None, None) => None,
        (Some((name, chain)), Some((_, key))) => {
            let wrong = |error| Failure::new(error, format!("{name}: no certificate, or not of this key"));
            Some(TlsServer::from_pem(&chain, &key).map_err(wrong)?)
        }
        _ => return Err(Failure::invalid("a certificate without a key, or a key without one")),
    };
    set(&mut options.connection.max_payload, "max_payload", given.max_payload)?;
    memory(&mut options.connection, given.memory_limit, given.stall_timeout)?;
    set(&mut options.event_limit, "event_limit", given.event_limit)?;
    let mut wait = options.answer_wait.as_millis() as u64; // a second
    set(&mut wait, "answer_wait", given.answer_wait.into())?;
    options.answer_wait = Duration::from_millis(wait);
    // SAFETY: the caller's promise.
    options.machine_id = some(given.machine_id, |id| unsafe { view::utf8(id) }.map(str::to_owned))?;
    // SAFETY: the caller's promise.
    for address in unsafe { view::texts_to_null(given.advertise) }? {
        can_be_dialled(address)?;
        options.advertise.push(address.to_owned());
    }
    Ok(options)
}

/// `EINVAL` for what clients could make nothing of: it must be a whole address, and one to connect to.
fn can_be_dialled(address: &str) -> Result<()> {
    let whole = Endpoint::parse(address).and_then(|_| Endpoint::to_connect(address));
    whole.map(drop).map_err(|error| Failure::invalid(error).about(format_args!("advertise: \"{address}\"")))
}

fn comparing(user: Vec<u8>, token: Option<Vec<u8>>) -> impl Fn(&Shown<'_>) -> Verdict {
    move |shown| {
        let token_fits = token.as_deref().is_none_or(|token| shown.token == Some(token));
        match shown.user == Some(&*user) && token_fits {
            true => Verdict::Accept(Vec::new()),
            false => Verdict::Reject("wrong user or token".to_owned()),
        }
    }
}

fn asking(
    authenticate: unsafe extern "C" fn(*const nnqi_credentials, *mut nnqi_value, *mut c_void) -> c_int,
    context: User,
) -> impl Fn(&Shown<'_>) -> Verdict {
    move |shown| {
        // A text with a zero in it would look like another.
        let text = |bytes: Option<&[u8]>| bytes.and_then(|bytes| CString::new(bytes).ok());
        let (user, token, remote) = (text(shown.user), text(shown.token), text(Some(shown.remote.as_bytes())));
        let pointer = |text: &Option<CString>| text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr());
        let all = view::add(shown.all.to_value());
        let credentials =
            nnqi_credentials { user: pointer(&user), token: pointer(&token), remote: pointer(&remote), all };
        let mut told: nnqi_value = 0;
        // SAFETY: C promises a function of this kind, and that it can be called with `context` as long as there is a server.
        let said = unsafe { authenticate(&raw const credentials, &raw mut told, context.pointer()) };
        // C may have taken it.
        let _ = view::free(all);
        verdict(said, told).unwrap_or_else(|failure| Verdict::Reject(format!("the authenticator failed: {failure}")))
    }
}

fn verdict(said: c_int, told: nnqi_value) -> Result<Verdict> {
    let extra = |told| if told == 0 { Ok(Vec::new()) } else { pairs(told) };
    match said {
        NNQI_ACCEPT => extra(told).map(Verdict::Accept),
        NNQI_CONTINUE => extra(told).map(Verdict::Continue),
        _ => words(told, "not let in").map(Verdict::Reject),
    }
}

/// What C has told as a string, which is taken; `otherwise` if it has not.
pub fn words(told: nnqi_value, otherwise: &str) -> Result<String> {
    if told == 0 {
        return Ok(otherwise.to_owned());
    }
    let (told, _) = view::take(told)?;
    Ok(told.as_str().unwrap_or(otherwise).to_owned())
}
