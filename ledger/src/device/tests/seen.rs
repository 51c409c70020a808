//! Tests of coming back to a chain.

use super::*;

const HOUR: Seconds = Seconds(3_600);
/// What a clock shows that once stood wrong.
const WRONG: &str = "2027-06-01T00:00:00Z";

/// The time of `device` for a process that left the chain as `seen` and opens it again ten hours later, by a clock that stands
/// far back.
fn ten_hours_later(device: &Device, seen: Option<&Seen>) -> Micros {
    let mut opened = device.clone();
    opened.set_mark(Mark::kept(device.saved().mark, device.saved().behind));
    let reading = Reading { wall: at("2020-01-01"), monotonic: 10 * HOUR.micros() };
    opened.go_on(seen, reading);
    opened.snapshot().mark.time(reading)
}

#[track_caller]
fn goes_on(device: &Device, seen: &Seen) {
    let left_at = seen.mark.at().max(at(ISSUED));
    assert_eq!(ten_hours_later(device, Some(seen)), left_at + Seconds(10 * HOUR.0));
}

#[track_caller]
fn begins_at_the_kept_mark(device: &Device, seen: &Seen) {
    assert_eq!(ten_hours_later(device, Some(seen)), device.saved().mark);
}

fn note_at(device: &mut Device, wall: &str) -> Seq {
    let noted = decide(device, &Command::Note, wall).expect("notes");
    assert_eq!(carry_out(device, noted).last(), Some(&"clock.noted"));
    device.head().seq
}

/// Applies the grant numbered `number` that acknowledges `seq`, at the time at which the licence was issued.
fn apply_acknowledging(device: &mut Device, number: u64, seq: Seq) {
    let acknowledging = |grant: &mut VerifiedGrant| grant.body.ack = Ack { seq, link: link(seq) };
    apply_at(device, offered(number, acknowledging), ISSUED).expect("applies");
}

#[test]
fn the_time_since_a_process_left_counts_whatever_others_recorded() {
    let mut device = activated();
    let seen = device.seen();
    assert_eq!(ten_hours_later(&device, None), at(ISSUED));
    goes_on(&device, &seen);
    consume_at(&mut device, consume("miles", 1), "2026-11-24T11:00:00Z").expect("counts");
    goes_on(&device, &seen);
    consume_at(&mut device, consume("miles", 1), "2026-11-25T00:00:00Z").expect("counts");
    assert_eq!(ten_hours_later(&device, Some(&seen)), at("2026-11-25T00:00:00Z"));
}

#[test]
fn a_grant_that_cures_nothing_takes_no_time() {
    let mut device = activated();
    let seen = device.seen();
    // Put aside and applied one after the other, they are about what was recorded before.
    for number in 2..10 {
        apply_acknowledging(&mut device, number, seen.head);
        goes_on(&device, &seen);
    }
    // Nor does one that does not know of the note that waits.
    let mut device = activated();
    let noted = note_at(&mut device, WRONG);
    let seen = device.seen();
    apply_acknowledging(&mut device, 2, Seq(noted.0 - 1));
    assert_eq!(ten_hours_later(&device, Some(&seen)), at(WRONG) + Seconds(10 * HOUR.0));
}

#[test]
fn a_cure_stays_whatever_was_seen_before() {
    // Of a note that waited.
    let mut device = activated();
    let noted = note_at(&mut device, WRONG);
    let seen = device.seen();
    goes_on(&device, &seen);
    apply_acknowledging(&mut device, 2, noted);
    assert_eq!(device.saved().mark, at(ISSUED));
    begins_at_the_kept_mark(&device, &seen);
    // Of one that others made in between, and of one before another that waits now.
    let mut device = activated();
    let seen = device.seen();
    let noted = note_at(&mut device, WRONG);
    apply_acknowledging(&mut device, 2, noted);
    begins_at_the_kept_mark(&device, &seen);
    note_at(&mut device, "2026-12-24T00:00:00Z");
    begins_at_the_kept_mark(&device, &seen);
    // Whoever comes after it goes on again.
    let seen = device.seen();
    assert_eq!(ten_hours_later(&device, Some(&seen)), at("2026-12-24T10:00:00Z"));
}

#[test]
fn a_cure_of_a_closed_chain_stays() {
    let mut device = activated();
    let noted = note_at(&mut device, WRONG);
    let close = decide(&device, &Command::Close, WRONG).expect("closes");
    assert_eq!(carry_out(&mut device, close), ["chain.closed"]);
    let seen = device.seen();
    goes_on(&device, &seen);
    apply_acknowledging(&mut device, 2, noted);
    begins_at_the_kept_mark(&device, &seen);
}

#[test]
fn a_vendor_that_went_back_to_an_older_ledger_may_have_cured_what_it_does_not_know_any_more() {
    let mut device = activated();
    let noted = note_at(&mut device, WRONG);
    let seen = device.seen();
    apply_acknowledging(&mut device, 2, noted);
    let lost_it = |grant: &mut VerifiedGrant| {
        grant.body.epoch = Epoch(1);
        grant.body.ack = Ack { seq: Seq(2), link: link(Seq(2)) };
    };
    apply_at(&mut device, offered(1, lost_it), ISSUED).expect("applies");
    begins_at_the_kept_mark(&device, &seen);
}

#[test]
fn an_older_copy_of_a_chain_takes_no_time_back_and_another_chain_has_its_own() {
    let mut device = activated();
    let copy = device.clone();
    let head = device.head().seq;
    apply_acknowledging(&mut device, 2, head);
    consume_at(&mut device, consume("miles", 1), "2026-11-24T15:00:00Z").expect("counts");
    let mut seen = device.seen();
    seen.mark = Mark::new(Reading { wall: at("2026-11-24T15:00:00Z"), monotonic: 9 * HOUR.micros() });
    assert_eq!(ten_hours_later(&copy, Some(&seen)), at("2026-11-24T16:00:00Z"));
    seen.chain = ChainId([8; 32]);
    assert_eq!(ten_hours_later(&device, Some(&seen)), device.saved().mark);
}
