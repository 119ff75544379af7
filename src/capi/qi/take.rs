use std::ffi::{c_char, c_int};
use std::ptr::null;

use crate::qi::value::Value;

use super::build::nnqi_value;
use super::error::{Failure, boundary};
use super::view;

/// What `read` makes of a value, or of what is inside of it, which is none from now on. What is wrong is left for nnqi_error.
fn taken<T>(value: nnqi_value, wanted: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
    let mut found = None;
    let _: c_int = boundary(|| {
        let inner = view::take(value)?.0.undynamic().map_err(Failure::invalid)?;
        let wrong = || Failure::invalid(format!("a value of type {} where {wanted} is wanted", inner.signature()));
        found = Some(read(&inner).ok_or_else(wrong)?);
        Ok(0)
    });
    found
}

/// The integer in a value, dynamics looked into, or otherwise if it is none or the value is 0, as of a call that failed; nnqi_error()
/// then says why, and errno is EBADF or EINVAL. The value is taken. Any thread. nnqi_take_int(nnqi_call(...), -1) (6)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_take_int(value: nnqi_value, otherwise: i64) -> i64 {
    let read = |value: &Value| value.integer().and_then(|number| number.try_into().ok());
    taken(value, "an integer of 64 bits", read).unwrap_or(otherwise)
}

/// The same for a bool: 0 or 1. (6)
/// Example: int ready = nnqi_take_bool(nnqi_callf(robot, "isReady", "()"), 0);
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_take_bool(value: nnqi_value, otherwise: c_int) -> c_int {
    let read = |value: &Value| match *value {
        Value::Bool(flag) => Some(c_int::from(flag)),
        _ => None,
    };
    taken(value, "a bool", read).unwrap_or(otherwise)
}

/// The same for a number of any type. nnqi_take_double(nnqi_property_get(robot, "height"), NAN) (6)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_take_double(value: nnqi_value, otherwise: f64) -> f64 {
    taken(value, "a number", view::number).unwrap_or(otherwise)
}

/// The text of a string in a value, dynamics looked into, copied as nnqi_signature copies: it is cut if buffer, of size bytes, is too small. The value is
/// taken. Returns buffer, so that it can be printed at once, or NULL with EBADF, EFAULT, EINVAL (no string, or size is 0); then buffer is empty.
/// Any thread. puts(nnqi_take_text(nnqi_callf(robot, "name", "()"), text, sizeof text)) (6)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_take_text(value: nnqi_value, buffer: *mut c_char, size: usize) -> *const c_char {
    let read = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    };
    let text = taken(value, "a string", read);
    // SAFETY: a non-null `buffer` has room for `size` bytes.
    let copy = |text: &[u8]| unsafe { view::copy_text(text, buffer, size) };
    let Some(text) = text else {
        // What is wrong has been said.
        let _ = copy(b"");
        return null();
    };
    boundary(|| {
        if size == 0 {
            return Err(Failure::invalid("no room for a text"));
        }
        copy(text.bytes()).map(|_| buffer.cast_const())
    })
}
