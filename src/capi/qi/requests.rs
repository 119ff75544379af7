use std::any::Any;
use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::{Arc, LazyLock};

use crate::core::Error;
use crate::qi::server::{Answer, Call, CallError};
use crate::qi::value::Value;
use crate::sys::sync::Mutex;

use super::build::nnqi_value;
use super::error::{Failure, Result, boundary, last};
use super::handles::{Handles, Kind};
use super::held::Held;
use super::user::User;
use super::view;

/// A call that has come in and waits for its answer: nnqi_reply, nnqi_reply_error, nnqi_reply_canceled or
/// nnqi_reply_object, exactly one of them, from any thread, now or later. It is the callback's, and stays until it is answered.
pub type nnqi_request = u64;

/// Told once what becomes of a request: canceled is 1 when nobody waits for the answer any more, as nnqi_is_canceled says, and 0
/// when that has not come and will not be told: the request has been answered, or nnqi_on_cancel has been called again. Until
/// then user must be valid, afterwards it is not used. With 1 it is called on the thread that reads the connection, or that closes
/// it, also while the code of the method runs; with 0, within the call that answers; and within nnqi_on_cancel itself if there
/// is nothing to wait for. It must not block (what waits fails with EDEADLK where a connection is read), take no lock that is held
/// around calls of this library, and must return: exceptions of C++ and longjmp must not leave it. It may answer the request.
pub type nnqi_notice = Option<unsafe extern "C" fn(canceled: c_int, user: *mut c_void)>;

static REQUESTS: LazyLock<Handles<Arc<Mutex<PendingRequest>>>> = LazyLock::new(|| Handles::new(Kind::Request));

/// A request, until it is answered.
struct PendingRequest {
    /// `None`: another thread is answering it.
    call: Option<Call>,
    kept: Kept,
}

/// What belongs to a request, beside its call.
#[derive(Default)]
pub struct Kept {
    /// The tuple of its arguments, of which values that C asks for are views: they may be large, and are not copied.
    pub arguments: Arc<Value>,
    /// Texts among the arguments, for pointers of C's.
    pub texts: Vec<CString>,
    /// The handle of its object, if C has asked for it, and what ends that.
    pub object: Option<(u64, Box<dyn Any + Send>)>,
    /// Why an argument could not be had: what the caller is told.
    pub wrong: Option<String>,
}

pub fn add(mut call: Call) -> nnqi_request {
    let arguments = Arc::new(Value::tuple(std::mem::take(&mut call.arguments)));
    REQUESTS.add(Arc::new(Mutex::new(PendingRequest { call: Some(call), kept: Kept { arguments, ..Kept::default() } })))
}

/// Looks at a request that is not answered yet, and at what belongs to it.
pub fn with_all<T>(handle: nnqi_request, look: impl FnOnce(&Call, &mut Kept) -> T) -> Result<T> {
    let request = REQUESTS.get(handle)?;
    let PendingRequest { call, kept } = &mut *request.lock();
    let call = call.as_ref().ok_or(Error::BAD_FD)?;
    Ok(look(call, kept))
}

fn with_request<T>(handle: nnqi_request, look: impl FnOnce(&Call) -> T) -> Result<T> {
    with_all(handle, |call, _| look(call))
}

/// Only one of several threads that answer gets it; with what belongs to it, which ends under no lock.
fn take(handle: nnqi_request) -> Result<(Call, Kept)> {
    let request = REQUESTS.remove(handle)?;
    let mut request = request.lock();
    let call = request.call.take().ok_or(Error::BAD_FD)?;
    Ok((call, std::mem::take(&mut request.kept)))
}

/// Answers with a result, unless it was made of arguments that were not what the code has asked for.
pub fn answer(handle: nnqi_request, answer: Answer) -> Result<c_int> {
    let (call, kept) = take(handle)?;
    let Some(wrong) = kept.wrong else {
        call.reply(Ok(answer));
        return Ok(0);
    };
    call.reply(Err(CallError::from(wrong.as_str())));
    Err(Failure::invalid(wrong))
}

/// Answers with what a function has returned, which is taken; 0 is a failure, and why is what was last said to this thread. Nothing is
/// said to who has been answered already.
pub fn returned(handle: nnqi_request, result: nnqi_value) {
    let found = if result == 0 {
        let said = last();
        Err(if said.is_empty() { "the method has returned 0, and not said why".to_owned() } else { said })
    } else {
        sendable(result).map_err(|failure| failure.to_string())
    };
    if let Ok((call, kept)) = take(handle) {
        let answer = kept.wrong.map_or(found, Err);
        call.reply(answer.map_err(|text| CallError::from(text.as_str())));
    }
}

