//! The references to objects within a value.

use std::sync::Arc;

use super::{Dynamic, List, Map, Object, Optional, Tuple, Value};

impl Value {
    /// Shows every reference to an object in it; the null object is none. Those of ours that have no address yet are not shown.
    pub fn each_object<'v>(&'v self, found: &mut impl FnMut(&'v Arc<Object>)) {
        self.each_reference(&mut |object| {
            if object.object != 0 {
                found(object);
            }
        });
    }

    /// Shows every reference in it, in the order in which they stand there. A dynamic that is still bytes holds none. Recursion
    /// ends where that of the reader did.
    pub fn each_reference<'v>(&'v self, found: &mut dyn FnMut(&'v Arc<Object>)) {
        match self {
            Value::Object(object) => found(object),
            Value::List(list) => list.items.iter().for_each(|item| item.each_reference(found)),
            Value::Tuple(tuple) => tuple.members.iter().for_each(|member| member.each_reference(found)),
            Value::Optional(optional) => optional.value.iter().for_each(|value| value.each_reference(found)),
            Value::Dynamic(dynamic) => {
                dynamic.decoded_value().into_iter().for_each(|value| value.each_reference(found));
            }
            Value::Map(map) => map.entries.iter().for_each(|(key, value)| {
                key.each_reference(found);
                value.each_reference(found);
            }),
            _ => {}
        }
    }

    /// Whether there are more values in it than so many. A dynamic that is still bytes is one.
    pub fn has_more_values_than(&self, most: usize) -> bool {
        !self.count_within(&mut { most })
    }

    fn count_within(&self, left: &mut usize) -> bool {
        fn all<'v>(count: usize, mut items: impl Iterator<Item = &'v Value>, left: &mut usize) -> bool {
            // Whatever is in them.
            let enough = *left >= count;
            *left = left.saturating_sub(count);
            enough && items.all(|item| item.count_within(left))
        }
        match self {
            Value::List(list) => all(list.items.len(), list.items.iter(), left),
            Value::Tuple(tuple) => all(tuple.members.len(), tuple.members.iter(), left),
            Value::Map(map) => {
                let entries = map.entries.iter().flat_map(|(key, value)| [key, value]);
                all(2 * map.entries.len(), entries, left)
            }
            Value::Optional(optional) => all(1, optional.value.iter(), left),
            Value::Dynamic(dynamic) => dynamic.decoded_value().is_none_or(|value| all(1, [value].into_iter(), left)),
            _ => true,
        }
    }

    /// The same value with other references. Values that our own code made are as deep as it made them; what is too deep
    /// to be written is refused by the writer, long before this runs out of stack.
    #[must_use]
    pub fn map_objects(self, other: &mut impl FnMut(Arc<Object>) -> Arc<Object>) -> Value {
        fn all(values: Vec<Value>, other: &mut impl FnMut(Arc<Object>) -> Arc<Object>) -> Vec<Value> {
            values.into_iter().map(|value| value.map_objects(other)).collect()
        }
        match self {
            Value::Object(object) => Value::Object(other(object)),
            Value::List(list) => {
                let List { element, items } = *list;
                Value::list(element, all(items, other))
            }
            Value::Map(map) => {
                let Map { key, value, entries } = *map;
                let entry = |(key, value): (Value, Value)| (key.map_objects(other), value.map_objects(other));
                Value::map(key, value, entries.into_iter().map(entry).collect())
            }
            Value::Tuple(tuple) => {
                let Tuple { signature, members } = *tuple;
                Value::structure(signature, all(members, other))
            }
            Value::Optional(optional) => {
                let Optional { element, value } = *optional;
                Value::optional(element, value.map(|value| value.map_objects(other)))
            }
            // In bytes there are none.
            Value::Dynamic(dynamic) if dynamic.decoded_value().is_none() => Value::Dynamic(dynamic),
            Value::Dynamic(dynamic) => {
                let inner = dynamic.into_value().unwrap_or_default();
                Value::Dynamic(Box::new(Dynamic::new(inner.map_objects(other))))
            }
            plain => plain,
        }
    }
}
