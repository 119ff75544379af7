//! Every pattern between our library and NNG, an independent implementation of the same protocols. The genuine library takes
//! part as proof that the NNG peer is right.

mod support;

use support::ScratchDir;
use support::devices::through_devices;
use support::patterns::*;
use support::peer::Kind;

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
