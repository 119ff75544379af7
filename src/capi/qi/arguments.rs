use std::any::Any;
use std::ffi::{c_char, c_int};

use crate::qi::server::Call;
use crate::qi::value::Value;

use super::build::nnqi_value;
use super::error::{Failure, Result, boundary};
use super::held::Held;
use super::objects::{Lent, nnqi_object};
use super::requests::{Kept, nnqi_request, with_all};
use super::view::{self, c_text};

/// An argument, without dynamics around it. What is wrong with it is noted for the caller.
fn argument<T>(
    request: nnqi_request,
    index: usize,
    wanted: &str,
    read: impl FnOnce(&Call, &Value, &mut Kept) -> Option<T>,
) -> Result<T> {
    with_all(request, |call, kept| {
        let found = match call.arguments.get(index) {
            None => Err(format!("argument {} of {}: there is none", index + 1, call.arguments.len())),
            Some(value) => match value.clone().undynamic() {
                Err(error) => Err(format!("argument {}: {error}", index + 1)),
                Ok(inner) => {
                    let wrong = || format!("argument {} is {}, and should be {wanted}", index + 1, inner.signature());
                    read(call, &inner, kept).ok_or_else(wrong)
                }
            },
        };
        found.map_err(|text| {
            kept.wrong.get_or_insert_with(|| text.clone());
            Failure::invalid(text)
        })
    })?
}

/// An argument of a request, from 0 on, as an integer, dynamics looked into. If there is no such argument, or it is none, returns -1 with
/// EINVAL (EBADF: the request), and whatever nnqi_reply says then, the caller gets an Error with the reason. Any thread.
/// nnqi_reply(request, nnqi_int((int32_t)(nnqi_arg_int(request, 0) + nnqi_arg_int(request, 1)))) (14)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_arg_int(request: nnqi_request, index: usize) -> i64 {
    let wanted = "an integer of 64 bits";
    boundary(|| {
        argument(request, index, wanted, |_, value, _| value.integer().and_then(|number| number.try_into().ok()))
    })
}

/// The same for a bool: 0 or 1. (14)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_arg_bool(request: nnqi_request, index: usize) -> c_int {
    boundary(|| {
        argument(request, index, "a bool", |_, value, _| match *value {
            Value::Bool(flag) => Some(c_int::from(flag)),
            _ => None,
        })
    })
}

/// The same for a number of any type; on failure not a number. (14)
/// Example: double meters = nnqi_arg_double(request, 0);
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_arg_double(request: nnqi_request, index: usize) -> f64 {
    boundary(|| argument(request, index, "a number", |_, value, _| view::number(value)))
}

/// The same for a string. It ends with a zero (what comes behind a zero in it is not seen), and belongs to the request: it is
/// valid until that is answered. On failure an empty one. (14)
/// Example: const char *side = nnqi_arg_text(request, 0);
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_arg_text(request: nnqi_request, index: usize) -> *const c_char {
    let text = boundary(|| {
        argument(request, index, "a string", |_, value, kept| match value {
            Value::String(text) => {
                let text = c_text(text.bytes());
                let start = text.as_ptr();
                kept.texts.push(text);
                Some(start)
            }
            _ => None,
        })
    });
    if text.is_null() { c"".as_ptr() } else { text }
}

/// The same as a value, for everything else, as it came. On failure 0. Free it. (14)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_arg(request: nnqi_request, index: usize) -> nnqi_value {
    boundary(|| {
        argument(request, index, "a value", |call, _, _| {
            let value = call.arguments.get(index)?.clone();
            let held = Held::passed(call, &value);
            Some(view::add_with(value, held))
        })
    })
}

/// The object that is asked, for nnqi_emit and nnqi_object_set in its own methods. The handle belongs to the request and ends when that is
/// answered. Returns 0 with EBADF. Any thread. nnqi_emit(nnqi_request_object(request), "said", nnqi_pack("(s)", text)) (14)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_request_object(request: nnqi_request) -> nnqi_object {
    boundary(|| {
        with_all(request, |call, kept| {
            let lend = || {
                let (handle, lent) = Lent::new(call.object());
                (handle, Box::new(lent) as Box<dyn Any + Send>)
            };
            kept.object.get_or_insert_with(lend).0
        })
    })
}
