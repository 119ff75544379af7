//! Values of the bus, and their bytes (qi-messaging.md 6 and 7).

use std::sync::Arc;

use bytes::Bytes;

use super::signature::{Kind, Signature};

mod dynamic;
mod error;
mod memory;
mod object;
mod reader;
mod references;
mod text;
mod undynamic;
mod writer;

pub use dynamic::Dynamic;
pub use error::{DecodeError, DecodeReason, EncodeError};
pub use memory::Memory;
pub use object::{Object, ReceivedMetas, SentMetas, UNCACHED, Uid};
pub use reader::{Budget, Reader};
pub use text::Text;
pub use writer::{Writer, encode};

/// Any value. What was read off the wire shares the memory of its message.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `v`: no bytes at all.
    #[default]
    Void,
    /// `b`: one byte, 0 or 1.
    Bool(bool),
    /// `c`
    Int8(i8),
    /// `C`
    UInt8(u8),
    /// `w`
    Int16(i16),
    /// `W`
    UInt16(u16),
    /// `i`
    Int32(i32),
    /// `I`
    UInt32(u32),
    /// `l`
    Int64(i64),
    /// `L`
    UInt64(u64),
    /// `f`: 32 bits.
    Float(f32),
    /// `d`: 64 bits.
    Double(f64),
    /// `s`: bytes, usually UTF-8.
    String(Text),
    /// `r`: bytes.
    Raw(Bytes),
    /// `[T]`
    List(Box<List>),
    /// `{KV}`
    Map(Box<Map>),
    /// `(..)`
    Tuple(Box<Tuple>),
    /// `+T`
    Optional(Box<Optional>),
    /// `m`: a value with its signature.
    Dynamic(Box<Dynamic>),
    /// `o`: a reference to an object.
    Object(Arc<Object>),
}

/// `[T]`, and `#T`.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// The type of its elements.
    pub element: Signature,
    /// All of type `element`.
    pub items: Vec<Value>,
}

/// `{KV}`, and `~V`. The order has no meaning on the wire; it is kept, and so are keys that come twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// The type of its keys.
    pub key: Signature,
    /// The type of its values.
    pub value: Signature,
    /// Its entries, in their order.
    pub entries: Vec<(Value, Value)>,
}

/// `(..)`: a tuple, or a struct if the signature is annotated.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuple {
    /// Of the tuple itself, one member for each of `members`.
    pub signature: Signature,
    /// Its members, in their order.
    pub members: Vec<Value>,
}

/// `+T`.
#[derive(Clone, Debug, PartialEq)]
pub struct Optional {
    /// The type of its value.
    pub element: Signature,
    /// The value, if there is one.
    pub value: Option<Value>,
}

impl Value {
    /// A list of `items`, which must all be of type `element`; encoding says if they are not.
    pub fn list(element: Signature, items: Vec<Value>) -> Value {
        Value::List(Box::new(List { element, items }))
    }

    /// A map; see [`list`](Value::list).
    pub fn map(key: Signature, value: Signature, entries: Vec<(Value, Value)>) -> Value {
        Value::Map(Box::new(Map { key, value, entries }))
    }

    /// A tuple without names, of the types that the members have.
    pub fn tuple(members: Vec<Value>) -> Value {
        let signature = Signature::tuple(members.iter().map(Value::signature));
        Value::structure(signature, members)
    }

    /// A tuple of this signature, which may name it and its fields; see [`list`](Value::list).
    pub fn structure(signature: Signature, members: Vec<Value>) -> Value {
        Value::Tuple(Box::new(Tuple { signature, members }))
    }

    /// An optional; see [`list`](Value::list).
    pub fn optional(element: Signature, value: Option<Value>) -> Value {
        Value::Optional(Box::new(Optional { element, value }))
    }

    /// This value as an `m`. A dynamic is not wrapped again.
    #[must_use]
    pub fn into_dynamic(self) -> Value {
        match self {
            Value::Dynamic(_) => self,
            value => Value::Dynamic(Box::new(Dynamic::new(value))),
        }
    }

    /// What is inside of a dynamic, and of dynamics in it; any other value itself. Fails if the bytes of a dynamic
    /// take more than the default [`Budget`].
    pub fn undynamic(self) -> Result<Value, DecodeError> {
        let mut value = self;
        while let Value::Dynamic(dynamic) = value {
            value = dynamic.into_value()?;
        }
        Ok(value)
    }

    /// The type, with the names of structs. Varargs are lists and keyword arguments maps here.
    pub fn signature(&self) -> Signature {
        match self {
            Value::Void => Kind::Void.into(),
            Value::Bool(_) => Kind::Bool.into(),
            Value::Int8(_) => Kind::Int8.into(),
            Value::UInt8(_) => Kind::UInt8.into(),
            Value::Int16(_) => Kind::Int16.into(),
            Value::UInt16(_) => Kind::UInt16.into(),
            Value::Int32(_) => Kind::Int32.into(),
            Value::UInt32(_) => Kind::UInt32.into(),
            Value::Int64(_) => Kind::Int64.into(),
            Value::UInt64(_) => Kind::UInt64.into(),
            Value::Float(_) => Kind::Float.into(),
            Value::Double(_) => Kind::Double.into(),
            Value::String(_) => Kind::String.into(),
            Value::Raw(_) => Kind::Raw.into(),
            Value::List(list) => Signature::list(list.element.clone()),
            Value::Map(map) => Signature::map(map.key.clone(), map.value.clone()),
            Value::Tuple(tuple) => tuple.signature.clone(),
            Value::Optional(optional) => Signature::optional(optional.element.clone()),
            Value::Dynamic(_) => Kind::Dynamic.into(),
            Value::Object(_) => Kind::Object.into(),
        }
    }

    /// The number, if this is an integer of any width. A bool is none.
    pub fn integer(&self) -> Option<i128> {
        Some(match *self {
            Value::Int8(number) => number.into(),
            Value::UInt8(number) => number.into(),
            Value::Int16(number) => number.into(),
            Value::UInt16(number) => number.into(),
            Value::Int32(number) => number.into(),
            Value::UInt32(number) => number.into(),
            Value::Int64(number) => number.into(),
            Value::UInt64(number) => number.into(),
            _ => return None,
        })
    }

    /// The text, if this is a string and UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => text.as_str(),
            _ => None,
        }
    }

    /// The members of a tuple.
    pub fn members(&self) -> Option<&[Value]> {
        match self {
            Value::Tuple(tuple) => Some(&tuple.members),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Value::List(list) => Some(&list.items),
            _ => None,
        }
    }

    /// The entries of a map.
    pub fn entries(&self) -> Option<&[(Value, Value)]> {
        match self {
            Value::Map(map) => Some(&map.entries),
            _ => None,
        }
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),* $(,)?) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Value {
                Value::$variant(value.into())
            }
        })*
    };
}

from!(bool => Bool, i8 => Int8, u8 => UInt8, i16 => Int16, u16 => UInt16, i32 => Int32, u32 => UInt32, i64 => Int64);
from!(u64 => UInt64, f32 => Float, f64 => Double, &str => String, String => String, Text => String, Bytes => Raw);

#[cfg(test)]
mod tests;
