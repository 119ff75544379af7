//! Values behind handles: places within them, how deep they may be, and what is copied out.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::null;

use crate::qi::signature::Signature;
use crate::qi::value::Value;

use super::super::error::{Failure, boundary};
use super::super::read::nnqi_find;
use super::super::view::{self, Inner};

fn signature(text: &str) -> Signature {
    Signature::parse(text).unwrap()
}

fn numbers(all: impl IntoIterator<Item = i32>) -> Value {
    Value::list(signature("i"), all.into_iter().map(Value::Int32).collect())
}

fn errno(failure: Failure) -> c_int {
    failure.into_parts().0
}

#[test]
fn places_are_counted_as_c_counts_them() {
    let entries = vec![(Value::Int32(1), numbers([10])), (Value::Int32(2), numbers([20, 21]))];
    let map = view::get(view::add(Value::map(signature("i"), signature("[i]"), entries))).unwrap();
    assert_eq!(map.child(2).unwrap().value().unwrap(), &Value::Int32(2), "the second key");
    let second = map.child(3).unwrap();
    assert_eq!(second.value().unwrap(), &numbers([20, 21]));
    assert_eq!(second.child(1).unwrap().value().unwrap(), &Value::Int32(21));
    for missing in [map.child(4), second.child(2), second.child(0).unwrap().child(0)] {
        assert_eq!(missing.unwrap_err().to_string(), "there is no such item");
    }
    let nothing = view::get(view::add(Value::optional(signature("i"), None))).unwrap();
    assert!(nothing.child(0).is_err());
    let dynamic = view::get(view::add(Value::Int32(5).into_dynamic())).unwrap();
    assert_eq!(dynamic.child(0).unwrap().value().unwrap(), &Value::Int32(5));
    assert!(dynamic.child(1).is_err());
}

/// A place stays valid when the value that it is in has been freed, and can be taken by itself.
#[test]
fn a_place_outlives_its_value() {
    let whole = view::add(Value::tuple(vec![Value::Int32(1), numbers([2, 3])]));
    let part = view::add_view(view::get(whole).unwrap().child(1).unwrap());
    view::free(whole).unwrap();
    assert_eq!(errno(view::get(whole).unwrap_err()), libc::EBADF);
    let (value, _) = view::take(part).unwrap();
    assert_eq!(value, numbers([2, 3]));
    assert!(view::free(part).is_err(), "it has been taken");
}

#[test]
fn values_within_values_have_an_end() {
    let mut handle = view::add(Value::Int32(0));
    let mut levels = 0;
    let failure = loop {
        let (value, inner) = view::take(handle).unwrap();
        match view::add_around(Value::tuple(vec![value]), inner) {
            Ok(around) => handle = around,
            Err(failure) => break failure,
        }
        levels += 1;
        assert!(levels < 1000, "no end");
    };
    assert!(levels > 100, "{levels} levels are few");
    assert_eq!(failure.to_string(), "too many values within each other");
    assert_eq!(errno(failure), libc::EINVAL);
}

/// All of a call's items are gone afterwards, also when it fails: calls can be nested.
#[test]
fn items_are_taken_whatever_happens() {
    let handles = [view::add(Value::Int32(1)), 0, view::add(Value::Int32(3)), 0];
    let _: c_int = boundary(|| Err(Failure::invalid("the middle one")));
    // SAFETY: as many handles as there are.
    let failure = unsafe { view::take_all(handles.as_ptr(), handles.len()) }.unwrap_err();
    assert_eq!(failure.to_string(), "item 1: after \"the middle one\": 0 where a value is wanted");
    assert_eq!(errno(failure), libc::EBADF);
    assert!(view::get(handles[0]).is_err() && view::get(handles[2]).is_err());
    // SAFETY: NULL with a count is refused, NULL without one is no array.
    let (absent, none) = unsafe { (view::take_all(null(), 1), view::take_all(null(), 0)) };
    assert_eq!(errno(absent.unwrap_err()), libc::EFAULT);
    assert!(none.unwrap().0.is_empty());
}

#[test]
fn texts_are_copied_as_far_as_they_fit() {
    for (size, expected) in [(1, ""), (3, "to"), (5, "told"), (9, "told")] {
        let mut buffer = [b'x' as c_char; 9];
        // SAFETY: `size` bytes are in the buffer.
        let length = unsafe { view::copy_text(b"told", buffer.as_mut_ptr(), size) }.unwrap();
        assert_eq!(length, 4, "the whole length, always");
        // SAFETY: a zero was written.
        assert_eq!(unsafe { CStr::from_ptr(buffer.as_ptr()) }.to_str().unwrap(), expected);
        assert!(
            buffer[expected.len() + 1..].iter().all(|left| *left == b'x' as c_char),
            "nothing behind it is touched"
        );
    }
    // SAFETY: no byte is written without room; NULL is refused.
    let (length, refused) = unsafe {
        let null = std::ptr::null_mut();
        (view::copy_text(b"told", null, 0), view::copy_text(b"told", null, 5))
    };
    assert_eq!(length.unwrap(), 4);
    assert_eq!(errno(refused.unwrap_err()), libc::EFAULT);
}

