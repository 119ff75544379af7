//! PAIR and BUS.

use std::collections::BTreeSet;

use super::super::fake::PipeState;
use super::{Arrivals, Device, Net, Tag, simulate};
use crate::core::Error;

const STEPS: usize = 600;

/// A PAIR has one peer at a time, however many try; who hung up is heard before its successor.
#[test]
fn pair() {
    simulate(|net| {
        let hub = net.socket("PAIR", false);
        let others = net.crowd("PAIR", 1, 3);
        net.connect_all(&[hub], &others);
        let faults = net.faults;
        let all = [vec![hub], others].concat();
        let mut sent = BTreeSet::new();
        let mut arrivals = Arrivals::default();
        for number in 0..STEPS as u32 {
            let user = net.pick(&all);
            let tag = Tag { sender: user as u16, number };
            match net.rng.below(3) {
                0 => match net.sockets[user].send(&tag.bytes()) {
                    Ok(()) => assert!(sent.insert(tag)),
                    Err(error) => assert_eq!(error, Error::AGAIN),
                },
                1 => drop(receive_from_pair(net, user, &mut arrivals)),
                _ => net.weather(),
            }
            for user in &all {
                let attached = |state| state == PipeState::Attached;
                assert!(net.sockets[*user].pipes().iter().filter(|pipe| attached(pipe.state)).count() <= 1);
            }
        }
        net.heal();
        net.settle(|net| all.iter().any(|user| receive_from_pair(net, *user, &mut arrivals)));
        let received: BTreeSet<Tag> = arrivals.seen.iter().map(|(_, tag)| *tag).collect();
        assert_eq!(received.len(), arrivals.seen.len(), "delivered to two receivers");
        assert!(received.is_subset(&sent), "never sent");
        assert!(faults || received == sent, "lost without a reason");
        assert!(net.sockets[hub].ready().send, "nobody is paired when all is well");
    });
}

fn receive_from_pair(net: &mut Net, user: usize, arrivals: &mut Arrivals) -> bool {
    let socket = &mut net.sockets[user];
    let heard = |state| state != PipeState::Gone;
    let readable = socket.pipes().iter().filter(|pipe| heard(pipe.state) && pipe.unread() > 0);
    let eldest = readable.map(|pipe| pipe.serial).min();
    match socket.recv() {
        Ok((_, body)) => {
            assert_eq!(Some(socket.last_taken), eldest, "a successor was heard first");
            arrivals.check(user, socket.last_taken, Tag::of(&body));
            true
        }
        Err(error) => {
            assert_eq!((error, eldest), (Error::AGAIN, None));
            false
        }
    }
}

/// Sends and receives on a bus at random, then quietly to the end. `echo`: may who comes back on a new
/// pipe hear what he said on the old one?
fn chat(net: &mut Net, members: &[usize], echo: bool, mut between: impl FnMut(&mut Net) -> bool) {
    let faults = net.faults;
    let mut sent = BTreeSet::new();
    let mut arrivals = Arrivals::default();
    for number in 0..STEPS as u32 {
        let member = net.pick(members);
        let tag = Tag { sender: member as u16, number };
        match net.rng.below(5) {
            0 => {
                net.sockets[member].send(&tag.bytes()).expect("a BUS never blocks");
                sent.insert(tag);
            }
            1 | 2 => drop(hear(net, member, &mut arrivals)),
            3 => drop(between(net)),
            _ => net.weather(),
        }
    }
    net.heal();
    net.settle(|net| {
        let heard = members.iter().filter(|member| hear(net, **member, &mut arrivals)).count();
        between(net) || heard > 0
    });
    for member in members {
        let others: BTreeSet<Tag> = sent.iter().filter(|tag| tag.sender != *member as u16).copied().collect();
        let heard: BTreeSet<Tag> = arrivals.seen.iter().filter(|(who, _)| who == member).map(|(_, tag)| *tag).collect();
        assert!(heard.is_subset(&sent), "never sent");
        assert!(echo || heard.is_subset(&others), "an echo");
        assert!(faults || heard == others, "lost without a reason");
    }
}

fn hear(net: &mut Net, member: usize, arrivals: &mut Arrivals) -> bool {
    let socket = &mut net.sockets[member];
    match socket.recv() {
        Ok((header, body)) => {
            assert!(header.is_empty());
            arrivals.check(member, socket.last_taken, Tag::of(&body));
            true
        }
        Err(error) => {
            assert_eq!(error, Error::AGAIN);
            false
        }
    }
}

/// Everybody hears everybody else, once, and nobody hears himself.
#[test]
fn bus_mesh() {
    simulate(|net| {
        let members = net.crowd("BUS", 2, 5);
        for (index, member) in members.iter().enumerate() {
            net.connect_all(&[*member], &members[..index]);
        }
        chat(net, &members, false, |_| false);
    });
}

/// The same when all are connected by a raw bus that sends back what it receives.
#[test]
fn bus_loopback_device() {
    simulate(|net| {
        let members = net.crowd("BUS", 2, 5);
        let hub = net.socket("BUS", true);
        net.connect_all(&members, &[hub]);
        let echo = net.faults;
        chat(net, &members, echo, |net| match net.sockets[hub].recv() {
            Ok((header, body)) => {
                net.sockets[hub].send_with(&header, &body).expect("a BUS never blocks");
                true
            }
            Err(_) => false,
        });
    });
}

/// And through a device of two raw buses.
#[test]
fn bus_device() {
    simulate(|net| {
        let (left, right) = (net.crowd("BUS", 1, 1), net.crowd("BUS", 1, 3));
        let mut device = Device::new(net, "BUS", "BUS");
        net.connect_all(&left, &device.sockets[..1]);
        net.connect_all(&right, &device.sockets[1..]);
        // Those on the right do not hear each other: a message goes on into the other socket only.
        let faults = net.faults;
        let (speaker, mut arrivals) = (left[0], Arrivals::default());
        for number in 0..STEPS as u32 {
            match net.rng.below(4) {
                0 => net.sockets[speaker].send(&Tag { sender: speaker as u16, number }.bytes()).unwrap(),
                1 => drop(device.step(net)),
                2 => {
                    let listener = net.pick(&right);
                    hear(net, listener, &mut arrivals);
                }
                _ => net.weather(),
            }
        }
        net.heal();
        net.settle(|net| {
            let heard = right.iter().filter(|member| hear(net, **member, &mut arrivals)).count();
            device.step(net) || heard > 0
        });
        let heard = |member: &usize| arrivals.seen.iter().filter(|(who, _)| who == member).count();
        let counts: BTreeSet<usize> = right.iter().map(heard).collect();
        assert!(faults || counts.len() == 1, "some heard more than others");
    });
}
