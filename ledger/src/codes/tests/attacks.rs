//! Codes that are genuine elsewhere, and codes of which one bit was changed by somebody who makes the groups right again.

use super::*;

#[test]
fn a_request_with_another_licence_key_says_so() {
    let other = request::verify(&asked(), &other_license_key());
    assert_eq!(other.map_err(request::RequestError::code), Err(Code::CodeOtherKey));
    let same_reference = KeySecret::new([5; 32]).license_key(license_key().reference());
    let guessed = request::verify(&asked(), &same_reference);
    assert_eq!(guessed.map_err(request::RequestError::code), Err(Code::CodeOtherKey));
}

#[test]
fn another_licence_key_passes_a_request_by_chance_as_often_as_12_bits_do() {
    let request = asked();
    let home = KeySecret::new([5; 32]);
    let passing = (0..20_000_u32)
        .filter(|number| {
            let mut reference = [0; 5];
            reference[1..].copy_from_slice(&number.to_be_bytes());
            request::verify(&request, &home.license_key(KeyReference(reference))).is_ok()
        })
        .count();
    assert!((1..15).contains(&passing), "{passing} of 20,000, where 4.9 are expected");
}

#[test]
fn a_request_whose_key_no_device_has_is_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let code = request::write(&PublicKey(identity), 2, &[], &license_key()).expect("fits");
    let refused = request::verify(&code, &license_key());
    assert_eq!(refused, Err(request::RequestError::DeviceKey));
    assert_eq!(request::RequestError::DeviceKey.code(), Code::CodeMismatch);
}

#[test]
fn every_bit_of_a_request_is_held_by_its_checksum() {
    let passing = one_bit_off(&asked())
        .filter(|code| {
            request::verify(code, &license_key()).map_err(request::RequestError::code)
                != Err(Code::CodeMismatch)
        })
        .count();
    assert_eq!(passing, 0, "of 345, each with a chance of 1 of 2²⁵");
}

#[test]
fn every_bit_of_an_unlock_code_is_held_by_its_signature() {
    let silent = UnlockFields { quotas: Vec::new(), ..unlock_fields() };
    let silent = unlock::write(&silent, &purpose(&origin()), &code_key()).expect("fits");
    let mut tried = 0;
    for code in one_bit_off(&unlocking()).chain(one_bit_off(&silent)) {
        assert!(
            matches!(judged(&code), Err(Code::CodeMismatch | Code::CodeLength)),
            "{code}: {:?}",
            judged(&code)
        );
        tried += 1;
    }
    assert_eq!(tried, 2 * 600 + 2 * 25 - 2 * 5);
}

#[test]
fn every_bit_of_a_return_code_is_held_by_its_mac() {
    let mut tried = 0;
    for code in one_bit_off(&returning()) {
        let refused = believed(&code);
        let expected = [Code::CodeMismatch, Code::CodeLength, Code::CodeOtherDevice];
        assert!(refused.as_ref().is_err_and(|code| expected.contains(code)), "{code}: {refused:?}");
        tried += 1;
    }
    assert_eq!(tried, returning().groups() * 25 - 5);
}

/// The world's unlock code, made for something else.
fn made_for(change: impl FnOnce(&mut Purpose), key: &SecretKey) -> Result<UnlockFields, Code> {
    let origin = origin();
    let mut purpose = purpose(&origin);
    change(&mut purpose);
    judged(&unlock::write(&unlock_fields(), &purpose, key).expect("fits"))
}

