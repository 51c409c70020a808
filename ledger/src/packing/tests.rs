//! Packed runs hold what the short ones held, and nothing that fits together is left apart.

use proptest::prelude::*;
use schemas::canonical::DecodeError;
use schemas::event::device::VariableSet;
use schemas::event::{Body, Event};
use schemas::ids::{Commitment, KeyReference, Link};
use schemas::numbers::Micros;
use schemas::run::{DeviceOrigin, Origin, SignedCore, VERSION, append_pair, assemble, pairs};

use super::*;
use crate::fixture::{chain, key, origin, text};
use crate::keys::SecretKey;
use crate::run::{bad_signatures, verify_device};

/// Runs of one branch, packed: what a store does with rows.
pub(crate) fn packed(runs: &[StoredRun], full: Length) -> Vec<StoredRun> {
    let mut packed = Vec::new();
    for same in runs.chunk_by(|run, next| run.origin == next.origin) {
        let lengths: Vec<Length> = same.iter().map(Length::of).collect();
        let mut stays = 0;
        for group in plan(&lengths, full) {
            packed.extend_from_slice(&same[stays..group.start]);
            stays = group.end;
            packed.push(join(&same[group]).expect("runs of one branch follow each other"));
        }
        packed.extend_from_slice(&same[stays..]);
    }
    packed
}

/// A device's runs with so many events each, of which those at `badly` are not signed with its key. The last event of each
/// run is.
fn runs(counts: &[u64], badly: &[u64]) -> Vec<StoredRun> {
    let (own, other) = (key(), SecretKey::from_seed(&[8; 32]));
    let mut head = Head::START;
    let mut runs = Vec::new();
    for count in counts {
        let (start, mut pairs) = (head, Vec::new());
        for at in 1..=*count {
            let event = event(head.seq.0);
            let core = event.encode();
            let is_bad = at < *count && badly.contains(&head.seq.next().0);
            let appended = head.append(&chain(), &core, if is_bad { &other } else { &own });
            append_pair(&mut pairs, &core, &appended.signature);
            head = appended.head;
        }
        runs.push(StoredRun {
            chain: chain(),
            branch: 0,
            version: VERSION,
            origin: Origin::Device(origin()),
            first_seq: start.seq.next(),
            prev: start.link,
            count: *count,
            head,
            last_at: event(head.seq.0 - 1).at,
            pairs,
        });
    }
    runs
}

/// Events of several lengths.
fn event(number: u64) -> Event {
    let name = text(&"n".repeat(1 + usize::try_from(number % 40).expect("small")));
    let value = Commitment([u8::try_from(number % 256).expect("a byte"); 32]);
    Event { at: Micros::new(1_000 + number), body: Body::VariableSet(VariableSet { name, value }) }
}

/// The pairs of all runs, and the link after each event.
fn evidence(runs: &[StoredRun]) -> (Vec<u8>, Vec<Link>) {
    let bytes = runs.iter().flat_map(|run| &run.pairs).copied().collect();
    (bytes, runs.iter().flat_map(StoredRun::links).collect())
}

fn count(runs: &[StoredRun]) -> usize {
    runs.iter().map(|run| usize::try_from(run.count).expect("small")).sum()
}

/// Each is believed by itself, and says of itself what its events come to.
fn verify(runs: &[StoredRun]) {
    for run in runs {
        let bytes = assemble(&run.header(), run.count, &run.pairs);
        let verified = verify_device(&bytes).expect("its last event is signed");
        let last_at = verified.events().last().expect("it has events").event.at;
        assert_eq!((verified.head(), last_at), (run.head, run.last_at));
        let signed: Result<Vec<SignedCore<'_>>, DecodeError> = pairs(&run.pairs).collect();
        assert_eq!(signed.expect("pairs").len() as u64, run.count);
    }
}

fn bad(runs: &[StoredRun]) -> Vec<Seq> {
    let of_run = |run: &StoredRun| bad_signatures(&run.header(), &run.pairs, &origin().signer);
    runs.iter().flat_map(|run| of_run(run).expect("it decodes")).collect()
}

fn fit_nowhere(runs: &[StoredRun], full: Length) -> bool {
    let together = |pair: &[StoredRun]| Length::of(&pair[0]).with(Length::of(&pair[1]));
    runs.windows(2).all(|pair| !together(pair).fits(full))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn packing_changes_no_event_signature_or_link_and_leaves_nothing_to_pack(
        counts in prop::collection::vec(1..20_u64, 1..16),
        badly in prop::collection::vec(1..200_u64, 0..20),
        events in 1..60_u64,
        bytes in 500..8_000_u64,
    ) {
        let runs = runs(&counts, &badly);
        let full = Length { events, bytes };
        let packed = packed(&runs, full);
        prop_assert_eq!(evidence(&packed), evidence(&runs));
        prop_assert_eq!(count(&packed), count(&runs));
        prop_assert_eq!(bad(&packed), bad(&runs));
        verify(&packed);
        prop_assert!(packed.iter().all(|run| runs.contains(run) || Length::of(run).fits(full)));
        prop_assert!(fit_nowhere(&packed, full));
        prop_assert_eq!(&super::tests::packed(&packed, full), &packed);
    }

    #[test]
    fn nothing_is_joined_that_does_not_follow(
        counts in prop::collection::vec(1..6_u64, 3..6),
        dropped in any::<prop::sample::Index>(),
    ) {
        let mut runs = runs(&counts, &[]);
        let dropped = 1 + dropped.index(runs.len() - 2);
        let next = runs[dropped + 1].first_seq;
        runs.remove(dropped);
        prop_assert_eq!(join(&runs), Err(PackError::Apart(next)));
    }
}

