//! Every pointer that C passes is checked and converted here. A NULL is an error of the caller, told by
//! errno; what cannot be checked (that the memory is there) is the caller's promise in the header.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::{ptr, slice};

use crate::core::{Error, Result};
use crate::sys::memory;

/// `len` readable bytes at `base`, which may be NULL if there are none (nanomsg-api.md 2.5).
///
/// # Safety
/// A non-null `base` has `len` readable bytes that nobody writes during `'a`.
pub unsafe fn bytes<'a>(base: *const c_void, len: usize) -> Result<&'a [u8]> {
    // SAFETY: the caller's promise is the same.
    unsafe { array(base.cast(), len) }
}

/// The `len` bytes at `base`, if there are any and as many can be: no NULL, no message of a length that means something else. (The usual
/// case, found with as few questions as possible.)
///
/// # Safety
/// A non-null `base` has `len` readable bytes that nobody writes during `'a`.
#[inline(always)]
pub unsafe fn some_bytes<'a>(base: *const c_void, len: usize) -> Option<&'a [u8]> {
    if base.is_null() || len.cast_signed() <= 0 {
        return None;
    }
    // SAFETY: neither NULL nor too large; the rest is the caller's promise.
    Some(unsafe { slice::from_raw_parts(base.cast(), len) })
}

/// The same of a place for what will be received.
///
/// # Safety
/// A non-null `base` has room for `len` bytes, which nobody else uses during `'a`.
#[inline(always)]
pub unsafe fn some_room<'a>(base: *mut c_void, len: usize) -> Option<&'a mut [u8]> {
    if base.is_null() || len.cast_signed() <= 0 {
        return None;
    }
    // SAFETY: neither NULL nor too large; the rest is the caller's promise.
    Some(unsafe { memory::unfilled_bytes(base.cast(), len) })
}

/// `count` readable values at `base`, which may be NULL if there are none.
///
/// # Safety
/// A non-null `base` is aligned and has `count` readable values that nobody writes during `'a`.
pub unsafe fn array<'a, T>(base: *const T, count: usize) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if base.is_null() {
        return Err(Error::FAULT);
    }
    // No object is larger than that, and a slice must not be.
    if count > isize::MAX as usize / size_of::<T>() {
        return Err(Error::INVALID);
    }
    // SAFETY: neither NULL nor too large; the rest is the caller's promise.
    Ok(unsafe { slice::from_raw_parts(base, count) })
}

/// `count` values at `base` to read and write, which may be NULL if there are none.
///
/// # Safety
/// A non-null `base` is aligned and has `count` initialised values that nobody else uses during `'a`.
pub unsafe fn array_mut<'a, T>(base: *mut T, count: usize) -> Result<&'a mut [T]> {
    // SAFETY: a weaker promise than the caller's.
    unsafe { array(base.cast_const(), count) }?;
    if count == 0 {
        return Ok(&mut []);
    }
    // SAFETY: checked by the line above; that nobody else uses it is the caller's promise.
    Ok(unsafe { slice::from_raw_parts_mut(base, count) })
}

/// Copies `source` to `base`. Nothing to copy needs no memory.
///
/// # Safety
/// A non-null `base` has room for `source` and does not overlap it.
pub unsafe fn store(base: *mut c_void, source: &[u8]) -> Result<()> {
    if source.is_empty() {
        return Ok(());
    }
    if base.is_null() {
        return Err(Error::FAULT);
    }
    // SAFETY: not NULL; room and distance are the caller's promise. The memory need not be initialised.
    unsafe { ptr::copy_nonoverlapping(source.as_ptr(), base.cast(), source.len()) };
    Ok(())
}

/// The `len` bytes at `base` as a place for what will be received; none of them for NULL. More than there can be (a caller says that
/// there is always room) is as much as there can be.
///
/// # Safety
/// A non-null `base` has room for `len` bytes, which nobody else uses during `'a`.
#[inline]
pub unsafe fn room<'a>(base: *mut c_void, len: usize) -> &'a mut [u8] {
    if base.is_null() {
        return &mut [];
    }
    // SAFETY: neither NULL nor too large; the rest is the caller's promise.
    unsafe { memory::unfilled_bytes(base.cast(), len.min(isize::MAX as usize)) }
}

/// Fills `len` bytes at `base` with zeroes.
///
/// # Safety
/// A non-null `base` has room for `len` bytes.
pub unsafe fn clear(base: *mut c_void, len: usize) -> Result<()> {
    if len == 0 {
        return Ok(());
    }
    if base.is_null() {
        return Err(Error::FAULT);
    }
    // SAFETY: not NULL; the room is the caller's promise.
    unsafe { ptr::write_bytes(base.cast::<u8>(), 0, len) };
    Ok(())
}

/// The value at `from`; NULL is `otherwise`.
///
/// # Safety
/// A non-null `from` points to a value.
pub unsafe fn read<T: Copy>(from: *const T, otherwise: Error) -> Result<T> {
    if from.is_null() {
        return Err(otherwise);
    }
    // SAFETY: not NULL, the rest is the caller's promise. Control buffers may have any alignment.
    Ok(unsafe { from.read_unaligned() })
}

/// Writes `value` to `to`; NULL is `EFAULT`.
///
/// # Safety
/// A non-null `to` has room for a value.
pub unsafe fn write<T>(to: *mut T, value: T) -> Result<()> {
    if to.is_null() {
        return Err(Error::FAULT);
    }
    // SAFETY: not NULL, the rest is the caller's promise. Control buffers may have any alignment.
    unsafe { to.write_unaligned(value) };
    Ok(())
}

/// The bytes of a string without its terminator; NULL is `EINVAL` (nanomsg-api.md 2.3).
///
/// # Safety
/// A non-null `string` ends with a zero byte and nobody writes to it during `'a`.
pub unsafe fn text<'a>(string: *const c_char) -> Result<&'a [u8]> {
    if string.is_null() {
        return Err(Error::INVALID);
    }
    // SAFETY: not NULL, the rest is the caller's promise.
    Ok(unsafe { CStr::from_ptr(string) }.to_bytes())
}

/// A count as C passes it; negative is `otherwise`.
pub fn count(value: c_int, otherwise: Error) -> Result<usize> {
    usize::try_from(value).map_err(|_| otherwise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_an_error_unless_nothing_is_there() {
        // SAFETY: NULL is what these functions check for.
        unsafe {
            assert_eq!(bytes(ptr::null(), 0).unwrap(), b"");
            assert_eq!(bytes(ptr::null(), 1).unwrap_err(), Error::FAULT);
            assert_eq!(store(ptr::null_mut(), b"").err(), None);
            assert_eq!(store(ptr::null_mut(), b"x").unwrap_err(), Error::FAULT);
            assert_eq!(text(ptr::null()).unwrap_err(), Error::INVALID);
            assert_eq!(read::<c_int>(ptr::null(), Error::INVALID).unwrap_err(), Error::INVALID);
            assert_eq!(write::<c_int>(ptr::null_mut(), 1).unwrap_err(), Error::FAULT);
            assert!(array_mut::<c_int>(ptr::null_mut(), 0).unwrap().is_empty());
            assert_eq!(array_mut::<c_int>(ptr::null_mut(), 1).unwrap_err(), Error::FAULT);
        }
    }

    #[test]
    fn sizes_no_object_can_have_are_refused() {
        let byte = 0_u8;
        // SAFETY: the size is refused before the memory is looked at.
        let refused = unsafe { bytes((&raw const byte).cast(), usize::MAX / 2 + 1) };
        assert_eq!(refused.unwrap_err(), Error::INVALID);
    }
}
