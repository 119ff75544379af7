//! Statistics of one object, and whether it is traced: actions 80 to 85 (qi-messaging.md 9). Off by default.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::qi::convert::convert;
use crate::qi::meta::STATISTICS_TEXT;
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::Value;
use crate::sys::sync::Mutex;
use crate::sys::thread::Id;
use crate::sys::usage::Usage;

/// Seconds: least, most, sum.
#[derive(Clone, Copy, Debug, Default)]
struct Range(f32, f32, f32);

impl Range {
    fn add(&mut self, time: Duration, is_first: bool) {
        let seconds = time.as_secs_f32();
        self.0 = if is_first { seconds } else { self.0.min(seconds) };
        self.1 = self.1.max(seconds);
        self.2 += seconds;
    }

    fn to_value(self) -> Value {
        Value::tuple(vec![self.0.into(), self.1.into(), self.2.into()])
    }
}

/// What the calls of one method have cost.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    count: u32,
    wall: Range,
    user: Range,
    system: Range,
}

/// The beginning of a call that is measured.
#[derive(Debug)]
pub(super) struct Begun {
    at: Instant,
    thread: Id,
    usage: Usage,
}

impl Begun {
    fn now() -> Begun {
        Begun { at: Instant::now(), thread: Id::of_thread(), usage: Usage::of_thread() }
    }

    /// Processor time until now. What is answered by another thread has cost that one something, which nobody knows.
    pub fn usage(&self) -> Usage {
        match Id::of_thread() == self.thread {
            true => Usage::of_thread().since(self.usage),
            false => Usage::default(),
        }
    }
}

#[derive(Default)]
pub(super) struct Instrumentation {
    statistics: AtomicBool,
    tracing: AtomicBool,
    times: Mutex<BTreeMap<u32, Times>>,
    next_trace: AtomicU32,
}

static STATISTICS: LazyLock<Signature> =
    LazyLock::new(|| Signature::parse(STATISTICS_TEXT).unwrap_or(Kind::Unknown.into()));

impl Instrumentation {
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

    /// The beginning of a call, if anybody wants to know what it costs.
    pub fn begin(&self) -> Option<Begun> {
        (self.has_statistics() || self.is_tracing()).then(Begun::now)
    }

    /// A value of type [`STATISTICS_TEXT`].
    pub fn statistics(&self) -> Value {
        let times = self.times.lock().clone();
        let entry = |(id, times): (u32, Times)| {
            let [wall, user, system] = [times.wall, times.user, times.system].map(Range::to_value);
            (Value::from(id), Value::tuple(vec![times.count.into(), wall, user, system]))
        };
        let entries: Vec<_> = times.into_iter().map(entry).collect();
        let (key, value) = match STATISTICS.kind() {
            Kind::Map(entry) => (entry.0.clone(), entry.1.clone()),
            _ => (Kind::UInt32.into(), Kind::Unknown.into()),
        };
        // The types of the members are right, so only names are added.
        convert(Value::map(key, value, entries), &STATISTICS).unwrap_or_default()
    }

    /// Of what is traced together.
    pub fn next_trace(&self) -> u32 {
        self.next_trace.fetch_add(1, Ordering::Relaxed)
    }

    /// A method has answered, after this.
    pub fn count(&self, action: u32, begun: &Begun, usage: Usage) {
        if !self.has_statistics() {
            return;
        }
        let mut all = self.times.lock();
        let times = all.entry(action).or_default();
        let is_first = times.count == 0;
        times.wall.add(begun.at.elapsed(), is_first);
        times.user.add(usage.user, is_first);
        times.system.add(usage.system, is_first);
        times.count = times.count.saturating_add(1);
    }
}
