//! What happens, line by line, for people: the events of all sockets as text (`report.rs`). Off unless MILLRACE_LOG or the program
//! asks for it, and then it costs one comparison where an event would be.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Once, PoisonError, RwLock};

/// As those of the `log` crate. A level includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Gets every line, without an end of line, from whichever thread it happened on; no lock of a socket is held.
pub type Sink = Arc<dyn Fn(Level, &str) + Send + Sync>;

static LEVEL: AtomicU8 = AtomicU8::new(Level::Off as u8);
/// `None`: the standard error output.
static SINK: RwLock<Option<Sink>> = RwLock::new(None);
static ENVIRONMENT: Once = Once::new();

impl Level {
    pub const ALL: [Level; 6] = [Level::Off, Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];

    pub fn name(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }

    fn named(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name))
    }
}

/// Sets what is logged, and where it goes; `None` is the standard error output.
pub fn set_logging(level: Level, sink: Option<Sink>) {
    // What the program says counts, also before its first socket.
    ENVIRONMENT.call_once(|| {});
    *SINK.write().unwrap_or_else(PoisonError::into_inner) = sink;
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// MILLRACE_LOG is read when the first session starts. A word that is no level is told, and means `warn`.
pub fn read_environment() {
    ENVIRONMENT.call_once(|| {
        let Some(word) = std::env::var_os("MILLRACE_LOG").filter(|word| !word.is_empty()) else { return };
        let level = Level::named(&word.to_string_lossy());
        LEVEL.store(level.unwrap_or(Level::Warn) as u8, Ordering::Relaxed);
        if level.is_none() {
            log(Level::Warn, "MILLRACE_LOG is none of off, error, warn, info, debug, trace: warn it is");
        }
    });
}

#[inline]
pub fn is_on() -> bool {
    LEVEL.load(Ordering::Relaxed) != Level::Off as u8
}

pub fn wants(level: Level) -> bool {
    level as u8 <= LEVEL.load(Ordering::Relaxed)
}

pub fn log(level: Level, text: &str) {
    let sink = SINK.read().unwrap_or_else(PoisonError::into_inner).clone();
    match sink {
        Some(sink) => sink(level, text),
        // (`eprintln` panics if nobody can read it.)
        None => drop(writeln!(io::stderr(), "millrace: {}: {text}", level.name())),
    }
}
