use std::ffi::{c_char, c_int, c_void};

use crate::capi::pointers;
use crate::qi::convert::convert;
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::{Text, Value};

use super::error::{Failure, Result, boundary};
use super::view::{self, Inner};

/// A value: immutable, and the caller's until it is freed (nnqi_free) or handed over to a call that says it takes it.
/// A handle is a number that is never given out twice. 0 is none. Whatever else is passed where a handle is wanted (one
/// that was freed, of another kind, made up), the call fails with EBADF. Any thread may read a value while others do.
pub type nnqi_value = u64;

/// A value of no type and no bytes, signature v: what methods without a result return. Never fails for want of
/// anything. Free it. Any thread. (6)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_void() -> nnqi_value {
    boundary(|| Ok(view::add(Value::Void)))
}

/// A bool, signature b: false for 0, else true. Free it. Any thread. (6)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_bool(flag: c_int) -> nnqi_value {
    boundary(|| Ok(view::add(Value::Bool(flag != 0))))
}

/// An integer of the type that the letter names: c C (8 bits) w W (16) i I (32) l L (64), small letters signed. Returns 0
/// with EINVAL (no such letter) or ERANGE (the type does not have this number). Free it. Any thread. (6)
/// Example: nnqi_value count = nnqi_int('i', 42);
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_int(letter: c_char, number: i64) -> nnqi_value {
    boundary(|| integer(letter, number.into()).map(view::add))
}

/// The same for numbers above those of int64_t. (6)
/// Example: nnqi_value mask = nnqi_uint('I', 0xffffffff);
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_uint(letter: c_char, number: u64) -> nnqi_value {
    boundary(|| integer(letter, number.into()).map(view::add))
}

fn integer(letter: c_char, number: i128) -> Result<Value> {
    fn fit<T: TryFrom<i128> + Into<Value>>(number: i128) -> Option<Value> {
        T::try_from(number).ok().map(Into::into)
    }
    let value = match letter as u8 {
        b'c' => fit::<i8>(number),
        b'C' => fit::<u8>(number),
        b'w' => fit::<i16>(number),
        b'W' => fit::<u16>(number),
        b'i' => fit::<i32>(number),
        b'I' => fit::<u32>(number),
        b'l' => fit::<i64>(number),
        b'L' => fit::<u64>(number),
        other => return Err(Failure::invalid(format!("'{}' is no type of integers", other.escape_ascii()))),
    };
    value.ok_or_else(|| Failure::range(format!("{number} is no {}", char::from(letter as u8))))
}

/// A number of 32 bits, signature f. Free it. Any thread. (6)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_float(number: f32) -> nnqi_value {
    boundary(|| Ok(view::add(Value::Float(number))))
}

/// A number of 64 bits, signature d. Free it. Any thread. (6)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_double(number: f64) -> nnqi_value {
    boundary(|| Ok(view::add(Value::Double(number))))
}

/// A string, signature s, of a text that ends with a zero, which is copied. Returns 0 with EFAULT if it is NULL. Free it.
/// Any thread. (6)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_text(text: *const c_char) -> nnqi_value {
    boundary(|| {
        if text.is_null() {
            return Err(crate::core::Error::FAULT.into());
        }
        // SAFETY: a non-null `text` ends with a zero.
        let bytes = unsafe { pointers::text(text) }?;
        Ok(view::add(Value::String(Text::from_bytes(view::copy(bytes)?))))
    })
}

/// A string, signature s, of len bytes, which are copied: usually UTF-8, but any will do. Returns 0 with EFAULT if bytes is
/// NULL although len is not 0. Free it. Any thread. (6)
/// Example: nnqi_value part = nnqi_string("hello world", 5);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_string(bytes: *const c_char, len: usize) -> nnqi_value {
    boundary(|| {
        // SAFETY: a non-null `bytes` has `len` bytes.
        let bytes = unsafe { pointers::bytes(bytes.cast(), len) }?;
        Ok(view::add(Value::String(Text::from_bytes(view::copy(bytes)?))))
    })
}

