//! Both sides of a `nn_msghdr`: the parts of the body and the control data (nanomsg-api.md 2.5 to 2.7).

use std::ffi::c_void;
use std::mem::ManuallyDrop;

use super::cmsg::{self, Control};
use super::headers::nn::{NN_MSG, nn_iovec, nn_msghdr};
use super::{chunk, pointers};
use crate::core::{Body, Chunk, Error, Message, Result};
use crate::sys::memory::unfilled_words;

/// The parts of the body.
///
/// # Safety
/// A non-null `msg_iov` has `msg_iovlen` parts that nobody writes during `'a`.
pub unsafe fn parts<'a>(message: &nn_msghdr) -> Result<&'a [nn_iovec]> {
    let count = pointers::count(message.msg_iovlen, Error::MSG_SIZE)?;
    // SAFETY: the caller's promise is the same.
    unsafe { pointers::array(message.msg_iov, count) }
}

/// Where the pointer to a message stands if the body is one, rather than buffers.
pub fn whole_message(parts: &[nn_iovec]) -> Option<*mut *mut c_void> {
    match parts {
        [nn_iovec { iov_base, iov_len: NN_MSG }] => Some(iov_base.cast()),
        _ => None,
    }
}

/// The body that buffers hold together. A single one is not copied.
///
/// # Safety
/// Every non-null part has the bytes it says, and nobody writes to them during `'a`.
pub unsafe fn gather<'a>(parts: &[nn_iovec]) -> Result<Body<'a>> {
    let mut total = 0_usize;
    for part in parts {
        if part.iov_len == NN_MSG {
            return Err(Error::INVALID);
        }
        // SAFETY: the caller's promise is the same.
        let bytes = unsafe { pointers::bytes(part.iov_base, part.iov_len) }?;
        if parts.len() == 1 {
            return Ok(Body::Borrowed(bytes));
        }
        total = total.checked_add(bytes.len()).ok_or(Error::INVALID)?;
    }
    let mut chunk = Chunk::within(total, unfilled_words)?;
    let mut rest = chunk.bytes_mut();
    for part in parts {
        // SAFETY: the caller's promise is the same.
        let bytes = unsafe { pointers::bytes(part.iov_base, part.iov_len) }?;
        let (room, behind) = rest.split_at_mut(bytes.len());
        room.copy_from_slice(bytes);
        rest = behind;
    }
    Ok(Body::Owned(chunk))
}

