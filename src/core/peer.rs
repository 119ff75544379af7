//! Who sent a message, for who asks for it (NN_RECV_PEER).

/// The other end of a connection, as it was when it could be asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The connection, by a number that is not used again soon; the same that events have.
    pub pipe: u64,
    /// An IP address with its port, over ipc the process with its user and group in words; empty if it is not known, or in this process.
    pub address: String,
    /// The process at the other end of a unix socket, as it was when it connected or listened.
    pub process: Option<Process>,
    /// Whom the certificate names that a TLS peer has shown, as RFC 4514 writes it: "CN=sensor 7,O=Example".
    pub subject: Option<String>,
}

/// A process, as the kernel vouches for it. Numbers of processes are used again: decide by the user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}
