//! The small corner where the OS demands `unsafe`: what no kept library offers in a safe form.
//! Everything here is a thin, safe wrapper; each block says why it is sound.

#![allow(unsafe_code, reason = "the OS is called in C")]

pub mod cancel;
pub mod clock;
pub mod descriptor;
pub mod epoll;
pub mod eventfd;
pub mod exit;
pub mod fork;
pub mod futex;
pub mod interface;
pub mod lock;
pub mod memory;
pub mod per_process;
pub mod place;
pub mod places;
pub mod published;
pub mod random;
pub mod scheduling;
pub mod signals;
pub mod spsc;
pub mod stack;
pub mod stderr;
pub mod sync;
pub mod thread;
pub mod traffic;
pub mod usage;

#[cfg(test)]
mod tests;

pub use descriptor::Owned;
