//! Every pattern between our library and the genuine one, all pairings, over ipc and tcp, directly and through devices.

mod support;

use support::ScratchDir;
use support::devices::through_devices;
use support::patterns::*;
use support::peer::Peer;

/// Every pairing, transport and direction of one pattern.
fn all_links(a: &str, b: &str, test: impl Fn(&mut Peer, &mut Peer) -> Result<(), String>) {
    let dir = ScratchDir::new();
    let mut report = Report::default();
    for [kind_a, kind_b] in pairings() {
        for link in Link::all(kind_a, kind_b) {
            let result = link.open(a, b, &dir).and_then(|(mut a, mut b)| test(&mut a, &mut b));
            report.row(format!("{a}/{b} {link:?}"), result);
        }
    }
    report.finish();
}

fn bodies(index: usize) {
    let pattern = &PATTERNS[index];
    for large in LARGE {
        all_links(pattern.a, pattern.b, |a, b| pattern.converse(a, b, large));
    }
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
    for (a, b) in [("PUSH", "PULL"), ("PAIR", "PAIR")] {
        all_links(a, b, |a, b| {
            for (count, size) in [(5000, 10), (2000, 1000), (20, MIB)] {
                a.tell(&format!("stream {count} {size}"));
                b.tell(&format!("drain {count} {size}"));
                a.hear().and(b.hear())?;
            }
            Ok(())
        });
    }
}

#[test]
fn both_ways_at_once() {
    all_links("PAIR", "PAIR", |a, b| {
        // Both streams fit into the kernel, so that neither side has to receive before it has sent all.
        for peer in [&mut *a, &mut *b] {
            peer.tell("stream 50 1000");
            peer.tell("drain 50 1000");
        }
        for peer in [a, b] {
            peer.hear()?;
            peer.hear()?;
        }
        Ok(())
    });
}

#[test]
fn subscriptions_filter() {
    all_links("PUB", "SUB", |publisher, subscriber| {
        subscriber.ask("subscribe b")?;
        subscriber.ask("subscribe d")?;
        publisher.ask("send 0 x")?;
        for topic in ["a", "b", "c", "d"] {
            publisher.ask(&format!("send 100 {topic}"))?;
        }
        subscriber.expect("recv", "100 b")?;
        subscriber.expect("recv", "100 d")
    });
}

// Raw sockets: the header passes through the application.

#[test]
fn raw_answering_side() {
    for (a, b) in [("REQ", "REP raw"), ("SURVEYOR", "RESPONDENT raw")] {
        all_links(a, b, |a, b| {
            for size in [0, 1, 28, 29, 1000] {
                a.ask(&format!("send {size} s"))?;
                let body = b.ask("bounce")?;
                a.expect("recv", &body)?;
            }
            Ok(())
        });
    }
}

#[test]
fn raw_asking_side() {
    for (a, b) in [("REQ raw", "REP"), ("SURVEYOR raw", "RESPONDENT")] {
        all_links(a, b, |a, b| {
            a.ask("header 80000123")?;
            for size in [0, 1, 28, 29, 1000] {
                transfer(a, b, size, 's')?;
                b.ask(&format!("send {size} s"))?;
                let seed = if size == 0 { '-' } else { 's' };
                a.expect("recvheader", &format!("{size} {seed} 80000123"))?;
            }
            Ok(())
        });
    }
}

/// A stack of pending devices above the id comes back as it went.
#[test]
fn raw_request_through_imaginary_devices() {
    all_links("REQ raw", "REP raw", |a, b| {
        a.ask("header 000000070000000880000123")?;
        a.ask("send 100 s")?;
        b.expect("bounce", "100 s")?;
        // The first word is the header of the answer; the rest is not looked at and stays with the body.
        let answer = a.ask("recvheader");
        match answer {
            Err(error) if error.contains("damaged body of 108 bytes") => Ok(()),
            other => Err(format!("{other:?}, not the body and two words")),
        }
    });
}

/// Patterns without a header of their own put what they are given in front of the body.
#[test]
fn raw_header_precedes_the_body() {
    for (a, b) in [("PAIR raw", "PAIR"), ("PUSH raw", "PULL"), ("PUB raw", "SUB")] {
        all_links(a, b, |a, b| {
            if b.socket() == "SUB" {
                b.ask("subscribe b")?;
            }
            a.ask("header 62")?;
            a.ask("send 0 x")?;
            b.expect("recv", "1 b")
        });
    }
}

#[test]
fn raw_bus_spares_the_origin() {
    all_links("BUS", "BUS raw", |a, b| {
        a.ask("send 100 x")?;
        b.expect("bounce", "100 x")?;
        b.ask("send 100 y")?;
        a.expect("recv", "100 y")
    });
}

// Several peers, of both libraries, at one socket.

