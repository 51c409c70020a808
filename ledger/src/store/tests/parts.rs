//! Reports in parts, each acknowledged before the next.

use schemas::bundle::Bundle;
use schemas::grant::Ack;
use schemas::ids::Link;

use super::*;
use crate::chain::Head;

const MOST: usize = 16 * 1024;

/// The places that the run of a part spans, and where it ends.
fn span(bundle: &Bundle) -> (u64, u64, Head) {
    let runs: Vec<_> = bundle.runs.iter().map(|run| run::verify_device(run).expect("a good run")).collect();
    let span = runs[0].span();
    (span.first.0, span.last.0, runs[0].head())
}

#[test]
fn parts_hold_all_that_a_report_holds_and_each_begins_where_the_last_was_acknowledged() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    writer.append_all((0..500).map(|_| miles(1, None)).collect(), now());
    let target = writer.device().expect("readable").head().seq;
    let (mut next, mut parts) = (1, 0);
    while next <= target.0 {
        let (bundle, stretch) = shelf.read().part(MOST, None).expect("reports");
        assert!(bundle.encode().len() < MOST + 4 * 1024, "{}", bundle.encode().len());
        let (first, last, head) = span(&bundle);
        assert_eq!((first, stretch.first.0, stretch.last.0), (next, next, last));
        assert_eq!(stretch.reaches_head, last >= target.0);
        assert_eq!(stretch.acknowledged(Seq(first)), 1);
        parts += 1;
        apply(&writer, grant(1 + parts, |body| body.ack = head.into())).expect("applies");
        next = last + 1;
    }
    assert!(parts > 2, "{parts}");
}

#[test]
fn a_part_holds_one_event_however_little_it_may_hold() {
    let shelf = Shelf::activated();
    let (bundle, stretch) = shelf.read().part(0, None).expect("reports");
    assert_eq!((span(&bundle).0, span(&bundle).1, bundle.attachments.len()), (1, 1, 1));
    assert!(!stretch.reaches_head);
}

#[test]
fn a_part_follows_what_was_heard_only_where_it_is_this_history() {
    let shelf = Shelf::activated();
    let (whole, stretch) = shelf.read().part(MOST, None).expect("reports");
    let run = run::verify_device(&whole.runs[0]).expect("a good run");
    let heard = Ack { seq: Seq(2), link: run.link_at(Seq(2)).expect("in the run") };
    let first = |ack| shelf.read().part(MOST, Some(ack)).expect("reports").1.first;
    assert_eq!(first(heard), Seq(3));
    assert_eq!(first(Ack { link: Link([1; 32]), ..heard }), stretch.first);
    assert_eq!(first(Ack { seq: stretch.last.next(), ..heard }), stretch.first);
    assert_eq!(first(Ack::NONE), Seq(1));
}

#[test]
fn a_part_of_nothing_new_is_the_last_event_again() {
    let shelf = Shelf::activated();
    let writer = shelf.write();
    writer.append(Command::Close, now()).expect("closes");
    let head = writer.device().expect("readable").head();
    apply(&writer, grant(2, |body| body.ack = head.into())).expect("the receipt");
    let (bundle, stretch) = shelf.read().part(MOST, None).expect("reports");
    assert_eq!(span(&bundle), (head.seq.0, head.seq.0, head));
    assert!(stretch.reaches_head);
    assert_eq!(stretch.acknowledged(head.seq), 0);
}
