//! Signatures: the type language of the bus (qi-messaging.md 5).
//!
//! ```text
//! element    := type annotation?
//! type       := basic | "[" element "]" | "{" element element "}" | "(" element* ")" | ("+" | "#" | "~") element
//! annotation := "<" any text with balanced <> ">"
//! ```

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// Types within each other, at most. It bounds every recursion over a signature.
pub const MAX_DEPTH: usize = 64;
/// Bytes of a signature's text, at most.
pub const MAX_TEXT: usize = 64 * 1024;
/// What a parsed signature occupies in memory per byte of its text, at most: one [`Signature`] and a share of the
/// block that holds it. Who parses what a peer sent charges this before.
pub const MEMORY_PER_BYTE: usize = size_of::<Signature>() + 32;

/// What a signature says, without its annotation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `v`, and `_` too where it is read as a value.
    Void,
    /// `b`: one byte, 0 or 1.
    Bool,
    /// `c`
    Int8,
    /// `C`
    UInt8,
    /// `w`
    Int16,
    /// `W`
    UInt16,
    /// `i`
    Int32,
    /// `I`
    UInt32,
    /// `l`
    Int64,
    /// `L`
    UInt64,
    /// `f`: 32 bits.
    Float,
    /// `d`: 64 bits.
    Double,
    /// `s`: bytes, usually UTF-8.
    String,
    /// `r`: bytes.
    Raw,
    /// `m`: a value with its signature.
    Dynamic,
    /// `o`: a reference to an object.
    Object,
    /// `X`: a type that the sender could not name. Values of it cannot be read or written.
    Unknown,
    /// `_`: the element type of containers that were empty when somebody asked for it. Reads like `v`.
    Nothing,
    /// `[T]`
    List(Arc<Signature>),
    /// `{KV}`
    Map(Arc<(Signature, Signature)>),
    /// A tuple; with an annotation, a struct.
    Tuple(Arc<[Signature]>),
    /// `+T`
    Optional(Arc<Signature>),
    /// `#T`, on the wire a list.
    VarArgs(Arc<Signature>),
    /// `~T`, on the wire a map from strings.
    KeywordArgs(Arc<Signature>),
}

/// A parsed signature. Clones are cheap. Two are equal if they are equal without annotations.
#[derive(Clone)]
pub struct Signature {
    kind: Kind,
    annotation: Option<Arc<str>>,
    min_size: u32,
    plain: bool,
}

/// The letters of section 5.
const BASIC: [(u8, Kind, u32); 19] = [
    (b'v', Kind::Void, 0),
    (b'_', Kind::Nothing, 0),
    (b'X', Kind::Unknown, 0),
    (b'b', Kind::Bool, 1),
    (b'c', Kind::Int8, 1),
    (b'C', Kind::UInt8, 1),
    (b'w', Kind::Int16, 2),
    (b'W', Kind::UInt16, 2),
    (b'i', Kind::Int32, 4),
    (b'I', Kind::UInt32, 4),
    (b'l', Kind::Int64, 8),
    (b'L', Kind::UInt64, 8),
    (b'f', Kind::Float, 4),
    (b'd', Kind::Double, 8),
    (b's', Kind::String, 4),
    (b'r', Kind::Raw, 4),
    // The signature may be empty.
    (b'm', Kind::Dynamic, 4),
    // Of the layouts of section 7 the smallest: known meta object, no uid.
    (b'o', Kind::Object, 13),
    // Never on the wire, and so never parsed; only here to make the error say what it is.
    (b'*', Kind::Unknown, 0),
];

impl Kind {
    /// Smallest number of bytes that a value takes, and whether it takes exactly those and any bytes will do.
    fn size(&self) -> (u32, bool) {
        match self {
            Kind::List(_) | Kind::Map(_) | Kind::VarArgs(_) | Kind::KeywordArgs(_) => (4, false),
            Kind::Optional(_) => (1, false),
            Kind::Tuple(members) => members.iter().fold((0, true), |(size, plain), member| {
                (u32::saturating_add(size, member.min_size), plain && member.plain)
            }),
            Kind::Bool | Kind::String | Kind::Raw | Kind::Dynamic | Kind::Object | Kind::Unknown => {
                (self.basic().1, false)
            }
            _ => (self.basic().1, true),
        }
    }

    /// Letter and size of a basic type.
    fn basic(&self) -> (u8, u32) {
        BASIC.iter().find(|(_, kind, _)| kind == self).map_or((b'X', 0), |(letter, _, size)| (*letter, *size))
    }
}

