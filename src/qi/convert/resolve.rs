//! Which of several methods of one name a caller means (qi-messaging.md 18).

use std::fmt;

use crate::qi::meta::{MetaMethod, MetaObject};
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::Value;

/// Why no method is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// There is no method of this name.
    Unknown(String),
    /// None of this name takes these arguments.
    Arguments {
        /// The name.
        name: String,
        /// The types of the arguments.
        given: Signature,
        /// What the methods of this name take.
        declared: Vec<String>,
    },
    /// Several take these arguments equally well; their full names.
    Ambiguous {
        /// The types of the arguments.
        given: Signature,
        /// Their full names.
        methods: Vec<String>,
    },
}

impl fmt::Display for ResolveError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResolveError::Unknown(name) => write!(out, "no such method: {name}"),
            ResolveError::Arguments { name, given, declared } => {
                write!(out, "{name} takes {}, and not {given}", declared.join(" or "))
            }
            ResolveError::Ambiguous { given, methods } => {
                write!(out, "{given} is taken by all of {}", methods.join(", "))
            }
        }
    }
}

impl std::error::Error for ResolveError {}

/// How well one type becomes another: 1 if they are the same, 0 if there is no way, what is lost in between. Widths,
/// signs and names do not count. That a conversion is possible does not say that every value has one.
pub fn score(from: &Signature, to: &Signature) -> f64 {
    // To void first, since it takes what nothing else would.
    match (from.kind(), to.kind()) {
        (_, Kind::Void | Kind::Nothing) => 1.0,
        (Kind::Dynamic, Kind::Dynamic) => 1.0,
        (_, Kind::Dynamic) => penalty(5),
        (Kind::Unknown, Kind::Unknown) => 1.0,
        (_, Kind::Unknown) => penalty(10),
        (Kind::Void | Kind::Nothing, Kind::Optional(_)) => 1.0,
        (Kind::Optional(from), Kind::Optional(to)) => contained(score(from, to)),
        (_, Kind::Optional(to)) => score(from, to),
        (Kind::List(from) | Kind::VarArgs(from), Kind::List(to) | Kind::VarArgs(to)) => contained(score(from, to)),
        (Kind::Map(_) | Kind::KeywordArgs(_), Kind::Map(_) | Kind::KeywordArgs(_)) => {
            let ((from_key, from), (to_key, to)) = (entry(from), entry(to));
            contained(score(&from_key, &to_key) * score(&from, &to))
        }
        (Kind::Tuple(ours), Kind::Tuple(theirs)) if ours.len() == theirs.len() => {
            ours.iter().zip(theirs.iter()).map(|(from, to)| contained(score(from, to))).product()
        }
        (Kind::Tuple(_), Kind::Tuple(_)) if from.struct_name().is_some() && from.struct_name() == to.struct_name() => {
            0.1
        }
        (ours, theirs) => basic(ours, theirs),
    }
}

fn penalty(percent: u32) -> f64 {
    1.0 - f64::from(percent) / 100.0
}

/// What is left of a score one container further out.
fn contained(child: f64) -> f64 {
    if child == 0.0 { 0.0 } else { 1.0 - 0.95 * (1.0 - child) }
}

fn entry(signature: &Signature) -> (Signature, Signature) {
    match signature.kind() {
        Kind::Map(entry) => entry.as_ref().clone(),
        Kind::KeywordArgs(value) => (Kind::String.into(), value.as_ref().clone()),
        _ => (Kind::Unknown.into(), Kind::Unknown.into()),
    }
}

#[derive(PartialEq)]
enum Class {
    Bool,
    Integer,
    Float,
    Other,
}

fn class(kind: &Kind) -> Class {
    match kind {
        Kind::Bool => Class::Bool,
        Kind::Int8 | Kind::UInt8 | Kind::Int16 | Kind::UInt16 => Class::Integer,
        Kind::Int32 | Kind::UInt32 | Kind::Int64 | Kind::UInt64 => Class::Integer,
        Kind::Float | Kind::Double => Class::Float,
        _ => Class::Other,
    }
}

