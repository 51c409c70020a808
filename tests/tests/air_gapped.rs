//! Sites that no file enters or leaves: policies that codes name, and the packs that hold them.

use std::collections::BTreeSet;

use counterfoil_tests::Lab;
use serde_json::Value;

/// The numbers and names of the policies that the next pack of a product holds, and its key for codes.
fn pack(lab: &Lab, product: &str) -> (Vec<(u64, String)>, String) {
    lab.vendor(&format!("product pack {product} -o {product}.cfpack")).done();
    lab.vendor(&format!("verify {product}.cfpack")).done();
    let shown = lab.vendor(&format!("show {product}.cfpack")).done();
    let policies = shown["policies"].as_array().expect("policies").iter();
    let policies = policies.map(|policy| {
        (
            policy["air_gapped"].as_u64().expect("a number"),
            policy["name"].as_str().expect("a name").to_owned(),
        )
    });
    let keys = shown["code_keys"].as_array().expect("keys");
    assert_eq!(keys.len(), 1);
    (policies.collect(), keys[0].as_str().expect("a key").to_owned())
}

fn named(policies: &[(u64, &str)]) -> Vec<(u64, String)> {
    policies.iter().map(|(number, name)| (*number, (*name).to_owned())).collect()
}

#[test]
fn policies_for_codes_go_into_packs_by_numbers_of_their_own() {
    let lab = Lab::with_policy("--max-activations 2");
    lab.vendor("product create viewer --feature export").done();
    let create =
        |policy: &str, options: &str| lab.vendor(&format!("policy create {policy} {options}")).done();
    let dark = create("dark", "--product studio --air-gapped");
    assert_eq!(dark["policy"]["air_gapped"], 1);
    assert_eq!(create("light", "--product studio")["policy"]["air_gapped"], Value::Null);
    create("other", "--product viewer --air-gapped");
    let (policies, first) = pack(&lab, "studio");
    assert_eq!(policies, named(&[(1, "dark")]));
    create("another", "--product studio --valid never --type perpetual --air-gapped");
    let (policies, second) = pack(&lab, "studio");
    assert_eq!(policies, named(&[(1, "dark"), (2, "another")]), "the names' order means nothing");
    let (policies, viewer) = pack(&lab, "viewer");
    assert_eq!(policies, named(&[(1, "other")]), "each product has its own");
    assert_eq!(BTreeSet::from([first, second, viewer]).len(), 3, "every pack has a key of its own");
    assert_eq!(lab.vendor("policy show another").done()["policy"]["air_gapped"], 2);
}

#[test]
fn codes_name_so_many_policies_of_a_product() {
    let lab = Lab::with_policy("--max-activations 2");
    let create =
        |number: u64| lab.vendor(&format!("policy create policy-{number} --product studio --air-gapped"));
    for number in 1..=63 {
        assert_eq!(create(number).done()["policy"]["air_gapped"], number);
    }
    create(64).refused(2, "pack_full");
    lab.vendor("policy create light --product studio").done();
    assert_eq!(pack(&lab, "studio").0.len(), 63);
}

#[test]
fn no_policy_makes_packs_that_no_device_takes() {
    let lab = Lab::with_policy("--max-activations 2");
    let features: Vec<String> = (0..1_000).map(|number| format!("--feature {number:0>40}")).collect();
    lab.vendor(&format!("product create large {}", features.join(" "))).done();
    let create =
        |number: u64| lab.vendor(&format!("policy create large-{number} --product large --air-gapped"));
    let made = (1..=63).take_while(|number| {
        let ran = create(*number);
        if ran.exit() == Some(0) {
            return true;
        }
        ran.refused(2, "pack_full");
        false
    });
    let made = made.count();
    assert!((1..63).contains(&made), "{made}");
    lab.vendor("policy create light --product large").done();
    assert_eq!(pack(&lab, "large").0.len(), made);
}
