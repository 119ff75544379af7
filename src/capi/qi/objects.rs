use std::ffi::{c_char, c_int, c_void};
use std::sync::{Arc, LazyLock};

use crate::capi::pointers;
use crate::core::Error;
use crate::qi::server::{Answer, Call, Limits, Object, ObjectBuilder};
use crate::qi::value::Value;
use crate::sys::sync::Mutex;

use super::build::nnqi_value;
use super::client::{self, nnqi_proxy};
use super::error::{Failure, Result, boundary};
use super::handles::{Handles, Kind};
use super::held::Held;
use super::requests::{self, nnqi_request};
use super::server_options::{NNQI_ACCEPT, words};
use super::user::User;
use super::view;

/// An object that is being described, until nnqi_build or nnqi_builder_free. One thread at a time.
pub type nnqi_builder = u64;
/// An object of this process, to be added to servers. The handle is the caller's until nnqi_object_free; the object lives on
/// while a server has it. Any thread.
pub type nnqi_object = u64;

/// The code of a method. It is called on a worker thread, for one request of the object at a time (nnqi_concurrency: for several), and owns the request,
/// which it may answer after it has returned. Then the object takes its next one. It must return: exceptions of C++ and
/// longjmp must not leave it. user is what nnqi_method was given; it must be valid as long as the object is, which nnqi_when_gone
/// tells: until its handle and its values are freed, every server that has it is closed, and no peer has it.
pub type nnqi_code = Option<unsafe extern "C" fn(request: nnqi_request, user: *mut c_void)>;

/// Is asked before a peer sets a property: returns NNQI_ACCEPT, or NNQI_REJECT; whatever else it returns rejects. value is the new
/// value, of the property's type, which the library frees afterwards (nnqi_copy keeps it). It may set *told, which is 0, to a string
/// that says why the value is refused: it is taken, and is the text of the Error that the peer gets. It is called on a worker thread,
/// as the code of methods is, and at the same time as that of its object, or for another peer, only if nnqi_concurrency allows for it; so it may take
/// its time and use everything of this header. It must return: exceptions of C++ and longjmp must not leave it. user is what nnqi_property_checked was given; it must be
/// valid as long as that of nnqi_code.
pub type nnqi_check =
    Option<unsafe extern "C" fn(value: nnqi_value, told: *mut nnqi_value, user: *mut c_void) -> c_int>;

/// Told whether anybody listens to a signal of an object: listened is 1 when it has got its first subscriber, 0 when it has lost its
/// last one. It is called on a worker thread, as the code of methods is and in turn with them, so it may take its time and use
/// everything of this header; when the object's server is closed, on the thread that does that. It must return: exceptions of C++ and
/// longjmp must not leave it. user is what nnqi_on_subscribers was given; it must be valid as long as that of nnqi_code.
pub type nnqi_audience = Option<unsafe extern "C" fn(listened: c_int, user: *mut c_void)>;

/// What an object has seen so far.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nnqi_object_statistics {
    /// Requests that wait now.
    pub waiting: u64,
    /// Requests that its code, or its properties, have been asked about.
    pub handled: u64,
    /// Calls answered with an Error because too much was waiting (nnqi_limits).
    pub refused_calls: u64,
    /// Posts dropped for the same reason.
    pub dropped_posts: u64,
    /// Events sent, counted once for each subscription.
    pub events_sent: u64,
    /// Events dropped because a subscriber does not read.
    pub events_dropped: u64,
}

/// Told that an object is no more: nnqi_when_gone.
pub type nnqi_gone = Option<unsafe extern "C" fn(user: *mut c_void)>;

static BUILDERS: LazyLock<Handles<Arc<Mutex<Option<ObjectBuilder>>>>> = LazyLock::new(|| Handles::new(Kind::Builder));
static OBJECTS: LazyLock<Handles<Object>> = LazyLock::new(|| Handles::new(Kind::Object));

pub fn object(handle: nnqi_object) -> Result<Object> {
    OBJECTS.get(handle)
}

/// An object whose handle is none from now on.
pub fn take(handle: nnqi_object) -> Result<Object> {
    OBJECTS.remove(handle)
}

/// A handle for an object.
pub fn add(object: Object) -> nnqi_object {
    OBJECTS.add(object)
}

/// A handle that belongs to something else: it is none when this is dropped, unless C has freed it before.
pub struct Lent(nnqi_object);

