use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;

use crate::capi::errno::{self, boundary};
use crate::capi::headers::nn::nn_symbol_properties;
use crate::capi::{pointers, symbols, table};
use crate::core::Error;

/// The error number of the last call that failed on this thread; the same as C's errno. A successful call
/// does not reset it. Any thread. (1.5)
#[unsafe(no_mangle)]
pub extern "C" fn nn_errno() -> c_int {
    errno::get()
}

/// The text of an error number: the library's own for ETERM and EFSM, strerror's for any other. Never
/// NULL; not to be freed, valid until this thread's next call. Any thread. (1.5)
#[unsafe(no_mangle)]
pub extern "C" fn nn_strerror(errnum: c_int) -> *const c_char {
    errno::text(errnum)
}

/// The name of symbol i, counted from 0; its number is stored in value unless that is NULL. Call it with
/// 0, 1, 2... until it returns NULL with EINVAL. The name is valid for ever, not to be freed. Needs no
/// socket. Any thread. (1.6)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nn_symbol(i: c_int, value: *mut c_int) -> *const c_char {
    boundary(|| {
        let symbol = symbols::symbol(i).ok_or(Error::INVALID)?;
        if !value.is_null() {
            // SAFETY: a non-null `value` has room for an int.
            unsafe { pointers::write(value, symbol.value) }?;
        }
        Ok(symbol.name.as_ptr())
    })
}

/// Describes symbol i, counted from 0, in buf, which has room for buflen bytes. Returns how many bytes were
/// stored, at most the size of the structure; 0 if there is no such symbol, errno being left alone. Needs
/// no socket. Any thread. (1.6)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nn_symbol_info(i: c_int, buf: *mut nn_symbol_properties, buflen: c_int) -> c_int {
    let Some(symbol) = symbols::symbol(i) else { return 0 };
    let room = usize::try_from(buflen).unwrap_or(0);
    let len = room.min(size_of::<nn_symbol_properties>());
    if len == 0 || buf.is_null() {
        return 0;
    }
    let nn_symbol_properties { value, name, ns, r#type, unit } = symbol.properties();
    let mut whole = MaybeUninit::<nn_symbol_properties>::zeroed();
    let place = whole.as_mut_ptr();
    // SAFETY: the fields are written in place, so the padding between them stays zero and nothing of our stack is
    // shown. `buf` is not NULL and has room for `buflen` bytes, of which there are at least `len`. Copied
    // as bytes because a short buffer gets only a part.
    unsafe {
        (&raw mut (*place).value).write(value);
        (&raw mut (*place).name).write(name);
        (&raw mut (*place).ns).write(ns);
        (&raw mut (*place).r#type).write(r#type);
        (&raw mut (*place).unit).write(unit);
        std::ptr::copy_nonoverlapping(place.cast::<u8>(), buf.cast::<u8>(), len);
    }
    len as c_int
}

/// The value of one of the NN_STAT_ counters of a socket. They start at 0; which event moves which is
/// told at the constants. Fails with (uint64_t) -1 and EBADF (no such socket) or EINVAL (no such
/// counter); NN_STAT_CURRENT_SND_PRIORITY has that value too when no peer is left, errno being left
/// alone. Any thread. (2.12)
#[unsafe(no_mangle)]
pub extern "C" fn nn_get_statistic(s: c_int, stat: c_int) -> u64 {
    boundary(|| table::with_socket(s, |socket| socket.statistic(stat)))
}
