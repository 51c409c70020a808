//! What codes say, as bits: what is written is read, one message has one form, and lengths are as specified.

use std::num::NonZeroU16;

use super::*;
use crate::ids::{ChainId, Link, PublicKey, Signature};
use crate::limits;
use crate::numbers::{Epoch, Micros, Seq, Total};

fn request() -> impl Strategy<Value = RequestFields> {
    (1..4096_u32, any::<[u8; 32]>(), any::<[u8; 5]>(), any::<[u8; 32]>()).prop_map(
        |(pack_version, device, tag, mac)| RequestFields {
            pack_version,
            device: PublicKey(device),
            tag: DeviceTag(tag),
            key_check: KeyCheck::of(&mac),
        },
    )
}

fn place() -> impl Strategy<Value = GrantPlace> {
    (0..8_u32, 1..1_u64 << 20).prop_map(|(epoch, seq)| GrantPlace { epoch: Epoch(epoch), seq: Seq(seq) })
}

fn day() -> impl Strategy<Value = Day> {
    (0..=u64::from(Day::MAX.number())).prop_map(|number| Day::from_number(number).expect("in range"))
}

/// Totals of every width.
fn total() -> impl Strategy<Value = Total> {
    (0..=53_u32, any::<u64>())
        .prop_map(|(width, units)| Total::new(units & ((1 << width) - 1)).expect("at most 53 bits"))
}

fn quota() -> impl Strategy<Value = CodeQuota> {
    (total(), any::<bool>())
        .prop_map(|(units, following)| CodeQuota { units: CodeUnits::at_most(units), following })
}

fn unlock() -> impl Strategy<Value = UnlockFields> {
    let days = (0..1_u16 << 12, 0..1_u16 << 14, 0..1_u16 << 9);
    let quotas = prop_oneof![Just(0), 1..6_usize, Just(136)]
        .prop_flat_map(|quotas| prop::collection::vec(quota(), quotas));
    (place(), prop::sample::select(UnlockState::ALL), 1..64_u16, day(), days, quotas).prop_map(
        |(place, state, policy, issued, (since_start_days, to_end, to_check_in), quotas)| UnlockFields {
            place,
            state,
            policy,
            issued,
            since_start_days,
            to_end_days: NonZeroU16::new(to_end),
            to_check_in_days: NonZeroU16::new(to_check_in),
            quotas,
        },
    )
}

fn returned() -> impl Strategy<Value = ReturnFields> {
    let chain = (any::<[u8; 5]>(), 1..1_u64 << 28, any::<[u8; 16]>());
    (any::<bool>(), chain, prop::option::of(place()), day(), prop::collection::vec(total(), 0..8)).prop_map(
        |(closing, (chain, seq, link), applied, day, used)| ReturnFields {
            closing,
            chain: ChainReference(chain),
            seq: Seq(seq),
            applied,
            day,
            link: LinkStart(link),
            used,
        },
    )
}

const SIGNATURE: Signature = Signature([0xa5; 64]);
const MAC: CodeMac = CodeMac([0x5a; 10]);

fn written(fields: &UnlockFields) -> TypedCode {
    fields.write(|_| SIGNATURE).expect("in range")
}

fn returning(fields: &ReturnFields) -> TypedCode {
    fields.write(|_| MAC).expect("in range")
}

/// The digits of 5 bits that a total has.
fn digits(total: Total) -> usize {
    (0..12).find(|digits| total.get() >> (5 * digits) == 0).expect("at most 11")
}

/// The bits of a code without its header.
fn bits(code: &TypedCode) -> Vec<u8> {
    let content = &code.content()[2..];
    (5..code.groups() * GROUP_BITS).map(|at| content[at / 8] >> (7 - at % 8) & 1).collect()
}

fn of_bits(kind: Kind, bits: &[u8]) -> TypedCode {
    let mut writer = BitWriter::new(kind);
    for bit in bits {
        writer.uint((*bit).into(), 1);
    }
    writer.finish()
}

/// The code with the bits at some places flipped.
fn flipped(code: &TypedCode, places: &[prop::sample::Index]) -> TypedCode {
    let mut bits = bits(code);
    for place in places {
        let at = place.index(bits.len());
        bits[at] ^= 1;
    }
    of_bits(code.kind(), &bits)
}

fn places() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 1..4)
}

