//! A socket in JSON: what it is, its options, statistics, endpoints and connections (docs/monitor.md).

use std::fmt::Write;

use serde_json::{Value, json};

use crate::core::lifecycle::Lifecycle;
use crate::core::options::{self, OptionValue};
use crate::core::{ContextId, Drops, PipeId, Result};
use crate::sys::traffic;
#[cfg(feature = "ws")]
use crate::transport::ws;
use crate::transport::{ipc, system, tcp};

use super::endpoints::{Endpoint, EndpointKind};
use super::peers::address_of;
use super::pipes::{Entry, Pipe};
use super::snapshot::{STATISTICS, text};
use super::socket::EngineSocket;
use super::state::SocketState;

/// Connections that are described while nothing else is done on the socket: some milliseconds at most.
const AT_ONCE: usize = 64;

impl EngineSocket {
    /// The socket as it is now, as a JSON object: what it is, its options, statistics, endpoints and connections. New members
    /// may come. Traffic goes on between some connections and the next: each is told as it is when its turn comes.
    pub fn describe(&self) -> Result<String> {
        if self.polls() {
            self.runtime().reactor.poll_now();
        }
        let (socket, ids) = self.with_open(|state| {
            let socket = json!({
                "name": text(&state.core.options.name),
                "protocol": self.kind().name,
                "raw": self.is_raw(),
                "options": state.options_as_json(),
                "statistics": STATISTICS.iter().map(|row| (row.name, (row.value)(&state.core.statistics))).collect::<Value>(),
                "drops": state.core.drops(None).iter().collect::<Value>(),
                "contexts": state.contexts_as_json(),
                "endpoints": state.endpoints_as_json(),
            });
            Ok((socket, state.pipes.ids().collect::<Vec<_>>()))
        })?;
        // Text is made without the lock, which lets others have it meanwhile.
        let mut described = socket.to_string();
        described.truncate(described.len() - "}".len());
        described.push_str(",\"pipes\":[");
        for some in ids.chunks(AT_ONCE) {
            for pipe in self.with_open(|state| Ok(state.pipes_as_json(some)))? {
                let separator = if described.ends_with('[') { "" } else { "," };
                let _ = write!(described, "{separator}{pipe}");
            }
        }
        described.push_str("]}");
        Ok(described)
    }
}

impl SocketState {
    fn options_as_json(&self) -> Value {
        let names = [
            ("linger", options::LINGER),
            ("sndbuf", options::SNDBUF),
            ("rcvbuf", options::RCVBUF),
            ("sndtimeo", options::SNDTIMEO),
            ("rcvtimeo", options::RCVTIMEO),
            ("reconnect_ivl", options::RECONNECT_IVL),
            ("reconnect_ivl_max", options::RECONNECT_IVL_MAX),
            ("sndprio", options::SNDPRIO),
            ("rcvprio", options::RCVPRIO),
            ("ipv4only", options::IPV4ONLY),
            ("rcvmaxsize", options::RCVMAXSIZE),
            ("maxttl", options::MAXTTL),
            ("spin", options::SPIN),
            ("coalesce", options::COALESCE),
            ("connect_timeout", options::CONNECT_TIMEOUT),
            ("keepalive", options::KEEPALIVE),
            ("recv_peer", options::RECV_PEER),
        ];
        let of_transports = [
            ("accept_from", system::LEVEL, system::ACCEPT_FROM),
            ("accept_max", system::LEVEL, system::ACCEPT_MAX),
            ("dscp", system::LEVEL, system::DSCP),
            ("bind_device", system::LEVEL, system::BIND_DEVICE),
            ("tcp_user_timeout", system::LEVEL, system::TCP_USER_TIMEOUT),
            ("tcp_nodelay", tcp::LEVEL, tcp::NODELAY),
            #[cfg(feature = "ws")]
            ("ws_msg_type", ws::LEVEL, ws::MSG_TYPE),
            ("ipc_mode", ipc::LEVEL, ipc::MODE),
            ("ipc_owner", ipc::LEVEL, ipc::OWNER),
            ("ipc_group", ipc::LEVEL, ipc::GROUP),
        ];
        let json = |value: Result<OptionValue>| match value {
            Ok(OptionValue::Int(value)) => json!(value),
            Ok(OptionValue::Text(bytes)) => json!(text(&bytes)),
            _ => Value::Null,
        };
        let generic = names.into_iter().map(|(name, option)| (name, json(self.core.options.get(option))));
        let others = of_transports
            .into_iter()
            .map(|(name, level, option)| (name, json(self.transport_options.get(level, option))));
        let own = match self.core.kind().name {
            "REQ" => Some("resend_ivl"),
            "SURVEYOR" => Some("deadline"),
            _ => None,
        };
        // (Each has one option, of number 1.)
        let level = i32::from(self.core.kind().id);
        let own = own.map(|name| (name, json(self.core.option(ContextId::SOCKET, level, 1))));
        generic.chain(others).chain(own).collect()
    }

