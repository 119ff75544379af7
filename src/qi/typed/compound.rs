//! Types made of others.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use crate::qi::signature::Signature;
use crate::qi::value::Value;

use super::{FromValue, IntoValue, Typed};

impl<T: Typed> Typed for Vec<T> {
    fn signature() -> Signature {
        Signature::list(T::signature())
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: Value) -> Option<Vec<T>> {
        match value {
            Value::List(list) => list.items.into_iter().map(T::from_value).collect(),
            _ => None,
        }
    }
}

impl<T: IntoValue> IntoValue for Vec<T> {
    fn into_value(self) -> Value {
        Value::list(T::signature(), self.into_iter().map(T::into_value).collect())
    }
}

impl<T: IntoValue> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Value {
        items.into_value()
    }
}

impl<T: Typed> Typed for Option<T> {
    fn signature() -> Signature {
        Signature::optional(T::signature())
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Optional(optional) => optional.value.map(T::from_value).map_or(Some(None), |value| value.map(Some)),
            _ => None,
        }
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self) -> Value {
        Value::optional(T::signature(), self.map(T::into_value))
    }
}

impl<T: IntoValue> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.into_value()
    }
}

macro_rules! maps {
    ($($map:ident: $($bound:ident)+),*) => {
        $(
            impl<K: Typed, V: Typed> Typed for $map<K, V> {
                fn signature() -> Signature {
                    Signature::map(K::signature(), V::signature())
                }
            }

            impl<K: FromValue $(+ $bound)+, V: FromValue> FromValue for $map<K, V> {
                fn from_value(value: Value) -> Option<$map<K, V>> {
                    let Value::Map(map) = value else { return None };
                    let entry = |(key, value)| Some((K::from_value(key)?, V::from_value(value)?));
                    map.entries.into_iter().map(entry).collect()
                }
            }

            impl<K: IntoValue, V: IntoValue> IntoValue for $map<K, V> {
                fn into_value(self) -> Value {
                    let entries = self.into_iter().map(|(key, value)| (key.into_value(), value.into_value()));
                    Value::map(K::signature(), V::signature(), entries.collect())
                }
            }

            impl<K: IntoValue, V: IntoValue> From<$map<K, V>> for Value {
                fn from(map: $map<K, V>) -> Value {
                    map.into_value()
                }
            }
        )*
    };
}

maps!(BTreeMap: Ord, HashMap: Eq Hash);

/// What a method is called or a signal emitted with, as Rust types: a tuple of up to eight, one member for each argument.
pub trait Arguments {
    /// One value for each.
    fn into_values(self) -> Vec<Value>;
}

impl Arguments for () {
    fn into_values(self) -> Vec<Value> {
        Vec::new()
    }
}

macro_rules! tuples {
    ($($name:ident)+) => {
        impl<$($name: Typed),+> Typed for ($($name,)+) {
            fn signature() -> Signature {
                Signature::tuple([$($name::signature()),+])
            }
        }

        impl<$($name: FromValue),+> FromValue for ($($name,)+) {
            fn from_value(value: Value) -> Option<($($name,)+)> {
                let Value::Tuple(tuple) = value else { return None };
                let mut members = tuple.members.into_iter();
                Some(($($name::from_value(members.next()?)?,)+))
            }
        }

        impl<$($name: IntoValue),+> IntoValue for ($($name,)+) {
            fn into_value(self) -> Value {
                Value::structure(Self::signature(), self.into_values())
            }
        }

        impl<$($name: IntoValue),+> From<($($name,)+)> for Value {
            fn from(members: ($($name,)+)) -> Value {
                members.into_value()
            }
        }

        impl<$($name: IntoValue),+> Arguments for ($($name,)+) {
            #[allow(non_snake_case, reason = "the names of the types are those of the members")]
            fn into_values(self) -> Vec<Value> {
                let ($($name,)+) = self;
                vec![$($name.into_value()),+]
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
