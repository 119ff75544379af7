//! What the flags make of a payload: arguments, results and events in their declared form, or as a dynamic
//! (qi-messaging.md 4, 14, 15).

use std::fmt;

use bytes::Bytes;

use super::convert::{Conversion, ConvertError, convert};
use super::message::{Flags, Message};
use super::signature::{Kind, Signature, SignatureError};
use super::value::{DecodeError, EncodeError, Reader, Value, Writer};

/// Why a payload cannot be read or made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadError {
    /// It cannot be read.
    Decode(DecodeError),
    /// It cannot be written.
    Encode(EncodeError),
    /// It is of another type.
    Convert(ConvertError),
    /// The type that a caller wants back is none.
    ReturnType(SignatureError),
}

impl fmt::Display for PayloadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PayloadError::Decode(error) => error.fmt(out),
            PayloadError::Encode(error) => error.fmt(out),
            PayloadError::Convert(error) => error.fmt(out),
            PayloadError::ReturnType(error) => write!(out, "bad return type: {error}"),
        }
    }
}

impl std::error::Error for PayloadError {}

impl From<DecodeError> for PayloadError {
    fn from(error: DecodeError) -> PayloadError {
        PayloadError::Decode(error)
    }
}

impl From<EncodeError> for PayloadError {
    fn from(error: EncodeError) -> PayloadError {
        PayloadError::Encode(error)
    }
}

impl From<ConvertError> for PayloadError {
    fn from(error: ConvertError) -> PayloadError {
        PayloadError::Convert(error)
    }
}

type Result<T> = std::result::Result<T, PayloadError>;

/// The arguments of a message are one dynamic, whatever is declared.
pub fn is_dynamic(flags: Flags, declared: &Signature) -> bool {
    flags.contains(Flags::DYNAMIC_PAYLOAD) || *declared.kind() == Kind::Dynamic
}

/// There may be objects in the arguments of this message, so that it is worth a look.
pub fn may_hold_objects(message: &Message, declared: &Signature) -> bool {
    let text = declared.bare();
    // A dynamic says in its signature that there is one.
    let in_dynamic = is_dynamic(message.header.flags, declared) || text.contains('m');
    text.contains('o') || (in_dynamic && message.payload.contains(&b'o'))
}

/// The arguments of a Call, Post or Event.
#[derive(Clone, Debug, PartialEq)]
pub struct Arguments {
    /// A tuple of the declared type; where that is `m`, of any type.
    pub tuple: Value,
    /// The type of result that the caller asks for (flag 2).
    pub return_type: Option<Signature>,
}

/// Reads the arguments of a Call, Post or Event of these flags, whose declared type is `parameters`. What came as a
/// dynamic is converted; a list will do for a tuple.
pub fn read_arguments(reader: &mut Reader<'_>, flags: Flags, parameters: &Signature) -> Result<Arguments> {
    read_arguments_by(convert, reader, flags, parameters)
}

/// [`read_arguments`] with a conversion of the object's own.
pub fn read_arguments_by(
    convert: Conversion,
    reader: &mut Reader<'_>,
    flags: Flags,
    parameters: &Signature,
) -> Result<Arguments> {
    let any = *parameters.kind() == Kind::Dynamic;
    let tuple = if is_dynamic(flags, parameters) {
        let content = reader.read(&Kind::Dynamic.into())?.undynamic()?;
        if any { tuple_of_any(content)? } else { convert(content, parameters)? }
    } else {
        reader.read(parameters)?
    };
    let return_type = if flags.contains(Flags::RETURN_TYPE) {
        match reader.read(&Kind::String.into())? {
            Value::String(text) => Some(Signature::parse(&text).map_err(PayloadError::ReturnType)?),
            _ => None,
        }
    } else {
        None
    };
    Ok(Arguments { tuple, return_type })
}

/// Any arguments: a tuple as it is, a list as a tuple of its items.
fn tuple_of_any(content: Value) -> Result<Value> {
    match content {
        Value::Tuple(_) => Ok(content),
        Value::List(list) => Ok(Value::tuple(list.items)),
        other => Ok(convert(other, &Signature::tuple([]))?),
    }
}

/// Writes the arguments of a Call or Post for a method of these `parameters`. Arguments that cannot be converted are
/// sent as they are, in a dynamic, and the other side is left to convert them; that needs MessageFlags of it
/// (`message_flags`), and without it is an error.
pub fn write_arguments(
    writer: &mut Writer<'_>,
    arguments: Vec<Value>,
    parameters: &Signature,
    message_flags: bool,
) -> Result<(Bytes, Flags)> {
    if *parameters.kind() == Kind::Dynamic {
        let tuple = Value::tuple(arguments).into_dynamic();
        return Ok((writer.encode(&tuple, parameters)?, Flags::NONE));
    }
    match convert(Value::tuple(arguments.clone()), parameters) {
        Ok(tuple) => Ok((writer.encode(&tuple, parameters)?, Flags::NONE)),
        Err(error) if !message_flags => Err(error.into()),
        Err(_) => {
            let dynamics = arguments.into_iter().map(Value::into_dynamic).collect();
            let payload = writer.encode(&Value::tuple(dynamics).into_dynamic(), &Kind::Dynamic.into())?;
            Ok((payload, Flags::DYNAMIC_PAYLOAD))
        }
    }
}

/// Reads the result in a Reply of these flags. The type of what came as a dynamic is its own.
pub fn read_result(reader: &mut Reader<'_>, flags: Flags, declared: &Signature) -> Result<Value> {
    if flags.contains(Flags::DYNAMIC_PAYLOAD) {
        return Ok(reader.read(&Kind::Dynamic.into())?.undynamic()?);
    }
    Ok(reader.read(declared)?)
}

/// Writes a result in its declared type; in the type that the caller asked for, if it did and the value can be had
/// in it. Not for a caller without MessageFlags: leave out `wanted` then.
pub fn write_result(
    writer: &mut Writer<'_>,
    value: Value,
    declared: &Signature,
    wanted: Option<&Signature>,
) -> Result<(Bytes, Flags)> {
    let value = convert(value, declared)?;
    let Some(wanted) = wanted else { return Ok((writer.encode(&value, declared)?, Flags::NONE)) };
    let value = convert(value, wanted)?.into_dynamic();
    Ok((writer.encode(&value, &Kind::Dynamic.into())?, Flags::DYNAMIC_PAYLOAD))
}

/// Writes the arguments of a signal, converted to its `declared` type; in the type that a subscriber asked for, if it
/// did and the conversion is possible, else silently in the declared one. Not for a subscriber without MessageFlags:
/// leave out `wanted` then.
pub fn write_event(
    writer: &mut Writer<'_>,
    tuple: Value,
    declared: &Signature,
    wanted: Option<&Signature>,
) -> Result<(Bytes, Flags)> {
    let tuple = convert(tuple, declared)?;
    if let Some(wanted) = wanted
        && let Ok(converted) = convert(tuple.clone(), wanted)
    {
        return Ok((writer.encode(&converted.into_dynamic(), &Kind::Dynamic.into())?, Flags::DYNAMIC_PAYLOAD));
    }
    Ok((writer.encode(&tuple, declared)?, Flags::NONE))
}

#[cfg(test)]
#[path = "tests/payload.rs"]
mod tests;
