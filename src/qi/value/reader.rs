//! Bytes to values. Nothing is copied, nothing is believed: counts are held against what is there, and everything
//! that grows has a budget (qi-messaging.md 20).

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::qi::capability::Capabilities;
use crate::qi::meta::{self, MetaObject};
use crate::qi::signature::{Kind, MEMORY_PER_BYTE, Signature};

use super::dynamic::{Encoded, basic_type, is_basic};
use super::memory::Memory;
use super::{
    DecodeError, DecodeReason, Dynamic, List, Map, Object, Optional, ReceivedMetas, Text, Tuple, UNCACHED, Value,
};

/// Bytes that nobody is asked for: most values take less.
const FREE: u64 = 4 * 1024;

/// Memory is paid for in steps of so many bytes.
const STEP: u64 = 64 * 1024;

/// What one payload may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Dynamics within each other.
    pub dynamics: u32,
    /// Values of any kind within each other. A list in a list is one further with `[[i]]`, two with `[m]`.
    pub nesting: u32,
    /// Elements of all lists and maps and members of all tuples that are looked at one by one.
    pub elements: u64,
    /// Elements of all lists and maps that have no bytes, as in `[v]`.
    pub empty_elements: u64,
    /// Bytes of memory for what is built. Strings and raw data stay in the message and cost nothing.
    pub memory: u64,
}

impl Default for Budget {
    /// 64 dynamics deep, 192 values deep, 16 Mi elements, 64 Ki empty ones, 256 MiB.
    fn default() -> Budget {
        let mib = 1024 * 1024;
        Budget { dynamics: 64, nesting: 192, elements: 16 * mib, empty_elements: 64 * 1024, memory: 256 * mib }
    }
}

/// What the allocator needs for a block, on average.
const ALLOCATION: usize = 12;

/// Memory of a meta object, per encoded byte, at most: methods of empty strings are the worst.
const META_MEMORY: usize = 32;

/// A position in a payload.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
    capabilities: Capabilities,
    metas: Option<&'a mut ReceivedMetas>,
    left: Budget,
    /// What pays for memory, and the bytes that are paid.
    memory: Option<&'a Arc<dyn Memory>>,
    spent: u64,
    paid: u64,
    eager: bool,
    /// Objects met so far.
    objects: usize,
    /// The meta object read last, and where: lists of objects of one kind hold it many times.
    last_meta: Option<(Range<usize>, Arc<MetaObject>)>,
}

type Result<T> = std::result::Result<T, DecodeError>;

impl<'a> Reader<'a> {
    /// Starts in front of `bytes`, with the default budget, for a connection without capabilities.
    pub fn new(bytes: &'a Bytes) -> Reader<'a> {
        Reader {
            bytes,
            at: 0,
            capabilities: Capabilities::default(),
            metas: None,
            left: Budget::default(),
            memory: None,
            spent: 0,
            paid: 0,
            eager: false,
            objects: 0,
            last_meta: None,
        }
    }

    /// For a connection on which both sides have these capabilities: the layout of objects depends on them.
    #[must_use]
    pub fn shared(mut self, capabilities: Capabilities) -> Reader<'a> {
        self.capabilities = capabilities;
        self
    }

    /// With what the connection remembers. Without it, objects cannot be read where MetaObjectCache is shared.
    #[must_use]
    pub fn metas(mut self, metas: &'a mut ReceivedMetas) -> Reader<'a> {
        self.metas = Some(metas);
        self
    }

    /// With this budget in place of the default one.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Reader<'a> {
        self.left = budget;
        self
    }

    /// What is built is paid for by this, beyond what has been paid before; so is what is left encoded, when somebody looks into it.
    #[must_use]
    pub fn on_account(mut self, memory: &'a Arc<dyn Memory>, paid: u64) -> Reader<'a> {
        self.memory = Some(memory);
        self.paid = paid.max(FREE);
        self
    }

    /// The bytes that have been paid for what was built.
    pub fn paid(&self) -> u64 {
        self.paid
    }

    /// Decodes what is in dynamics at once, which is cheaper if all of it is wanted.
    #[must_use]
    pub fn eager(mut self) -> Reader<'a> {
        self.eager = true;
        self
    }

    /// References to objects have been read.
    pub fn has_met_objects(&self) -> bool {
        self.objects > 0
    }

