//! The functions of libnanomsg: their doc comments are the text of `nn.h`; and in `monitor` those of `millrace/monitor.h`,
//! in `context` those of `millrace/context.h`, in `log` that of `millrace/log.h`.
//!
//! What C must promise about its pointers is what the comment says about the arguments; that is the
//! contract behind every `SAFETY` here.
#![allow(
    clippy::missing_safety_doc,
    rustdoc::broken_intra_doc_links,
    reason = "the comments are C's: what they say of a pointer is the contract behind every SAFETY"
)]

pub mod context;
pub mod device;
pub mod endpoint;
pub mod information;
pub mod log;
pub mod message;
pub mod monitor;
pub mod options;
pub mod poll;
pub mod socket;
pub mod transfer;

use std::ffi::c_int;

use super::headers::nn::NN_DONTWAIT;
use crate::facade::Wait;

/// Other flags are ignored (nanomsg-api.md 2.5).
fn wait(flags: c_int) -> Wait {
    if flags & NN_DONTWAIT != 0 { Wait::No } else { Wait::Option }
}

/// A length as C's calls return it.
fn returned(len: usize) -> c_int {
    len as c_int
}
