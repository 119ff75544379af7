//! The C boundary: the 23 functions of libnanomsg, each a thin screen over `facade`, and in `qi` those of the object bus.
//!
//! C hands over raw pointers, so this room may say `unsafe`, with the reason beside every block.
//! Pointers are checked and converted in `pointers`, messages change hands in `chunk`, handles become
//! sockets in `table`, and `errno::boundary` turns results, and panics, into what C expects.
#![allow(unsafe_code, reason = "C hands over raw pointers")]

pub mod calls;
mod chunk;
mod cmsg;
mod errno;
mod monitors;

#[allow(dead_code, reason = "C programs use it, and cbindgen reads it")]
pub mod headers;
mod msghdr;
mod panics;
mod pointers;
#[cfg(feature = "qi")]
pub mod qi;
mod symbols;
mod table;
