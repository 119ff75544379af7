//! Meta objects of our own: built with ids given, and checked before anybody sees them.

use std::collections::{BTreeMap, HashSet};

use crate::qi::actions;
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::Text;

use super::{
    Declared, FIRST_USER_ID, MetaError, MetaMethod, MetaMethodParameter, MetaObject, MetaProperty, MetaSignal, Problem,
    SIGNATURE_TEXT,
};

/// The ids of the generic members (section 9).
pub const GENERIC_IDS: std::ops::Range<u32> = 0..FIRST_USER_ID;

/// `{I MethodStatistics}`: what action 82 returns. Times in seconds.
pub const STATISTICS_TEXT: &str = "{I(I(fff)<MinMaxSum,minValue,maxValue,cumulatedValue>\
    (fff)<MinMaxSum,minValue,maxValue,cumulatedValue>(fff)<MinMaxSum,minValue,maxValue,cumulatedValue>)\
    <MethodStatistics,count,wall,user,system>}";

/// The arguments of signal 86.
pub const TRACE_TEXT: &str = "((IiIm(ll)<timeval,tv_sec,tv_usec>llII)<EventTrace,id,kind,slotId,arguments,timestamp,\
    userUsTime,systemUsTime,callerContext,calleeContext>)";

/// Id, result, name, parameters of what every object must have.
const GENERIC: [(u32, &str, &str, &str); 8] = [
    (actions::REGISTER_EVENT, "L", "registerEvent", "(IIL)"),
    (actions::UNREGISTER_EVENT, "v", "unregisterEvent", "(IIL)"),
    (actions::META_OBJECT, SIGNATURE_TEXT, "metaObject", "(I)"),
    (actions::TERMINATE, "v", "terminate", "(I)"),
    (actions::PROPERTY, "m", "property", "(m)"),
    (actions::SET_PROPERTY, "v", "setProperty", "(mm)"),
    (actions::PROPERTIES, "[s]", "properties", "()"),
    (actions::REGISTER_EVENT_WITH_SIGNATURE, "L", "registerEventWithSignature", "(IILs)"),
];

/// The same of what only objects with statistics and traces have; with signal 86.
const STATISTICS: [(u32, &str, &str, &str); 6] = [
    (actions::IS_STATS_ENABLED, "b", "isStatsEnabled", "()"),
    (actions::ENABLE_STATS, "v", "enableStats", "(b)"),
    (actions::STATS, STATISTICS_TEXT, "stats", "()"),
    (actions::CLEAR_STATS, "v", "clearStats", "()"),
    (actions::IS_TRACE_ENABLED, "b", "isTraceEnabled", "()"),
    (actions::ENABLE_TRACE, "v", "enableTrace", "(b)"),
];

/// Builds a meta object. Members get ids from 100 up in the order in which they are added.
#[derive(Clone, Debug)]
pub struct Builder {
    meta: MetaObject,
    next: u32,
}

impl Builder {
    /// With the generic methods 0 to 3 and 5 to 8, without which libqi can do little with an object.
    pub fn new() -> Builder {
        let mut meta = MetaObject::default();
        add(&mut meta, &GENERIC);
        Builder { meta, next: FIRST_USER_ID }
    }

    /// Adds the generic methods 80 to 85 and the signal 86, for objects that keep statistics and traces.
    pub fn statistics(&mut self) -> &mut Builder {
        add(&mut self.meta, &STATISTICS);
        let signature = Declared(TRACE_TEXT.into());
        self.meta
            .signals
            .insert(actions::TRACE, MetaSignal { uid: actions::TRACE, name: "traceObject".into(), signature });
        self
    }

    /// Describes the object, for people.
    pub fn description(&mut self, text: &str) -> &mut Builder {
        self.meta.description = text.into();
        self
    }

    /// Adds a method; gives its id. `parameters` is a tuple or `m`.
    pub fn method(&mut self, name: &str, parameters: &str, result: &str) -> u32 {
        let signatures = (Declared(result.into()), Declared(parameters.into()));
        let (return_signature, parameters_signature) = signatures;
        self.method_as(MetaMethod {
            name: name.into(),
            return_signature,
            parameters_signature,
            ..MetaMethod::default()
        })
    }

