use std::ffi::{c_char, c_int, c_void};
use std::vec;

use crate::capi::pointers;
use crate::core::Error;
use crate::qi::convert::{convert, convert_exactly};
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::Value;

use super::build::nnqi_value;
use super::error::{Failure, Result, boundary};
use super::view::{self, Inner, View};

/// Something that nnqi_pack is given.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nnqi_slot {
    /// What it is: i, u or l, a number in integer; d, one in number; s, the text at pointer; r, size bytes at pointer; m, the handle
    /// of a value in size.
    pub kind: c_int,
    /// A number; of uint64_t its bits.
    pub integer: i64,
    /// How many bytes, or a handle.
    pub size: u64,
    /// A number.
    pub number: f64,
    /// A text that ends with a zero, or bytes.
    pub pointer: *const c_void,
}

/// What nnqi_pack does when it has gathered count slots for the values that the signature says, in its order; for languages without
/// va_list. Returns, takes and fails as nnqi_pack. Any thread. (5)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_pack_slots(
    signature: *const c_char,
    slots: *const nnqi_slot,
    count: usize,
) -> nnqi_value {
    boundary(|| {
        // SAFETY: a non-null `slots` has `count` of them.
        let slots = unsafe { pointers::array(slots, count) }?;
        let mut inner = Inner::default();
        // Handles are taken whatever fails.
        let mut given = Vec::new();
        for slot in slots {
            // SAFETY: C promises what a slot is.
            given.push(unsafe { taken(slot, &mut inner) });
        }
        // SAFETY: a non-null `signature` ends with a zero.
        let signature = unsafe { view::signature(signature) }?;
        if slots.len() == MOST_PACKED && values_of(&signature) > MOST_PACKED {
            return Err(Failure::invalid(format!(
                "{signature} has more than the {MOST_PACKED} values that nnqi_pack takes"
            )));
        }
        let mut given = given.into_iter();
        let value = packed(&signature, &mut given)?;
        match given.len() {
            0 => view::add_around(value, inner),
            left => Err(Failure::invalid(format!("{left} values more than {signature} has"))),
        }
    })
}

/// What nnqi_pack has room for (`qi_values.tail.h`).
const MOST_PACKED: usize = 60;

/// How many values nnqi_pack wants for it.
fn values_of(signature: &Signature) -> usize {
    match signature.kind() {
        Kind::Void | Kind::Nothing | Kind::Unknown => 0,
        Kind::Tuple(members) => members.iter().map(values_of).sum(),
        _ => 1,
    }
}

/// # Safety
/// It is what its kind says.
unsafe fn taken(slot: &nnqi_slot, inner: &mut Inner) -> Result<Option<Value>> {
    Ok(Some(match u8::try_from(slot.kind).unwrap_or_default() {
        b'i' | b'u' | b'l' => Value::Int64(slot.integer),
        b'd' => Value::Double(slot.number),
        // SAFETY: the caller's promise.
        b's' => unsafe { view::utf8(slot.pointer.cast()) }?.into(),
        b'r' => {
            let len = usize::try_from(slot.size).map_err(|_| Failure::invalid("bytes of no length"))?;
            // SAFETY: the caller's promise.
            Value::Raw(view::copy(unsafe { pointers::bytes(slot.pointer, len) }?)?)
        }
        b'm' if slot.size == 0 => return Ok(None),
        b'm' => {
            let (value, more) = view::take(slot.size)?;
            *inner = std::mem::take(inner).and(more);
            value
        }
        _ => return Err(Failure::invalid("a slot of no kind")),
    }))
}

type ArgumentValues = vec::IntoIter<Result<Option<Value>>>;

