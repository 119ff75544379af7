//! `m`: a value that brings its type along. One that was read stays bytes until somebody wants to look inside.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use crate::qi::signature::{Kind, Signature};

use super::Value;
use super::memory::Memory;

/// A value and its signature. An `m` with an empty signature was read as one of `v`, which is how we write nothing.
#[derive(Clone, Debug)]
pub struct Dynamic(Content);

#[derive(Clone, Debug)]
pub(super) enum Content {
    Encoded(Arc<Encoded>),
    /// Of the basic type that the value shows: lists of thousands of dynamics hold mostly those.
    Basic(Value),
    Typed(Box<(Signature, Value)>),
}

/// Bytes that were skipped over once, so they are well formed; and no object is among them, so they are the same on every connection.
#[derive(Debug)]
pub(super) struct Encoded {
    pub signature: Signature,
    pub bytes: Bytes,
    /// What pays for the memory of the value, if somebody looks into it.
    pub memory: Option<Arc<dyn Memory>>,
    /// What has been paid already, because somebody did.
    pub paid: AtomicU64,
}

impl Dynamic {
    /// This value with the signature it has.
    pub fn new(value: Value) -> Dynamic {
        match basic(&value) {
            Some(_) => Dynamic(Content::Basic(value)),
            None => Dynamic(Content::Typed(Box::new((value.signature(), value)))),
        }
    }

    pub(super) fn decoded(signature: Signature, value: Value) -> Dynamic {
        let is_basic = signature.annotation().is_none() && basic(&value) == Some(&signature);
        Dynamic(if is_basic { Content::Basic(value) } else { Content::Typed(Box::new((signature, value))) })
    }

    /// A value of a [`basic`] type, which is the one that was said.
    pub(super) fn of_basic(value: Value) -> Dynamic {
        Dynamic(Content::Basic(value))
    }

    pub(super) fn encoded(signature: Signature, bytes: Bytes, memory: Option<Arc<dyn Memory>>) -> Dynamic {
        Dynamic(Content::Encoded(Arc::new(Encoded { signature, bytes, memory, paid: AtomicU64::new(0) })))
    }

    pub(super) fn into_content(self) -> Content {
        self.0
    }

    pub(super) fn content(&self) -> &Content {
        &self.0
    }

    /// The type of what is inside.
    pub fn signature(&self) -> &Signature {
        match &self.0 {
            Content::Encoded(encoded) => &encoded.signature,
            Content::Basic(value) => basic(value).unwrap_or(&BASIC[0]),
            Content::Typed(typed) => &typed.0,
        }
    }

    /// What is inside, if it has been decoded. Where references to objects are inside, or a number, text or raw data, it always has.
    pub fn decoded_value(&self) -> Option<&Value> {
        match &self.0 {
            Content::Encoded(_) => None,
            Content::Basic(value) => Some(value),
            Content::Typed(typed) => Some(&typed.1),
        }
    }
}

/// The types of [`basic`] values.
static BASIC: LazyLock<[Signature; 14]> = LazyLock::new(|| {
    let (ints, uints) =
        ([Kind::Int8, Kind::Int16, Kind::Int32, Kind::Int64], [Kind::UInt8, Kind::UInt16, Kind::UInt32, Kind::UInt64]);
    let ([i8, i16, i32, i64], [u8, u16, u32, u64]) = (ints, uints);
    [Kind::Void, Kind::Bool, i8, u8, i16, u16, i32, u32, i64, u64, Kind::Float, Kind::Double, Kind::String, Kind::Raw]
        .map(Signature::from)
});

/// The type of a value that holds no others.
fn basic(value: &Value) -> Option<&'static Signature> {
    let at = match value {
        Value::Void => 0,
        Value::Bool(_) => 1,
        Value::Int8(_) => 2,
        Value::UInt8(_) => 3,
        Value::Int16(_) => 4,
        Value::UInt16(_) => 5,
        Value::Int32(_) => 6,
        Value::UInt32(_) => 7,
        Value::Int64(_) => 8,
        Value::UInt64(_) => 9,
        Value::Float(_) => 10,
        Value::Double(_) => 11,
        Value::String(_) => 12,
        Value::Raw(_) => 13,
        _ => return None,
    };
    BASIC.get(at)
}

/// The basic type of a letter.
pub(super) fn basic_type(letter: u8) -> Option<&'static Signature> {
    let at = b"vbcCwWiIlLfdsr".iter().position(|other| *other == letter)?;
    BASIC.get(at)
}

/// Whether values of this type are [`basic`], so that keeping them as bytes would only take more memory.
pub(super) fn is_basic(signature: &Signature) -> bool {
    BASIC.contains(signature)
}
