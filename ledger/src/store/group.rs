//! Group commit: whoever finds no leader leads, and does the work of others who wait.
//!
//! A leader takes jobs one by one, its own first, cuts them into groups, and answers for each group or lets another
//! thread answer; when it gives its baton away, the first that waits leads. A caller alone pays for itself only.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A queue of jobs that are done in groups, one group at a time.
#[derive(Debug)]
pub(super) struct Groups<J, O> {
    queue: Mutex<Queue<J, O>>,
}

#[derive(Debug)]
struct Queue<J, O> {
    waiting: VecDeque<Arc<Ticket<J, O>>>,
    led: bool,
}

#[derive(Debug)]
struct Ticket<J, O> {
    stage: Mutex<Stage<J, O>>,
    changed: Condvar,
}

#[derive(Debug)]
enum Stage<J, O> {
    Waiting(J),
    /// Waiting no longer: this caller is to lead the next group, its own job included.
    Leads(J),
    Taken,
    Done(O),
    /// The leader died with the job.
    Lost,
}

impl<J, O> Groups<J, O> {
    pub(super) fn new() -> Self {
        Self { queue: Mutex::new(Queue { waiting: VecDeque::new(), led: false }) }
    }

    /// Has `job` done, alone or with others: `lead` takes jobs from its baton, its own first, and sees to it that each
    /// group that it cuts is answered. When it drops the baton another may lead.
    ///
    /// Returns nothing when the job was taken and its group was dropped without an answer.
    pub(super) fn submit(&self, job: J, lead: impl FnOnce(Baton<'_, J, O>)) -> Option<O> {
        let ticket = Arc::new(Ticket { stage: Mutex::new(Stage::Waiting(job)), changed: Condvar::new() });
        let leads = {
            let mut queue = hold(&self.queue);
            queue.waiting.push_back(Arc::clone(&ticket));
            !mem::replace(&mut queue.led, true)
        };
        if leads || ticket.wait_to_lead() {
            lead(Baton { groups: self, group: Group::new() });
        }
        ticket.outcome()
    }

    /// Makes the first that waits the next leader.
    fn hand_over(&self) {
        let mut queue = hold(&self.queue);
        let next = queue.waiting.front().map(Arc::clone);
        queue.led = next.is_some();
        drop(queue);
        if let Some(next) = next {
            next.promote();
        }
    }
}

/// The right to lead. Dropping it makes the first that waits the next leader.
#[derive(Debug)]
pub(super) struct Baton<'a, J, O> {
    groups: &'a Groups<J, O>,
    group: Group<J, O>,
}

impl<J, O> Baton<'_, J, O> {
    /// Takes the first that waits into the group.
    pub(super) fn take_next(&mut self) -> Option<J> {
        let ticket = hold(&self.groups.queue).waiting.pop_front()?;
        let job = ticket.take_job();
        self.group.tickets.push(ticket);
        job
    }

    /// Whether somebody waits.
    pub(super) fn is_awaited(&self) -> bool {
        !hold(&self.groups.queue).waiting.is_empty()
    }

    /// The jobs that were taken since the last cut, to be answered.
    pub(super) fn cut(&mut self) -> Group<J, O> {
        mem::replace(&mut self.group, Group::new())
    }
}

impl<J, O> Drop for Baton<'_, J, O> {
    fn drop(&mut self) {
        self.groups.hand_over();
    }
}

/// Jobs that are answered together. Who waits for one that is dropped is told that it is lost.
#[derive(Debug)]
pub(super) struct Group<J, O> {
    tickets: Vec<Arc<Ticket<J, O>>>,
}

impl<J, O> Group<J, O> {
    fn new() -> Self {
        Self { tickets: Vec::new() }
    }

    /// Answers each job, in the order in which they were taken.
    pub(super) fn answer(mut self, outcomes: impl IntoIterator<Item = O>) {
        let mut outcomes = outcomes.into_iter();
        for ticket in mem::take(&mut self.tickets) {
            ticket.set(outcomes.next().map_or(Stage::Lost, Stage::Done));
        }
    }

    /// Answers each job with the same.
    pub(super) fn fail(self, outcome: &O)
    where
        O: Clone,
    {
        let outcomes = vec![outcome.clone(); self.tickets.len()];
        self.answer(outcomes);
    }
}

impl<J, O> Drop for Group<J, O> {
    fn drop(&mut self) {
        for ticket in &self.tickets {
            ticket.set(Stage::Lost);
        }
    }
}

impl<J, O> Ticket<J, O> {
    /// Waits until the job is done by another or this caller is to lead; says whether it leads.
    fn wait_to_lead(&self) -> bool {
        let stage = self
            .changed
            .wait_while(hold(&self.stage), |stage| matches!(stage, Stage::Waiting(_) | Stage::Taken))
            .unwrap_or_else(PoisonError::into_inner);
        matches!(*stage, Stage::Leads(_))
    }

    fn take_job(&self) -> Option<J> {
        match mem::replace(&mut *hold(&self.stage), Stage::Taken) {
            Stage::Waiting(job) | Stage::Leads(job) => Some(job),
            Stage::Taken | Stage::Done(_) | Stage::Lost => None,
        }
    }

    fn promote(&self) {
        let mut stage = hold(&self.stage);
        if let Stage::Waiting(job) = mem::replace(&mut *stage, Stage::Lost) {
            *stage = Stage::Leads(job);
        }
        drop(stage);
        self.changed.notify_one();
    }

    fn set(&self, to: Stage<J, O>) {
        *hold(&self.stage) = to;
        self.changed.notify_one();
    }

    /// Waits for the outcome, if the job was taken.
    fn outcome(&self) -> Option<O> {
        let stage = self.changed.wait_while(hold(&self.stage), |stage| matches!(stage, Stage::Taken));
        match mem::replace(&mut *stage.unwrap_or_else(PoisonError::into_inner), Stage::Lost) {
            Stage::Done(outcome) => Some(outcome),
            Stage::Waiting(_) | Stage::Leads(_) | Stage::Taken | Stage::Lost => None,
        }
    }
}

/// Each value behind these locks is whole at every instant, so a panic elsewhere does not spoil it.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn every_job_gets_its_own_outcome() {
        let groups = Groups::new();
        thread::scope(|scope| {
            for thread in 0..16_u64 {
                let groups = &groups;
                scope.spawn(move || {
                    for n in 0..200 {
                        let job = thread * 1_000 + n;
                        let double = |mut baton: Baton<'_, u64, u64>| {
                            let doubled: Vec<_> =
                                iter::from_fn(|| baton.take_next()).map(|job| job * 2).collect();
                            baton.cut().answer(doubled);
                        };
                        assert_eq!(groups.submit(job, double), Some(job * 2));
                    }
                });
            }
        });
        assert!(!hold(&groups.queue).led);
    }

    #[test]
    fn a_leader_that_dies_leaves_nobody_waiting() {
        let groups: Groups<u64, u64> = Groups::new();
        let started = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                let died = catch_unwind(AssertUnwindSafe(|| {
                    groups.submit(1, |mut baton| {
                        assert_eq!(baton.take_next(), Some(1));
                        started.wait();
                        while hold(&groups.queue).waiting.is_empty() {
                            thread::yield_now();
                        }
                        std::panic::resume_unwind(Box::new("died"));
                    })
                }));
                assert!(died.is_err());
            });
            started.wait();
            let echo = |mut baton: Baton<'_, u64, u64>| {
                let taken = baton.take_next();
                baton.cut().answer(taken);
            };
            assert_eq!(groups.submit(2, echo), Some(2));
        });
    }
}
