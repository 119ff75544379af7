//! What the C headers say, one module per header: cbindgen turns each into `include/nanomsg/<name>.h`
//! (`make headers`). Doc comments here are the text a C programmer reads.
//!
//! Values are written out as literals: several bindings read the headers with regular expressions.

pub mod bus;
pub mod inproc;
pub mod ipc;
pub mod nn;
pub mod pair;
pub mod pipeline;
pub mod pubsub;
pub mod reqrep;
pub mod survey;
pub mod tcp;
pub mod ws;
