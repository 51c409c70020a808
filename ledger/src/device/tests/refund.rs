//! Tests of taking units off a consumption again.

use super::*;

fn refund_at(device: &mut Device, of: Consumed, n: u64, time: &str) -> Result<Vec<&'static str>, Code> {
    let refund = Command::Refund(Refund { of, n: Amount::new(n).expect("in range") });
    let decision = decide(device, &refund, time).map_err(|error| error.code())?;
    Ok(carry_out(device, decision))
}

#[test]
fn refunded_units_can_be_used_again_and_the_total_stays_gross() {
    let mut device = activated();
    let debit = consume_at(&mut device, consume("render", 100), ISSUED).expect("counts");
    assert_eq!(consume_at(&mut device, consume("render", 1), ISSUED), Err(Code::QuotaExhausted));
    assert_eq!(refund_at(&mut device, debit, 40, ISSUED), Ok(vec!["feature.refunded"]));
    assert_eq!(device.left(), [40, 100]);
    let again = consume_at(&mut device, consume("render", 40), ISSUED).expect("they are left again");
    assert_eq!(again.total.get(), 140);
    assert_eq!(consume_at(&mut device, consume("render", 1), ISSUED), Err(Code::QuotaExhausted));
}

#[test]
fn no_more_is_refunded_than_was_counted() {
    let mut device = activated();
    consume_at(&mut device, consume("render", 50), ISSUED).expect("counts");
    let debit = consume_at(&mut device, consume("render", 10), ISSUED).expect("counts");
    let refused = Err(Code::RefundMismatch);
    assert_eq!(refund_at(&mut device, debit, 11, ISSUED), refused, "more than the consumption");
    let later = Consumed { seq: device.head().seq.next(), ..debit };
    assert_eq!(refund_at(&mut device, later, 1, ISSUED), refused, "no such consumption");
    let elsewhere = Consumed { period: debit.period.next(), ..debit };
    assert_eq!(refund_at(&mut device, elsewhere, 1, ISSUED), refused, "another period");
}

#[test]
fn a_refund_goes_on_when_the_licence_has_ended_but_not_after_the_chain() {
    let mut device = activated();
    let debit = consume_at(&mut device, consume("render", 10), ISSUED).expect("counts");
    refund_at(&mut device, debit, 1, "2029-01-01").expect("an expired licence");
    let close = decide(&device, &Command::Close, "2029-01-01").expect("closes");
    carry_out(&mut device, close);
    assert_eq!(refund_at(&mut device, debit, 1, "2029-01-01"), Err(Code::Deactivated));
}
