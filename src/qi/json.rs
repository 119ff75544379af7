//! Values as JSON, for scripts and consoles.
//!
//! | value | JSON |
//! |---|---|
//! | `v`, an unset optional | `null` |
//! | bool, integers, finite floats | themselves; 64 bits are exact |
//! | floats that are no number | `{"$float": "NaN"}`, `"Infinity"`, `"-Infinity"` |
//! | string | a string; one that is not UTF-8 is `{"$string": base64}` |
//! | raw | `{"$raw": base64}` |
//! | list, tuple | an array |
//! | struct | an object |
//! | map | an object, or `{"$map": [[key, value], ...]}` if its keys are not all strings, come twice or begin with `$` |
//! | `+T` | that of `T`; `{"$some": ...}` where it would be taken for an unset one |
//! | `m` | that of its content |
//! | object | `{"$object": {"service": 2, "object": 3, "uid": hexadecimal}}`, only in this direction |
//!
//! In the other direction, `{"$type": signature, "$value": ...}` asks for a type anywhere.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map as JsonMap, Value as Json, json};

use super::convert::{ConvertError, convert_exactly};
use super::signature::{Kind, Signature, SignatureError};
use super::value::{DecodeError, Object, Text, Value};

/// Values within each other, at most, in either direction: about what `serde_json` parses.
const MAX_DEPTH: u32 = 200;

/// Why JSON is not a value of the bus, or the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// The value is of another type than was asked for.
    Convert(ConvertError),
    /// `$type` is not a signature.
    Signature(SignatureError),
    /// A dynamic is too large to look into.
    Decode(DecodeError),
    /// An object with a key that begins with `$`, but not one of the forms above; the key.
    Form(String),
    /// `$raw` or `$string` is not base64.
    Base64,
    /// A number that neither 64 bits nor a float can hold.
    Number,
    /// Values are nested too deeply.
    TooDeep,
}

impl fmt::Display for JsonError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonError::Convert(error) => error.fmt(out),
            JsonError::Signature(error) => write!(out, "bad $type: {error}"),
            JsonError::Decode(error) => error.fmt(out),
            JsonError::Form(key) => write!(out, "\"{key}\" is not used like this"),
            JsonError::Base64 => out.write_str("not base64"),
            JsonError::Number => out.write_str("a number of more than 64 bits"),
            JsonError::TooDeep => out.write_str("too many values within each other"),
        }
    }
}

impl std::error::Error for JsonError {}

type Result<T> = std::result::Result<T, JsonError>;

/// The value of this type. What conversion makes of other types (qi-messaging.md 19) is taken: arrays are tuples of
/// as many members, objects are structs with these fields. Numbers must fit, and only whole ones are integers.
pub fn from_json(json: &Json, signature: &Signature) -> Result<Value> {
    convert_exactly(natural(json, MAX_DEPTH)?, signature).map_err(JsonError::Convert)
}

/// A dynamic of the type that Python would give it: `v`, `b`, `l` (`L` if it must be), `d`, `s`, `[m]`, `{mm}`.
pub fn dynamic_from_json(json: &Json) -> Result<Value> {
    Ok(natural(json, MAX_DEPTH)?.into_dynamic())
}

fn natural(json: &Json, left: u32) -> Result<Value> {
    let left = left.checked_sub(1).ok_or(JsonError::TooDeep)?;
    Ok(match json {
        Json::Null => Value::Void,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => Value::Int64(number),
            (None, Some(number), _) => Value::UInt64(number),
            (None, None, Some(number)) => Value::Double(number),
            (None, None, None) => return Err(JsonError::Number),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => {
            let items = items.iter().map(|item| Ok(natural(item, left)?.into_dynamic()));
            Value::list(Kind::Dynamic.into(), items.collect::<Result<_>>()?)
        }
        Json::Object(object) if object.keys().any(|key| key.starts_with('$')) => special(object, left)?,
        Json::Object(object) => {
            let entry = |(key, value): (&String, &Json)| {
                Ok((Value::from(key.as_str()).into_dynamic(), natural(value, left)?.into_dynamic()))
            };
            dynamic_map(object.iter().map(entry).collect::<Result<_>>()?)
        }
    })
}

fn dynamic_map(entries: Vec<(Value, Value)>) -> Value {
    Value::map(Kind::Dynamic.into(), Kind::Dynamic.into(), entries)
}

/// The forms whose keys begin with `$`.
fn special(object: &JsonMap<String, Json>, left: u32) -> Result<Value> {
    if let (2, Some(Json::String(signature)), Some(value)) = (object.len(), object.get("$type"), object.get("$value")) {
        let signature = Signature::parse(signature).map_err(JsonError::Signature)?;
        return convert_exactly(natural(value, left)?, &signature).map_err(JsonError::Convert);
    }
    let wrong = || JsonError::Form(object.keys().find(|key| key.starts_with('$')).cloned().unwrap_or_default());
    let mut members = object.iter();
    let (Some((key, value)), None) = (members.next(), members.next()) else { return Err(wrong()) };
    match (key.as_str(), value) {
        ("$raw", Json::String(text)) => bytes(text).map(Value::Raw),
        ("$string", Json::String(text)) => bytes(text).map(|bytes| Value::String(Text::from_bytes(bytes))),
        ("$float", Json::String(text)) => match text.as_str() {
            "NaN" => Ok(Value::Double(f64::NAN)),
            "Infinity" => Ok(Value::Double(f64::INFINITY)),
            "-Infinity" => Ok(Value::Double(f64::NEG_INFINITY)),
            _ => Err(wrong()),
        },
        ("$some", value) => Ok(Value::optional(Kind::Dynamic.into(), Some(natural(value, left)?.into_dynamic()))),
        ("$map", Json::Array(pairs)) => {
            let entry = |pair: &Json| match pair.as_array().map(Vec::as_slice) {
                Some([key, value]) => Ok((natural(key, left)?.into_dynamic(), natural(value, left)?.into_dynamic())),
                _ => Err(wrong()),
            };
            Ok(dynamic_map(pairs.iter().map(entry).collect::<Result<_>>()?))
        }
        _ => Err(wrong()),
    }
}

