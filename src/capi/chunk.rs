//! A chunk as C sees it: a pointer to its data. What is needed to find the block again stands in the
//! headroom in front of the data (nanomsg-api.md 1.7), together with a seal that tells our pointers from others.

use std::ffi::c_void;
use std::mem::ManuallyDrop;

use crate::core::chunk::HEADROOM;
use crate::core::{Chunk, Error, Result};

/// The headroom while a chunk is in C's hands.
#[derive(Clone, Copy)]
#[repr(C)]
struct Label {
    /// `SEAL` mixed with the address of the data, so that a copy of a block is not taken for one.
    seal: usize,
    /// Bytes of data.
    len: usize,
    /// The block, in words.
    words: usize,
    capacity: usize,
}

const _: () = assert!(size_of::<Label>() <= HEADROOM && HEADROOM.is_multiple_of(align_of::<u128>()));

/// An arbitrary number that text and pointers do not contain.
const SEAL: usize = 0xB10C_5EA1_D15C_0DE5;

fn seal_of(data: *const c_void) -> usize {
    SEAL ^ data.addr()
}

/// Hands a chunk over to C, which gives it back through [`from_raw`].
pub fn into_raw(chunk: Chunk) -> *mut c_void {
    let (words, len) = chunk.into_parts();
    let mut words = ManuallyDrop::new(words);
    let start: *mut u128 = words.as_mut_ptr();
    // SAFETY: a block holds the headroom and the data, so the data start inside it or at its end.
    let data: *mut c_void = unsafe { start.byte_add(HEADROOM) }.cast();
    let label = Label { seal: seal_of(data), len, words: words.len(), capacity: words.capacity() };
    // SAFETY: the label fits the headroom at the start of the block (asserted above), which is aligned
    // for u128 and belongs to us alone.
    unsafe { start.cast::<Label>().write(label) };
    data
}

/// Takes a chunk back from C; `EFAULT` for a pointer that is not one of ours (any more).
///
/// # Safety
/// `data` is NULL, came from [`into_raw`], or has at least the headroom's size of readable memory before it.
/// Nobody else uses the message now or later.
pub unsafe fn from_raw(data: *mut c_void) -> Result<Chunk> {
    // SAFETY: the caller's promise is the same.
    let (start, label) = unsafe { label(data) }?;
    // A second hand-over of the same pointer must not find the seal again.
    // SAFETY: the seal says that this is a block of ours, of which the label is the first part.
    unsafe { (*start).seal = 0 };
    // SAFETY: these are the parts of the vector that `into_raw` let go of; nobody else has them.
    let words = unsafe { Vec::from_raw_parts(start.cast::<u128>(), label.words, label.capacity) };
    Chunk::from_parts(words, label.len).ok_or(Error::FAULT)
}

/// The data of a chunk in C's hands.
///
/// # Safety
/// As for [`from_raw`]; and the message is neither changed nor given back during `'a`.
pub unsafe fn peek<'a>(data: *const c_void) -> Result<&'a [u8]> {
    // SAFETY: the caller's promise is the same.
    let (_, label) = unsafe { label(data.cast_mut()) }?;
    // SAFETY: a block of ours has `len` initialised bytes at `data`.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), label.len) })
}

/// Shortens a chunk in C's hands to `len` bytes if it is longer, and says whether it now has that length.
///
/// # Safety
/// As for [`from_raw`].
pub unsafe fn shorten(data: *mut c_void, len: usize) -> Result<bool> {
    // SAFETY: the caller's promise is the same.
    let (start, label) = unsafe { label(data) }?;
    if len > label.len {
        return Ok(false);
    }
    // SAFETY: the seal says that this is a block of ours, of which the label is the first part.
    unsafe { (*start).len = len };
    Ok(true)
}

/// Finds and checks the label in front of `data`.
///
/// # Safety
/// As for [`from_raw`].
unsafe fn label(data: *mut c_void) -> Result<(*mut Label, Label)> {
    // Alignment first: most foreign pointers fail here, before anything is read.
    if data.addr() < HEADROOM || !data.addr().is_multiple_of(align_of::<u128>()) {
        return Err(Error::FAULT);
    }
    let start: *mut Label = data.wrapping_byte_sub(HEADROOM).cast();
    // SAFETY: the caller promises readable memory there; any bits are a valid label, and it is aligned.
    let label = unsafe { start.read() };
    if label.seal == seal_of(data) { Ok((start, label)) } else { Err(Error::FAULT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_comes_back_with_its_bytes_at_the_same_place() {
        for len in [0, 1, 15, 16, 17, 4096, 3 << 20] {
            let chunk = Chunk::copy_of(&vec![7; len]).unwrap();
            let address = chunk.bytes().as_ptr();
            let data = into_raw(chunk);
            assert_eq!(data.addr(), address.addr());
            assert_eq!(data.addr() % 16, 0);
            // SAFETY: `data` came from `into_raw`.
            unsafe {
                assert_eq!(peek(data).unwrap(), vec![7; len]);
                assert_eq!(from_raw(data).unwrap().bytes(), vec![7; len]);
            }
        }
    }

    #[test]
    fn shortening_keeps_the_pointer() {
        let data = into_raw(Chunk::copy_of(b"shorter").unwrap());
        // SAFETY: `data` came from `into_raw`.
        unsafe {
            assert!(shorten(data, 5).unwrap());
            assert!(!shorten(data, 7).unwrap());
            assert_eq!(from_raw(data).unwrap().bytes(), b"short");
        }
    }

    #[test]
    fn foreign_pointers_are_refused() {
        let foreign = [0_u128; 4];
        let inside = foreign[2..].as_ptr().cast_mut().cast::<c_void>();
        // SAFETY: the first fails at once, the others have 32 readable bytes before them.
        unsafe {
            assert_eq!(from_raw(std::ptr::null_mut()).unwrap_err(), Error::FAULT);
            assert_eq!(from_raw(inside).unwrap_err(), Error::FAULT);
            assert_eq!(from_raw(inside.byte_add(1)).unwrap_err(), Error::FAULT);
        }
    }

    #[test]
    fn a_copy_of_a_block_is_not_a_message() {
        let data = into_raw(Chunk::copy_of(b"0123456789abcdef").unwrap());
        let mut copy = [0_u128; 3];
        // SAFETY: the block holds 32 bytes of headroom and 16 of data.
        unsafe { std::ptr::copy_nonoverlapping(data.byte_sub(HEADROOM).cast(), copy.as_mut_ptr(), 3) };
        // SAFETY: the copy's headroom is before it; `data` came from `into_raw`.
        unsafe {
            assert_eq!(from_raw(copy[2..].as_mut_ptr().cast()).unwrap_err(), Error::FAULT);
            drop(from_raw(data).unwrap());
        }
    }
}