impl Lent {
    pub fn new(object: &Object) -> (nnqi_object, Lent) {
        let handle = OBJECTS.add(object.clone());
        (handle, Lent(handle))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let _ = OBJECTS.remove(self.0);
    }
}

/// Values for a method or signal, the members of a tuple, which is taken; and the objects of ours that they refer to.
pub fn arguments(handle: nnqi_value) -> Result<(Vec<Value>, Vec<Object>)> {
    let (value, inner) = view::take(handle)?;
    match inner.held.to_be_sent(value)? {
        (Value::Tuple(tuple), objects) => Ok((tuple.members, objects)),
        (other, _) => Err(Failure::invalid(format!("arguments must be a tuple, not {}", other.signature()))),
    }
}

/// A value for a property, which is taken.
pub fn property_value(handle: nnqi_value) -> Result<Value> {
    let (value, inner) = view::take(handle)?;
    inner.held.refuse()?;
    Ok(value)
}

/// The description of an object without members. Returns 0 never but for want of memory. End it with nnqi_build or
/// nnqi_builder_free. (8)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_builder_new() -> nnqi_builder {
    boundary(|| Ok(BUILDERS.add(Arc::new(Mutex::new(Some(ObjectBuilder::new()))))))
}

pub fn with_builder<T>(handle: nnqi_builder, change: impl FnOnce(&mut ObjectBuilder) -> T) -> Result<T> {
    let builder = BUILDERS.get(handle)?;
    let mut builder = builder.lock();
    builder.as_mut().map(change).ok_or_else(|| Error::BAD_FD.into())
}

/// Adds a method: its name, the signature of its parameters (a tuple, or m for any), that of its result (v for none), and
/// its code with what that gets as user. Returns its id, from 100 on, or -1 with EBADF, EFAULT (a pointer is NULL, code
/// too) or EINVAL (signature, no UTF-8). What cannot be published (a name with "::" or a line break, ...) is said by nnqi_build. (8)
/// Example: nnqi_method(builder, "add", "(ii)", "i", code, NULL);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_method(
    builder: nnqi_builder,
    name: *const c_char,
    parameters: *const c_char,
    result: *const c_char,
    code: nnqi_code,
    user: *mut c_void,
) -> i64 {
    boundary(|| {
        // SAFETY: those that are not NULL end with a zero.
        let (name, _) = unsafe { (view::utf8(name)?, (view::signature(parameters)?, view::signature(result)?)) };
        // SAFETY: as above.
        let (parameters, result) = unsafe { (view::utf8(parameters)?, view::utf8(result)?) };
        let code = code.ok_or(Error::FAULT)?;
        let user = User::new(user);
        let run = move |call: Call| {
            // SAFETY: C promises a function of this kind, and that it can be called with `user` as long as the object lives.
            unsafe { code(requests::add(call), user.pointer()) };
        };
        with_builder(builder, |builder| builder.method_later(name, parameters, result, run)).map(i64::from)
    })
}

/// Documents a method by its id: what it does, what it returns, and names and descriptions of its parameters by turns up to NULL. NULL:
/// nothing is said of that. With id 0, description is the object's own and the others do not count. Clients see it in the meta object
/// (nanoqi info). Returns 0, or -1 with EBADF or EINVAL (no such method, no UTF-8, a parameter without a description). (8)
/// Example: nnqi_document(builder, 100, "adds", "the sum", (const char *const[]){"a", "b", NULL});
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_document(
    builder: nnqi_builder,
    id: u32,
    description: *const c_char,
    result: *const c_char,
    parameters: *const *const c_char,
) -> c_int {
    boundary(|| {
        // SAFETY: those that are not NULL end with a zero.
        let text = |text: *const c_char| if text.is_null() { Ok("") } else { unsafe { view::utf8(text) } };
        let (description, result) = (text(description)?, text(result)?);
        // SAFETY: a non-null `parameters` has texts up to NULL.
        let words = unsafe { view::texts_to_null(parameters) }?;
        let pairs: Vec<_> = words.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        if !words.len().is_multiple_of(2) {
            return Err(Failure::invalid("a parameter without a description"));
        }
        let known = with_builder(builder, |builder| match id {
            0 => {
                builder.description(description);
                true
            }
            _ => builder.document(id, description, result, &pairs),
        })?;
        if known { Ok(0) } else { Err(Failure::invalid("there is no such method")) }
    })
}