proptest! {
    #[test]
    fn a_request_reads_back_from_what_is_typed(fields in request()) {
        let code = fields.write().expect("in range");
        prop_assert_eq!(code.groups(), RequestFields::GROUPS);
        let typed = TypedCode::read(Some(Kind::Request), &code.to_string()).expect("as it was shown");
        prop_assert_eq!(RequestFields::read(&typed), Ok(fields));
    }

    #[test]
    fn an_unlock_code_reads_back_with_and_without_its_policy(fields in unlock()) {
        let mut signed = Vec::new();
        let code = fields.write(|so_far| { signed = so_far.to_vec(); SIGNATURE }).expect("in range");
        prop_assert_eq!(code.groups(), UnlockFields::GROUPS + fields.quotas.len());
        prop_assert_eq!(bits(&code).len() + 5, 600 + 25 * fields.quotas.len());
        let typed = TypedCode::read(Some(Kind::Unlock), &code.to_string()).expect("as it was shown");
        let read = UnlockCode::read_by_length(&typed).expect("whole");
        prop_assert_eq!(&read, &UnlockCode { fields: fields.clone(), signed, signature: SIGNATURE });
        prop_assert_eq!(UnlockCode::read(&typed, fields.quotas.len()), Ok(read.clone()));
        let none_follow = fields.quotas.is_empty();
        let more = UnlockCode::read(&typed, fields.quotas.len() + 1);
        prop_assert_eq!(more.is_ok(), none_follow, "of a policy with more quotas");
    }

    #[test]
    fn a_return_code_reads_back_with_its_features(fields in returned()) {
        let mut authenticated = Vec::new();
        let code = fields.write(|so_far| { authenticated = so_far.to_vec(); MAC }).expect("in range");
        let bits = 320 + fields.used.iter().map(|used| 4 + 5 * digits(*used)).sum::<usize>();
        prop_assert_eq!(code.groups(), bits.div_ceil(25));
        let typed = TypedCode::read(Some(Kind::Return), &code.to_string()).expect("as it was shown");
        prop_assert_eq!(ReturnStart::read(&typed).map(|start| start.chain), Ok(fields.chain));
        let start = ReturnStart::read(&typed).expect("whole");
        prop_assert_eq!((start.closing, start.chain, start.day), (fields.closing, fields.chain, fields.day));
        let metered = fields.used.len();
        prop_assert_eq!(ReturnCode::read(&typed, metered), Ok(ReturnCode { fields, authenticated, mac: MAC }));
    }

    #[test]
    fn what_is_read_after_bits_flipped_is_something_else_and_writes_just_these_bits(
        request in request(),
        unlock in unlock(),
        returned in returned(),
        places in places(),
    ) {
        let sound = request.write().expect("in range");
        let code = flipped(&sound, &places);
        if code != sound && let Ok(read) = RequestFields::read(&code) {
            prop_assert_ne!(read, request);
            prop_assert_eq!(read.write(), Ok(code));
        }
        let sound = written(&unlock);
        let code = flipped(&sound, &places);
        if code != sound && let Ok(read) = UnlockCode::read_by_length(&code) {
            prop_assert_ne!((&read.fields, read.signature), (&unlock, SIGNATURE));
            prop_assert_eq!(read.fields.write(|_| read.signature), Ok(code));
        }
        let sound = returning(&returned);
        let code = flipped(&sound, &places);
        if code != sound && let Ok(read) = ReturnCode::read(&code, returned.used.len()) {
            prop_assert_ne!((&read.fields, read.mac), (&returned, MAC));
            prop_assert_eq!(read.fields.write(|_| read.mac), Ok(code));
        }
    }

    #[test]
    fn units_are_told_exactly_or_just_below(units in total()) {
        let told = CodeUnits::at_most(units).total();
        let units = units.get().min(CodeUnits::MAX.total().get());
        prop_assert!(told.get() <= units);
        prop_assert!(units - told.get() <= units >> 19, "20 bits are kept");
        prop_assert_eq!(CodeUnits::at_most(told).total(), told);
        prop_assert_eq!(CodeUnits::exact(told).map(CodeUnits::total), Some(told));
    }

    #[test]
    fn a_code_that_is_cut_or_longer_is_refused_by_its_length(unlock in unlock(), by in 1..5_usize) {
        let bits = bits(&written(&unlock));
        let cut = of_bits(Kind::Unlock, &bits[..bits.len() - 25 * by]);
        let quotas = unlock.quotas.len();
        prop_assert_eq!(UnlockCode::read(&cut, quotas), Err(BitsError::Short.into()));
        if quotas < 136 {
            let longer = of_bits(Kind::Unlock, &[&bits[..], &[0; 25]].concat());
            prop_assert_eq!(UnlockCode::read(&longer, quotas), Err(BitsError::Long { groups: 1 }.into()));
        }
    }
}

fn sample_request() -> RequestFields {
    RequestFields {
        pack_version: 1,
        device: PublicKey([7; 32]),
        tag: DeviceTag([1; 5]),
        key_check: KeyCheck::of(&[0xff; 32]),
    }
}

