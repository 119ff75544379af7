//! Values to bytes: the size first, then one allocation.

use std::fmt::{self, Write};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::qi::capability::Capabilities;
use crate::qi::meta::MetaObject;
use crate::qi::signature::{Kind, Signature};

use super::dynamic::Content;
use super::{Budget, EncodeError, Object, SentMetas, UNCACHED, Value};

/// The bytes of a value of this type, for a connection without capabilities. Fails if the value is of another type;
/// nothing is converted.
pub fn encode(value: &Value, signature: &Signature) -> Result<Bytes, EncodeError> {
    Writer::default().encode(value, signature)
}

/// Encodes for one connection.
#[derive(Debug, Default)]
pub struct Writer<'a> {
    capabilities: Capabilities,
    metas: Option<&'a mut SentMetas>,
}

impl<'a> Writer<'a> {
    /// For a connection on which both sides have these capabilities: the layout of objects depends on them.
    pub fn new(capabilities: Capabilities) -> Writer<'a> {
        Writer { capabilities, metas: None }
    }

    /// With what the connection remembers. Without it, objects cannot be written where MetaObjectCache is shared.
    /// An error leaves it as it was.
    #[must_use]
    pub fn metas(mut self, metas: &'a mut SentMetas) -> Writer<'a> {
        self.metas = Some(metas);
        self
    }

    /// The bytes of the value.
    pub fn encode(&mut self, value: &Value, signature: &Signature) -> Result<Bytes, EncodeError> {
        let mut counting = self.pass(ByteCount(0));
        counting.put(value, signature)?;
        let size = u32::try_from(counting.sink.0).map_err(|_| EncodeError::TooLarge)?;
        let bytes = BytesMut::with_capacity(size as usize);
        let mut writing = self.pass(bytes);
        writing.put(value, signature)?;
        let (bytes, fresh) = (writing.sink, writing.fresh);
        if let Some(metas) = self.metas.as_deref_mut() {
            for meta in fresh {
                metas.insert(meta);
            }
        }
        Ok(bytes.freeze())
    }

    fn pass<S: ByteSink>(&self, sink: S) -> Pass<'_, S> {
        let Budget { dynamics, nesting, .. } = Budget::default();
        Pass {
            sink,
            cached: self.capabilities.meta_object_cache,
            uids: self.capabilities.object_ptr_uid,
            metas: self.metas.as_deref(),
            fresh: Vec::new(),
            dynamics,
            nesting,
        }
    }
}

/// Where bytes go: into a buffer, or nowhere but counted.
trait ByteSink {
    fn put(&mut self, bytes: &[u8]);
}

struct ByteCount(u64);

impl ByteSink for ByteCount {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
    }
}

impl ByteSink for BytesMut {
    fn put(&mut self, bytes: &[u8]) {
        self.put_slice(bytes);
    }
}

/// A sink for text.
struct Letters<'s, S>(&'s mut S);

impl<S: ByteSink> Write for Letters<'_, S> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.put(text.as_bytes());
        Ok(())
    }
}

/// One way through a value. Counting and writing take the same way, so they come to the same size.
struct Pass<'p, S> {
    sink: S,
    cached: bool,
    uids: bool,
    metas: Option<&'p SentMetas>,
    /// Meta objects that the peer will know after this message.
    fresh: Vec<Arc<MetaObject>>,
    dynamics: u32,
    nesting: u32,
}

type Done = Result<(), EncodeError>;

