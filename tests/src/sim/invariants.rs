//! What must hold after every step, each by its name.

use std::collections::BTreeMap;

use ledger::authority::License;
use ledger::chain::Head;
use ledger::digest::{BranchEvidence, ChainEvidence};
use ledger::evidence;
use ledger::forks::Fork;
use ledger::{escrow, quotas};
use schemas::codes::Code;
use schemas::grant::GrantStatus;
use schemas::ids::{ChainId, Link};
use schemas::limits;
use schemas::numbers::{FeatureNumber, Micros};
use schemas::period::Period;
use schemas::text::Text;

use super::model::{self, Applied, Chain, Copy, Days, Hardware, Key};

/// What a device or the vendor said that it holds is there: the chain ends where it was said to end.
pub fn nothing_acknowledged_is_lost(chain: &Chain, tip: Option<u32>, head: Head) {
    let tip = tip.map(|tip| &chain.acts[tip as usize]);
    let expected = tip.map_or((0, Link::START), |act| (act.seq, act.link));
    assert_eq!((head.seq.0, head.link), expected, "what was kept is what was answered for");
}

/// The vendor holds what arrived and hangs together, every branch of it, and no more.
pub fn what_arrived_is_held(id: ChainId, chain: &Chain, held: Option<&evidence::Chain>) {
    let Some(held) = held else {
        assert!(!chain.begun, "a chain that has begun is known");
        return;
    };
    let evidence = evidence_of(id, held);
    let mut heads: Vec<(u64, Link)> = evidence.heads.iter().map(|(_, seq, link)| (seq.0, *link)).collect();
    heads.sort_unstable();
    assert_eq!(heads, chain.heads(), "the ends of the histories that arrived");
    for (key, used) in &chain.used {
        let meter = held.meters.get(&ledger_key(*key)).copied().unwrap_or_default();
        let refunded = chain.refunded.get(key).copied().unwrap_or_default();
        let seen = (meter.used.get(), meter.refunded.get());
        assert_eq!(seen, (*used, refunded), "units of {key:?} used and taken back");
    }
    let all: u64 = held.meters.values().map(|meter| meter.used.get()).sum();
    assert_eq!(all, chain.used.values().sum::<u64>(), "units of everything");
}

/// Every parting of histories that arrived is known as a fork, at its place.
pub fn no_fork_goes_unseen(id: ChainId, chain: &Chain, license: &License) {
    let Some(held) = license.chains.get(&id) else { return };
    let mut places: Vec<u64> = evidence_of(id, held).fork_points.iter().map(|seq| seq.0).collect();
    places.sort_unstable();
    assert_eq!(places, chain.fork_points(), "the places at which histories part");
    assert_eq!(held.fork.map(|fork| fork.seq.0), chain.first_parting());
    if let Some(place) = chain.first_parting() {
        let recorded = license.forks.get(&id).expect("a fork is recorded with its proof");
        assert!(recorded.seq.0 <= place, "the recorded place is the earliest one");
    }
}

/// What is said of a fork is no worse than what happened: without a second copy at work, nobody is called a clone, as
/// far as the clocks are right or their steps are noted.
pub fn no_restored_device_is_called_a_clone(chain: &Chain, fork: Option<Fork>) {
    let called = fork.is_some_and(|fork| fork.verdict == ledger::forks::Verdict::Clone);
    assert!(
        !called || chain.origin.cloned || chain.origin.slipped,
        "an older state was put back, and no copy was at work beside it"
    );
}

/// What was taken in before writes nothing when it comes again, while its answer can be applied.
pub fn merging_is_idempotent(before: Head, after: Head) {
    assert_eq!(after, before, "the same again writes nothing");
}

/// Nobody gains time with a report that was taken in before.
pub fn a_known_report_moves_no_deadline(before: Option<Micros>, after: Option<Micros>) {
    assert_eq!(after, before, "the deadline");
}

