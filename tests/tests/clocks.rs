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
