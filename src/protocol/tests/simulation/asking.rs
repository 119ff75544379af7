//! REQ and REP, SURVEYOR and RESPONDENT, directly and through chains of devices.

use std::collections::HashSet;
use std::time::Duration;

use super::{Device, FakeSocket, Net, Tag, simulate};
use crate::core::{ContextId, Error};
use crate::protocol::reqrep::RESEND_IVL;
use crate::protocol::survey::DEADLINE;

const STEPS: usize = 800;

/// Wires askers and answerers over up to two devices.
fn chain(net: &mut Net, askers: &[usize], answerers: &[usize], front: &str, back: &str) -> Vec<Device> {
    let count = net.rng.below(3);
    let devices: Vec<Device> = (0..count).map(|_| Device::new(net, front, back)).collect();
    let mut asking = askers.to_vec();
    for device in &devices {
        net.connect_all(&asking, &device.sockets[..1]);
        asking = vec![device.sockets[1]];
    }
    net.connect_all(&asking, answerers);
    devices
}

/// Who uses these sockets: each itself, and half of them in some contexts, too.
fn users(net: &mut Net, sockets: &[usize]) -> Vec<(usize, ContextId)> {
    let mut users = Vec::new();
    for socket in sockets {
        users.push((*socket, ContextId::SOCKET));
        if net.rng.chance(50) {
            for _ in 0..net.rng.between(1, 4) {
                users.push((*socket, net.sockets[*socket].open()));
            }
        }
    }
    users
}

/// The socket of a user, as that one uses it.
fn as_used_by(net: &mut Net, (socket, context): (usize, ContextId)) -> &mut FakeSocket {
    let socket = &mut net.sockets[socket];
    socket.context = context;
    socket
}

/// Lets everybody act, also after one did; did any?
fn any<T>(users: &mut [T], mut act: impl FnMut(&mut T) -> bool) -> bool {
    let mut acted = false;
    for user in users {
        acted |= act(user);
    }
    acted
}

fn step_all(devices: &mut [Device], net: &mut Net) -> bool {
    any(devices, |device| device.step(net))
}

/// A user of REP or RESPONDENT.
struct Answering {
    user: (usize, ContextId),
    question: Option<Vec<u8>>,
}

impl Answering {
    /// Receives; a question that was not answered is given up.
    fn receive(&mut self, net: &mut Net) -> bool {
        let received = as_used_by(net, self.user).recv();
        if let Err(error) = received {
            assert_eq!(error, Error::AGAIN);
        }
        self.question = received.ok().map(|(header, body)| {
            assert!(header.is_empty());
            body
        });
        self.question.is_some()
    }

    /// The answer says who gives it, then repeats the question. In a context it may have to wait for room.
    fn answer(&mut self, net: &mut Net) {
        let socket = as_used_by(net, self.user);
        match self.question.take() {
            Some(question) => {
                let answer = [&(self.user.0 as u16).to_be_bytes()[..], &question].concat();
                if let Err(error) = socket.send(&answer) {
                    assert_eq!(error, Error::AGAIN);
                    assert_ne!(self.user.1, ContextId::SOCKET, "an answer never blocks");
                    self.question = Some(question);
                }
            }
            None => assert_eq!(socket.send(b"?"), Err(Error::FSM)),
        }
    }
}

/// Who answered, and what.
fn parse(answer: &[u8]) -> (u16, Tag) {
    (u16::from_be_bytes([answer[0], answer[1]]), Tag::of(&answer[2..]))
}

/// A user of REQ.
struct Requester {
    user: (usize, ContextId),
    asked: Option<Tag>,
}

impl Requester {
    fn ask(&mut self, net: &mut Net, number: u32) {
        let tag = Tag { sender: self.user.0 as u16, number };
        as_used_by(net, self.user).send(&tag.bytes()).expect("a request never blocks");
        self.asked = Some(tag);
    }

    fn give_up(&mut self, net: &mut Net) {
        as_used_by(net, self.user).cancel();
        self.asked = None;
    }

    fn receive(&mut self, net: &mut Net) -> bool {
        match (as_used_by(net, self.user).recv(), self.asked) {
            (Ok((header, answer)), Some(tag)) => {
                assert!(header.is_empty());
                assert_eq!(parse(&answer).1, tag, "a reply to something else");
                self.asked = None;
                true
            }
            (Err(error), Some(_)) => {
                assert_eq!(error, Error::AGAIN);
                false
            }
            (received, None) => {
                assert_eq!(received, Err(Error::FSM));
                false
            }
        }
    }
}

