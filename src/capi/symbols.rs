//! The 121 symbols that `nn_symbol` and `nn_symbol_info` list, in the order of 1.6.

use std::ffi::{CStr, c_int};

use libc::{
    EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EBADF, ECONNABORTED, ECONNREFUSED, ECONNRESET, EFAULT,
    EHOSTUNREACH, EINPROGRESS, EINTR, EINVAL, EMFILE, EMSGSIZE, ENAMETOOLONG, ENETDOWN, ENETRESET, ENETUNREACH,
    ENOBUFS, ENODEV, ENOMEM, ENOPROTOOPT, ENOTCONN, ENOTSOCK, ENOTSUP, EPROTO, EPROTONOSUPPORT, ETIMEDOUT,
};

use super::headers::bus::*;
use super::headers::inproc::*;
use super::headers::ipc::*;
use super::headers::nn::*;
use super::headers::pair::*;
use super::headers::pipeline::*;
use super::headers::pubsub::*;
use super::headers::reqrep::*;
use super::headers::survey::*;
use super::headers::tcp::*;
use super::headers::ws::*;

/// One row: a name, its number, and how an option's or a statistic's value is to be read.
pub struct Symbol {
    pub name: &'static CStr,
    pub value: c_int,
    namespace: c_int,
    kind: c_int,
    unit: c_int,
}

impl Symbol {
    pub fn properties(&self) -> nn_symbol_properties {
        nn_symbol_properties {
            value: self.value,
            name: self.name.as_ptr(),
            ns: self.namespace,
            r#type: self.kind,
            unit: self.unit,
        }
    }
}

/// The row with this index.
pub fn symbol(index: c_int) -> Option<&'static Symbol> {
    SYMBOLS.get(usize::try_from(index).ok()?)
}

const fn row(name: &'static str, value: c_int, namespace: c_int, kind: c_int, unit: c_int) -> Symbol {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => Symbol { name, value, namespace, kind, unit },
        Err(_) => panic!("a name ends with its only zero byte"),
    }
}

/// `namespace: [names]` with an optional `(type, unit)` behind each name.
macro_rules! symbols {
    ($($namespace:ident: [$($name:ident $(($kind:ident, $unit:ident))?),* $(,)?])*) => {
        [$($(row(
            concat!(stringify!($name), "\0"),
            $name,
            $namespace,
            symbols!(@ NN_TYPE_NONE $($kind)?),
            symbols!(@ NN_UNIT_NONE $($unit)?),
        )),*),*]
    };
    (@ $default:ident) => { $default };
    (@ $default:ident $given:ident) => { $given };
}

