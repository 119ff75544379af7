//! Why bytes are not a value, and values not bytes.

use std::fmt;

use crate::qi::signature::{Signature, SignatureError};

/// Where reading stopped, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Bytes into the payload; inside of a dynamic that was kept encoded, into its content.
    pub position: usize,
    /// What is wrong there.
    pub reason: DecodeReason,
}

/// What is wrong with the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeReason {
    /// More bytes are due.
    End,
    /// A bool, or the mark of an optional or of a meta object, is neither 0 nor 1.
    NotBool(u8),
    /// A container announces more elements than the rest of the bytes can hold.
    Count(u32),
    /// More values or dynamics within each other than the budget has.
    TooDeep,
    /// More elements than the budget has.
    TooManyElements,
    /// More elements without any bytes than the budget has.
    TooManyEmptyElements,
    /// The value takes more memory than the budget has.
    TooLarge,
    /// The value takes more memory than the connection that it came by may have now.
    NoRoom,
    /// A dynamic says that it holds a thing that is not a signature.
    Signature(SignatureError),
    /// `X`: nobody knows how long such a value is.
    Unknown,
    /// An object refers to a meta object that was never sent.
    UnknownMeta(u32),
    /// The connection caches meta objects, and the cache was not given to the reader, or holds too much.
    Cache,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            DecodeReason::End => out.write_str("read past the end"),
            DecodeReason::NotBool(byte) => write!(out, "expected 0 or 1, found {byte}"),
            DecodeReason::Count(count) => write!(out, "{count} elements announced, which cannot be there"),
            DecodeReason::TooDeep => out.write_str("too many values within each other"),
            DecodeReason::TooManyElements => out.write_str("too many elements"),
            DecodeReason::TooManyEmptyElements => out.write_str("too many elements of no size"),
            DecodeReason::TooLarge => out.write_str("the value takes too much memory"),
            DecodeReason::NoRoom => {
                out.write_str("there is no memory for the value now (memory_limit, and this connection's share of it)")
            }
            DecodeReason::Signature(error) => write!(out, "bad signature in a dynamic ({error})"),
            DecodeReason::Unknown => out.write_str("values of the unknown type X cannot be read"),
            DecodeReason::UnknownMeta(id) => write!(out, "meta object {id} was never sent"),
            DecodeReason::Cache => out.write_str("no room for another meta object"),
        }?;
        write!(out, " at byte {}", self.position)
    }
}

impl std::error::Error for DecodeError {}

/// Why a value cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The value is of another type. What differs in width or wrapping must be converted first.
    Mismatch {
        /// The type it should have.
        expected: Signature,
        /// The type it has.
        found: Signature,
    },
    /// `X` has no bytes.
    Unknown,
    /// More values within each other than anybody would read.
    TooDeep,
    /// More than 32 bits can count.
    TooLarge,
    /// The connection caches meta objects, and the cache was not given to the writer.
    Cache,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::Mismatch { expected, found } => write!(out, "a value of type {found} in place of {expected}"),
            EncodeError::Unknown => out.write_str("values of the unknown type X cannot be written"),
            EncodeError::TooDeep => out.write_str("too many values within each other"),
            EncodeError::TooLarge => out.write_str("more than 4 GiB"),
            EncodeError::Cache => out.write_str("this connection needs its cache of meta objects"),
        }
    }
}

impl std::error::Error for EncodeError {}
