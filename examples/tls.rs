//! Messages through TLS: the first argument is the certificate's file, the second its key's.
//!
//! Run:    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=me -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem 2>/dev/null && cargo run --example tls -- cert.pem key.pem
//!         | a secret

use std::error::Error;

use nanomsg::core::{Body, Message};
use nanomsg::facade::{Session, Wait};
use nanomsg::protocol::pair::PAIR;
use nanomsg::transport::tls::settings as tls;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [certificate, key] = &arguments[..] else { return Err("usage: tls CERTIFICATE KEY".into()) };
    let session = Session::start()?;
    let server = session.socket(false, PAIR.id.into(), "server")?;
    let client = session.socket(false, PAIR.id.into(), "client")?;

    // Who binds shows a certificate; who connects believes those who have signed it.
    server.set_option(tls::LEVEL, tls::CERT_FILE, certificate.as_bytes())?;
    server.set_option(tls::LEVEL, tls::KEY_FILE, key.as_bytes())?;
    client.set_option(tls::LEVEL, tls::CA_FILE, certificate.as_bytes())?;
    server.bind(b"tls+tcp://127.0.0.1:5557")?;
    client.connect(b"tls+tcp://127.0.0.1:5557")?;

    client.send(&mut Message::new(Body::Borrowed(b"a secret")), Wait::Option)?;
    println!("{}", String::from_utf8_lossy(server.recv(Wait::Option)?.body.bytes()));
    client.close()?;
    server.close()?;
    session.stop();
    Ok(())
}