/// Adds a signal with the signature of its arguments: a tuple, or m for any. Returns and fails as nnqi_method. (8)
/// Example: nnqi_signal(builder, "touched", "(sd)");
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_signal(builder: nnqi_builder, name: *const c_char, arguments: *const c_char) -> i64 {
    boundary(|| {
        // SAFETY: those that are not NULL end with a zero.
        let (name, _, arguments) = unsafe { (view::utf8(name)?, view::signature(arguments)?, view::utf8(arguments)?) };
        with_builder(builder, |builder| builder.signal(name, arguments)).map(i64::from)
    })
}

/// Has callback told when a signal or property, by the id that nnqi_signal or nnqi_property has returned, has got its first subscriber
/// and lost its last one: to run a camera only while somebody looks. It is called shortly after the change, and not if that has been
/// undone meanwhile. Returns 0, or -1 with EBADF or EFAULT; of an id that is none, nnqi_build tells. (15)
/// nnqi_on_subscribers(builder, (uint32_t)nnqi_signal(builder, "image", "(r)"), run, &camera)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_on_subscribers(
    builder: nnqi_builder,
    id: u32,
    callback: nnqi_audience,
    user: *mut c_void,
) -> c_int {
    boundary(|| {
        let callback = callback.ok_or(Error::FAULT)?;
        let user = User::new(user);
        let tell = move |_: &Object, listened: bool| {
            // SAFETY: C promises a function of this kind, and that it can be called with `user` as long as the object lives.
            unsafe { callback(listened.into(), user.pointer()) };
        };
        with_builder(builder, |builder| builder.on_subscribers(id, tell))?;
        Ok(0)
    })
}

/// Lets so many requests of the object be worked on at once; 1 without this. With more its code must be ready for that, and the calls
/// of one connection may overtake each other. Threads are those of the server (workers, max_workers). Returns 0, or -1 with EBADF or
/// EINVAL (less than 1). (13)
/// Example: nnqi_concurrency(builder, 8);
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_concurrency(builder: nnqi_builder, requests: c_int) -> c_int {
    boundary(|| {
        let requests = usize::try_from(requests).ok().filter(|&requests| requests > 0);
        let requests = requests.ok_or_else(|| Failure::invalid("an object must do at least one thing at once"))?;
        with_builder(builder, |builder| {
            builder.concurrency(requests);
        })?;
        Ok(0)
    })
}

/// Adds a property with its signature and first value, which is taken. Peers may read, set and watch it. Returns and fails as
/// nnqi_method. (8)
/// Example: nnqi_property(builder, "battery", "i", nnqi_int('i', 100));
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_property(
    builder: nnqi_builder,
    name: *const c_char,
    signature: *const c_char,
    value: nnqi_value,
) -> i64 {
    boundary(|| {
        // SAFETY: those that are not NULL end with a zero.
        unsafe { add_property(builder, name, signature, value, || Ok(ObjectBuilder::property)) }
    })
}

/// Adds a property as nnqi_property does, with a function that is asked before a peer sets it, but not when nnqi_object_set does. What a peer
/// posts to the property's name, which would set nothing but be told to all who watch, is dropped.
/// user is handed to it. Returns and fails as nnqi_method; check is its code. (8, 15)
/// Example: nnqi_property_checked(builder, "battery", "i", nnqi_int('i', 100), check, NULL);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_property_checked(
    builder: nnqi_builder,
    name: *const c_char,
    signature: *const c_char,
    value: nnqi_value,
    check: nnqi_check,
    user: *mut c_void,
) -> i64 {
    boundary(|| {
        let checked = || {
            let check = checking(check.ok_or(Error::FAULT)?, User::new(user));
            Ok(|builder: &mut ObjectBuilder, name: &str, signature: &str, value: Value| {
                builder.property_checked(name, signature, value, check)
            })
        };
        // SAFETY: those that are not NULL end with a zero.
        unsafe { add_property(builder, name, signature, value, checked) }
    })
}

/// # Safety
/// A non-null `name` and `signature` end with a zero.
unsafe fn add_property<Add: FnOnce(&mut ObjectBuilder, &str, &str, Value) -> u32>(
    builder: nnqi_builder,
    name: *const c_char,
    signature: *const c_char,
    value: nnqi_value,
    add: impl FnOnce() -> Result<Add>,
) -> Result<i64> {
    // Taken whatever fails.
    let value = property_value(value);
    // SAFETY: the caller's promise.
    let (name, _, signature) = unsafe { (view::utf8(name)?, view::signature(signature)?, view::utf8(signature)?) };
    let (value, add) = (value?, add()?);
    with_builder(builder, |builder| add(builder, name, signature, value)).map(i64::from)
}