static SYMBOLS: [Symbol; 121] = symbols! {
    NN_NS_NAMESPACE: [
        NN_NS_NAMESPACE, NN_NS_VERSION, NN_NS_DOMAIN, NN_NS_TRANSPORT, NN_NS_PROTOCOL,
        NN_NS_OPTION_LEVEL, NN_NS_SOCKET_OPTION, NN_NS_TRANSPORT_OPTION, NN_NS_OPTION_TYPE,
        NN_NS_OPTION_UNIT, NN_NS_FLAG, NN_NS_ERROR, NN_NS_LIMIT, NN_NS_EVENT, NN_NS_STATISTIC,
    ]
    NN_NS_OPTION_TYPE: [NN_TYPE_NONE, NN_TYPE_INT, NN_TYPE_STR]
    NN_NS_OPTION_UNIT: [
        NN_UNIT_NONE, NN_UNIT_BYTES, NN_UNIT_MILLISECONDS, NN_UNIT_PRIORITY, NN_UNIT_BOOLEAN,
        NN_UNIT_COUNTER, NN_UNIT_MESSAGES,
    ]
    NN_NS_VERSION: [NN_VERSION_CURRENT, NN_VERSION_REVISION, NN_VERSION_AGE]
    NN_NS_DOMAIN: [AF_SP, AF_SP_RAW]
    NN_NS_TRANSPORT: [NN_INPROC, NN_IPC, NN_TCP, NN_WS]
    NN_NS_PROTOCOL: [
        NN_PAIR, NN_PUB, NN_SUB, NN_REP, NN_REQ, NN_PUSH, NN_PULL, NN_SURVEYOR, NN_RESPONDENT, NN_BUS,
    ]
    NN_NS_LIMIT: [NN_SOCKADDR_MAX]
    NN_NS_OPTION_LEVEL: [NN_SOL_SOCKET]
    NN_NS_SOCKET_OPTION: [
        NN_LINGER(NN_TYPE_INT, NN_UNIT_MILLISECONDS),
        NN_SNDBUF(NN_TYPE_INT, NN_UNIT_BYTES),
        NN_RCVBUF(NN_TYPE_INT, NN_UNIT_BYTES),
        NN_RCVMAXSIZE(NN_TYPE_INT, NN_UNIT_BYTES),
        NN_SNDTIMEO(NN_TYPE_INT, NN_UNIT_MILLISECONDS),
        NN_RCVTIMEO(NN_TYPE_INT, NN_UNIT_MILLISECONDS),
        NN_RECONNECT_IVL(NN_TYPE_INT, NN_UNIT_MILLISECONDS),
        NN_RECONNECT_IVL_MAX(NN_TYPE_INT, NN_UNIT_MILLISECONDS),
        NN_SNDPRIO(NN_TYPE_INT, NN_UNIT_PRIORITY),
        NN_RCVPRIO(NN_TYPE_INT, NN_UNIT_PRIORITY),
        NN_SNDFD(NN_TYPE_INT, NN_UNIT_NONE),
        NN_RCVFD(NN_TYPE_INT, NN_UNIT_NONE),
        NN_DOMAIN(NN_TYPE_INT, NN_UNIT_NONE),
        NN_PROTOCOL(NN_TYPE_INT, NN_UNIT_NONE),
        NN_IPV4ONLY(NN_TYPE_INT, NN_UNIT_BOOLEAN),
        NN_SOCKET_NAME(NN_TYPE_STR, NN_UNIT_NONE),
        NN_MAXTTL(NN_TYPE_INT, NN_UNIT_NONE),
    ]
    NN_NS_TRANSPORT_OPTION: [
        NN_SUB_SUBSCRIBE(NN_TYPE_STR, NN_UNIT_NONE),
        NN_SUB_UNSUBSCRIBE(NN_TYPE_STR, NN_UNIT_NONE),
        NN_REQ_RESEND_IVL(NN_TYPE_INT, NN_UNIT_MILLISECONDS),
        NN_SURVEYOR_DEADLINE(NN_TYPE_INT, NN_UNIT_MILLISECONDS),
        NN_TCP_NODELAY(NN_TYPE_INT, NN_UNIT_BOOLEAN),
        NN_WS_MSG_TYPE(NN_TYPE_INT, NN_UNIT_NONE),
    ]
    NN_NS_FLAG: [NN_DONTWAIT, NN_WS_MSG_TYPE_TEXT, NN_WS_MSG_TYPE_BINARY]
    NN_NS_EVENT: [NN_POLLIN, NN_POLLOUT]
    NN_NS_ERROR: [
        EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EBADF, ECONNREFUSED, EFAULT, EFSM,
        EINPROGRESS, EINTR, EINVAL, EMFILE, ENAMETOOLONG, ENETDOWN, ENOBUFS, ENODEV, ENOMEM,
        ENOPROTOOPT, ENOTSOCK, ENOTSUP, EPROTO, EPROTONOSUPPORT, ETERM, ETIMEDOUT, EACCES,
        ECONNABORTED, ECONNRESET, EHOSTUNREACH, EMSGSIZE, ENETRESET, ENETUNREACH, ENOTCONN,
    ]
    NN_NS_STATISTIC: [
        NN_STAT_ESTABLISHED_CONNECTIONS(NN_TYPE_INT, NN_UNIT_COUNTER),
        NN_STAT_ACCEPTED_CONNECTIONS(NN_TYPE_INT, NN_UNIT_COUNTER),
        NN_STAT_DROPPED_CONNECTIONS(NN_TYPE_INT, NN_UNIT_COUNTER),
        NN_STAT_BROKEN_CONNECTIONS(NN_TYPE_INT, NN_UNIT_COUNTER),
        NN_STAT_CONNECT_ERRORS(NN_TYPE_INT, NN_UNIT_COUNTER),
        NN_STAT_BIND_ERRORS(NN_TYPE_INT, NN_UNIT_COUNTER),
        NN_STAT_ACCEPT_ERRORS(NN_TYPE_INT, NN_UNIT_COUNTER),
        NN_STAT_MESSAGES_SENT(NN_TYPE_INT, NN_UNIT_MESSAGES),
        NN_STAT_MESSAGES_RECEIVED(NN_TYPE_INT, NN_UNIT_MESSAGES),
        NN_STAT_BYTES_SENT(NN_TYPE_INT, NN_UNIT_BYTES),
        NN_STAT_BYTES_RECEIVED(NN_TYPE_INT, NN_UNIT_BYTES),
        NN_STAT_CURRENT_CONNECTIONS(NN_TYPE_INT, NN_UNIT_NONE),
        NN_STAT_INPROGRESS_CONNECTIONS(NN_TYPE_INT, NN_UNIT_NONE),
        NN_STAT_CURRENT_SND_PRIORITY(NN_TYPE_INT, NN_UNIT_PRIORITY),
        NN_STAT_CURRENT_EP_ERRORS(NN_TYPE_INT, NN_UNIT_NONE),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_as_specified() {
        for (index, line) in TABLE.lines().enumerate() {
            let symbol = symbol(index as c_int).unwrap();
            let row = format!(
                "{index} {} {} {} {} {}",
                symbol.name.to_str().unwrap(),
                symbol.value,
                symbol.namespace,
                symbol.kind,
                symbol.unit
            );
            assert_eq!(row, line);
        }
        assert_eq!(TABLE.lines().count(), SYMBOLS.len());
    }

    #[test]
    fn outside_the_table_is_nothing() {
        assert!(symbol(-1).is_none());
        assert!(symbol(c_int::MIN).is_none());
        assert!(symbol(121).is_none());
    }

    /// Index, name, value, namespace, type, unit.
    const TABLE: &str = include_str!("symbols.txt");
}