/// Sends a message whose body is one of `nn_allocmsg` and whose rest is `rest`. The body is the library's on success and stays the caller's otherwise.
/// `send` leaves it as it is on an error.
///
/// # Safety
/// As for [`chunk::from_raw`], unless the result is an error.
pub unsafe fn send_whole(
    data: *mut c_void,
    rest: Message<'static>,
    send: impl FnOnce(&mut Message<'static>) -> Result<usize>,
) -> Result<usize> {
    // SAFETY: the caller's promise is the same; on an error it gets the pointer back below.
    let body = Body::Owned(unsafe { chunk::from_raw(data) }?);
    // A panic must not free what the caller still holds: it leaks instead.
    let mut message = ManuallyDrop::new(Message { body, ..rest });
    let result = send(&mut message);
    let message = ManuallyDrop::into_inner(message);
    if result.is_err() {
        let back = chunk::into_raw(message.body.into_chunk()?);
        debug_assert_eq!(back, data, "a failed send leaves the message untouched");
    }
    result
}

/// Spreads a received body over the parts and returns its full length, also if they are too small. `ENOMEM` leaves it as it is.
///
/// # Safety
/// Every non-null part has the room it says.
pub unsafe fn scatter(parts: &[nn_iovec], body: &mut Body<'static>) -> Result<usize> {
    let len = body.len();
    if let Some(place) = whole_message(parts) {
        let message = body.take_chunk()?;
        // SAFETY: the part's promise is room for a pointer.
        unsafe { pointers::write(place, chunk::into_raw(message)) }?;
        return Ok(len);
    }
    let mut rest = body.bytes();
    for part in parts {
        if rest.is_empty() {
            break;
        }
        if part.iov_len == NN_MSG {
            return Err(Error::INVALID);
        }
        let (bytes, behind) = rest.split_at(part.iov_len.min(rest.len()));
        // SAFETY: the part has room for `iov_len` bytes, and library memory overlaps none of C's.
        unsafe { pointers::store(part.iov_base, bytes) }?;
        rest = behind;
    }
    Ok(len)
}

/// The control data C passes, as a buffer or as a message; none if there is no pointer.
///
/// # Safety
/// A non-null `msg_control` has `msg_controllen` bytes, or with NN_MSG holds a pointer as in
/// [`chunk::peek`]. Nobody writes to either during `'a`.
pub unsafe fn control_area<'a>(message: &nn_msghdr) -> Result<&'a [u8]> {
    if message.msg_control.is_null() {
        return Ok(&[]);
    }
    if message.msg_controllen != NN_MSG {
        // SAFETY: the caller's promise is the same.
        return unsafe { pointers::bytes(message.msg_control, message.msg_controllen) };
    }
    // SAFETY: the caller's promise is the same.
    unsafe { chunk::peek(pointers::read(message.msg_control.cast(), Error::FAULT)?) }
}

/// Frees the control data of a message that was sent, if they were a message too.
///
/// # Safety
/// As for [`control_area`], and the message is not used any more.
pub unsafe fn consume_control(message: &nn_msghdr) {
    if !message.msg_control.is_null() && message.msg_controllen == NN_MSG {
        // SAFETY: the caller's promise is the same. What is no message (any more) is nothing to free.
        drop(unsafe {
            pointers::read(message.msg_control.cast(), Error::FAULT).and_then(|data| chunk::from_raw(data))
        });
    }
}

/// The header is all there or not at all; of the rest, what fits. `is_ended`: the end is marked, if there is room for a mark. (Without
/// NN_RECV_PEER it is not: what is behind the properties is untouched then, as in nanomsg.)
fn fitted(mut control: Control, least: usize, room: usize, is_ended: bool) -> Control {
    if room < least {
        control.clear();
    }
    if is_ended && room.saturating_sub(control.len()) >= cmsg::HEAD {
        control.extend_from_slice(&cmsg::END);
    }
    control.truncate(room);
    control
}

/// Control data on their way to C. Whatever can fail is done before the body is handed over.
pub enum ControlOut {
    Nowhere,
    Buffer(*mut c_void, Control),
    Message(*mut *mut c_void, Chunk),
}

impl ControlOut {
    pub fn prepare(description: &nn_msghdr, message: &Message<'_>) -> Result<ControlOut> {
        let place = description.msg_control;
        if place.is_null() {
            return Ok(ControlOut::Nowhere);
        }
        let mut control = cmsg::property(&message.header);
        let least = control.len();
        if message.kind != 0 {
            cmsg::append_opcode(&mut control, message.kind);
        }
        if let Some(peer) = &message.peer {
            cmsg::append_peer(&mut control, peer);
        }
        Ok(match description.msg_controllen {
            NN_MSG => ControlOut::Message(place.cast(), Chunk::copy_of(&control)?),
            room => ControlOut::Buffer(place, fitted(control, least, room, message.peer.is_some())),
        })
    }

    /// # Safety
    /// The `nn_msghdr` this was prepared from has the room it says, or with NN_MSG room for a pointer.
    pub unsafe fn deliver(self) -> Result<()> {
        // SAFETY: the caller's promise, and library memory overlaps none of C's.
        unsafe {
            match self {
                ControlOut::Nowhere => Ok(()),
                ControlOut::Buffer(place, control) => pointers::store(place, &control),
                ControlOut::Message(place, control) => pointers::write(place, chunk::into_raw(control)),
            }
        }
    }
}