    /// Those that are open.
    fn contexts_as_json(&self) -> Value {
        let open = self.contexts.ids().into_iter().filter_map(|id| Some((id, self.contexts.get(id)?)));
        let described = open.filter(|(_, context)| context.is_open).map(|(id, context)| {
            let kept = self.core.kept(id);
            json!({
                "id": id.0,
                "sndtimeo": context.sndtimeo,
                "rcvtimeo": context.rcvtimeo,
                "unsent_messages": kept.unsent,
                "unread_messages": kept.unread,
            })
        });
        described.collect()
    }

    fn endpoints_as_json(&mut self) -> Value {
        let ids = self.endpoints.ids();
        let described = ids.into_iter().filter_map(|id| {
            let pipes = self.pipes.of_endpoint(id).len();
            let address = text(&self.endpoints.url(id));
            let endpoint = self.endpoints.get(id)?;
            Some(json!({
                "id": id,
                "address": address,
                "kind": endpoint.kind(),
                "state": endpoint.state(pipes),
                "last_error": endpoint.last_error,
                "pipes": pipes,
            }))
        });
        described.collect()
    }

    fn pipes_as_json(&mut self, ids: &[PipeId]) -> Vec<Value> {
        let described = ids.iter().filter_map(|&id| {
            let drops = self.core.drops(Some(id));
            let entry = self.pipes.get(id)?;
            // Of others the protocol knows nothing, or what it knew of a predecessor.
            let drops = if entry.lifecycle.is_heard() { drops } else { Drops::default() };
            Some(entry.describe(id, &drops))
        });
        described.collect()
    }
}

impl Endpoint {
    fn kind(&self) -> &'static str {
        match self.kind {
            EndpointKind::Listen(_) | EndpointKind::InprocBind => "bind",
            EndpointKind::Dial(_) | EndpointKind::InprocConnect => "connect",
        }
    }

    /// With so many pipes.
    fn state(&self, pipes: usize) -> &'static str {
        match &self.kind {
            EndpointKind::Listen(_) | EndpointKind::InprocBind => "listening",
            EndpointKind::Dial(dial) => dial.state(),
            EndpointKind::InprocConnect if pipes > 0 => "connected",
            EndpointKind::InprocConnect => "connecting",
        }
    }
}

