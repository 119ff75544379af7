//! Statistics and traces of one object: actions 80 to 85 and signal 86 (qi-messaging.md 9). Off by default.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::qi::convert::convert;
use crate::qi::message::Header;
use crate::qi::meta::STATISTICS_TEXT;
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::Value;
use crate::sys::sync::Mutex;

use super::call::{Answer, CallError};
use super::object::Object;

/// The signal of traces.
pub(super) const TRACE: u32 = 86;

/// What a trace tells of.
#[derive(Clone, Copy)]
enum TraceKind {
    Call = 1,
    Result = 2,
    Error = 3,
    Signal = 4,
}

/// Wall time in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    count: u32,
    least: f32,
    most: f32,
    sum: f32,
}

#[derive(Default)]
pub(super) struct Watch {
    statistics: AtomicBool,
    tracing: AtomicBool,
    times: Mutex<BTreeMap<u32, Times>>,
    next_trace: AtomicU32,
}

static STATISTICS: LazyLock<Signature> =
    LazyLock::new(|| Signature::parse(STATISTICS_TEXT).unwrap_or(Kind::Unknown.into()));

impl Watch {
    pub fn has_statistics(&self) -> bool {
        self.statistics.load(Ordering::Relaxed)
    }

    pub fn set_statistics(&self, on: bool) {
        self.statistics.store(on, Ordering::Relaxed);
    }

    pub fn is_tracing(&self) -> bool {
        self.tracing.load(Ordering::Relaxed)
    }

    pub fn set_tracing(&self, on: bool) {
        self.tracing.store(on, Ordering::Relaxed);
    }

    pub fn clear(&self) {
        self.times.lock().clear();
    }

    /// A value of type [`STATISTICS_TEXT`]. Processor times are not measured, and 0.
    pub fn statistics(&self) -> Value {
        let times = self.times.lock().clone();
        let none = || Value::tuple(vec![0f32.into(), 0f32.into(), 0f32.into()]);
        let entry = |(id, times): (u32, Times)| {
            let wall = Value::tuple(vec![times.least.into(), times.most.into(), times.sum.into()]);
            (Value::from(id), Value::tuple(vec![times.count.into(), wall, none(), none()]))
        };
        let entries: Vec<_> = times.into_iter().map(entry).collect();
        let (key, value) = match STATISTICS.kind() {
            Kind::Map(entry) => (entry.0.clone(), entry.1.clone()),
            _ => (Kind::UInt32.into(), Kind::Unknown.into()),
        };
        // The types of the members are right, so only names are added.
        convert(Value::map(key, value, entries), &STATISTICS).unwrap_or_default()
    }

    /// A method is about to be called; gives what its result is traced with.
    pub fn started(&self, object: &Object, method: u32, arguments: &[Value]) -> Option<u32> {
        if !self.is_tracing() {
            return None;
        }
        let id = self.next_trace.fetch_add(1, Ordering::Relaxed);
        trace(object, id, TraceKind::Call, method, Value::tuple(arguments.to_vec()));
        Some(id)
    }

    /// A method has answered.
    pub fn finished(
        &self,
        object: &Object,
        (call, traced): (&Header, Option<u32>),
        begun: Instant,
        result: &Result<Answer, CallError>,
    ) {
        if self.has_statistics() {
            let seconds = begun.elapsed().as_secs_f32();
            let mut all = self.times.lock();
            let times = all.entry(call.action).or_default();
            times.least = if times.count == 0 { seconds } else { times.least.min(seconds) };
            times.most = times.most.max(seconds);
            times.sum += seconds;
            times.count = times.count.saturating_add(1);
        }
        let Some(id) = traced.filter(|_| self.is_tracing()) else { return };
        match result {
            Ok(answer) => trace(object, id, TraceKind::Result, call.action, answer.value.clone()),
            Err(error) => trace(object, id, TraceKind::Error, call.action, error.to_string().into()),
        }
    }

    /// A signal is being emitted.
    pub fn emitted(&self, object: &Object, signal: u32, arguments: &Value) {
        if self.is_tracing() {
            let id = self.next_trace.fetch_add(1, Ordering::Relaxed);
            trace(object, id, TraceKind::Signal, signal, arguments.clone());
        }
    }
}

fn trace(object: &Object, id: u32, kind: TraceKind, slot: u32, content: Value) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(now.as_secs()).unwrap_or_default();
    let stamp = Value::tuple(vec![seconds.into(), i64::from(now.subsec_micros()).into()]);
    let record = Value::tuple(vec![
        id.into(),
        (kind as i32).into(),
        slot.into(),
        content.into_dynamic(),
        stamp,
        0i64.into(),
        0i64.into(),
        0u32.into(),
        0u32.into(),
    ]);
    // An object without the signal has no traces.
    let _ = object.emit_in_order(TRACE, Value::tuple(vec![record]).into());
}
