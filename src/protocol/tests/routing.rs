//! Prioritised round robin against the worked examples, and against a naive model.

use proptest::prelude::*;

use crate::core::PipeId;
use crate::protocol::routing::{LoadBalancer, Outlet, RoundRobin};

fn turns(round: &mut RoundRobin, count: usize) -> Vec<u32> {
    let mut turns = Vec::new();
    for _ in 0..count {
        turns.push(round.current().unwrap().0);
        round.advance();
    }
    turns
}

fn with_pipes(priorities: &[u8]) -> RoundRobin {
    let mut round = RoundRobin::default();
    for (index, priority) in priorities.iter().enumerate() {
        let pipe = PipeId(index as u32);
        round.attach(pipe, *priority);
        round.ready(pipe);
    }
    round
}

#[test]
fn turns_follow_the_order_of_becoming_ready() {
    assert_eq!(turns(&mut with_pipes(&[8, 8, 8]), 7), [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn the_best_level_has_all_the_turns() {
    let mut round = with_pipes(&[16, 1, 1, 2]);
    assert_eq!(turns(&mut round, 3), [1, 2, 1]);
    round.unready(PipeId(1));
    round.unready(PipeId(2));
    assert_eq!(turns(&mut round, 2), [3, 3]);
    // A better one is preferred at once.
    round.ready(PipeId(2));
    assert_eq!(turns(&mut round, 2), [2, 2]);
    assert_eq!(round.priority(), Some(1));
}

#[test]
fn a_late_pipe_goes_to_the_end_not_behind_the_current_one() {
    let mut round = with_pipes(&[8, 8, 8]);
    turns(&mut round, 1);
    round.attach(PipeId(3), 8);
    round.ready(PipeId(3));
    assert_eq!(turns(&mut round, 5), [1, 2, 3, 0, 1]);
}

#[test]
fn a_pipe_that_leaves_in_its_turn_gives_it_to_the_next() {
    let mut round = with_pipes(&[8, 8, 8]);
    turns(&mut round, 1);
    round.unready(PipeId(1));
    assert_eq!(turns(&mut round, 3), [2, 0, 2]);
    round.ready(PipeId(1));
    assert_eq!(turns(&mut round, 3), [0, 2, 1]);
}

#[test]
fn an_unknown_pipe_is_nobody() {
    let mut round = RoundRobin::default();
    assert!(!round.ready(PipeId(5)));
    round.unready(PipeId(5));
    assert!(!round.detach(PipeId(5)));
    round.advance();
    assert_eq!((round.current(), round.is_ready()), (None, false));
}

#[test]
fn the_reported_priority_changes_with_news_of_pipes_only() {
    let mut outlet = LoadBalancer::default();
    assert_eq!(outlet.priority(), 0);
    for (pipe, priority) in [(0, 2), (1, 1)] {
        outlet.attach(PipeId(pipe), priority);
        outlet.writable(PipeId(pipe));
        assert_eq!(outlet.priority(), i32::from(priority));
    }
    outlet.unwritable(PipeId(1));
    assert_eq!(outlet.priority(), 1, "filling up is no news");
    outlet.detach(PipeId(1));
    assert_eq!(outlet.priority(), 2);
    outlet.detach(PipeId(0));
    assert_eq!(outlet.priority(), -1);
    outlet.attach(PipeId(0), 3);
    outlet.writable(PipeId(0));
    assert_eq!(outlet.priority(), 3);
}

/// The rules of protocols.md 2.2 word by word, with plain vectors.
#[derive(Default)]
struct Model {
    priorities: Vec<Option<u8>>,
    levels: Vec<(Vec<u32>, usize)>,
}

impl Model {
    fn level(&mut self, pipe: u32) -> Option<&mut (Vec<u32>, usize)> {
        let priority = (*self.priorities.get(pipe as usize)?)?;
        Some(&mut self.levels[usize::from(priority)])
    }

    fn ready(&mut self, pipe: u32) {
        if let Some((pipes, _)) = self.level(pipe)
            && !pipes.contains(&pipe)
        {
            pipes.push(pipe);
        }
    }

    fn unready(&mut self, pipe: u32) {
        let Some((pipes, current)) = self.level(pipe) else { return };
        let Some(index) = pipes.iter().position(|other| *other == pipe) else { return };
        pipes.remove(index);
        if index < *current {
            *current -= 1;
        }
        if *current == pipes.len() {
            *current = 0;
        }
    }

    fn best(&mut self) -> Option<&mut (Vec<u32>, usize)> {
        self.levels.iter_mut().find(|(pipes, _)| !pipes.is_empty())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Attach(u32, u8),
    Detach(u32),
    Ready(u32),
    Unready(u32),
    Turn,
}

fn step() -> impl Strategy<Value = Step> {
    let pipe = 0..6_u32;
    prop_oneof![
        1 => (pipe.clone(), 1..=16_u8).prop_map(|(pipe, priority)| Step::Attach(pipe, priority)),
        1 => (pipe.clone(), 7..=8_u8).prop_map(|(pipe, priority)| Step::Attach(pipe, priority)),
        1 => pipe.clone().prop_map(Step::Detach),
        4 => pipe.clone().prop_map(Step::Ready),
        2 => pipe.prop_map(Step::Unready),
        6 => Just(Step::Turn),
    ]
}

proptest! {
    #[test]
    fn round_robin_is_its_model(steps in prop::collection::vec(step(), 0..200)) {
        let mut round = RoundRobin::default();
        let mut model = Model { priorities: vec![None; 6], levels: vec![(Vec::new(), 0); 17] };
        for step in steps {
            match step {
                Step::Attach(pipe, priority) => {
                    round.attach(PipeId(pipe), priority);
                    model.unready(pipe);
                    model.priorities[pipe as usize] = Some(priority);
                }
                Step::Detach(pipe) => {
                    round.detach(PipeId(pipe));
                    model.unready(pipe);
                    model.priorities[pipe as usize] = None;
                }
                Step::Ready(pipe) => {
                    round.ready(PipeId(pipe));
                    model.ready(pipe);
                }
                Step::Unready(pipe) => {
                    round.unready(PipeId(pipe));
                    model.unready(pipe);
                }
                Step::Turn => {
                    round.advance();
                    if let Some((pipes, current)) = model.best() {
                        *current = (*current + 1) % pipes.len();
                    }
                }
            }
            let expected = model.best().map(|(pipes, current)| PipeId(pipes[*current]));
            prop_assert_eq!(round.current(), expected);
        }
    }
}