fn sample_unlock() -> UnlockFields {
    UnlockFields {
        place: GrantPlace { epoch: Epoch(0), seq: Seq(1) },
        state: UnlockState::Active,
        policy: 1,
        issued: Day::MAX,
        since_start_days: 0,
        to_end_days: None,
        to_check_in_days: None,
        quotas: Vec::new(),
    }
}

fn sample_return() -> ReturnFields {
    ReturnFields {
        closing: false,
        chain: ChainReference::of(&ChainId([9; 32])),
        seq: Seq(1),
        applied: None,
        day: Day::MAX,
        link: LinkStart::of(&Link([8; 32])),
        used: Vec::new(),
    }
}

#[test]
fn what_does_not_fit_is_not_written() {
    let request = |change: fn(&mut RequestFields)| {
        let mut fields = sample_request();
        change(&mut fields);
        fields.write().map(|code| code.groups())
    };
    assert_eq!(request(|it| it.pack_version = 4095), Ok(14));
    for refused in [request(|it| it.pack_version = 0), request(|it| it.pack_version = 4096)] {
        assert_eq!(refused.map_err(Unfit::code), Err(Code::CodeUnfit));
    }
    let unlock = |change: fn(&mut UnlockFields)| {
        let mut fields = sample_unlock();
        change(&mut fields);
        fields.write(|_| SIGNATURE).map(|code| code.groups()).map_err(Unfit::code)
    };
    let quota = CodeQuota { units: CodeUnits::MAX, following: true };
    assert_eq!(
        unlock(|it| it.quotas = vec![CodeQuota { units: CodeUnits::MAX, following: true }; 136]),
        Ok(160)
    );
    let mut many = sample_unlock();
    for quotas in [137, 1_024] {
        many.quotas = vec![quota; quotas];
        assert_eq!(many.write(|_| SIGNATURE).map_err(Unfit::code), Err(Code::CodeUnfit));
    }
    let refused: [fn(&mut UnlockFields); 8] = [
        |it| it.place.epoch = Epoch(8),
        |it| it.place.seq = Seq(0),
        |it| it.place.seq = Seq(1 << 20),
        |it| it.policy = 0,
        |it| it.policy = 64,
        |it| it.since_start_days = 1 << 12,
        |it| it.to_end_days = NonZeroU16::new(1 << 14),
        |it| it.to_check_in_days = NonZeroU16::new(1 << 9),
    ];
    for change in refused {
        assert_eq!(unlock(change), Err(Code::CodeUnfit));
    }
    let returned = |change: fn(&mut ReturnFields)| {
        let mut fields = sample_return();
        change(&mut fields);
        fields.write(|_| MAC).map(|code| code.groups()).map_err(Unfit::code)
    };
    assert_eq!(returned(|_| ()), Ok(ReturnFields::GROUPS));
    let most = |features| vec![Total::new(limits::TOTAL_MAX).expect("the most"); features];
    let mut many = sample_return();
    many.used = most(62);
    assert_eq!(many.write(|_| MAC).map(|code| code.groups()), Ok(160));
    many.used = most(63);
    assert_eq!(many.write(|_| MAC).map_err(Unfit::code), Err(Code::CodeUnfit));
    let refused: [fn(&mut ReturnFields); 4] = [
        |it| it.seq = Seq(0),
        |it| it.seq = Seq(1 << 28),
        |it| it.applied = Some(GrantPlace { epoch: Epoch(1), seq: Seq(0) }),
        |it| it.applied = Some(GrantPlace { epoch: Epoch(8), seq: Seq(1) }),
    ];
    for change in refused {
        assert_eq!(returned(change), Err(Code::CodeUnfit));
    }
}

/// Sets the bits from a place of the code, its header counted.
fn with(code: &TypedCode, at: usize, width: usize, value: u64) -> TypedCode {
    let mut bits = bits(code);
    for place in 0..width {
        bits[at - 5 + place] = (value >> (width - 1 - place) & 1) as u8;
    }
    of_bits(code.kind(), &bits)
}

