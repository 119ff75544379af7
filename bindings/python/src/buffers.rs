//! Bytes of Python as slices, and messages as memory that Python looks at without a copy.
//!
//! The buffer protocol is part of the stable interface only from Python 3.11 on. The two functions and the structure are
//! the same in all versions from 3.9 to there, so they are declared here.

use std::ffi::{c_char, c_int, c_void};

use nanomsg::internals::Message;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString};

/// `Py_buffer` of the C interface.
#[repr(C)]
struct RawView {
    buf: *mut c_void,
    obj: *mut ffi::PyObject,
    len: isize,
    itemsize: isize,
    readonly: c_int,
    ndim: c_int,
    format: *mut c_char,
    shape: *mut isize,
    strides: *mut isize,
    suboffsets: *mut isize,
    internal: *mut c_void,
}

unsafe extern "C" {
    fn PyObject_GetBuffer(object: *mut ffi::PyObject, view: *mut RawView, flags: c_int) -> c_int;
    fn PyBuffer_Release(view: *mut RawView);
    fn PyBuffer_FillInfo(
        view: *mut RawView,
        object: *mut ffi::PyObject,
        buf: *mut c_void,
        len: isize,
        readonly: c_int,
        flags: c_int,
    ) -> c_int;
}

const SIMPLE: c_int = 0;
const WRITABLE: c_int = 1;

impl RawView {
    const fn empty() -> RawView {
        RawView {
            buf: std::ptr::null_mut(),
            obj: std::ptr::null_mut(),
            len: 0,
            itemsize: 0,
            readonly: 0,
            ndim: 0,
            format: std::ptr::null_mut(),
            shape: std::ptr::null_mut(),
            strides: std::ptr::null_mut(),
            suboffsets: std::ptr::null_mut(),
            internal: std::ptr::null_mut(),
        }
    }
}

/// A view of an object's bytes. While it lives the object keeps them where they are.
struct View(RawView);

// SAFETY: a view belongs to no thread; only releasing it needs the interpreter, and `drop` sees to that.
unsafe impl Send for View {}
// SAFETY: nothing is written through a shared view.
unsafe impl Sync for View {}

impl View {
    fn of(object: &Bound<'_, PyAny>, flags: c_int) -> PyResult<View> {
        let mut raw = RawView::empty();
        // SAFETY: the object is alive, the view is ours and is filled in if this succeeds.
        match unsafe { PyObject_GetBuffer(object.as_ptr(), &mut raw, flags) } {
            0 => Ok(View(raw)),
            _ => Err(PyErr::fetch(object.py())),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self.0.len {
            0 => &[],
            // SAFETY: the exporter keeps `len` bytes at `buf` until the view is released.
            len => unsafe { std::slice::from_raw_parts(self.0.buf.cast::<u8>(), len as usize) },
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        Python::attach(|_| {
            // SAFETY: filled in by `of`, and released once.
            unsafe { PyBuffer_Release(&mut self.0) }
        });
    }
}

/// What is to be sent: bytes, or anything else with the buffer protocol (bytearray, memoryview, array, numpy).
pub enum Outgoing<'py> {
    Bytes(Bound<'py, PyBytes>),
    View(OutgoingView),
}

/// The bytes of an object that are only looked at.
pub struct OutgoingView(View);

impl<'py> Outgoing<'py> {
    pub fn of(object: &Bound<'py, PyAny>) -> PyResult<Outgoing<'py>> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Outgoing::Bytes(bytes.clone()));
        }
        if object.is_instance_of::<PyString>() {
            let text = "a message is bytes, not str: send(text.encode()) or send(b\"...\")";
            return Err(pyo3::exceptions::PyTypeError::new_err(text));
        }
        Ok(Outgoing::View(OutgoingView(View::of(object, SIMPLE)?)))
    }

    pub fn bytes(&self) -> &[u8] {
        match self {
            Outgoing::Bytes(bytes) => bytes.as_bytes(),
            Outgoing::View(view) => view.0.bytes(),
        }
    }
}

/// Copies a message into a writable buffer of Python; gives how many bytes fitted.
pub fn copy_into(object: &Bound<'_, PyAny>, bytes: &[u8]) -> PyResult<usize> {
    let view = View::of(object, WRITABLE)?;
    let count = bytes.len().min(view.0.len as usize);
    // SAFETY: the exporter has given `len` writable bytes at `buf`, and the message's memory is our own.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), view.0.buf.cast::<u8>(), count) };
    Ok(count)
}

/// An object of Python that owns a message and exports its body.
#[repr(C)]
struct Block {
    head: ffi::PyObject,
    message: *mut Message<'static>,
}

static BLOCK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// A memoryview of a message's body, which is freed when the last view of it is gone. Read only: others may share the memory.
pub fn into_view<'py>(py: Python<'py>, message: Message<'static>) -> PyResult<Bound<'py, PyAny>> {
    let class = BLOCK.get_or_try_init(py, || block_class(py))?;
    // SAFETY: the class was made by `block_class`, so that an instance is a `Block`; it takes the message, and every step is checked.
    unsafe {
        let class = class.as_ptr().cast::<ffi::PyTypeObject>();
        let object = Bound::from_owned_ptr_or_err(py, ffi::PyType_GenericAlloc(class, 0))?;
        (*object.as_ptr().cast::<Block>()).message = Box::into_raw(Box::new(message));
        Bound::from_owned_ptr_or_err(py, ffi::PyMemoryView_FromObject(object.as_ptr()))
    }
}

/// Numbers of the slots, which the headers show only with Python 3.11's interface although older versions know them.
const BF_GETBUFFER: c_int = 1;

fn block_class(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let mut slots = [
        ffi::PyType_Slot { slot: BF_GETBUFFER, pfunc: get_buffer as *mut c_void },
        ffi::PyType_Slot { slot: ffi::Py_tp_dealloc, pfunc: deallocate as *mut c_void },
        ffi::PyType_Slot { slot: 0, pfunc: std::ptr::null_mut() },
    ];
    let mut spec = ffi::PyType_Spec {
        name: c"millrace._native.Block".as_ptr(),
        basicsize: size_of::<Block>() as c_int,
        itemsize: 0,
        flags: ffi::Py_TPFLAGS_DEFAULT as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the specification and its slots are complete, and copied by the call.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&mut spec)) }.map(Bound::unbind)
}

/// The buffer protocol of a block.
unsafe extern "C" fn get_buffer(object: *mut ffi::PyObject, view: *mut RawView, flags: c_int) -> c_int {
    // SAFETY: Python calls this with an instance of the class, whose message was set before anybody saw it.
    unsafe {
        let bytes = (*(*object.cast::<Block>()).message).body.bytes();
        PyBuffer_FillInfo(view, object, bytes.as_ptr().cast_mut().cast(), bytes.len() as isize, 1, flags)
    }
}

unsafe extern "C" fn deallocate(object: *mut ffi::PyObject) {
    // SAFETY: the last reference is gone, hence also every view. The message was given by `into_view`, or not at all, and a heap
    // type is counted by its instances.
    unsafe {
        let message = (*object.cast::<Block>()).message;
        if !message.is_null() {
            drop(Box::from_raw(message));
        }
        let class = ffi::Py_TYPE(object);
        ffi::PyObject_Free(object.cast());
        ffi::Py_DECREF(class.cast());
    }
}
