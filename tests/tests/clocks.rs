//! Clocks that ran wrong, as the vendor sees them.

use counterfoil_tests::lab::{number, text};
use counterfoil_tests::{HandMade, Lab};

#[test]
fn events_of_the_future_are_flagged_and_count() {
    let lab = Lab::with_policy("--max-activations 5 --quota render=1000/month --sync-every 30d");
    let license = lab.issue();
    let honest = HandMade::new(1, &license).consume(5);
    let ahead = HandMade::new(2, &license).consume(5).at("2090-01-01T00:00:00Z").consume(7);
    lab.write("honest.cfbundle", honest.bundle());
    lab.write("ahead.cfbundle", ahead.bundle());
    lab.vendor("merge honest.cfbundle ahead.cfbundle").done();
    let found = lab.vendor("audit clocks").done();
    let flags = found["clocks"].as_array().expect("flags");
    assert_eq!(flags.len(), 1, "{found:#}");
    assert_eq!((text(&flags[0], "what"), number(&flags[0], "seq")), ("ahead_of_receipt".to_owned(), 4));
    assert_eq!(text(&flags[0], "chain"), ahead.chain().to_string());
    assert_eq!(number(&lab.vendor("audit usage").done()["rows"][0], "n"), 5 + 5 + 7);
}

/// Each report is judged by its last event, also when the runs in which reports came are one by then.
#[test]
fn what_is_flagged_does_not_depend_on_how_runs_are_cut() {
    let lab = Lab::with_policy("--max-activations 5 --quota render=1000/month --sync-every 30d");
    let license = lab.issue();
    let device = HandMade::new(1, &license).consume(5).at("2090-01-01T00:00:00Z").consume(7).consume(8);
    for (file, first, last) in [("first", 1, 3), ("second", 4, 4), ("third", 5, 5)] {
        lab.write(format!("{file}.cfbundle"), device.bundle_of(first, last));
        lab.vendor(&format!("merge {file}.cfbundle")).done();
    }
    let flags = lab.vendor("audit clocks").done();
    let places: Vec<u64> =
        flags["clocks"].as_array().expect("flags").iter().map(|flag| number(flag, "seq")).collect();
    assert_eq!(places, [4, 5]);
    assert!(number(&lab.vendor("store pack").done(), "runs") >= 3);
    assert_eq!(lab.vendor("audit clocks").done(), flags);
}
