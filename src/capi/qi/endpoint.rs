use std::ffi::{c_char, c_int, c_void};
use std::sync::{Arc, LazyLock};

use crate::capi::pointers;
use crate::core::Error;
use crate::qi::client::shared_reactor;
use crate::qi::endpoint::{
    EndPoint, Failure as Ended, Filter, Next, Pattern, Queue, Reason, Sent, Types, Verdict, WhenFull, may_change,
};
use crate::qi::message::{Flags, Header, Message, Type};
use crate::qi::value::Value;

use super::build::nnqi_value;
use super::client::{self, nnqi_proxy};
use super::error::{Failure, Result, boundary};
use super::handles::{Handles, Kind};
use super::options::{connection_options, nnqi_options, timeout};
use super::user::User;
use super::view;

/// One connection, shared by parties that know nothing of each other: each makes handlers for the messages that concern it. Any
/// thread. End it with nnqi_endpoint_close or nnqi_endpoint_free.
pub type nnqi_endpoint = u64;
/// A handler with its queue. Any thread. Free it with nnqi_remove_handler, also when it has ended.
pub type nnqi_handler = u64;

/// For nnqi_filter.fields: service must be equal.
pub const NNQI_SERVICE: u32 = 1;
/// For nnqi_filter.fields: object must be equal.
pub const NNQI_OBJECT: u32 = 2;
/// For nnqi_filter.fields: action must be equal.
pub const NNQI_ACTION: u32 = 4;
/// For nnqi_filter.fields: id must be equal.
pub const NNQI_ID: u32 = 8;

/// Why a handler has ended: nnqi_remove_handler.
pub const NNQI_REMOVED: c_int = 1;
/// Why a handler has ended: its filter was for one message.
pub const NNQI_FILTERED: c_int = 2;
/// Why a handler has ended: this side has closed the connection.
pub const NNQI_CLOSED: c_int = 3;
/// Why a handler has ended: the peer has closed the connection, between two messages.
pub const NNQI_PEER_CLOSED: c_int = 4;
/// Why a handler has ended: the connection has failed.
pub const NNQI_FAILED: c_int = 5;

/// Which messages a handler wants. All zero, as {0}, is all messages, for ever.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nnqi_filter {
    /// A bit for each type of message, 1 << type; 0: all types. 1 Call, 2 Reply, 3 Error, 4 Post, 5 Event, 6 Capability,
    /// 7 Cancel, 8 Canceled.
    pub types: u32,
    /// Which of the following must be equal: NNQI_SERVICE, NNQI_OBJECT, NNQI_ACTION, NNQI_ID, or-ed.
    pub fields: u32,
    /// The service.
    pub service: u32,
    /// The object.
    pub object: u32,
    /// The method, signal or property.
    pub action: u32,
    /// The id of the message.
    pub id: u32,
    /// 1: the handler ends with the first message that matches.
    pub once: c_int,
    /// 1: a message that matches is not offered to handlers that were made later.
    pub exclusive: c_int,
}

/// What a chooser says of a message: it is wanted.
pub const NNQI_TAKE: c_int = 1;
/// What a chooser says of a message beside NNQI_TAKE: it is not to be offered to handlers that were made later.
pub const NNQI_EXCLUSIVE: c_int = 2;
/// What a chooser says of a message: the handler ends after it, whether it takes it or not.
pub const NNQI_LAST: c_int = 4;

/// What stands in front of a message, but for its size.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nnqi_header {
    /// Of the call, and of what answers it.
    pub id: u32,
    /// 1 to 8, as in nnqi_filter.
    pub r#type: u8,
    /// 1: the payload is a dynamic; 2: the wanted type of the result follows the arguments.
    pub flags: u8,
    /// The service.
    pub service: u32,
    /// The object.
    pub object: u32,
    /// The method, signal or property.
    pub action: u32,
}

