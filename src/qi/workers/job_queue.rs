//! Jobs that wait for a thread, in turns of whom they are for: who has a hundred waiting does not keep the others waiting for all of them.
//!
//! Each job has the number of the **round** that it is for, as tasks in a mailbox have (`server/mailbox.rs`). Where nothing waits, which is
//! nearly always, nobody's round is remembered.

use std::collections::{HashMap, VecDeque};

/// So many owners are remembered before it is looked which of them have nothing to wait for.
const MANY: usize = 1024;

/// Jobs in the order of their rounds, and of their arrival.
#[derive(Debug)]
pub struct JobQueue<J> {
    jobs: VecDeque<(u64, J)>,
    /// Of the job that was taken last.
    round: u64,
    /// Of the last job of each owner, while jobs wait.
    last: HashMap<u64, u64>,
}

impl<J> Default for JobQueue<J> {
    fn default() -> JobQueue<J> {
        JobQueue { jobs: VecDeque::new(), round: 0, last: HashMap::new() }
    }
}

impl<J> JobQueue<J> {
    pub fn push(&mut self, owner: u64, job: J) {
        let now = self.round;
        if self.jobs.is_empty() {
            if !self.last.is_empty() {
                self.last.clear();
            }
            return self.jobs.push_back((now + 1, job));
        }
        if self.last.len() >= MANY {
            self.last.retain(|_, last| *last > now);
        }
        let last = self.last.entry(owner).or_default();
        *last = now.max(*last) + 1;
        let round = *last;
        let at = self.jobs.partition_point(|(other, _)| *other <= round);
        self.jobs.insert(at, (round, job));
    }

    pub fn pop(&mut self) -> Option<J> {
        let (round, job) = self.jobs.pop_front()?;
        self.round = round;
        Some(job)
    }

    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// All of them.
    pub fn take(&mut self) -> VecDeque<J> {
        std::mem::take(&mut self.jobs).into_iter().map(|(_, job)| job).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_take_turns_and_each_keeps_its_order() {
        let mut queue = JobQueue::default();
        for job in 0..100 {
            queue.push(1, job);
        }
        queue.push(2, 1000);
        queue.push(2, 1001);
        queue.push(3, 2000);
        let jobs: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(jobs[..6], [0, 1, 1000, 2000, 2, 1001]);
        assert!(jobs.iter().filter(|job| **job < 100).is_sorted() && jobs.len() == 103);
        // Who has waited for nothing owes nothing.
        for owner in [1, 2, 1] {
            queue.push(owner, owner as i32);
        }
        assert_eq!(std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(), [1, 2, 1]);
    }

    #[test]
    fn owners_that_wait_for_nothing_are_forgotten() {
        let mut queue = JobQueue::default();
        queue.push(0, 0);
        for owner in 1..10_000 {
            queue.push(owner, owner);
            queue.pop();
        }
        assert!(queue.last.len() <= MANY, "{}", queue.last.len());
        queue.pop();
        assert!(queue.is_empty() && queue.take().is_empty());
    }
}
