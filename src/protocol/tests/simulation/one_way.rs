//! PUSH and PULL; PUB and SUB.

use std::collections::BTreeSet;

use super::{Arrivals, Net, Tag, simulate};
use crate::core::Error;
use crate::protocol::pubsub::{SUBSCRIBE, UNSUBSCRIBE};

const STEPS: usize = 600;

/// Everything pushed is pulled at most once, in order on each pipe; and exactly once if nothing was cut.
#[test]
fn pipeline() {
    simulate(|net| {
        let (pushes, pulls) = (net.crowd("PUSH", 1, 4), net.crowd("PULL", 1, 4));
        net.connect_all(&pushes, &pulls);
        let faults = net.faults;
        let mut sent = BTreeSet::new();
        let mut arrivals = Arrivals::default();
        for number in 0..STEPS as u32 {
            let push = net.pick(&pushes);
            let tag = Tag { sender: push as u16, number };
            match net.rng.below(3) {
                0 => match net.sockets[push].send(&tag.bytes()) {
                    Ok(()) => assert!(sent.insert(tag)),
                    Err(error) => assert_eq!(error, Error::AGAIN),
                },
                1 => {
                    let pull = net.pick(&pulls);
                    receive(net, pull, &mut arrivals);
                }
                _ => net.weather(),
            }
        }
        net.heal();
        net.settle(|net| pulls.iter().any(|pull| receive(net, *pull, &mut arrivals)));
        let received: BTreeSet<Tag> = arrivals.seen.iter().map(|(_, tag)| *tag).collect();
        assert_eq!(received.len(), arrivals.seen.len(), "delivered to two receivers");
        assert!(received.is_subset(&sent), "never sent");
        assert!(faults || received == sent, "lost without a reason");
    });
}

fn receive(net: &mut Net, receiver: usize, arrivals: &mut Arrivals) -> bool {
    let socket = &mut net.sockets[receiver];
    match socket.recv() {
        Ok((header, body)) => {
            assert!(header.is_empty());
            arrivals.check(receiver, socket.last_taken, Tag::of(&body));
            true
        }
        Err(error) => {
            assert_eq!(error, Error::AGAIN);
            false
        }
    }
}

struct Subscriber {
    socket: usize,
    topics: Vec<Vec<u8>>,
}

impl Subscriber {
    fn wants(&self, body: &[u8]) -> bool {
        self.topics.iter().any(|topic| body.starts_with(topic))
    }

    fn change_topics(&mut self, net: &mut Net) {
        let topic = topic(net);
        let socket = &mut net.sockets[self.socket];
        match self.topics.iter().position(|other| *other == topic) {
            Some(index) => {
                self.topics.remove(index);
                socket.set_option(UNSUBSCRIBE, &topic).unwrap();
            }
            None => {
                assert_eq!(socket.set_option(UNSUBSCRIBE, &topic), Err(Error::INVALID));
                socket.set_option(SUBSCRIBE, &topic).unwrap();
                self.topics.push(topic);
            }
        }
    }

    /// Receives one message that must match; gives what follows the topic.
    fn receive(&self, net: &mut Net, arrivals: &mut Arrivals) -> Option<Vec<u8>> {
        let socket = &mut net.sockets[self.socket];
        let (header, body) = socket.recv().ok()?;
        assert!(header.is_empty() && self.wants(&body), "{body:?} was not subscribed");
        let end = body.iter().position(|byte| *byte == b'|').unwrap();
        arrivals.check(self.socket, socket.last_taken, Tag::of(&body[end + 1..]));
        Some(body)
    }
}

/// Up to three of three letters.
fn topic(net: &mut Net) -> Vec<u8> {
    let len = net.rng.below(4);
    (0..len).map(|_| b'a' + net.rng.below(3) as u8).collect()
}

/// A PUB never blocks; a SUB gets what it subscribed, in order; and all of it if nothing is in the way.
#[test]
fn pubsub() {
    simulate(|net| {
        let (publishers, subscribers) = (net.crowd("PUB", 1, 3), net.crowd("SUB", 1, 3));
        net.connect_all(&publishers, &subscribers);
        let faults = net.faults;
        let mut subscribers: Vec<Subscriber> =
            subscribers.into_iter().map(|socket| Subscriber { socket, topics: Vec::new() }).collect();
        for subscriber in &mut subscribers {
            subscriber.change_topics(net);
            subscriber.change_topics(net);
        }
        let mut published = Vec::new();
        let mut received = vec![Vec::new(); subscribers.len()];
        let mut arrivals = Arrivals::default();
        for number in 0..STEPS as u32 {
            let index = net.rng.below(subscribers.len());
            match net.rng.below(6) {
                0 | 1 => {
                    let publisher = net.pick(&publishers);
                    let tag = Tag { sender: publisher as u16, number };
                    let body = [topic(net), b"|".to_vec(), tag.bytes()].concat();
                    net.sockets[publisher].send(&body).expect("a PUB never blocks");
                    published.push(body);
                }
                2 | 3 => received[index].extend(subscribers[index].receive(net, &mut arrivals)),
                4 if faults => subscribers[index].change_topics(net),
                _ => net.weather(),
            }
        }
        net.heal();
        net.settle(|net| {
            let before = received.concat().len();
            for (subscriber, received) in subscribers.iter().zip(&mut received) {
                received.extend(subscriber.receive(net, &mut arrivals));
            }
            received.concat().len() > before
        });
        for (subscriber, mut received) in subscribers.iter().zip(received) {
            let mut wanted: Vec<_> = published.iter().filter(|body| subscriber.wants(body)).cloned().collect();
            wanted.sort();
            received.sort();
            assert!(faults || received == wanted, "lost without a reason");
        }
    });
}
