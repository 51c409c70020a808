//! What holds for every value and for every string of bytes: one encoding each, and nothing that panics.

mod arbitrary;

use std::collections::BTreeSet;
use std::io::Cursor as File;

use counterfoil_schemas::bundle::{BundleReader, decode_answers, decode_pack};
use counterfoil_schemas::canonical::{self, Cursor};
use counterfoil_schemas::event::{Body, Event};
use counterfoil_schemas::run::RunBytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use rmp_serde::decode::from_slice;
use serde::Deserialize as _;
use serde::de::IgnoredAny;

use crate::arbitrary::{canonical_value, event, number};

proptest! {
    #[test]
    fn any_event_of_every_kind_comes_back_as_it_was(event in event()) {
        let core = event.encode();
        let decoded = Event::decode(&core);
        prop_assert_eq!(decoded.as_ref(), Ok(&event));
        prop_assert_eq!(decoded.map(|event| event.encode()), Ok(core));
    }

    #[test]
    fn any_bytes_are_one_event_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(event) = Event::decode(&bytes) {
            prop_assert_eq!(event.encode(), bytes);
        }
    }

    #[test]
    fn a_changed_core_is_refused_or_is_another_event(
        event in event(), at in any::<prop::sample::Index>(), value in any::<u8>(), how in 0..4_u8,
    ) {
        let sound = event.encode();
        let mut core = sound.clone();
        let at = at.index(core.len());
        match how {
            0 => core[at] = value,
            1 => core.insert(at, value),
            2 => drop(core.remove(at)),
            _ => core.truncate(at),
        }
        if let Ok(changed) = Event::decode(&core) {
            prop_assert_eq!(changed == event, core == sound);
            prop_assert_eq!(changed.encode(), core);
        }
    }

    #[test]
    fn numbers_and_arrays_are_read_as_others_read_them(numbers in vec(number(), 0..70)) {
        let bytes = canonical::to_bytes(&numbers);
        let theirs: Vec<u64> = from_slice(&bytes).expect("canonical bytes are MessagePack");
        prop_assert_eq!(&theirs, &numbers);
        let mut cursor = Cursor::new(&bytes);
        prop_assert_eq!(cursor.array(), Ok(numbers.len() as u64));
        for number in numbers {
            prop_assert_eq!(cursor.uint(), Ok(number));
        }
        prop_assert_eq!(cursor.finish(), Ok(()));
    }

    #[test]
    fn what_is_passed_over_ends_where_others_see_its_end(value in canonical_value(), after in vec(any::<u8>(), 0..9)) {
        let bytes = [&value[..], &after].concat();
        let mut cursor = Cursor::new(&bytes);
        prop_assert_eq!(cursor.skip_value(), Ok(()));
        prop_assert_eq!(cursor.rest(), &after[..]);
        let mut theirs = rmp_serde::Deserializer::new(File::new(&bytes));
        IgnoredAny::deserialize(&mut theirs).expect("canonical bytes are MessagePack");
        prop_assert_eq!(theirs.position(), value.len() as u64);
    }

    #[test]
    fn whatever_is_passed_over_others_can_read(bytes in vec(any::<u8>(), 0..60)) {
        let mut cursor = Cursor::new(&bytes);
        if cursor.skip_value().is_ok() {
            let read = bytes.len() - cursor.rest().len();
            let mut theirs = rmp_serde::Deserializer::new(File::new(&bytes));
            IgnoredAny::deserialize(&mut theirs).expect("canonical bytes are MessagePack");
            prop_assert_eq!(theirs.position(), read as u64);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(head in 0..4_usize, bytes in vec(any::<u8>(), 0..300)) {
        let head: &[u8] = [&b""[..], b"\xcfCFB\x01", b"\xcfCFG\x01", b"\xcfCFP\x01"][head];
        let file = [head, &bytes].concat();
        // A digest matches by chance never, so the file readers all refuse; the parts are tried without it.
        prop_assert!(BundleReader::open(File::new(&file)).is_err());
        prop_assert!(decode_answers(&file).is_err());
        prop_assert!(decode_pack(&file).is_err());
        if let Ok(run) = RunBytes::parse(&bytes) {
            prop_assert!(run.pairs.len() < bytes.len());
        }
    }
}

#[test]
fn the_strategy_reaches_every_kind() {
    let mut runner = TestRunner::deterministic();
    let strategy = arbitrary::body();
    let mut tree = || strategy.new_tree(&mut runner).expect("no filter refuses for ever").current().kind();
    let reached: BTreeSet<_> = (0..4_000).map(|_| tree()).collect();
    for (kind, name) in Body::KINDS {
        assert!(reached.contains(kind), "{name}");
    }
}
