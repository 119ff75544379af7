//! What the C headers say, one module per header: cbindgen turns each into `include/nanomsg/<name>.h`
//! (`make headers`). Doc comments here are the text a C programmer reads.
//!
//! Values are written out as literals: several bindings read the headers with regular expressions.

pub mod bus;
pub mod inproc;
pub mod ipc;
pub mod log;
pub mod monitor;
pub mod nn;
pub mod options;
pub mod pair;
pub mod peer;
pub mod pipeline;
pub mod pubsub;
pub mod reqrep;
pub mod survey;
pub mod tcp;
pub mod tls;
pub mod ws;

#[cfg(test)]
mod tests {
    use super::nn;
    use crate::capi::symbols::symbol;
    use crate::core::{Error, options, statistics};
    use crate::protocol::KINDS;
    use crate::transport::{ipc, system};

    /// The engine has its own names for the numbers it deals with.
    #[test]
    fn the_engine_means_the_same_numbers() {
        let pairs = [
            (nn::NN_LINGER, options::LINGER),
            (nn::NN_SNDBUF, options::SNDBUF),
            (nn::NN_RCVBUF, options::RCVBUF),
            (nn::NN_SNDTIMEO, options::SNDTIMEO),
            (nn::NN_RCVTIMEO, options::RCVTIMEO),
            (nn::NN_RECONNECT_IVL, options::RECONNECT_IVL),
            (nn::NN_RECONNECT_IVL_MAX, options::RECONNECT_IVL_MAX),
            (nn::NN_SNDPRIO, options::SNDPRIO),
            (nn::NN_RCVPRIO, options::RCVPRIO),
            (nn::NN_SNDFD, options::SNDFD),
            (nn::NN_RCVFD, options::RCVFD),
            (nn::NN_DOMAIN, options::DOMAIN),
            (nn::NN_PROTOCOL, options::PROTOCOL),
            (nn::NN_IPV4ONLY, options::IPV4ONLY),
            (nn::NN_SOCKET_NAME, options::SOCKET_NAME),
            (nn::NN_RCVMAXSIZE, options::RCVMAXSIZE),
            (nn::NN_MAXTTL, options::MAXTTL),
            (super::options::NN_SPIN, options::SPIN),
            (super::options::NN_COALESCE, options::COALESCE),
            (super::options::NN_CONNECT_TIMEOUT, options::CONNECT_TIMEOUT),
            (super::options::NN_KEEPALIVE, options::KEEPALIVE),
            (super::options::NN_LAST_ENDPOINT, options::LAST_ENDPOINT),
            (super::peer::NN_RECV_PEER, options::RECV_PEER),
            (super::options::NN_ACCEPT_FROM, system::ACCEPT_FROM),
            (super::options::NN_ACCEPT_MAX, system::ACCEPT_MAX),
            (super::options::NN_DSCP, system::DSCP),
            (super::options::NN_BIND_DEVICE, system::BIND_DEVICE),
            (super::options::NN_TCP_USER_TIMEOUT, system::TCP_USER_TIMEOUT),
            (super::options::NN_IPC_MODE, ipc::MODE),
            (super::options::NN_IPC_OWNER, ipc::OWNER),
            (super::options::NN_IPC_GROUP, ipc::GROUP),
            (nn::NN_STAT_CURRENT_SND_PRIORITY, statistics::CURRENT_SND_PRIORITY),
            (nn::ETERM, Error::TERM.errno()),
            (nn::EFSM, Error::FSM.errno()),
        ];
        for (header, engine) in pairs {
            assert_eq!(header, engine);
        }
    }

    #[test]
    fn every_socket_type_of_the_engine_is_in_the_headers() {
        for kind in &KINDS {
            let name = format!("NN_{}", kind.name);
            let row = (0..).map_while(symbol).find(|row| row.name.to_str() == Ok(name.as_str()));
            assert_eq!(row.map(|row| row.value), Some(i32::from(kind.id)), "{name}");
        }
    }
}
