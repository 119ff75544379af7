//! Values as handles hold them: a whole value, or a place within one. Reading copies nothing.

use std::ffi::{CString, c_char, c_void};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use smallvec::SmallVec;

use crate::capi::pointers;
use crate::core::Error;
use crate::qi::client::Received;
use crate::qi::signature::Signature;
use crate::qi::value::{Dynamic, Value};
use crate::sys::memory;

use super::error::{Failure, Result};
use super::handles::{Handles, Kind};
use super::held::Held;
use super::places::{Places, find_among_few};

/// Values within each other that C may build, at most: dropping and cloning go down as deep. What is read off the wire
/// has its own limit, which is lower.
const MAX_DEPTH: u32 = 256;

static VALUES: LazyLock<Handles<View>> = LazyLock::new(|| Handles::new(Kind::Value));

#[derive(Clone, Debug)]
pub struct View {
    root: Arc<Value>,
    /// Values within each other in the root.
    depth: u32,
    /// From the root: which child, which child of that, ...
    path: SmallVec<[usize; 3]>,
    held: Held,
    /// What is inside of the bytes of a dynamic, once somebody has looked.
    inside: Option<Arc<View>>,
    /// Where its names are, if it has many and somebody has looked for one.
    places: Option<Arc<Places>>,
    kept: KeptHere,
}

/// What C has been given pointers into, beside the value itself, as long as the handle is one. Copies of the view, of which every call makes one,
/// keep nothing: with a text of each entry of a large map they would cost more than all else.
#[derive(Debug, Default)]
struct KeptHere(Vec<Kept>);

impl Clone for KeptHere {
    fn clone(&self) -> KeptHere {
        KeptHere::default()
    }
}

