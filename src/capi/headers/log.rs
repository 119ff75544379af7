//! `millrace/log.h`: what happens, line by line.

/// Nothing.
pub const NN_LOG_OFF: i32 = 0;
/// What will not mend by itself: no descriptors or memory to accept a connection.
pub const NN_LOG_ERROR: i32 = 1;
/// Also connections that were refused, and attempts to connect that failed.
pub const NN_LOG_WARN: i32 = 2;
/// Also endpoints and peers that come and go.
pub const NN_LOG_INFO: i32 = 3;
/// Also what is on the way to that: connections without a greeting yet, names that are resolved.
pub const NN_LOG_DEBUG: i32 = 4;
/// The same as NN_LOG_DEBUG today.
pub const NN_LOG_TRACE: i32 = 5;
