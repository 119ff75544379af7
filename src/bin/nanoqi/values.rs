//! Words of the command line as values of the types that a member declares.

use nanomsg::qi::convert::convert_exactly;
use nanomsg::qi::json::{dynamic_from_json, to_json};
use nanomsg::qi::meta::MetaObject;
use nanomsg::qi::signature::{Kind, Signature};
use nanomsg::qi::value::Value;
use serde_json::Value as Json;

use crate::outcome::{Failure, refused};

/// The arguments for a method, or for a signal that is emitted. What looks like JSON is that, unless only a string fits there.
pub fn arguments(meta: &MetaObject, name: &str, words: &[String]) -> Result<Vec<Value>, Failure> {
    let natural: Vec<_> = words.iter().map(|word| natural(word)).collect::<Result<_, _>>()?;
    let declared = parameters(meta, name, words.len());
    let fits = |types: &Vec<Signature>| types.iter().zip(&natural).all(|(ty, value)| fits(value, ty));
    // Of several that take them as they are the arguments choose one.
    if declared.is_empty() || declared.iter().any(fits) {
        return Ok(natural);
    }
    let mut wrong = None;
    for types in &declared {
        let each = types.iter().zip(words).enumerate();
        match each.map(|(at, (ty, word))| value(word, ty, &format!("argument {} of {name}", at + 1))).collect() {
            Ok(values) => return Ok(values),
            Err(failure) => wrong.get_or_insert(failure),
        };
    }
    match wrong {
        Some(failure) if declared.len() == 1 => Err(failure),
        // Who has all candidates says which there are.
        _ => Ok(natural),
    }
}

/// A value of this type; `what` it is for is said if it cannot be one.
pub fn value(word: &str, ty: &Signature, what: &str) -> Result<Value, Failure> {
    let natural = natural(word)?;
    let text = Value::from(word);
    match (fits(&natural, ty), fits(&text, ty)) {
        (true, _) => Ok(natural),
        (false, true) => Ok(text),
        (false, false) => {
            let why = convert_exactly(natural, ty).err().filter(|error| error.to != *ty);
            let why = why.map_or(String::new(), |error| format!(": {error}"));
            Err(refused(format!("{what} should be {} ({ty}), which {word} is not{why}", described(ty))))
        }
    }
}

/// JSON, or else a string.
fn natural(word: &str) -> Result<Value, Failure> {
    let Ok(json) = serde_json::from_str::<Json>(word) else { return Ok(word.into()) };
    let value = dynamic_from_json(&json).map_err(|error| refused(format!("{word}: {error}")))?;
    value.undynamic().map_err(refused)
}

fn fits(value: &Value, ty: &Signature) -> bool {
    convert_exactly(value.clone(), ty).is_ok()
}

/// What the methods of this name declare that take so many arguments, or else the signal.
fn parameters(meta: &MetaObject, name: &str, count: usize) -> Vec<Vec<Signature>> {
    let methods = meta.methods.values().filter(|method| method.name == name || method.full_name() == name);
    let mut all: Vec<_> = methods.filter_map(|method| method.parameters_type().ok()).collect();
    if all.is_empty() {
        all.extend(meta.signal_named(name).and_then(|signal| signal.arguments_type().ok()));
    }
    let members = |ty: &Signature| matches!(ty.kind(), Kind::Tuple(_)).then(|| ty.members().to_vec());
    all.iter().filter_map(members).filter(|members| members.len() == count).collect()
}