#[test]
fn runs_of_other_chains_branches_versions_writers_and_links_are_refused() {
    let runs = runs(&[2, 3], &[]);
    let apart = Err(PackError::Apart(Seq(3)));
    let with = |change: &dyn Fn(&mut StoredRun)| {
        let mut runs = runs.clone();
        change(&mut runs[1]);
        join(&runs)
    };
    assert!(join(&runs).is_ok());
    assert_eq!(with(&|run| run.chain.0[0] ^= 1), apart);
    assert_eq!(with(&|run| run.branch = 1), apart);
    assert_eq!(with(&|run| run.version += 1), apart);
    assert_eq!(with(&|run| run.prev = Link::START), apart);
    let other = DeviceOrigin { reference: KeyReference([1; 5]), ..origin() };
    assert_eq!(with(&|run| run.origin = Origin::Device(other.clone())), apart);
    assert_eq!(join(&[runs[1].clone(), runs[0].clone()]), Err(PackError::Apart(Seq(1))));
}

#[test]
fn what_would_be_too_long_for_a_run_is_refused() {
    let of = |bytes: usize| {
        let runs = runs(&[1, 1], &[]);
        runs.into_iter().map(|run| StoredRun { pairs: vec![0; bytes], ..run }).collect::<Vec<_>>()
    };
    assert!(join(&of(limits::RUN_BYTES / 2 - 1_024)).is_ok());
    assert_eq!(join(&of(limits::RUN_BYTES / 2)), Err(PackError::TooLong));
    let many: Vec<StoredRun> =
        runs(&[1, 1], &[]).into_iter().map(|run| StoredRun { count: 2_049, ..run }).collect();
    assert_eq!(join(&many), Err(PackError::TooLong));
}

/// As many events as a run may hold, of which none stands alone afterwards.
#[test]
fn short_runs_fill_full_ones() {
    let packed = packed(&runs(&[10; 900], &[]), Length::full(Writer::Device));
    assert_eq!(packed.iter().map(|run| run.count).collect::<Vec<_>>(), [4_090, 4_090, 820]);
    verify(&packed);
}

#[test]
fn what_the_vendor_signed_is_packed_to_the_length_of_a_grant() {
    let of_vendor = Length::full(Writer::Authority);
    assert!(of_vendor.bytes < limits::GRANT_BYTES as u64);
    let lengths = [Length { events: 1, bytes: 20_000 }; 4];
    assert_eq!(plan(&lengths, of_vendor).first(), Some(&(0..3)));
    assert_eq!(plan(&lengths, Length::full(Writer::Device)).first(), Some(&(0..4)));
}

/// The life of a branch whose device reports so many events at a time, packed whenever it is looked at and that is due: how
/// many events were written by packing, how many runs there are in the end, and the most that there were beside full ones.
fn life(reports: impl Iterator<Item = u64>) -> (u64, usize, usize) {
    let full = Length::full(Writer::Device);
    let (mut lengths, mut written): (Vec<Length>, u64) = (Vec::new(), 0);
    let (mut first, mut most) = (1, 0);
    for events in reports {
        let length = Length { events, bytes: events * 90 };
        lengths.push(length);
        most = most.max(lengths.iter().filter(|length| length.is_short(Writer::Device)).count());
        let is_looked_at = length.is_short(Writer::Device) && is_milestone(Seq(first), events);
        first += events;
        if !is_looked_at || !is_due(&lengths, full) {
            continue;
        }
        let mut packed = Vec::new();
        let mut stays = 0;
        for group in plan(&lengths, full) {
            packed.extend_from_slice(&lengths[stays..group.start]);
            stays = group.end;
            let joined = Length::sum(lengths[group].iter().copied());
            written += joined.events;
            packed.push(joined);
        }
        packed.extend_from_slice(&lengths[stays..]);
        lengths = packed;
    }
    (written, lengths.len(), most)
}

#[test]
fn over_its_life_a_branch_is_rewritten_a_bounded_number_of_times() {
    for (reports, each) in [(20_000, 1), (20_000, 10), (4_000, 100), (900, 500)] {
        let n = reports * each;
        let (written, runs, short) = life((0..reports).map(|_| each));
        let most = n + n * limits::RUN_EVENTS as u64 / (31 * each);
        assert!(written <= most, "{each} at a time: {written} of at most {most}");
        let full = usize::try_from(n / (limits::RUN_EVENTS as u64 / 2)).expect("small");
        assert!(runs <= full + 100 && short <= 100, "{each} at a time: {runs} runs, {short} short ones");
    }
}

#[test]
fn runs_of_mixed_lengths_are_looked_at_too() {
    // Whatever stands at the place that a short stride is looked at by is a longer run.
    let dodging = (0..4_000_u64).map(|number| if number % 16 == 15 { 17 } else { 1 });
    let (_, _, short) = life(dodging);
    assert!(short <= 1_000, "{short} short ones");
    assert_eq!((1..=3_200).filter(|first| is_milestone(Seq(*first), 1)).count(), 100);
    assert!(is_milestone(Seq(32), 1) && !is_milestone(Seq(33), 31));
}

#[test]
fn a_branch_of_long_runs_is_never_due() {
    let full = Length::full(Writer::Device);
    assert!(!is_due(&[Length { events: 3_000, bytes: 270_000 }; 64], full));
    assert!(!is_due(&[Length { events: 10, bytes: 900 }; 31], full));
    assert!(is_due(&[Length { events: 10, bytes: 900 }; 32], full));
    assert!(Length { events: 10, bytes: 900 }.is_short(Writer::Device));
    assert!(!Length { events: 1_000, bytes: 90_000 }.is_short(Writer::Device));
}
