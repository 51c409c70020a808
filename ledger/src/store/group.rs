//! Group commit without a thread of its own: whoever finds no leader leads, and does the work of others who wait.
//!
//! A leader takes jobs one by one, its own first, until it gives its baton away; the first that waits then leads the
//! next group. A caller alone pays for itself only.

use std::cell::RefCell;
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

    /// Has `job` done, alone or with others: `lead` takes the jobs of a group from its baton, at least one, and returns
    /// an outcome for each. When it drops the baton the next group may start.
    ///
    /// Returns nothing when another caller died while it led.
    pub(super) fn submit(&self, job: J, lead: impl FnOnce(Baton<'_, J, O>) -> Vec<O>) -> Option<O> {
        let ticket = Arc::new(Ticket { stage: Mutex::new(Stage::Waiting(job)), changed: Condvar::new() });
        let leads = {
            let mut queue = hold(&self.queue);
            queue.waiting.push_back(Arc::clone(&ticket));
            !mem::replace(&mut queue.led, true)
        };
        if leads || ticket.wait_to_lead() {
            self.lead_group(lead);
        }
        ticket.outcome()
    }

    fn lead_group(&self, lead: impl FnOnce(Baton<'_, J, O>) -> Vec<O>) {
        // Both are dropped also when `lead` panics, so that nobody waits for a leader that is gone.
        let mut group = Group { tickets: RefCell::default(), outcomes: Vec::new() };
        let baton = Baton { groups: self, tickets: &group.tickets };
        group.outcomes = lead(baton);
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
    tickets: &'a RefCell<Vec<Arc<Ticket<J, O>>>>,
}

impl<J, O> Baton<'_, J, O> {
    /// Takes the first that waits into the group.
    pub(super) fn take_next(&self) -> Option<J> {
        let ticket = hold(&self.groups.queue).waiting.pop_front()?;
        let job = ticket.take_job();
        self.tickets.borrow_mut().push(ticket);
        job
    }
}

impl<J, O> Drop for Baton<'_, J, O> {
    fn drop(&mut self) {
        self.groups.hand_over();
    }
}

/// A group that is being done. Its end tells everyone.
struct Group<J, O> {
    tickets: RefCell<Vec<Arc<Ticket<J, O>>>>,
    outcomes: Vec<O>,
}

impl<J, O> Drop for Group<J, O> {
    fn drop(&mut self) {
        let mut outcomes = mem::take(&mut self.outcomes).into_iter();
        for ticket in self.tickets.get_mut() {
            ticket.set(outcomes.next().map_or(Stage::Lost, Stage::Done));
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

    fn outcome(&self) -> Option<O> {
        match mem::replace(&mut *hold(&self.stage), Stage::Lost) {
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
                        let double = |baton: Baton<'_, u64, u64>| {
                            iter::from_fn(|| baton.take_next()).map(|job| job * 2).collect()
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
                    groups.submit(1, |baton| {
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
            assert_eq!(groups.submit(2, |baton| baton.take_next().into_iter().collect()), Some(2));
        });
    }
}