#[test]
fn bytes_are_copied_whole_or_not_at_all() {
    let mut buffer = [7u8; 4];
    // SAFETY: as many bytes as are said.
    let [short, enough] = [3, 4].map(|size| unsafe { view::copy_bytes(b"abcd", buffer.as_mut_ptr().cast(), size) });
    assert_eq!((short.unwrap(), enough.unwrap()), (4, 4));
    assert_eq!(&buffer, b"abcd");
    let mut buffer = [7u8; 4];
    // SAFETY: as many bytes as are said.
    assert_eq!(unsafe { view::copy_bytes(b"abcd", buffer.as_mut_ptr().cast(), 3) }.unwrap(), 4);
    assert_eq!(buffer, [7; 4]);
    // SAFETY: NULL is refused, also where nothing would be copied.
    let refused = unsafe { view::copy_bytes(b"abcd", std::ptr::null_mut(), 3) };
    assert_eq!(errno(refused.unwrap_err()), libc::EFAULT);
}

#[test]
fn texts_from_c_are_looked_at() {
    let array = [c"one".as_ptr(), c"two".as_ptr(), null(), c"never read".as_ptr()];
    // SAFETY: texts that end with a zero, an array that ends with NULL.
    unsafe {
        assert_eq!(view::texts_to_null(array.as_ptr()).unwrap(), ["one", "two"]);
        assert!(view::texts_to_null(null()).unwrap().is_empty());
        assert_eq!(view::texts(array.as_ptr(), 2).unwrap(), ["one", "two"]);
        assert_eq!(errno(view::texts(array.as_ptr(), 3).unwrap_err()), libc::EFAULT);
        assert_eq!(errno(view::utf8(null()).unwrap_err()), libc::EFAULT);
        assert_eq!(view::utf8(c"\xff".as_ptr()).unwrap_err().to_string(), "a text that is not UTF-8");
        assert_eq!(view::signature(null()).unwrap_err().to_string(), "the signature is NULL");
        assert!(view::signature(c"(i".as_ptr()).unwrap_err().to_string().starts_with("bad signature: "));
        assert_eq!(view::signature(c"[s]".as_ptr()).unwrap(), signature("[s]"));
    }
}

#[test]
fn objects_without_a_connection_have_no_proxy() {
    let inner = Inner::default();
    assert_eq!(inner.held.proxy(&Value::Int32(1)).unwrap_err().to_string(), "a value that is no object");
    assert!(inner.held.refuse().is_ok());
    let (value, objects) = inner.held.to_be_sent(numbers([1])).unwrap();
    assert!(objects.is_empty());
    assert_eq!(value, numbers([1]));
}

/// Each call makes a copy of the place: a walk through a large map was quadratic, since a copy had all texts that C had got so far.
#[test]
fn what_c_points_into_is_kept_by_the_handle_alone() {
    let handle = view::add(numbers([1, 2]));
    assert_eq!(view::kept_texts(handle), 0);
    let text = view::keep_text(handle, b"one").unwrap();
    view::keep_text(handle, b"two").unwrap();
    assert_eq!(view::kept_texts(handle), 2);
    let copy = view::add_view(view::get(handle).unwrap());
    assert_eq!(view::kept_texts(copy), 0);
    view::free(copy).unwrap();
    // SAFETY: the handle is still one.
    assert_eq!(unsafe { CStr::from_ptr(text) }, c"one");
    view::free(handle).unwrap();
}

fn found(handle: u64, name: &str) -> Option<Value> {
    let name = CString::new(name).unwrap();
    // SAFETY: a text that ends with a zero.
    let found = unsafe { nnqi_find(handle, name.as_ptr()) };
    (found != 0).then(|| view::take(found).unwrap().0)
}

/// To look through all names for each took time in their square: now through none, once it is noted where they are.
#[test]
fn where_many_names_are_is_noted_once() {
    for count in [3, 4000] {
        let names: Vec<_> = (0..count).map(|number| format!("f{number}")).collect();
        let fields = format!("({})<S,{}>", "i".repeat(count), names.join(","));
        let structure = Value::structure(signature(&fields), (0..count as i32).map(Value::Int32).collect());
        let entries = |key: fn(&String) -> Value| names.iter().map(key).zip((0..).map(Value::Int32)).collect();
        let mut plain: Vec<(Value, Value)> = entries(|name| name.as_str().into());
        plain.push(("f0".into(), Value::Int32(-1)));
        let dynamic = entries(|name| Value::from(name.as_str()).into_dynamic());
        let maps = [("s", plain), ("m", dynamic)].map(|(key, all)| Value::map(signature(key), signature("i"), all));
        let [plain, dynamic] = maps;
        for value in [structure, plain, dynamic.clone(), dynamic.into_dynamic()] {
            let handle = view::add(value);
            for number in [count - 1, 0, count / 2] {
                assert_eq!(found(handle, &names[number]), Some(Value::Int32(number as i32)));
                assert_eq!(view::has_places(handle), count > 16);
            }
            assert_eq!(found(handle, "nobody"), None);
            // What is in it has names of its own.
            let item = view::add_view(view::looked_into(handle).unwrap().child(0).unwrap());
            assert!(!view::has_places(item));
            [item, handle].into_iter().for_each(|handle| view::free(handle).unwrap());
        }
    }
}
