//! What an object can do, as it tells others (qi-messaging.md 8).
//!
//! Reading is lenient: a bad signature is kept, and complained of only by who uses that member. Publishing is
//! strict, because one bad text makes a whole service unusable to libqi: see [`MetaObject::validate`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use super::signature::{Kind, Signature, SignatureError};
use super::value::Text;

mod builder;
mod coding;
mod service_info;

pub use builder::{Builder, GENERIC_IDS, STATISTICS_TEXT, TRACE_TEXT};
pub use service_info::{SERVICE_INFO_6_TEXT, SERVICE_INFO_TEXT, ServiceInfo, ServiceInfoLayout};

/// The signature of a meta object, letter by letter that of libqi.
pub const SIGNATURE_TEXT: &str = "({I(Issss[(ss)<MetaMethodParameter,name,description>]s)\
    <MetaMethod,uid,returnSignature,name,parametersSignature,description,parameters,returnDescription>}\
    {I(Iss)<MetaSignal,uid,name,signature>}{I(Iss)<MetaProperty,uid,name,signature>}s)<MetaObject,methods,signals,properties,description>";

/// [`SIGNATURE_TEXT`], parsed.
pub static SIGNATURE: LazyLock<Signature> = LazyLock::new(|| constant(SIGNATURE_TEXT));

/// The first id for members of one's own; those below are generic.
pub const FIRST_USER_ID: u32 = 100;

/// A signature that stands in this source; the tests parse all of them.
pub(super) fn constant(text: &str) -> Signature {
    Signature::parse(text).unwrap_or(Kind::Unknown.into())
}

/// A signature as somebody declared it, which may be nonsense until it is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Declared(pub Text);

impl Declared {
    /// The type, parsed now.
    pub fn parse(&self) -> Result<Signature, SignatureError> {
        Signature::parse(&self.0)
    }
}

/// `MetaMethodParameter`: documentation only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MetaMethodParameter {
    /// Its name.
    pub name: Text,
    /// For people.
    pub description: Text,
}

/// `MetaMethod`. Overloads are methods of one name and different parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MetaMethod {
    /// The action id, which Calls carry.
    pub uid: u32,
    /// The type of its result.
    pub return_signature: Declared,
    /// Its name.
    pub name: Text,
    /// A tuple, or `m` for any arguments.
    pub parameters_signature: Declared,
    /// For people.
    pub description: Text,
    /// What its parameters are called, for people.
    pub parameters: Vec<MetaMethodParameter>,
    /// What its result is, for people.
    pub return_description: Text,
}

/// `MetaSignal`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MetaSignal {
    /// Its id, which messages carry.
    pub uid: u32,
    /// Its name.
    pub name: Text,
    /// A tuple, or `m` for any arguments.
    pub signature: Declared,
}

/// `MetaProperty`. There is a signal of the same id and name, of one argument.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MetaProperty {
    /// Its id, which messages carry.
    pub uid: u32,
    /// Its name.
    pub name: Text,
    /// Its type.
    pub signature: Declared,
}

/// `MetaObject`. The keys are those of the wire; what counts is the uid inside, which valid ones equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MetaObject {
    /// Its methods, by id.
    pub methods: BTreeMap<u32, MetaMethod>,
    /// Its signals, by id.
    pub signals: BTreeMap<u32, MetaSignal>,
    /// Its properties, by id.
    pub properties: BTreeMap<u32, MetaProperty>,
    /// For people.
    pub description: Text,
}

/// What is wrong with a member, and with which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaError {
    /// Method, signal or property, by id and name.
    pub member: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a member of a meta object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Its signature is none.
    Signature {
        /// What stands there.
        text: Text,
        /// What is wrong with it.
        error: SignatureError,
    },
    /// Parameters, or those of a signal, are neither a tuple nor `m`.
    NotArguments(Text),
    /// The type `X` cannot be sent.
    Unsendable(Text),
    /// The key in the map is another id.
    Key(u32),
    /// The id belongs to the generic members.
    Reserved,
    /// The id is that of another member too.
    Twice,
    /// A property without the signal of its id, name and type, on which libqi clients crash.
    NoSignal,
    /// The name is empty or not UTF-8, or holds what full names are made of.
    Name,
    /// A method of this name and these parameters exists.
    Overload,
}

