//! Whole codes as they are typed, changed at random by fingers and by forgers: none is believed. `MUTATIONS=1000000` tries as
//! many, and `SEED=…` others than the usual ones.

use std::collections::BTreeMap;
use std::env;

use super::*;

/// How many changed codes are tried where the environment does not say.
const MUTATIONS: usize = 20_000;
/// From what they follow where the environment does not say.
const SEED: u64 = 20_260_101;

const SYMBOLS: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Numbers that a seed makes (splitmix64), the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let end = u64::try_from(end).expect("64 bits");
        usize::try_from((mixed ^ mixed >> 31) % end).expect("below a usize")
    }

    fn symbol(&mut self) -> char {
        char::from(SYMBOLS[self.below(SYMBOLS.len())])
    }
}

/// A code of each kind, and a second genuine one that groups are taken from.
fn genuine() -> [[TypedCode; 2]; 3] {
    let other_request = request::write(&other_device().public(), 2, &[], &license_key()).expect("fits");
    let origin = origin();
    let earlier = Purpose { answers: Digest([1; 32]), ..purpose(&origin) };
    let other_unlock = unlock::write(&unlock_fields(), &earlier, &code_key()).expect("fits");
    let later = ReturnFields { seq: Seq(41), ..return_fields(&origin) };
    let other_return = returned::write(&later, &origin, &device(), &sealing().public()).expect("fits");
    [[asked(), other_request], [unlocking(), other_unlock], [returning(), other_return]]
}

/// What fingers do to a code: symbols, groups.
fn mistyped([code, other]: &[TypedCode; 2], random: &mut Random) -> String {
    let text = code.to_string();
    let mut groups: Vec<String> = text.split('-').map(str::to_owned).collect();
    let (one, another) = (random.below(groups.len()), random.below(groups.len()));
    match random.below(7) {
        0 => {
            groups.swap(one, another);
        }
        1 => drop(groups.remove(one)),
        2 => groups.insert(one, groups[another].clone()),
        3 => groups.truncate(one + 1),
        4 => {
            let text = other.to_string();
            let others = text.split('-').zip(&mut groups).enumerate();
            let taken = others.filter(|(at, _)| (one.min(another)..=one.max(another)).contains(at));
            for (_, (of_other, group)) in taken {
                of_other.clone_into(group);
            }
        }
        changes => {
            let mut symbols: Vec<char> = text.chars().collect();
            for _ in 0..(changes - 4) * (1 + random.below(4)) {
                let at = random.below(symbols.len());
                match random.below(4) {
                    0 if at > 0 => symbols.swap(at - 1, at),
                    _ => symbols[at] = random.symbol(),
                }
            }
            return symbols.into_iter().collect();
        }
    }
    groups.join("-")
}

/// What a forger does to a code: bits, and all groups made right again.
fn forged([code, other]: &[TypedCode; 2], random: &mut Random) -> String {
    let mut bits = bits(code);
    let at = random.below(bits.len());
    match random.below(4) {
        0 => (0..=random.below(8)).for_each(|_| {
            let at = random.below(bits.len());
            bits[at] ^= 1;
        }),
        1 => {
            let end = bits.len().min(at + 1 + random.below(64));
            bits[at..end].fill_with(|| u8::from(random.below(2) == 1));
        }
        2 => {
            let others = super::bits(other);
            let end = others.len().min(bits.len()).max(at);
            bits.splice(at..end, others[at.min(others.len())..end.min(others.len())].iter().copied());
        }
        _ => {
            let cut = bits.len() - at;
            bits.rotate_left(cut);
        }
    }
    of_bits(code.kind(), &bits).to_string()
}

/// What it is refused with, if it is.
fn refused(kind: Kind, typed: &str) -> Option<Code> {
    let code = match TypedCode::read(Some(kind), typed) {
        Ok(code) => code,
        Err(error) => return Some(error.code()),
    };
    match kind {
        Kind::Request => request::verify(&code, &license_key()).err().map(request::RequestError::code),
        Kind::Unlock => judged(&code).err(),
        Kind::Return => believed(&code).err(),
    }
}

#[test]
fn no_code_that_was_changed_is_believed() {
    let asked = |name| env::var(name).ok().map(|number| number.parse::<u64>().expect("a number"));
    let mutations = asked("MUTATIONS").map_or(MUTATIONS, |asked| usize::try_from(asked).expect("64 bits"));
    let mut random = Random(asked("SEED").unwrap_or(SEED));
    let genuine = genuine();
    for code in genuine.iter().map(|[code, _]| code) {
        assert_eq!(refused(code.kind(), &code.to_string()), None, "before it is changed");
    }
    let mut caught: BTreeMap<(Kind, Code), usize> = BTreeMap::new();
    let mut tried = 0;
    while tried < mutations {
        let codes = &genuine[random.below(genuine.len())];
        let change = if random.below(2) == 0 { mistyped } else { forged };
        let (kind, typed) = (codes[0].kind(), change(codes, &mut random));
        if codes.iter().any(|code| code.to_string() == typed) {
            continue;
        }
        tried += 1;
        let code = refused(kind, &typed);
        assert!(code.is_some(), "{typed} is believed");
        *caught.entry((kind, code.expect("just seen"))).or_default() += 1;
    }
    report(&caught);
    // Both the groups and what holds the whole code together had their share, for each kind.
    for kind in Kind::ALL {
        for code in [Code::CodeGroupWrong, Code::CodeLength, Code::CodeMismatch] {
            let times = caught.get(&(*kind, code)).copied().unwrap_or(0);
            assert!(times > 0, "{kind} {code}: {caught:?}");
        }
        let by_the_whole = caught.get(&(*kind, Code::CodeMismatch)).copied().unwrap_or(0);
        assert!(by_the_whole > mutations / 20, "{kind}: {caught:?}");
    }
}

#[expect(clippy::print_stdout, reason = "a campaign says what it came to")]
fn report(caught: &BTreeMap<(Kind, Code), usize>) {
    for ((kind, code), times) in caught {
        println!("{kind} {code}: {times}");
    }
}
