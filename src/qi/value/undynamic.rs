//! Looking into a dynamic that is still bytes.

use std::borrow::Cow;

use bytes::Bytes;

use crate::qi::signature::Signature;

use super::dynamic::{Content, Dynamic};
use super::{DecodeError, Reader, Value};

impl Dynamic {
    /// What is inside; decoded now if it was not, and then with all dynamics in it. Fails only if that takes more
    /// than the default [`Budget`](super::Budget).
    pub fn value(&self) -> Result<Cow<'_, Value>, DecodeError> {
        match self.content() {
            Content::Encoded(bytes) => decode(bytes, self.signature()).map(Cow::Owned),
            Content::Value(value) => Ok(Cow::Borrowed(value)),
        }
    }

    /// [`value`](Dynamic::value) without a copy.
    pub fn into_value(self) -> Result<Value, DecodeError> {
        match self.into_parts() {
            (signature, Content::Encoded(bytes)) => decode(&bytes, &signature),
            (_, Content::Value(value)) => Ok(value),
        }
    }
}

/// Equal in type and content; whether that has been decoded makes no difference.
impl PartialEq for Dynamic {
    fn eq(&self, other: &Dynamic) -> bool {
        self.signature() == other.signature()
            && match (self.value(), other.value()) {
                (Ok(ours), Ok(theirs)) => ours == theirs,
                _ => false,
            }
    }
}

fn decode(bytes: &Bytes, signature: &Signature) -> Result<Value, DecodeError> {
    Reader::new(bytes).eager().read(signature)
}
