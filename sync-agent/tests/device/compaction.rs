//! The library: a record that is kept short where the vendor lets it.

use counterfoil_sync_agent::{Agent, Consume};
use schemas::grant::GrantBody;
use schemas::numbers::{Amount, Seconds, Seq};

use crate::bench::{Device, kinds};
use crate::vendor::runs_of;

/// More uses than the newest events that are kept in any case.
const USES: usize = 9_000;

fn metered(device: &mut Device) -> Agent {
    let agent = device.activated();
    let consume = Consume {
        feature: "miles".into(),
        n: Amount::new(1).expect("in range"),
        used_at: None,
        reference: None,
    };
    assert!(agent.consume_many(vec![consume; USES]).iter().all(Result::is_ok));
    agent
}

fn dropped_to(agent: &Agent) -> Option<Seq> {
    agent.status().expect("readable").dropped_to
}

#[test]
fn old_events_go_where_the_licence_file_lets_them_and_only_there() {
    let lets = |grant: &mut GrantBody| grant.compact = true;
    let mut device = Device::new();
    let agent = metered(&mut device);
    device.sync_with(&agent, lets);
    assert_eq!(dropped_to(&agent), None, "they are young");
    device.clock.pass(Seconds::days(91));
    device.sync(&agent);
    assert_eq!(dropped_to(&agent), None, "this file does not let them");
    device.sync_with(&agent, lets);
    let dropped = dropped_to(&agent).expect("the file lets them");
    let last = agent.status().expect("readable").events;
    assert!(dropped.0 > 100 && dropped.0 + 8_192 <= last.0, "{dropped} of {last}");
    assert_eq!(kinds(&agent).len() as u64, last.0 - dropped.0 + 2);
    agent.consume("miles", 1).expect("it goes on");
    agent.verify().expect("all verifies");
    drop(agent);
    let agent = device.open();
    assert_eq!(dropped_to(&agent), Some(dropped));
    assert_eq!(agent.consume("miles", 1).expect("counts").total.get(), 2, "of another month");
    device.sync_with(&agent, lets);
    let whole = runs_of(&agent.report_all().expect("what is kept"));
    assert_eq!(
        (whole[0].span().last, whole[1].span().first),
        (Seq(2), dropped_to(&agent).expect("more").next())
    );
    agent.verify().expect("all verifies");
}
