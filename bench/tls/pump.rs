//! What rustls does by itself, as the limit for tls+tcp: blocking sockets, a length of 8 bytes before each message, 64 KiB at once one way (or,
//! by each=1, every message by a write, and so a record, of its own), one write and one read a message in round trips. Same arguments and
//! output as the programs of bench.c.
//!
//!     tls_pump oneway|roundtrip [size=BYTES] [time=SECONDS] [each=0|1]
//!
//! BENCH_CERT and BENCH_KEY name the certificate for 127.0.0.1 and its key.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

const BUFFER: usize = 64 * 1024;
const HEAD: usize = 8;

trait Link: Read + Write {}
impl<T: Read + Write> Link for T {}

fn file(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is to name a file"))
}

fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file("BENCH_CERT")).expect("a certificate")
}

fn server(tcp: TcpStream) -> impl Link {
    let key = PrivateKeyDer::from_pem_file(file("BENCH_KEY")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate()], key)
        .expect("a key that fits");
    StreamOwned::new(ServerConnection::new(Arc::new(config)).expect("a server"), tcp)
}

fn client(tcp: TcpStream) -> impl Link {
    let mut roots = RootCertStore::empty();
    roots.add(certificate()).expect("an authority");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a client"), tcp)
}

fn message(size: usize) -> Vec<u8> {
    let mut message = (size as u64).to_be_bytes().to_vec();
    message.resize(HEAD + size, b'm');
    message
}

/// Sends for ever.
fn flood(mut link: impl Link, size: usize, each: bool) -> std::io::Result<()> {
    let one = message(size);
    let batch = if each { one } else { one.repeat((BUFFER / one.len()).max(1)) };
    loop {
        link.write_all(&batch)?;
    }
}

/// Receives for so long; how many messages.
fn drain(link: &mut impl Link, size: usize, time: Duration, begun: &mut Vec<u8>) -> u64 {
    let (begin, mut count) = (Instant::now(), 0);
    let (mut buffer, mut mine) = (vec![0; BUFFER], vec![0; size]);
    while begin.elapsed() < time {
        let read = link.read(&mut buffer).expect("more");
        begun.extend_from_slice(&buffer[..read]);
        let mut at = 0;
        while let Some(whole) = begun.get(at..at + HEAD + size) {
            mine.copy_from_slice(&whole[HEAD..]);
            at += HEAD + size;
            count += 1;
        }
        begun.drain(..at);
    }
    count
}

fn echo(mut link: impl Link, size: usize) -> std::io::Result<()> {
    let mut whole = message(size);
    loop {
        link.read_exact(&mut whole)?;
        link.write_all(&whole)?;
    }
}

fn once(link: &mut impl Link, whole: &mut [u8]) -> Duration {
    let begin = Instant::now();
    link.write_all(whole).and_then(|()| link.read_exact(whole)).expect("the way there and back");
    begin.elapsed()
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |key: &str| arguments.iter().find_map(|argument| argument.strip_prefix(key)?.strip_prefix('='));
    let size: usize = value("size").map_or(64, |size| size.parse().expect("a size"));
    let time = Duration::from_secs_f64(value("time").map_or(0.5, |time| time.parse().expect("seconds")));
    let each = value("each").is_some_and(|each| each != "0");
    let scenario = arguments.get(1).map_or("", |scenario| scenario.as_str());
    if let Some(address) = value("peer") {
        let tcp = TcpStream::connect(address).expect("connect");
        tcp.set_nodelay(true).expect("nodelay");
        // It ends by being killed.
        let _ = if scenario == "oneway" { flood(client(tcp), size, each) } else { echo(client(tcp), size) };
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let mut peer = Command::new(&arguments[0]);
    peer.arg(scenario)
        .arg(format!("size={size}"))
        .arg(format!("each={}", u8::from(each)))
        .arg(format!("peer={}", listener.local_addr().expect("an address")));
    let _peer = Killed(peer.spawn().expect("a peer"));
    let (tcp, _) = listener.accept().expect("accept");
    tcp.set_nodelay(true).expect("nodelay");
    let mut link = server(tcp);
    match scenario {
        "oneway" => {
            let mut begun = Vec::new();
            drain(&mut link, size, time / 5, &mut begun);
            let begin = Instant::now();
            let rate = drain(&mut link, size, time, &mut begun) as f64 / begin.elapsed().as_secs_f64();
            println!("scenario=oneway rate={rate:.0} mb_s={:.1} lib=rustls", rate * size as f64 / 1e6);
        }
        "roundtrip" => {
            let mut whole = message(size);
            let begin = Instant::now();
            while begin.elapsed() < time / 5 {
                once(&mut link, &mut whole);
            }
            let (begin, mut times) = (Instant::now(), Vec::new());
            while begin.elapsed() < time {
                times.push(once(&mut link, &mut whole));
            }
            times.sort_unstable();
            println!("scenario=roundtrip us={:.3} lib=rustls", times[times.len() / 2].as_secs_f64() * 1e6);
        }
        other => panic!("neither oneway nor roundtrip: {other:?}"),
    }
}