    /// What has not been read. At the end of a message it is to be ignored (section 6).
    pub fn rest(&self) -> Bytes {
        self.bytes.slice(self.at..)
    }

    /// Reads one value of this type. After an error the position means nothing.
    pub fn read(&mut self, signature: &Signature) -> Result<Value> {
        Ok(match signature.kind() {
            Kind::Void | Kind::Nothing => Value::Void,
            Kind::Bool => Value::Bool(self.flag()?),
            Kind::Int8 => Value::Int8(i8::from_le_bytes(self.array()?)),
            Kind::UInt8 => Value::UInt8(u8::from_le_bytes(self.array()?)),
            Kind::Int16 => Value::Int16(i16::from_le_bytes(self.array()?)),
            Kind::UInt16 => Value::UInt16(u16::from_le_bytes(self.array()?)),
            Kind::Int32 => Value::Int32(i32::from_le_bytes(self.array()?)),
            Kind::UInt32 => Value::UInt32(self.u32()?),
            Kind::Int64 => Value::Int64(i64::from_le_bytes(self.array()?)),
            Kind::UInt64 => Value::UInt64(u64::from_le_bytes(self.array()?)),
            Kind::Float => Value::Float(f32::from_le_bytes(self.array()?)),
            Kind::Double => Value::Double(f64::from_le_bytes(self.array()?)),
            Kind::String => Value::String(Text::from_bytes(self.block()?)),
            Kind::Raw => Value::Raw(self.block()?),
            Kind::Unknown => return self.fail(DecodeReason::Unknown),
            Kind::Object => Value::Object(self.object()?),
            _ => return self.nested(|reader| reader.read_compound(signature)),
        })
    }

    /// Passes over one value of this type, checking it as [`read`](Reader::read) would, in less memory and time.
    pub fn skip(&mut self, signature: &Signature) -> Result<()> {
        if signature.is_plain() {
            return self.take(signature.min_size() as usize).map(drop);
        }
        match signature.kind() {
            Kind::Bool => self.flag().map(drop),
            Kind::String | Kind::Raw => self.block().map(drop),
            Kind::Unknown => self.fail(DecodeReason::Unknown),
            // A cached meta object must be remembered, so there is nothing to be saved.
            Kind::Object => self.object().map(drop),
            _ => self.nested(|reader| reader.skip_compound(signature)),
        }
    }

    fn read_compound(&mut self, signature: &Signature) -> Result<Value> {
        match signature.kind() {
            Kind::List(element) | Kind::VarArgs(element) => {
                let count = self.count(element.min_size())?;
                self.spend(count)?;
                self.charge(count, size_of::<Value>(), size_of::<List>())?;
                let items = self.many(count, |reader| reader.read(element))?;
                Ok(Value::list(element.as_ref().clone(), items))
            }
            Kind::Map(entry) => self.map(&entry.0, &entry.1),
            Kind::KeywordArgs(value) => self.map(&Kind::String.into(), value),
            Kind::Tuple(members) => {
                self.spend(members.len())?;
                self.charge(members.len(), size_of::<Value>(), size_of::<Tuple>())?;
                let members = members.iter().map(|member| self.read(member)).collect::<Result<_>>()?;
                Ok(Value::structure(signature.clone(), members))
            }
            Kind::Optional(element) => {
                self.charge(1, size_of::<Value>(), size_of::<Optional>())?;
                let value = if self.flag()? { Some(self.read(element)?) } else { None };
                Ok(Value::optional(element.as_ref().clone(), value))
            }
            _ => self.dynamic(),
        }
    }

    fn skip_compound(&mut self, signature: &Signature) -> Result<()> {
        match signature.kind() {
            Kind::List(element) | Kind::VarArgs(element) => {
                let count = self.count(element.min_size())?;
                if element.is_plain() {
                    // Holds in usize: `count` has held it against what is there.
                    return self.take(count * element.min_size() as usize).map(drop);
                }
                self.spend(count)?;
                (0..count).try_for_each(|_| self.skip(element))
            }
            Kind::Map(entry) => self.skip_map(&entry.0, &entry.1),
            Kind::KeywordArgs(value) => self.skip_map(&Kind::String.into(), value),
            Kind::Tuple(members) => {
                self.spend(members.len())?;
                members.iter().try_for_each(|member| self.skip(member))
            }
            Kind::Optional(element) => {
                if self.flag()? {
                    self.skip(element)?;
                }
                Ok(())
            }
            _ => {
                if let Some(signature) = self.basic_type() {
                    return self.inside_dynamic(|reader| reader.skip(signature));
                }
                // The signature lives only until its value has been passed.
                let (memory, spent) = (self.left.memory, self.spent);
                let signature = self.signature()?;
                self.inside_dynamic(|reader| reader.skip(&signature))?;
                (self.left.memory, self.spent) = (memory, spent);
                Ok(())
            }
        }
    }