/// What a device is answered can be applied.
pub fn an_answer_can_be_applied(chain: &Chain, now: u64) {
    assert!(!chain.is_answer_late(now), "it could be applied until {:?}", chain.import_until);
}

/// What waits is bounded.
pub fn waiting_is_bounded(held: &evidence::Chain) {
    assert!(held.parked.len() <= limits::PARKED_RUNS);
    assert!(held.branches.len() <= limits::BRANCHES);
}

/// Something waits exactly if something arrived that does not hang together with the rest.
pub fn what_waits_is_known_to_wait(chain: &Chain, held: Option<&evidence::Chain>, is_quarantined: bool) {
    let parked = held.is_some_and(|held| !held.parked.is_empty());
    assert_eq!(parked || is_quarantined, chain.waiting() > 0);
    let missing = held.map_or(0, |held| held.missing().len());
    assert_eq!(parked, missing > 0, "what is missing is told");
}

/// G, U, R and X of one chain, as the model has them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account {
    granted: u64,
    used: u64,
    gone: u64,
    given_back: u64,
}

impl Account {
    /// The account of a chain.
    pub fn of(chain: &Chain, key: Key, frees: Frees) -> Self {
        let (granted, written_off) = chain.granted.get(&key).copied().unwrap_or_default();
        let used = chain.charged(key, frees == Frees::Nothing || chain.is_forked());
        let unspent = granted.saturating_sub(used);
        let returned = match frees {
            Frees::Nothing => 0,
            Frees::Returned => chain.freed(key),
            Frees::All => chain.freed(key).max(unspent),
        };
        let gone = returned + written_off;
        Self { granted, used, gone, given_back: unspent.min(gone) }
    }

    /// G: units granted.
    pub fn granted(self) -> u64 {
        self.granted
    }

    /// Units that count against the limit.
    pub fn outstanding(self) -> u64 {
        self.granted - self.given_back
    }

    /// Units out and not used.
    pub fn held(self) -> u64 {
        self.outstanding().saturating_sub(self.used)
    }

    /// What must be granted so that the device can use `share` more.
    pub fn wanted(self, share: u64) -> u64 {
        self.used + share + self.gone
    }
}

/// What a chain frees of what it was granted and did not use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Frees {
    /// Nothing: that it has another history is proved, and that history is not here.
    Nothing,
    /// What it gave back before its histories part.
    Returned,
    /// All: every history of it that is here was closed.
    All,
}

/// What a chain frees, as far as the vendor knows.
pub fn frees(id: ChainId, chain: &Chain, license: &License) -> Frees {
    let held = license.chains.get(&id);
    let is_closed = is_closed(chain, held);
    if license.forks.contains_key(&id) && chain.first_parting().is_none() {
        Frees::Nothing
    } else if is_closed && held.is_some_and(evidence::Chain::is_closed_everywhere) {
        Frees::All
    } else {
        Frees::Returned
    }
}

/// What a closed chain holds is free only where every history of it that arrived was closed.
pub fn nothing_is_free_while_a_history_goes_on(chain: &Chain, held: &evidence::Chain) {
    assert!(!held.is_closed_everywhere() || chain.is_closed_everywhere());
}

/// Whether a chain is closed for the vendor. Of a chain that forked only the ledger tells, and it says so of none that
/// was never closed.
pub fn is_closed(chain: &Chain, held: Option<&evidence::Chain>) -> bool {
    let told = held.is_some_and(|held| held.closed_at.is_some());
    if chain.is_forked() {
        assert!(!told || chain.closings > 0);
        return told;
    }
    assert_eq!(told, chain.closings > 0);
    told
}