impl fmt::Display for MetaError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.member)?;
        match &self.problem {
            Problem::Signature { text, error } => write!(out, "invalid signature \"{text}\": {error}"),
            Problem::NotArguments(text) => write!(out, "signature \"{text}\" is neither a tuple nor m"),
            Problem::Unsendable(text) => write!(out, "signature \"{text}\" holds the unknown type X"),
            Problem::Key(key) => write!(out, "listed under id {key}"),
            Problem::Reserved => write!(out, "ids below {FIRST_USER_ID} are those of the generic members"),
            Problem::Twice => out.write_str("another member has this id"),
            Problem::NoSignal => out.write_str("a property needs a signal of the same id, name and type"),
            Problem::Name => out.write_str("a bad name"),
            Problem::Overload => out.write_str("another method has this name and these parameters"),
        }
    }
}

impl std::error::Error for MetaError {}

fn parse_member(declared: &Declared, what: &str, uid: u32, name: &Text) -> Result<Signature, MetaError> {
    declared.parse().map_err(|error| {
        let problem = Problem::Signature { text: declared.0.clone(), error };
        MetaError { member: format!("{what} {uid} \"{name}\""), problem }
    })
}

impl MetaMethod {
    /// The parameters' type. An error names the method.
    pub fn parameters_type(&self) -> Result<Signature, MetaError> {
        parse_member(&self.parameters_signature, "method", self.uid, &self.name)
    }

    /// The result's type. An error names the method.
    pub fn return_type(&self) -> Result<Signature, MetaError> {
        parse_member(&self.return_signature, "method", self.uid, &self.name)
    }

    /// `name::(parameters)`, which tells overloads apart.
    pub fn full_name(&self) -> String {
        format!("{}::{}", self.name, self.parameters_signature.0)
    }
}

impl MetaSignal {
    /// The type of the argument tuple, or `m`. An error names the signal.
    pub fn arguments_type(&self) -> Result<Signature, MetaError> {
        parse_member(&self.signature, "signal", self.uid, &self.name)
    }
}

impl MetaProperty {
    /// The type of the value. An error names the property.
    pub fn value_type(&self) -> Result<Signature, MetaError> {
        parse_member(&self.signature, "property", self.uid, &self.name)
    }
}

impl MetaObject {
    /// The method of this action id.
    pub fn method(&self, uid: u32) -> Option<&MetaMethod> {
        by_uid(&self.methods, uid, |method| method.uid)
    }

    /// The signal of this id.
    pub fn signal(&self, uid: u32) -> Option<&MetaSignal> {
        by_uid(&self.signals, uid, |signal| signal.uid)
    }

    /// The property of this id.
    pub fn property(&self, uid: u32) -> Option<&MetaProperty> {
        by_uid(&self.properties, uid, |property| property.uid)
    }

    /// All methods of this name, in the order of their ids.
    pub fn methods_named<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m MetaMethod> {
        self.methods.values().filter(move |method| method.name == name)
    }

    /// The signal of this name; of several the first.
    pub fn signal_named(&self, name: &str) -> Option<&MetaSignal> {
        self.signals.values().find(|signal| signal.name == name)
    }

    /// The property of this name; of several the first.
    pub fn property_named(&self, name: &str) -> Option<&MetaProperty> {
        self.properties.values().find(|property| property.name == name)
    }
}

/// The key is right in valid meta objects; in others, the uid inside counts.
fn by_uid<T>(members: &BTreeMap<u32, T>, uid: u32, uid_of: impl Fn(&T) -> u32) -> Option<&T> {
    let at_key = members.get(&uid).filter(|member| uid_of(member) == uid);
    at_key.or_else(|| members.values().find(|member| uid_of(member) == uid))
}

#[cfg(test)]
mod tests;
