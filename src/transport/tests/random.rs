//! Two pipes and a cable between them that carries what it likes, when it likes: all messages arrive, whole and
//! in order, both ways.

use proptest::prelude::*;

use crate::transport::framing::{SP_IPC, SP_TCP};
use crate::transport::pipe::PipeEvent;

use super::fake::{EOF, Rig};

#[derive(Clone, Debug)]
enum Step {
    /// This side sends a message of this size.
    Send(bool, usize),
    /// The kernel of this side has so much room.
    Drain(bool, usize),
    /// So many bytes from this side reach the other, which is told.
    Carry(bool, usize),
    /// The most that this side's reads and writes move at a time.
    Portions(bool, usize, usize),
    /// Whether this side's messages follow each other fast.
    Stream(bool, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let amount = prop_oneof![0..30_usize, 0..3_000_usize, 0..200_000_usize];
    let portion = prop_oneof![1..10_usize, 1..70_000_usize];
    let step = prop_oneof![
        4 => (any::<bool>(), amount.clone()).prop_map(|(side, size)| Step::Send(side, size)),
        3 => (any::<bool>(), amount.clone()).prop_map(|(side, room)| Step::Drain(side, room)),
        3 => (any::<bool>(), amount).prop_map(|(side, count)| Step::Carry(side, count)),
        1 => (any::<bool>(), portion.clone(), portion).prop_map(|(side, read, write)| Step::Portions(side, read, write)),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(side, fast)| Step::Stream(side, fast)),
    ];
    prop::collection::vec(step, 0..80)
}

struct Cable {
    ends: [Rig; 2],
    sent: [Vec<Vec<u8>>; 2],
}

impl Cable {
    fn carry(&mut self, from: usize, count: usize) {
        let bytes: Vec<u8> = {
            let mut script = self.ends[from].fake.script();
            let count = count.min(script.written.len());
            script.written.drain(..count).collect()
        };
        let to = &mut self.ends[1 - from];
        to.arrive(&bytes);
        to.hear_all().unwrap();
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Send(side, size) => {
                let side = usize::from(side);
                let number = self.sent[side].len();
                let body: Vec<u8> = (0..size).map(|at| (number + at * 13 + (at >> 8)) as u8).collect();
                self.ends[side].send(&body);
                self.sent[side].push(body);
            }
            Step::Drain(side, room) => self.ends[usize::from(side)].drain(room).unwrap(),
            Step::Carry(side, count) => self.carry(usize::from(side), count),
            Step::Portions(side, read, write) => {
                let mut script = self.ends[usize::from(side)].fake.script();
                (script.read_at_most, script.write_at_most) = (read, write);
            }
            Step::Stream(side, fast) => self.ends[usize::from(side)].in_stream = fast,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn all_messages_arrive_whole_and_in_order(steps in steps(), ipc in any::<bool>(), room in 0..100_000_usize) {
        let framing = if ipc { &SP_IPC } else { &SP_TCP };
        let mut cable = Cable { ends: [Rig::active(framing), Rig::active(framing)], sent: Default::default() };
        for end in &mut cable.ends {
            end.fake.script().room = room;
        }
        for step in steps {
            cable.apply(step);
        }
        for side in [0, 1] {
            cable.apply(Step::Portions(side == 1, 50_000, 50_000));
            // One leaves in an orderly way; the other has then got everything.
            cable.ends[side].drain(usize::MAX).unwrap();
            cable.ends[side].flush().unwrap();
            cable.carry(side, usize::MAX);
        }
        cable.ends[1].fake.script().end = Some(EOF);
        cable.ends[1].hear_all().unwrap();
        prop_assert!(cable.ends[1].seen.contains(&PipeEvent::HungUp));
        for side in [0, 1] {
            prop_assert!(cable.ends[1 - side].received == cable.sent[side]);
        }
    }
}