#[test]
fn an_unlock_code_for_something_else_says_for_what_as_far_as_it_is_known() {
    let ours = code_key();
    assert_eq!(made_for(|_| (), &ours), Ok(unlock_fields()));
    let other_device = origin_of(&other_device(), &license_key());
    let other_key = origin_of(&device(), &other_license_key());
    for other in [other_device, other_key] {
        let code = unlock::write(&unlock_fields(), &purpose(&other), &ours).expect("fits");
        assert_eq!(judged(&code), Err(Code::CodeMismatch));
    }
    for earlier in [Digest([1; 32]), Digest([2; 32])] {
        assert_eq!(made_for(|it| it.answers = earlier, &ours), Err(Code::CodeAnsweredEarlier));
        let for_old_pack = |it: &mut Purpose| (it.pack, it.answers) = (OLD_PACK, earlier);
        assert_eq!(made_for(for_old_pack, &old_code_key()), Err(Code::CodeOtherPack));
    }
    assert_eq!(made_for(|it| it.answers = Digest([3; 32]), &ours), Err(Code::CodeMismatch));
    assert_eq!(made_for(|it| it.pack = OLD_PACK, &old_code_key()), Err(Code::CodeOtherPack));
    assert_eq!(
        made_for(|it| it.pack = OLD_PACK, &ours),
        Err(Code::CodeMismatch),
        "another pack's digest alone"
    );
    assert_eq!(made_for(|_| (), &old_code_key()), Err(Code::CodeMismatch), "another pack's key alone");
}

#[test]
fn an_unlock_code_that_answers_a_return_is_none_for_the_request() {
    let answers = super::super::digest(&returning());
    assert_eq!(made_for(|it| it.answers = answers, &code_key()), Err(Code::CodeMismatch));
}

#[test]
fn for_what_a_code_was_made_is_told_by_so_many_signatures_at_most() {
    let (origin, pack) = (origin(), pack());
    let earlier: Vec<_> = (0..100).map(|number| Digest([number; 32])).collect();
    let told = |nth: u8| {
        let purpose = Purpose { answers: Digest([nth; 32]), ..purpose(&origin) };
        let code = unlock::write(&unlock_fields(), &purpose, &code_key()).expect("fits");
        let expected = Expected {
            origin: &origin,
            pack: &pack,
            digest: PACK,
            shown: super::super::digest(&asked()),
            shown_before: &earlier,
            other_packs: &[],
        };
        unlock::verify(&code, &expected).map(|_| ()).map_err(unlock::UnlockError::code)
    };
    assert_eq!(told(47), Err(Code::CodeAnsweredEarlier));
    assert_eq!(told(48), Err(Code::CodeMismatch), "the 49th is not tried");
}

#[test]
fn a_pack_without_a_key_for_codes_takes_none() {
    let (origin, mut pack) = (origin(), pack());
    pack.code_keys.clear();
    let new = OtherPack { digest: OLD_PACK, key: code_key().public() };
    let judge = |digest, other_packs: &[OtherPack]| {
        let (shown, shown_before) = (super::super::digest(&asked()), &[][..]);
        let expected = Expected { origin: &origin, pack: &pack, digest, shown, shown_before, other_packs };
        unlock::verify(&unlocking(), &expected).map(|_| ()).map_err(unlock::UnlockError::code)
    };
    assert_eq!(judge(PACK, &[]), Err(Code::CodeMismatch));
    assert_eq!(judge(OLD_PACK, &[OtherPack { digest: PACK, ..new }]), Err(Code::CodeOtherPack));
}

#[test]
fn an_unlock_code_that_lacks_a_group_says_so() {
    let bits = bits(&unlocking());
    let cut = of_bits(Kind::Unlock, &bits[..bits.len() - 25]);
    assert_eq!(judged(&cut), Err(Code::CodeLength));
}

#[test]
fn an_unlock_code_that_does_not_go_with_its_own_pack_is_refused() {
    let with = |change: fn(&mut UnlockFields)| {
        let mut fields = unlock_fields();
        change(&mut fields);
        judged(&unlock::write(&fields, &purpose(&origin()), &code_key()).expect("fits"))
    };
    assert_eq!(with(|it| it.policy = 2), Err(Code::OutOfRange), "a policy that the pack does not hold");
    assert_eq!(with(|it| it.quotas.truncate(1)), Err(Code::OutOfRange), "one quota of two");
}

