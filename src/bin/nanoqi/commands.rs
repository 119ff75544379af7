//! What the commands do.

use std::time::Duration;

use nanomsg::qi::client::Budget;
use nanomsg::qi::client::TlsClient;
use nanomsg::qi::client::{CallOptions, Proxy, Session, SessionOptions};
use nanomsg::qi::meta::{FIRST_USER_ID, MetaObject, ServiceInfo};
use nanomsg::qi::signature::Kind;
use nanomsg::qi::value::Value;
use serde_json::{Value as Json, json};

use crate::arguments::{Arguments, Command};
use crate::outcome::{Failure, Outcome, file, line, note, usage};
use crate::path::{Member, Target};
use crate::values::{self, as_json};
use crate::{log, services, top, watching};

/// Does what the line says.
pub fn run(arguments: &Arguments) -> Outcome {
    if let Command::Serve(url) = &arguments.command {
        return crate::serve::serve(url.as_deref().unwrap_or(&arguments.url), arguments);
    }
    let session = connect(arguments)?;
    let service = |name: &str| services::service(&session, name, arguments);
    match &arguments.command {
        Command::List => list(&session.services()?, arguments),
        Command::Info(name) => info(name, &service(name)?, arguments),
        Command::Call(member, values) => call(&session, member, values, arguments),
        Command::Post(member, values) => {
            let Target { proxy, .. } = &member.object(&session, arguments)?;
            proxy.post(&member.name, &values::arguments(&proxy.meta(), &member.name, values)?)?;
            // Posts have no answer to wait for; that they are with the kernel can be waited for.
            let connection = proxy.connection();
            session.close();
            Ok(connection.wait_closed(arguments.timeout.unwrap_or(Duration::from_secs(60)))?)
        }
        Command::Watch(members) => watching::watch(&session, members, arguments),
        Command::Get(member) => show(member.object(&session, arguments)?.proxy.property(&member.name)?.value()),
        Command::Set(member, word) => set(&member.object(&session, arguments)?.proxy, member, word),
        Command::Trace(name) => watching::trace(&service(name)?, arguments),
        Command::Top(patterns) => top::top(&session, patterns, arguments),
        Command::Log => log::view(&session, arguments),
        Command::LogSend(category, text) => log::send(&session, category, text, arguments),
        Command::Serve(_) | Command::Help | Command::Version => Ok(()),
    }
}

fn connect(arguments: &Arguments) -> Result<Session, Failure> {
    let mut options = SessionOptions { call_timeout: arguments.timeout, ..SessionOptions::default() };
    options.dial.timeout = arguments.timeout;
    if let Some(bytes) = arguments.memory {
        options.dial.config.budget = Budget::new(bytes);
    }
    options.dial.credentials.user.clone_from(&arguments.user);
    options.dial.credentials.token = arguments.token().map_err(usage)?;
    if arguments.certificate.is_some() || arguments.key.is_some() {
        return Err(usage("--cert and --key are for serve; --ca says whom to believe"));
    }
    if let Some(path) = &arguments.authorities {
        if !arguments.url.starts_with("tcps://") {
            let plain = &arguments.url;
            return Err(usage(format!("--ca is for a tcps:// URL, and {plain} would be asked in plain text")));
        }
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
pub fn is_public(id: u32, name: &str) -> bool {
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

/// Methods, each name once.
fn methods(meta: &MetaObject) -> Vec<(u32, String)> {
    meta.methods.values().map(|method| (method.uid, method.name.lossy().into_owned())).collect()
}

/// Calls one method, or those that a pattern means. What fails of several is told, and the others are called all the same.
fn call(session: &Session, member: &Member, words: &[String], arguments: &Arguments) -> Outcome {
    let options = CallOptions { timeout: arguments.timeout, ..CallOptions::default() };
    let mut outcome = Ok(());
    for Target { label, proxy, name, .. } in &member.targets(session, arguments, methods)? {
        let result = values::arguments(&proxy.meta(), name, words)
            .and_then(|values| Ok(proxy.call_with(name, &values, &options)?));
        match result {
            Err(failure) if member.is_pattern() => {
                note(format!("{label}: {}", failure.text));
                outcome = Err(Failure { code: failure.code, text: String::new() });
            }
            Err(failure) => return Err(failure),
            Ok(result) if member.is_pattern() => match arguments.json {
                true => line(json!({ "member": label, "value": as_json(result.value())? }))?,
                false => line(format!("{label}: {}", as_json(result.value())?))?,
            },
            Ok(result) => match result.value() {
                // Nothing to show to people.
                Value::Void if !arguments.json => {}
                value => show(value)?,
            },
        }
    }
    outcome
}