fn basic(from: &Kind, to: &Kind) -> f64 {
    match (class(from), class(to)) {
        // A string becomes raw data where that is declared, but it is not chosen for it.
        (Class::Other, _) | (_, Class::Other) => f64::from(u8::from(from == to)),
        (Class::Integer | Class::Bool, Class::Float) => penalty(2),
        (Class::Float, Class::Integer) => penalty(3),
        (Class::Integer | Class::Float, Class::Bool) => penalty(4),
        _ => 1.0,
    }
}

/// The method that `name` means with these arguments. A name with `::` is a full one and must be there letter by
/// letter. Of methods with the right number of arguments, or any, a single one is taken whatever the types are: the
/// conversion will tell. Of several the one with the best [`score`] is taken, if it is one.
pub fn resolve<'m>(meta: &'m MetaObject, name: &str, arguments: &[Value]) -> Result<&'m MetaMethod, ResolveError> {
    if name.contains("::") {
        let found = meta.methods.values().find(|method| method.full_name() == name);
        return found.ok_or_else(|| ResolveError::Unknown(name.into()));
    }
    let mut named = 0;
    let mut candidates = Vec::new();
    for method in meta.methods.values().filter(|method| method.name == name) {
        named += 1;
        // One whose parameters are nonsense cannot be called.
        let Ok(parameters) = method.parameters_type() else { continue };
        if *parameters.kind() == Kind::Dynamic || parameters.members().len() == arguments.len() {
            candidates.push((method, parameters));
        }
    }
    let declared = || {
        let named = meta.methods.values().filter(|method| method.name == name);
        named.filter_map(|method| Some(method.parameters_type().ok()?.to_string())).collect()
    };
    let given = || Signature::tuple(arguments.iter().map(Value::signature));
    match &candidates[..] {
        [] if named == 0 => Err(ResolveError::Unknown(name.into())),
        [] => Err(ResolveError::Arguments { name: name.into(), given: given(), declared: declared() }),
        [(only, _)] => Ok(only),
        several => match best(several, &given()) {
            Best::One(method) => Ok(method),
            Best::Tie(methods) => Err(ResolveError::Ambiguous { given: given(), methods }),
            Best::None => {
                let resolved = Signature::tuple(arguments.iter().map(inner_type));
                match best(several, &resolved) {
                    Best::One(method) => Ok(method),
                    Best::Tie(methods) => Err(ResolveError::Ambiguous { given: resolved, methods }),
                    Best::None => {
                        Err(ResolveError::Arguments { name: name.into(), given: resolved, declared: declared() })
                    }
                }
            }
        },
    }
}

enum Best<'m> {
    One(&'m MetaMethod),
    Tie(Vec<String>),
    None,
}

fn best<'m>(candidates: &[(&'m MetaMethod, Signature)], given: &Signature) -> Best<'m> {
    let scored: Vec<_> = candidates.iter().map(|(method, parameters)| (*method, score(given, parameters))).collect();
    let top = scored.iter().fold(0.0_f64, |top, (_, score)| top.max(*score));
    if top == 0.0 {
        return Best::None;
    }
    // Products of the same factors in another order are the same score.
    let best: Vec<_> = scored.iter().filter(|(_, score)| top - score < 1e-9).map(|(method, _)| *method).collect();
    match best[..] {
        [only] => Best::One(only),
        _ => Best::Tie(best.iter().map(|method| method.full_name()).collect()),
    }
}

/// The type of a value when dynamics are looked into: those of a list are of one type if all of them are.
fn inner_type(value: &Value) -> Signature {
    match value {
        Value::Dynamic(dynamic) => match dynamic.value() {
            Ok(inner) => inner_type(&inner),
            Err(_) => Kind::Dynamic.into(),
        },
        Value::List(list) => Signature::list(common(&list.element, list.items.iter())),
        Value::Map(map) => {
            let key = common(&map.key, map.entries.iter().map(|(key, _)| key));
            Signature::map(key, common(&map.value, map.entries.iter().map(|(_, value)| value)))
        }
        Value::Tuple(tuple) => Signature::tuple(tuple.members.iter().map(inner_type)),
        value => value.signature(),
    }
}

fn common<'v>(declared: &Signature, mut values: impl Iterator<Item = &'v Value>) -> Signature {
    let Some(first) = values.next().map(inner_type) else { return declared.clone() };
    if values.all(|value| inner_type(value) == first) { first } else { declared.clone() }
}
