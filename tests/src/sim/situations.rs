//! The situations that make the world worth running: each is counted where the model sees it come about, and one that
//! never came about in a whole run fails it.

use std::collections::BTreeMap;
use std::fmt;

/// Defines the situations and the words for them.
macro_rules! situations {
    ($($(#[$doc:meta])* $name:ident = $words:literal,)*) => {
        /// What may come about between devices and a vendor.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        pub enum Situation { $($(#[$doc])* $name,)* }

        impl Situation {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What it is, in words.
            pub fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }
        }
    };
}

situations! {
    /// Events arrived although an earlier report that held them never did.
    LossMadeGood = "what a lost report held came with a later one",
    /// A later report arrived first.
    Overtaken = "a report arrived after one that was sent later",
    /// Everything in a report was known.
    ReportKnown = "a report held nothing new",
    /// A report repeated events before its new ones.
    ReportOverlapped = "a report repeated events before its new ones",
    /// A report was more than a month on its way.
    ReportLate = "a report was more than a month on its way",
    /// Events waited for others before them.
    EventsWaited = "events waited for what was missing before them",
    /// What waited attached.
    GapFilled = "a gap was filled and what had waited attached",
    /// A chain's later events arrived before its first.
    ChainWithoutBeginning = "a chain's later events came before its first",
    /// A damaged report was refused.
    DamagedReport = "a damaged report was refused and changed nothing",
    /// A device applied an answer without those before it.
    AnswerMissed = "a device missed an answer and applied a later one",
    /// An older answer came after a newer one.
    AnswerSuperseded = "an older answer came after a newer one",
    /// The same answer came again.
    AnswerRepeated = "the same answer came twice",
    /// An answer came to another device.
    AnswerForeign = "an answer came to another device",
    /// An answer came after its import date.
    AnswerTooLate = "an answer came after its import date",
    /// A refresh file was applied that nobody had asked for.
    RefreshApplied = "a refresh file was applied without a report",
    /// A device lost what it had signed and not kept.
    DeviceLostUnkept = "a device crashed after signing and before keeping",
    /// A device kept what it never answered.
    DeviceKeptUnanswered = "a device crashed after keeping and before answering",
    /// A use was repeated after it had been kept.
    RetryCountedOnce = "a use was tried again after a crash and counted once",
    /// A use was repeated after it had been lost.
    RetryCountedAnew = "a use was tried again because it had been lost",
    /// The vendor lost a decision.
    VendorLostDecision = "the vendor crashed after deciding and before keeping",
    /// The vendor kept what it never answered.
    VendorKeptUnanswered = "the vendor crashed after keeping and before answering",
    /// The vendor was told of a failure that was none.
    VendorToldOfFailure = "the vendor's store reported a failure after keeping",
    /// The vendor's ledger went back.
    LedgerRestored = "the vendor's ledger was restored from an old copy",
    /// A grant that it had lost came back.
    GrantTakenBack = "a grant that a restored ledger had lost was taken back from its device",
    /// Units that it had lost came back.
    QuotaTakenBack = "units that a restored ledger had lost were taken back",
    /// Events that it had lost came back.
    EventsSentAgain = "a device sent again what a restored ledger had lost",
    /// A grant that came too late told of it.
    AskedAgain = "a device learned from a late answer that it has to send all again",
    /// A period was sealed.
    PeriodSealed = "periods were sealed",
    /// What came later adjusted one.
    PeriodAdjusted = "a sealed period was adjusted by what came later",
    /// An old answer was of no use any more.
    AnsweredAnew = "a report came again and was answered anew, because its answer came too late",
    /// Two copies were at work.
    CloneForked = "two copies of a device forked its chain",
    /// A restored state forked.
    RestoreForked = "an older state was put back and forked its chain",
    /// The vendor says clone.
    ToldClone = "the vendor told a fork from its branches: clone",
    /// The vendor says restored.
    ToldRestored = "the vendor told a fork from its branches: restored",
    /// The vendor cannot tell.
    ToldUnknown = "the vendor could not tell how a fork came about",
    /// A fork point moved.
    ForkMovedEarlier = "older evidence moved a fork to an earlier place",
    /// A device was told that it was set back.
    RollbackNoticed = "a device learned from a grant that it had been set back",
    /// A forked device was stopped.
    ForkStopped = "a device stopped spending because its chain had forked",
    /// A device used up what it held.
    QuotaExhausted = "a device had used up what it held",
    /// Units came back by wish.
    GivenBack = "a device gave units back by its own wish",
    /// Units came back because a grant asked for them.
    AskedBack = "a device gave units back because a grant asked for them",
    /// Units that a restore brought were asked back.
    RestoreAskedBack = "units that a restored ledger had granted twice were asked back",
    /// They were not asked back yet.
    RestoreAskedNobody = "units that a restored ledger had granted twice were not asked back before all were heard of",
    /// Units of a silent device were given up.
    WrittenOff = "units of a silent device were written off",
    /// They had been used.
    WrittenOffCameBack = "units that were written off turned out to have been used",
    /// A silent device lost its seat.
    SilentReleased = "the seat of a silent device was taken back",
    /// No units for the period.
    QuotaMissing = "a device held nothing for the period",
    /// A raise was cut short.
    RaiseCutShort = "a raise was cut short because little was free",
    /// The licence was in debt.
    DebtShown = "more was out than the limit allows, and nothing was raised",
    /// A limit fell below what was out.
    LimitBelowOut = "a limit was lowered below what was out",
    /// A device stopped after its deadline.
    OverdueStopped = "a device stopped after check-in and grace had passed",
    /// Its clock stood behind.
    TimeHeld = "a clock stood behind and time did not go back with it",
    /// Its clock jumped ahead.
    ClockAhead = "a clock jumped ahead and was believed",
    /// A clock began at 1970.
    ClockUnset = "a device was used while its clock stood at 1970",
    /// A grant cured the clock.
    ClockCured = "a grant set a poisoned clock right",
    /// No seat was free.
    SeatDenied = "an activation was denied because no seat was free",
    /// A seat became free for one who had been denied.
    SeatGivenLater = "a denied device was given a seat later",
    /// A seat came back with the whole chain.
    SeatGivenBack = "a seat came back with the chain's end",
    /// A closed chain was used.
    ClosedWentOn = "a deactivated device was restored and used on",
    /// A machine was activated again.
    Reinstalled = "a machine was activated again after a reinstall",
    /// The second activation took the first one's seat.
    Superseded = "a second activation on a machine took the first one's seat",
    /// The second activation was refused.
    SameDeviceRefused = "a second activation on a machine was refused",
    /// Seats had moved too often.
    TransfersExhausted = "an activation was denied because seats had moved too often",
    /// Some hardware changed.
    HardwareChanged = "hardware changed and the device was still the same",
    /// Too much hardware changed.
    HardwareMismatched = "too much hardware changed and use was refused",
    /// A suspended device was refused.
    SuspendedStopped = "a device was refused because its licence was suspended",
    /// Evidence of a suspended licence.
    SuspendedMerged = "events of a suspended licence were taken in",
    /// Evidence of a revoked licence.
    RevokedMerged = "events of a revoked licence were taken in",
    /// Evidence of a released chain.
    ReleasedMerged = "events of a released device were taken in",
    /// The licence had expired.
    Expired = "a device was refused because its licence had expired",
    /// The licence was extended after that.
    Renewed = "a device worked again after its expired licence was extended",
    /// A use was taken back.
    Refunded = "a use was taken back",
    /// What was taken back counted no more, because a copy could take it back twice.
    RefundsStoppedCounting = "what was taken back stopped counting because the chain had forked",
    /// A use was recorded on a later day.
    UsedEarlier = "a use was recorded on a later day and counted on its own",
    /// The quota for the whole life was used up.
    LifeQuotaExhausted = "a device had used up what it held for the licence's whole life",
    /// The copies of one device used more than it was granted.
    CopiesSpentBeyondGrant = "copies of a device together used more than it was granted",
    /// Copies used more than the limit.
    CopiesSpentBeyondLimit = "copies used more than the limit, within what they had held",
    /// A grant had the device go on with a successor.
    SucceededByGrant = "a device went on with a successor because a grant had it so",
    /// Its owner had.
    SuccessorAskedFor = "a device that was set back went on with a successor because its owner asked",
    /// The successor has the seat.
    Healed = "a successor was given the seat of the chain that it follows",
    /// What the old chain held stays out.
    HealedStaysCharged = "what a succeeded chain held stayed charged",
    /// A successor is at work.
    SuccessorReported = "a successor reported",
    /// A succession was finished after a crash.
    SuccessionFinished = "a device crashed after closing for a successor and went on with it",
    /// A succession was undone after a crash.
    SuccessionUndone = "a device crashed before closing for a successor and stayed as it was",
    /// The old chain came back.
    PutBackBeforeSuccession = "a device was put back to the time before it went on with a successor",
    /// Work goes on before the vendor answers.
    UsedUnderInherited = "a successor counted uses under the last grant of the chain that it follows",
    /// A report holds a chain and those before it.
    SeveralChains = "a report held a chain together with one that it follows",
    /// A file holds the reports of many devices.
    Gathered = "one file carried the reports of several devices",
    /// And of many licences.
    GatheredOfLicenses = "one file carried the reports of several licences",
    /// A trial was given.
    TrialGiven = "a device was given its trial",
    /// A device had its trial.
    TrialUsed = "a second trial on a device was denied",
    /// A trial ended.
    TrialEnded = "a device was refused because its trial had ended",
    /// A denied device asked again.
    AskedAgainInVain = "a denied device asked again and was denied again",
    /// A device fell silent and kept what it held.
    SilentHeld = "a device fell silent for ever and its units stayed out",
}

/// How often each situation came about.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<Situation, u64>);

impl Tally {
    /// Counts one.
    pub fn saw(&mut self, situation: Situation) {
        *self.0.entry(situation).or_default() += 1;
    }

    /// Counts one if `it_is_so`.
    pub fn saw_if(&mut self, it_is_so: bool, situation: Situation) {
        if it_is_so {
            self.saw(situation);
        }
    }

    /// Adds another count.
    pub fn add(&mut self, other: &Self) {
        for (situation, count) in &other.0 {
            *self.0.entry(*situation).or_default() += count;
        }
    }

    /// Those that never came about.
    pub fn missing(&self) -> Vec<Situation> {
        Situation::ALL.iter().copied().filter(|situation| !self.0.contains_key(situation)).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for situation in Situation::ALL {
            let count = self.0.get(situation).copied().unwrap_or_default();
            writeln!(f, "{count:>9}  {}", situation.words())?;
        }
        Ok(())
    }
}