    fn map(&mut self, key: &Signature, value: &Signature) -> Result<Value> {
        let count = self.count(key.min_size().saturating_add(value.min_size()))?;
        self.spend(count)?;
        self.charge(count, size_of::<(Value, Value)>(), size_of::<Map>())?;
        let entries = self.many(count, |reader| Ok((reader.read(key)?, reader.read(value)?)))?;
        Ok(Value::map(key.clone(), value.clone(), entries))
    }

    fn skip_map(&mut self, key: &Signature, value: &Signature) -> Result<()> {
        let count = self.count(key.min_size().saturating_add(value.min_size()))?;
        self.spend(count)?;
        (0..count).try_for_each(|_| {
            self.skip(key)?;
            self.skip(value)
        })
    }

    fn dynamic(&mut self) -> Result<Value> {
        self.charge(1, size_of::<Dynamic>(), ALLOCATION)?;
        if let Some(signature) = self.basic_type() {
            let value = self.inside_dynamic(|reader| reader.read(signature))?;
            return Ok(Value::Dynamic(Box::new(Dynamic::of_basic(value))));
        }
        let signature = self.signature()?;
        let start = self.at;
        if !self.eager && !is_basic(&signature) {
            let objects = self.objects;
            self.inside_dynamic(|reader| reader.skip(&signature))?;
            if self.objects == objects {
                self.charge(1, size_of::<Encoded>(), ALLOCATION)?;
                let content = self.bytes.slice(start..self.at);
                return Ok(Value::Dynamic(Box::new(Dynamic::encoded(signature, content, self.memory.cloned()))));
            }
            // The bytes of an object mean something only on this connection: they are read now.
            self.at = start;
        }
        let eager = std::mem::replace(&mut self.eager, true);
        let value = self.inside_dynamic(|reader| reader.read(&signature))?;
        self.eager = eager;
        Ok(Value::Dynamic(Box::new(Dynamic::decoded(signature, value))))
    }

