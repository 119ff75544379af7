//! The events of a socket.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use nanomsg::{Event, Monitor};
use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::hub::Hub;
use crate::sockets::number;
use crate::watching::Watching;

/// What `Monitor` of `lib` is made of.
#[napi]
pub struct NativeMonitor {
    // Dropped before the descriptor that it watches.
    watching: Watching,
    monitor: Arc<Monitor>,
}

#[napi(object, object_from_js = false)]
pub struct NativeEvent {
    pub kind: &'static str,
    /// Milliseconds since 1970.
    pub time: f64,
    pub address: String,
    pub peer: String,
    pub reason: String,
    /// An errno, or 0.
    pub error: i32,
    /// Milliseconds, or -1.
    pub retry: f64,
    pub connection: f64,
    pub dropped: f64,
}

impl NativeMonitor {
    pub fn of(hub: &Hub, monitor: Arc<Monitor>) -> NativeMonitor {
        NativeMonitor { watching: Watching::in_loop(&hub.core), monitor }
    }
}

#[napi]
impl NativeMonitor {
    /// The next event, or what happened.
    #[napi]
    pub fn next(&self) -> Either<NativeEvent, i32> {
        match self.monitor.next(Some(Duration::ZERO)) {
            Ok(event) => Either::A(told(event)),
            Err(error) => Either::B(-error.errno()),
        }
    }

    #[napi]
    pub fn watch(&self, side: u32, slot: u32) -> i32 {
        number(self.watching.start(side, slot, || Ok(self.monitor.fd())).map(|()| 0))
    }

    #[napi]
    pub fn pause(&self, side: u32) {
        self.watching.pause(side);
    }

    #[napi]
    pub fn keep_alive(&self, side: u32, yes: bool) {
        self.watching.keep_alive(side, yes);
    }

    #[napi]
    pub fn close(&self) {
        self.watching.end();
        self.monitor.close();
    }
}

fn told(event: Event) -> NativeEvent {
    NativeEvent {
        kind: event.kind.name(),
        time: event.time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_millis() as f64),
        address: String::from_utf8_lossy(&event.address).into_owned(),
        peer: event.peer,
        reason: event.reason,
        error: event.error.map_or(0, |error| error.errno()),
        retry: event.retry.map_or(-1.0, |pause| pause.as_millis() as f64),
        connection: event.pipe as f64,
        dropped: event.dropped as f64,
    }
}