    /// Adds a method with its documentation; its uid is replaced by the one that is given back.
    pub fn method_as(&mut self, method: MetaMethod) -> u32 {
        let uid = self.take_id();
        self.meta.methods.insert(uid, MetaMethod { uid, ..method });
        uid
    }

    /// Documents the method of this id; false if there is none.
    pub fn document(&mut self, id: u32, description: &str, result: &str, parameters: &[(&str, &str)]) -> bool {
        let Some(method) = self.meta.methods.get_mut(&id) else { return false };
        method.description = description.into();
        method.return_description = result.into();
        let parameter =
            |&(name, text): &(&str, &str)| MetaMethodParameter { name: name.into(), description: text.into() };
        method.parameters = parameters.iter().map(parameter).collect();
        true
    }

    /// Adds a signal; gives its id. `arguments` is a tuple or `m`.
    pub fn signal(&mut self, name: &str, arguments: &str) -> u32 {
        let uid = self.take_id();
        self.meta.signals.insert(uid, MetaSignal { uid, name: name.into(), signature: Declared(arguments.into()) });
        uid
    }

    /// Adds a property and its signal; gives the id of both. `signature` is that of the value.
    pub fn property(&mut self, name: &str, signature: &str) -> u32 {
        let uid = self.take_id();
        let name: Text = name.into();
        let event = Declared(format!("({signature})").into());
        self.meta.signals.insert(uid, MetaSignal { uid, name: name.clone(), signature: event });
        self.meta.properties.insert(uid, MetaProperty { uid, name, signature: Declared(signature.into()) });
        uid
    }

    /// The next member gets this id, and those after it the ones that follow: for objects whose ids are agreed on,
    /// like those of the directory.
    pub fn next_id(&mut self, id: u32) -> &mut Builder {
        self.next = id;
        self
    }

    /// The meta object, if it may be published.
    pub fn build(&self) -> Result<MetaObject, MetaError> {
        self.meta.validate()?;
        Ok(self.meta.clone())
    }

    fn take_id(&mut self) -> u32 {
        let id = self.next;
        self.next = id.saturating_add(1);
        id
    }
}

impl Default for Builder {
    fn default() -> Builder {
        Builder::new()
    }
}

fn add(meta: &mut MetaObject, methods: &[(u32, &str, &str, &str)]) {
    for &(uid, result, name, parameters) in methods {
        let (return_signature, parameters_signature) = (Declared(result.into()), Declared(parameters.into()));
        let method =
            MetaMethod { uid, return_signature, name: name.into(), parameters_signature, ..MetaMethod::default() };
        meta.methods.insert(uid, method);
    }
}

fn holds_unknown(signature: &Signature) -> bool {
    match signature.kind() {
        Kind::Unknown => true,
        Kind::List(element) | Kind::Optional(element) | Kind::VarArgs(element) | Kind::KeywordArgs(element) => {
            holds_unknown(element)
        }
        Kind::Map(entry) => holds_unknown(&entry.0) || holds_unknown(&entry.1),
        Kind::Tuple(members) => members.iter().any(holds_unknown),
        _ => false,
    }
}

/// One member while it is checked.
struct MetaMember<'m> {
    what: &'static str,
    key: u32,
    uid: u32,
    name: &'m Text,
    /// Whether this is one of the generic members, letter by letter.
    generic: bool,
}

impl MetaMember<'_> {
    fn fail(&self, problem: Problem) -> MetaError {
        MetaError { member: format!("{} {} \"{}\"", self.what, self.uid, self.name), problem }
    }

    fn check(&self) -> Result<(), MetaError> {
        if self.key != self.uid {
            return Err(self.fail(Problem::Key(self.key)));
        }
        if GENERIC_IDS.contains(&self.uid) && !self.generic {
            return Err(self.fail(Problem::Reserved));
        }
        match self.name.as_str() {
            Some(name) if !name.is_empty() && !name.contains("::") && !name.contains(char::is_control) => Ok(()),
            _ => Err(self.fail(Problem::Name)),
        }
    }

    fn sendable(&self, declared: &Declared) -> Result<Signature, MetaError> {
        let text = || declared.0.clone();
        let parsed = declared.parse().map_err(|error| self.fail(Problem::Signature { text: text(), error }))?;
        if holds_unknown(&parsed) {
            return Err(self.fail(Problem::Unsendable(text())));
        }
        Ok(parsed)
    }

    fn arguments(&self, declared: &Declared) -> Result<Signature, MetaError> {
        let parsed = self.sendable(declared)?;
        if !parsed.is_arguments() {
            return Err(self.fail(Problem::NotArguments(declared.0.clone())));
        }
        Ok(parsed)
    }
}

