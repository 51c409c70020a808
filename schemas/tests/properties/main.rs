//! What holds for every value and for every string of bytes: one encoding each, and nothing that panics.

mod arbitrary;

use std::collections::BTreeSet;
use std::io::Cursor as File;

use counterfoil_schemas::bundle::{
    Attachment, Bundle, BundlePart, BundleReader, decode_answers, decode_pack, encode_answers, encode_pack,
};
use counterfoil_schemas::canonical::{self, Cursor};
use counterfoil_schemas::event::{Body, Event};
use counterfoil_schemas::ids::{Commitment, Salt};
use counterfoil_schemas::run::RunBytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use rmp_serde::decode::from_slice;
use serde::Deserialize as _;
use serde::de::IgnoredAny;
use sha2::{Digest as _, Sha256};

use crate::arbitrary::{canonical_value, event, number};

/// Frames of known and unknown tags, some of them sound, with bytes that may break the last one.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let content = prop_oneof![vec(any::<u8>(), 0..120), canonical_value()];
    let frame = (0..8_u8, content).prop_map(|(tag, content)| {
        let len = u32::try_from(content.len()).expect("short").to_be_bytes();
        [&[tag], &len[..], &content].concat()
    });
    (vec(frame, 0..4), vec(any::<u8>(), 0..4)).prop_map(|(frames, rest)| [frames.concat(), rest].concat())
}

/// The body of a `feature.consumed` with any numbers, in its range or not, that are sound or not.
fn consumption_body() -> impl Strategy<Value = Vec<u8>> {
    let used_at = prop_oneof![Just(None), number().prop_map(Some)];
    let reference = prop_oneof![3 => Just(None), 1 => "[a-z]{0,3}".prop_map(Some)];
    (number(), number(), number(), number(), used_at, reference).prop_map(
        |(feature, period, n, total, used_at, reference)| {
            let mut body = vec![0x96];
            for number in [feature % 70_000, period % 5_000, n % (1 << 33), total % (1 << 54)] {
                canonical::append(&mut body, &number);
            }
            canonical::append(&mut body, &Vec::from_iter(used_at));
            canonical::append(&mut body, &Vec::from_iter(reference));
            body
        },
    )
}

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
    fn a_consumption_is_read_by_the_same_rules_as_all_else(
        body in consumption_body(), at in any::<prop::sample::Index>(), value in any::<u8>(),
    ) {
        let mut body = body;
        let at = at.index(body.len() + 20);
        if let Some(byte) = body.get_mut(at) {
            *byte = value;
        }
        let core = [&[0x93, 0x00, 0x06][..], &body].concat();
        let by_hand = Event::decode(&core).map(|event| event.body);
        let in_general = canonical::from_bytes(&body).map(Body::FeatureConsumed);
        prop_assert_eq!(by_hand, in_general);
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
    fn no_bytes_make_a_reader_panic(kind in 0..3_usize, frames in frames()) {
        let head = [b"\xcfCFB\x01", b"\xcfCFG\x01", b"\xcfCFP\x01"][kind];
        let mut file = [&head[..], &frames].concat();
        let digest = Sha256::digest(&file);
        file.extend_from_slice(&digest);
        if let Ok(mut bundle) = BundleReader::open(File::new(&file)) {
            while let Ok(Some(part)) = bundle.next_part() {
                if let BundlePart::Run(run) = part {
                    drop(RunBytes::parse(&run));
                }
            }
        }
        if let Ok(answers) = decode_answers(&file) {
            prop_assert_eq!(&encode_answers(&answers), &file);
        }
        if let Ok(pack) = decode_pack(&file) {
            prop_assert_eq!(&encode_pack(&pack), &file);
        }
    }

    #[test]
    fn a_changed_file_is_never_read(content in vec(any::<u8>(), 0..80), at in any::<prop::sample::Index>(), value in 1..=u8::MAX) {
        let attachment = Attachment { commitment: Commitment([1; 32]), salt: Salt([2; 16]), value: content };
        let mut file = Bundle { attachments: vec![attachment], ..Bundle::default() }.encode();
        prop_assert!(BundleReader::open(File::new(&file)).is_ok());
        let at = at.index(file.len());
        file[at] ^= value;
        prop_assert!(BundleReader::open(File::new(&file)).is_err());
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
