use std::ffi::{c_int, c_void};

use super::{returned, wait};
use crate::capi::errno::boundary;
use crate::capi::headers::nn::{NN_MSG, nn_msghdr};
use crate::capi::{chunk, cmsg, msghdr, pointers, table};
use crate::core::message::header_of;
use crate::core::{Body, Error, Message, Result};
use crate::facade::{Context, Wait};

/// Sends the len bytes at buf as one message, 0 bytes too. With len NN_MSG, buf is the address of a pointer to
/// a message of nn_allocmsg, which is the library's after success and stays the caller's after a failure.
/// Waits while no peer can take it, for at most NN_SNDTIMEO; with NN_DONTWAIT in flags it does not wait.
/// Returns the number of bytes, or -1 with EBADF (also when the socket is closed meanwhile), EFAULT (NULL,
/// or no message), ENOTSUP (the socket type only receives), EFSM (not in this state), EAGAIN (NN_DONTWAIT),
/// ETIMEDOUT, EINTR (a signal), EINVAL, ENOMEM. Any thread, also several on one socket. (2.5, 2.8)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nn_send(s: c_int, buf: *const c_void, len: usize, flags: c_int) -> c_int {
    boundary(|| {
        // SAFETY: a non-null `buf` has `len` bytes that nobody changes meanwhile.
        if let Some(body) = unsafe { pointers::some_bytes(buf, len) }
            && table::append(s, body)
        {
            return Ok(returned(len));
        }
        // SAFETY: the caller's promise is the same.
        unsafe { send_alone(s, buf, len, flags) }
    })
}

/// Sends what is not in the midst of a stream. (By itself: what it needs on the stack would be made room for by every call.)
///
/// # Safety
/// As for [`nn_send`].
#[inline(never)]
unsafe fn send_alone(s: c_int, buf: *const c_void, len: usize, flags: c_int) -> Result<c_int> {
    table::with(s, |socket| {
        if len != NN_MSG {
            // SAFETY: a non-null `buf` has `len` bytes that nobody changes meanwhile.
            let body = Body::Borrowed(unsafe { pointers::bytes(buf, len) }?);
            return socket.send(&mut Message::new(body), wait(flags)).map(returned);
        }
        // SAFETY: a non-null `buf` is the address of a pointer to a message that is ours from here on,
        // if the send succeeds.
        unsafe {
            let data = pointers::read(buf.cast(), Error::FAULT)?;
            msghdr::send_whole(data, Message::default(), |message| socket.send(message, wait(flags))).map(returned)
        }
    })
}

/// Receives one message into buf, which has room for len bytes; what does not fit is dropped. With len
/// NN_MSG, buf is the address of a pointer that is set to a new message, to be freed with nn_freemsg. Waits
/// until there is a message, for at most NN_RCVTIMEO; with NN_DONTWAIT in flags it does not wait. Returns the
/// length of the whole message, which may be more than len, or -1 with EBADF (also when the socket is
/// closed meanwhile), ENOTSUP (the socket type only sends), EFSM (not in this state), EAGAIN
/// (NN_DONTWAIT), ETIMEDOUT (also the end of a survey), EINTR (a signal), EFAULT (NULL), ENOMEM (the message is
/// received by the next call instead). Any thread,
/// also several on one socket: each message goes to one of them. (2.6, 2.8)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nn_recv(s: c_int, buf: *mut c_void, len: usize, flags: c_int) -> c_int {
    boundary(|| {
        // SAFETY: a non-null `buf` has room for `len` bytes.
        if let Some(room) = unsafe { pointers::some_room(buf, len) }
            && let Some(len) = table::take_bytes(s, room)
        {
            return Ok(returned(len));
        }
        // SAFETY: the caller's promise is the same.
        unsafe { recv_alone(s, buf, len, flags) }
    })
}

/// Receives what is not in the midst of a stream. (By itself, as [`send_alone`].)
///
/// # Safety
/// As for [`nn_recv`].
#[inline(never)]
unsafe fn recv_alone(s: c_int, buf: *mut c_void, len: usize, flags: c_int) -> Result<c_int> {
    table::with(s, |socket| {
        if len == NN_MSG {
            // SAFETY: a non-null `buf` has room for a pointer.
            return unsafe { recv_whole(socket, buf.cast(), wait(flags)) }.map(returned);
        }
        // SAFETY: a non-null `buf` has room for `len` bytes.
        unsafe { recv_bytes(socket, buf, len, wait(flags)) }.map(returned)
    })
}

/// Receives into a buffer of `len` bytes, and gives the length of the whole message.
///
/// # Safety
/// A non-null `buf` has room for `len` bytes.
#[inline]
unsafe fn recv_bytes(socket: &Context, buf: *mut c_void, len: usize, wait: Wait) -> Result<usize> {
    // SAFETY: the caller's promise is the same.
    let room = unsafe { pointers::room(buf, len) };
    let mut message = Message::new(Body::Placed { room, len: 0 });
    socket.recv_into(&mut message, wait)?;
    let full = message.body.len();
    if !matches!(message.body, Body::Placed { .. }) {
        // SAFETY: the caller's promise is the same, and the message is elsewhere.
        unsafe { pointers::store(buf, &message.body.bytes()[..full.min(len)]) }?;
    }
    Ok(full)
}

