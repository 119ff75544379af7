//! Arguments as a Call, or a Post, carries them (qi-messaging.md 4, 14).

use bytes::{BufMut, Bytes, BytesMut};

use crate::qi::message::Flags;
use crate::qi::payload::{PayloadError, write_arguments};
use crate::qi::signature::Signature;
use crate::qi::value::{Value, Writer};

/// Writes arguments for a method of these `parameters`, converted; and the type that the result is wanted in, which needs
/// MessageFlags of the peer (`message_flags`) and is left out without.
pub fn encode_arguments(
    writer: &mut Writer<'_>,
    arguments: Vec<Value>,
    parameters: &Signature,
    message_flags: bool,
    wanted: Option<&Signature>,
) -> Result<(Bytes, Flags), PayloadError> {
    let (payload, flags) = write_arguments(writer, arguments, parameters, message_flags)?;
    let Some(wanted) = wanted.filter(|_| message_flags) else { return Ok((payload, flags)) };
    // The signature follows as a string of its own.
    let text = wanted.to_string();
    let mut with_type = BytesMut::with_capacity(payload.len() + 4 + text.len());
    with_type.put_slice(&payload);
    with_type.put_u32_le(text.len() as u32); // signatures are at most 64 KiB
    with_type.put_slice(text.as_bytes());
    Ok((with_type.freeze(), flags | Flags::RETURN_TYPE))
}
