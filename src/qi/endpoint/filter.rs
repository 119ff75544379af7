//! Which messages a handler wants, decided from the header alone.
//!
//! A [`Pattern`] is data: the table finds it by hash, however many handlers there are. A callback is asked about
//! every message, so it is for what no pattern can say.

use std::fmt;
use std::sync::Arc;

use crate::qi::message::{Header, Type};

/// A set of message types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Types(u16);

impl Types {
    /// Every type of section 3 but `None`, which is never offered to anybody; neither are unknown types.
    pub const ANY: Types = Types(0x1fe);
    /// What ends a call of ours: Reply, Error, Canceled.
    pub const ANSWERS: Types = Types(1 << 2 | 1 << 3 | 1 << 8);

    /// One type; none at all for `Type::None` and unknown ones.
    pub fn of(ty: Type) -> Types {
        Types(1u16.checked_shl(ty.byte().into()).unwrap_or(0)).and(Types::ANY)
    }

    #[must_use]
    /// Types that are in one of the two.
    pub fn or(self, other: Types) -> Types {
        Types(self.0 | other.0)
    }

    #[must_use]
    /// Types that are in both.
    pub fn and(self, other: Types) -> Types {
        Types(self.0 & other.0)
    }

    /// Whether a type is among them.
    pub fn contains(self, ty: Type) -> bool {
        self.and(Types::of(ty)) != Types(0)
    }
}

/// A filter without code: what it names must be equal, what is `None` may be anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pattern {
    /// Messages of these types.
    pub types: Types,
    /// Of this service; `None`: of any.
    pub service: Option<u32>,
    /// Of this object; `None`: of any.
    pub object: Option<u32>,
    /// With this action; `None`: with any.
    pub action: Option<u32>,
    /// The message id, as for the answer to a call.
    pub id: Option<u32>,
    /// The handler ends with the first message that matches.
    pub once: bool,
    /// A message that matches is not offered to handlers created later, not even if this one's queue is full.
    pub exclusive: bool,
}

impl Pattern {
    /// Everything, for ever, shared with others.
    pub const ANY: Pattern = Pattern {
        types: Types::ANY,
        service: None,
        object: None,
        action: None,
        id: None,
        once: false,
        exclusive: false,
    };

    /// All messages of these types.
    pub fn types(types: Types) -> Pattern {
        Pattern { types, ..Pattern::ANY }
    }

    /// The events of one signal or property.
    pub fn events(service: u32, object: u32, action: u32) -> Pattern {
        Pattern { types: Types::of(Type::Event), ..Pattern::address(service, object, action) }
    }

    fn address(service: u32, object: u32, action: u32) -> Pattern {
        Pattern { service: Some(service), object: Some(object), action: Some(action), ..Pattern::ANY }
    }

    /// Whether a message with this header is meant.
    pub fn matches(&self, header: &Header) -> bool {
        let equal = |wanted: Option<u32>, is: u32| wanted.is_none_or(|wanted| wanted == is);
        self.types.contains(header.ty)
            && equal(self.id, header.id)
            && equal(self.service, header.service)
            && equal(self.object, header.object)
            && equal(self.action, header.action)
    }
}

/// What a callback filter says of one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// Deliver it to this handler.
    pub matched: bool,
    /// False: the handler ends after this message, matched or not.
    pub keep: bool,
    /// With `matched`: handlers created later are not offered it.
    pub exclusive: bool,
}

/// A filter with code. Called on the thread that reads the connection, one message at a time, under no lock. It must
/// not block; whatever it asks of an end point meanwhile fails with `EDEADLK`.
pub type FilterFn = dyn Fn(&Header) -> Verdict + Send + Sync;

/// Which messages a handler wants.
#[derive(Clone)]
pub enum Filter {
    /// By its header.
    Pattern(Pattern),
    /// By a function that looks at its header.
    Callback(Arc<FilterFn>),
    /// None: the handler exists for its closer.
    Nothing,
}

impl Filter {
    /// A filter that asks a function.
    pub fn callback(filter: impl Fn(&Header) -> Verdict + Send + Sync + 'static) -> Filter {
        Filter::Callback(Arc::new(filter))
    }
}

impl From<Pattern> for Filter {
    fn from(pattern: Pattern) -> Filter {
        Filter::Pattern(pattern)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Filter::Pattern(pattern) => pattern.fmt(out),
            Filter::Callback(_) => out.write_str("Callback"),
            Filter::Nothing => out.write_str("Nothing"),
        }
    }
}