impl From<Kind> for Signature {
    fn from(kind: Kind) -> Signature {
        let (min_size, plain) = kind.size();
        Signature { kind, annotation: None, min_size, plain }
    }
}

impl Signature {
    /// Parses the whole text, at most [`MAX_TEXT`] bytes and [`MAX_DEPTH`] deep.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Signature, SignatureError> {
        let text = text.as_ref();
        let mut parser = Parser { text, at: 0, depth: 0 };
        if text.len() > MAX_TEXT {
            return Err(parser.error(Reason::TooLong));
        }
        if text.is_empty() {
            return Err(parser.error(Reason::Empty));
        }
        let signature = parser.element()?;
        if parser.at < text.len() {
            return Err(parser.error(Reason::Trailing));
        }
        Ok(signature)
    }

    /// `[element]`
    pub fn list(element: Signature) -> Signature {
        Kind::List(Arc::new(element)).into()
    }

    /// `{key value}`
    pub fn map(key: Signature, value: Signature) -> Signature {
        Kind::Map(Arc::new((key, value))).into()
    }

    /// `(members)`
    pub fn tuple(members: impl IntoIterator<Item = Signature>) -> Signature {
        Kind::Tuple(members.into_iter().collect()).into()
    }

    /// `+element`
    pub fn optional(element: Signature) -> Signature {
        Kind::Optional(Arc::new(element)).into()
    }

    /// What kind of type this is, and what it contains.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The text between the outermost `<` and `>` behind the type.
    pub fn annotation(&self) -> Option<&str> {
        self.annotation.as_deref()
    }

    /// The members of a tuple; of anything else, none.
    pub fn members(&self) -> &[Signature] {
        match &self.kind {
            Kind::Tuple(members) => members,
            _ => &[],
        }
    }

    /// The name of a struct: what its annotation has in front of the first comma. Names may hold balanced `<>`.
    pub fn struct_name(&self) -> Option<&str> {
        self.annotated_names().and_then(|mut names| names.next()).filter(|name| !name.is_empty())
    }

    /// The names of a struct's fields, if there is one for each member.
    pub fn field_names(&self) -> Option<Vec<&str>> {
        let names: Vec<_> = self.annotated_names()?.skip(1).collect();
        (names.len() == self.members().len() && !names.is_empty()).then_some(names)
    }

    fn annotated_names(&self) -> Option<impl Iterator<Item = &str>> {
        if !matches!(self.kind, Kind::Tuple(_)) {
            return None;
        }
        let mut open = 0_usize;
        Some(self.annotation()?.split(move |letter| {
            match letter {
                '<' => open += 1,
                '>' => open = open.saturating_sub(1),
                _ => {}
            }
            letter == ',' && open == 0
        }))
    }

    /// The smallest number of bytes that a value of this type takes. 0 for `v` and what consists of nothing else.
    pub fn min_size(&self) -> u32 {
        self.min_size
    }

    /// Whether every value takes exactly [`min_size`](Signature::min_size) bytes, and any bytes are a value.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Whether this can be the parameters of a method or a signal: a tuple, or `m` for any arguments.
    pub fn is_arguments(&self) -> bool {
        matches!(self.kind, Kind::Tuple(_) | Kind::Dynamic)
    }

    /// The text without annotations.
    pub fn bare(&self) -> String {
        format!("{self:#}")
    }
}

impl PartialEq for Signature {
    fn eq(&self, other: &Signature) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Signature {}

impl Hash for Signature {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
    }
}

impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Signature, SignatureError> {
        Signature::parse(text)
    }
}

/// The text that was parsed; with `{:#}`, without annotations.
impl fmt::Display for Signature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::List(element) => {
                out.write_str("[")?;
                element.fmt(out)?;
                out.write_str("]")?;
            }
            Kind::Map(entry) => {
                out.write_str("{")?;
                entry.0.fmt(out)?;
                entry.1.fmt(out)?;
                out.write_str("}")?;
            }
            Kind::Tuple(members) => {
                out.write_str("(")?;
                members.iter().try_for_each(|member| member.fmt(out))?;
                out.write_str(")")?;
            }
            Kind::Optional(element) | Kind::VarArgs(element) | Kind::KeywordArgs(element) => {
                out.write_str(match self.kind {
                    Kind::Optional(_) => "+",
                    Kind::VarArgs(_) => "#",
                    _ => "~",
                })?;
                element.fmt(out)?;
            }
            basic => fmt::Write::write_char(out, char::from(basic.basic().0))?,
        }
        match &self.annotation {
            Some(annotation) if !out.alternate() => write!(out, "<{annotation}>"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\"{self}\"")
    }
}

