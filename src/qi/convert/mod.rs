//! A value of one type made into one of another, as libqi does it (qi-messaging.md 19); and which method of several
//! is meant (18).

use std::fmt;

use super::signature::{Kind, Signature};
use super::value::{DecodeError, Value};

mod by_name;
mod number;
mod possible;
mod resolve;
mod structure;

pub use possible::may_become;
pub use resolve::{ResolveError, resolve, score};

/// Why a value cannot be of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvertError {
    /// The type of the innermost value that fails.
    pub from: Signature,
    /// What it was to become.
    pub to: Signature,
    /// Why it cannot be.
    pub why: Why,
}

/// What is in the way of a conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no conversion between the two.
    Types,
    /// The number does not fit.
    Range,
    /// The number has a fraction, which an integer has not ([`convert_exactly`]).
    Fraction,
    /// Not as many members as there are elements.
    Length,
    /// The names of the two structs, or the keys of the map, are not the same.
    Names,
    /// The values are too many within each other.
    TooDeep,
    /// The content of a dynamic cannot be looked into.
    Dynamic(DecodeError),
}

impl fmt::Display for ConvertError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "failed to convert {} to {}: ", self.from, self.to)?;
        match &self.why {
            Why::Types => out.write_str("no such conversion"),
            Why::Range => out.write_str("the number does not fit"),
            Why::Fraction => out.write_str("the number has a fraction"),
            Why::Length => out.write_str("another number of elements"),
            Why::Names => out.write_str("other field names"),
            Why::TooDeep => out.write_str("too many values within each other"),
            Why::Dynamic(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for ConvertError {}

type Result<T> = std::result::Result<T, ConvertError>;

/// Values within each other, at most. The reader allows no more.
const MAX_DEPTH: u32 = 256;

/// The value as one of type `to`, names of structs included. A value that is of the type already is handed through
/// with what it shares.
pub fn convert(value: Value, to: &Signature) -> Result<Value> {
    Converter { left: MAX_DEPTH, exact: false, tuples_are_lists: false }.convert(value, to)
}

/// [`convert`] for a language in which whoever writes a tuple may mean a list: where a list is wanted, a tuple is one of its members. libqi's
/// own conversions refuse it, but its package for Python hands methods what they were called with.
pub fn convert_sequences(value: Value, to: &Signature) -> Result<Value> {
    Converter { left: MAX_DEPTH, exact: false, tuples_are_lists: true }.convert(value, to)
}

/// [`convert`], or one that takes more.
pub type Conversion = fn(Value, &Signature) -> Result<Value>;

/// [`convert`] of what a person has written: a number with a fraction is no integer, and one that is too large for 32 bits no
/// infinity. The bus itself cuts off and rounds.
pub fn convert_exactly(value: Value, to: &Signature) -> Result<Value> {
    Converter { left: MAX_DEPTH, exact: true, tuples_are_lists: false }.convert(value, to)
}

struct Converter {
    left: u32,
    exact: bool,
    tuples_are_lists: bool,
}

fn fail<T>(from: &Signature, to: &Signature, why: Why) -> Result<T> {
    Err(ConvertError { from: from.clone(), to: to.clone(), why })
}

impl Converter {
    fn convert(&mut self, value: Value, to: &Signature) -> Result<Value> {
        let Some(left) = self.left.checked_sub(1) else { return fail(&value.signature(), to, Why::TooDeep) };
        self.left = left;
        let converted = match value {
            Value::Dynamic(_) if *to.kind() == Kind::Dynamic => Ok(value),
            Value::Dynamic(dynamic) => {
                let from = dynamic.signature().clone();
                match dynamic.into_value() {
                    Ok(inner) => self.convert(inner, to),
                    Err(error) => fail(&from, to, Why::Dynamic(error)),
                }
            }
            value => self.convert_static(value, to),
        };
        self.left += 1;
        converted
    }

    /// From anything but a dynamic.
    fn convert_static(&mut self, value: Value, to: &Signature) -> Result<Value> {
        match (to.kind(), value) {
            (Kind::Dynamic, value) => Ok(value.into_dynamic()),
            (Kind::Optional(element), value) => self.optional(value, element, to),
            (Kind::Void | Kind::Nothing, _) => Ok(Value::Void),
            (Kind::String, value @ Value::String(_))
            | (Kind::Raw, value @ Value::Raw(_))
            | (Kind::Object, value @ Value::Object(_)) => Ok(value),
            (Kind::Raw, Value::String(text)) => Ok(Value::Raw(text.bytes().clone())),
            (Kind::List(element) | Kind::VarArgs(element), Value::List(list)) => self.list(list.items, element),
            (Kind::List(element) | Kind::VarArgs(element), Value::Tuple(tuple)) if self.tuples_are_lists => {
                self.list(tuple.members, element)
            }
            (Kind::Map(entry), value) => self.map(value, (&entry.0, &entry.1), to),
            (Kind::KeywordArgs(element), value) => self.map(value, (&Kind::String.into(), element), to),
            (Kind::Tuple(members), value) => self.tuple(value, members, to),
            (_, value) => number::convert(value, to, self.exact),
        }
    }

    fn list(&mut self, items: Vec<Value>, element: &Signature) -> Result<Value> {
        let items = items.into_iter().map(|item| self.convert(item, element)).collect::<Result<_>>()?;
        Ok(Value::list(element.clone(), items))
    }

    fn optional(&mut self, value: Value, element: &Signature, to: &Signature) -> Result<Value> {
        let inner = match value {
            Value::Void => None,
            Value::Optional(optional) => match optional.value {
                Some(value) => Some(self.convert(value, element)?),
                // Unset is of any type, but not of one that cannot be had.
                None if score(&optional.element, element) > 0.0 => None,
                None => return fail(&Signature::optional(optional.element), to, Why::Types),
            },
            value => Some(self.convert(value, element)?),
        };
        Ok(Value::optional(element.clone(), inner))
    }
}

#[cfg(test)]
mod tests;