fn checking(
    check: unsafe extern "C" fn(nnqi_value, *mut nnqi_value, *mut c_void) -> c_int,
    user: User,
) -> impl Fn(&Value) -> std::result::Result<(), String> {
    move |value| {
        let value = view::add(value.clone());
        let mut told: nnqi_value = 0;
        // SAFETY: C promises a function of this kind, and that it can be called with `user` as long as the object lives.
        let said = unsafe { check(value, &raw mut told, user.pointer()) };
        // C may have taken it.
        let _ = view::free(value);
        let refusal =
            words(told, "The value is refused").unwrap_or_else(|failure| format!("The check failed: {failure}"));
        if said == NNQI_ACCEPT { Ok(()) } else { Err(refusal) }
    }
}

/// Sets how much may wait for the object: so many requests (0: 4096), with so many bytes together (0: 64 MiB; each counts as 256 more
/// than its arguments have), and of one connection by itself nearly half of that (15/32). A call beyond that is answered with an Error, a post is dropped
/// (nnqi_object_statistics). A request of any size may wait alone. Returns 0, or -1 with EBADF. (20)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_limits(builder: nnqi_builder, requests: usize, bytes: usize) -> c_int {
    boundary(|| {
        let or = |given: usize, default| if given == 0 { default } else { given };
        let Limits { tasks, bytes: most } = Limits::default();
        let limits = Limits { tasks: or(requests, tasks), bytes: or(bytes, most) };
        with_builder(builder, |builder| {
            builder.limits(limits);
            0
        })
    })
}

/// Has gone called, with user, when the object is no more: none of its code runs then or later, and what that needs may be freed.
/// Called once, also if nnqi_build fails or nnqi_builder_free comes; on any thread, also within other calls of this library: it
/// must not block, and must return: exceptions of C++ and longjmp must not leave it. Returns 0, or -1 with EBADF or EFAULT (gone
/// is NULL), and then it is not called. (13)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_when_gone(builder: nnqi_builder, gone: nnqi_gone, user: *mut c_void) -> c_int {
    boundary(|| {
        let gone = gone.ok_or(Error::FAULT)?;
        let user = User::new(user);
        with_builder(builder, |builder| {
            builder.keep(Gone { gone, user });
            0
        })
    })
}

/// Tells C when it is dropped.
struct Gone {
    gone: unsafe extern "C" fn(user: *mut c_void),
    user: User,
}

impl Drop for Gone {
    fn drop(&mut self) {
        // SAFETY: C promises a function of this kind, and that it can be called with `user` once.
        unsafe { (self.gone)(self.user.pointer()) };
    }
}

/// The object. The builder is none from now on, whatever happens. Returns 0 with EBADF or EINVAL (the text names the member
/// that cannot be published). Free it with nnqi_object_free. (8)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_build(builder: nnqi_builder) -> nnqi_object {
    boundary(|| {
        let builder = BUILDERS.remove(builder)?.lock().take().ok_or(Error::BAD_FD)?;
        Ok(OBJECTS.add(builder.build().map_err(Failure::invalid)?))
    })
}

/// Drops a description that is not wanted. Returns 0, or -1 with EBADF. (8)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_builder_free(builder: nnqi_builder) -> c_int {
    boundary(|| BUILDERS.remove(builder).map(|_| 0))
}

/// A value of signature o that stands for an object of ours, alone or within others (nnqi_list, nnqi_map, nnqi_tuple, nnqi_dynamic,
/// ...): in arguments of calls, signals and posts, and in results. Whoever gets it may call the object, on the connection that it
/// came by. What came from a peer may stand in values that are sent as well: then whoever gets it calls it through this process.
/// The value keeps the object; a peer that it was sent to keeps it until that releases it or its connection ends. It is
/// no value for properties, and has no meaning as bytes or JSON. Returns 0 with EBADF. Free it. Any thread. (7)
/// Example: nnqi_value result = nnqi_callf(robot, "lend", "(o)", nnqi_object_value(object));
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_object_value(object: nnqi_object) -> nnqi_value {
    boundary(|| {
        let (value, held) = Held::ours(&OBJECTS.get(object)?);
        Ok(view::add_with(value, held))
    })
}