/// Receives a message of its own, to which `place` is made to point, and gives its length.
///
/// # Safety
/// A non-null `place` has room for a pointer.
unsafe fn recv_whole(socket: &Context, place: *mut *mut c_void, wait: Wait) -> Result<usize> {
    if place.is_null() {
        return Err(Error::FAULT);
    }
    let mut message = Message::default();
    socket.recv_into(&mut message, wait)?;
    let full = message.body.len();
    let own = message.body.take_chunk();
    let data = chunk::into_raw(own.inspect_err(|_| socket.give_back(message))?);
    // SAFETY: the caller's promise is the same.
    unsafe { pointers::write(place, data) }?;
    Ok(full)
}

/// Sends a message made of msg_iovlen parts, as nn_send does; or of one message, if there is one part of
/// length NN_MSG. The first SP_HDR property of the control data becomes the protocol header, which raw
/// sockets route by; an NN_WS_MSG_TYPE property the opcode of the frame, if it goes over ws; an NN_PEER_SEND_TO
/// property the one peer that gets it (millrace/peer.h); with
/// msg_controllen NN_MSG they are a message too. After success both messages are the library's, after a
/// failure both are the caller's. Fails as nn_send, and with EINVAL (msghdr is NULL, an NN_MSG among
/// several parts, or a header the socket cannot use), EMSGSIZE (negative msg_iovlen), EHOSTUNREACH (the one
/// peer is not there) or ENOTSUP (it cannot send to one). Any thread, also several on one socket. (2.5, 2.7)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nn_sendmsg(s: c_int, msghdr: *const nn_msghdr, flags: c_int) -> c_int {
    boundary(|| {
        table::with(s, |socket| {
            // SAFETY: `msghdr`, its parts and its control data are as they say, nobody changes them
            // meanwhile, and messages are ours from here on, if the send succeeds.
            unsafe {
                let description = pointers::read(msghdr, Error::INVALID)?;
                let parts = msghdr::parts(&description)?;
                let whole = match msghdr::whole_message(parts) {
                    Some(place) => Some(pointers::read(place, Error::FAULT)?),
                    None => None,
                };
                let mut message = Message::default();
                match whole {
                    Some(data) => drop(chunk::peek(data)?),
                    None => message.body = msghdr::gather(parts)?,
                }
                let control = msghdr::control_area(&description)?;
                message.header = header_of(cmsg::header(control))?;
                message.kind = cmsg::opcode(control);
                let to = cmsg::send_to(control)?;
                let send = |message: &mut Message<'_>| match to {
                    None => socket.send(message, wait(flags)),
                    Some(pipe) => socket.send_to(pipe, message, wait(flags)),
                };
                let sent = match whole {
                    Some(data) => msghdr::send_whole(data, message, |message| send(message))?,
                    None => send(&mut message)?,
                };
                msghdr::consume_control(&description);
                Ok(returned(sent))
            }
        })
    })
}

/// Receives one message into msg_iovlen parts in turn, as nn_recv does; or as a new message, if there is one
/// part of length NN_MSG. Control data, which hold the protocol header as an SP_HDR property, and with
/// NN_RECV_PEER who sent it (millrace/peer.h), are stored in
/// msg_control unless that is NULL: if msg_controllen is NN_MSG as a new message, else if they fit. New
/// messages are to be freed with nn_freemsg. The structure itself is not changed. Fails as nn_recv, and with
/// EINVAL (msghdr is NULL, or an NN_MSG is reached among several parts; the message is lost then) or
/// EMSGSIZE (negative msg_iovlen). Any thread, also several on one socket. (2.6, 2.7)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nn_recvmsg(s: c_int, msghdr: *mut nn_msghdr, flags: c_int) -> c_int {
    boundary(|| {
        table::with(s, |socket| {
            // SAFETY: `msghdr`, its parts and its control buffer are as they say and nobody else uses
            // them meanwhile.
            unsafe {
                let description = pointers::read(msghdr, Error::INVALID)?;
                let parts = msghdr::parts(&description)?;
                if msghdr::whole_message(parts).is_some_and(|place| place.is_null()) {
                    return Err(Error::FAULT);
                }
                let mut message = Message::default();
                socket.recv_into(&mut message, wait(flags))?;
                let handed_over = msghdr::ControlOut::prepare(&description, &message)
                    .and_then(|control| Ok((control, msghdr::scatter(parts, &mut message.body)?)));
                let (control, full) = match handed_over {
                    Err(Error::NO_MEMORY) => {
                        socket.give_back(message);
                        return Err(Error::NO_MEMORY);
                    }
                    other => other?,
                };
                control.deliver()?;
                Ok(returned(full))
            }
        })
    })
}
