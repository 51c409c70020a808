//! Block metering: one durable debit, then use from memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ledger::device::{Command, Consumed, Done, Refund};
use schemas::codes::Code;
use schemas::numbers::{Amount, Micros, Seq};
use schemas::refusal::Refusal;

use super::Agent;
use crate::refuse;

/// Units of a metered feature that are counted already and are used from memory, by any number of threads.
///
/// What is left of a block is refunded, durably, when it is closed or dropped. A process that dies refunds nothing: the
/// whole block stays counted, so that never more is lost than the block and never anything is gained. A block is used up
/// in the period that it was debited in; whatever ends the licence or its reserved quota ends the block at once.
#[derive(Debug)]
pub struct Block {
    agent: Arc<Agent>,
    /// The chain that the debit stands on, among those that the agent opened.
    chain: u64,
    feature: Box<str>,
    debit: Consumed,
    start: Micros,
    end: Micros,
    left: AtomicU64,
}

impl Agent {
    /// Counts `n` units of a metered feature as one use, durably, to be used from memory.
    ///
    /// # Errors
    /// As [`Self::consume`]: reserved quota must have all of them left.
    pub fn block(self: &Arc<Self>, feature: &str, n: u64) -> Result<Block, Refusal> {
        // Read before the debit: where another chain takes the place in between, the block is over at once.
        let chain = self.chains.load(Ordering::Acquire);
        let debit = self.consume(feature, n)?;
        Ok(Block {
            agent: Arc::clone(self),
            chain,
            feature: feature.into(),
            start: debit.period.start(),
            end: debit.period.end(),
            left: AtomicU64::new(debit.n.get()),
            debit,
        })
    }

    fn refund(&self, chain: u64, refund: Refund) -> Result<Seq, Refusal> {
        self.with_writer(|writer| {
            if self.chains.load(Ordering::Acquire) != chain {
                return Err(Code::BlockSpent.into());
            }
            let done = writer.append(Command::Refund(refund), self.clock.read());
            match done.map_err(|error| refuse::append(&error))? {
                Done::Refunded(seq) => Ok(seq),
                _ => Err(Code::Failed.into()),
            }
        })
    }
}

impl Block {
    /// The debit.
    pub fn debit(&self) -> &Consumed {
        &self.debit
    }

    /// Units that are left.
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Uses `n` units of the block. Takes no lock, does no I/O and allocates nothing; the licence and the clock are
    /// asked each time.
    ///
    /// # Errors
    /// `block_spent` when fewer are left, when the period has ended and when another record goes on in the place of the
    /// one that counts the block; what `check` answers when the licence does not allow it; `amount_invalid` for zero.
    /// Nothing is used then.
    #[inline]
    pub fn take(&self, n: u64) -> Result<(), Code> {
        if n == 0 {
            return Err(Code::AmountInvalid);
        }
        self.covers_now()?;
        let rest = |left: u64| left.checked_sub(n);
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
        taken.map(|_| ()).map_err(|_| Code::BlockSpent)
    }

    /// Refunds what is left, durably, and says how much that was; nothing is left afterwards. Where it cannot be recorded
    /// the whole block stays counted.
    ///
    /// # Errors
    /// `deactivated` after the end of the record, `block_spent` when another goes on in its place, or when the store
    /// cannot keep it.
    pub fn close(&self) -> Result<u64, Refusal> {
        // A failure may have been recorded all the same, so that nothing is ever put back.
        let rest = self.left.swap(0, Ordering::Relaxed);
        let Some(n) = Amount::new(rest) else { return Ok(0) };
        self.agent.refund(self.chain, Refund { of: self.debit, n })?;
        Ok(rest)
    }

    #[inline]
    fn covers_now(&self) -> Result<(), Code> {
        let snapshot = self.agent.snapshot.load();
        let now = snapshot.mark.time(self.agent.clock.read());
        snapshot.covers_counted(&self.feature, self.debit.feature, now)?;
        let goes_on = self.agent.chains.load(Ordering::Acquire) == self.chain;
        // A clock that was cured may stand before the period again.
        if goes_on && self.start <= now && now < self.end { Ok(()) } else { Err(Code::BlockSpent) }
    }
}

impl Drop for Block {
    /// Whoever needs to know whether the rest was refunded closes the block.
    fn drop(&mut self) {
        drop(self.close());
    }
}