/// A request is answered once, by an answer to this request; and always, when all is well again.
#[test]
fn reqrep() {
    simulate(|net| {
        let (reqs, reps) = (net.crowd("REQ", 1, 3), net.crowd("REP", 1, 3));
        let mut devices = chain(net, &reqs, &reps, "REP", "REQ");
        for req in &reqs {
            net.sockets[*req].set_option(RESEND_IVL, &50_i32.to_ne_bytes()).unwrap();
        }
        let (reqs, reps) = (users(net, &reqs), users(net, &reps));
        let mut reqs: Vec<_> = reqs.into_iter().map(|user| Requester { user, asked: None }).collect();
        let mut reps: Vec<_> = reps.into_iter().map(|user| Answering { user, question: None }).collect();
        for number in 0..STEPS as u32 {
            let (req, rep) = (net.rng.below(reqs.len()), net.rng.below(reps.len()));
            match net.rng.below(10) {
                0 if reqs[req].asked.is_none() || net.rng.chance(10) => reqs[req].ask(net, number),
                0 if net.rng.chance(5) => reqs[req].give_up(net),
                0 | 1 => drop(reqs[req].receive(net)),
                2 => drop(reps[rep].receive(net)),
                3 => reps[rep].answer(net),
                4 | 5 => {
                    step_all(&mut devices, net);
                }
                _ => net.weather(),
            }
        }
        net.heal();
        for _ in 0..100 {
            net.pass_ms(50);
            net.settle(|net| {
                let forwarded = devices.iter_mut().filter_map(|device| device.step(net).then_some(())).count();
                let served = reps.iter_mut().filter_map(|rep| serve(rep, net).then_some(())).count();
                let answered = reqs.iter_mut().filter_map(|req| req.receive(net).then_some(())).count();
                forwarded + served + answered > 0
            });
        }
        assert!(reqs.iter().all(|req| req.asked.is_none()), "a request was never answered");
    });
}

fn serve(user: &mut Answering, net: &mut Net) -> bool {
    if user.question.is_some() {
        user.answer(net);
        return user.question.is_none();
    }
    let received = user.receive(net);
    if received {
        user.answer(net);
    }
    received
}

/// A user of SURVEYOR, who knows what to expect.
struct Asker {
    user: (usize, ContextId),
    survey: Option<Tag>,
    ends: Duration,
    expiry_untold: bool,
    /// Who answered the present survey.
    answers: HashSet<u16>,
}

const SURVEY_MS: i32 = 200;

impl Asker {
    fn new(user: (usize, ContextId)) -> Asker {
        let answers = HashSet::new();
        Asker { user, survey: None, ends: Duration::ZERO, expiry_untold: false, answers }
    }

    fn ask(&mut self, net: &mut Net, number: u32) {
        let tag = Tag { sender: self.user.0 as u16, number };
        let socket = as_used_by(net, self.user);
        socket.send(&tag.bytes()).expect("a survey never blocks");
        self.ends = socket.now + Duration::from_millis(SURVEY_MS as u64);
        (self.survey, self.expiry_untold) = (Some(tag), true);
        self.answers.clear();
    }

    fn receive(&mut self, net: &mut Net) -> bool {
        let socket = as_used_by(net, self.user);
        let open = self.survey.is_some() && socket.now < self.ends;
        match socket.recv() {
            Ok((header, answer)) => {
                let (who, tag) = parse(&answer);
                assert!(header.is_empty() && open, "an answer after the end");
                assert_eq!(Some(tag), self.survey, "a stale answer");
                assert!(self.answers.insert(who), "a second answer");
                true
            }
            Err(Error::AGAIN) => {
                assert!(open);
                false
            }
            Err(error) => {
                let expected = if self.expiry_untold { Error::TIMED_OUT } else { Error::FSM };
                assert_eq!((error, open), (expected, false));
                self.expiry_untold = false;
                false
            }
        }
    }
}

/// Answers belong to the present survey, one of each respondent, before the deadline; and all come if
/// nothing is in the way.
#[test]
fn survey() {
    simulate(|net| {
        let (surveyors, respondents) = (net.crowd("SURVEYOR", 1, 3), net.crowd("RESPONDENT", 1, 4));
        let mut devices = chain(net, &surveyors, &respondents, "RESPONDENT", "SURVEYOR");
        for surveyor in &surveyors {
            net.sockets[*surveyor].set_option(DEADLINE, &SURVEY_MS.to_ne_bytes()).unwrap();
        }
        let mut askers: Vec<_> = users(net, &surveyors).into_iter().map(Asker::new).collect();
        let mut answering: Vec<_> =
            users(net, &respondents).into_iter().map(|user| Answering { user, question: None }).collect();
        for number in 0..STEPS as u32 {
            let (asker, user) = (net.rng.below(askers.len()), net.rng.below(answering.len()));
            match net.rng.below(10) {
                0 if net.rng.chance(10) => askers[asker].ask(net, number),
                0..=2 => drop(askers[asker].receive(net)),
                3 => drop(answering[user].receive(net)),
                4 => answering[user].answer(net),
                5 => {
                    step_all(&mut devices, net);
                }
                _ => net.weather(),
            }
        }
        net.heal();
        let mut go_on = |net: &mut Net, askers: &mut [Asker]| {
            let forwarded = step_all(&mut devices, net);
            let served = any(&mut answering, |user| serve(user, net));
            any(askers, |asker| asker.receive(net)) || served || forwarded
        };
        net.settle(|net| go_on(net, &mut askers));
        // One after the other, since a survey has as much room in each pipe as the others leave.
        for number in 0..askers.len() {
            askers[number].ask(net, (STEPS + number) as u32);
            net.settle(|net| go_on(net, &mut askers));
        }
        assert!(askers.iter().all(|asker| asker.answers.len() == respondents.len()), "an answer is missing");
    });
}
