//! What lists and reports tell beside the plain figures: a forked chain among activations, a denied device in a merge.

use counterfoil_tests::device::HandMade;
use counterfoil_tests::lab::number;
use counterfoil_tests::{Lab, License};
use serde_json::Value;

fn activations(lab: &Lab) -> Vec<Value> {
    let listed = lab.vendor("activation list").done();
    listed["activations"].as_array().expect("activations").clone()
}

#[test]
fn a_forked_activation_says_so_beside_its_state() {
    let lab = Lab::with_policy("--max-activations 2");
    let license = lab.issue();
    let (device, other) = (HandMade::new(1, &license), HandMade::new(2, &license));
    for (name, bundle) in [
        ("one", device.clone().consume(1).bundle()),
        ("other", other.bundle()),
        ("two", device.clone().consume(2).bundle()),
    ] {
        lab.write(format!("{name}.cfbundle"), bundle);
        lab.vendor(&format!("merge {name}.cfbundle")).done();
    }
    let forked = |lab: &Lab| -> Vec<(Value, Value)> {
        activations(lab).iter().map(|line| (line["chain"].clone(), line["forked"].clone())).collect()
    };
    let mut expected = vec![
        (Value::from(device.chain().to_string()), Value::from(true)),
        (Value::from(other.chain().to_string()), Value::from(false)),
    ];
    expected.sort_by_key(|(chain, _)| chain.to_string());
    assert_eq!(forked(&lab), expected);
    assert!(activations(&lab).iter().all(|line| line["state"] == "active"));
}

#[test]
fn a_merge_tells_whom_it_denies_an_activation() {
    let lab = Lab::with_policy("--max-activations 1");
    let license = lab.issue();
    let merge = |lab: &Lab, name: &str, license: &License, seed: u64| {
        lab.write(format!("{name}.cfbundle"), HandMade::new(seed, license).bundle());
        lab.vendor(&format!("merge {name}.cfbundle")).done()
    };
    let first = merge(&lab, "first", &license, 1);
    assert_eq!((number(&first, "denied"), first["findings"].as_array().map(Vec::len)), (0, Some(0)));
    for (again, merged) in [("second", 1), ("second", 0)] {
        let second = merge(&lab, again, &license, 2);
        assert_eq!((number(&second, "denied"), number(&second, "merged")), (1, merged));
        assert_eq!(second["findings"][0]["code"], "no_seat_free");
        assert_eq!((number(&second, "refused"), number(&second, "parked")), (0, 0));
    }
    lab.vendor(&format!("license change {} --max-activations 2", license.id)).done();
    assert_eq!(number(&merge(&lab, "second", &license, 2), "denied"), 0);
}

#[test]
fn what_waited_is_counted_anew_beside_a_denial() {
    let lab = Lab::with_policy("--max-activations 1");
    let license = lab.issue();
    let [first, second] = [1, 2].map(|seed| HandMade::new(seed, &license).consume(1).consume(2));
    lab.write("a.cfbundle", first.bundle());
    lab.vendor("merge a.cfbundle").done();
    lab.write("in/1-rest.cfbundle", second.bundle_of(3, 4));
    lab.write("in/2-start.cfbundle", second.bundle_of(1, 2));
    let merged = lab.vendor("merge in --jobs 1").done();
    let counts = ["merged", "parked", "refused", "denied", "events"].map(|key| number(&merged, key));
    assert_eq!(counts, [2, 0, 0, 1, 4], "{merged:#}");
    assert_eq!(merged["findings"].as_array().map(Vec::len), Some(1));
}
