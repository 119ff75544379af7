use std::ffi::{c_int, c_void};

use crate::capi::errno::slow_boundary;
use crate::capi::{pointers, table};
use crate::core::{Error, Result};
use crate::facade::OptionValue;

/// Sets an option to the optvallen bytes at optval. level is NN_SOL_SOCKET, a socket type such as NN_SUB, or a
/// transport such as NN_TCP; meaning, default and range of each option are told at its constant. Fails with
/// -1 and EBADF, EFAULT (optval is NULL although optvallen is not 0), ENOPROTOOPT (no such option on this
/// socket, or a read-only one), EINVAL (length or value); the old value stays. optval is not kept. Any
/// thread. (2.13, 3.1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nn_setsockopt(
    s: c_int,
    level: c_int,
    option: c_int,
    optval: *const c_void,
    optvallen: usize,
) -> c_int {
    slow_boundary(|| {
        table::with(s, |socket| {
            // SAFETY: a non-null `optval` has `optvallen` bytes that nobody changes meanwhile.
            let value = unsafe { pointers::bytes(optval, optvallen) }?;
            socket.set_option(level, option, value).map(|()| 0)
        })
    })
}

/// Reads an option into optval, which has room for *optvallen bytes, and stores the value's size in *optvallen.
/// A value that does not fit is cut off. A string has its terminator only if there is room for it, and its
/// size does not count it. Fails with -1 and EBADF, EFAULT (optval or optvallen is NULL), ENOPROTOOPT (no
/// such option on this socket, or a write-only one), EINVAL (no room for a protocol's option). Any
/// thread. (2.13, 3.1)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nn_getsockopt(
    s: c_int,
    level: c_int,
    option: c_int,
    optval: *mut c_void,
    optvallen: *mut usize,
) -> c_int {
    slow_boundary(|| {
        table::with(s, |socket| {
            if optval.is_null() {
                return Err(Error::FAULT);
            }
            // SAFETY: a non-null `optvallen` is a size.
            let room = unsafe { pointers::read(optvallen, Error::FAULT) }?;
            let value = socket.option(level, option)?;
            if level > 0 && room < size_of::<c_int>() {
                return Err(Error::INVALID);
            }
            // SAFETY: `optval` has room for `room` bytes.
            let len = unsafe { store(optval, room, &value) }?;
            // SAFETY: as above.
            unsafe { pointers::write(optvallen, len) }?;
            Ok(0)
        })
    })
}

/// Copies as much of a value as fits and returns its size.
///
/// # Safety
/// `place` has room for `room` bytes.
unsafe fn store(place: *mut c_void, room: usize, value: &OptionValue) -> Result<usize> {
    let cut = |bytes: &[u8]| {
        // SAFETY: the caller's promise, for at most `room` bytes.
        unsafe { pointers::store(place, &bytes[..bytes.len().min(room)]) }.map(|()| bytes.len())
    };
    match value {
        OptionValue::Int(number) => cut(&number.to_ne_bytes()),
        OptionValue::Pointer(address) => cut(&address.to_ne_bytes()),
        OptionValue::Text(text) => {
            // As strncpy does: the rest of the room is filled with zeroes.
            // SAFETY: the caller's promise.
            unsafe { pointers::clear(place, room) }?;
            let text: &[u8] = text.as_ref();
            cut(text.split(|byte| *byte == 0).next().unwrap_or_default())
        }
    }
}