/// Both equations: what is free, and that nothing appears or disappears. Gives what is free.
pub fn units_are_conserved(
    limit: u64,
    key: Key,
    accounts: &BTreeMap<ChainId, Account>,
    license: &License,
) -> i64 {
    let (feature, period) = ledger_key(key);
    let told = quotas::accounts(license, feature, period);
    for (chain, account) in accounts {
        let told = told.get(chain).copied().unwrap_or_default();
        let seen = (told.granted, told.used, told.outstanding());
        assert_eq!(seen, (account.granted, account.used, account.outstanding()), "{key:?}");
    }
    let out: u64 = accounts.values().map(|account| account.outstanding()).sum();
    let free = signed(limit) - signed(out);
    let rule = license.terms.rules.quotas.iter().find(|rule| rule.feature == feature).expect("a rule");
    assert_eq!(escrow::free(rule.limit, rule.overage, told.into_values()), free, "{key:?}");
    let sum = |part: fn(&Account) -> u64| signed(accounts.values().map(part).sum());
    let used = sum(|account| account.used);
    let held = sum(|account| account.held());
    let debt = sum(|account| account.used.saturating_sub(account.granted));
    assert_eq!(signed(limit), free + used + held - debt, "{key:?}");
    free
}

/// A raise leaves no less than nothing free.
pub fn free_is_not_negative_at_a_raise(free: i64, key: Key) {
    assert!(free >= 0, "{key:?}: {free} free after a raise");
}

/// G and X only grow.
pub fn grants_only_grow(before: (u64, u64), after: (u64, u64), key: Key) {
    assert!(before.0 <= after.0 && before.1 <= after.1, "{key:?}: {before:?} became {after:?}");
}

/// What lacks only because a restored ledger granted it twice is asked of nobody while another device that holds units may
/// yet report for the first time since.
pub fn nobody_is_asked_while_another_may_make_up_for_it(awaited: bool, key: Key) {
    assert!(!awaited, "{key:?}: units were asked back before every other holder was heard of or overdue");
}

/// A chain that copies may spend frees nothing while it is not closed.
pub fn a_forked_device_frees_nothing(before: Option<u64>, after: u64, key: Key) {
    assert!(before.is_none_or(|before| before <= after), "{key:?}: {before:?} out became {after}");
}

/// No device uses more than was granted to it.
pub fn no_device_spends_more_than_it_was_granted(chain: &Chain, copy: &Copy, key: Key) {
    let granted = chain.ever_granted(key);
    let used = copy.used.get(&key).copied().unwrap_or_default();
    let returned = copy.returned.get(&key).copied().unwrap_or_default();
    assert!(used + returned <= granted, "{key:?}: {used} used and {returned} given back of {granted}");
}

/// Without copies no more is used than the limit and the overage, and what the vendor gave up while it might be used.
/// Copies may use what they held beside the others, (copies − 1) × held, and no more.
pub fn spending_stays_within_limit_and_exposure(license: &model::License, by_copies: u64, key: Key) {
    let spent = license.spent.get(&key).copied().unwrap_or_default();
    let highest = license.highest.get(&key.0).copied().unwrap_or_default();
    let exposed = license.exposed.get(&key).copied().unwrap_or_default();
    assert!(
        spent <= highest + exposed + by_copies,
        "{key:?}: {spent} spent of {highest}, {exposed} given up and {by_copies} held by copies"
    );
}

/// All copies of a chain together use at most what was granted, and what each further copy held.
pub fn copies_spend_at_most_what_was_held(chain: &Chain, key: Key) {
    let (granted, held) = (chain.ever_granted(key), chain.exposure(key));
    let spent = chain.spent.get(&key).copied().unwrap_or_default();
    assert!(spent <= granted + held, "{key:?}: {spent} used of {granted} and {held} held by copies");
}

/// Uses and what was taken back stand on the days on which they count.
pub fn usage_stands_on_its_days(told: &Days, known: &Days) {
    assert_eq!(told, known, "units used and taken back, by feature, period and day");
}

/// One device has one trial, as far as its hardware tells that it is one.
pub fn a_device_has_one_trial(chain: &Chain, another: &Chain) {
    let alike =
        |one: &Hardware, other: &Hardware| one.iter().zip(other).filter(|(one, other)| one == other).count();
    let had = another.hardware.iter().any(|before| chain.hardware.iter().any(|now| alike(now, before) >= 3));
    assert!(!another.seat.was_given || !had, "3 of 5 components had a trial before");
}