impl From<&Header> for nnqi_header {
    fn from(header: &Header) -> nnqi_header {
        let Header { id, ty, flags, service, object, action, .. } = *header;
        nnqi_header { id, r#type: ty.byte(), flags: flags.0, service, object, action }
    }
}

/// Counts of a connection since it was made.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nnqi_statistics {
    /// Messages accepted for sending, control answers included.
    pub sent: u64,
    /// Whole messages read, whatever became of them.
    pub received: u64,
    /// Deliveries refused because a queue was full. One message may be refused by several.
    pub dropped: u64,
    /// Messages that no handler wanted.
    pub unmatched: u64,
    /// Messages of a type that does not exist.
    pub unknown: u64,
    /// Errors sent for Calls that nobody took.
    pub refused: u64,
    /// Bytes accepted for sending and not yet handed to the system.
    pub unsent_bytes: u64,
}

/// Told once that a handler has ended: one of NNQI_REMOVED to NNQI_FAILED, and of the last the errno, else 0. After it no message
/// is queued. It is called on a thread of the library (within nnqi_remove_handler and nnqi_endpoint_close on the caller's),
/// must not block, and must return: exceptions of C++ and longjmp must not leave it.
pub type nnqi_closer = Option<unsafe extern "C" fn(reason: c_int, error: c_int, user: *mut c_void)>;

/// Says of each message whether its handler wants it: 0 if not, else NNQI_TAKE, with NNQI_EXCLUSIVE and NNQI_LAST or-ed to it.
/// header is valid until it returns. It is called on the thread that reads the connection, for one message at a time. It must not
/// block, and what would change an end point or wait (making and removing handlers, sending, closing, calling) fails with EDEADLK
/// in it. It must return: exceptions of C++ and longjmp must not leave it. Once the closer is called it will not be any more.
pub type nnqi_chooser = Option<unsafe extern "C" fn(header: *const nnqi_header, user: *mut c_void) -> c_int>;

static ENDPOINTS: LazyLock<Handles<Arc<EndPoint>>> = LazyLock::new(|| Handles::new(Kind::Endpoint));
static HANDLERS: LazyLock<Handles<Arc<HandlerHandle>>> = LazyLock::new(|| Handles::new(Kind::Handler));

struct HandlerHandle {
    endpoint: Arc<EndPoint>,
    id: u64,
    queue: Queue,
}

fn failed(failure: &Ended) -> Failure {
    Failure::new(failure.error(), failure)
}

/// Connects to url, as tcp://127.0.0.1:9559 or, with TLS, tcps://127.0.0.1:9503, and says nothing to the peer: authenticating is the
/// caller's. Waits for it, with tcps until the certificate has been looked at. options may be NULL; of them connect_timeout, authorities,
/// server_name, max_payload, memory_limit and stall_timeout are used, with the meaning and the defaults that they have for nnqi_connect, and
/// the others must be zero. Nothing of them is kept. Returns 0 with EFAULT, EINVAL (no address, no certificates, options that are for sessions), ENOENT
/// (no such file), ECONNREFUSED, ETIMEDOUT, EPROTO (TLS: also a certificate that is not believed) and the like. Any thread, but what
/// waits is EDEADLK on one that reads a connection. (1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_endpoint_connect(url: *const c_char, options: *const nnqi_options) -> nnqi_endpoint {
    boundary(|| {
        // SAFETY: a non-null `url` ends with a zero.
        let url = unsafe { view::utf8(url) }?;
        // SAFETY: a non-null `options` is some, whose texts end with a zero.
        let (config, timeout) = unsafe { connection_options(options) }?;
        let endpoint = EndPoint::connect(&shared_reactor()?, url, config, timeout, |_| {});
        Ok(ENDPOINTS.add(endpoint.map_err(|failure| failed(&failure))?))
    })
}

/// The connection that a proxy's messages go through, authenticated, for more handlers on it. Returns 0 with EBADF. Free it with
/// nnqi_endpoint_free: closing it would close it for all. (1)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_endpoint_of(proxy: nnqi_proxy) -> nnqi_endpoint {
    boundary(|| Ok(ENDPOINTS.add(Arc::clone(client::proxy(proxy)?.connection().endpoint()))))
}

