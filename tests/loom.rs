//! The concurrent rules under a model checker: every interleaving (with few forced switches) of a few threads.
//!
//! The rules themselves are compiled from `src`, with stand-ins for the locks, the atomics and the futex they
//! use. A thread that stays asleep for ever shows as a deadlock, which loom reports.

#[path = "loom/handlers.rs"]
mod handlers;
#[path = "loom/lane.rs"]
mod lane;
#[path = "loom/leadership.rs"]
mod leadership;
#[path = "loom/lock.rs"]
mod lock;
#[path = "loom/mailbox.rs"]
mod mailbox;
#[path = "loom/parker.rs"]
mod parker;
#[path = "loom/place.rs"]
mod place;
#[path = "loom/sys.rs"]
mod sys;

/// What the rules see of their crate.
pub mod core {
    pub use nanomsg::internals::{Body, Chunk, Message};
    pub use nanomsg::{Error, Result};
    pub mod message {
        pub use nanomsg::internals::models::{INLINE, SMALL};
    }
    pub mod socket {
        pub use nanomsg::internals::models::Flow;
    }
    pub mod statistics {
        pub use nanomsg::internals::models::Carried;
    }
}

#[allow(dead_code, reason = "models use their own subsets")]
#[path = "../src/reactor"]
mod reactor {
    pub mod leadership;
    pub mod parker;
}

#[allow(dead_code, reason = "models use their own subsets")]
#[path = "../src/transport"]
mod transport {
    pub mod pipe {
        pub use nanomsg::internals::models::{Behind, PipeEvent, PipeEvents, Ready};
    }
    pub mod inproc;
    pub mod source;
}

#[allow(dead_code, reason = "models use their own subsets")]
#[path = "../src/qi"]
mod qi {
    pub mod message {
        pub use nanomsg::internals::models::{HEADER_SIZE, Header, HeaderError, Message, Type};
    }
    pub mod endpoint {
        pub mod budget;
        pub mod failure;
        pub mod filter;
        pub mod handlers;
        pub mod index;
        pub mod reentrancy;
        pub mod ring;
    }
    pub mod share;
    pub mod value {
        pub use nanomsg::qi::value::Memory;
    }
    pub mod server {
        pub mod mailbox;
    }
    pub mod workers {
        pub mod backlog;
        pub mod run_queue;
        pub mod turns;
    }
}

/// Runs a model in all its interleavings with at most `switches` switches away from a thread that could go on.
fn explore(switches: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(switches);
    builder.max_branches = 10_000;
    builder.check(model);
}
