//! Failures as `lib` knows them, and how an operation ends.

use std::ptr;
use std::rc::Rc;

use nanomsg::Error;
use nanomsg::qi::client::CallError;
use napi::sys;

use crate::buffers::Raw;
use crate::hub::{Core, Post, Task, undefined};

/// An exception: its code is an errno in digits, or a name; `PendingException` if it has been thrown already.
pub type Failure = napi::Error<String>;
pub type Outcome<T> = Result<T, Failure>;

/// How an operation ends: the kinds of its task.
const VALUE: i32 = 0;
const FAILURE: i32 = 1;

const ECANCELED: i32 = 125;

pub fn fail(code: &str, text: impl Into<String>) -> Failure {
    Failure::new(code.to_owned(), text.into())
}

/// What cannot be made into a value of the bus, or of JavaScript.
pub fn unfit(text: impl Into<String>) -> Failure {
    fail(&Error::INVALID.errno().to_string(), text)
}

pub fn failure(error: &CallError) -> Failure {
    let code = match error {
        CallError::Remote(_) => "ERR_REMOTE".to_owned(),
        CallError::NoService { .. } | CallError::Unreachable { .. } => "ERR_NO_SERVICE".to_owned(),
        CallError::Canceled => ECANCELED.to_string(),
        error => error.errno().errno().to_string(),
    };
    Failure::new(code, error.to_string())
}

/// The status of a call of Node-API.
pub fn check(status: sys::napi_status) -> Outcome<()> {
    match status {
        sys::Status::napi_ok => Ok(()),
        other => Err(fail(napi::Status::from(other).as_ref(), "a value of JavaScript cannot be used")),
    }
}

/// The result of an operation that another thread has brought: a task to its number. `convert` runs on the environment's thread.
pub fn settle<T: Send + 'static>(
    post: &Post,
    operation: u32,
    outcome: Result<T, CallError>,
    convert: impl FnOnce(&Rc<Core>, T) -> Outcome<Raw> + Send + 'static,
) {
    let make = move |core: &Rc<Core>| {
        let converted = outcome.map_err(|error| failure(&error)).and_then(|value| convert(core, value));
        Some(match converted {
            Ok(value) => (VALUE, value),
            Err(failure) => (FAILURE, described(core, &failure)),
        })
    };
    post.send(Task { number: operation, make: Box::new(make) });
}

/// For operations that bring nothing.
pub fn nothing<T>(core: &Rc<Core>, _: T) -> Outcome<Raw> {
    Ok(undefined(core))
}

/// `[code, text]`
fn described(core: &Core, failure: &Failure) -> Raw {
    let env = core.env().raw();
    let mut array = ptr::null_mut();
    let (code, text) = match clear_exception(core) {
        Some(text) => (Error::INVALID.errno().to_string(), text),
        None => (failure.status.clone(), failure.reason.clone()),
    };
    // SAFETY: in a scope of the environment's thread; all places are ours.
    unsafe {
        sys::napi_create_array_with_length(env, 2, &mut array);
        for (index, part) in [code, text].iter().enumerate() {
            let mut string = ptr::null_mut();
            sys::napi_create_string_utf8(env, part.as_ptr().cast(), part.len() as isize, &mut string);
            sys::napi_set_element(env, array, index as u32, string);
        }
    }
    Raw(array)
}

/// The text of an exception that waits to be thrown; it waits no more.
pub fn clear_exception(core: &Core) -> Option<String> {
    let env = core.env().raw();
    let (mut waits, mut exception, mut string) = (false, ptr::null_mut(), ptr::null_mut());
    // SAFETY: in a scope of the environment's thread; all places are ours.
    unsafe {
        sys::napi_is_exception_pending(env, &mut waits);
        if !waits {
            return None;
        }
        sys::napi_get_and_clear_last_exception(env, &mut exception);
        sys::napi_coerce_to_string(env, exception, &mut string);
    }
    Some(super::values::text(core, string).unwrap_or_default())
}