#[test]
fn signatures_that_hold_by_lax_rules_only_do_not_unlock() {
    // The identity as key and as R with s = 0 satisfies the equation without cofactor for every message.
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let code = unlock_fields().write(|_| Signature(signature)).expect("fits");
    let (origin, mut pack) = (origin(), pack());
    pack.code_keys = vec![PublicKey(identity)];
    let shown = super::super::digest(&asked());
    let expected =
        Expected { origin: &origin, pack: &pack, digest: PACK, shown, shown_before: &[], other_packs: &[] };
    assert_eq!(unlock::verify(&code, &expected).map(|_| ()), Err(unlock::UnlockError::Signature));
}

#[test]
fn a_return_of_another_chain_says_so() {
    let other_device = (other_device(), license_key());
    let other_key = (device(), other_license_key());
    for (device, key) in [other_device, other_key] {
        let origin = origin_of(&device, &key);
        let code = returned::write(&return_fields(&origin), &origin, &device, &sealing().public());
        assert_eq!(believed(&code.expect("fits")), Err(Code::CodeOtherDevice));
    }
}

#[test]
fn a_return_with_a_mac_of_another_is_refused() {
    let other = other_device();
    let forged = |key: &SecretKey, sealing: &SealingKey, reference: KeyReference, chain: &DeviceOrigin| {
        let key =
            super::super::agreement::ReturnKey::of_device(key, sealing).map_err(|_| ()).expect("honest keys");
        let code = return_fields(&origin()).write(|so_far| key.mac(&chain_of(chain), reference, so_far));
        believed(&code.expect("fits"))
    };
    let (ours, vendor) = (device(), sealing().public());
    let reference = origin().reference;
    assert!(forged(&ours, &vendor, reference, &origin()).is_ok());
    assert_eq!(forged(&other, &vendor, reference, &origin()), Err(Code::CodeMismatch), "another device's");
    let other_vendor = SealingSecret::from_bytes(&[17; 32]).public();
    assert_eq!(
        forged(&ours, &other_vendor, reference, &origin()),
        Err(Code::CodeMismatch),
        "another vendor's"
    );
    assert_eq!(
        forged(&ours, &vendor, KeyReference([9; 5]), &origin()),
        Err(Code::CodeMismatch),
        "another key's"
    );
    let chain = origin_of(&other, &license_key());
    assert_eq!(forged(&ours, &vendor, reference, &chain), Err(Code::CodeMismatch), "another chain's");
    let zero = return_fields(&origin()).write(|_| CodeMac([0; 10])).expect("fits");
    assert_eq!(believed(&zero), Err(Code::CodeMismatch));
}

#[test]
fn a_return_is_read_with_as_many_features_as_it_was_written_with() {
    for metered in [0, 1, 2, 3, 5, 6, 200] {
        let refused = returned::verify(&returning(), &origin(), &sealing(), metered);
        let code = refused.map(|_| ()).map_err(returned::ReturnError::code);
        assert!(matches!(code, Err(Code::CodeMismatch | Code::CodeLength)), "{metered}: {code:?}");
    }
}

#[test]
fn no_code_passes_for_one_of_another_kind() {
    let codes = [asked(), unlocking(), returning()];
    for (code, kind) in codes.iter().flat_map(|code| Kind::ALL.iter().map(move |kind| (code, *kind))) {
        if code.kind() == kind {
            continue;
        }
        assert_eq!(refused(code, kind), Some(Code::CodeKind));
        let renamed = of_bits(kind, &bits(code));
        assert!(matches!(
            refused(&renamed, kind),
            Some(Code::CodeLength | Code::CodeMismatch | Code::CodeOtherDevice)
        ));
    }
}

fn refused(code: &TypedCode, kind: Kind) -> Option<Code> {
    match kind {
        Kind::Request => request::verify(code, &license_key()).err().map(request::RequestError::code),
        Kind::Unlock => judged(code).err(),
        Kind::Return => believed(code).err(),
    }
}
