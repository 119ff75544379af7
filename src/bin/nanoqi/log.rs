//! `nanoqi log`: what the programs of a robot log, as its LogManager tells.

use std::sync::mpsc::sync_channel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nanomsg::qi::client::{CallError, Event, Session, SubscribeOptions};
use nanomsg::qi::convert::convert;
use nanomsg::qi::signature::{Kind, Signature};
use nanomsg::qi::value::Value;

use crate::arguments::Arguments;
use crate::outcome::{Failure, Outcome, line, refused};
use crate::services::service;
use crate::values::as_json;
use crate::watching::written;

const MANAGER: &str = "LogManager";
const QUEUE: usize = 10_000;
/// A message as NAOqi has them, for who takes anything.
const MESSAGE: &str = "(s(i)<LogLevel,level>ssssI(L)<Date,ns>L)<LogMessage,source,level,category,location,message,extra,id,date,systemDate>";

/// Names of the levels, from 0.
const LEVELS: [&str; 7] = ["silent", "fatal", "error", "warning", "info", "verbose", "debug"];

/// The number of a level by its name or number.
pub fn level(text: &str) -> Result<i32, String> {
    let number =
        LEVELS.iter().position(|name| *name == text).or_else(|| text.parse().ok().filter(|&n| n < LEVELS.len()));
    number.map(|number| number as i32).ok_or_else(|| format!("\"{text}\" is no level: they are {}", LEVELS.join(", ")))
}

/// Prints messages until there are enough, or no more.
pub fn view(session: &Session, arguments: &Arguments) -> Outcome {
    let manager = service(session, MANAGER, arguments)?;
    let maker =
        ["createListener", "getListener"].into_iter().find(|name| manager.meta().methods_named(name).next().is_some());
    let made = manager.call(maker.ok_or_else(|| refused("this LogManager has no listeners"))?, &[])?;
    let listener = made.proxy().ok_or_else(|| refused("the LogManager gives no listener"))?;
    let meta = listener.meta();
    // How it is told which levels are wanted differs between versions.
    if meta.property_named("verbosity").is_some() {
        listener.set_property("verbosity", arguments.level.into())?;
    } else if meta.methods_named("setLevel").next().is_some() {
        listener.call("setLevel", &[arguments.level.into()])?;
    }
    let names = ["onLogMessages", "onLogMessage"];
    let signal = names.into_iter().find(|name| meta.signal_named(name).is_some());
    let signal = signal.ok_or_else(|| refused("the listener of this LogManager has no signal for messages"))?;
    let (out, events) = sync_channel::<Result<Event, CallError>>(1);
    let options = SubscribeOptions { queue: QUEUE, timeout: arguments.timeout, ..SubscribeOptions::default() };
    let watch = listener.watch(signal, options, move |event| drop(out.send(event)))?;
    eprintln!("nanoqi: watching");
    let mut left = arguments.count;
    while left != Some(0) {
        let Ok(event) = events.recv() else { break };
        let event = event?;
        let Some([messages]) = event.arguments.members() else { continue };
        let one = std::slice::from_ref(messages);
        for message in messages.items().unwrap_or(one) {
            // What does not keep to the level that it was told.
            if left != Some(0) && level_of(message).is_none_or(|level| level <= i128::from(arguments.level)) {
                print(message, arguments)?;
                left = left.map(|left| left - 1);
            }
        }
    }
    drop((events, watch));
    Ok(())
}

/// A field of a message, by its name.
fn field<'v>(message: &'v Value, name: &str) -> Option<&'v Value> {
    let names = message.signature().field_names()?.iter().position(|field| *field == name)?;
    message.members()?.get(names)
}

/// A number, which may be alone in a struct.
fn number(value: &Value) -> Option<i128> {
    value.integer().or_else(|| number(value.members()?.first()?))
}

fn level_of(message: &Value) -> Option<i128> {
    number(field(message, "level")?)
}

fn print(message: &Value, arguments: &Arguments) -> Outcome {
    if arguments.json {
        return line(as_json(message)?);
    }
    let text = |name: &str| field(message, name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let date = field(message, "systemDate").or(field(message, "date")).and_then(number);
    let date = date
        .and_then(|date| u64::try_from(date).ok())
        .map_or(String::new(), |nanoseconds| format!("{} ", written(UNIX_EPOCH + Duration::from_nanos(nanoseconds))));
    let level = level_of(message).and_then(|level| LEVELS.get(usize::try_from(level).ok()?)).unwrap_or(&"?");
    line(format!("{date}[{level}] {}: {}", text("category"), text("message").trim_end()))
}

/// Has the LogManager log a message.
pub fn send(session: &Session, category: &str, message: &str, arguments: &Arguments) -> Outcome {
    let manager = service(session, MANAGER, arguments)?;
    let meta = manager.meta();
    let log = meta.methods_named("log").next().ok_or_else(|| refused("this LogManager takes no messages"))?;
    let parameters = log.parameters_type().map_err(|error| refused(error.to_string()))?;
    let unknown = || refused(format!("the messages of this LogManager are of an unknown type: {parameters}"));
    let ty = match parameters.members() {
        [list] => match list.kind() {
            Kind::List(message) if message.field_names().is_some() => (**message).clone(),
            Kind::Dynamic => Signature::parse(MESSAGE).map_err(refused)?,
            _ => return Err(unknown()),
        },
        _ => return Err(unknown()),
    };
    let message = made(&ty, category, message, arguments.level)?;
    Ok(manager.call("log", &[Value::list(ty, vec![message])]).map(drop)?)
}

/// A message as this LogManager has them; fields that are not known are zero.
fn made(ty: &Signature, category: &str, message: &str, level: i32) -> Result<Value, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as i64;
    let names = ty.field_names().unwrap_or_default();
    let members = names.iter().zip(ty.members()).map(|(name, ty)| {
        let value = match *name {
            "source" => format!("nanoqi:{}", std::process::id()).as_str().into(),
            "level" => level.into(),
            "category" => category.into(),
            "message" => message.into(),
            "date" | "systemDate" => now.into(),
            _ => return nothing(ty),
        };
        // Numbers may be alone in a struct: a level, a date.
        let inside = if ty.members().len() == 1 { Value::tuple(vec![value]) } else { value };
        convert(inside, ty).unwrap_or_else(|_| nothing(ty))
    });
    convert(Value::tuple(members.collect()), ty).map_err(refused)
}

/// The empty value of a type.
fn nothing(ty: &Signature) -> Value {
    match ty.kind() {
        Kind::Tuple(_) => Value::tuple(ty.members().iter().map(nothing).collect()),
        Kind::String => "".into(),
        _ => convert(0.into(), ty).unwrap_or_default(),
    }
}