/// A type, for people, with an example where one writes it differently than one may think.
fn described(ty: &Signature) -> String {
    match ty.kind() {
        Kind::Bool => "true or false".to_owned(),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => format!("an integer of {} bits", bits(ty.kind())),
        Kind::UInt8 | Kind::UInt16 | Kind::UInt32 | Kind::UInt64 => {
            format!("an integer of {} bits, not negative", bits(ty.kind()))
        }
        Kind::Float | Kind::Double => "a number".to_owned(),
        Kind::String => "a string".to_owned(),
        Kind::Raw => "bytes, as {\"$raw\": \"base64\"}".to_owned(),
        Kind::List(_) | Kind::VarArgs(_) => "a list, as [1, 2]".to_owned(),
        Kind::Map(_) | Kind::KeywordArgs(_) => "a map, as {\"a\": 1}".to_owned(),
        Kind::Tuple(_) => match ty.field_names() {
            Some(names) => {
                let fields: Vec<_> = names.iter().map(|name| format!("\"{name}\": ...")).collect();
                format!("a struct, as {{{}}}", fields.join(", "))
            }
            None => format!("a tuple of {}, as [1, 2]", ty.members().len()),
        },
        Kind::Optional(inner) => format!("null or {}", described(inner)),
        Kind::Object => "an object, which nobody can write".to_owned(),
        _ => "of another type".to_owned(),
    }
}

fn bits(kind: &Kind) -> u32 {
    match kind {
        Kind::Int8 | Kind::UInt8 => 8,
        Kind::Int16 | Kind::UInt16 => 16,
        Kind::Int32 | Kind::UInt32 => 32,
        _ => 64,
    }
}

pub fn as_json(value: &Value) -> Result<Json, Failure> {
    to_json(value).map_err(refused)
}

#[cfg(test)]
mod tests {
    use nanomsg::qi::meta::Builder;

    use super::*;

    fn meta() -> MetaObject {
        let mut builder = Builder::new();
        builder.method("say", "(s)", "v");
        builder.method("add", "(ii)", "i");
        builder.method("over", "(s)", "v");
        builder.method("over", "(i)", "v");
        builder.method("over", "([s])", "v");
        builder.method("any", "m", "v");
        builder.method("dynamic", "(m)", "v");
        builder.method("two", "(si)", "v");
        builder.signal("said", "(s)");
        builder.build().unwrap()
    }

    fn given(name: &str, words: &[&str]) -> Result<Vec<Value>, String> {
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        arguments(&meta(), name, &words).map_err(|failure| failure.text)
    }

    #[test]
    fn text_that_looks_like_json_goes_where_only_a_string_fits() {
        for word in ["hello", "42", "true", "null", "[x]", "[1]", "{\"a\":1}", "1.50"] {
            for name in ["say", "said", "say::(s)"] {
                assert_eq!(given(name, &[word]), Ok(vec![word.into()]), "{name}");
            }
        }
        assert_eq!(given("two", &["7", "7"]), Ok(vec!["7".into(), Value::Int64(7)]));
        // Where it is a string already, its marks are none of the text.
        assert_eq!(given("say", &["\"42\""]), Ok(vec!["42".into()]));
    }

    #[test]
    fn where_something_else_fits_json_is_what_it_looks_like() {
        for name in ["over", "any", "dynamic", "unknown"] {
            assert_eq!(given(name, &["42"]), Ok(vec![Value::Int64(42)]), "{name}");
        }
        assert_eq!(given("over", &["true"]), Ok(vec![true.into()]), "a number of 32 bits takes it");
        assert_eq!(given("over", &["{}"]).unwrap(), vec!["{}".into()]);
    }

    #[test]
    fn what_fits_nowhere_is_told_what_it_should_be() {
        let error = given("add", &["1", "x"]).unwrap_err();
        assert_eq!(error, "argument 2 of add should be an integer of 32 bits (i), which x is not");
        assert!(given("add", &["1", "3000000000"]).unwrap_err().contains("32 bits"));
        let pairs = Signature::parse("[(dd)]").unwrap();
        let error = value("[[1,2],3]", &pairs, "argument 1 of route").err().unwrap().text;
        assert!(error.ends_with("which [[1,2],3] is not: failed to convert l to (dd): no such conversion"), "{error}");
        assert!(given("add", &["1", "2.5"]).unwrap_err().contains("which 2.5 is not"));
        assert_eq!(given("add", &["1", "2.0"]).map(|values| values.len()), Ok(2), "it is whole");
        let point = Signature::parse("(ii)<Point,x,y>").unwrap();
        let error = value("5", &point, "property corner").err().unwrap().text;
        assert!(error.contains("{\"x\": ..., \"y\": ...}"), "{error}");
    }
}