/// It is never looked at again.
#[derive(Debug)]
enum Kept {
    Text(#[expect(dead_code, reason = "kept for a pointer of C's")] Arc<CString>),
    Bytes(#[expect(dead_code, reason = "kept for a pointer of C's")] Bytes),
}

/// What values bring along to one that is around them.
#[derive(Debug, Default)]
pub struct Inner {
    /// Values within each other, of the deepest.
    depth: u32,
    pub held: Held,
}

impl Inner {
    #[must_use]
    pub fn and(self, other: Inner) -> Inner {
        Inner { depth: self.depth.max(other.depth), held: self.held.and(other.held) }
    }
}

impl View {
    /// Of a whole value.
    fn of(root: Arc<Value>, held: Held) -> View {
        let depth = depth(&root);
        View { depth, ..View::flat(root, held) }
    }

    /// Of one that holds no others, or whose depth is said otherwise.
    fn flat(root: Arc<Value>, held: Held) -> View {
        View { root, depth: 1, path: SmallVec::new(), held, inside: None, places: None, kept: KeptHere::default() }
    }

    /// The value at this place.
    pub fn value(&self) -> Result<&Value> {
        let walked = self.path.iter().try_fold(&*self.root, |value, step| child(value, *step));
        walked.ok_or_else(|| Failure::invalid("a place that is not in its value"))
    }

    /// The place of a child of the value.
    pub fn child(&self, step: usize) -> Result<View> {
        if child(self.value()?, step).is_none() {
            return Err(Failure::invalid("there is no such item"));
        }
        let mut view = View { inside: None, places: None, ..self.clone() };
        view.path.push(step);
        Ok(view)
    }

    /// The objects in it.
    pub fn held(&self) -> &Held {
        &self.held
    }

    fn into_value(self) -> Result<(Value, Inner)> {
        let depth = self.depth.saturating_sub(self.path.len() as u32).max(1);
        if self.path.is_empty() {
            return Ok((Arc::unwrap_or_clone(self.root), Inner { depth, held: self.held }));
        }
        let value = self.value()?.clone();
        let held = self.held.within(&value);
        Ok((value, Inner { depth, held }))
    }
}

/// Items count from 0; of a map, keys have even numbers and their values the odd ones that follow.
fn child(value: &Value, step: usize) -> Option<&Value> {
    match value {
        Value::List(list) => list.items.get(step),
        Value::Tuple(tuple) => tuple.members.get(step),
        Value::Map(map) => {
            map.entries.get(step / 2).map(|(key, value)| if step.is_multiple_of(2) { key } else { value })
        }
        Value::Optional(optional) => optional.value.as_ref().filter(|_| step == 0),
        Value::Dynamic(dynamic) => dynamic.decoded_value().filter(|_| step == 0),
        _ => None,
    }
}

/// Values within each other, this one included. The bytes of a dynamic that nobody has looked into count as one.
fn depth(value: &Value) -> u32 {
    let deepest = |values: &mut dyn Iterator<Item = &Value>| values.map(depth).max().unwrap_or(0);
    1 + match value {
        Value::List(list) => deepest(&mut list.items.iter()),
        Value::Tuple(tuple) => deepest(&mut tuple.members.iter()),
        Value::Map(map) => deepest(&mut map.entries.iter().flat_map(|(key, value)| [key, value])),
        Value::Optional(optional) => deepest(&mut optional.value.iter()),
        Value::Dynamic(dynamic) => deepest(&mut dynamic.decoded_value().into_iter()),
        _ => 0,
    }
}

/// What C passes, copied; `ENOMEM`.
pub fn copy(bytes: &[u8]) -> Result<Bytes> {
    if memory::is_there(bytes.len()) { Ok(Bytes::copy_from_slice(bytes)) } else { Err(Error::NO_MEMORY.into()) }
}

/// A handle for a value that was not built by C, or is flat.
pub fn add(value: Value) -> u64 {
    add_with(value, Held::default())
}

/// The same with the objects in it.
pub fn add_with(value: Value, held: Held) -> u64 {
    VALUES.add(View::of(Arc::new(value), held))
}

/// A handle for a tuple that others have, too, or for a member of it, with the objects in that.
pub fn add_shared(tuple: &Arc<Value>, member: Option<usize>, held: Held) -> u64 {
    let mut view = View::of(Arc::clone(tuple), held);
    view.path.extend(member);
    VALUES.add(view)
}

/// A handle for a value from a peer, which keeps the objects in it.
pub fn add_received(received: Received) -> u64 {
    let held = Held::received(&received);
    add_with(received.into_value(), held)
}

/// A handle for a value around others; refused if it is too deep.
pub fn add_around(value: Value, inner: Inner) -> Result<u64> {
    // Converting may have wrapped a level in dynamics: each level counts as two.
    let depth = inner.depth + 2;
    if depth > MAX_DEPTH {
        return Err(Failure::invalid("too many values within each other"));
    }
    Ok(VALUES.add(View { depth, ..View::flat(Arc::new(value), inner.held) }))
}

/// A handle for a place.
pub fn add_view(view: View) -> u64 {
    VALUES.add(view)
}

/// What is inside of a dynamic. Bytes are decoded now; what is in them are views of the same bytes.
pub fn content(view: &View, dynamic: &Dynamic) -> Result<View> {
    if dynamic.decoded_value().is_some() {
        return view.child(0);
    }
    let value = dynamic.value().map_err(Failure::invalid)?.into_owned();
    Ok(View::of(Arc::new(value), Held::default()))
}

pub fn get(handle: u64) -> Result<View> {
    VALUES.get(handle)
}

/// The value of a handle, or what is inside if it is a dynamic: decoded once, however often C asks.
pub fn looked_into(handle: u64) -> Result<View> {
    let mut view = get(handle)?;
    if let Some(inside) = view.inside {
        return Ok(View::clone(&inside));
    }
    let mut decoded = false;
    while let Value::Dynamic(dynamic) = view.value()? {
        decoded |= dynamic.decoded_value().is_none();
        view = content(&view, dynamic)?;
    }
    if decoded {
        let inside = Arc::new(view.clone());
        VALUES.change(handle, |view| view.inside = Some(inside))?;
    }
    Ok(view)
}

/// The place of a struct's field, or of a map's value, by its name; `None`: it has none. Where many names are is noted once, however often C asks.
pub fn find(handle: u64, view: &View, name: &str) -> Result<Option<usize>> {
    let noted = get(handle)?.places;
    let places = match noted {
        Some(places) => places,
        None => match Places::of_many(view.value()?).map(Arc::new) {
            Some(places) => {
                VALUES.change(handle, |view| view.places = Some(Arc::clone(&places)))?;
                places
            }
            None => return Ok(find_among_few(view.value()?, name)),
        },
    };
    Ok(places.find(name))
}

/// Whether it is noted where the names are.
#[cfg(test)]
pub fn has_places(handle: u64) -> bool {
    get(handle).is_ok_and(|view| view.places.is_some())
}

/// Keeps a text for C as long as the handle is one.
pub fn keep_text(handle: u64, text: &[u8]) -> Result<*const c_char> {
    if !memory::is_there(text.len()) {
        return Err(Error::NO_MEMORY.into());
    }
    let text = Arc::new(c_text(text));
    let start = text.as_ptr();
    VALUES.change(handle, |view| view.kept.0.push(Kept::Text(text)))?;
    Ok(start)
}

/// Keeps bytes.
pub fn keep_bytes(handle: u64, bytes: Bytes) -> Result<()> {
    VALUES.change(handle, |view| view.kept.0.push(Kept::Bytes(bytes)))
}

/// How many texts and bytes a handle keeps for C.
#[cfg(test)]
pub fn kept_texts(handle: u64) -> usize {
    let mut count = 0;
    VALUES.change(handle, |view| count = view.kept.0.len()).unwrap();
    count
}

pub fn free(handle: u64) -> Result<()> {
    VALUES.remove(handle).map(drop)
}

/// The value of a handle, which is none from now on, and what it brings along.
pub fn take(handle: u64) -> Result<(Value, Inner)> {
    VALUES.remove(handle).and_then(View::into_value)
}

/// The values of several handles, which are none from now on, whatever happens; and what they bring along.
///
/// # Safety
/// A non-null `handles` has `count` handles that nobody writes meanwhile.
pub unsafe fn take_all(handles: *const u64, count: usize) -> Result<(Vec<Value>, Inner)> {
    // SAFETY: the caller's promise.
    let handles = unsafe { pointers::array(handles, count) }?;
    let mut all = Inner::default();
    let mut values = Vec::new();
    let mut failed = None;
    for (index, handle) in handles.iter().enumerate() {
        match take(*handle) {
            Ok((value, inner)) => {
                all = all.and(inner);
                values.push(value);
            }
            Err(failure) => failed = failed.or(Some(failure.about(format_args!("item {index}")))),
        }
    }
    failed.map_or(Ok((values, all)), Err)
}

/// A signature from a text that ends with a zero.
///
/// # Safety
/// A non-null `text` ends with a zero byte and nobody writes to it meanwhile.
pub unsafe fn signature(text: *const c_char) -> Result<Signature> {
    if text.is_null() {
        return Err(Failure::new(Error::FAULT, "the signature is NULL"));
    }
    // SAFETY: the caller's promise.
    let text = unsafe { pointers::text(text) }?;
    Signature::parse(text).map_err(|error| Failure::invalid(error).about("bad signature"))
}

/// UTF-8 from a text that ends with a zero.
///
/// # Safety
/// As [`signature`]; for `'a`.
pub unsafe fn utf8<'a>(text: *const c_char) -> Result<&'a str> {
    if text.is_null() {
        return Err(Error::FAULT.into());
    }
    // SAFETY: the caller's promise.
    let text = unsafe { pointers::text(text) }?;
    str::from_utf8(text).map_err(|_| Failure::invalid("a text that is not UTF-8"))
}

/// Several of them.
///
/// # Safety
/// A non-null `texts` has `count` pointers; those that are not NULL as of [`signature`]; for `'a`.
pub unsafe fn texts<'a>(texts: *const *const c_char, count: usize) -> Result<Vec<&'a str>> {
    // SAFETY: the caller's promise.
    let texts = unsafe { pointers::array(texts, count) }?;
    // SAFETY: the caller's promise.
    texts.iter().map(|text| unsafe { utf8(*text) }).collect()
}

/// The texts of an array that ends with NULL; none if there is no array.
///
/// # Safety
/// A non-null `texts` has pointers up to one that is NULL; the others as of [`signature`]; for `'a`.
pub unsafe fn texts_to_null<'a>(texts: *const *const c_char) -> Result<Vec<&'a str>> {
    let mut all = Vec::new();
    while !texts.is_null() {
        // SAFETY: none of those before it is NULL, so it is one of the array's.
        let text = unsafe { pointers::read(texts.add(all.len()), Error::FAULT) }?;
        if text.is_null() {
            break;
        }
        // SAFETY: the caller's promise.
        all.push(unsafe { utf8(text) }?);
    }
    Ok(all)
}

/// Copies a text to C's buffer, as much as fits, and a zero behind it; returns how long the text is without it.
///
/// # Safety
/// A non-null `buffer` has room for `size` bytes.
pub unsafe fn copy_text(text: &[u8], buffer: *mut c_char, size: usize) -> Result<i64> {
    let Some(room) = size.checked_sub(1) else { return Ok(text.len() as i64) };
    let fitting = &text[..text.len().min(room)];
    // SAFETY: at most `room` bytes; the caller's promise.
    unsafe { pointers::store(buffer.cast(), fitting) }?;
    // SAFETY: `fitting` is shorter than `size`, so the byte behind it is in the buffer, and if `buffer` is NULL, so is
    // the address: refused here.
    unsafe { pointers::write(if buffer.is_null() { buffer } else { buffer.add(fitting.len()) }, 0) }?;
    Ok(text.len() as i64)
}

/// Copies bytes to C's buffer if all of them fit; returns how many there are.
///
/// # Safety
/// A non-null `buffer` has room for `size` bytes.
pub unsafe fn copy_bytes(bytes: &[u8], buffer: *mut c_void, size: usize) -> Result<i64> {
    if buffer.is_null() && size > 0 {
        return Err(Error::FAULT.into());
    }
    if bytes.len() <= size {
        // SAFETY: they fit; the caller's promise.
        unsafe { pointers::store(buffer, bytes) }?;
    }
    Ok(bytes.len() as i64)
}

/// A text as C has them: up to a zero in it.
pub fn c_text(bytes: &[u8]) -> CString {
    CString::new(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).unwrap_or_default()
}

/// A number of any type.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(number) => Some(f64::from(*number)),
        Value::Double(number) => Some(*number),
        other => other.integer().map(|number| number as f64),
    }
}
