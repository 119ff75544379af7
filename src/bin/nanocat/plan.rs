//! What the command line asks for.

use std::time::Duration;

use nanomsg::internals::Kind;

use crate::completions::Shell;
use crate::format::Format;

pub enum Asked {
    Help,
    Version,
    Completions(Shell),
    Run(Box<Plan>),
}

/// What is to be done with a socket.
#[derive(Default)]
pub struct Plan {
    /// There is one when the whole line has been read and found right.
    pub kind: Option<&'static Kind>,
    /// In order.
    pub binds: Vec<Vec<u8>>,
    pub connects: Vec<Vec<u8>>,
    /// Seconds; `None` is for ever.
    pub send_timeout: Option<f64>,
    pub recv_timeout: Option<f64>,
    pub name: Option<Vec<u8>>,
    pub subscriptions: Vec<Vec<u8>>,
    pub format: Format,
    pub data: Data,
    pub interval: Option<Duration>,
    pub delay: Option<Duration>,
    pub count: Option<u64>,
    pub stats: bool,
    pub events: bool,
    /// In order.
    pub tls: Vec<Setting>,
}

/// An option of the socket as it was written, and its value.
pub struct Setting {
    pub option: i32,
    pub value: Vec<u8>,
    pub written: String,
}

/// What is sent.
#[derive(Default, PartialEq, Eq, Debug)]
pub enum Data {
    #[default]
    None,
    Bytes(Vec<u8>),
    /// The lines of standard input.
    Lines,
}
