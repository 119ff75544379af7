//! Rust types as values of the bus, both ways: what a program calls with, and what its methods take and give.
//!
//! | Rust | bus |
//! |---|---|
//! | `()` | `v` |
//! | `bool`, integers of 8 to 64 bits, `f32`, `f64` | `b`, `cCwWiIlL`, `f`, `d` |
//! | `String`, `&str`, [`Text`] | `s` |
//! | [`Bytes`], `&[u8]` | `r` |
//! | `Vec<T>`, `&[T]` as arguments | `[T]`; of `u8` it is a list of numbers, and no raw data |
//! | `BTreeMap<K, V>`, `HashMap<K, V>` | `{KV}` |
//! | `Option<T>` | `+T` |
//! | tuples of up to eight | `(..)` |
//! | what [`qi_struct!`](crate::qi_struct) declares | a struct with the names of its fields |
//! | [`Value`] | `m`, whatever is in it |

use bytes::Bytes;

use crate::qi::convert::{ConvertError, Why, convert};
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::{Text, Value};

mod compound;
mod structure;

#[cfg(test)]
mod tests;

pub use compound::Arguments;
#[doc(hidden)]
pub use structure::struct_signature;

/// A Rust type that is one of the bus.
pub trait Typed {
    /// Which that is.
    fn signature() -> Signature;
}

/// A Rust type that values of the bus become, by the conversions of section 19.
pub trait FromValue: Typed + Sized {
    /// From a value of that type; `None` for any other.
    fn from_value(value: Value) -> Option<Self>;
}

/// A Rust type that becomes a value of the bus. All of them also are `Into<Value>`.
pub trait IntoValue: Typed + Sized {
    /// A value of that type.
    fn into_value(self) -> Value;
}

/// A value as a Rust type; fails if it cannot be had in it.
pub fn value_to<T: FromValue>(value: Value) -> std::result::Result<T, ConvertError> {
    let (from, to) = (value.signature(), T::signature());
    let converted = convert(value, &to)?;
    T::from_value(converted).ok_or(ConvertError { from, to, why: Why::Types })
}

macro_rules! plain {
    ($($type:ty => $variant:ident),* $(,)?) => {
        $(
            impl Typed for $type {
                fn signature() -> Signature {
                    Kind::$variant.into()
                }
            }

            impl FromValue for $type {
                fn from_value(value: Value) -> Option<$type> {
                    match value {
                        Value::$variant(value) => Some(value),
                        _ => None,
                    }
                }
            }

            impl IntoValue for $type {
                fn into_value(self) -> Value {
                    Value::$variant(self)
                }
            }
        )*
    };
}

plain!(bool => Bool, i8 => Int8, u8 => UInt8, i16 => Int16, u16 => UInt16, i32 => Int32, u32 => UInt32);
plain!(i64 => Int64, u64 => UInt64, f32 => Float, f64 => Double, Text => String, Bytes => Raw);

impl Typed for () {
    fn signature() -> Signature {
        Kind::Void.into()
    }
}

impl FromValue for () {
    fn from_value(_: Value) -> Option<()> {
        Some(())
    }
}

impl IntoValue for () {
    fn into_value(self) -> Value {
        Value::Void
    }
}

impl From<()> for Value {
    fn from((): ()) -> Value {
        Value::Void
    }
}

impl Typed for Value {
    fn signature() -> Signature {
        Kind::Dynamic.into()
    }
}

impl FromValue for Value {
    fn from_value(value: Value) -> Option<Value> {
        value.undynamic().ok()
    }
}

impl IntoValue for Value {
    fn into_value(self) -> Value {
        self.into_dynamic()
    }
}

impl Typed for String {
    fn signature() -> Signature {
        Kind::String.into()
    }
}

/// What is not UTF-8 is replaced.
impl FromValue for String {
    fn from_value(value: Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text.lossy().into_owned()),
            _ => None,
        }
    }
}

impl IntoValue for String {
    fn into_value(self) -> Value {
        self.into()
    }
}

impl Typed for &str {
    fn signature() -> Signature {
        Kind::String.into()
    }
}

impl IntoValue for &str {
    fn into_value(self) -> Value {
        self.into()
    }
}

/// Raw data. A `Vec<u8>` is a list of numbers, as any other `Vec`.
impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Value {
        Value::Raw(Bytes::copy_from_slice(bytes))
    }
}
