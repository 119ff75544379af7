//! Whether there are values at all that can be had in another type: known before there is any.

use crate::qi::signature::{Kind, Signature};

use super::by_name::ByName;
use super::structure::ADDED;

/// False if [`convert`](super::convert) fails for all values of type `from`, but for those that are empty. What dynamics hold, how many elements a
/// list has, and which keys a map has is seen in the values only.
pub fn may_become(from: &Signature, to: &Signature) -> bool {
    match (from.kind(), to.kind()) {
        (Kind::Dynamic | Kind::Unknown, _) | (_, Kind::Dynamic | Kind::Unknown | Kind::Void | Kind::Nothing) => true,
        (Kind::Void | Kind::Nothing, Kind::Optional(_)) => true,
        (Kind::Optional(from), Kind::Optional(to)) => may_become(from, to),
        (_, Kind::Optional(to)) => may_become(from, to),
        (Kind::String, Kind::String | Kind::Raw) | (Kind::Raw, Kind::Raw) | (Kind::Object, Kind::Object) => true,
        (Kind::List(from) | Kind::VarArgs(from), Kind::List(to) | Kind::VarArgs(to)) => may_become(from, to),
        (_, Kind::Map(entry)) => may_become_map(from, &entry.0, &entry.1),
        (_, Kind::KeywordArgs(value)) => may_become_map(from, &Kind::String.into(), value),
        (_, Kind::Tuple(members)) => may_become_tuple(from, members, to),
        (from, to) => is_number(from) && is_number(to),
    }
}

fn may_become_map(from: &Signature, key: &Signature, value: &Signature) -> bool {
    let is_entry =
        |(its_key, its_value): (&Signature, &Signature)| may_become(its_key, key) && may_become(its_value, value);
    match from.kind() {
        Kind::Map(entry) => is_entry((&entry.0, &entry.1)),
        Kind::KeywordArgs(its_value) => is_entry((&Kind::String.into(), its_value)),
        // A list of pairs.
        Kind::List(pair) | Kind::VarArgs(pair) => match pair.kind() {
            Kind::Dynamic | Kind::Unknown => true,
            Kind::Tuple(pair) => pair.len() == 2 && is_entry((&pair[0], &pair[1])),
            Kind::List(of_both) | Kind::VarArgs(of_both) => is_entry((of_both, of_both)),
            _ => false,
        },
        Kind::Tuple(members) => {
            from.field_names().is_some() && members.iter().all(|member| is_entry((&Kind::String.into(), member)))
        }
        _ => false,
    }
}

fn may_become_tuple(from: &Signature, members: &[Signature], to: &Signature) -> bool {
    let all_from = |element: &Signature| members.iter().all(|member| may_become(element, member));
    match from.kind() {
        Kind::List(element) | Kind::VarArgs(element) => all_from(element),
        Kind::Map(entry) => {
            to.field_names().is_some() && may_become(&entry.0, &Kind::String.into()) && all_from(&entry.1)
        }
        Kind::KeywordArgs(value) => to.field_names().is_some() && all_from(value),
        Kind::Tuple(ours) => match (from.field_names(), to.field_names()) {
            (Some(names), Some(wanted)) if names != wanted => {
                let mut places = ByName::new(names.iter().map(|name| name.as_bytes()));
                let mut is_there = |(name, member): (&&str, &Signature)| {
                    places.take(name.as_bytes()).is_some_and(|at| may_become(&ours[at], member))
                };
                let is_added_to = from.struct_name() == Some(ADDED.0) && to.struct_name() == Some(ADDED.0);
                is_added_to || (names.len() == wanted.len() && wanted.iter().zip(members).all(&mut is_there))
            }
            _ => ours.len() == members.len() && ours.iter().zip(members).all(|(ours, member)| may_become(ours, member)),
        },
        _ => false,
    }
}

fn is_number(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Bool
            | Kind::Int8
            | Kind::UInt8
            | Kind::Int16
            | Kind::UInt16
            | Kind::Int32
            | Kind::UInt32
            | Kind::Int64
            | Kind::UInt64
            | Kind::Float
            | Kind::Double
    )
}

#[cfg(test)]
mod tests {
    use super::super::convert;
    use super::*;
    use crate::qi::value::Value;

    fn types() -> Vec<Signature> {
        [
            "b",
            "c",
            "W",
            "i",
            "L",
            "f",
            "d",
            "s",
            "r",
            "m",
            "v",
            "+i",
            "+s",
            "[i]",
            "[s]",
            "[m]",
            "[(si)]",
            "[[s]]",
            "{si}",
            "{is}",
            "{sm}",
            "()",
            "(i)",
            "(s)",
            "(is)",
            "(si)",
            "(si)<A,a,b>",
            "(is)<B,b,a>",
            "(is)<C,b,c>",
            "(+i)",
            "([i])",
            "(m)",
            "({si})",
            "((i)s)",
        ]
        .iter()
        .map(|text| Signature::parse(text).unwrap())
        .collect()
    }

    /// A value with something in it, if the type has such.
    fn sample(ty: &Signature) -> Value {
        let one = || Value::Int32(1);
        match ty.kind() {
            Kind::Dynamic => one().into_dynamic(),
            Kind::String => "a".into(),
            Kind::Raw => convert("a".into(), ty).unwrap(),
            Kind::Void => Value::Void,
            Kind::Optional(inner) => Value::optional(inner.as_ref().clone(), Some(sample(inner))),
            Kind::List(element) => Value::list(element.as_ref().clone(), vec![sample(element), sample(element)]),
            Kind::Map(entry) => {
                Value::map(entry.0.clone(), entry.1.clone(), vec![(sample(&entry.0), sample(&entry.1))])
            }
            Kind::Tuple(members) => Value::structure(ty.clone(), members.iter().map(sample).collect()),
            _ => convert(one(), ty).unwrap(),
        }
    }

    #[test]
    fn what_is_said_to_be_impossible_is() {
        let mut impossible = 0;
        for (from, to) in types().iter().flat_map(|from| types().into_iter().map(move |to| (from.clone(), to))) {
            let converted = convert(sample(&from), &to);
            assert!(may_become(&from, &to) || converted.is_err(), "{from} to {to} is {converted:?}");
            impossible += usize::from(!may_become(&from, &to));
        }
        assert!(impossible > types().len() * types().len() / 2, "{impossible}");
    }

    #[test]
    fn what_a_value_decides_is_possible() {
        for (from, to, is_possible) in [
            ("(is)", "(ds)", true),
            ("(is)", "(id)", false),
            ("(is)", "(i)", false),
            ("(m)", "(s)", true),
            ("m", "(s)", true),
            ("({si})", "((ii)<A,a,b>)", true),
            ("({si})", "((is)<A,a,b>)", false),
            ("([i])", "((ii))", true),
            ("([s])", "([i])", false),
            ("(s)", "s", false),
            ("(s)", "v", true),
            ("((si)<A,a,b>)", "({sm})", true),
            ("((si))", "({sm})", false),
            ("((si)<A,a,b>)", "((is)<B,b,a>)", true),
        ] {
            let [from, to] = [from, to].map(|text| Signature::parse(text).unwrap());
            assert_eq!(may_become(&from, &to), is_possible, "{from} to {to}");
        }
    }
}
