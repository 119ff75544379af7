//! Values of Python as values of the bus, and back.

use nanomsg::qi::bus::Objects;
use nanomsg::qi::client::Received;
use nanomsg::qi::convert::{convert, convert_sequences};
use nanomsg::qi::server::Object;
use nanomsg::qi::signature::{Kind, Signature};
use nanomsg::qi::value::Value;
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use super::errors::{raise, raise_as};
use super::hooks;
use super::object::RawObject;
use super::proxy::RawProxy;
use crate::buffers::Outgoing;

/// Containers within each other, at most; what a peer would refuse. It also ends lists that contain themselves.
const MAX_DEPTH: u32 = 60;

/// From Python. Gathers the objects of ours that the value refers to.
#[derive(Default)]
pub struct Encoder {
    pub objects: Vec<Object>,
    depth: u32,
}

impl Encoder {
    /// The arguments of a call.
    pub fn arguments(&mut self, arguments: &Bound<'_, PyTuple>) -> PyResult<Vec<Value>> {
        arguments.iter().map(|argument| self.value(&argument)).collect()
    }

    /// A value with the type that it has in Python: int is `l`, float `d`, bytes `r`, a list is one of the type that all its
    /// items have, or of `m`.
    pub fn value(&mut self, object: &Bound<'_, PyAny>) -> PyResult<Value> {
        if object.is_none() {
            return Ok(Value::Void);
        }
        if let Ok(text) = object.cast::<PyString>() {
            return Ok(Value::from(&*text.to_cow()?));
        }
        if let Ok(truth) = object.cast::<PyBool>() {
            return Ok(Value::Bool(truth.is_true()));
        }
        if let Ok(number) = object.cast::<PyInt>() {
            return integer(number.as_any());
        }
        if let Ok(number) = object.cast::<PyFloat>() {
            return Ok(Value::Double(number.value()));
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(raise_as(object.py(), "ConversionError", "too many values within each other"));
        }
        let value = self.compound(object);
        self.depth -= 1;
        value
    }

    fn compound(&mut self, object: &Bound<'_, PyAny>) -> PyResult<Value> {
        if let Ok(list) = object.cast::<PyList>() {
            let items = list.iter().map(|item| self.value(&item)).collect::<PyResult<Vec<_>>>()?;
            let (element, items) = unify(items);
            return Ok(Value::list(element, items));
        }
        if let Ok(tuple) = object.cast::<PyTuple>() {
            return Ok(Value::tuple(self.arguments(tuple)?));
        }
        if let Ok(dict) = object.cast::<PyDict>() {
            let mut keys = Vec::with_capacity(dict.len());
            let mut values = Vec::with_capacity(dict.len());
            for (key, value) in dict.iter() {
                keys.push(self.value(&key)?);
                values.push(self.value(&value)?);
            }
            let ((key, keys), (value, values)) = (unify(keys), unify(values));
            return Ok(Value::map(key, value, keys.into_iter().zip(values).collect()));
        }
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Value::Raw(bytes.as_bytes().to_vec().into()));
        }
        self.object(object)
    }

    fn object(&mut self, object: &Bound<'_, PyAny>) -> PyResult<Value> {
        let py = object.py();
        if let Ok(ours) = object.cast::<RawObject>() {
            return Ok(self.reference(ours.get().object()));
        }
        if let Ok(proxy) = object.cast::<RawProxy>() {
            let proxy = proxy.get().proxy(py)?.clone();
            let object = py.detach(|| proxy.forwarded()).map_err(|error| raise(py, &error))?;
            return Ok(self.reference(&object));
        }
        if let Ok(number) = object.call_method0("__index__") {
            return integer(&number);
        }
        if let Ok(number) = object.call_method0("__float__") {
            return Ok(Value::Double(number.extract()?));
        }
        if let Ok(outgoing) = Outgoing::of(object) {
            return Ok(Value::Raw(outgoing.bytes().to_vec().into()));
        }
        let made = hooks::get(py, "object_of")?.call1((object,))?;
        if made.is_none() {
            let text = format!("a {} cannot be sent over the bus", object.get_type().name()?);
            return Err(PyTypeError::new_err(text));
        }
        // By what the hook gives: an object, or plain values, as of a data class.
        match made.cast::<RawObject>() {
            Ok(ours) => Ok(self.reference(ours.get().object())),
            Err(_) => self.value(&made),
        }
    }

    fn reference(&mut self, object: &Object) -> Value {
        self.objects.push(object.clone());
        object.to_value()
    }

    /// A value of this type.
    pub fn typed(&mut self, object: &Bound<'_, PyAny>, to: &Signature) -> PyResult<Value> {
        let value = self.value(object)?;
        convert_sequences(value, to).map_err(|error| raise_as(object.py(), "ConversionError", &error.to_string()))
    }
}

