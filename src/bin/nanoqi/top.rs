//! `nanoqi top`: which methods are called, and what they cost.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;

use nanomsg::internals::process::EndingRequests;
use nanomsg::qi::client::{Proxy, Session};
use nanomsg::qi::value::Value;
use serde_json::json;

use crate::arguments::Arguments;
use crate::outcome::{Failure, Outcome, line, note};
use crate::path::{is_pattern, matches};
use crate::services::{matching, names};

/// Methods shown, unless all are wanted.
const MOST: usize = 20;

/// What the calls of one method have cost, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cost {
    calls: i128,
    wall: f64,
    longest: f64,
    processor: f64,
}

struct ServiceRow {
    method: String,
    /// In the last interval.
    cost: Cost,
    /// Calls ever.
    calls: i128,
}

struct Service {
    name: String,
    proxy: Proxy,
    /// It counted before.
    counted: bool,
    before: HashMap<u32, Cost>,
}

/// How often is looked whether a table has been printed, while somebody asks us to end or does not.
const GLANCE: Duration = Duration::from_millis(10);

/// Prints a table each interval, as often as `--count` says or until interrupted. Then the services are told, which takes a call each.
pub fn top(session: &Session, patterns: &[String], arguments: &Arguments) -> Outcome {
    let requests = EndingRequests::hold();
    let mut services = chosen(session, patterns, arguments)?;
    let signal = match tables(&mut services, &requests, arguments) {
        ControlFlow::Continue(outcome) => return outcome,
        ControlFlow::Break(signal) => signal,
    };
    drop(services);
    requests.obey(signal);
    Ok(())
}

/// `Break`: the signal that asks us to end. Each table is printed by a thread, since whoever reads may stand still.
fn tables(services: &mut Vec<Service>, requests: &EndingRequests, arguments: &Arguments) -> ControlFlow<i32, Outcome> {
    let mut left = arguments.count;
    while left != Some(0) {
        if let Some(signal) = requests.within(arguments.interval) {
            return ControlFlow::Break(signal);
        }
        let mut rows = Vec::new();
        services.retain_mut(|service| service.look().map(|new| rows.extend(new)).is_ok());
        rows.sort_by(|one, other| other.cost.wall.total_cmp(&one.cost.wall).then(one.method.cmp(&other.method)));
        let arguments = arguments.clone();
        let printing = std::thread::spawn(move || print(&rows, &arguments));
        while !printing.is_finished() {
            if let Some(signal) = requests.within(GLANCE) {
                return ControlFlow::Break(signal);
            }
        }
        match printing.join() {
            Ok(Ok(())) => left = left.map(|left| left - 1),
            Ok(outcome) => return ControlFlow::Continue(outcome),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    ControlFlow::Continue(Ok(()))
}

/// Services of these names, or all, which count from now on.
fn chosen(session: &Session, patterns: &[String], arguments: &Arguments) -> Result<Vec<Service>, Failure> {
    for pattern in patterns.iter().filter(|_| arguments.wait) {
        matching(session, pattern, arguments)?;
    }
    let all = names(session)?;
    let plain = patterns.iter().filter(|name| !is_pattern(name) && !all.contains(name));
    if let Some(name) = plain.into_iter().next() {
        return Err(Failure { code: 3, text: format!("no service {name}") });
    }
    let wanted = |name: &String| patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, name));
    let mut services = Vec::new();
    for name in all.into_iter().filter(wanted) {
        let begun = session.service(&name).and_then(|proxy| {
            let counted = proxy.call_to("isStatsEnabled", &[])?;
            proxy.call("enableStats", &[true.into()])?;
            let mut service = Service { name: name.clone(), proxy, counted, before: HashMap::new() };
            service.look()?;
            Ok(service)
        });
        match begun {
            Ok(service) => services.push(service),
            Err(error) => note(format!("{name}: {error}")),
        }
    }
    match services.is_empty() {
        true => Err(Failure { code: 3, text: "no service counts its calls".into() }),
        false => Ok(services),
    }
}

impl Drop for Service {
    /// As it was before, whatever has ended this: the count, an error, or who read what is printed.
    fn drop(&mut self) {
        if !self.counted {
            let _ = self.proxy.call("enableStats", &[false.into()]);
        }
    }
}

impl Service {
    /// What has happened since the last look.
    fn look(&mut self) -> Result<Vec<ServiceRow>, nanomsg::qi::client::CallError> {
        let (statistics, meta) = (self.proxy.call("stats", &[])?, self.proxy.meta());
        let mut rows = Vec::new();
        for (id, value) in statistics.entries().unwrap_or_default() {
            let id = id.integer().and_then(|id| u32::try_from(id).ok()).unwrap_or_default();
            let Some(now) = cost(value) else { continue };
            let before = self.before.insert(id, now).unwrap_or_default();
            // Somebody may have cleared them.
            let since = if now.calls >= before.calls { before } else { Cost::default() };
            let method = meta.method(id).map_or_else(|| id.to_string(), |method| method.name.lossy().into_owned());
            let cost = Cost {
                calls: now.calls - since.calls,
                wall: now.wall - since.wall,
                longest: now.longest,
                processor: now.processor - since.processor,
            };
            if cost.calls > 0 {
                rows.push(ServiceRow { method: format!("{}.{method}", self.name), cost, calls: now.calls });
            }
        }
        Ok(rows)
    }
}

/// Of an entry: count, and least, most and sum of wall, user and system time.
fn cost(value: &Value) -> Option<Cost> {
    let [calls, wall, user, system] = value.members()? else { return None };
    let number = |value: &Value, at: usize| match value.members()?.get(at)? {
        Value::Float(number) => Some(f64::from(*number)),
        Value::Double(number) => Some(*number),
        _ => None,
    };
    Some(Cost {
        calls: calls.integer()?,
        wall: number(wall, 2)?,
        longest: number(wall, 1)?,
        processor: number(user, 2)? + number(system, 2)?,
    })
}

fn print(rows: &[ServiceRow], arguments: &Arguments) -> Outcome {
    let most = if arguments.all || arguments.json { rows.len() } else { MOST };
    if !arguments.json {
        line(format!(
            "{:>9} {:>10} {:>10} {:>7} {:>10}  method",
            "calls/s", "mean ms", "longest ms", "cpu %", "calls"
        ))?;
    }
    let seconds = arguments.interval.as_secs_f64();
    for ServiceRow { method, cost, calls } in rows.iter().take(most) {
        let rate = cost.calls as f64 / seconds;
        let mean = cost.wall / cost.calls as f64;
        if arguments.json {
            line(json!({
                "method": method, "calls": calls, "calls_per_second": rate, "mean_seconds": mean,
                "longest_seconds": cost.longest, "processor_seconds": cost.processor,
            }))?;
            continue;
        }
        let (mean, longest, processor) = (mean * 1e3, cost.longest * 1e3, cost.processor / seconds * 100.0);
        line(format!("{rate:>9.1} {mean:>10.3} {longest:>10.3} {processor:>7.1} {calls:>10}  {method}"))?;
    }
    match arguments.json {
        true => Ok(()),
        false => line(""),
    }
}
