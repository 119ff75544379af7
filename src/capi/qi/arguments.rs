use std::any::Any;
use std::ffi::{c_char, c_int};
use std::sync::Arc;

use crate::qi::server::Call;
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::Value;

use super::build::nnqi_value;
use super::error::{Failure, Result, boundary};
use super::held::Held;
use super::objects::{Lent, nnqi_object};
use super::requests::{Kept, nnqi_request, with_all};
use super::view::{self, c_text};

/// Looks at an argument. What is wrong with it is noted for the caller.
fn argument<T>(
    request: nnqi_request,
    index: usize,
    read: impl FnOnce(&Call, &Value, &mut Kept) -> std::result::Result<T, String>,
) -> Result<T> {
    with_all(request, |call, kept| {
        let arguments = Arc::clone(&kept.arguments);
        let all = arguments.members().unwrap_or_default();
        let found = match all.get(index) {
            None => Err(format!("argument {} of {}: there is none", index + 1, all.len())),
            Some(value) => read(call, value, kept).map_err(|text| format!("argument {}{text}", index + 1)),
        };
        found.map_err(|text| {
            kept.wrong.get_or_insert_with(|| text.clone());
            Failure::invalid(text)
        })
    })?
}

/// One of a basic type, without dynamics around it.
fn basic<T>(
    request: nnqi_request,
    index: usize,
    wanted: &str,
    read: impl FnOnce(&Value, &mut Kept) -> Option<T>,
) -> Result<T> {
    argument(request, index, |_, value, kept| {
        let wrong = |found: &Signature| format!(" is {found}, and should be {wanted}");
        if let Value::Dynamic(dynamic) = value
            && dynamic.decoded_value().is_none()
            && *dynamic.signature().kind() != Kind::Dynamic
        {
            // It holds others, perhaps very many.
            return Err(wrong(dynamic.signature()));
        }
        let inner = value.clone().undynamic().map_err(|error| format!(": {error}"))?;
        read(&inner, kept).ok_or_else(|| wrong(&inner.signature()))
    })
}

/// An argument of a request, from 0 on, as an integer, dynamics looked into. If there is no such argument, or it is none, returns -1 with
/// EINVAL (EBADF: the request), and whatever nnqi_reply says then, the caller gets an Error with the reason. Any thread.
/// nnqi_reply(request, nnqi_int((int32_t)(nnqi_arg_int(request, 0) + nnqi_arg_int(request, 1)))) (14)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_arg_int(request: nnqi_request, index: usize) -> i64 {
    let wanted = "an integer of 64 bits";
    boundary(|| basic(request, index, wanted, |value, _| value.integer().and_then(|number| number.try_into().ok())))
}

/// The same for a bool: 0 or 1. (14)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_arg_bool(request: nnqi_request, index: usize) -> c_int {
    boundary(|| {
        basic(request, index, "a bool", |value, _| match *value {
            Value::Bool(flag) => Some(c_int::from(flag)),
            _ => None,
        })
    })
}

/// The same for a number of any type; on failure not a number. (14)
/// Example: double meters = nnqi_arg_double(request, 0);
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_arg_double(request: nnqi_request, index: usize) -> f64 {
    boundary(|| basic(request, index, "a number", |value, _| view::number(value)))
}

/// The same for a string. It ends with a zero (what comes behind a zero in it is not seen), and belongs to the request: it is
/// valid until that is answered. On failure an empty one. (14)
/// Example: const char *side = nnqi_arg_text(request, 0);
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_arg_text(request: nnqi_request, index: usize) -> *const c_char {
    let text = boundary(|| {
        basic(request, index, "a string", |value, kept| match value {
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
        argument(request, index, |call, value, kept| {
            Ok(view::add_shared(&kept.arguments, Some(index), Held::passed(call, value)))
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
