use std::ffi::{c_char, c_int, c_void};

use crate::capi::pointers;
use crate::qi::signature::Kind;
use crate::qi::value::Value;

use super::build::nnqi_value;
use super::error::{Failure, Result, boundary};
use super::view;

/// A reference to an object. Service and object name it on the connection it came through, and on no other.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nnqi_reference {
    /// The service that it belongs to.
    pub service: u32,
    /// 0 for the null object.
    pub object: u32,
    /// 1 if uid is known.
    pub has_uid: c_int,
    /// The object's identity on all connections.
    pub uid: [u8; 20],
}

fn wrong(value: &Value, wanted: &str) -> Failure {
    Failure::invalid(format!("a value of type {} where {wanted} is wanted", value.signature()))
}

/// What kind of value it is: the first letter of its signature, so one of v b c C w W i I l L f d s r m o [ { ( +. Returns
/// -1 with EBADF. Any thread. (6)
/// Example: if (nnqi_kind(value) == '[') printf("a list of %d\n", (int)nnqi_count(value));
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_kind(value: nnqi_value) -> c_int {
    boundary(|| {
        Ok(c_int::from(match view::get(value)?.value()?.signature().kind() {
            Kind::Void | Kind::Nothing | Kind::Unknown => b'v',
            Kind::Bool => b'b',
            Kind::Int8 => b'c',
            Kind::UInt8 => b'C',
            Kind::Int16 => b'w',
            Kind::UInt16 => b'W',
            Kind::Int32 => b'i',
            Kind::UInt32 => b'I',
            Kind::Int64 => b'l',
            Kind::UInt64 => b'L',
            Kind::Float => b'f',
            Kind::Double => b'd',
            Kind::String => b's',
            Kind::Raw => b'r',
            Kind::Dynamic => b'm',
            Kind::Object => b'o',
            Kind::List(_) | Kind::VarArgs(_) => b'[',
            Kind::Map(_) | Kind::KeywordArgs(_) => b'{',
            Kind::Tuple(_) => b'(',
            Kind::Optional(_) => b'+',
        }))
    })
}

/// The whole signature, copied to the buffer of size bytes with a zero behind it, as much as fits; as (ii)<Point,x,y>.
/// Returns its length without the zero (it was cut if that is not less than size), or -1 with EBADF or EFAULT (buffer is
/// NULL although size is not 0). Any thread. (5)
/// Example: nnqi_signature(value, text, sizeof text);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_signature(value: nnqi_value, buffer: *mut c_char, size: usize) -> i64 {
    boundary(|| {
        let text = view::get(value)?.value()?.signature().to_string();
        // SAFETY: a non-null `buffer` has room for `size` bytes.
        unsafe { view::copy_text(text.as_bytes(), buffer, size) }
    })
}

/// Stores a bool as 0 or 1. As all that read a value, it looks into dynamics: results of untyped methods are those. Returns 0, or -1 with EBADF, EINVAL (it is no bool) or EFAULT. Any thread. (6)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_get_bool(value: nnqi_value, flag: *mut c_int) -> c_int {
    boundary(|| match *view::looked_into(value)?.value()? {
        // SAFETY: a non-null `flag` has room for an int.
        Value::Bool(found) => Ok(unsafe { pointers::write(flag, c_int::from(found)) }.map(|()| 0)?),
        ref other => Err(wrong(other, "a bool")),
    })
}

/// Stores an integer of any width. Returns 0, or -1 with EBADF, EINVAL (it is no integer), ERANGE (more than an int64_t
/// holds) or EFAULT. Any thread. (6)
/// Example: if (nnqi_get_int(value, &number) < 0) nnqi_perror("age");
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_get_int(value: nnqi_value, number: *mut i64) -> c_int {
    boundary(|| {
        // SAFETY: a non-null `number` has room for one.
        Ok(unsafe { pointers::write(number, integer(value)?) }.map(|()| 0)?)
    })
}

/// The same for numbers that are not negative; a negative one is ERANGE. (6)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_get_uint(value: nnqi_value, number: *mut u64) -> c_int {
    boundary(|| {
        // SAFETY: a non-null `number` has room for one.
        Ok(unsafe { pointers::write(number, integer(value)?) }.map(|()| 0)?)
    })
}