fn packed(signature: &Signature, given: &mut ArgumentValues) -> Result<Value> {
    let mut next = || given.next().unwrap_or_else(|| Err(Failure::invalid(format!("too few values for {signature}"))));
    match signature.kind() {
        Kind::Void | Kind::Nothing | Kind::Unknown => Ok(Value::Void),
        Kind::Tuple(members) => {
            let members = members.iter().map(|member| packed(member, given)).collect::<Result<_>>()?;
            Ok(Value::structure(signature.clone(), members))
        }
        // It has come as the same bits.
        Kind::UInt64 => match next()? {
            Some(Value::Int64(bits)) => Ok(Value::UInt64(bits as u64)),
            other => made(other, signature),
        },
        // Of C's numbers none is made infinite.
        Kind::Float => convert_exactly(next()?.unwrap_or_default(), signature).map_err(Failure::invalid),
        Kind::Optional(_) => made(Some(next()?.unwrap_or(Value::Void)), signature),
        _ => made(next()?, signature),
    }
}

fn made(value: Option<Value>, signature: &Signature) -> Result<Value> {
    let value =
        value.ok_or_else(|| Failure::new(Error::BAD_FD, format!("0 where a value for {signature} is wanted")))?;
    convert(value, signature).map_err(Failure::invalid)
}

/// What nnqi_unpack does when it has gathered count places, in the order of the signature, r having two; for languages without va_list.
/// Returns and fails as nnqi_unpack. Any thread. (5)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_unpack_places(
    value: nnqi_value,
    signature: *const c_char,
    places: *const *mut c_void,
    count: usize,
) -> c_int {
    boundary(|| {
        let view = view::get(value)?;
        let whole = view.value()?.clone();
        // SAFETY: C promises `count` places that lead to room for what the signature says, which ends with a zero.
        unsafe { unpack(value, &view, whole, signature, places, count) }.map(|()| 0)
    })
}

/// What nnqi_unpack_next does when it has gathered count places; for languages without va_list. Returns and fails as
/// nnqi_unpack_next. Any thread. (5)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_unpack_next_places(
    value: nnqi_value,
    at: *mut usize,
    signature: *const c_char,
    places: *const *mut c_void,
    count: usize,
) -> c_int {
    boundary(|| {
        let view = view::looked_into(value)?;
        // SAFETY: a non-null `at` leads to a number.
        let index = unsafe { pointers::read(at, Error::FAULT) }?;
        let item = match view.value()? {
            Value::List(list) => list.items.get(index).cloned(),
            Value::Tuple(tuple) => tuple.members.get(index).cloned(),
            Value::Optional(optional) => optional.value.clone().filter(|_| index == 0),
            Value::Map(map) => {
                map.entries.get(index).map(|(key, value)| Value::tuple(vec![key.clone(), value.clone()]))
            }
            other => {
                return Err(Failure::invalid(format!("a value of type {}, which has no items", other.signature())));
            }
        };
        let Some(item) = item else { return Ok(0) };
        // SAFETY: as of nnqi_unpack_places.
        unsafe { unpack(value, &view, item, signature, places, count) }?;
        // SAFETY: it was read from there.
        Ok(unsafe { pointers::write(at, index + 1) }.map(|()| 1)?)
    })
}

/// Stores what the value `found`, which is in that of the handle, consists of.
///
/// # Safety
/// A non-null `places` has `count` of them, each NULL or with room for what the signature says; a non-null one ends with a zero.
unsafe fn unpack(
    handle: nnqi_value,
    view: &View,
    found: Value,
    signature: *const c_char,
    places: *const *mut c_void,
    count: usize,
) -> Result<()> {
    // SAFETY: the caller's promise.
    let (places, signature) = unsafe { (pointers::array(places, count)?, view::signature(signature)?) };
    let converted = convert(found, &signature).map_err(Failure::invalid)?;
    let mut found = Vec::new();
    parts(&signature, converted, &mut found);
    if found.iter().map(Part::places).sum::<usize>() != count {
        return Err(Failure::invalid(format!("{count} places do not fit {signature}")));
    }
    // What can fail comes first, so that nothing is stored then.
    let ready = found.into_iter().map(|part| part.kept(handle, view)).collect::<Result<Vec<_>>>()?;
    let mut places = places.iter().copied();
    for part in &ready {
        // SAFETY: there are as many as all parts have; the caller's promise.
        unsafe { part.store(&mut places) };
    }
    Ok(())
}

/// One thing that is stored.
enum Part {
    Plain(Value),
    /// A container, dynamic or object: what becomes a handle.
    Handle(Value),
}

