//! What the commands do.

use std::time::Duration;

use nanomsg::qi::client::{
    CallError, CallOptions, Event, Proxy, Session, SessionOptions, SubscribeOptions, Subscription,
};
use nanomsg::qi::meta::{FIRST_USER_ID, MetaObject, ServiceInfo};
use nanomsg::qi::signature::Kind;
use nanomsg::qi::value::Value;
use nanomsg::transport::tls::TlsClient;
use serde_json::{Value as Json, json};

use crate::arguments::{Arguments, Command, Member};
use crate::outcome::{Failure, Outcome, file, line, usage};
use crate::values::{self, as_json};

/// Events that may wait to be printed.
const QUEUE: usize = 10_000;

/// Does what the line says.
pub fn run(arguments: &Arguments) -> Outcome {
    if let Command::Serve(url) = &arguments.command {
        return crate::serve::serve(url.as_deref().unwrap_or(&arguments.url), arguments);
    }
    let session = connect(arguments)?;
    let service = |name: &str| match arguments.wait {
        true => session.wait_for_service(name, arguments.timeout),
        false => session.service(name),
    };
    match &arguments.command {
        Command::List => list(&session.services()?, arguments),
        Command::Info(name) => info(name, &service(name)?, arguments),
        Command::Call(member, values) => call(&service(&member.service)?, member, values, arguments),
        Command::Post(member, values) => {
            let proxy = service(&member.service)?;
            proxy.post(&member.name, &values::arguments(&proxy.meta(), &member.name, values)?)?;
            // Posts have no answer to wait for; that they are with the kernel can be waited for.
            let connection = proxy.connection();
            session.close();
            Ok(connection.wait_closed(arguments.timeout.unwrap_or(Duration::from_secs(60)))?)
        }
        Command::Watch(member) => watch(&service(&member.service)?, member, arguments),
        Command::Get(member) => show(service(&member.service)?.property(&member.name)?.value()),
        Command::Set(member, word) => set(&service(&member.service)?, member, word),
        Command::Trace(name) => trace(&service(name)?, arguments),
        Command::Serve(_) | Command::Help | Command::Version => Ok(()),
    }
}

fn connect(arguments: &Arguments) -> Result<Session, Failure> {
    let mut options = SessionOptions { call_timeout: arguments.timeout, ..SessionOptions::default() };
    options.dial.timeout = arguments.timeout;
    options.dial.credentials.user.clone_from(&arguments.user);
    options.dial.credentials.token = arguments.token();
    if let Some(path) = &arguments.authorities {
        let believed = TlsClient::verified(&file(path)?);
        options.dial.config.tls_client =
            Some(believed.map_err(|_| usage(format!("{path}: no certificates in PEM, or a broken one")))?);
    }
    Ok(Session::connect(&arguments.url, options)?)
}

fn show(value: &Value) -> Outcome {
    line(as_json(value)?)
}

fn list(services: &[ServiceInfo], arguments: &Arguments) -> Outcome {
    for info in services {
        let endpoints: Vec<_> = info.endpoints.iter().map(|endpoint| endpoint.lossy().into_owned()).collect();
        let (name, machine) = (info.name.lossy(), info.machine_id.lossy());
        if arguments.json {
            line(json!({
                "id": info.service_id, "name": name, "machine": machine, "process": info.process_id,
                "session": info.session_id.lossy(), "endpoints": endpoints,
            }))?;
        } else {
            line(format!("{:>4}  {:<32}  {:>8}  {}", info.service_id, name, info.process_id, endpoints.join(" ")))?;
        }
    }
    Ok(())
}

/// Whether a member is one of those that people look for.
fn is_public(id: u32, name: &str) -> bool {
    id >= FIRST_USER_ID && !name.starts_with('_')
}

fn info(name: &str, proxy: &Proxy, arguments: &Arguments) -> Outcome {
    let meta = proxy.meta();
    let shown = |id: u32, name: &str| arguments.all || is_public(id, name);
    if arguments.json {
        return line(meta_json(name, proxy, &meta, shown));
    }
    let (service, object) = proxy.ids();
    line(format!("{name} (service {service}, object {object}) {}", meta.description.lossy()).trim_end())?;
    line("methods")?;
    for method in meta.methods.values().filter(|method| shown(method.uid, &method.name.lossy())) {
        let signature = format!("{} -> {}", method.full_name(), method.return_signature.0);
        line(format!("  {:>4}  {signature}  {}", method.uid, method.description.lossy()).trim_end())?;
    }
    line("signals")?;
    for signal in meta.signals.values().filter(|signal| shown(signal.uid, &signal.name.lossy())) {
        // Properties are listed as signals as well.
        if meta.property(signal.uid).is_none() {
            line(format!("  {:>4}  {}::{}", signal.uid, signal.name, signal.signature.0))?;
        }
    }
    line("properties")?;
    for property in meta.properties.values().filter(|property| shown(property.uid, &property.name.lossy())) {
        line(format!("  {:>4}  {}: {}", property.uid, property.name, property.signature.0))?;
    }
    Ok(())
}

