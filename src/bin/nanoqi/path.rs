//! What a member is called on the command line: `SERVICE.MEMBER`, patterns for several, and members of objects that methods return.

use nanomsg::qi::client::{CallOptions, Proxy, Received, Session};
use nanomsg::qi::meta::MetaObject;
use serde_json::Value as Json;

use crate::arguments::Arguments;
use crate::commands::is_public;
use crate::outcome::{Failure, refused};
use crate::services;
use crate::values;

/// `SERVICE.MEMBER`, or `SERVICE.METHOD(ARG, ...).MEMBER` of the object that the method returns, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub service: String,
    /// Methods that lead to the object, with their arguments.
    pub steps: Vec<(String, Vec<String>)>,
    pub name: String,
}

/// One of the members that a word means.
pub struct Target {
    /// What to call it where there are several.
    pub label: String,
    pub proxy: Proxy,
    pub name: String,
    /// What keeps the object.
    _objects: Vec<Received>,
}

impl Member {
    /// Reads it. The last dot counts: services may have dots in their names, members and signatures have none.
    pub fn parse(text: &str) -> Result<Member, String> {
        let wrong = || format!("\"{text}\" is not SERVICE.MEMBER");
        let (mut front, mut rest) = match text.find(").") {
            Some(_) => {
                let open = first_call(text).ok_or_else(wrong)?;
                let dot = text[..open].rfind('.').ok_or_else(wrong)?;
                (&text[..dot], &text[dot + 1..])
            }
            None => text.rsplit_once('.').ok_or_else(wrong)?,
        };
        let mut steps = Vec::new();
        while let Some(open) = first_call(rest) {
            let (method, after) = (&rest[..open], &rest[open + 1..]);
            // The arguments end where they are JSON, and a member follows.
            let ends = after.match_indices(").").map(|(at, _)| at);
            let read =
                |end: usize| Some((end, serde_json::from_str::<Vec<Json>>(&format!("[{}]", &after[..end])).ok()?));
            let Some((end, words)) = ends.filter_map(read).next() else {
                return Err(format!("\"{text}\": what stands in parentheses must be JSON, and a member follow"));
            };
            steps.push((method.to_owned(), words.iter().map(Json::to_string).collect()));
            rest = &after[end + 2..];
        }
        front = front.trim();
        if front.is_empty() || rest.is_empty() || steps.iter().any(|(method, _)| method.is_empty()) {
            return Err(wrong());
        }
        Ok(Member { service: front.into(), steps, name: rest.into() })
    }

    pub fn is_pattern(&self) -> bool {
        is_pattern(&self.service) || is_pattern(&self.name)
    }

    /// The object that has it, if it is no pattern.
    pub fn object(&self, session: &Session, arguments: &Arguments) -> Result<Target, Failure> {
        self.object_of(session, &self.service, arguments)
    }

    fn object_of(&self, session: &Session, service: &str, arguments: &Arguments) -> Result<Target, Failure> {
        let mut proxy = services::service(session, service, arguments)?;
        let (mut label, mut objects) = (service.to_owned(), Vec::new());
        for (method, words) in &self.steps {
            let options = CallOptions { timeout: arguments.timeout, ..CallOptions::default() };
            let result = proxy.call_with(method, &values::arguments(&proxy.meta(), method, words)?, &options)?;
            proxy = result.proxy().ok_or_else(|| refused(format!("{label}.{method} returns no object")))?;
            label = format!("{label}.{method}({})", words.join(", "));
            objects.push(result);
        }
        Ok(Target { label: format!("{label}.{}", self.name), proxy, name: self.name.clone(), _objects: objects })
    }

    /// All that the word means, of the members that `list` gives; fails if there is none.
    pub fn targets(
        &self,
        session: &Session,
        arguments: &Arguments,
        list: impl Fn(&MetaObject) -> Vec<(u32, String)>,
    ) -> Result<Vec<Target>, Failure> {
        if !self.is_pattern() {
            return Ok(vec![self.object(session, arguments)?]);
        }
        let services = match is_pattern(&self.service) {
            false => vec![self.service.clone()],
            true => services::matching(session, &self.service, arguments)?,
        };
        let mut targets = Vec::new();
        for service in services {
            // Of several, some may have gone, or lack the method.
            let Ok(target) = self.object_of(session, &service, arguments) else { continue };
            let mut names = list(&target.proxy.meta());
            let wanted = |id, name: &str| is_public(id, name) || arguments.all || !is_pattern(&self.name);
            names.retain(|(id, name)| wanted(*id, name) && matches(&self.name, name));
            names.dedup_by(|one, other| one.1 == other.1);
            let stem = target.label.strip_suffix(&self.name).unwrap_or(&target.label).to_owned();
            let objects = &target._objects;
            targets.extend(names.into_iter().map(|(_, name)| Target {
                label: format!("{stem}{name}"),
                proxy: target.proxy.clone(),
                name,
                _objects: objects.clone(),
            }));
        }
        match targets.is_empty() {
            true => Err(Failure { code: 3, text: format!("nothing matches {}.{}", self.service, self.name) }),
            false => Ok(targets),
        }
    }
}

/// Where the first parenthesis is that holds arguments: not one of a full name, as `add::(ii)`.
fn first_call(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let open = from + text[from..].find('(')?;
        if !text[..open].ends_with("::") {
            return text[open..].contains(").").then_some(open);
        }
        let mut depth = 0;
        let close = text[open..].find(|letter| {
            depth += i32::from(letter == '(') - i32::from(letter == ')');
            depth == 0
        });
        from = open + close? + 1;
    }
}

pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// `*` is any text, `?` any letter.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut letters = pattern.chars();
    match letters.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = letters.as_str();
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches(rest, &text[at..]))
        }
        Some(letter) => {
            let mut others = text.chars();
            others.next().is_some_and(|other| letter == '?' || letter == other)
                && matches(letters.as_str(), others.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(service: &str, steps: &[(&str, &[&str])], name: &str) -> Member {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let steps = steps.iter().map(|(method, words)| ((*method).to_owned(), owned(words))).collect();
        Member { service: service.into(), steps, name: name.into() }
    }

    #[test]
    fn members_of_services_and_of_what_methods_return() {
        for (text, expected) in [
            ("A.b", member("A", &[], "b")),
            ("A.b.add::(ii)", member("A.b", &[], "add::(ii)")),
            ("A.child(\"x).y\").said", member("A", &[("child", &["\"x).y\""])], "said")),
            ("A.b.child().other(1, [2]).said", member("A.b", &[("child", &[]), ("other", &["1", "[2]"])], "said")),
            ("A.child::(s)(\"x\").add::(ii)", member("A", &[("child::(s)", &["\"x\""])], "add::(ii)")),
            ("*.sa?d", member("*", &[], "sa?d")),
        ] {
            assert_eq!(Member::parse(text), Ok(expected), "{text}");
        }
        for text in ["A", ".b", "A.", "A.child(x).said", "A.child(1).", "child(1).said", "A.(1).said"] {
            assert!(Member::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns() {
        for (pattern, text) in
            [("*", ""), ("AL*", "ALMemory"), ("*ory", "ALMemory"), ("?L*e*y", "ALMemory"), ("a", "a")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("?", ""), ("AL*x", "ALMemory"), ("a", "ab"), ("ab", "a")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
