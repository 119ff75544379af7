//! Heads of HTTP messages, as far as the opening handshake needs them (RFC 7230, 3).

use httparse::{EMPTY_HEADER, Header, Response, Status, parse_headers};

/// Longest head that is read, and how many fields it may have: what browsers and proxies add, cookies above all, can be long.
const HEAD_MAX: usize = 32 * 1024;
const FIELDS_MAX: usize = 256;

const METHOD: &[u8] = b"GET ";
const VERSION: &[u8] = b" HTTP/1.";

/// What is wrong with a head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It is not HTTP/1.1.
    Malformed,
    /// A request, but not one for a representation (GET).
    Method,
    TooLong,
}

/// A request, once all of its head is there, in the first `used` bytes. Whatever is asked for will do, even nothing at all,
/// which is how NNG asks for the root and no parser of HTTP would have it.
#[derive(Debug)]
pub struct Request<'b> {
    pub used: usize,
    pub fields: Fields<'b>,
}

impl<'b> Request<'b> {
    /// `None`: not all of it is there. What cannot become a request is a fault at its first byte.
    pub fn parse(bytes: &'b [u8]) -> Result<Option<Request<'b>>, Fault> {
        let begin = bytes.len() - skip_empty_lines(bytes).len();
        let Some(line) = request_line(&bytes[begin..])? else { return unless_too_long(bytes) };
        let start = begin + line;
        let mut room = room()?;
        match parse_headers(&bytes[start..], &mut room) {
            Ok(Status::Complete((used, _))) if start + used > HEAD_MAX => Err(Fault::TooLong),
            Ok(Status::Complete((used, fields))) => {
                let count = fields.len();
                room.truncate(count);
                Ok(Some(Request { used: start + used, fields: Fields(room) }))
            }
            Ok(Status::Partial) => unless_too_long(bytes),
            Err(error) => Err(error.into()),
        }
    }
}

/// What begins after lines that a client has put before its request; they are to be ignored (RFC 7230, 3.5).
fn skip_empty_lines(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b"\r\n").or_else(|| bytes.strip_prefix(b"\n")) {
        bytes = rest;
    }
    bytes
}

/// How long the request's first line is, with its end: a line feed, a carriage return before which may be missing (RFC 7230,
/// 3.5). So it is in fields, as `httparse` reads them.
fn request_line(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    let begun = bytes.len().min(METHOD.len());
    let is_get = bytes[..begun] == METHOD[..begun];
    let method = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
    let has_begun = !bytes.is_empty() && bytes != b"\r";
    let is_method = !method.is_empty() && method.iter().all(u8::is_ascii_uppercase);
    if has_begun && !is_get && !is_method {
        return Err(Fault::Malformed);
    }
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let line = &bytes[..end];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let version = line.len().checked_sub(VERSION.len() + 1).ok_or(Fault::Malformed)?;
    // HTTP/1.1 or higher (RFC 6455, 4.2.1).
    let is_new = line[version..].strip_prefix(VERSION).is_some_and(|minor| minor != b"0" && minor[0].is_ascii_digit());
    let target = line[..version].splitn(2, |byte| *byte == b' ').nth(1);
    match target {
        Some(target) if is_new && !target.contains(&b' ') => match is_get {
            true => Ok(Some(end + 1)),
            false => Err(Fault::Method),
        },
        _ => Err(Fault::Malformed),
    }
}

/// The answer to a request, once all of its head is there, in the first `used` bytes.
#[derive(Debug)]
pub struct Reply<'b> {
    pub used: usize,
    /// The status code.
    pub code: u16,
    pub fields: Fields<'b>,
}

impl<'b> Reply<'b> {
    pub fn parse(bytes: &'b [u8]) -> Result<Option<Reply<'b>>, Fault> {
        let mut room = room()?;
        let mut response = Response::new(&mut room);
        match response.parse(bytes) {
            Ok(Status::Complete(used)) if used > HEAD_MAX => Err(Fault::TooLong),
            Ok(Status::Complete(used)) => {
                let (code, count) = (response.code.unwrap_or(0), response.headers.len());
                room.truncate(count);
                Ok(Some(Reply { used, code, fields: Fields(room) }))
            }
            Ok(Status::Partial) => unless_too_long(bytes),
            Err(error) => Err(error.into()),
        }
    }
}

/// Room for as many fields as there may be; without memory for it, they are too many.
fn room<'b>() -> Result<Vec<Header<'b>>, Fault> {
    let mut room = Vec::new();
    room.try_reserve_exact(FIELDS_MAX).map_err(|_| Fault::TooLong)?;
    room.resize(FIELDS_MAX, EMPTY_HEADER);
    Ok(room)
}

impl From<httparse::Error> for Fault {
    fn from(error: httparse::Error) -> Fault {
        if error == httparse::Error::TooManyHeaders { Fault::TooLong } else { Fault::Malformed }
    }
}

fn unless_too_long<T>(so_far: &[u8]) -> Result<Option<T>, Fault> {
    if so_far.len() > HEAD_MAX { Err(Fault::TooLong) } else { Ok(None) }
}

/// The fields of a head. Their names are looked up in any case.
#[derive(Debug)]
pub struct Fields<'b>(Vec<Header<'b>>);

impl<'b> Fields<'b> {
    fn values(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        let of_it = self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        of_it.map(|field| field.value.trim_ascii())
    }

    /// The value of a field that must be there once: nothing if it is not.
    pub fn only(&self, name: &str) -> Option<&'b [u8]> {
        let mut values = self.values(name);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// What a field lists, separated by commas, in one line or in several (RFC 7230, 3.2.2 and 7).
    pub fn list(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        let lines = self.values(name).flat_map(|value| value.split(|byte| *byte == b','));
        lines.map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
    }

    /// Whether a field lists this, in any case.
    pub fn lists(&self, name: &str, wanted: &[u8]) -> bool {
        self.list(name).any(|item| item.eq_ignore_ascii_case(wanted))
    }
}