/// Closes the connection: all its handlers end. What was accepted for sending is still sent. The handle is none from now on.
/// Returns 0, or -1 with EBADF, or with EDEADLK in a chooser. Any thread. (1)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_endpoint_close(endpoint: nnqi_endpoint) -> c_int {
    boundary(|| {
        // Not when the handle is gone already.
        may_change()?;
        ENDPOINTS.remove(endpoint)?.close()?;
        Ok(0)
    })
}

/// Frees the handle. The connection lives on while somebody uses it: a session, a handler, another handle. Returns 0, or -1 with
/// EBADF. Any thread. (1)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_endpoint_free(endpoint: nnqi_endpoint) -> c_int {
    boundary(|| ENDPOINTS.remove(endpoint).map(|_| 0))
}

fn pattern(filter: &nnqi_filter) -> Result<Pattern> {
    if filter.types & !0x1fe != 0 || filter.fields & !0xf != 0 {
        return Err(Failure::invalid("a filter with bits that mean nothing"));
    }
    let wanted = |bit: u32, value: u32| (filter.fields & bit != 0).then_some(value);
    let types = (1..=8).filter(|ty| filter.types & (1 << ty) != 0).map(|ty| Types::of(Type::from_byte(ty)));
    Ok(Pattern {
        types: types.reduce(Types::or).unwrap_or(Types::ANY),
        service: wanted(NNQI_SERVICE, filter.service),
        object: wanted(NNQI_OBJECT, filter.object),
        action: wanted(NNQI_ACTION, filter.action),
        id: wanted(NNQI_ID, filter.id),
        once: filter.once != 0,
        exclusive: filter.exclusive != 0,
    })
}

fn told(reason: &Reason) -> (c_int, c_int) {
    match reason {
        Reason::Removed => (NNQI_REMOVED, 0),
        Reason::Filter => (NNQI_FILTERED, 0),
        Reason::Closed => (NNQI_CLOSED, 0),
        Reason::PeerClosed => (NNQI_PEER_CLOSED, 0),
        // Not of a handler.
        Reason::QueueFull => (NNQI_FAILED, Error::NO_BUFFERS.errno()),
        Reason::Failed(failure) => (NNQI_FAILED, failure.error().errno()),
    }
}

/// Makes a handler with a queue of length messages (at least 1): those that arrive from now on and match filter, in their order. One
/// that finds the queue full is dropped for it; a Call that no handler takes is answered with an Error. closer (or NULL) is
/// called once, with user, when the handler has ended; if this fails, never. Returns 0 with EBADF, EFAULT (filter is NULL),
/// EINVAL (bits of it), ENOTCONN or EDEADLK (in a chooser). Any thread. (2, 3)
/// Example: nnqi_handler events = nnqi_make_handler(endpoint, &(struct nnqi_filter){.types = 1 << 5}, 100, NULL, NULL);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_make_handler(
    endpoint: nnqi_endpoint,
    filter: *const nnqi_filter,
    length: usize,
    closer: nnqi_closer,
    user: *mut c_void,
) -> nnqi_handler {
    boundary(|| {
        // SAFETY: a non-null `filter` is one.
        let filter = unsafe { pointers::read(filter, Error::FAULT) };
        make(endpoint, || Ok(pattern(&filter?)?.into()), length, closer, User::new(user))
    })
}

/// Makes a handler as nnqi_make_handler does, with a function that chooses its messages. It is asked of every message of the
/// connection, so it is for what no nnqi_filter can say. user is handed to it and to closer. Returns 0 with EBADF, EFAULT (chooser
/// is NULL), ENOTCONN or EDEADLK (in a chooser). Any thread. (2, 3)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_make_chooser(
    endpoint: nnqi_endpoint,
    chooser: nnqi_chooser,
    length: usize,
    closer: nnqi_closer,
    user: *mut c_void,
) -> nnqi_handler {
    boundary(|| {
        let user = User::new(user);
        let choosing = || chooser.map(|chooser| choosing(chooser, user)).ok_or(Error::FAULT.into());
        make(endpoint, choosing, length, closer, user)
    })
}

