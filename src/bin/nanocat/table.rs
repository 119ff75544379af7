//! The options, once: what they are called, what they need, what they do. The command line, the help text and the
//! completions are all read from here.

use nanomsg::internals::{BUS, Kind, PAIR, PUB, PULL, PUSH, REP, REQ, RESPONDENT, SUB, SURVEYOR, tls};

use crate::format::Format;

/// What options provide, need and exclude, as bits.
pub const TYPE: u32 = 1;
pub const ENDPOINT: u32 = 1 << 1;
pub const READABLE: u32 = 1 << 2;
pub const WRITABLE: u32 = 1 << 3;
pub const SUBSCRIBABLE: u32 = 1 << 4;
pub const DATA: u32 = 1 << 5;
/// Speaks first, so that it can speak line by line.
pub const LINES: u32 = 1 << 6;

/// What must be on every command line.
pub const MANDATORY: u32 = TYPE | ENDPOINT;

const IPC: &str = "ipc://";
const LOCAL: &str = "tcp://127.0.0.1:";

#[derive(Clone, Copy)]
pub enum Effect {
    /// Accepted, without effect.
    Nothing,
    Help,
    Version,
    Completions,
    Type(&'static Kind),
    /// With what stands in front of the argument.
    Bind(&'static str),
    Connect(&'static str),
    RecvTimeout,
    SendTimeout,
    Name,
    Subscribe,
    /// By the name in the argument.
    Format,
    As(Format),
    Interval,
    Delay,
    Data,
    File,
    Lines,
    Count,
    Stats,
    Events,
    /// An option of level NN_TLS whose value is the argument.
    Tls(i32),
    TlsAuth,
    TlsMinVersion,
    TlsInsecure,
}

pub struct Choice {
    pub long: &'static str,
    pub short: Option<char>,
    /// What the argument is called, if there is one.
    pub meta: Option<&'static str>,
    pub help: &'static str,
    pub effect: Effect,
    pub provides: u32,
    /// At least one of these must be provided by another option.
    pub needs: u32,
    /// Nothing that provides these may stand beside it.
    pub excludes: u32,
    pub group: Group,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    Generic,
    Types,
    Socket,
    Sub,
    Input,
    Output,
    /// What nanomsg's tool does not have. They stand last, and an abbreviation means them only if it can mean nothing else.
    Ours,
}

impl Group {
    pub const ALL: [Group; 7] =
        [Group::Generic, Group::Types, Group::Socket, Group::Sub, Group::Input, Group::Output, Group::Ours];

    pub fn title(self) -> &'static str {
        match self {
            Group::Generic => "Generic",
            Group::Types => "Socket Types",
            Group::Socket => "Socket Options",
            Group::Sub => "SUB Socket Options",
            Group::Input => "Input Options",
            Group::Output => "Output Options",
            Group::Ours => "More Options (not in nanomsg's nanocat)",
        }
    }
}

impl Choice {
    const fn new(group: Group, long: &'static str, effect: Effect, help: &'static str) -> Choice {
        Choice { long, short: None, meta: None, help, effect, provides: 0, needs: 0, excludes: 0, group }
    }

    const fn short(self, short: char) -> Choice {
        Choice { short: Some(short), ..self }
    }

    const fn takes(self, meta: &'static str) -> Choice {
        Choice { meta: Some(meta), ..self }
    }

    const fn provides(self, provides: u32) -> Choice {
        Choice { provides, ..self }
    }

    const fn needs(self, needs: u32) -> Choice {
        Choice { needs, ..self }
    }

    const fn excludes(self, excludes: u32) -> Choice {
        Choice { excludes, ..self }
    }

    pub fn is_ours(&self) -> bool {
        self.group == Group::Ours
    }
}

const fn socket(long: &'static str, kind: &'static Kind, help: &'static str, provides: u32) -> Choice {
    Choice::new(Group::Types, long, Effect::Type(kind), help).provides(TYPE | provides).excludes(TYPE)
}

const fn endpoint(long: &'static str, effect: Effect, help: &'static str) -> Choice {
    Choice::new(Group::Socket, long, effect, help).provides(ENDPOINT)
}

const fn output(long: &'static str, effect: Effect, help: &'static str) -> Choice {
    Choice::new(Group::Input, long, effect, help).needs(READABLE)
}

const BOTH: u32 = READABLE | WRITABLE;

pub static CHOICES: [Choice; 47] = [
    Choice::new(Group::Generic, "verbose", Effect::Nothing, "Increase verbosity of the nanocat").short('v'),
    Choice::new(Group::Generic, "silent", Effect::Nothing, "Decrease verbosity of the nanocat").short('q'),
    Choice::new(Group::Generic, "help", Effect::Help, "This help text").short('h'),
    socket("push", &PUSH, "Use NN_PUSH socket type", WRITABLE | LINES).needs(DATA),
    socket("pull", &PULL, "Use NN_PULL socket type", READABLE),
    socket("pub", &PUB, "Use NN_PUB socket type", WRITABLE | LINES).needs(DATA),
    socket("sub", &SUB, "Use NN_SUB socket type", READABLE | SUBSCRIBABLE),
    socket("req", &REQ, "Use NN_REQ socket type", BOTH | LINES).needs(DATA),
    socket("rep", &REP, "Use NN_REP socket type", BOTH),
    socket("surveyor", &SURVEYOR, "Use NN_SURVEYOR socket type", BOTH | LINES).needs(DATA),
    socket("respondent", &RESPONDENT, "Use NN_RESPONDENT socket type", BOTH),
    socket("bus", &BUS, "Use NN_BUS socket type", BOTH | LINES),
    socket("pair", &PAIR, "Use NN_PAIR socket type", BOTH | LINES),
    endpoint("bind", Effect::Bind(""), "Bind socket to the address ADDR").takes("ADDR"),
    endpoint("connect", Effect::Connect(""), "Connect socket to the address ADDR").takes("ADDR"),
    endpoint("bind-ipc", Effect::Bind(IPC), "Bind socket to the ipc address \"ipc://PATH\".").short('X').takes("PATH"),
    endpoint("connect-ipc", Effect::Connect(IPC), "Connect socket to the ipc address \"ipc://PATH\".")
        .short('x')
        .takes("PATH"),
    endpoint("bind-local", Effect::Bind(LOCAL), "Bind socket to the tcp address \"tcp://127.0.0.1:PORT\".")
        .short('L')
        .takes("PORT"),
    endpoint("connect-local", Effect::Connect(LOCAL), "Connect socket to the tcp address \"tcp://127.0.0.1:PORT\".")
        .short('l')
        .takes("PORT"),
    Choice::new(Group::Socket, "recv-timeout", Effect::RecvTimeout, "Set timeout for receiving a message")
        .takes("SEC")
        .needs(READABLE),
    Choice::new(Group::Socket, "send-timeout", Effect::SendTimeout, "Set timeout for sending a message")
        .takes("SEC")
        .needs(WRITABLE),
    Choice::new(Group::Socket, "socket-name", Effect::Name, "Name of the socket for statistics").takes("NAME"),
    Choice::new(
        Group::Sub,
        "subscribe",
        Effect::Subscribe,
        "Subscribe to the prefix PREFIX. Note: socket will be subscribed to everything (empty prefix) if no prefixes are \
         specified on the command-line.",
    )
    .takes("PREFIX")
    .needs(SUBSCRIBABLE),
    output("format", Effect::Format, "Use echo format FORMAT (same as the options below)").takes("FORMAT"),
    output("raw", Effect::As(Format::Raw), "Dump message as is (Note: no delimiters are printed)"),
    output(
        "ascii",
        Effect::As(Format::Ascii),
        "Print ASCII part of message delimited by newline. All non-ascii characters replaced by dot.",
    )
    .short('A'),
    output(
        "quoted",
        Effect::As(Format::Quoted),
        "Print each message on separate line in double quotes with C-like character escaping",
    )
    .short('Q'),
    output(
        "msgpack",
        Effect::As(Format::Msgpack),
        "Print each message as msgpacked string (raw type). This is useful for programmatic parsing.",
    ),
    output("hex", Effect::As(Format::Hex), "Print each message on separate line in double quotes with hex values"),
    Choice::new(Group::Output, "interval", Effect::Interval, "Send message (or request) every SEC seconds")
        .short('i')
        .takes("SEC")
        .needs(WRITABLE),
    Choice::new(
        Group::Output,
        "delay",
        Effect::Delay,
        "Wait for SEC seconds before sending message (useful for one-shot PUB sockets)",
    )
    .short('d')
    .takes("SEC"),
    Choice::new(
        Group::Output,
        "data",
        Effect::Data,
        "Send DATA to the socket and quit for PUB, PUSH, PAIR, BUS socket. Use DATA to reply for REP or  RESPONDENT socket. \
         Send DATA as request for REQ or SURVEYOR socket.",
    )
    .short('D')
    .takes("DATA")
    .needs(WRITABLE)
    .provides(DATA)
    .excludes(DATA),
    Choice::new(Group::Output, "file", Effect::File, "Same as --data but get data from file PATH")
        .short('F')
        .takes("PATH")
        .needs(WRITABLE)
        .provides(DATA)
        .excludes(DATA),
    Choice::new(
        Group::Ours,
        "lines",
        Effect::Lines,
        "Send each line of standard input as a message, until it ends. For PUSH, PUB, PAIR, BUS; for REQ and SURVEYOR print \
         the answers to each before the next.",
    )
    .needs(LINES)
    .provides(DATA)
    .excludes(DATA),
    Choice::new(
        Group::Ours,
        "count",
        Effect::Count,
        "End after N messages: received, or sent by what only sends (DATA N times then).",
    )
    .takes("N"),
    Choice::new(
        Group::Ours,
        "json",
        Effect::As(Format::Json),
        "Print each message as a line of JSON: {\"data\":TEXT}, or {\"base64\":TEXT} if it is not UTF-8. With --stats and \
         --events, those are JSON, too.",
    )
    .needs(READABLE),
    Choice::new(
        Group::Ours,
        "stats",
        Effect::Stats,
        "Say on standard error every second how many messages and bytes went, how fast, and how many peers there are.",
    ),
    Choice::new(
        Group::Ours,
        "events",
        Effect::Events,
        "Say on standard error what happens: who comes and goes, who is refused and why, which connections fail.",
    ),
    Choice::new(Group::Ours, "tls-cert", Effect::Tls(tls::CERT_FILE), "For tls+tcp and wss: show this certificate (PEM).")
        .takes("PATH"),
    Choice::new(Group::Ours, "tls-key", Effect::Tls(tls::KEY_FILE), "The key of that certificate (PEM).").takes("PATH"),
    Choice::new(
        Group::Ours,
        "tls-ca",
        Effect::Tls(tls::CA_FILE),
        "Believe peers whose certificates these authorities have signed (PEM). Without it those of the system.",
    )
    .takes("PATH"),
    Choice::new(
        Group::Ours,
        "tls-name",
        Effect::Tls(tls::SERVER_NAME),
        "The server's certificate must be for HOST. Without it for the host of the address.",
    )
    .takes("HOST"),
    Choice::new(
        Group::Ours,
        "tls-auth",
        Effect::TlsAuth,
        "Whether clients of --bind must show certificates: none, optional or required.",
    )
    .takes("WHICH"),
    Choice::new(Group::Ours, "tls-min", Effect::TlsMinVersion, "The oldest version of TLS that is spoken: 1.2 or 1.3.")
        .takes("VERSION"),
    Choice::new(
        Group::Ours,
        "tls-insecure",
        Effect::TlsInsecure,
        "Believe whoever is at the other end of --connect. For tests.",
    ),
    Choice::new(Group::Ours, "completions", Effect::Completions, "Print completions for SHELL: bash, zsh or fish.")
        .takes("SHELL"),
    Choice::new(Group::Ours, "version", Effect::Version, "Print which version this is."),
];

/// Values of options, by what they are called on the command line.
pub const TLS_AUTH: [(&str, i32); 3] =
    [("none", tls::AUTH_NONE), ("optional", tls::AUTH_OPTIONAL), ("required", tls::AUTH_REQUIRED)];
pub const TLS_VERSIONS: [(&str, i32); 2] = [("1.2", 12), ("1.3", 13)];

/// Programs that are called so have chosen their type.
pub fn preset(program: &str) -> Option<usize> {
    let base = program.rsplit('/').next()?;
    let name = base.strip_prefix("nn_")?;
    CHOICES.iter().position(|choice| choice.long == name && matches!(choice.effect, Effect::Type(_)))
}
