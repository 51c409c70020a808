//! Histories of a device whose state was copied, and what is told of them.

use schemas::event::Body;
use schemas::event::device::{AgentStarted, ClockNoted};
use schemas::ids::InstanceId;
use schemas::numbers::Micros;

use super::*;
use crate::fixture::{ISSUED, at};
use crate::merge::tests::world::{Device, World};

/// What one copy does after the parting: `s` starts, `u` uses, `n` notes a step of the clock; the number is the hour.
type Side = &'static [(char, u64)];

fn hour(hour: u64) -> Micros {
    Micros::new(at(ISSUED).get() + hour * 3_600_000_000)
}

fn act(device: &mut Device, side: Side, instance: u8) {
    for (what, when) in side {
        match what {
            'u' => device.consume(u64::from(instance)),
            's' => {
                let (instance, boot) = (InstanceId([instance; 16]), InstanceId([instance; 16]));
                device.push(Body::AgentStarted(AgentStarted { instance, boot }));
            }
            'n' => {
                let (expected, wall) = (hour(*when), hour(when + 48));
                device.push(Body::ClockNoted(ClockNoted { expected, wall }));
            }
            other => panic!("{other} is nothing that a device does"),
        }
        device.events.last_mut().expect("just pushed").at = hour(*when);
    }
}

/// The fork of a device with the given sides, merged in this order and in the other one.
fn forks(sides: &[Side]) -> Option<Fork> {
    let mut device = Device::new(1);
    device.consume(1);
    let copies: Vec<Device> = (2_u8..)
        .zip(sides)
        .map(|(instance, side)| {
            let mut copy = device.clone();
            act(&mut copy, side, instance);
            copy
        })
        .collect();
    let fork_of = |copies: &mut dyn Iterator<Item = &Device>| {
        let mut world = World::new(|_| ());
        copies.for_each(|copy| assert_eq!(world.merge(copy).refused, None));
        world.license.chains[&device.chain()].fork
    };
    let fork = fork_of(&mut copies.iter());
    assert_eq!(fork, fork_of(&mut copies.iter().rev()), "{sides:?}");
    fork
}

#[test]
fn what_histories_tell() {
    use Verdict::{Clone, Restored, Unknown};
    let table: &[(&str, &[Side], Verdict)] = &[
        ("a backup put back", &[&[('u', 1), ('u', 2)], &[('s', 5), ('u', 6)]], Restored),
        (
            "a backup put back, both copies started anew",
            &[&[('s', 1), ('u', 2)], &[('s', 5), ('u', 6)]],
            Restored,
        ),
        (
            "a machine's snapshot put back while the program ran",
            &[&[('u', 1), ('u', 2)], &[('u', 5)]],
            Restored,
        ),
        ("put back twice", &[&[('u', 1)], &[('s', 5), ('u', 6)], &[('s', 8)]], Restored),
        ("nothing but a start after the backup", &[&[('u', 1)], &[('s', 5)]], Restored),
        ("two containers from one image", &[&[('s', 1), ('u', 3)], &[('s', 2), ('u', 4)]], Clone),
        (
            "a copy that worked while the first one paused",
            &[&[('u', 1), ('u', 9)], &[('s', 3), ('u', 5)]],
            Clone,
        ),
        ("a copy that was used once meanwhile", &[&[('u', 1), ('u', 9)], &[('u', 5)]], Clone),
        ("a running machine that was doubled", &[&[('u', 1), ('u', 3)], &[('u', 2), ('u', 4)]], Clone),
        ("put back once, copied once", &[&[('u', 1), ('u', 3)], &[('s', 2), ('u', 4)], &[('s', 8)]], Clone),
        ("the first program went on after the copy ended", &[&[('u', 5)], &[('s', 1), ('u', 2)]], Unknown),
        ("both at the same moment", &[&[('u', 1)], &[('u', 1), ('u', 1)]], Unknown),
        ("one begins where the other ends", &[&[('u', 1), ('u', 3)], &[('s', 3), ('u', 4)]], Unknown),
        ("the clock was stepped on one side", &[&[('u', 1), ('n', 2)], &[('s', 5)]], Unknown),
        ("the clock was stepped on the other", &[&[('u', 1), ('u', 4)], &[('s', 2), ('n', 3)]], Unknown),
        (
            "put back once, and once it cannot be told",
            &[&[('u', 1)], &[('s', 5)], &[('u', 1), ('u', 1)]],
            Unknown,
        ),
    ];
    for (name, sides, expected) in table {
        assert_eq!(forks(sides).map(|fork| (fork.seq, fork.verdict)), Some((Seq(4), *expected)), "{name}");
    }
    assert_eq!(forks(&[&[('u', 1)], &[('u', 1), ('u', 2)]]).map(|fork| fork.verdict), Some(Unknown));
}

#[test]
fn a_history_that_goes_on_has_no_fork() {
    assert_eq!(forks(&[&[('u', 1)]]), None);
}