/// An object of ours that stands for a peer's: it passes on what it is asked, and its events come on. It can be added as a service,
/// registered, passed and returned as any other; so a service of one bus gets onto another. It keeps what the proxy keeps. While that is
/// lost, calls of it and subscribing fail, and where it is a service it is not listed: its clients notice that it has gone, as of any other. If the proxy's
/// session reconnects, and finds there what can do the same, it is listed again and goes on, also for who had subscribed. Else the service is removed.
/// Returns 0 with EBADF or ENOTCONN. Free it with nnqi_object_free. Any thread. (13)
/// Example: nnqi_add_service(server, "Robot", nnqi_forward(robot));
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_forward(proxy: nnqi_proxy) -> nnqi_object {
    boundary(|| Ok(OBJECTS.add(client::proxy(proxy)?.forwarded()?)))
}

/// Answers a request of a method of result o with an object of ours. It lives until the caller releases it. Returns 0, or
/// -1 with EBADF, or EINVAL as nnqi_reply. Any thread. (13)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_reply_object(request: nnqi_request, object: nnqi_object) -> c_int {
    boundary(|| {
        let object = OBJECTS.get(object)?;
        requests::answer(request, Answer::from(&object))
    })
}

/// Frees the handle of an object. Returns 0, or -1 with EBADF. Any thread. (13)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_object_free(object: nnqi_object) -> c_int {
    boundary(|| OBJECTS.remove(object).map(|_| 0))
}

/// Emits a signal with these arguments: a tuple, which is taken. Never waits: a subscriber that does not read loses the event.
/// Returns to how many subscribers it goes, without those that have lost it already, or -1 with EBADF, EFAULT or EINVAL (no such
/// signal, or other arguments). Of very many some get it after the return. Any thread, code of methods too. (15)
/// Example: nnqi_emit(object, "touched", nnqi_pack("(sd)", "head", 0.5));
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_emit(object: nnqi_object, signal: *const c_char, arguments: nnqi_value) -> i64 {
    boundary(|| {
        let arguments = self::arguments(arguments);
        // SAFETY: a non-null `signal` ends with a zero.
        let signal = unsafe { view::utf8(signal) }?;
        let (arguments, objects) = arguments?;
        Ok(OBJECTS.get(object)?.emit_with(signal, arguments, &objects)?.listeners() as i64)
    })
}

/// Sets a property of an object of ours, and tells those who watch it. The value is taken. Returns to how many of them it goes, as
/// nnqi_emit, or -1 with EBADF, EFAULT or EINVAL (no such property, or another type). Any thread. (15)
/// Example: nnqi_object_set(object, "battery", nnqi_int('i', 99));
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_object_set(object: nnqi_object, property: *const c_char, value: nnqi_value) -> i64 {
    boundary(|| {
        let value = property_value(value);
        // SAFETY: a non-null `property` ends with a zero.
        let property = unsafe { view::utf8(property) }?;
        Ok(OBJECTS.get(object)?.set(property, value?)?.listeners() as i64)
    })
}

/// The value of a property of an object of ours. Returns 0 with EBADF, EFAULT or EINVAL (no such property). Free it. Any
/// thread. (15)
/// Example: int64_t battery = nnqi_take_int(nnqi_object_get(object, "battery"), 0);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_object_get(object: nnqi_object, property: *const c_char) -> nnqi_value {
    boundary(|| {
        // SAFETY: a non-null `property` ends with a zero.
        let property = unsafe { view::utf8(property) }?;
        let value = OBJECTS.get(object)?.get(property);
        Ok(view::add(value.ok_or_else(|| Failure::invalid(format!("no property {property}")))?))
    })
}

/// Stores the counts of an object of ours. Returns 0, or -1 with EBADF or EFAULT. Any thread. (9)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_object_statistics(object: nnqi_object, statistics: *mut nnqi_object_statistics) -> c_int {
    boundary(|| {
        let counts = OBJECTS.get(object)?.statistics();
        let found = nnqi_object_statistics {
            waiting: counts.waiting as u64,
            handled: counts.handled,
            refused_calls: counts.refused_calls,
            dropped_posts: counts.dropped_posts,
            events_sent: counts.events_sent,
            events_dropped: counts.events_dropped,
        };
        // SAFETY: a non-null `statistics` has room for one.
        Ok(unsafe { pointers::write(statistics, found) }.map(|()| 0)?)
    })
}
