//! Structs of the bus as structs of Rust.
//!
//! A macro by rules, and no derive: that would be a second crate with a parser of Rust in it, for one declaration.

use crate::qi::signature::Signature;

/// Declares a struct that is one of the bus, of the same name and with the same fields (qi-messaging.md 5): it can be an argument,
/// a result and a part of other types. Attributes and visibility are as without the macro. The fields' types must be such types.
///
/// ```
/// nanomsg::qi_struct! {
///     #[derive(Clone, Debug, PartialEq)]
///     pub struct Point { pub x: i32, pub y: i32 }
/// }
/// use nanomsg::qi::typed::{Typed, value_to};
/// use nanomsg::qi::value::Value;
///
/// assert_eq!(Point::signature().to_string(), "(ii)<Point,x,y>");
/// assert_eq!(value_to::<Point>(Value::from(Point { x: 1, y: 2 })), Ok(Point { x: 1, y: 2 }));
/// ```
#[macro_export]
macro_rules! qi_struct {
    ($(#[$meta:meta])* $visibility:vis struct $name:ident {
        $($(#[$field_meta:meta])* $field_visibility:vis $field:ident: $type:ty),+ $(,)?
    }) => {
        $(#[$meta])*
        $visibility struct $name { $($(#[$field_meta])* $field_visibility $field: $type),+ }

        impl $crate::qi::typed::Typed for $name {
            fn signature() -> $crate::qi::signature::Signature {
                $crate::qi::typed::struct_signature(
                    stringify!($name),
                    &[$((stringify!($field), <$type as $crate::qi::typed::Typed>::signature())),+],
                )
            }
        }

        impl $crate::qi::typed::FromValue for $name {
            fn from_value(value: $crate::qi::value::Value) -> Option<$name> {
                let $crate::qi::value::Value::Tuple(tuple) = value else { return None };
                let mut members = tuple.members.into_iter();
                Some($name { $($field: <$type as $crate::qi::typed::FromValue>::from_value(members.next()?)?),+ })
            }
        }

        impl $crate::qi::typed::IntoValue for $name {
            fn into_value(self) -> $crate::qi::value::Value {
                let members = vec![$(<$type as $crate::qi::typed::IntoValue>::into_value(self.$field)),+];
                $crate::qi::value::Value::structure(<$name as $crate::qi::typed::Typed>::signature(), members)
            }
        }

        impl From<$name> for $crate::qi::value::Value {
            fn from(value: $name) -> $crate::qi::value::Value {
                $crate::qi::typed::IntoValue::into_value(value)
            }
        }
    };
}

/// A tuple with these names; `r#type` is the field `type`.
pub fn struct_signature(name: &str, fields: &[(&str, Signature)]) -> Signature {
    let plain = |name: &str| name.trim_start_matches("r#").to_owned();
    let types: String = fields.iter().map(|(_, ty)| ty.to_string()).collect();
    let names: Vec<_> = [name].into_iter().chain(fields.iter().map(|(name, _)| *name)).map(plain).collect();
    // Names of Rust can be written there; what is nested too deep is left without.
    let bare = || Signature::tuple(fields.iter().map(|(_, ty)| ty.clone()));
    Signature::parse(format!("({types})<{}>", names.join(","))).unwrap_or_else(|_| bare())
}
