//! Reading what callers send.

use crate::qi::payload::PayloadError;
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::Value;

pub(super) fn members(tuple: Value) -> Vec<Value> {
    match tuple {
        Value::Tuple(tuple) => tuple.members,
        other => vec![other],
    }
}

/// libqi's words for what it cannot read, with ours behind them.
pub(super) fn reading_failed(error: &PayloadError) -> String {
    match error {
        PayloadError::Decode(error) => format!("ISerialization error: {error}"),
        other => format!("Arguments: {other}"),
    }
}

/// A type that stands in this source.
pub(super) fn constant(text: &str) -> Signature {
    Signature::parse(text).unwrap_or(Kind::Unknown.into())
}
