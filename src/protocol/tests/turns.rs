//! Several pipes take turns, whether the machine is asked for each message or told afterwards.

use proptest::prelude::*;

use crate::core::{Answer, Cmd, ContextId, Events, Evt, Kind, Message, PipeId, Protocol};
use crate::protocol::pipeline::{PULL, PUSH};

#[derive(Clone, Copy, Debug)]
enum Step {
    Attach(PipeId, u8),
    Detach(PipeId),
    Ready(PipeId),
    Unwritable(PipeId),
    /// To or from whose turn it is. `more`: there is another one behind what was received.
    Message {
        more: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pipe = || (0u32..5).prop_map(PipeId);
    let step = prop_oneof![
        2 => (pipe(), 7u8..9).prop_map(|(pipe, priority)| Step::Attach(pipe, priority)),
        1 => pipe().prop_map(Step::Detach),
        3 => pipe().prop_map(Step::Ready),
        1 => pipe().prop_map(Step::Unwritable),
        8 => prop::bool::weighted(0.8).prop_map(|more| Step::Message { more }),
    ];
    prop::collection::vec(step, 1..200)
}

fn feed(machine: &mut dyn Protocol, cmd: Cmd) -> (Answer, Option<Evt>) {
    let mut events = Events::new();
    let answer = machine.handle(cmd, &mut Message::default(), &mut events);
    (answer, events.pop())
}

/// Does the same to both, and says of a message which pipe it concerned in the machine that was asked.
fn compare(kind: &Kind, steps: Vec<Step>) {
    let (mut asked, mut told) = ((kind.make)(false, 1), (kind.make)(false, 1));
    for step in steps {
        let cmd = match step {
            Step::Attach(pipe, priority) => Cmd::Attach { pipe, send_priority: priority, recv_priority: priority },
            Step::Detach(pipe) => Cmd::Detach(pipe),
            Step::Ready(pipe) if kind.can_send => Cmd::Writable(pipe),
            Step::Ready(pipe) => Cmd::Readable(pipe),
            Step::Unwritable(pipe) => Cmd::Unwritable(pipe),
            Step::Message { more } => {
                let request = if kind.can_send { Cmd::Send(ContextId::SOCKET) } else { Cmd::Recv(ContextId::SOCKET) };
                let routes = told.routes();
                match feed(&mut *asked, request) {
                    (Answer::Done, Some(Evt::Transmit(pipe))) => {
                        assert_eq!(routes.send, Some(pipe));
                        if routes.turns {
                            assert_eq!(told.took_turn(), asked.routes());
                        }
                    }
                    (Answer::Done, Some(Evt::Take(pipe))) => {
                        assert_eq!(routes.recv, Some(pipe));
                        feed(&mut *asked, Cmd::Incoming { pipe, more });
                        match (more, routes.turns) {
                            (true, true) => assert_eq!(told.took_turn(), asked.routes()),
                            (true, false) => {}
                            (false, _) => drop(feed(&mut *told, Cmd::Incoming { pipe, more })),
                        }
                    }
                    (Answer::NotNow, None) => assert_eq!((routes.send, routes.recv), (None, None)),
                    other => panic!("{other:?}"),
                }
                assert_eq!(told.routes(), asked.routes());
                continue;
            }
        };
        feed(&mut *asked, cmd);
        feed(&mut *told, cmd);
        assert_eq!(told.routes(), asked.routes(), "{step:?}");
    }
}

proptest! {
    #[test]
    fn of_a_sender_they_are_those_of_who_is_asked(steps in steps()) {
        compare(&PUSH, steps);
    }

    #[test]
    fn of_a_receiver_they_are_those_of_who_is_asked(steps in steps()) {
        compare(&PULL, steps);
    }
}
