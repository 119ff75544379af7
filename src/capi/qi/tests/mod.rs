//! The C boundary of the bus by itself: handles, what is said of failures, values and places in them, settings. What needs a
//! peer is in `ctests/qi_*.c`.

mod errors;
mod handles;
mod settings;
mod values;
