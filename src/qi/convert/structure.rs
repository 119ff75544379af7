//! Maps, tuples and structs.

use crate::qi::signature::{Kind, Signature};
use crate::qi::value::{Map, Text, Tuple, Value};

use super::by_name::ByName;
use super::{Converter, Result, Why, fail};

impl Converter {
    pub(super) fn map(&mut self, value: Value, entry: (&Signature, &Signature), to: &Signature) -> Result<Value> {
        let from = value.signature();
        let pairs = match value {
            Value::Map(map) => map.entries,
            Value::List(list) => {
                let pairs = list.items.into_iter().map(|item| self.pair(item, to));
                pairs.collect::<Result<_>>()?
            }
            Value::Tuple(tuple) => match from.field_names() {
                Some(names) => names.into_iter().map(Value::from).zip(tuple.members).collect(),
                None => return fail(&from, to, Why::Types),
            },
            _ => return fail(&from, to, Why::Types),
        };
        let pairs =
            pairs.into_iter().map(|(key, value)| Ok((self.convert(key, entry.0)?, self.convert(value, entry.1)?)));
        let entries = pairs.collect::<Result<_>>()?;
        Ok(Value::map(entry.0.clone(), entry.1.clone(), entries))
    }

    /// One entry of a map that comes as a list: a tuple or list of two.
    fn pair(&mut self, item: Value, to: &Signature) -> Result<(Value, Value)> {
        let from = item.signature();
        let item = match item.undynamic() {
            Ok(item) => item,
            Err(error) => return fail(&from, to, Why::Dynamic(error)),
        };
        let members = match item {
            Value::Tuple(tuple) => tuple.members,
            Value::List(list) => list.items,
            _ => return fail(&from, to, Why::Types),
        };
        match <[Value; 2]>::try_from(members) {
            Ok([key, value]) => Ok((key, value)),
            Err(_) => fail(&from, to, Why::Length),
        }
    }

    pub(super) fn tuple(&mut self, value: Value, members: &[Signature], to: &Signature) -> Result<Value> {
        let from = value.signature();
        let values = match value {
            Value::Tuple(tuple) => in_order(*tuple, to)?,
            Value::List(list) => list.items,
            Value::Map(map) => fields_of(*map, to)?,
            _ => return fail(&from, to, Why::Types),
        };
        if values.len() != members.len() {
            return fail(&from, to, Why::Length);
        }
        let values = values.into_iter().zip(members).map(|(value, member)| self.convert(value, member));
        Ok(Value::structure(to.clone(), values.collect::<Result<_>>()?))
    }
}

/// The field that libqi added to a struct that was in use: who has not heard of it gets along without.
pub(super) const ADDED: (&str, &str) = ("ServiceInfo", "objectUid");

/// The members of a tuple in the order of the type that it becomes: by position, or by name if both have names.
fn in_order(tuple: Tuple, to: &Signature) -> Result<Vec<Value>> {
    let from = tuple.signature.clone();
    let (Some(ours), Some(theirs)) = (from.field_names(), to.field_names()) else { return Ok(tuple.members) };
    if ours == theirs {
        return Ok(tuple.members);
    }
    let service_info = from.struct_name() == Some(ADDED.0) && to.struct_name() == Some(ADDED.0);
    let may_differ = |name: &str| service_info && name == ADDED.1;
    let mut members: Vec<_> = tuple.members.into_iter().map(Some).collect();
    let mut sorted = Vec::with_capacity(theirs.len());
    let mut places = ByName::new(ours.iter().map(|name| name.as_bytes()).take(members.len()));
    for name in theirs {
        match places.take(name.as_bytes()).and_then(|at| members[at].take()) {
            Some(member) => sorted.push(member),
            None if may_differ(name) => sorted.push(Value::String(Text::default())),
            None => return fail(&from, to, Why::Names),
        }
    }
    let left_over = members.iter().zip(&ours).any(|(member, name)| member.is_some() && !may_differ(name));
    if left_over { fail(&from, to, Why::Names) } else { Ok(sorted) }
}

/// The values of a map in the order of a struct's fields. All must be there; more may.
fn fields_of(map: Map, to: &Signature) -> Result<Vec<Value>> {
    let from = Signature::map(map.key, map.value);
    let Some(names) = to.field_names() else { return fail(&from, to, Why::Types) };
    let (mut keys, mut entries): (Vec<Text>, _) = (Vec::new(), Vec::with_capacity(map.entries.len()));
    for (key, value) in map.entries {
        match key.undynamic() {
            Ok(Value::String(key)) => {
                keys.push(key);
                entries.push(Some(value));
            }
            Ok(key) => return fail(&key.signature(), &Kind::String.into(), Why::Types),
            Err(error) => return fail(&from, to, Why::Dynamic(error)),
        }
    }
    let mut values = Vec::with_capacity(names.len());
    let mut places = ByName::new(keys.iter().map(|key| key.as_ref()));
    for name in names {
        match places.take(name.as_bytes()).and_then(|at| entries[at].take()) {
            Some(value) => values.push(value),
            None => return fail(&from, to, Why::Names),
        }
    }
    Ok(values)
}