/// A bound socket of every library and two connected ones, one of each library (where there are two).
fn star(hub: &str, leaf: &str, test: impl Fn(&mut Peer, &mut Peer, &mut Peer) -> Result<(), String>) {
    let dir = ScratchDir::new();
    let mut report = Report::default();
    for kind in kinds() {
        for transport in TRANSPORTS {
            let run = || {
                let address = address(transport, &dir);
                let mut center = Peer::open(kind, hub)?;
                center.ask(&format!("bind {address}"))?;
                let kinds = kinds();
                let mut leaves = [kinds[0], *kinds.last().unwrap()].map(|kind| Peer::open(kind, leaf));
                for peer in &mut leaves {
                    peer.as_mut().map_err(|error| error.clone())?.ask(&format!("connect {address}"))?;
                }
                let [first, second] = leaves;
                let (mut first, mut second) = (first?, second?);
                settle(&mut [&mut center], 2)?;
                settle(&mut [&mut first, &mut second], 1)?;
                test(&mut center, &mut first, &mut second)
            };
            report.row(format!("{hub} {kind:?} {transport}"), run());
        }
    }
    report.finish();
}

#[test]
fn publisher_with_two_subscribers() {
    star("PUB", "SUB", |publisher, one, two| {
        one.ask("subscribe a")?;
        two.ask("subscribe")?;
        publisher.ask("send 100 b")?;
        publisher.ask("send 1000 a")?;
        one.expect("recv", "1000 a")?;
        two.expect("recv", "100 b")?;
        two.expect("recv", "1000 a")
    });
}

#[test]
fn push_takes_turns() {
    star("PUSH", "PULL", |push, one, two| {
        for size in [1, 100, 1000] {
            push.ask(&format!("send {size} x"))?;
            push.ask(&format!("send {size} x"))?;
            one.expect("recv", &format!("{size} x"))?;
            two.expect("recv", &format!("{size} x"))?;
        }
        Ok(())
    });
}

#[test]
fn pull_hears_everyone() {
    star("PULL", "PUSH", |pull, one, two| {
        for (peer, seed) in [(one, "x"), (two, "y")] {
            peer.ask(&format!("send 100 {seed}"))?;
            pull.expect("recv", &format!("100 {seed}"))?;
        }
        Ok(())
    });
}

#[test]
fn replies_find_their_way() {
    star("REP", "REQ", |rep, one, two| {
        one.ask("send 100 x")?;
        two.ask("send 100 y")?;
        for _ in 0..2 {
            let request = rep.ask("recv")?;
            rep.ask(&format!("send {request}"))?;
        }
        one.expect("recv", "100 x")?;
        two.expect("recv", "100 y")
    });
}

#[test]
fn survey_of_two() {
    star("SURVEYOR", "RESPONDENT", |surveyor, one, two| {
        surveyor.ask("deadline 10000")?;
        for size in [0, 29, 1000] {
            surveyor.ask(&format!("send {size} s"))?;
            let question = format!("{size} {}", if size == 0 { '-' } else { 's' });
            one.expect("recv", &question)?;
            two.expect("recv", &question)?;
            one.ask("send 100 x")?;
            two.ask("send 100 y")?;
            let mut answers = [surveyor.ask("recv")?, surveyor.ask("recv")?];
            answers.sort();
            if answers != ["100 x", "100 y"] {
                return Err(format!("{answers:?}"));
            }
        }
        Ok(())
    });
}

#[test]
fn bus_goes_one_hop() {
    star("BUS", "BUS", |center, one, two| {
        one.ask("send 100 x")?;
        center.expect("recv", "100 x")?;
        center.ask("send 100 y")?;
        one.expect("recv", "100 y")?;
        two.expect("recv", "100 y")
    });
}

// Devices.

fn one_device(index: usize) {
    let pattern = &PATTERNS[index];
    let mut report = Report::default();
    for [a, device, b] in pairings() {
        for large in LARGE {
            let result = through_devices(pattern, a, &[device], b, large);
            report.row(format!("{} {a:?} - {device:?} - {b:?}, {large}", pattern.name()), result);
        }
    }
    report.finish();
}

#[test]
fn pair_device() {
    one_device(0);
}

#[test]
fn pipeline_device() {
    one_device(1);
}

#[test]
fn pubsub_device() {
    one_device(2);
}

#[test]
fn reqrep_device() {
    one_device(3);
}

#[test]
fn survey_device() {
    one_device(4);
}

#[test]
fn bus_device() {
    one_device(5);
}

#[test]
fn chains_of_devices() {
    let mut report = Report::default();
    for pattern in &PATTERNS {
        for [near, far] in pairings() {
            let result = through_devices(pattern, far, &[near, far, near], near, MIB - 1);
            report.row(format!("{} {far:?} - {near:?} - {far:?} - {near:?} - {near:?}", pattern.name()), result);
        }
    }
    report.finish();
}

/// A hub made of one raw socket passes on what one peer sends to all others, and never back.
#[test]
fn bus_hub() {
    star("BUS raw", "BUS", |hub, one, two| {
        hub.ask("device")?;
        one.ask("send 100 x")?;
        two.expect("recv", "100 x")?;
        two.ask("send 100 y")?;
        one.expect("recv", "100 y")?;
        hub.ask("close").map(drop)
    });
}
