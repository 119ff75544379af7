//! The few functions of libuv that are needed to wait in Node's event loop. Node exports them; their handles are opaque here,
//! so their sizes are asked for.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ffi::{c_int, c_uint, c_void};
use std::ptr::NonNull;

/// `uv_loop_t`.
#[repr(C)]
pub struct Loop([u8; 0]);

/// Any `uv_handle_t`; its first member is the user's pointer.
#[repr(C)]
pub struct Handle {
    pub data: *mut c_void,
}

/// Of `enum uv_handle_type`.
pub const ASYNC: c_uint = 1;
pub const POLL: c_uint = 8;

/// Of `enum uv_poll_event`.
pub const READABLE: c_int = 1;

type PollCallback = unsafe extern "C" fn(*mut Handle, c_int, c_int);
type Callback = unsafe extern "C" fn(*mut Handle);

unsafe extern "C" {
    fn uv_handle_size(kind: c_uint) -> usize;
    pub fn uv_poll_init(lp: *mut Loop, handle: *mut Handle, fd: c_int) -> c_int;
    pub fn uv_poll_start(handle: *mut Handle, events: c_int, callback: PollCallback) -> c_int;
    pub fn uv_poll_stop(handle: *mut Handle) -> c_int;
    pub fn uv_async_init(lp: *mut Loop, handle: *mut Handle, callback: Callback) -> c_int;
    pub fn uv_async_send(handle: *mut Handle) -> c_int;
    pub fn uv_ref(handle: *mut Handle);
    pub fn uv_unref(handle: *mut Handle);
    pub fn uv_close(handle: *mut Handle, callback: Option<Callback>);
}

fn layout(kind: c_uint) -> Layout {
    // SAFETY: a pure function of libuv.
    let size = unsafe { uv_handle_size(kind) };
    Layout::from_size_align(size, 16).unwrap_or(Layout::new::<[u128; 64]>())
}

/// Memory for a handle; `free` gives it back, once libuv has closed the handle.
pub fn allocate(kind: c_uint) -> NonNull<Handle> {
    let layout = layout(kind);
    // SAFETY: no handle of libuv has size 0.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory.cast()).unwrap_or_else(|| handle_alloc_error(layout))
}

/// # Safety
/// `handle` is from `allocate(kind)`, and libuv does not know it, or not any more.
pub unsafe fn free(handle: *mut Handle, kind: c_uint) {
    // SAFETY: as promised by the caller.
    unsafe { dealloc(handle.cast(), layout(kind)) };
}
