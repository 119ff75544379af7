//! `m`: a value that brings its type along. One that was read stays bytes until somebody wants to look inside.

use std::borrow::Cow;

use bytes::Bytes;

use crate::qi::signature::Signature;

use super::{DecodeError, Reader, Value};

/// A value and its signature. An `m` with an empty signature was read as one of `v`, which is how we write nothing.
#[derive(Clone, Debug)]
pub struct Dynamic {
    signature: Signature,
    content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Bytes that were skipped over once, so they are well formed; and no object is among them, so they are the
    /// same on every connection.
    Encoded(Bytes),
    Value(Value),
}

impl Dynamic {
    /// This value with the signature it has.
    pub fn new(value: Value) -> Dynamic {
        Dynamic { signature: value.signature(), content: Content::Value(value) }
    }

    pub(super) fn decoded(signature: Signature, value: Value) -> Dynamic {
        Dynamic { signature, content: Content::Value(value) }
    }

    pub(super) fn encoded(signature: Signature, bytes: Bytes) -> Dynamic {
        Dynamic { signature, content: Content::Encoded(bytes) }
    }

    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    /// The type of what is inside.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// What is inside, if it has been decoded. Where references to objects are inside, it always has.
    pub fn decoded_value(&self) -> Option<&Value> {
        match &self.content {
            Content::Encoded(_) => None,
            Content::Value(value) => Some(value),
        }
    }

    /// What is inside; decoded now if it was not, and then with all dynamics in it. Fails only if that takes more
    /// than the default [`Budget`](super::Budget).
    pub fn value(&self) -> Result<Cow<'_, Value>, DecodeError> {
        match &self.content {
            Content::Encoded(bytes) => Reader::new(bytes).eager().read(&self.signature).map(Cow::Owned),
            Content::Value(value) => Ok(Cow::Borrowed(value)),
        }
    }

    /// [`value`](Dynamic::value) without a copy.
    pub fn into_value(self) -> Result<Value, DecodeError> {
        match self.content {
            Content::Encoded(_) => self.value().map(Cow::into_owned),
            Content::Value(value) => Ok(value),
        }
    }
}

/// Equal in type and content; whether that has been decoded makes no difference.
impl PartialEq for Dynamic {
    fn eq(&self, other: &Dynamic) -> bool {
        self.signature == other.signature
            && match (self.value(), other.value()) {
                (Ok(ours), Ok(theirs)) => ours == theirs,
                _ => false,
            }
    }
}
