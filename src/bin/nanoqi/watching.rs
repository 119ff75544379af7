//! `nanoqi watch` and `nanoqi trace`: events as they come.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{SystemTime, UNIX_EPOCH};

use nanomsg::qi::client::{CallError, Event, Notice, Proxy, Reason, Session, SubscribeOptions, Watch};
use nanomsg::qi::meta::MetaObject;
use nanomsg::qi::value::Value;
use serde_json::{Map, json};

use crate::arguments::Arguments;
use crate::outcome::{Failure, Outcome, line, note};
use crate::path::{Member, Target};
use crate::values::as_json;

/// Events of one subscription that may wait to be printed.
const QUEUE: usize = 10_000;
/// Those that were taken and not printed yet.
const AHEAD: usize = 16;

type Heard = (usize, Result<Event, CallError>);

/// Has events put into `out`, with the number of where they come from; and that the service is gone, which ends no subscription, since its
/// connection may last.
fn listen(
    proxy: &Proxy,
    name: &str,
    number: usize,
    out: &SyncSender<Heard>,
    arguments: &Arguments,
) -> Result<[Watch; 2], Failure> {
    let (out, gone) = (out.clone(), out.clone());
    let options = SubscribeOptions { queue: QUEUE, timeout: arguments.timeout, ..SubscribeOptions::default() };
    // Who prints no more is at its end.
    let events = proxy.watch(name, options, move |event| drop(out.send((number, event))))?;
    let notices = proxy.on_notice(move |notice| {
        if let Notice::Lost(Reason::Removed) = notice {
            drop(gone.send((number, Err(CallError::Disconnected(Reason::Removed)))));
        }
    })?;
    Ok([events, notices])
}

/// Prints events of several signals until there are enough, or no more.
fn each<'t>(
    signals: impl IntoIterator<Item = (&'t Proxy, &'t str)>,
    arguments: &Arguments,
    print: impl Fn(usize, &Event) -> Outcome,
) -> Outcome {
    let (out, events) = sync_channel(AHEAD);
    let signals: Vec<_> = signals.into_iter().collect();
    let each = signals.iter().enumerate();
    let watches: Vec<_> =
        each.map(|(number, (proxy, name))| listen(proxy, name, number, &out, arguments)).collect::<Result<_, _>>()?;
    drop(out);
    let mut there = signals.len();
    // For who must know when to begin.
    eprintln!("nanoqi: watching");
    let mut left = arguments.count;
    while left != Some(0) {
        let Ok((number, event)) = events.recv() else { break };
        let event = match event {
            Err(error @ CallError::Payload { .. }) => {
                note(error);
                continue;
            }
            Err(CallError::Disconnected(Reason::Removed)) => {
                there -= 1;
                let text = format!("{}: the service is gone", signals[number].1);
                if there == 0 {
                    return Err(Failure { code: 3, text });
                }
                note(text);
                continue;
            }
            event => event?,
        };
        if event.missed > 0 {
            eprintln!("nanoqi: {} events missed", event.missed);
        }
        print(number, &event)?;
        left = left.map(|left| left - 1);
    }
    drop((events, watches));
    Ok(())
}

/// Signals and properties.
fn signals(meta: &MetaObject) -> Vec<(u32, String)> {
    meta.signals.values().map(|signal| (signal.uid, signal.name.lossy().into_owned())).collect()
}

pub fn watch(session: &Session, members: &[Member], arguments: &Arguments) -> Outcome {
    let mut targets: Vec<Target> = Vec::new();
    for member in members {
        targets.extend(member.targets(session, arguments, signals)?);
    }
    let named = targets.len() > 1 || members.iter().any(Member::is_pattern);
    let all = targets.iter().map(|target| (&target.proxy, target.name.as_str()));
    each(all, arguments, |number, event| {
        let target = &targets[number];
        let is_property = target.proxy.meta().property_named(&target.name).is_some();
        let value = match event.arguments.members() {
            // A property's value is what people want to see, not a tuple of it.
            Some([value]) if is_property => as_json(value)?,
            _ => as_json(&event.arguments)?,
        };
        let time = arguments.time.then(|| written(SystemTime::now()));
        if arguments.json && (named || arguments.time) {
            let mut object = Map::new();
            object.extend(time.map(|time| ("time".to_owned(), time.into())));
            object.extend(named.then(|| ("member".to_owned(), target.label.as_str().into())));
            object.insert("value".to_owned(), value);
            return line(json!(object));
        }
        let name = if named { format!("{}: ", target.label) } else { String::new() };
        line(format!("{}{name}{value}", time.map_or(String::new(), |time| format!("{time} "))))
    })
}

/// A time as `2026-11-29T10:25:16.123456Z`.
pub fn written(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Years begin in March, so that the leap day is the last of one; eras are 400 years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let (year, micros) = (year + era * 400 + next, since.subsec_micros());
    format!("{year:04}-{month:02}-{of_month:02}T{hours:02}:{minutes:02}:{seconds:02}.{micros:06}Z")
}

/// Number in a trace, and what it means (section 9).
const KINDS: [(i128, &str); 4] = [(1, "call"), (2, "result"), (3, "error"), (4, "signal")];

pub fn trace(proxy: &Proxy, arguments: &Arguments) -> Outcome {
    let meta = proxy.meta();
    let show = |value: &Value| line(as_json(value)?);
    each([(proxy, "traceObject")], arguments, |_, event| {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_as_people_write_them() {
        let at = |seconds| written(UNIX_EPOCH + Duration::new(seconds, 1_500));
        assert_eq!(at(0), "1970-01-01T00:00:00.000001Z");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59.000001Z");
        assert_eq!(at(951_868_799), "2000-02-29T23:59:59.000001Z");
        assert_eq!(at(951_868_800), "2000-03-01T00:00:00.000001Z");
        assert_eq!(at(4_107_542_399), "2100-02-28T23:59:59.000001Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00.000001Z");
        assert_eq!(at(1_798_675_199), "2026-12-30T23:59:59.000001Z");
    }
}
