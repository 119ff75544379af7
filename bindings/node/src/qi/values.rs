//! Values of JavaScript as values of the bus, and back.

use std::ptr;
use std::rc::Rc;

use nanomsg::qi::bus::Objects;
use nanomsg::qi::client::Proxy;
use nanomsg::qi::client::Received;
use nanomsg::qi::convert::convert;
use nanomsg::qi::server::Object;
use nanomsg::qi::signature::{Kind, Signature};
use nanomsg::qi::value::{Map, Value};
use napi::bindgen_prelude::{ClassInstance, FromNapiValue, ToNapiValue};
use napi::sys;

use super::Hooks;
use super::object::NativeObject;
use super::outcome::{Outcome, check, fail, failure, unfit};
use super::proxy::NativeProxy;
use crate::buffers::{self, Raw};
use crate::hub::Core;

/// Containers within each other, at most; what a peer would refuse. It also ends arrays that contain themselves.
const MAX_DEPTH: u32 = 60;

/// Integers up to here are the same as numbers of JavaScript.
const MAX_SAFE: i64 = (1 << 53) - 1;

/// What `represent` in `lib/qi` says that an object is.
mod kind {
    pub const OBJECT: i64 = 0;
    pub const PROXY: i64 = 1;
    pub const TYPED: i64 = 2;
    pub const MAP: i64 = 3;
    pub const TUPLE: i64 = 4;
}

/// What `make` in `lib/qi` makes.
const MAKE_PROXY: i32 = 0;
const MAKE_MAP: i32 = 1;

pub fn hooks(core: &Core) -> Outcome<&Hooks> {
    core.hooks.get().ok_or_else(|| fail("ERR_QI", "millrace-nanomsg/qi is not loaded"))
}

