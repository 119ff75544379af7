use std::ffi::{c_char, c_void};

use crate::capi::pointers;
use crate::core::Error;
use crate::qi::convert::convert;
use crate::qi::json::{dynamic_from_json, from_json, to_json};
use crate::qi::value::{Reader, encode};

use super::build::nnqi_value;
use super::error::{Failure, boundary};
use super::view;

/// The value of a JSON text that ends with a zero (UTF-8), of this signature: arrays are lists or tuples, objects are maps
/// or structs, numbers must fit; {"$raw": base64} is raw data, {"$type": signature, "$value": ...} in a dynamic gives
/// its type. With signature NULL, a dynamic of the type that the text suggests. Returns 0 with EFAULT (json is NULL) or
/// EINVAL (no JSON, signature, or another type). Free it. Any thread. (19)
/// Example: nnqi_value steps = nnqi_from_json("[[1.5, 2.0], [0.0, 1.0]]", "[(dd)]");
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_from_json(json: *const c_char, signature: *const c_char) -> nnqi_value {
    boundary(|| {
        if json.is_null() {
            return Err(Error::FAULT.into());
        }
        // SAFETY: a non-null `json` ends with a zero.
        let text = unsafe { pointers::text(json) }?;
        let json = serde_json::from_slice(text).map_err(|error| Failure::invalid(error).about("no JSON"))?;
        let value = if signature.is_null() {
            dynamic_from_json(&json)
        } else {
            // SAFETY: it ends with a zero.
            from_json(&json, &unsafe { view::signature(signature) }?)
        };
        Ok(view::add(value.map_err(Failure::invalid)?))
    })
}

/// The value as JSON, copied to the buffer of size bytes with a zero behind it, as much as fits. Returns its length without
/// the zero (it was cut if that is not less than size), or -1 with EBADF, EINVAL (too many values within each other) or
/// EFAULT (buffer is NULL although size is not 0). With the value's signature, nnqi_from_json makes it again, but for
/// references to objects and the widths of numbers in dynamics. Any thread. (19)
/// Example: nnqi_to_json(value, text, sizeof text);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_to_json(value: nnqi_value, buffer: *mut c_char, size: usize) -> i64 {
    boundary(|| {
        let view = view::get(value)?;
        let text = to_json(view.value()?).map_err(Failure::invalid)?.to_string();
        // SAFETY: a non-null `buffer` has room for `size` bytes.
        unsafe { view::copy_text(text.as_bytes(), buffer, size) }
    })
}

/// The bytes that the value has on the wire as one of this signature (NULL: its own), converted if it is of another, copied
/// to the buffer of size bytes if all of them fit; else nothing is copied. Returns how many there are, or -1 with EBADF,
/// EINVAL (signature, conversion) or EFAULT (buffer is NULL although size is not 0). Any thread. (6)
/// Example: int64_t size = nnqi_encode(value, "(is)", bytes, sizeof bytes);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_encode(
    value: nnqi_value,
    signature: *const c_char,
    buffer: *mut c_void,
    size: usize,
) -> i64 {
    boundary(|| {
        let view = view::get(value)?;
        let value = view.value()?;
        let bytes = if signature.is_null() {
            encode(value, &value.signature())
        } else {
            // SAFETY: it ends with a zero.
            let signature = unsafe { view::signature(signature) }?;
            encode(&convert(value.clone(), &signature).map_err(Failure::invalid)?, &signature)
        };
        // SAFETY: a non-null `buffer` has room for `size` bytes.
        unsafe { view::copy_bytes(&bytes.map_err(Failure::invalid)?, buffer, size) }
    })
}

/// The value of this signature that these len bytes are on the wire; all of them. They are copied, once. Returns 0 with
/// EFAULT (signature is NULL, or bytes although len is not 0), or EINVAL (signature; no such value, which the text tells the
/// place of; bytes left over). Free it. Any thread. (6)
/// Example: nnqi_value arguments = nnqi_decode("(is)", bytes, sizeof bytes);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_decode(signature: *const c_char, bytes: *const c_void, len: usize) -> nnqi_value {
    boundary(|| {
        // SAFETY: a non-null `signature` ends with a zero.
        let signature = unsafe { view::signature(signature) }?;
        // SAFETY: a non-null `bytes` has `len` bytes.
        let bytes = view::copy(unsafe { pointers::bytes(bytes, len) }?)?;
        let mut reader = Reader::new(&bytes);
        let value = reader.read(&signature).map_err(Failure::invalid)?;
        match reader.rest().len() {
            0 => Ok(view::add(value)),
            left => Err(Failure::invalid(format!("{left} bytes left over"))),
        }
    })
}
