//! Where the fields of a struct, and the values of a map, are by their names. A program asks for one after the other, and a peer may send thousands:
//! to look through all of them for each is what would take the time.

use std::collections::HashMap;

use crate::qi::value::{Text, Value};

/// So many are looked through; more have an index.
const FEW: usize = 16;

/// Of each name the first place, as [`View::child`](super::view::View::child) counts them.
#[derive(Debug)]
pub struct Places(HashMap<Text, usize>);

impl Places {
    /// `None`: they are so few that it is not worth it.
    pub fn of_many(value: &Value) -> Option<Places> {
        let mut places = HashMap::new();
        match value {
            Value::Tuple(tuple) if tuple.members.len() > FEW => {
                for (place, name) in tuple.signature.field_names()?.into_iter().enumerate() {
                    places.entry(name.into()).or_insert(place);
                }
            }
            Value::Map(map) if map.entries.len() > FEW => {
                for (index, (key, _)) in map.entries.iter().enumerate() {
                    if let Some(name) = text(key) {
                        places.entry(name).or_insert(2 * index + 1);
                    }
                }
            }
            _ => return None,
        }
        Some(Places(places))
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        self.0.get(&Text::from(name)).copied()
    }
}

/// Looks through all of a struct or map.
pub fn find_among_few(value: &Value, name: &str) -> Option<usize> {
    match value {
        Value::Tuple(tuple) => tuple.signature.field_names()?.iter().position(|field| *field == name),
        Value::Map(map) => {
            let index = map.entries.iter().position(|(key, _)| text(key).is_some_and(|key| key == *name))?;
            Some(2 * index + 1)
        }
        _ => None,
    }
}

/// A key may be a dynamic.
fn text(key: &Value) -> Option<Text> {
    match key {
        Value::String(text) => Some(text.clone()),
        Value::Dynamic(dynamic) => dynamic.value().ok().and_then(|key| text(&key)),
        _ => None,
    }
}