#[test]
fn what_no_writer_writes_is_not_read() {
    let unlock = |code: &TypedCode| UnlockCode::read_by_length(code).map_err(MessageError::code).map(|_| ());
    let mut fields = sample_unlock();
    let code = written(&fields);
    for (at, width, value) in [(8, 20, 0), (28, 3, 5), (28, 3, 6), (28, 3, 7), (31, 6, 0)] {
        assert_eq!(unlock(&with(&code, at, width, value)), Err(Code::CodeMismatch), "{value} at {at}");
    }
    assert_eq!(unlock(&with(&code, 87, 1, 1)), Err(Code::CodeLength), "quotas follow, and there are none");
    fields.quotas =
        vec![CodeQuota { units: CodeUnits::at_most(Total::new(6).expect("small")), following: false }];
    let code = written(&fields);
    assert_eq!(unlock(&with(&code, 87, 1, 0)), Err(Code::CodeLength), "none follow, and there is one");
    // 6 as 3 shifted by 1; the greatest mantissa that still has a lesser exponent.
    for (mantissa, exponent) in [(3, 1), (0, 15), ((1 << 19) - 1, 1)] {
        let changed = with(&with(&code, 88, 20, mantissa), 108, 4, exponent);
        assert_eq!(unlock(&changed), Err(Code::CodeMismatch), "{mantissa} << {exponent}");
    }
    assert_eq!(unlock(&with(&with(&code, 88, 20, 1 << 19), 108, 4, 1)), Ok(()));

    let returned =
        |code: &TypedCode, metered| ReturnCode::read(code, metered).map_err(MessageError::code).map(|_| ());
    let mut fields = sample_return();
    let code = returning(&fields);
    assert_eq!(returned(&with(&code, 46, 28, 0), 0), Err(Code::CodeMismatch), "no head");
    assert_eq!(returned(&with(&code, 74, 3, 1), 0), Err(Code::CodeMismatch), "an epoch without a place");
    assert_eq!(returned(&with(&code, 324, 1, 1), 0), Err(Code::CodeMismatch), "what fills the last group");
    fields.used = vec![Total::new(limits::TOTAL_MAX).expect("the most")];
    let code = returning(&fields);
    assert_eq!(returned(&code, 1), Ok(()));
    assert_eq!(returned(&with(&code, 244, 5, 8), 1), Err(Code::CodeMismatch), "above the largest total");
    assert_eq!(returned(&with(&code, 244, 5, 0), 1), Err(Code::CodeMismatch), "a zero before the number");
    for digits in 12..16 {
        assert_eq!(returned(&with(&code, 240, 4, digits), 1), Err(Code::CodeMismatch), "{digits} digits");
    }
    assert_eq!(returned(&code, 0), Err(Code::CodeLength), "of a policy that meters nothing");
}

#[test]
fn a_message_of_another_kind_is_told_as_such() {
    let codes =
        [sample_request().write().expect("fits"), written(&sample_unlock()), returning(&sample_return())];
    let read = |code: &TypedCode| {
        [
            RequestFields::read(code).map(|_| ()),
            UnlockCode::read_by_length(code).map(|_| ()),
            ReturnCode::read(code, 0).map(|_| ()),
        ]
        .map(|read| read.map_err(MessageError::code))
    };
    let other = Err(Code::CodeKind);
    assert_eq!(read(&codes[0]), [Ok(()), other, other]);
    assert_eq!(read(&codes[1]), [other, Ok(()), other]);
    assert_eq!(read(&codes[2]), [other, other, Ok(())]);
    assert_eq!(ReturnStart::read(&codes[1]).map_err(MessageError::code), Err(Code::CodeKind));
    assert_eq!(ReturnStart::read(&codes[1]).map_err(MessageError::code), Err(Code::CodeKind));
}

#[test]
fn the_start_of_a_code_that_is_too_short_is_not_told() {
    let whole = returning(&sample_return()).to_string();
    let groups: Vec<&str> = whole.split('-').collect();
    let start = |count: usize| {
        let code = TypedCode::read(Some(Kind::Return), &groups[..count].join("-")).expect("whole groups");
        ReturnStart::read(&code).map_err(MessageError::code).map(|_| ())
    };
    assert_eq!(start(ReturnFields::GROUPS), Ok(()));
    assert_eq!(start(ReturnFields::GROUPS - 1), Err(Code::CodeLength));
}

#[test]
fn every_bit_of_a_request_but_the_header_is_held_by_its_checksum() {
    let code = sample_request().write().expect("fits");
    for at in 0..bits(&code).len() {
        let mut bits = bits(&code);
        bits[at] ^= 1;
        assert_eq!(
            RequestFields::read(&of_bits(Kind::Request, &bits)),
            Err(BitsError::Checksum.into()),
            "{at}"
        );
    }
}

#[test]
fn dates_follow_from_the_day_of_issue() {
    let mut fields = sample_unlock();
    fields.issued = Day::of(Micros::parse("2026-11-24T07:00:00Z").expect("RFC 3339")).expect("after 2020");
    let date = |text| Micros::parse(text).expect("a date");
    assert_eq!(
        (fields.starts_at(), fields.valid_until(), fields.sync_by()),
        (date("2026-11-24"), None, None)
    );
    fields.since_start_days = 4_095;
    fields.to_end_days = NonZeroU16::new(16_383);
    fields.to_check_in_days = NonZeroU16::new(30);
    assert_eq!(fields.starts_at(), date("2015-09-08"));
    assert_eq!(fields.valid_until(), Some(date("2071-10-02")));
    assert_eq!(fields.sync_by(), Some(date("2026-12-24")));
}
