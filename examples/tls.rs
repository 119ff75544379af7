//! Messages through TLS: the first argument is the certificate's file, the second its key's.
//!
//! Run:    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=me -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem 2>/dev/null && cargo run --example tls -- cert.pem key.pem
//!         | a secret

use std::error::Error;

use nanomsg::{Protocol, Socket};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [certificate, key] = &arguments[..] else { return Err("usage: tls CERTIFICATE KEY".into()) };
    let (server, client) = (Socket::new(Protocol::Pair)?, Socket::new(Protocol::Pair)?);

    // Who binds shows a certificate; who connects believes those who have signed it.
    server.set_tls_identity_files(certificate, key)?;
    client.set_tls_authorities_file(certificate)?;
    server.bind("tls+tcp://127.0.0.1:5557")?;
    client.connect("tls+tcp://127.0.0.1:5557")?;

    client.send("a secret")?;
    println!("{}", server.recv()?.text());
    Ok(())
}
