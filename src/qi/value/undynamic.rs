//! Looking into a dynamic that is still bytes.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use super::dynamic::{Content, Dynamic, Encoded};
use super::{DecodeError, Reader, Value};

impl Dynamic {
    /// What is inside; decoded now if it was not, and then with all dynamics in it. Fails only if that takes more
    /// than the default [`Budget`](super::Budget), or, in an argument of a call, than its connection may have of the server's
    /// memory now.
    pub fn value(&self) -> Result<Cow<'_, Value>, DecodeError> {
        match self.content() {
            Content::Encoded(encoded) => decode(encoded).map(Cow::Owned),
            Content::Basic(value) => Ok(Cow::Borrowed(value)),
            Content::Typed(typed) => Ok(Cow::Borrowed(&typed.1)),
        }
    }

    /// [`value`](Dynamic::value) without a copy.
    pub fn into_value(self) -> Result<Value, DecodeError> {
        match self.into_content() {
            Content::Encoded(encoded) => decode(&encoded),
            Content::Basic(value) => Ok(value),
            Content::Typed(typed) => Ok(typed.1),
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

/// Bytes that take long to be decoded.
const LARGE: usize = 64 * 1024;

/// However often it is looked into, it is paid for once.
fn decode(encoded: &Encoded) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(&encoded.bytes).eager();
    if let Some(memory) = &encoded.memory {
        if encoded.bytes.len() >= LARGE {
            memory.looked_into();
        }
        reader = reader.on_account(memory, encoded.paid.load(Ordering::Relaxed));
    }
    let value = reader.read(&encoded.signature);
    encoded.paid.fetch_max(reader.paid(), Ordering::Relaxed);
    value
}
