//! `m`: a value that brings its type along. One that was read stays bytes until somebody wants to look inside.

use bytes::Bytes;

use crate::qi::signature::Signature;

use super::Value;

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

    /// The signature, and what is inside as it is.
    pub(super) fn into_parts(self) -> (Signature, Content) {
        (self.signature, self.content)
    }

    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    /// Whether it is still as it came.
    pub(in crate::qi) fn is_encoded(&self) -> bool {
        matches!(self.content, Content::Encoded(_))
    }

    /// Without the message that it came in, of which it may be a small part.
    pub(in crate::qi) fn detached(self) -> Dynamic {
        let content = match self.content {
            Content::Encoded(bytes) => Content::Encoded(Bytes::copy_from_slice(&bytes)),
            value @ Content::Value(_) => value,
        };
        Dynamic { content, ..self }
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
}