/// Raw data, signature r, of len bytes, which are copied. Returns 0 with EFAULT if bytes is NULL although len is not 0.
/// Free it. Any thread. (6)
/// Example: nnqi_value image = nnqi_raw(bytes, sizeof bytes);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_raw(bytes: *const c_void, len: usize) -> nnqi_value {
    boundary(|| {
        // SAFETY: a non-null `bytes` has `len` bytes.
        let bytes = unsafe { pointers::bytes(bytes, len) }?;
        Ok(view::add(Value::Raw(view::copy(bytes)?)))
    })
}

/// A list of count items, all converted to the element's signature. The items are taken: their handles are none from now
/// on, even if the call fails, so calls can be nested. Returns 0 with EFAULT (a pointer is NULL), EINVAL (signature, an
/// item that cannot be converted, too many values within each other) or EBADF (an item). Free it. Any thread. (6)
/// Example: nnqi_value list = nnqi_list("i", (nnqi_value[]){nnqi_int('i', 1), nnqi_int('i', 2)}, 2);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_list(element: *const c_char, items: *const nnqi_value, count: usize) -> nnqi_value {
    boundary(|| {
        // SAFETY: a non-null `items` has `count` handles.
        let taken = unsafe { view::take_all(items, count) };
        // SAFETY: a non-null `element` ends with a zero.
        let element = unsafe { view::signature(element) }?;
        let (items, inner) = taken?;
        let items = converted(items, "item", |_| Some(&element))?;
        view::add_around(Value::list(element, items), inner)
    })
}

/// A map of count entries: keys[i] belongs to values[i]. All are converted to the two signatures, and taken; errors as
/// of nnqi_list. The order is kept. Free it. Any thread. (6)
/// Example: nnqi_value map = nnqi_map("s", "i", (nnqi_value[]){nnqi_text("one")}, (nnqi_value[]){nnqi_int('i', 1)}, 1);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_map(
    key: *const c_char,
    value: *const c_char,
    keys: *const nnqi_value,
    values: *const nnqi_value,
    count: usize,
) -> nnqi_value {
    boundary(|| {
        // SAFETY: non-null `keys` and `values` have `count` handles each.
        let taken = unsafe { (view::take_all(keys, count), view::take_all(values, count)) };
        // SAFETY: non-null `key` and `value` end with a zero.
        let (key, value) = unsafe { (view::signature(key)?, view::signature(value)?) };
        let ((keys, of_keys), (values, of_values)) = (taken.0?, taken.1?);
        let keys = converted(keys, "key", |_| Some(&key))?;
        let values = converted(values, "value", |_| Some(&value))?;
        let entries = keys.into_iter().zip(values).collect();
        view::add_around(Value::map(key, value, entries), of_keys.and(of_values))
    })
}

/// A tuple of count members of the types they have: what methods and signals take as their arguments. The members are
/// taken; errors as of nnqi_list. Free it. Any thread. (6)
/// Example: nnqi_value arguments = nnqi_tuple((nnqi_value[]){nnqi_int('i', 1), nnqi_text("a")}, 2);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_tuple(members: *const nnqi_value, count: usize) -> nnqi_value {
    boundary(|| {
        // SAFETY: a non-null `members` has `count` handles.
        let (members, inner) = unsafe { view::take_all(members, count) }?;
        view::add_around(Value::tuple(members), inner)
    })
}