fn integer<T: TryFrom<i128>>(value: nnqi_value) -> Result<T> {
    let view = view::looked_into(value)?;
    let value = view.value()?;
    let number = value.integer().ok_or_else(|| wrong(value, "an integer"))?;
    T::try_from(number).map_err(|_| Failure::range(format!("{number} does not fit")))
}

/// Stores a number, of type f or d or an integer (rounded to the nearest if it has more than 53 bits). Returns 0, or -1
/// with EBADF, EINVAL (it is no number) or EFAULT. Any thread. (6)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_get_double(value: nnqi_value, number: *mut f64) -> c_int {
    boundary(|| {
        let view = view::looked_into(value)?;
        let found = match *view.value()? {
            Value::Float(found) => f64::from(found),
            Value::Double(found) => found,
            ref other => other.integer().ok_or_else(|| wrong(other, "a number"))? as f64,
        };
        // SAFETY: a non-null `number` has room for one.
        Ok(unsafe { pointers::write(number, found) }.map(|()| 0)?)
    })
}

/// The bytes of a string, and their number in *len, which may be NULL. They are the value's own, valid until this handle is
/// freed or taken; NO zero follows them, and zeroes may be among them. Returns NULL with EBADF or EINVAL (it is no string).
/// Any thread. (6)
/// Example: const char *name = nnqi_get_string(value, &len); printf("%.*s\n", (int)len, name);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_get_string(value: nnqi_value, len: *mut usize) -> *const c_char {
    boundary(|| {
        let view = view::looked_into(value)?;
        let Value::String(text) = view.value()? else { return Err(wrong(view.value()?, "a string")) };
        // SAFETY: a non-null `len` has room for a size.
        unsafe { store_length(len, text.bytes().len()) }?;
        // The table holds the value for as long as the handle is one, so the bytes stay. What is in a dynamic is a view of its bytes, or
        // part of the value.
        Ok(text.bytes().as_ptr().cast::<c_char>())
    })
}

/// The bytes of raw data; otherwise as nnqi_get_string. (6)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_get_raw(value: nnqi_value, len: *mut usize) -> *const c_void {
    boundary(|| {
        let view = view::looked_into(value)?;
        let Value::Raw(bytes) = view.value()? else { return Err(wrong(view.value()?, "raw data")) };
        // SAFETY: a non-null `len` has room for a size.
        unsafe { store_length(len, bytes.len()) }?;
        Ok(bytes.as_ptr().cast::<c_void>())
    })
}

/// # Safety
/// A non-null `place` has room for a size.
unsafe fn store_length(place: *mut usize, len: usize) -> Result<()> {
    if !place.is_null() {
        // SAFETY: the caller's promise.
        unsafe { pointers::write(place, len) }?;
    }
    Ok(())
}

/// Copies a string to the buffer of size bytes with a zero behind it, as much as fits. Returns its length without the zero
/// (it was cut if that is not less than size), or -1 with EBADF, EINVAL (it is no string) or EFAULT (buffer is NULL
/// although size is not 0). Any thread. (6)
/// Example: if (nnqi_copy_string(value, text, sizeof text) >= (int64_t)sizeof text) puts("cut");
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_copy_string(value: nnqi_value, buffer: *mut c_char, size: usize) -> i64 {
    boundary(|| {
        let view = view::looked_into(value)?;
        let Value::String(text) = view.value()? else { return Err(wrong(view.value()?, "a string")) };
        // SAFETY: a non-null `buffer` has room for `size` bytes.
        unsafe { view::copy_text(text.bytes(), buffer, size) }
    })
}

/// How many items a list, entries a map, members a tuple has; 0 or 1 for an optional. Returns -1 with EBADF or EINVAL (it is
/// none of these). Any thread. (6)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_count(value: nnqi_value) -> i64 {
    boundary(|| {
        let view = view::looked_into(value)?;
        let count = match view.value()? {
            Value::List(list) => list.items.len(),
            Value::Map(map) => map.entries.len(),
            Value::Tuple(tuple) => tuple.members.len(),
            Value::Optional(optional) => usize::from(optional.value.is_some()),
            other => return Err(wrong(other, "a container")),
        };
        Ok(count as i64)
    })
}