    /// The signature in front of a dynamic's value, if it is a single letter of a basic type: most are, and a list of a million needs no
    /// million of parsers.
    fn basic_type(&mut self) -> Option<&'static Signature> {
        let [1, 0, 0, 0, letter] = *self.bytes[self.at..].first_chunk()? else { return None };
        let signature = basic_type(letter)?;
        self.at += 5;
        Some(signature)
    }

    /// The signature in front of a dynamic's value; the empty one, which is none, is read as `v`.
    fn signature(&mut self) -> Result<Signature> {
        let start = self.at;
        let text = self.block()?;
        if text.is_empty() {
            return Ok(Kind::Void.into());
        }
        // A single letter is held in place.
        self.charge(text.len() - 1, MEMORY_PER_BYTE, 0)?;
        Signature::parse(&text).map_err(|error| DecodeError { position: start, reason: DecodeReason::Signature(error) })
    }

    fn object(&mut self) -> Result<Arc<Object>> {
        self.objects += 1;
        self.charge(1, size_of::<Object>(), 0)?;
        let meta = if self.capabilities.meta_object_cache { self.cached_meta()? } else { self.meta()?.0 };
        let (service, object) = (self.u32()?, self.u32()?);
        let uid = if self.capabilities.object_ptr_uid { Some(self.array()?) } else { None };
        Ok(Arc::new(Object { meta, service, object, uid }))
    }

    fn cached_meta(&mut self) -> Result<Arc<MetaObject>> {
        let sent = if self.flag()? { Some(self.meta()?) } else { None };
        let id = self.u32()?;
        let position = self.at;
        let Some(metas) = self.metas.as_deref_mut() else { return self.fail(DecodeReason::Cache) };
        match sent {
            Some((meta, size)) if id == UNCACHED || metas.insert(id, meta.clone(), size) => Ok(meta),
            Some(_) => self.fail(DecodeReason::Cache),
            None => metas.get(id).ok_or(DecodeError { position, reason: DecodeReason::UnknownMeta(id) }),
        }
    }

    /// A meta object and its size. It may be kept long after the message: it gets memory of its own.
    fn meta(&mut self) -> Result<(Arc<MetaObject>, usize)> {
        let start = self.at;
        self.skip(&meta::SIGNATURE)?;
        let range = start..self.at;
        if let Some((last, meta)) = &self.last_meta
            && self.bytes[last.clone()] == self.bytes[range.clone()]
        {
            return Ok((meta.clone(), range.len()));
        }
        self.charge(range.len(), META_MEMORY, 0)?;
        let meta = Arc::new(MetaObject::decode(&Bytes::copy_from_slice(&self.bytes[range.clone()]))?);
        self.last_meta = Some((range.clone(), meta.clone()));
        Ok((meta, range.len()))
    }

    /// Goes one value deeper.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let Some(left) = self.left.nesting.checked_sub(1) else { return self.fail(DecodeReason::TooDeep) };
        self.left.nesting = left;
        let result = read(self);
        self.left.nesting += 1;
        result
    }

    fn inside_dynamic<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let Some(left) = self.left.dynamics.checked_sub(1) else { return self.fail(DecodeReason::TooDeep) };
        self.left.dynamics = left;
        let result = read(self);
        self.left.dynamics += 1;
        result
    }

    fn many<T>(&mut self, count: usize, mut read: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = Vec::with_capacity(count); // charged by the caller
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// A number of elements, each of at least `size` bytes, that can be there.
    fn count(&mut self, size: u32) -> Result<usize> {
        let count = self.u32()?;
        let rest = (self.bytes.len() - self.at) as u64;
        if u64::from(count) * u64::from(size) > rest {
            return self.fail(DecodeReason::Count(count));
        }
        if size == 0 {
            let Some(empty) = self.left.empty_elements.checked_sub(count.into()) else {
                return self.fail(DecodeReason::TooManyEmptyElements);
            };
            self.left.empty_elements = empty;
        }
        Ok(count as usize)
    }

    /// So many elements will be looked at. Without this, few bytes of a wide tuple could make for much work.
    fn spend(&mut self, count: usize) -> Result<()> {
        match self.left.elements.checked_sub(count as u64) {
            Some(left) => {
                self.left.elements = left;
                Ok(())
            }
            None => self.fail(DecodeReason::TooManyElements),
        }
    }

    fn charge(&mut self, count: usize, each: usize, once: usize) -> Result<()> {
        let memory = (count as u64).saturating_mul(each as u64).saturating_add(once as u64);
        match self.left.memory.checked_sub(memory) {
            Some(left) => self.left.memory = left,
            None => return self.fail(DecodeReason::TooLarge),
        }
        self.spent += memory;
        if self.spent <= self.paid { Ok(()) } else { self.pay() }
    }

    fn pay(&mut self) -> Result<()> {
        let Some(memory) = self.memory else { return Ok(()) };
        let more = (self.spent - self.paid).max(STEP);
        if !usize::try_from(more).is_ok_and(|more| memory.take(more)) {
            return self.fail(DecodeReason::NoRoom);
        }
        self.paid += more;
        Ok(())
    }

    fn flag(&mut self) -> Result<bool> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [byte] => Err(DecodeError { position: self.at - 1, reason: DecodeReason::NotBool(byte) }),
        }
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Bytes with their number in front: a string, or raw data.
    fn block(&mut self) -> Result<Bytes> {
        let size = self.u32()? as usize;
        self.take(size).map(|range| self.bytes.slice(range))
    }

    fn array<const SIZE: usize>(&mut self) -> Result<[u8; SIZE]> {
        match self.bytes[self.at..].first_chunk() {
            Some(bytes) => {
                self.at += SIZE;
                Ok(*bytes)
            }
            None => self.fail(DecodeReason::End),
        }
    }

    fn take(&mut self, size: usize) -> Result<Range<usize>> {
        if size > self.bytes.len() - self.at {
            return self.fail(DecodeReason::End);
        }
        let start = self.at;
        self.at += size;
        Ok(start..self.at)
    }

    fn fail<T>(&self, reason: DecodeReason) -> Result<T> {
        Err(DecodeError { position: self.at, reason })
    }
}
