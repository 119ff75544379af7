//! Meta objects as values, and as bytes.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::qi::signature::{Kind, Signature};
use crate::qi::value::{DecodeError, EncodeError, Reader, Text, Value, encode};

use super::{Declared, MetaMethod, MetaMethodParameter, MetaObject, MetaProperty, MetaSignal, SIGNATURE};

impl MetaObject {
    /// Reads a meta object off the wire; what follows it is ignored. Its texts are views of `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<MetaObject, DecodeError> {
        let value = Reader::new(bytes).read(&SIGNATURE)?;
        // A value of this signature has this form, so the default is never taken.
        Ok(MetaObject::from_value(&value).unwrap_or_default())
    }

    /// Its bytes on the wire.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        encode(&self.to_value(), &SIGNATURE)
    }

    /// The meta object in a value of [`SIGNATURE`]; `None` for a value of any other type.
    pub fn from_value(value: &Value) -> Option<MetaObject> {
        let [methods, signals, properties, Value::String(description)] = value.members()? else { return None };
        let signal = |value: &Value| match value.members()? {
            [Value::UInt32(uid), Value::String(name), Value::String(signature)] => {
                Some(MetaSignal { uid: *uid, name: name.clone(), signature: Declared(signature.clone()) })
            }
            _ => None,
        };
        Some(MetaObject {
            methods: keyed(methods, method_from)?,
            signals: keyed(signals, signal)?,
            properties: keyed(properties, |value| {
                let MetaSignal { uid, name, signature } = signal(value)?;
                Some(MetaProperty { uid, name, signature })
            })?,
            description: description.clone(),
        })
    }

    /// A value of [`SIGNATURE`].
    pub fn to_value(&self) -> Value {
        let [methods, signals, properties, _] = SIGNATURE.members() else { return Value::Void };
        let named = |signature: &Signature, uid: u32, name: &Text, declared: &Declared| {
            Value::structure(signature.clone(), vec![uid.into(), name.clone().into(), declared.0.clone().into()])
        };
        let members = vec![
            table(&self.methods, methods, method_value),
            table(&self.signals, signals, |signal, of| named(of, signal.uid, &signal.name, &signal.signature)),
            table(&self.properties, properties, |property, of| {
                named(of, property.uid, &property.name, &property.signature)
            }),
            self.description.clone().into(),
        ];
        Value::structure(SIGNATURE.clone(), members)
    }
}

fn keyed<T>(value: &Value, member: impl Fn(&Value) -> Option<T>) -> Option<BTreeMap<u32, T>> {
    value
        .entries()?
        .iter()
        .map(|(key, value)| match key {
            Value::UInt32(key) => Some((*key, member(value)?)),
            _ => None,
        })
        .collect()
}

fn table<T>(members: &BTreeMap<u32, T>, map: &Signature, value: impl Fn(&T, &Signature) -> Value) -> Value {
    let Kind::Map(entry) = map.kind() else { return Value::Void };
    let entries = members.iter().map(|(key, member)| (Value::UInt32(*key), value(member, &entry.1))).collect();
    Value::map(entry.0.clone(), entry.1.clone(), entries)
}

fn method_from(value: &Value) -> Option<MetaMethod> {
    let [
        Value::UInt32(uid),
        Value::String(return_signature),
        Value::String(name),
        Value::String(parameters_signature),
        Value::String(description),
        parameters,
        Value::String(return_description),
    ] = value.members()?
    else {
        return None;
    };
    let parameter = |value: &Value| match value.members()? {
        [Value::String(name), Value::String(description)] => {
            Some(MetaMethodParameter { name: name.clone(), description: description.clone() })
        }
        _ => None,
    };
    Some(MetaMethod {
        uid: *uid,
        return_signature: Declared(return_signature.clone()),
        name: name.clone(),
        parameters_signature: Declared(parameters_signature.clone()),
        description: description.clone(),
        parameters: parameters.items()?.iter().map(parameter).collect::<Option<_>>()?,
        return_description: return_description.clone(),
    })
}

fn method_value(method: &MetaMethod, signature: &Signature) -> Value {
    let Some(Kind::List(element)) = signature.members().get(5).map(Signature::kind) else { return Value::Void };
    let parameters = method.parameters.iter().map(|parameter| {
        let members = vec![parameter.name.clone().into(), parameter.description.clone().into()];
        Value::structure(element.as_ref().clone(), members)
    });
    let members = vec![
        method.uid.into(),
        method.return_signature.0.clone().into(),
        method.name.clone().into(),
        method.parameters_signature.0.clone().into(),
        method.description.clone().into(),
        Value::list(element.as_ref().clone(), parameters.collect()),
        method.return_description.clone().into(),
    ];
    Value::structure(signature.clone(), members)
}