fn bytes(text: &str) -> Result<Bytes> {
    STANDARD.decode(text).map(Bytes::from).map_err(|_| JsonError::Base64)
}

/// The value as JSON. With its signature, [`from_json`] makes it again, but for what is in dynamics, whose numbers
/// come back as Python would send them, and for objects.
pub fn to_json(value: &Value) -> Result<Json> {
    write(value, MAX_DEPTH)
}

fn write(value: &Value, left: u32) -> Result<Json> {
    let left = left.checked_sub(1).ok_or(JsonError::TooDeep)?;
    Ok(match value {
        Value::Void => Json::Null,
        Value::Bool(flag) => json!(flag),
        Value::Int8(number) => json!(number),
        Value::UInt8(number) => json!(number),
        Value::Int16(number) => json!(number),
        Value::UInt16(number) => json!(number),
        Value::Int32(number) => json!(number),
        Value::UInt32(number) => json!(number),
        Value::Int64(number) => json!(number),
        Value::UInt64(number) => json!(number),
        Value::Float(number) => float(short(*number)),
        Value::Double(number) => float(*number),
        Value::String(text) => match text.as_str() {
            Some(text) => json!(text),
            None => json!({ "$string": STANDARD.encode(text.bytes()) }),
        },
        Value::Raw(bytes) => json!({ "$raw": STANDARD.encode(bytes) }),
        Value::List(list) => array(&list.items, left)?,
        Value::Map(map) => write_map(&map.entries, left)?,
        Value::Tuple(tuple) => match field_keys(&tuple.signature).filter(|names| names.len() == tuple.members.len()) {
            Some(names) => {
                let fields = names.into_iter().zip(&tuple.members);
                let fields = fields.map(|(name, member)| Ok((name.to_owned(), write(member, left)?)));
                Json::Object(fields.collect::<Result<_>>()?)
            }
            None => array(&tuple.members, left)?,
        },
        Value::Optional(optional) => match &optional.value {
            None => Json::Null,
            Some(value) => match write(value, left)? {
                json if json.is_null() || json.get("$some").is_some() => json!({ "$some": json }),
                json => json,
            },
        },
        Value::Dynamic(dynamic) => write(&*dynamic.value().map_err(JsonError::Decode)?, left)?,
        Value::Object(object) => reference(object),
    })
}

/// The field names of a struct, if they can be the keys of an object that means nothing else.
fn field_keys(signature: &Signature) -> Option<Vec<&str>> {
    let names = signature.field_names()?;
    are_keys(&names).then_some(names)
}

fn are_keys(names: &[&str]) -> bool {
    let mut seen = BTreeSet::new();
    names.iter().all(|name| !name.starts_with('$') && seen.insert(*name))
}

fn array(items: &[Value], left: u32) -> Result<Json> {
    items.iter().map(|item| write(item, left)).collect::<Result<_>>().map(Json::Array)
}

fn write_map(entries: &[(Value, Value)], left: u32) -> Result<Json> {
    let pairs = entries.iter().map(|(key, value)| Ok((write(key, left)?, write(value, left)?)));
    let pairs = pairs.collect::<Result<Vec<_>>>()?;
    let names: Option<Vec<_>> = pairs.iter().map(|(key, _)| key.as_str()).collect();
    if names.is_some_and(|names| are_keys(&names)) {
        let members = pairs.into_iter().filter_map(|(key, value)| match key {
            Json::String(key) => Some((key, value)),
            _ => None,
        });
        return Ok(Json::Object(members.collect()));
    }
    Ok(json!({ "$map": pairs.into_iter().map(|(key, value)| json!([key, value])).collect::<Vec<_>>() }))
}

fn float(number: f64) -> Json {
    match number {
        _ if number.is_finite() => json!(number),
        _ if number.is_nan() => json!({ "$float": "NaN" }),
        _ if number > 0.0 => json!({ "$float": "Infinity" }),
        _ => json!({ "$float": "-Infinity" }),
    }
}

/// The same number in as few digits as 32 bits need: 0.1, and not 0.10000000149011612.
fn short(number: f32) -> f64 {
    let exact = f64::from(number);
    number.to_string().parse().ok().filter(|short: &f64| *short as f32 == number).unwrap_or(exact)
}

fn reference(object: &Object) -> Json {
    let uid = object.uid.map(|uid| uid.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    json!({ "$object": { "service": object.service, "object": object.object, "uid": uid } })
}

#[cfg(test)]
#[path = "tests/json.rs"]
mod tests;