/// A tuple or struct of this signature, as (ii)<Point,x,y>; the members are converted to what it says, and taken. Errors as
/// of nnqi_list; it is EINVAL too if the signature is of no tuple with so many members. Free it. Any thread. (6)
/// Example: nnqi_value point = nnqi_struct("(ii)<Point,x,y>", (nnqi_value[]){nnqi_int('i', 1), nnqi_int('i', 2)}, 2);
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_struct(signature: *const c_char, members: *const nnqi_value, count: usize) -> nnqi_value {
    boundary(|| {
        // SAFETY: a non-null `members` has `count` handles.
        let taken = unsafe { view::take_all(members, count) };
        // SAFETY: a non-null `signature` ends with a zero.
        let signature = unsafe { view::signature(signature) }?;
        let (members, inner) = taken?;
        match signature.kind() {
            Kind::Tuple(types) if types.len() == members.len() => {}
            _ => return Err(Failure::invalid(format!("{signature} is no tuple of {count} members"))),
        }
        let members = converted(members, "member", |index| signature.members().get(index))?;
        view::add_around(Value::structure(signature, members), inner)
    })
}

/// An optional of this element signature: without a value if value is 0, else with that one, converted and taken. Errors as
/// of nnqi_list. Free it. Any thread. (6)
/// Example: nnqi_value nothing = nnqi_optional("i", 0), something = nnqi_optional("i", nnqi_int('i', 1));
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_optional(element: *const c_char, value: nnqi_value) -> nnqi_value {
    boundary(|| {
        let taken = if value == 0 { None } else { Some(view::take(value)) };
        // SAFETY: a non-null `element` ends with a zero.
        let element = unsafe { view::signature(element) }?;
        let Some(taken) = taken else { return view::add_around(Value::optional(element, None), Inner::default()) };
        let (value, inner) = taken?;
        let value = convert(value, &element).map_err(Failure::invalid)?;
        view::add_around(Value::optional(element, Some(value)), inner)
    })
}

/// The value with its type, signature m. It is taken. A dynamic is not wrapped again. Returns 0 with EBADF or EINVAL (too
/// many values within each other). Free it. Any thread. (6)
/// Example: nnqi_value anything = nnqi_dynamic(nnqi_text("a"));
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_dynamic(value: nnqi_value) -> nnqi_value {
    boundary(|| {
        let (value, inner) = view::take(value)?;
        view::add_around(value.into_dynamic(), inner)
    })
}

/// The value as one of another type, by the rules of the bus: numbers that fit, structs by the names of their fields, lists
/// item by item, dynamics by what is in them. value stays as it is. Returns 0 with EBADF, EFAULT (signature is NULL) or
/// EINVAL (signature, or no such conversion). Free it. Any thread. (19)
/// Example: nnqi_value wide = nnqi_convert(value, "d");
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_convert(value: nnqi_value, signature: *const c_char) -> nnqi_value {
    boundary(|| {
        let view = view::get(value)?;
        // SAFETY: a non-null `signature` ends with a zero.
        let signature = unsafe { view::signature(signature) }?;
        let converted = convert(view.value()?.clone(), &signature).map_err(Failure::invalid)?;
        let held = view.held().within(&converted);
        Ok(view::add_with(converted, held))
    })
}

/// A second handle for the same value, to be freed by itself. Copies nothing. Returns 0 with EBADF. Any thread. (6)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_copy(value: nnqi_value) -> nnqi_value {
    boundary(|| Ok(view::add_view(view::get(value)?)))
}

/// Frees a value; pointers that nnqi_get_string and nnqi_get_raw gave for this handle end with it. Other handles, even for
/// parts of it, do not. Returns 0, or -1 with EBADF: freeing twice is an error, and harmless. Any thread. (6)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_free(value: nnqi_value) -> c_int {
    boundary(|| view::free(value).map(|()| 0))
}

fn converted<'s>(values: Vec<Value>, what: &str, to: impl Fn(usize) -> Option<&'s Signature>) -> Result<Vec<Value>> {
    let one = |(index, value)| match to(index) {
        Some(to) => convert(value, to).map_err(|error| Failure::invalid(error).about(format_args!("{what} {index}"))),
        None => Ok(value),
    };
    values.into_iter().enumerate().map(one).collect()
}
