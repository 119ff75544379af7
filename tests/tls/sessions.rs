//! Sessions that are resumed: by a client that comes back, and not where clients show certificates.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use nanomsg::internals::tls::{AUTH, AUTH_REQUIRED};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection, Stream,
    SupportedProtocolVersion,
};

use crate::bench::*;

static VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

fn own(identity: &Identity) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    (vec![chain], PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap())
}

/// A client of somebody else's: how each of two handshakes with our server went.
fn with_our_server(
    server: &Server,
    version: &'static SupportedProtocolVersion,
    shown: &Identity,
) -> [HandshakeKind; 2] {
    let mut roots = RootCertStore::empty();
    roots.add(server.known.certificate.der().clone()).unwrap();
    let (chain, key) = own(shown);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    [(); 2].map(|()| {
        let mut tls = ClientConnection::new(Arc::clone(&config), ServerName::try_from("127.0.0.1").unwrap()).unwrap();
        let mut wire = TcpStream::connect(server.at()).unwrap();
        // The greeting; tickets come before it.
        Stream::new(&mut tls, &mut wire).read_exact(&mut [0; 8]).unwrap();
        tls.handshake_kind().unwrap()
    })
}

#[test]
fn a_server_resumes_sessions_but_not_of_clients_that_it_verifies() {
    for version in VERSIONS {
        let server = Server::new("tls+tcp");
        let client = server.known.signs("somebody", |_| {});
        let [first, second] = with_our_server(&server, version, &client);
        assert_ne!(first, HandshakeKind::Resumed);
        assert_eq!(second, HandshakeKind::Resumed, "{version:?}");
        believe(&server.socket, &server.known);
        set(&server.socket, AUTH, AUTH_REQUIRED);
        for kind in with_our_server(&server, version, &client) {
            assert_ne!(kind, HandshakeKind::Resumed, "{version:?}: who is withdrawn must not stay welcome");
        }
        server.end();
    }
}

#[test]
fn a_client_that_comes_back_resumes_its_session() {
    for version in VERSIONS {
        let ours = Server::new("tcp");
        let (chain, key) = own(&ours.known.signs("127.0.0.1", |_| {}));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("tls+tcp://{}", listener.local_addr().unwrap());
        let thread = thread::spawn(move || {
            [(); 2].map(|()| {
                let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
                let (mut wire, _) = listener.accept().unwrap();
                let mut stream = Stream::new(&mut tls, &mut wire);
                stream.read_exact(&mut [0; 8]).unwrap();
                stream.conn.send_close_notify();
                stream.conn.write_tls(stream.sock).unwrap();
                tls.handshake_kind().unwrap()
            })
        });
        let client = ours.client();
        client.connect(address.as_bytes()).unwrap();
        let [first, second] = thread.join().unwrap();
        assert_ne!(first, HandshakeKind::Resumed);
        assert_eq!(second, HandshakeKind::Resumed, "{version:?}");
        client.close().unwrap();
        ours.end();
    }
}