/// An item of a list or member of a tuple, from 0 on; item 0 of an optional that has a value. The value around it may be
/// freed before. Copies nothing. Returns 0 with EBADF or EINVAL (no such container, no such item). Free it. Any thread. (6)
/// Example: nnqi_value first = nnqi_item(value, 0);
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_item(value: nnqi_value, index: usize) -> nnqi_value {
    boundary(|| {
        let view = view::looked_into(value)?;
        match view.value()? {
            Value::List(_) | Value::Tuple(_) | Value::Optional(_) => Ok(view::add_view(view.child(index)?)),
            other => Err(wrong(other, "a list, tuple or optional")),
        }
    })
}

/// The key of an entry of a map, from 0 on; otherwise as nnqi_item. (6)
/// Example: nnqi_value key = nnqi_map_key(value, 0), its_value = nnqi_map_value(value, 0);
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_map_key(value: nnqi_value, index: usize) -> nnqi_value {
    boundary(|| entry(value, index, 0))
}

/// The value of an entry of a map, from 0 on; otherwise as nnqi_item. (6)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_map_value(value: nnqi_value, index: usize) -> nnqi_value {
    boundary(|| entry(value, index, 1))
}

fn entry(value: nnqi_value, index: usize, part: usize) -> Result<nnqi_value> {
    let view = view::looked_into(value)?;
    if view.value()?.entries().is_none() {
        return Err(wrong(view.value()?, "a map"));
    }
    let step = index.checked_mul(2).ok_or_else(|| Failure::invalid("there is no such item"))?;
    Ok(view::add_view(view.child(step + part)?))
}

/// The field of a struct, or the value of a map from strings, of this name (UTF-8). Returns 0 with EBADF, EFAULT, EINVAL (it
/// is no struct and no map) or ENOENT (no such name). Free it. Any thread. (6)
/// Example: nnqi_value x = nnqi_find(value, "x");
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_find(value: nnqi_value, name: *const c_char) -> nnqi_value {
    boundary(|| {
        let view = view::looked_into(value)?;
        // SAFETY: a non-null `name` ends with a zero.
        let name = unsafe { view::utf8(name) }?;
        if !matches!(view.value()?, Value::Tuple(_) | Value::Map(_)) {
            return Err(wrong(view.value()?, "a struct or map"));
        }
        let step = view::find(value, &view, name)?;
        let absent = || Failure::new(crate::core::Error::from_errno(libc::ENOENT), format!("there is no \"{name}\""));
        Ok(view::add_view(view.child(step.ok_or_else(absent)?)?))
    })
}

/// What is inside of a dynamic. Returns 0 with EBADF or EINVAL (it is no dynamic, or what is inside takes more memory than
/// one value may). Free it. Any thread. (6)
/// Example: nnqi_value inside = nnqi_unwrap(value);
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_unwrap(value: nnqi_value) -> nnqi_value {
    boundary(|| {
        let view = view::get(value)?;
        match view.value()? {
            Value::Dynamic(dynamic) => Ok(view::add_view(view::content(&view, dynamic)?)),
            other => Err(wrong(other, "a dynamic")),
        }
    })
}

/// Stores what a reference to an object says. Returns 0, or -1 with EBADF, EINVAL (it is no reference) or EFAULT. Any
/// thread. (7)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_get_object(value: nnqi_value, reference: *mut nnqi_reference) -> c_int {
    boundary(|| {
        let view = view::looked_into(value)?;
        let Value::Object(object) = view.value()? else { return Err(wrong(view.value()?, "an object")) };
        let found = nnqi_reference {
            service: object.service,
            object: object.object,
            has_uid: c_int::from(object.uid.is_some()),
            uid: object.uid.unwrap_or_default(),
        };
        // SAFETY: a non-null `reference` has room for one.
        Ok(unsafe { pointers::write(reference, found) }.map(|()| 0)?)
    })
}

/// 1 if both are equal in type (names of structs aside) and content, else 0; -1 with EBADF. Any thread. (6)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_equal(a: nnqi_value, b: nnqi_value) -> c_int {
    boundary(|| {
        let (a, b) = (view::get(a)?, view::get(b)?);
        Ok(c_int::from(a.value()? == b.value()?))
    })
}