fn choosing(chooser: unsafe extern "C" fn(*const nnqi_header, *mut c_void) -> c_int, user: User) -> Filter {
    Filter::callback(move |header| {
        let header = nnqi_header::from(header);
        // SAFETY: C promises a function of this kind, and that it can be called with `user` until the handler has ended.
        let said = unsafe { chooser(&raw const header, user.pointer()) };
        let says = |bit| said & bit != 0;
        Verdict { matched: says(NNQI_TAKE), keep: !says(NNQI_LAST), exclusive: says(NNQI_EXCLUSIVE) }
    })
}

fn make(
    endpoint: nnqi_endpoint,
    filter: impl FnOnce() -> Result<Filter>,
    length: usize,
    closer: nnqi_closer,
    user: User,
) -> Result<nnqi_handler> {
    let endpoint = ENDPOINTS.get(endpoint)?;
    let closer = closer.map(|closer| -> Box<dyn FnOnce(&Reason) + Send> {
        Box::new(move |reason: &Reason| {
            let (reason, error) = told(reason);
            // SAFETY: C promises a function of this kind, and that it can be called with `user` once.
            unsafe { closer(reason, error, user.pointer()) };
        })
    });
    let (id, queue) = endpoint.make_handler(filter()?, length.max(1), closer)?;
    Ok(HANDLERS.add(Arc::new(HandlerHandle { endpoint, id, queue })))
}

/// Ends a handler, if it has not ended, and frees it; messages in its queue are lost, and what waits for them in another thread fails
/// with EBADF. Its closer has been called when this returns, unless its chooser is being called by another thread: then it is
/// when that has returned. Returns 0, or -1 with EBADF, or with EDEADLK in a chooser. Any thread, but not in its own closer.
/// (2, 3)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_remove_handler(handler: nnqi_handler) -> c_int {
    boundary(|| {
        // Not when the handle is gone already.
        may_change()?;
        let handler = HANDLERS.remove(handler)?;
        match handler.endpoint.remove_handler(handler.id) {
            // It has ended by itself.
            Ok(()) | Err(Error::INVALID | Error::NOT_CONNECTED) => Ok(0),
            Err(error) => Err(error.into()),
        }
    })
}

/// The payload of a handler's next message, a value of signature r (nnqi_get_raw, nnqi_decode), and in *header, unless that is NULL,
/// what stood in front; waits for it for at most milliseconds (0: not at all; negative: for ever). Messages that were queued
/// before the handler ended can be taken after. Returns 0 with EBADF (also if it is freed meanwhile), ETIMEDOUT, ENOTCONN (the handler has ended, nnqi_error()
/// tells why), EINTR or EDEADLK (there is none, on a thread that reads a connection). Free it. Any thread. (2, 3)
/// Example: nnqi_value payload = nnqi_next_message(handler, -1, &header);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_next_message(
    handler: nnqi_handler,
    milliseconds: c_int,
    header: *mut nnqi_header,
) -> nnqi_value {
    boundary(|| {
        let next = match HANDLERS.get(handler)?.queue.next(timeout(milliseconds)) {
            Ok(Next::Message(message)) => Ok(message),
            Ok(Next::End(reason)) => Err(Failure::new(Error::NOT_CONNECTED, reason)),
            Err(error) => Err(error.into()),
        };
        let message = HANDLERS.waited(handler, next)?;
        if !header.is_null() {
            // SAFETY: it has room for one.
            unsafe { pointers::write(header, nnqi_header::from(&message.header)) }?;
        }
        Ok(view::add(Value::Raw(message.payload)))
    })
}

