//! Every pattern between our library and NNG, an independent implementation of the same protocols. The genuine library takes
//! part as proof that the NNG peer is right.

mod support;

use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use support::devices::through_devices;
use support::patterns::*;
use support::peer::Kind;
use support::{ScratchDir, command, repo_root, require_tool, run};

/// NNG on either side of the library under test, all transports and directions.
fn links() -> impl Iterator<Item = Link> {
    kinds().into_iter().flat_map(|kind| [(kind, Kind::Nng), (Kind::Nng, kind)]).flat_map(|(a, b)| Link::all(a, b))
}

fn bodies(index: usize) {
    let pattern = &PATTERNS[index];
    let dir = ScratchDir::new();
    let mut report = Report::default();
    for large in LARGE {
        for link in links() {
            let talk = link
                .open(pattern.a, pattern.b, &dir)
                .and_then(|(mut a, mut b)| pattern.converse(&mut a, &mut b, large));
            report.row(format!("{} {link:?}", pattern.name()), talk);
        }
    }
    report.finish();
}

#[test]
fn pair() {
    bodies(0);
}

#[test]
fn pipeline() {
    bodies(1);
}

#[test]
fn pubsub() {
    bodies(2);
}

#[test]
fn reqrep() {
    bodies(3);
}

#[test]
fn survey() {
    bodies(4);
}

#[test]
fn bus() {
    bodies(5);
}

#[test]
fn streams_keep_their_order() {
    let dir = ScratchDir::new();
    let mut report = Report::default();
    for link in links() {
        let talk = link.open("PUSH", "PULL", &dir).and_then(|(mut push, mut pull)| {
            for (count, size) in [(5000, 10), (2000, 1000), (20, MIB)] {
                push.tell(&format!("stream {count} {size}"));
                pull.tell(&format!("drain {count} {size}"));
                push.hear().and(pull.hear())?;
            }
            Ok(())
        });
        report.row(format!("{link:?}"), talk);
    }
    report.finish();
}

/// Two programs on NNG, joined by devices on the library under test.
#[test]
fn through_our_devices() {
    let mut report = Report::default();
    for pattern in &PATTERNS {
        for kind in kinds() {
            let talk = through_devices(pattern, Kind::Nng, &[kind, kind], Kind::Nng, MIB - 1);
            report.row(format!("{} {kind:?}", pattern.name()), talk);
        }
    }
    report.finish();
}

/// tls+tcp and wss, with the NNG that PyPI's pynng brings: Debian's has no TLS. Each side binds, and each begins.
#[test]
fn through_tls() {
    require_tool("python3", "python3");
    if genuine_only() {
        return;
    }
    let python = support::python::environment("pynng", "pynng==0.9.0", "pynng");
    let dir = ScratchDir::new();
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    std::fs::write(dir.path("cert.pem"), params.self_signed(&key).expect("a certificate").pem()).expect("cert.pem");
    std::fs::write(dir.path("key.pem"), key.serialize_pem()).expect("key.pem");
    for scheme in ["tls+tcp", "wss"] {
        let mut python = command(&python, our_lib());
        python.arg(repo_root().join("tests/python/pynng_tls.py"));
        python.arg(scheme).arg(dir.path(""));
        python.env("PYTHONDONTWRITEBYTECODE", "1");
        let outcome = run(&mut python, Duration::from_secs(120));
        outcome.expect_success(&format!("pynng_tls.py {scheme}"));
        assert_eq!(outcome.stdout.trim(), "ok");
    }
}