fn integer(number: &Bound<'_, PyAny>) -> PyResult<Value> {
    if let Ok(number) = number.extract::<i64>() {
        return Ok(Value::Int64(number));
    }
    match number.extract::<u64>() {
        Ok(number) => Ok(Value::UInt64(number)),
        Err(_) => Err(PyOverflowError::new_err("the bus has integers of 64 bits; this one is larger")),
    }
}

/// The common type of the items; if they have none, `m`, and all of them in it.
fn unify(items: Vec<Value>) -> (Signature, Vec<Value>) {
    let Some(first) = items.first().map(Value::signature) else { return (Kind::Dynamic.into(), items) };
    if items[1..].iter().all(|item| item.signature() == first) {
        return (first, items);
    }
    (Kind::Dynamic.into(), items.into_iter().map(Value::into_dynamic).collect())
}

/// A result, or an event's arguments, in Python.
pub fn received<'py>(py: Python<'py>, received: &Received) -> PyResult<Bound<'py, PyAny>> {
    to_python(py, received.value(), &Objects::Received(received.objects()))
}

/// A value in Python: structs with names are dicts of their fields, raw data is a bytearray, an object a proxy, or None for the null
/// object.
pub fn to_python<'py>(py: Python<'py>, value: &Value, objects: &Objects<'_>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Void => py.None().into_bound(py),
        Value::Bool(truth) => PyBool::new(py, *truth).to_owned().into_any(),
        Value::Int8(number) => number.into_pyobject(py)?.into_any(),
        Value::UInt8(number) => number.into_pyobject(py)?.into_any(),
        Value::Int16(number) => number.into_pyobject(py)?.into_any(),
        Value::UInt16(number) => number.into_pyobject(py)?.into_any(),
        Value::Int32(number) => number.into_pyobject(py)?.into_any(),
        Value::UInt32(number) => number.into_pyobject(py)?.into_any(),
        Value::Int64(number) => number.into_pyobject(py)?.into_any(),
        Value::UInt64(number) => number.into_pyobject(py)?.into_any(),
        Value::Float(number) => PyFloat::new(py, f64::from(*number)).into_any(),
        Value::Double(number) => PyFloat::new(py, *number).into_any(),
        Value::String(text) => match text.as_str() {
            Some(text) => PyString::new(py, text).into_any(),
            None => PyBytes::new(py, text.bytes()).into_any(),
        },
        Value::Raw(bytes) => PyByteArray::new(py, bytes).into_any(),
        Value::List(list) => sequence(py, &list.items, objects)?.into_any(),
        Value::Map(map) => {
            let dict = PyDict::new(py);
            for (key, value) in &map.entries {
                dict.set_item(key_to_python(py, key, objects)?, to_python(py, value, objects)?)?;
            }
            dict.into_any()
        }
        Value::Tuple(tuple) => match tuple.signature.field_names() {
            Some(names) if !names.is_empty() && names.len() == tuple.members.len() => {
                let dict = PyDict::new(py);
                for (name, member) in names.iter().zip(&tuple.members) {
                    dict.set_item(name, to_python(py, member, objects)?)?;
                }
                dict.into_any()
            }
            _ => sequence(py, &tuple.members, objects)?.to_tuple().into_any(),
        },
        Value::Optional(optional) => match &optional.value {
            Some(value) => to_python(py, value, objects)?,
            None => py.None().into_bound(py),
        },
        Value::Dynamic(dynamic) => match dynamic.value() {
            Ok(value) => to_python(py, &value, objects)?,
            Err(error) => return Err(raise_as(py, "ConversionError", &error.to_string())),
        },
        Value::Object(reference) => match objects.find(reference) {
            Some(proxy) => RawProxy::wrap(py, proxy)?,
            None => py.None().into_bound(py),
        },
    })
}

/// The arguments of a call or an event.
pub fn arguments<'py>(py: Python<'py>, values: &[Value], objects: &Objects<'_>) -> PyResult<Bound<'py, PyTuple>> {
    let converted = values.iter().map(|value| to_python(py, value, objects)).collect::<PyResult<Vec<_>>>()?;
    PyTuple::new(py, converted)
}

fn sequence<'py>(py: Python<'py>, values: &[Value], objects: &Objects<'_>) -> PyResult<Bound<'py, PyList>> {
    let converted = values.iter().map(|value| to_python(py, value, objects)).collect::<PyResult<Vec<_>>>()?;
    PyList::new(py, converted)
}

/// Keys must have a hash: lists become tuples, raw data bytes.
fn key_to_python<'py>(py: Python<'py>, key: &Value, objects: &Objects<'_>) -> PyResult<Bound<'py, PyAny>> {
    match key {
        Value::Raw(bytes) => Ok(PyBytes::new(py, bytes).into_any()),
        Value::List(list) => Ok(sequence(py, &list.items, objects)?.to_tuple().into_any()),
        key => to_python(py, key, objects),
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
