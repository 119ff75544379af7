//! Traces of one object: signal 86 (qi-messaging.md 9).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::qi::calls::CallError;
use crate::qi::message::Header;
use crate::qi::value::Value;
use crate::sys::usage::Usage;

use super::model::{Answer, Object};
use super::statistics::Begun;

/// What a trace tells of.
#[derive(Clone, Copy)]
enum TraceKind {
    Call = 1,
    Result = 2,
    Error = 3,
    Signal = 4,
}

impl Object {
    /// A method is about to be called; gives what its result is traced with.
    pub(super) fn trace_call(&self, method: u32, arguments: &[Value]) -> Option<u32> {
        let instrumentation = &self.0.instrumentation;
        if !instrumentation.is_tracing() {
            return None;
        }
        let id = instrumentation.next_trace();
        trace(self, id, (TraceKind::Call, method), Value::tuple(arguments.to_vec()), Usage::default());
        Some(id)
    }

    /// A method has answered.
    pub(super) fn trace_answer(
        &self,
        (call, traced): (&Header, Option<u32>),
        begun: Option<&Begun>,
        result: &Result<Answer, CallError>,
    ) {
        let usage = begun.map(Begun::usage).unwrap_or_default();
        let instrumentation = &self.0.instrumentation;
        if let Some(begun) = begun {
            instrumentation.count(call.action, begun, usage);
        }
        let Some(id) = traced.filter(|_| instrumentation.is_tracing()) else { return };
        match result {
            Ok(answer) => trace(self, id, (TraceKind::Result, call.action), answer.value.clone(), usage),
            Err(error) => trace(self, id, (TraceKind::Error, call.action), error.text_for_peer().into(), usage),
        }
    }

    /// A signal is being emitted.
    pub(super) fn trace_signal(&self, signal: u32, arguments: &Value) {
        let instrumentation = &self.0.instrumentation;
        if instrumentation.is_tracing() {
            let id = instrumentation.next_trace();
            trace(self, id, (TraceKind::Signal, signal), arguments.clone(), Usage::default());
        }
    }
}

/// `usage` is what led to a result.
fn trace(object: &Object, id: u32, (kind, slot): (TraceKind, u32), content: Value, usage: Usage) {
    let microseconds = |time: Duration| Value::from(i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(now.as_secs()).unwrap_or_default();
    let stamp = Value::tuple(vec![seconds.into(), i64::from(now.subsec_micros()).into()]);
    let record = Value::tuple(vec![
        id.into(),
        (kind as i32).into(),
        slot.into(),
        content.into_dynamic(),
        stamp,
        microseconds(usage.user),
        microseconds(usage.system),
        0u32.into(),
        0u32.into(),
    ]);
    // An object without the signal has no traces.
    let _ = object.emit_trace(Value::tuple(vec![record]).into());
}
