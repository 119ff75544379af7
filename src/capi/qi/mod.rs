//! The C interface of the object bus: what `include/millrace/qi.h` and its parts say, each function a thin screen over `crate::qi`.
//!
//! C holds numbers, never addresses: a handle says what kind of thing it is and which one, and no number is given out
//! twice (`handles`). So a handle that was freed, made up, or is of another kind is an error, not a disaster.
#![allow(
    clippy::missing_safety_doc,
    rustdoc::broken_intra_doc_links,
    reason = "the comments are C's: what they say of a pointer is the contract behind every SAFETY"
)]
#![allow(non_camel_case_types, reason = "C's names")]

pub mod arguments;
pub mod build;
pub mod calls;
pub mod client;
pub mod codec;
pub mod endpoint;
mod error;
pub mod format;
mod handles;
mod held;
pub mod members;
pub mod objects;
pub mod options;
mod outcome;
mod places;
pub mod provider;
pub mod read;
pub mod requests;
pub mod server;
pub mod server_options;
pub mod subscribe;
pub mod take;
#[cfg(test)]
mod tests;
mod user;
mod view;