fn meta_json(name: &str, proxy: &Proxy, meta: &MetaObject, shown: impl Fn(u32, &str) -> bool) -> Json {
    let (service, object) = proxy.ids();
    let methods = meta.methods.values().filter(|method| shown(method.uid, &method.name.lossy()));
    let signals = meta.signals.values().filter(|signal| shown(signal.uid, &signal.name.lossy()));
    let properties = meta.properties.values().filter(|property| shown(property.uid, &property.name.lossy()));
    json!({
        "name": name, "service": service, "object": object, "description": meta.description.lossy(),
        "methods": methods.map(|method| json!({
            "id": method.uid, "name": method.name.lossy(), "parameters": method.parameters_signature.0.lossy(),
            "returns": method.return_signature.0.lossy(), "description": method.description.lossy(),
        })).collect::<Vec<_>>(),
        "signals": signals.map(|signal| json!({
            "id": signal.uid, "name": signal.name.lossy(), "signature": signal.signature.0.lossy(),
        })).collect::<Vec<_>>(),
        "properties": properties.map(|property| json!({
            "id": property.uid, "name": property.name.lossy(), "signature": property.signature.0.lossy(),
        })).collect::<Vec<_>>(),
    })
}

fn set(proxy: &Proxy, member: &Member, word: &str) -> Outcome {
    let meta = proxy.meta();
    let declared = meta.property_named(&member.name).and_then(|property| property.value_type().ok());
    // Whether there is such a property is for the call to say.
    let ty = declared.unwrap_or(Kind::Dynamic.into());
    Ok(proxy.set_property(&member.name, values::value(word, &ty, &format!("property {}", member.name))?)?)
}

fn call(proxy: &Proxy, member: &Member, words: &[String], arguments: &Arguments) -> Outcome {
    let options = CallOptions { timeout: arguments.timeout, ..CallOptions::default() };
    let values = values::arguments(&proxy.meta(), &member.name, words)?;
    let result = proxy.call_with(&member.name, &values, &options)?;
    match result.value() {
        // Nothing to show to people.
        Value::Void if !arguments.json => Ok(()),
        value => show(value),
    }
}

fn subscribe(proxy: &Proxy, name: &str, arguments: &Arguments) -> Result<Subscription, Failure> {
    let subscription = proxy.subscribe_with(
        name,
        SubscribeOptions { queue: QUEUE, timeout: arguments.timeout, ..SubscribeOptions::default() },
    )?;
    // For who must know when to begin.
    eprintln!("nanoqi: watching");
    Ok(subscription)
}

/// Prints events until there are enough, or no more.
fn each(subscription: &Subscription, arguments: &Arguments, print: impl Fn(&Event) -> Outcome) -> Outcome {
    let mut left = arguments.count;
    while left != Some(0) {
        let event = match subscription.next(None) {
            Err(error @ CallError::Payload { .. }) => {
                eprintln!("nanoqi: {error}");
                continue;
            }
            event => event?,
        };
        if event.missed > 0 {
            eprintln!("nanoqi: {} events missed", event.missed);
        }
        print(&event)?;
        left = left.map(|left| left - 1);
    }
    Ok(())
}

fn watch(proxy: &Proxy, member: &Member, arguments: &Arguments) -> Outcome {
    let is_property = proxy.meta().property_named(&member.name).is_some();
    let subscription = subscribe(proxy, &member.name, arguments)?;
    each(&subscription, arguments, |event| match event.arguments.members() {
        // A property's value is what people want to see, not a tuple of it.
        Some([value]) if is_property => show(value),
        _ => show(&event.arguments),
    })
}

/// Number in a trace, and what it means (section 9).
const KINDS: [(i128, &str); 4] = [(1, "call"), (2, "result"), (3, "error"), (4, "signal")];

fn trace(proxy: &Proxy, arguments: &Arguments) -> Outcome {
    let meta = proxy.meta();
    let subscription = subscribe(proxy, "traceObject", arguments)?;
    each(&subscription, arguments, |event| {
        let Some([record]) = event.arguments.members() else { return show(&event.arguments) };
        let Some([id, kind, slot, content, time, ..]) = record.members() else { return show(record) };
        if arguments.json {
            return show(record);
        }
        let number = |value: &Value| value.integer().unwrap_or_default();
        let kind = KINDS.iter().find(|(known, _)| *known == number(kind)).map_or("?", |(_, name)| name);
        let slot = u32::try_from(number(slot)).unwrap_or_default();
        let name = meta.method(slot).map(|method| &method.name).or(meta.signal(slot).map(|signal| &signal.name));
        let name = name.map_or_else(|| slot.to_string(), |name| name.lossy().into_owned());
        let [seconds, micros] = [0, 1].map(|at| time.members().and_then(|time| time.get(at)).map_or(0, number));
        line(format!("{seconds}.{micros:06}  {:>6}  {kind:<6}  {name} {}", number(id), as_json(content)?))
    })
}