/// A descriptor that is readable while there is something for nnqi_next_message, for poll and its like. It belongs to the
/// handler: neither read nor close it. Returns -1 with EBADF or EMFILE. Any thread. (2, 3)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_handler_descriptor(handler: nnqi_handler) -> c_int {
    boundary(|| Ok(HANDLERS.get(handler)?.queue.descriptor()?))
}

/// How many messages a handler has lost because its queue was full. Returns -1 with EBADF. Any thread. (2, 3)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_dropped(handler: nnqi_handler) -> i64 {
    boundary(|| Ok(HANDLERS.get(handler)?.queue.dropped() as i64))
}

/// An id for a Call, given to nobody else on this connection until nnqi_end_call. Returns -1 with EBADF. Any thread. (2, 3)
/// Example: header = (struct nnqi_header){.id = (uint32_t)nnqi_begin_call(endpoint), .type = 1, .service = 2, .object = 1, .action = 100};
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_begin_call(endpoint: nnqi_endpoint) -> i64 {
    boundary(|| Ok(ENDPOINTS.get(endpoint)?.begin_call().into()))
}

/// Gives the id of a Call back. Returns 0, or -1 with EBADF or EINVAL (no such call is pending). Any thread. (2, 3)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_end_call(endpoint: nnqi_endpoint, id: u32) -> c_int {
    boundary(|| match ENDPOINTS.get(endpoint)?.end_call(id) {
        true => Ok(0),
        false => Err(Failure::invalid("no such call is pending")),
    })
}

/// Sends a message of this header and payload, which is copied. If more waits to be sent than may, waits for at most milliseconds (0:
/// not at all, EAGAIN; negative: for ever). Returns 0, or -1 with EBADF, EFAULT, EINVAL (the type), ENOTCONN, EMSGSIZE,
/// ETIMEDOUT, EINTR, or EDEADLK (in a chooser; no room, on the thread that reads the connection). Any thread; the messages of one thread keep their order.
/// (2, 3)
/// Example: nnqi_send(endpoint, &header, bytes, sizeof bytes, -1);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_send(
    endpoint: nnqi_endpoint,
    header: *const nnqi_header,
    payload: *const c_void,
    len: usize,
    milliseconds: c_int,
) -> c_int {
    boundary(|| {
        let endpoint = ENDPOINTS.get(endpoint)?;
        // SAFETY: a non-null `header` is one.
        let given = unsafe { pointers::read(header, Error::FAULT) }?;
        // SAFETY: a non-null `payload` has `len` bytes.
        let payload = view::copy(unsafe { pointers::bytes(payload, len) }?)?;
        if !(1..=8).contains(&given.r#type) {
            return Err(Failure::invalid("a message of no known type"));
        }
        let header = Header::new(Type::from_byte(given.r#type), given.id, given.service, given.object, given.action);
        let full = if milliseconds == 0 { WhenFull::Fail } else { WhenFull::Block(timeout(milliseconds)) };
        match endpoint.send(&Message { header, payload }.with_flags(Flags(given.flags)), full)? {
            Sent::Accepted | Sent::Dropped => Ok(0),
        }
    })
}

/// Stores the counts of a connection. Returns 0, or -1 with EBADF or EFAULT. Any thread. (2, 3)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_endpoint_statistics(endpoint: nnqi_endpoint, statistics: *mut nnqi_statistics) -> c_int {
    boundary(|| {
        let endpoint = ENDPOINTS.get(endpoint)?;
        let counts = endpoint.statistics();
        let found = nnqi_statistics {
            sent: counts.sent,
            received: counts.received,
            dropped: counts.dropped,
            unmatched: counts.unmatched,
            unknown: counts.unknown,
            refused: counts.refused,
            unsent_bytes: endpoint.unsent_bytes(),
        };
        // SAFETY: a non-null `statistics` has room for one.
        Ok(unsafe { pointers::write(statistics, found) }.map(|()| 0)?)
    })
}