/// The same, owned by whom it belongs to.
enum Ready {
    Plain(Value),
    Text(*const c_char),
    Raw(*const c_void, usize),
    Handle(nnqi_value),
}

fn parts(signature: &Signature, value: Value, into: &mut Vec<Part>) {
    match (signature.kind(), value) {
        (Kind::Void | Kind::Nothing | Kind::Unknown, _) => {}
        (Kind::Tuple(members), Value::Tuple(tuple)) => {
            members.iter().zip(tuple.members).for_each(|(member, value)| parts(member, value, into));
        }
        (_, value) => into.push(match value {
            Value::List(_) | Value::Map(_) | Value::Optional(_) | Value::Dynamic(_) | Value::Object(_) => {
                Part::Handle(value)
            }
            plain => Part::Plain(plain),
        }),
    }
}

impl Part {
    fn places(&self) -> usize {
        if matches!(self, Part::Plain(Value::Raw(_))) { 2 } else { 1 }
    }

    fn kept(self, handle: nnqi_value, view: &View) -> Result<Ready> {
        Ok(match self {
            Part::Plain(Value::String(text)) => Ready::Text(view::keep_text(handle, text.bytes())?),
            Part::Plain(Value::Raw(bytes)) => {
                let (start, len) = (bytes.as_ptr().cast(), bytes.len());
                view::keep_bytes(handle, bytes)?;
                Ready::Raw(start, len)
            }
            Part::Plain(plain) => Ready::Plain(plain),
            Part::Handle(value) => {
                let held = view.held().within(&value);
                Ready::Handle(view::add_with(value, held))
            }
        })
    }
}

impl Ready {
    /// # Safety
    /// The next place, or two, is NULL or leads to room for it.
    unsafe fn store(&self, places: &mut impl Iterator<Item = *mut c_void>) {
        let place = places.next().unwrap_or(std::ptr::null_mut());
        if place.is_null()
            && let Ready::Handle(handle) = self
        {
            // Nobody wants it.
            let _ = view::free(*handle);
        }
        // SAFETY: the caller's promise, for each.
        unsafe {
            match self {
                Ready::Plain(Value::Bool(found)) => put(place, c_int::from(*found)),
                Ready::Plain(Value::Int8(found)) => put(place, *found),
                Ready::Plain(Value::UInt8(found)) => put(place, *found),
                Ready::Plain(Value::Int16(found)) => put(place, *found),
                Ready::Plain(Value::UInt16(found)) => put(place, *found),
                Ready::Plain(Value::Int32(found)) => put(place, *found),
                Ready::Plain(Value::UInt32(found)) => put(place, *found),
                Ready::Plain(Value::Int64(found)) => put(place, *found),
                Ready::Plain(Value::UInt64(found)) => put(place, *found),
                Ready::Plain(Value::Float(found)) => put(place, *found),
                Ready::Plain(Value::Double(found)) => put(place, *found),
                Ready::Plain(_) => {}
                Ready::Text(text) => put(place, *text),
                Ready::Handle(handle) => put(place, *handle),
                Ready::Raw(start, len) => {
                    put(place, *start);
                    put(places.next().unwrap_or(std::ptr::null_mut()), *len);
                }
            }
        }
    }
}

/// # Safety
/// A non-null `place` has room for one.
unsafe fn put<T>(place: *mut c_void, found: T) {
    // SAFETY: the caller's promise. NULL is not wanted, and no error.
    let _ = unsafe { pointers::write(place.cast(), found) };
}

/// The text of a string as C has them, a zero behind it: nnqi_get_string with a copy that belongs to this handle of the value, and is
/// valid until it is freed or taken. Bytes behind a zero in it are not seen. Returns NULL with EBADF or EINVAL (it is no string). Any
/// thread. printf("%s\n", nnqi_get_text(answer)) (6)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_get_text(value: nnqi_value) -> *const c_char {
    boundary(|| {
        let view = view::looked_into(value)?;
        match view.value()? {
            Value::String(text) => view::keep_text(value, text.bytes()),
            other => Err(Failure::invalid(format!("a value of type {} where a string is wanted", other.signature()))),
        }
    })
}