impl MetaObject {
    /// Checks everything that a published meta object must be (section 8): signatures are valid, arguments are
    /// tuples or `m`, keys are the uids, ids below 100 are the generic ones, no id is used twice but by a property
    /// and its signal, every property has its signal, no method comes twice. The first fault is told.
    pub fn validate(&self) -> Result<(), MetaError> {
        let (generic, mut overloads) = (generic_members(), HashSet::new());
        self.methods.iter().try_for_each(|(key, method)| check_method(*key, method, &generic, &mut overloads))?;
        self.signals.iter().try_for_each(|(key, signal)| self.check_signal(*key, signal, &generic))?;
        self.properties.iter().try_for_each(|(key, property)| self.check_property(*key, property))
    }

    /// As much of it as may be published, and the generic methods: what an object of another peer's looks like when it is
    /// passed on. What is lost nobody could use.
    #[must_use]
    pub fn publishable(&self) -> MetaObject {
        let (generic, mut overloads) = (generic_members(), HashSet::new());
        let mut meta = self.clone();
        add(&mut meta, &GENERIC);
        meta.methods.retain(|key, method| check_method(*key, method, &generic, &mut overloads).is_ok());
        let signals = std::mem::take(&mut meta.signals);
        meta.signals =
            signals.into_iter().filter(|(key, signal)| meta.check_signal(*key, signal, &generic).is_ok()).collect();
        let properties = std::mem::take(&mut meta.properties);
        meta.properties =
            properties.into_iter().filter(|(key, property)| meta.check_property(*key, property).is_ok()).collect();
        meta
    }

    fn check_signal(&self, key: u32, signal: &MetaSignal, generic: &MetaObject) -> Result<(), MetaError> {
        let known = generic.signals.get(&key) == Some(signal);
        let member = MetaMember { what: "signal", key, uid: signal.uid, name: &signal.name, generic: known };
        member.check()?;
        member.arguments(&signal.signature)?;
        if self.methods.contains_key(&key) {
            return Err(member.fail(Problem::Twice));
        }
        Ok(())
    }

    fn check_property(&self, key: u32, property: &MetaProperty) -> Result<(), MetaError> {
        let member = MetaMember { what: "property", key, uid: property.uid, name: &property.name, generic: false };
        member.check()?;
        let signature = member.sendable(&property.signature)?;
        let event = Signature::tuple([signature]);
        match self.signals.get(&key) {
            Some(signal) if signal.name == property.name && signal.signature.parse() == Ok(event) => Ok(()),
            _ if self.methods.contains_key(&key) => Err(member.fail(Problem::Twice)),
            _ => Err(member.fail(Problem::NoSignal)),
        }
    }
}

fn check_method(
    key: u32,
    method: &MetaMethod,
    generic: &MetaObject,
    overloads: &mut HashSet<(Text, Signature)>,
) -> Result<(), MetaError> {
    let known = generic.methods.get(&key).is_some_and(|generic| same_call(generic, method));
    let member = MetaMember { what: "method", key, uid: method.uid, name: &method.name, generic: known };
    member.check()?;
    member.sendable(&method.return_signature)?;
    let parameters = member.arguments(&method.parameters_signature)?;
    if !overloads.insert((method.name.clone(), parameters)) {
        return Err(member.fail(Problem::Overload));
    }
    Ok(())
}

/// Equal but for the documentation, which everybody may write as they like.
fn same_call(generic: &MetaMethod, method: &MetaMethod) -> bool {
    generic.name == method.name
        && generic.parameters_signature.parse() == method.parameters_signature.parse()
        && generic.return_signature.parse() == method.return_signature.parse()
}

fn generic_members() -> MetaObject {
    let mut generic = Builder { meta: MetaObject { methods: BTreeMap::new(), ..MetaObject::default() }, next: 0 };
    add(&mut generic.meta, &GENERIC);
    generic.statistics();
    generic.meta
}
