//! What a property has been set to: bytes of its type, in memory of their own.

use std::sync::Arc;

use bytes::Bytes;

use crate::qi::endpoint::budget::{Account, Charge};
use crate::qi::signature::Signature;
use crate::qi::value::{Reader, Value, encode};

use super::model::PropertyValue;

/// Smaller ones are not counted: an object has as many properties as its code says.
const COUNTED: usize = 4 * 1024;

impl PropertyValue {
    /// One that is of this type. If a peer has set it, its account pays for it until it is set again: it may last longer than the
    /// connection. The text says what is wrong.
    pub fn new(value: &Value, ty: &Signature, payer: Option<&Arc<Account>>) -> Result<PropertyValue, String> {
        // What came off the wire is a view into its message, which may be large and must not be kept for it. Decoded it would take
        // many times as much.
        let bytes = encode(value, ty).map_err(|error| error.to_string())?;
        let mut memory = payer.filter(|_| bytes.len() > COUNTED).map(Charge::on);
        if memory.as_mut().is_some_and(|memory| !memory.grow_to(bytes.len())) {
            return Err("The property was not set: the server has no memory for it now.".to_owned());
        }
        Ok(PropertyValue { bytes, _memory: memory })
    }

    /// The value; `ty` is its type. A dynamic is a view of the same bytes, as texts and raw data are.
    pub fn read(bytes: &Bytes, ty: &Signature) -> Value {
        // It has been written as that.
        Reader::new(bytes).read(ty).unwrap_or_default()
    }

    pub fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }
}