impl<S: ByteSink> Pass<'_, S> {
    fn put(&mut self, value: &Value, signature: &Signature) -> Done {
        match (signature.kind(), value) {
            (Kind::Void | Kind::Nothing, Value::Void) => {}
            (Kind::Bool, Value::Bool(flag)) => self.sink.put(&[u8::from(*flag)]),
            (Kind::Int8, Value::Int8(number)) => self.sink.put(&number.to_le_bytes()),
            (Kind::UInt8, Value::UInt8(number)) => self.sink.put(&number.to_le_bytes()),
            (Kind::Int16, Value::Int16(number)) => self.sink.put(&number.to_le_bytes()),
            (Kind::UInt16, Value::UInt16(number)) => self.sink.put(&number.to_le_bytes()),
            (Kind::Int32, Value::Int32(number)) => self.sink.put(&number.to_le_bytes()),
            (Kind::UInt32, Value::UInt32(number)) => self.sink.put(&number.to_le_bytes()),
            (Kind::Int64, Value::Int64(number)) => self.sink.put(&number.to_le_bytes()),
            (Kind::UInt64, Value::UInt64(number)) => self.sink.put(&number.to_le_bytes()),
            (Kind::Float, Value::Float(number)) => self.sink.put(&number.to_le_bytes()),
            (Kind::Double, Value::Double(number)) => self.sink.put(&number.to_le_bytes()),
            (Kind::String, Value::String(text)) => return self.block(text.bytes()),
            (Kind::Raw, Value::Raw(bytes)) => return self.block(bytes),
            (Kind::Object, Value::Object(object)) => return self.object(object),
            (Kind::Unknown, _) => return Err(EncodeError::Unknown),
            _ => return self.nested(value, signature),
        }
        Ok(())
    }

    fn nested(&mut self, value: &Value, signature: &Signature) -> Done {
        self.nesting = self.nesting.checked_sub(1).ok_or(EncodeError::TooDeep)?;
        self.compound(value, signature)?;
        self.nesting += 1;
        Ok(())
    }

    fn compound(&mut self, value: &Value, signature: &Signature) -> Done {
        match (signature.kind(), value) {
            (Kind::List(element) | Kind::VarArgs(element), Value::List(list)) => {
                self.count(list.items.len())?;
                list.items.iter().try_for_each(|item| self.put(item, element))
            }
            (Kind::Map(entry), Value::Map(map)) => self.entries(&map.entries, &entry.0, &entry.1),
            (Kind::KeywordArgs(value), Value::Map(map)) => self.entries(&map.entries, &Kind::String.into(), value),
            (Kind::Tuple(types), Value::Tuple(tuple)) if types.len() == tuple.members.len() => {
                tuple.members.iter().zip(types.iter()).try_for_each(|(member, signature)| self.put(member, signature))
            }
            (Kind::Optional(element), Value::Optional(optional)) => {
                self.sink.put(&[u8::from(optional.value.is_some())]);
                optional.value.iter().try_for_each(|value| self.put(value, element))
            }
            (Kind::Dynamic, Value::Dynamic(dynamic)) => {
                let signature = dynamic.signature();
                self.dynamics = self.dynamics.checked_sub(1).ok_or(EncodeError::TooDeep)?;
                self.text(signature)?;
                match dynamic.content() {
                    Content::Encoded(encoded) => self.sink.put(&encoded.bytes),
                    Content::Basic(value) => self.put(value, signature)?,
                    Content::Typed(typed) => self.put(&typed.1, signature)?,
                }
                self.dynamics += 1;
                Ok(())
            }
            _ => Err(EncodeError::Mismatch { expected: signature.clone(), found: value.signature() }),
        }
    }

    fn entries(&mut self, entries: &[(Value, Value)], key: &Signature, value: &Signature) -> Done {
        self.count(entries.len())?;
        entries.iter().try_for_each(|(name, content)| {
            self.put(name, key)?;
            self.put(content, value)
        })
    }

    fn object(&mut self, object: &Object) -> Done {
        let meta = object.meta.encode()?;
        if !self.cached {
            self.sink.put(&meta);
        } else {
            let metas = self.metas.ok_or(EncodeError::Cache)?;
            let fresh = self.fresh.iter().position(|fresh| *fresh == object.meta);
            let number = |at: usize| u32::try_from(metas.len() + at + 1).unwrap_or(UNCACHED);
            let (known, id) = match (metas.get(&object.meta), fresh) {
                (Some(id), _) => (true, id),
                (None, Some(at)) => (true, number(at)),
                (None, None) if metas.has_room_for(self.fresh.len() + 1) => {
                    self.fresh.push(object.meta.clone());
                    (false, number(self.fresh.len() - 1))
                }
                (None, None) => (false, UNCACHED),
            };
            self.sink.put(&[u8::from(!known)]);
            if !known {
                self.sink.put(&meta);
            }
            self.sink.put(&id.to_le_bytes());
        }
        self.sink.put(&object.service.to_le_bytes());
        self.sink.put(&object.object.to_le_bytes());
        if self.uids {
            self.sink.put(&object.uid.unwrap_or_default());
        }
        Ok(())
    }

    fn text(&mut self, signature: &Signature) -> Done {
        let mut size = ByteCount(0);
        let done = write!(Letters(&mut size), "{signature}");
        self.count(usize::try_from(size.0).map_err(|_| EncodeError::TooLarge)?)?;
        done.and_then(|()| write!(Letters(&mut self.sink), "{signature}")).map_err(|_| EncodeError::TooLarge)
    }

    fn block(&mut self, bytes: &[u8]) -> Done {
        self.count(bytes.len())?;
        self.sink.put(bytes);
        Ok(())
    }

    fn count(&mut self, count: usize) -> Done {
        let count = u32::try_from(count).map_err(|_| EncodeError::TooLarge)?;
        self.sink.put(&count.to_le_bytes());
        Ok(())
    }
}