impl Entry {
    fn describe(&self, id: PipeId, drops: &Drops) -> Value {
        let traffic = self.fd().and_then(traffic::of);
        let (carried, [unsent, unread]) = match &self.pipe {
            Pipe::Stream { pipe, .. } => (pipe.carried(), [pipe.unsent(), pipe.unread()]),
            Pipe::Inproc(pipe) => (pipe.carried(), pipe.queued()),
        };
        json!({
            "id": self.number(id),
            "endpoint": self.endpoint,
            "state": match self.lifecycle {
                Lifecycle::Connecting => "connecting",
                Lifecycle::Greeting => "greeting",
                Lifecycle::Attached(_) => "attached",
                Lifecycle::HangingUp(_) | Lifecycle::HungUp(_) => "hung up",
                Lifecycle::Refused(_) => "refused",
                Lifecycle::Leaving => "leaving",
            },
            "peer": self.fd().map(|fd| address_of(fd, self.remote())),
            "age_ms": self.lifecycle.attached_at().map(|at| at.elapsed().as_millis() as u64),
            "messages_sent": carried.messages_sent,
            "messages_received": carried.messages_received,
            "bytes_sent": carried.bytes_sent,
            "bytes_received": carried.bytes_received,
            "unsent_bytes": unsent,
            "unread_bytes": unread,
            "drops": drops.iter().collect::<Value>(),
            "acknowledged_bytes": traffic.map(|traffic| traffic.acknowledged),
            "round_trip_us": traffic.map(|traffic| traffic.round_trip_us),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Message;
    use crate::facade::{Context, Session, Wait};

    #[test]
    fn a_socket_is_described() {
        let session = Session::start().unwrap();
        let socket = session.socket(false, 0x10, "me").unwrap();
        let id = socket.bind(b"tcp://127.0.0.1:0").unwrap();
        let address = String::from_utf8(socket.endpoint_address(id).unwrap()).unwrap();
        let value: Value = serde_json::from_str(&socket.describe().unwrap()).unwrap();
        assert_eq!(value["name"], "me");
        assert_eq!(value["protocol"], "PAIR");
        assert_eq!(value["endpoints"][0]["address"], address.as_str());
        assert_eq!(value["endpoints"][0]["state"], "listening");
        assert_eq!(value["options"]["linger"], 1000);
        let options = [
            ("recv_peer", json!(0)),
            ("accept_from", json!("")),
            ("accept_max", json!(-1)),
            ("dscp", json!(-1)),
            ("bind_device", json!("")),
            ("tcp_user_timeout", json!(0)),
            ("tcp_nodelay", json!(0)),
            ("ipc_mode", json!(-1)),
            ("ipc_owner", json!(-1)),
            ("ipc_group", json!(-1)),
        ];
        for (name, default) in options {
            assert_eq!(value["options"][name], default, "{name}");
        }
        socket.set_option(system::LEVEL, system::ACCEPT_FROM, b"10.0.0.0/8").unwrap();
        socket.set_option(ipc::LEVEL, ipc::MODE, &0o600_i32.to_ne_bytes()).unwrap();
        let value: Value = serde_json::from_str(&socket.describe().unwrap()).unwrap();
        assert_eq!(value["options"]["accept_from"], "10.0.0.0/8");
        assert_eq!(value["options"]["ipc_mode"], 0o600);
        assert_eq!(value["statistics"]["current_connections"], 0);
        let other = session.socket(false, 0x10, "other").unwrap();
        other.connect(b"inproc://described").unwrap();
        let state = |socket: &EngineSocket| {
            let value: Value = serde_json::from_str(&socket.describe().unwrap()).unwrap();
            value["endpoints"].as_array().unwrap().last().unwrap()["state"].clone()
        };
        assert_eq!(state(&other), "connecting");
        socket.bind(b"inproc://described").unwrap();
        assert_eq!([state(&other), state(&socket)], ["connected", "listening"]);
        socket.close().unwrap();
        assert!(socket.describe().is_err());
        session.stop();
    }

    /// The contexts of a socket as they are described: number, messages that wait to be sent, to be received.
    fn contexts(socket: &EngineSocket) -> Vec<[u64; 3]> {
        let value: Value = serde_json::from_str(&socket.describe().unwrap()).unwrap();
        let numbers =
            |context: &Value| ["id", "unsent_messages", "unread_messages"].map(|name| context[name].as_u64().unwrap());
        value["contexts"].as_array().unwrap().iter().map(numbers).collect()
    }

    #[test]
    fn contexts_are_described_with_what_waits_for_them() {
        let session = Session::start().unwrap();
        let [req, rep] = [0x30, 0x31].map(|kind| session.socket(false, kind, "socket").unwrap());
        let [one, other] = [(); 2].map(|()| Context::open(&req).unwrap());
        assert_eq!(contexts(&req), [[1, 0, 0], [2, 0, 0]]);
        one.send(&mut Message::copy_of(b"to nobody yet").unwrap(), Wait::No).unwrap();
        assert_eq!(contexts(&req), [[1, 1, 0], [2, 0, 0]]);
        rep.bind(b"inproc://described contexts").unwrap();
        req.connect(b"inproc://described contexts").unwrap();
        assert_eq!(contexts(&req), [[1, 0, 0], [2, 0, 0]]);
        drop(other);
        assert_eq!(contexts(&req), [[1, 0, 0]]);
        session.stop();
    }
}