/// The text of a string.
pub fn text(core: &Core, string: sys::napi_value) -> Outcome<String> {
    let (env, mut length) = (core.env().raw(), 0);
    // SAFETY: a string of this environment; the second call writes at most what the buffer has, with a zero at the end.
    let bytes = unsafe {
        check(sys::napi_get_value_string_utf8(env, string, ptr::null_mut(), 0, &mut length))?;
        let mut bytes = vec![0_u8; length + 1];
        check(sys::napi_get_value_string_utf8(env, string, bytes.as_mut_ptr().cast(), bytes.len(), &mut length))?;
        bytes.truncate(length);
        bytes
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The elements of an array.
fn elements(core: &Core, array: sys::napi_value) -> Outcome<Vec<sys::napi_value>> {
    let (env, mut length) = (core.env().raw(), 0);
    // SAFETY: an array of this environment; the places are ours.
    check(unsafe { sys::napi_get_array_length(env, array, &mut length) })?;
    let element = |index| {
        let mut value = ptr::null_mut();
        // SAFETY: as above.
        check(unsafe { sys::napi_get_element(env, array, index, &mut value) }).map(|()| value)
    };
    (0..length).map(element).collect()
}

/// From JavaScript. Gathers the objects of ours that the value refers to.
pub struct Encoder<'a> {
    core: &'a Core,
    pub objects: Vec<Object>,
    /// About as many as the value has on the wire.
    pub bytes: usize,
    depth: u32,
}

impl<'a> Encoder<'a> {
    pub fn new(core: &'a Core) -> Encoder<'a> {
        Encoder { core, objects: Vec::new(), bytes: 0, depth: 0 }
    }

    fn env(&self) -> sys::napi_env {
        self.core.env().raw()
    }

    /// The arguments of a call: an array.
    pub fn arguments(&mut self, array: sys::napi_value) -> Outcome<Vec<Value>> {
        elements(self.core, array)?.into_iter().map(|argument| self.value(argument)).collect()
    }

    /// A value with the type that it has in JavaScript: whole numbers are `l`, others `d`, bytes `r`, an array is a list of the type
    /// that all its elements have, or of `m`.
    pub fn value(&mut self, value: sys::napi_value) -> Outcome<Value> {
        use sys::ValueType as Type;
        self.bytes += 16;
        let (env, mut ty) = (self.env(), 0);
        // SAFETY: a value of this environment, of the type that is asked for; the places are ours.
        unsafe {
            check(sys::napi_typeof(env, value, &mut ty))?;
            Ok(match ty {
                Type::napi_undefined | Type::napi_null => Value::Void,
                Type::napi_boolean => {
                    let mut truth = false;
                    check(sys::napi_get_value_bool(env, value, &mut truth))?;
                    Value::Bool(truth)
                }
                Type::napi_number => {
                    let mut number = 0.0;
                    check(sys::napi_get_value_double(env, value, &mut number))?;
                    number_of(number)
                }
                Type::napi_bigint => self.bigint(value)?,
                Type::napi_string => {
                    let text = text(self.core, value)?;
                    self.bytes += text.len();
                    Value::from(text)
                }
                Type::napi_object => return self.object(value),
                Type::napi_function => return Err(unfit("a function cannot be sent over the bus")),
                _ => return Err(unfit("a symbol cannot be sent over the bus")),
            })
        }
    }

    fn bigint(&self, value: sys::napi_value) -> Outcome<Value> {
        let (mut signed, mut unsigned, mut whole) = (0, 0, false);
        // SAFETY: a bigint of this environment; the places are ours.
        unsafe {
            check(sys::napi_get_value_bigint_int64(self.env(), value, &mut signed, &mut whole))?;
            if whole {
                return Ok(Value::Int64(signed));
            }
            check(sys::napi_get_value_bigint_uint64(self.env(), value, &mut unsigned, &mut whole))?;
        }
        match whole {
            true => Ok(Value::UInt64(unsigned)),
            false => Err(unfit("the bus has integers of 64 bits; this one is larger")),
        }
    }

    fn object(&mut self, value: sys::napi_value) -> Outcome<Value> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(unfit("too many values within each other"));
        }
        let encoded = self.compound(value)?;
        self.depth -= 1;
        Ok(encoded)
    }

    fn is(&self, value: sys::napi_value, ask: IsType) -> Outcome<bool> {
        let mut is = false;
        // SAFETY: a value of this environment; the place is ours.
        check(unsafe { ask(self.env(), value, &mut is) }).map(|()| is)
    }

    fn compound(&mut self, value: sys::napi_value) -> Outcome<Value> {
        if self.is(value, sys::napi_is_array)? {
            return self.list(value);
        }
        if self.is(value, sys::napi_is_typedarray)? {
            return self.typed_array(value);
        }
        if self.is(value, sys::napi_is_arraybuffer)? {
            let (mut data, mut length) = (ptr::null_mut(), 0);
            // SAFETY: an ArrayBuffer of this environment; the places are ours.
            check(unsafe { sys::napi_get_arraybuffer_info(self.env(), value, &mut data, &mut length) })?;
            return Ok(self.raw(data.cast(), length));
        }
        if self.is_plain(value)? {
            return self.record(value);
        }
        self.represented(value)
    }

    fn list(&mut self, array: sys::napi_value) -> Outcome<Value> {
        let (element, items) = unify(self.arguments(array)?);
        Ok(Value::list(element, items))
    }

    fn raw(&mut self, data: *const u8, length: usize) -> Value {
        self.bytes += length;
        // SAFETY: both are of a buffer of this environment, which stays as it is until JavaScript runs again.
        let bytes = if length == 0 { &[][..] } else { unsafe { std::slice::from_raw_parts(data, length) } };
        Value::Raw(bytes.to_vec().into())
    }

    fn typed_array(&mut self, array: sys::napi_value) -> Outcome<Value> {
        use sys::TypedarrayType as Type;
        let (mut ty, mut length, mut data) = (0, 0, ptr::null_mut());
        // SAFETY: a typed array of this environment; the places are ours, and what is not wanted is null.
        check(unsafe {
            sys::napi_get_typedarray_info(
                self.env(),
                array,
                &mut ty,
                &mut length,
                &mut data,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        })?;
        match ty {
            Type::uint8_array | Type::uint8_clamped_array => Ok(self.raw(data.cast(), length)),
            Type::float32_array => self.numbers(array, Kind::Float),
            Type::float64_array => self.numbers(array, Kind::Double),
            Type::int8_array => self.numbers(array, Kind::Int8),
            Type::int16_array => self.numbers(array, Kind::Int16),
            Type::uint16_array => self.numbers(array, Kind::UInt16),
            Type::int32_array => self.numbers(array, Kind::Int32),
            Type::uint32_array => self.numbers(array, Kind::UInt32),
            Type::bigint64_array => self.numbers(array, Kind::Int64),
            _ => self.numbers(array, Kind::UInt64),
        }
    }

    /// The elements of a typed array as a list of this type.
    fn numbers(&mut self, array: sys::napi_value, element: Kind) -> Outcome<Value> {
        let (env, mut length, mut key) = (self.env(), 0.0, ptr::null_mut());
        // SAFETY: an object of this environment; the places are ours.
        unsafe {
            check(sys::napi_get_named_property(env, array, c"length".as_ptr(), &mut key))?;
            check(sys::napi_get_value_double(env, key, &mut length))?;
        }
        let element: Signature = element.into();
        let item = |index| {
            let mut value = ptr::null_mut();
            // SAFETY: as above.
            check(unsafe { sys::napi_get_element(env, array, index, &mut value) })?;
            let value = self.value(value)?;
            convert(value, &element).map_err(|error| unfit(error.to_string()))
        };
        let items = (0..length as u32).map(item).collect::<Outcome<_>>()?;
        Ok(Value::list(element, items))
    }

    /// It was written as `{…}`, in whatever realm (a `vm` context, as of Jest, has an `Object.prototype` of its own), or has no prototype.
    fn is_plain(&self, value: sys::napi_value) -> Outcome<bool> {
        let (env, mut prototype, mut ty) = (self.env(), value, 0);
        for _ in 0..2 {
            // SAFETY: an object of this environment, or the prototype of one; the places are ours.
            unsafe {
                check(sys::napi_get_prototype(env, prototype, &mut prototype))?;
                check(sys::napi_typeof(env, prototype, &mut ty))?;
            }
            if ty == sys::ValueType::napi_null {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A map from the names of its properties. As in JSON, what is undefined is left out.
    fn record(&mut self, object: sys::napi_value) -> Outcome<Value> {
        let (env, mut names) = (self.env(), ptr::null_mut());
        // SAFETY: an object of this environment; the places are ours.
        check(unsafe {
            let filter = sys::KeyFilter::enumerable | sys::KeyFilter::skip_symbols;
            let (own, strings) = (sys::KeyCollectionMode::own_only, sys::KeyConversion::numbers_to_strings);
            sys::napi_get_all_property_names(env, object, own, filter, strings, &mut names)
        })?;
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for name in elements(self.core, names)? {
            let (mut value, mut ty) = (ptr::null_mut(), 0);
            // SAFETY: as above.
            unsafe {
                check(sys::napi_get_property(env, object, name, &mut value))?;
                check(sys::napi_typeof(env, value, &mut ty))?;
            }
            if ty != sys::ValueType::napi_undefined {
                keys.push(self.value(name)?);
                values.push(self.value(value)?);
            }
        }
        let (value, values) = unify(values);
        Ok(Value::map(Kind::String.into(), value, keys.into_iter().zip(values).collect()))
    }

    /// An object that is no plain one: `lib` says what stands for it.
    fn represented(&mut self, value: sys::napi_value) -> Outcome<Value> {
        let env = self.env();
        let (mut function, mut this, mut answer) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: a reference that is kept, and values of this environment; the places are ours.
        unsafe {
            check(sys::napi_get_reference_value(env, hooks(self.core)?.represent, &mut function))?;
            check(sys::napi_get_undefined(env, &mut this))?;
            check(sys::napi_call_function(env, this, function, 1, &value, &mut answer))?;
        }
        let parts = elements(self.core, answer)?;
        let mut what = -1;
        // SAFETY: as above; `lib` gives a number, and behind it what belongs to it.
        unsafe { check(sys::napi_get_value_int64(env, parts[0], &mut what))? };
        match what {
            kind::OBJECT => {
                // SAFETY: `lib` has made it.
                let object = unsafe { ClassInstance::<NativeObject>::from_napi_value(env, parts[1]) };
                let object = object.map_err(|error| unfit(error.reason.clone()))?.object().clone();
                Ok(self.reference(&object))
            }
            kind::PROXY => {
                // SAFETY: as above.
                let proxy = unsafe { ClassInstance::<NativeProxy>::from_napi_value(env, parts[1]) };
                let proxy = proxy.map_err(|error| unfit(error.reason.clone()))?;
                let object = proxy.proxy().forwarded().map_err(|error| failure(&error))?;
                Ok(self.reference(&object))
            }
            kind::TYPED => {
                let signature = text(self.core, parts[1])?;
                let ty = Signature::parse(&signature).map_err(|error| unfit(format!("{signature}: {error}")))?;
                self.typed(parts[2], &ty)
            }
            kind::MAP => {
                let flat = self.arguments(parts[1])?;
                let (mut keys, mut values) = (Vec::new(), Vec::new());
                for (index, value) in flat.into_iter().enumerate() {
                    if index % 2 == 0 { &mut keys } else { &mut values }.push(value);
                }
                let ((key, keys), (value, values)) = (unify(keys), unify(values));
                Ok(Value::map(key, value, keys.into_iter().zip(values).collect()))
            }
            kind::TUPLE => Ok(Value::tuple(self.arguments(parts[1])?)),
            _ => Err(unfit("this cannot be sent over the bus")),
        }
    }

    fn reference(&mut self, object: &Object) -> Value {
        self.objects.push(object.clone());
        object.to_value()
    }

    /// A value of this type.
    pub fn typed(&mut self, value: sys::napi_value, to: &Signature) -> Outcome<Value> {
        convert(self.value(value)?, to).map_err(|error| unfit(error.to_string()))
    }
}

type IsType = unsafe extern "C" fn(sys::napi_env, sys::napi_value, *mut bool) -> sys::napi_status;

/// A number that has no fraction is an integer, but for those that no integer is.
fn number_of(number: f64) -> Value {
    let whole = number as i64;
    let is_whole = whole as f64 == number && whole.abs() <= MAX_SAFE && !(number == 0.0 && number.is_sign_negative());
    if is_whole { Value::Int64(whole) } else { Value::Double(number) }
}

/// The common type of the items; if they have none, `m`, and all of them in it. Whole numbers among others are such numbers.
fn unify(items: Vec<Value>) -> (Signature, Vec<Value>) {
    let Some(first) = items.first().map(Value::signature) else { return (Kind::Dynamic.into(), items) };
    if items[1..].iter().all(|item| item.signature() == first) {
        return (first, items);
    }
    if items.iter().all(|item| matches!(item, Value::Int64(_) | Value::Double(_))) {
        let double = |item| match item {
            Value::Int64(number) => Value::Double(number as f64),
            other => other,
        };
        return (Kind::Double.into(), items.into_iter().map(double).collect());
    }
    (Kind::Dynamic.into(), items.into_iter().map(Value::into_dynamic).collect())
}

/// To JavaScript.
pub struct Decoder<'a> {
    pub core: &'a Rc<Core>,
    pub objects: Objects<'a>,
}

/// A result in JavaScript.
pub fn received(core: &Rc<Core>, received: Received) -> Outcome<Raw> {
    let decoder = Decoder { core, objects: Objects::Received(received.objects()) };
    decoder.value(received.value()).map(Raw)
}

impl Decoder<'_> {
    fn env(&self) -> sys::napi_env {
        self.core.env().raw()
    }

    /// A place that a function of Node-API fills with a value.
    fn fill(
        &self,
        fill: impl FnOnce(sys::napi_env, *mut sys::napi_value) -> sys::napi_status,
    ) -> Outcome<sys::napi_value> {
        let mut value = ptr::null_mut();
        check(fill(self.env(), &mut value)).map(|()| value)
    }

    /// Integers that a number cannot hold are BigInts; structs with names are objects, other tuples arrays; a map whose keys are all
    /// strings is an object, else a Map; raw data is a Buffer; an object is a proxy, or null if nobody has it.
    pub fn value(&self, value: &Value) -> Outcome<sys::napi_value> {
        match value {
            Value::Void => self.fill(|env, to| {
                // SAFETY: on the environment's thread, in a scope; `to` lives as long as the call.
                unsafe { sys::napi_get_undefined(env, to) }
            }),
            Value::Bool(truth) => self.fill(|env, to| {
                // SAFETY: on the environment's thread, in a scope; `to` lives as long as the call.
                unsafe { sys::napi_get_boolean(env, *truth, to) }
            }),
            Value::Int8(number) => self.small((*number).into()),
            Value::UInt8(number) => self.small((*number).into()),
            Value::Int16(number) => self.small((*number).into()),
            Value::UInt16(number) => self.small((*number).into()),
            Value::Int32(number) => self.small((*number).into()),
            Value::UInt32(number) => self.small((*number).into()),
            Value::Int64(number) if number.unsigned_abs() <= MAX_SAFE as u64 => self.small(*number as f64),
            Value::Int64(number) => self.fill(|env, to| {
                // SAFETY: on the environment's thread, in a scope; `to` lives as long as the call.
                unsafe { sys::napi_create_bigint_int64(env, *number, to) }
            }),
            Value::UInt64(number) if *number <= MAX_SAFE as u64 => self.small(*number as f64),
            Value::UInt64(number) => self.fill(|env, to| {
                // SAFETY: on the environment's thread, in a scope; `to` lives as long as the call.
                unsafe { sys::napi_create_bigint_uint64(env, *number, to) }
            }),
            Value::Float(number) => self.small((*number).into()),
            Value::Double(number) => self.small(*number),
            Value::String(text) => match text.as_str() {
                Some(text) => self.string(text),
                None => self.bytes(text.bytes()),
            },
            Value::Raw(bytes) => self.bytes(bytes),
            Value::List(list) => self.array(&list.items),
            Value::Map(map) => self.map(map),
            Value::Tuple(tuple) => match tuple.signature.field_names() {
                Some(names) if !names.is_empty() && names.len() == tuple.members.len() => {
                    self.record(names.iter().map(|name| &**name).zip(&tuple.members))
                }
                _ => self.array(&tuple.members),
            },
            Value::Optional(optional) => match &optional.value {
                Some(value) => self.value(value),
                None => self.null(),
            },
            Value::Dynamic(dynamic) => match dynamic.value() {
                Ok(value) => self.value(&value),
                Err(error) => Err(unfit(error.to_string())),
            },
            Value::Object(reference) => match self.objects.find(reference) {
                Some(proxy) => self.proxy(proxy),
                None => self.null(),
            },
        }
    }

    fn small(&self, number: f64) -> Outcome<sys::napi_value> {
        // SAFETY: as in `value`.
        self.fill(|env, to| unsafe { sys::napi_create_double(env, number, to) })
    }

    fn null(&self) -> Outcome<sys::napi_value> {
        // SAFETY: as in `value`.
        self.fill(|env, to| unsafe { sys::napi_get_null(env, to) })
    }

    pub fn string(&self, text: &str) -> Outcome<sys::napi_value> {
        let (data, length) = (text.as_ptr().cast(), text.len() as isize);
        // SAFETY: as in `value`.
        self.fill(|env, to| unsafe { sys::napi_create_string_utf8(env, data, length, to) })
    }

    fn bytes(&self, bytes: &[u8]) -> Outcome<sys::napi_value> {
        buffers::copy(&self.core.env(), bytes).map(|raw| raw.0).map_err(|error| unfit(error.reason.clone()))
    }

    /// The values in an array: a list, or arguments.
    pub fn array(&self, values: &[Value]) -> Outcome<sys::napi_value> {
        // SAFETY: as in `value`.
        let array = self.fill(|env, to| unsafe { sys::napi_create_array_with_length(env, values.len(), to) })?;
        for (index, value) in values.iter().enumerate() {
            let value = self.value(value)?;
            // SAFETY: as in `value`.
            check(unsafe { sys::napi_set_element(self.env(), array, index as u32, value) })?;
        }
        Ok(array)
    }

    fn map(&self, map: &Map) -> Outcome<sys::napi_value> {
        let names: Option<Vec<String>> = map.entries.iter().map(|(key, _)| name_of(key)).collect();
        let may_be_names = matches!(map.key.kind(), Kind::String | Kind::Dynamic);
        match names.filter(|_| may_be_names) {
            Some(names) => {
                self.record(names.iter().map(String::as_str).zip(map.entries.iter().map(|(_, value)| value)))
            }
            None => {
                let flat: Vec<Value> =
                    map.entries.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect();
                let flat = self.array(&flat)?;
                self.make(MAKE_MAP, flat)
            }
        }
    }

    pub fn record<'v>(&self, entries: impl Iterator<Item = (&'v str, &'v Value)>) -> Outcome<sys::napi_value> {
        // SAFETY: as in `value`.
        let object = self.fill(|env, to| unsafe { sys::napi_create_object(env, to) })?;
        for (name, value) in entries {
            let (key, value) = (self.string(name)?, self.value(value)?);
            self.set(object, name, key, value)?;
        }
        Ok(object)
    }

    fn set(&self, object: sys::napi_value, name: &str, key: sys::napi_value, value: sys::napi_value) -> Outcome<()> {
        if name != "__proto__" {
            // SAFETY: as in `value`.
            return check(unsafe { sys::napi_set_property(self.env(), object, key, value) });
        }
        // Setting it would do something else.
        let attributes = sys::PropertyAttributes::writable
            | sys::PropertyAttributes::enumerable
            | sys::PropertyAttributes::configurable;
        let property = sys::napi_property_descriptor {
            utf8name: ptr::null(),
            name: key,
            method: None,
            getter: None,
            setter: None,
            value,
            attributes,
            data: ptr::null_mut(),
        };
        // SAFETY: as in `value`.
        check(unsafe { sys::napi_define_properties(self.env(), object, 1, &property) })
    }

    pub fn proxy(&self, proxy: Proxy) -> Outcome<sys::napi_value> {
        let native = NativeProxy::new(proxy, Rc::clone(self.core));
        // SAFETY: as in `value`.
        let native = unsafe { ToNapiValue::to_napi_value(self.env(), native) };
        self.make(MAKE_PROXY, native.map_err(|error| unfit(error.reason.clone()))?)
    }

    fn make(&self, what: i32, of: sys::napi_value) -> Outcome<sys::napi_value> {
        let env = self.env();
        let (mut function, mut this, mut number, mut made) =
            (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: as in `value`; the reference is kept.
        unsafe {
            check(sys::napi_get_reference_value(env, hooks(self.core)?.make, &mut function))?;
            check(sys::napi_get_undefined(env, &mut this))?;
            check(sys::napi_create_int32(env, what, &mut number))?;
            check(sys::napi_call_function(env, this, function, 2, [number, of].as_ptr(), &mut made))?;
        }
        Ok(made)
    }
}

/// A key that can be the name of a property.
fn name_of(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => text.as_str().map(str::to_owned),
        Value::Dynamic(dynamic) => name_of(&*dynamic.value().ok()?),
        _ => None,
    }
}

/// What a property of this type holds before anybody has set it.
pub fn default(signature: &Signature) -> Value {
    match signature.kind() {
        Kind::Tuple(members) => Value::structure(signature.clone(), members.iter().map(default).collect()),
        Kind::List(element) | Kind::VarArgs(element) => Value::list(element.as_ref().clone(), Vec::new()),
        Kind::Map(entry) => Value::map(entry.0.clone(), entry.1.clone(), Vec::new()),
        Kind::Optional(element) => Value::optional(element.as_ref().clone(), None),
        Kind::String => Value::from(""),
        Kind::Raw => Value::Raw(Vec::new().into()),
        Kind::Dynamic | Kind::Void | Kind::Nothing => Value::Void,
        _ => {
            convert(Value::Bool(false), signature).or_else(|_| convert(Value::Int64(0), signature)).unwrap_or_default()
        }
    }
}
