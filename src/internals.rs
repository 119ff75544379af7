//! What the tools, the bindings and the integration tests of this project use of the engine, item by item; it changes without notice.
//!
//! They are crates of their own. Whatever of the engine is not named here is private, so the compiler finds what nobody uses.

pub use crate::core::recycle::keep_blocks;
pub use crate::core::text::without_controls;
pub use crate::core::{Body, Chunk, Header, Kind, Message, Readiness};
pub use crate::facade::{
    Closing, Context, EngineSocket, EventLoop, LoopWait, PeerSender, Probe, Session, SharedFd, Wait, Want, device,
    loopback, poll,
};
pub use crate::protocol::bus::BUS;
pub use crate::protocol::find;
pub use crate::protocol::pair::PAIR;
pub use crate::protocol::pipeline::{PULL, PUSH};
pub use crate::protocol::pubsub::{PUB, SUB, SUBSCRIBE};
pub use crate::protocol::reqrep::{REP, REQ};
pub use crate::protocol::survey::{RESPONDENT, SURVEYOR};

/// Options of sockets, by their numbers.
pub mod options {
    pub use crate::core::options::{
        LINGER, RCVFD, RCVMAXSIZE, RCVTIMEO, RECONNECT_IVL, RECV_PEER, SNDFD, SNDTIMEO, SOCKET_NAME,
    };
}

/// Options of TLS, by their numbers.
pub mod tls {
    pub use crate::transport::tls::options::{
        AUTH, AUTH_NONE, AUTH_OPTIONAL, AUTH_REQUIRED, CA, CA_FILE, CERT, CERT_FILE, INSECURE, KEY, KEY_FILE, LEVEL,
        MIN_VERSION, SERVER_NAME,
    };
}

/// What there is once in a process: the session that C functions use, which a child of a fork has anew, and signals.
pub mod process {
    pub use crate::facade::process::{EndingRequests, generation, session};
}

/// Functions for C, for tests that call them from Rust.
pub mod capi {
    pub use crate::capi::calls::endpoint::{nn_bind, nn_connect, nn_shutdown};
    pub use crate::capi::calls::information::nn_errno;
    pub use crate::capi::calls::options::nn_setsockopt;
    pub use crate::capi::calls::poll::nn_poll;
    pub use crate::capi::calls::socket::{nn_close, nn_socket};
    pub use crate::capi::calls::transfer::{nn_recv, nn_send};
    pub use crate::capi::headers::nn::{NN_DONTWAIT, NN_POLLIN, NN_POLLOUT, nn_pollfd};
}

/// For the models under loom, which compile some files of the engine by themselves.
pub mod models {
    pub use crate::core::message::{INLINE, SMALL};
    pub use crate::core::socket::Flow;
    pub use crate::core::statistics::Carried;
    #[cfg(feature = "qi")]
    pub use crate::qi::message::{HEADER_SIZE, Header, HeaderError, Message, Type};
    pub use crate::transport::pipe::{Behind, PipeEvent, PipeEvents, Ready};
}