/// Where a text stops being a signature, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureError {
    /// Bytes into the text.
    pub position: usize,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong with a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is nothing.
    Empty,
    /// More than [`MAX_TEXT`] bytes.
    TooLong,
    /// More than [`MAX_DEPTH`] types within each other.
    TooDeep,
    /// This byte begins no type.
    UnknownType(u8),
    /// This bracket is missing.
    Unclosed(char),
    /// The text ends where a type is due.
    Ended,
    /// A whole signature, and then more.
    Trailing,
    /// An annotation is not UTF-8.
    NotText,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Empty => return out.write_str("an empty text is not a signature"),
            Reason::TooLong => return write!(out, "more than {MAX_TEXT} bytes of signature"),
            Reason::TooDeep => write!(out, "more than {MAX_DEPTH} types within each other"),
            Reason::UnknownType(byte) => write!(out, "no type begins with '{}'", byte.escape_ascii()),
            Reason::Unclosed(bracket) => write!(out, "'{bracket}' is missing"),
            Reason::Ended => out.write_str("a type is missing"),
            Reason::Trailing => out.write_str("text behind the signature"),
            Reason::NotText => out.write_str("an annotation that is not UTF-8"),
        }?;
        write!(out, " at byte {}", self.position)
    }
}

impl std::error::Error for SignatureError {}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn error(&self, reason: Reason) -> SignatureError {
        SignatureError { position: self.at, reason }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn element(&mut self) -> Result<Signature, SignatureError> {
        let letter = self.peek().ok_or_else(|| self.error(Reason::Ended))?;
        let basic = BASIC.iter().find(|(basic, ..)| *basic == letter && letter != b'*');
        let kind = match basic {
            Some((_, kind, _)) => {
                self.at += 1;
                kind.clone()
            }
            None => self.compound(letter)?,
        };
        let mut signature = Signature::from(kind);
        if self.peek() == Some(b'<') {
            signature.annotation = Some(self.annotation()?);
        }
        Ok(signature)
    }

    fn compound(&mut self, letter: u8) -> Result<Kind, SignatureError> {
        if !b"[{(+#~".contains(&letter) {
            return Err(self.error(Reason::UnknownType(letter)));
        }
        if self.depth == MAX_DEPTH {
            return Err(self.error(Reason::TooDeep));
        }
        self.at += 1;
        self.depth += 1;
        let kind = match letter {
            b'[' => {
                let element = self.element()?;
                self.close(']')?;
                Kind::List(Arc::new(element))
            }
            b'{' => {
                let entry = (self.element()?, self.element()?);
                self.close('}')?;
                Kind::Map(Arc::new(entry))
            }
            b'(' => {
                let mut members = Vec::new();
                while self.peek().is_some_and(|next| next != b')') {
                    members.push(self.element()?);
                }
                self.close(')')?;
                Kind::Tuple(members.into())
            }
            b'+' => Kind::Optional(Arc::new(self.element()?)),
            b'#' => Kind::VarArgs(Arc::new(self.element()?)),
            _ => Kind::KeywordArgs(Arc::new(self.element()?)),
        };
        self.depth -= 1;
        Ok(kind)
    }

    fn close(&mut self, bracket: char) -> Result<(), SignatureError> {
        if self.peek().map(char::from) != Some(bracket) {
            return Err(self.error(Reason::Unclosed(bracket)));
        }
        self.at += 1;
        Ok(())
    }

    fn annotation(&mut self) -> Result<Arc<str>, SignatureError> {
        let start = self.at + 1;
        let mut open = 0_usize;
        while let Some(letter) = self.peek() {
            match letter {
                b'<' => open += 1,
                b'>' => open -= 1, // `open` is at least 1: the first letter here is '<'
                _ => {}
            }
            if open == 0 {
                let text = str::from_utf8(&self.text[start..self.at]);
                let text = text.map_err(|_| self.error(Reason::NotText))?.into();
                self.at += 1;
                return Ok(text);
            }
            self.at += 1;
        }
        Err(self.error(Reason::Unclosed('>')))
    }
}

#[cfg(test)]
#[path = "tests/signature.rs"]
mod tests;
