//! What the sockets of one session share.

use std::sync::Arc;

use crate::reactor::Reactor;
use crate::transport::blocks::Blocks;

use super::handshakes::Handshakes;
use super::inproc_registry::{InprocRegistry, Party};

pub struct Runtime {
    pub reactor: Arc<Reactor>,
    pub blocks: Blocks,
    /// inproc names.
    pub inproc_registry: InprocRegistry<dyn Party>,
    pub handshakes: Handshakes,
    /// NN_PRINT_ERRORS was set when the session started.
    pub prints_errors: bool,
}
