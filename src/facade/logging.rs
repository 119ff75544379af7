//! What happens, line by line, for people: the events of all sockets as text (`report.rs`). Off unless MILLRACE_LOG or the program
//! asks for it, and then it costs one comparison where an event would be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::sys::published::Published;
use crate::sys::stderr;

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

/// What is logged, and where it goes; `None`: the standard error output.
struct Logging {
    level: Level,
    sink: Option<Sink>,
}

/// The level alone, for those who ask whether there is anything to log.
static LEVEL: AtomicU8 = AtomicU8::new(Level::Off as u8);
static LOGGING: Published<Logging> = Published::new();
/// Is it settled what is logged, by the program or by the environment? (No `Once`: a child that is forked meanwhile must not wait.)
static IS_SETTLED: AtomicBool = AtomicBool::new(false);

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

/// Sets what is logged, and where it goes; `None` is the standard error output, which is what has the descriptor 2 at this moment. A
/// sink is not dropped when it is replaced: other threads, and children that they fork, may still be about to call it.
pub fn set_logging(level: Level, sink: Option<Sink>) {
    // What the program says counts, also before its first socket.
    IS_SETTLED.store(true, Ordering::Relaxed);
    if sink.is_none() {
        stderr::settle_again();
    }
    settle(level, sink);
}

fn settle(level: Level, sink: Option<Sink>) {
    LOGGING.set(Logging { level, sink });
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// MILLRACE_LOG is read when the first session starts. A word that is no level is told, and means `warn`.
pub fn read_environment() {
    // Before there is a descriptor of ours that could be taken for it.
    stderr::settle();
    if IS_SETTLED.swap(true, Ordering::Relaxed) {
        return;
    }
    let Some(word) = std::env::var_os("MILLRACE_LOG").filter(|word| !word.is_empty()) else { return };
    let level = Level::named(&word.to_string_lossy());
    settle(level.unwrap_or(Level::Warn), None);
    if level.is_none() {
        log(Level::Warn, "MILLRACE_LOG is none of off, error, warn, info, debug, trace: warn it is");
    }
}

#[inline]
pub fn is_on() -> bool {
    LEVEL.load(Ordering::Relaxed) != Level::Off as u8
}

pub fn wants(level: Level) -> bool {
    level as u8 <= LEVEL.load(Ordering::Relaxed)
}

/// Level and sink are looked at together: what was wanted when the line began may not be any more, and must not go elsewhere.
pub fn log(level: Level, text: &str) {
    match LOGGING.get().filter(|now| level <= now.level) {
        None => {}
        Some(Logging { sink: Some(sink), .. }) => sink(level, text),
        Some(Logging { sink: None, .. }) => stderr::write_line(&format!("millrace: {}: {text}", level.name())),
    }
}