/// A trial's dates are fixed with its first grant.
pub fn a_trial_keeps_its_dates(before: Option<(u64, u64)>, now: (u64, u64)) {
    assert!(before.is_none_or(|before| before == now), "{before:?} became {now:?}");
}

/// A figure that was sealed never changes.
pub fn sealed_figures_stay(before: Option<u64>, now: u64, key: Key) {
    assert!(before.is_none_or(|before| before == now), "{key:?}: {before:?} was sealed and became {now}");
}

/// A new seal says what is known, and so does every one that was made before, with its adjustments.
pub fn seals_say_what_is_known(new: Option<u64>, adjusted: u64, known: u64, key: Key) {
    assert!(new.is_none_or(|new| new == known), "{key:?}: {new:?} sealed of {known}");
    assert_eq!(adjusted, known, "{key:?}: after adjustments");
}

/// Seats taken stay within the limit when one is given.
pub fn seats_stay_within_the_limit(taken: usize, most: u32) {
    assert!(taken <= most as usize, "{taken} seats of {most}");
}

/// A successor that a grant promised is denied only where the licence gives nobody a seat.
pub fn what_was_promised_is_given(reason: Option<&Text>) {
    let reason = reason.and_then(|reason| reason.as_str().parse::<Code>().ok());
    let by_license = [Code::LicenseSuspended, Code::LicenseRevoked, Code::LicenseExpired];
    assert!(reason.is_some_and(|reason| by_license.contains(&reason)), "{reason:?} although it was promised");
}

/// What an applied grant is.
pub fn a_grant_never_goes_backwards(before: Option<&Applied>, after: &Applied, device: ChainId) {
    assert!(before.is_none_or(|before| before.order < after.order), "{before:?} became {after:?}");
    assert_eq!(after.body.device, device);
}

/// Time is the wall clock's or, where that stands behind, the last known time with what has passed since.
pub fn time_gains_nothing_by_going_backwards(floor: (u64, Option<u64>), wall: u64, now: u64, at: u64) {
    let (known, since) = floor;
    let expected = known + since.map_or(0, |since| now - since);
    assert!(known.max(wall) <= at && at <= wall.max(expected), "{known} known, {wall} shown, {at} recorded");
}

/// Units that are held by escrow are used under an active grant, in its time and before its deadline.
pub fn spending_ends_with_the_deadline(applied: Option<&Applied>, at: u64) {
    let applied = applied.expect("spending needs a grant");
    let body = &applied.body;
    assert_eq!(body.status, GrantStatus::Active);
    let entitlement = body.entitlement.as_ref().expect("an active grant entitles");
    let within = |until: Option<Micros>| until.is_none_or(|until| at < until.get());
    assert!(entitlement.starts_at.get() <= at && within(entitlement.valid_until), "valid at {at}");
    assert!(within(body.check_in.sync_by.map(|sync_by| sync_by + body.check_in.grace)), "checked in at {at}");
}

/// What was put together from the evidence of one chain, whatever came first.
pub fn evidence_of(id: ChainId, held: &evidence::Chain) -> ChainEvidence {
    let branches: Vec<BranchEvidence> = held
        .branches
        .iter()
        .map(|(number, branch)| BranchEvidence {
            number: *number,
            parent: branch.parent,
            first_seq: branch.first_seq,
            head: branch.head,
        })
        .collect();
    let mut evidence = ChainEvidence::of(id, &branches);
    evidence.heads.sort_unstable();
    evidence.fork_points.sort_unstable();
    evidence
}

/// A key as the ledger writes it.
pub fn ledger_key((feature, period): Key) -> (FeatureNumber, Period) {
    (FeatureNumber(feature), Period::from_number(period).expect("a period of the world"))
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).expect("few units")
}
