//! Units of packing: what each may do, and where the next goes on.

use ledger::chain::Head;
use ledger::keys::SecretKey;
use ledger::packing::join;
use ledger::rows::{BranchNumber, StoredRun};
use schemas::event::device::ClockNoted;
use schemas::event::{Body, Event};
use schemas::ids::{KeyReference, Link};
use schemas::numbers::Micros;
use schemas::run::{DeviceOrigin, Origin, VERSION, append_pair};

use super::*;
use crate::store::Place;
use crate::store::sql::SqlStore;
use crate::store::sql::database::Value;

const LICENSE: LicenseId = LicenseId([7; 16]);

/// Runs of a branch with so many events each, as they would be stored.
fn runs_of(seed: u8, branch: BranchNumber, counts: &[u64]) -> Vec<StoredRun> {
    let key = SecretKey::from_seed(&[seed; 32]);
    let origin = Origin::Device(DeviceOrigin { signer: key.public(), reference: KeyReference([6; 5]) });
    let chain = ledger::chain::chain_of(&origin);
    let mut head = Head { seq: Seq(u64::from(branch) * 10), link: Link([0; 32]) };
    let mut runs = Vec::new();
    for count in counts {
        let (start, mut pairs, mut last_at) = (head, Vec::new(), Micros::default());
        for _ in 0..*count {
            last_at = Micros::new(head.seq.0 + 1);
            let noted = ClockNoted { expected: last_at, wall: last_at };
            let core = Event { at: last_at, body: Body::ClockNoted(noted) }.encode();
            let appended = head.append(&chain, &core, &key);
            append_pair(&mut pairs, &core, &appended.signature);
            head = appended.head;
        }
        runs.push(StoredRun {
            chain,
            branch,
            version: VERSION,
            origin: origin.clone(),
            first_seq: start.seq.next(),
            prev: start.link,
            count: *count,
            head,
            last_at,
            pairs,
        });
    }
    runs
}

/// A ledger that holds a licence and these runs.
fn store(folder: &tempfile::TempDir, runs: &[StoredRun]) -> SqlStore {
    let mut store = Place::Sqlite(folder.path().join("ledger.db")).create().expect("an empty folder");
    let id = || Value::from(LICENSE.as_bytes());
    let nothing = || Value::from([0; 16].as_slice());
    let text = || Value::from("studio");
    let license = vec![
        id(),
        nothing(),
        text(),
        text(),
        nothing(),
        text(),
        1_u64.into(),
        Value::Null,
        Value::Null,
        1_u64.into(),
        0_u64.into(),
        nothing(),
    ];
    let written = store.write(|db| {
        db.insert(&statements::LICENSE_ROW, std::slice::from_ref(&license))?;
        let rows: Vec<_> = runs.iter().map(|run| super::runs::values(&LICENSE, run)).collect();
        db.insert(&statements::RUN, &rows)
    });
    assert_eq!(written.expect("rows"), runs.len() as u64);
    store
}

fn stored(store: &mut SqlStore) -> Vec<StoredRun> {
    let read = store.read(|db| {
        let mut found = Vec::new();
        runs::each(db, Some(&LICENSE), &mut |_, run| {
            found.push(run);
            Ok(())
        })?;
        Ok(found)
    });
    read.expect("readable")
}

/// Packs everything in units of these bounds; how many there were.
fn pack_all(store: &mut SqlStore, bounds: Bounds) -> (usize, Packed) {
    let (mut units, mut total, mut from) = (0, Packed::default(), Some(RunPlace::START));
    while let Some(place) = from {
        let nothing = store.read(|db| nothing(db, &LICENSE, &place, bounds)).expect("readable");
        let packed = store.write(|db| pack(db, &LICENSE, &place, bounds)).expect("they follow");
        assert_eq!(nothing.is_some(), packed.runs == 0);
        assert!(nothing.is_none_or(|nothing| nothing == packed));
        (total.runs, total.into) = (total.runs + packed.runs, total.into + packed.into);
        units += 1;
        from = packed.next;
    }
    (units, total)
}

/// Two chains, one of them with a branch, in runs of several lengths.
fn branches() -> [Vec<StoredRun>; 3] {
    let mut branches =
        [runs_of(1, 0, &[1, 2, 3, 4, 5, 6, 7]), runs_of(1, 1, &[2; 9]), runs_of(2, 0, &[3, 1, 1])];
    branches.sort_by_key(|runs| (runs[0].chain, runs[0].branch));
    branches
}

#[test]
fn units_of_any_size_come_to_one_run_a_branch() {
    let branches = branches();
    let expected: Vec<StoredRun> = branches.iter().map(|runs| join(runs).expect("they follow")).collect();
    let mut most = 0;
    for (rows, bytes) in
        [(2, u64::MAX), (3, u64::MAX), (4, 1), (7, 1), (19, 1), (20, u64::MAX), (100, u64::MAX)]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = store(&folder, &branches.concat());
        let (units, _) = pack_all(&mut store, Bounds { rows, bytes });
        assert_eq!(stored(&mut store), expected, "{rows} rows, {bytes} bytes");
        most = most.max(units);
        let (_, again) = pack_all(&mut store, Bounds { rows, bytes });
        assert_eq!(again, Packed::default(), "{rows} rows, {bytes} bytes");
    }
    assert!(most > 10, "{most} units of work");
}

#[test]
fn a_tail_is_long_with_thirty_two_short_runs_and_is_packed_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (short, other) = (runs_of(1, 0, &[1; 31]), runs_of(2, 0, &[1; 40]));
    let mut store = store(&folder, &[short.clone(), other.clone()].concat());
    let tail = |runs: &[StoredRun]| Tail { license: LICENSE, chain: runs[0].chain, branch: 0 };
    let tails = BTreeSet::from([tail(&short), tail(&other), Tail { branch: 5, ..tail(&short) }]);
    let long = store.read(|db| long_tails(db, &tails)).expect("readable");
    assert_eq!(long, [tail(&other)]);
    let packed = store.write(|db| pack_tail(db, &long[0])).expect("they follow");
    assert_eq!(packed, Packed { runs: 40, into: 1, events: 40, next: None });
    let joined = join(&other).expect("they follow");
    let mut expected = [short, vec![joined]].concat();
    expected.sort_by_key(|run| (run.chain, run.first_seq));
    assert_eq!(stored(&mut store), expected);
    assert_eq!(store.read(|db| long_tails(db, &tails)).expect("readable"), []);
}

#[test]
fn runs_that_do_not_follow_are_left_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut runs = runs_of(1, 0, &[1; 5]);
    runs.remove(2);
    let mut store = store(&folder, &runs);
    let refused = store.write(|db| pack(db, &LICENSE, &RunPlace::START, UNIT));
    assert!(matches!(refused, Err(StoreError::Damaged("run"))), "{refused:?}");
    assert_eq!(stored(&mut store), runs);
}

#[test]
fn of_a_licence_that_is_not_there_nothing_is_packed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = store(&folder, &runs_of(1, 0, &[1; 5]));
    let other = LicenseId([8; 16]);
    let packed = store.write(|db| pack(db, &other, &RunPlace::START, UNIT));
    assert_eq!(packed.expect("nothing is damaged"), Packed::default());
}
