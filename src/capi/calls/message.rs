use std::ffi::{c_int, c_void};
use std::ptr;

use crate::capi::errno::boundary;
use crate::capi::headers::nn::{nn_cmsghdr, nn_msghdr};
use crate::capi::{chunk, cmsg, msghdr};
use crate::core::chunk::HEADROOM;
use crate::core::{Chunk, Error};
use crate::sys::memory::unfilled_words;

/// Allocates a message of size bytes (0 is allowed), aligned to 16. type must be 0. The message is the
/// caller's until nn_freemsg or a successful send with NN_MSG. Needs no socket. Fails with NULL and EINVAL
/// (type) or ENOMEM. Any thread. (1.7)
#[unsafe(no_mangle)]
pub extern "C" fn nn_allocmsg(size: usize, r#type: c_int) -> *mut c_void {
    boundary(|| {
        // A size that cannot be is said before a type that cannot be.
        size.checked_add(HEADROOM).ok_or(Error::NO_MEMORY)?;
        if r#type != 0 {
            return Err(Error::INVALID);
        }
        Ok(chunk::into_raw(Chunk::within(size, unfilled_words)?))
    })
}

/// Changes the size of a message. A smaller or equal size keeps the pointer; a larger one gives a new
/// message that starts with the old bytes, and frees the old one. Fails with NULL and ENOMEM (the
/// old message stays valid) or EFAULT (msg is no message). One thread at a time per message. (1.7)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nn_reallocmsg(msg: *mut c_void, size: usize) -> *mut c_void {
    boundary(|| {
        // SAFETY: `msg` is a message that only this call uses.
        if unsafe { chunk::shorten(msg, size) }? {
            return Ok(msg);
        }
        let mut larger = Chunk::within(size, unfilled_words)?;
        // SAFETY: as above; and the old bytes are not used after this statement.
        let old = unsafe { chunk::peek(msg) }?;
        larger.bytes_mut()[..old.len()].copy_from_slice(old);
        // SAFETY: as above; the caller gets the new message instead.
        drop(unsafe { chunk::from_raw(msg) }?);
        Ok(chunk::into_raw(larger))
    })
}

/// Frees a message that came from nn_allocmsg, nn_reallocmsg or a receive with NN_MSG. Returns 0, or -1 with
/// EFAULT if msg is NULL or no message. One thread at a time per message. (1.7)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nn_freemsg(msg: *mut c_void) -> c_int {
    boundary(|| {
        // SAFETY: `msg` is a message that is not used any more.
        drop(unsafe { chunk::from_raw(msg) }?);
        Ok(0)
    })
}

/// The control property that follows cmsg in the control data of mhdr, the first one if cmsg is NULL; NULL
/// at the end. Behind NN_CMSG_FIRSTHDR and NN_CMSG_NXTHDR. The property is part of the control data, not
/// to be freed. Any thread. (2.7)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nn_cmsg_nxthdr_(mhdr: *const nn_msghdr, cmsg: *const nn_cmsghdr) -> *mut nn_cmsghdr {
    boundary(|| {
        // SAFETY: a non-null `mhdr` is a header that nobody changes meanwhile.
        let Some(message) = (unsafe { mhdr.as_ref() }) else { return Ok(ptr::null_mut()) };
        // SAFETY: its control data are as long as it says.
        let area = unsafe { msghdr::control_area(message) }?;
        let after = if cmsg.is_null() {
            None
        } else {
            match cmsg.addr().checked_sub(area.as_ptr().addr()) {
                Some(offset) => Some(offset),
                None => return Ok(ptr::null_mut()),
            }
        };
        Ok(match cmsg::next(area, after) {
            Some(offset) => area[offset..].as_ptr().cast::<nn_cmsghdr>().cast_mut(),
            None => ptr::null_mut(),
        })
    })
}