/// An answer of a value, which is taken.
fn sendable(result: nnqi_value) -> Result<Answer> {
    let (result, inner) = view::take(result)?;
    let (result, objects) = inner.held.to_be_sent(result)?;
    Ok(objects.iter().fold(Answer::from(result), Answer::carrying))
}

/// The arguments of a request: a tuple of the declared types. Returns 0 with EBADF. Free it. Any thread. (14)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_arguments(request: nnqi_request) -> nnqi_value {
    boundary(|| {
        with_all(request, |call, kept| {
            let held = Held::passed(call, &kept.arguments);
            view::add_shared(&kept.arguments, None, held)
        })
    })
}

/// 1 if nobody waits for the answer any more (the caller has cancelled, or is gone), else 0; -1 with EBADF. It must be answered
/// all the same. Any thread. (16)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_is_canceled(request: nnqi_request) -> c_int {
    boundary(|| with_request(request, |call| c_int::from(call.is_canceled())))
}

/// Has notice called, with user, when the caller cancels the request or is gone, or else when
/// it is answered: once in any case. If it is cancelled already, that is now. A request has one notice: another one takes its place,
/// and the first is called with 0. A call that is cancelled before its code is called never becomes a request, and a post cannot be
/// cancelled. Whoever uses user in the code of the method and in notice frees it with the later of both. Returns 0, or -1 with
/// EBADF (also if it was answered) or EFAULT (notice is NULL), and then it is not called. Any thread. (16)
/// Example: nnqi_on_cancel(request, notice, NULL);
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_on_cancel(request: nnqi_request, notice: nnqi_notice, user: *mut c_void) -> c_int {
    boundary(|| {
        let notice = notice.ok_or(Error::FAULT)?;
        // C is called by this, so not while the request is locked.
        let cancellation = with_request(request, Call::cancellation)?;
        let notice = RequestNotice { notice, user: User::new(user), canceled: 0 };
        cancellation.on_cancel(move || notice.canceled());
        Ok(0)
    })
}

/// Tells C when it is dropped: once, whatever happens to it.
struct RequestNotice {
    notice: unsafe extern "C" fn(canceled: c_int, user: *mut c_void),
    user: User,
    canceled: c_int,
}

impl RequestNotice {
    fn canceled(mut self) {
        self.canceled = 1;
    }
}

impl Drop for RequestNotice {
    fn drop(&mut self) {
        // SAFETY: C promises a function of this kind, and that it can be called with `user` once.
        unsafe { (self.notice)(self.canceled, self.user.pointer()) };
    }
}

/// The caller's address, copied as nnqi_signature copies. Returns its length, or -1 with EBADF or EFAULT. Any thread. (14)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_caller(request: nnqi_request, buffer: *mut c_char, size: usize) -> i64 {
    boundary(|| {
        let remote = with_request(request, |call| call.caller.remote())?;
        // SAFETY: a non-null `buffer` has room for `size` bytes.
        unsafe { view::copy_text(remote.as_bytes(), buffer, size) }
    })
}

/// Answers a request with its result (nnqi_void() for none), which is taken, and converted to the declared type; if it cannot
/// be, the caller gets an Error. Returns 0, or -1 with EBADF: of the request it was answered before; with a bad result it
/// stays open; or with EINVAL if nnqi_arg_int or its like has failed for the request: then the caller gets that as an Error. Any
/// thread. (14)
/// Example: nnqi_reply(request, nnqi_int('i', 3));
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_reply(request: nnqi_request, result: nnqi_value) -> c_int {
    boundary(|| answer(request, sendable(result)?))
}

/// Answers a request with an Error of this text (UTF-8). Returns 0, or -1 with EBADF, or with EFAULT or EINVAL (the text), and
/// it stays open. Any thread. (17)
/// Example: nnqi_reply_error(request, "there is no such arm");
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_reply_error(request: nnqi_request, text: *const c_char) -> c_int {
    boundary(|| {
        // SAFETY: a non-null `text` ends with a zero.
        let text = unsafe { view::utf8(text) }?;
        take(request)?.0.reply(Err(CallError::from(text)));
        Ok(0)
    })
}

/// Answers a request that its caller has cancelled (nnqi_is_canceled): the call ends with EINTR there. Returns 0, or -1 with
/// EBADF. Any thread. (16)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_reply_canceled(request: nnqi_request) -> c_int {
    boundary(|| {
        take(request)?.0.reply(Err(CallError::Canceled));
        Ok(0)
    })
}
