//! Rust types for results and arguments.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::qi::convert::{ConvertError, Why, convert};
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::Value;

use crate::qi::calls::Received;
use crate::qi::calls::{CallError, Result};

/// A Rust type that values of the bus become, by the conversions of section 19.
pub trait FromValue: Sized {
    /// The type that a value is converted to first.
    fn signature() -> Signature;

    /// From a value of that type; `None` for any other.
    fn from_value(value: Value) -> Option<Self>;
}

/// The result as a Rust type; fails if it cannot be had in it.
pub(super) fn typed<T: FromValue>(received: Received) -> Result<T> {
    value_to(received.into_value()).map_err(|error| CallError::Result(Box::new(error)))
}

/// A value as a Rust type; fails if it cannot be had in it.
pub fn value_to<T: FromValue>(value: Value) -> std::result::Result<T, ConvertError> {
    let (from, to) = (value.signature(), T::signature());
    let converted = convert(value, &to)?;
    T::from_value(converted).ok_or(ConvertError { from, to, why: Why::Types })
}

macro_rules! from_value {
    ($($type:ty => $variant:ident),* $(,)?) => {
        $(impl FromValue for $type {
            fn signature() -> Signature {
                Kind::$variant.into()
            }

            fn from_value(value: Value) -> Option<$type> {
                match value {
                    Value::$variant(value) => Some(value),
                    _ => None,
                }
            }
        })*
    };
}

from_value!(bool => Bool, i8 => Int8, u8 => UInt8, i16 => Int16, u16 => UInt16, i32 => Int32, u32 => UInt32);
from_value!(i64 => Int64, u64 => UInt64, f32 => Float, f64 => Double, Bytes => Raw);

impl FromValue for () {
    fn signature() -> Signature {
        Kind::Void.into()
    }

    fn from_value(_: Value) -> Option<()> {
        Some(())
    }
}

impl FromValue for Value {
    fn signature() -> Signature {
        Kind::Dynamic.into()
    }

    fn from_value(value: Value) -> Option<Value> {
        value.undynamic().ok()
    }
}

/// What is not UTF-8 is replaced.
impl FromValue for String {
    fn signature() -> Signature {
        Kind::String.into()
    }

    fn from_value(value: Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text.lossy().into_owned()),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn signature() -> Signature {
        Signature::list(T::signature())
    }

    fn from_value(value: Value) -> Option<Vec<T>> {
        match value {
            Value::List(list) => list.items.into_iter().map(T::from_value).collect(),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn signature() -> Signature {
        Signature::optional(T::signature())
    }

    fn from_value(value: Value) -> Option<Option<T>> {
        match value {
            Value::Optional(optional) => optional.value.map(T::from_value).map_or(Some(None), |value| value.map(Some)),
            _ => None,
        }
    }
}

impl<K: FromValue + Ord, V: FromValue> FromValue for BTreeMap<K, V> {
    fn signature() -> Signature {
        Signature::map(K::signature(), V::signature())
    }

    fn from_value(value: Value) -> Option<BTreeMap<K, V>> {
        let Value::Map(map) = value else { return None };
        map.entries.into_iter().map(|(key, value)| Some((K::from_value(key)?, V::from_value(value)?))).collect()
    }
}
