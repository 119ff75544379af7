//! Bytes of JavaScript as slices, and messages as Buffers.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::Once;

use nanomsg::internals::{self, Chunk, Message};
use napi::bindgen_prelude::{Env, Result, ToNapiValue, Unknown};
use napi::{Error, JsValue, Status, sys};

/// Messages above this size are handed over as they are; copying less costs less than looking after foreign memory.
const LARGE: usize = 100 * 1024;

/// What a function gives that makes its values itself.
pub struct Raw(pub sys::napi_value);

impl ToNapiValue for Raw {
    unsafe fn to_napi_value(_: sys::napi_env, value: Raw) -> Result<sys::napi_value> {
        Ok(value.0)
    }
}

/// Turns the status of a call of Node-API into a result.
pub fn check(status: sys::napi_status, what: &str) -> Result<()> {
    match status {
        sys::Status::napi_ok => Ok(()),
        other => Err(Error::new(Status::from(other), what.to_owned())),
    }
}

/// The bytes of a Buffer, typed array or DataView. They may be looked at until JavaScript runs again.
pub fn bytes<'a>(env: &Env, value: &'a Unknown<'_>) -> Result<&'a [u8]> {
    let (data, length) = place(env, value)?;
    // SAFETY: Node keeps `length` bytes there while the value lives; nothing of ours writes to them meanwhile.
    Ok(unsafe { std::slice::from_raw_parts(data, length) })
}

/// The same to be written to.
pub fn bytes_mut<'a>(env: &Env, value: &'a mut Unknown<'_>) -> Result<&'a mut [u8]> {
    let (data, length) = place(env, value)?;
    // SAFETY: as above; and who has the value to himself has the bytes: `lib` gives no two values of the same memory.
    Ok(unsafe { std::slice::from_raw_parts_mut(data, length) })
}

fn place(env: &Env, value: &Unknown<'_>) -> Result<(*mut u8, usize)> {
    let (mut data, mut length) = (ptr::null_mut(), 0);
    // SAFETY: the value is alive, and the two places are ours.
    let status = unsafe { sys::napi_get_buffer_info(env.raw(), value.raw(), &mut data, &mut length) };
    check(status, "a message is a Buffer, a typed array or a DataView")?;
    match data.is_null() {
        true => Ok((ptr::NonNull::dangling().as_ptr(), 0)),
        false => Ok((data.cast(), length)),
    }
}

/// A Buffer of Node with a copy of these bytes.
pub fn copy(env: &Env, bytes: &[u8]) -> Result<Raw> {
    let mut value = ptr::null_mut();
    // SAFETY: the bytes are copied by the call.
    let status = unsafe {
        sys::napi_create_buffer_copy(env.raw(), bytes.len(), bytes.as_ptr().cast(), ptr::null_mut(), &mut value)
    };
    check(status, "no memory for a message").map(|()| Raw(value))
}

/// Bytes of large messages that are kept for the next ones: what V8 lets go of at a time, and some that are on their way. Fresh memory costs as
/// much as receiving into it.
const KEPT: usize = 40 * 1024 * 1024;
static KEEPING: Once = Once::new();

/// A Buffer with a message's body: a large one in the memory that it came in, which nobody shares.
pub fn hand_over(env: &Env, mut message: Message<'static>) -> Result<Raw> {
    if message.body.len() < LARGE {
        return copy(env, message.body.bytes());
    }
    let Ok(chunk) = message.body.take_chunk() else { return copy(env, message.body.bytes()) };
    let mut chunk = Box::new(chunk);
    let (data, length) = (chunk.bytes_mut().as_mut_ptr(), chunk.len());
    let (hint, mut value) = (Box::into_raw(chunk), ptr::null_mut());
    // SAFETY: the chunk keeps the bytes where they are until `release` gets it, which is called once, when the Buffer is gone.
    let status = unsafe {
        sys::napi_create_external_buffer(env.raw(), length, data.cast(), Some(release), hint.cast(), &mut value)
    };
    if status == sys::Status::napi_ok {
        KEEPING.call_once(|| internals::keep_blocks(KEPT));
        count(env, length)?;
        return Ok(Raw(value));
    }
    // Runtimes that allow no foreign memory (Electron).
    // SAFETY: nobody else has got the chunk.
    let chunk = unsafe { Box::from_raw(hint) };
    copy(env, chunk.bytes())
}

/// Bytes handed over after which V8 is asked whether it is time to collect what is young.
const ASKING: usize = 1024 * 1024;

/// V8 looks how much memory young Buffers have (32 MiB are the limit) only when it makes memory for one itself. Foreign memory alone is collected
/// with everything else, which takes ten times as long, and twice the memory until then. So now and then it makes some.
fn count(env: &Env, bytes: usize) -> Result<()> {
    thread_local!(static HANDED_OVER: Cell<usize> = const { Cell::new(0) });
    let total = HANDED_OVER.get() + bytes;
    HANDED_OVER.set(total % ASKING);
    if total < ASKING {
        return Ok(());
    }
    let (mut data, mut value) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the two places are ours; nobody uses what is made.
    let status = unsafe { sys::napi_create_arraybuffer(env.raw(), 1, &mut data, &mut value) };
    check(status, "no memory for a message")
}

unsafe extern "C" fn release(_: sys::napi_env, _: *mut c_void, hint: *mut c_void) {
    // SAFETY: `hint` is the chunk of `hand_over`, and this is the only call for it.
    drop(unsafe { Box::from_raw(hint.cast::<Chunk>()) });
}
