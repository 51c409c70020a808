//! Histories of a device whose state was copied, and what is told of them.

use schemas::event::Body;
use schemas::event::device::{AgentStarted, ClockNoted};
use schemas::ids::InstanceId;
use schemas::numbers::Micros;

use super::*;
use crate::fixture::{ISSUED, at};
use crate::merge::tests::world::{Device, World};

/// What a device does, and the hour of its effective time: `s` starts, `u` uses, `f` notes that the clock went forward
/// since the event before, `b` notes that it stands two days behind.
type Side = &'static [(char, u64)];

fn hour(hour: u64) -> Micros {
    Micros::new(at(ISSUED).get() + hour * 3_600_000_000)
}

fn act(device: &mut Device, side: Side, instance: u8) {
    for (what, when) in side {
        let now = hour(*when);
        match what {
            'u' => device.consume(u64::from(instance)),
            's' => {
                let (instance, boot) = (InstanceId([instance; 16]), InstanceId([instance; 16]));
                device.push(Body::AgentStarted(AgentStarted { instance, boot }));
            }
            'f' => {
                let mut earlier = device.events.iter().map(|event| event.at).rev();
                let expected = earlier.find(|at| *at < now).expect("the chain was opened before");
                device.push(Body::ClockNoted(ClockNoted { expected, wall: now }));
            }
            'b' => {
                let wall = Micros::new(now.get() - hour(48).since(hour(0)));
                device.push(Body::ClockNoted(ClockNoted { expected: now, wall }));
            }
            other => panic!("{other} is nothing that a device does"),
        }
        device.events.last_mut().expect("just pushed").at = now;
    }
}

/// The fork of a device with the given sides after what all of them share, merged in this order and in the other one.
fn forks(shared: Side, sides: &[Side]) -> Option<Fork> {
    let mut device = Device::new(1);
    device.consume(1);
    act(&mut device, shared, 1);
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

/// A history's name, its sides from the parting on, and what they tell.
type History = (&'static str, &'static [Side], Verdict);

fn tell(shared: Side, table: &[History]) {
    for (name, sides, expected) in table {
        let parting = Seq(4 + shared.len() as u64);
        let fork = forks(shared, sides).map(|fork| (fork.seq, fork.verdict));
        assert_eq!(fork, Some((parting, *expected)), "{name}");
    }
}

#[test]
fn what_histories_tell() {
    use Verdict::{Clone, Restored, Unknown};
    tell(
        &[],
        &[
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
            (
                "put back once, copied once",
                &[&[('u', 1), ('u', 3)], &[('s', 2), ('u', 4)], &[('s', 8)]],
                Clone,
            ),
            (
                "the first program went on after the copy ended",
                &[&[('u', 5)], &[('s', 1), ('u', 2)]],
                Unknown,
            ),
            ("both at the same moment", &[&[('u', 1)], &[('u', 1), ('u', 1)]], Unknown),
            ("one begins where the other ends", &[&[('u', 1), ('u', 3)], &[('s', 3), ('u', 4)]], Unknown),
            (
                "put back once, and once it cannot be told",
                &[&[('u', 1)], &[('s', 5)], &[('u', 1), ('u', 1)]],
                Unknown,
            ),
        ],
    );
}

#[test]
fn what_histories_tell_whose_clocks_were_stepped() {
    use Verdict::{Clone, Restored, Unknown};
    tell(
        &[],
        &[
            (
                "a backup put back after three days",
                &[&[('s', 1), ('u', 2)], &[('s', 74), ('f', 74), ('u', 75)]],
                Restored,
            ),
            (
                "a running machine's snapshot put back after three days",
                &[&[('u', 1), ('u', 2)], &[('f', 74), ('u', 74)]],
                Restored,
            ),
            (
                "put back after a weekend at rest",
                &[&[('u', 1), ('s', 60), ('f', 60), ('u', 61)], &[('s', 100), ('f', 100), ('u', 101)]],
                Restored,
            ),
            (
                "put back, and at rest for weekends since",
                &[&[('s', 1)], &[('s', 50), ('f', 50), ('u', 51), ('s', 200), ('f', 200), ('u', 201)]],
                Restored,
            ),
            (
                "an image started days later, while the first one worked on",
                &[&[('u', 1), ('u', 100)], &[('s', 74), ('f', 74), ('u', 80)]],
                Clone,
            ),
            (
                "two copies at work, and both at rest for the weekend",
                &[
                    &[('s', 1), ('u', 3), ('s', 60), ('f', 60)],
                    &[('s', 2), ('u', 4), ('s', 61), ('f', 61), ('u', 62)],
                ],
                Clone,
            ),
            (
                "a copy with its clock set forward, and the first one worked past that",
                &[&[('u', 1), ('u', 100)], &[('s', 50), ('f', 50), ('u', 51)]],
                Clone,
            ),
            (
                "a copy with its clock set years ahead: it seems to have begun when the first one had ended",
                &[&[('u', 1), ('u', 100)], &[('s', 90_000), ('f', 90_000), ('u', 90_001)]],
                Restored,
            ),
            (
                "work on both sides of the other's, if a step forward was true",
                &[&[('u', 1), ('s', 70), ('f', 70), ('u', 71)], &[('s', 30), ('f', 30), ('u', 40)]],
                Unknown,
            ),
            (
                "put back because the clock stood years ahead",
                &[&[('u', 1), ('f', 90_000), ('u', 90_001)], &[('s', 5), ('u', 6)]],
                Unknown,
            ),
            (
                "the clock was set back before the backup was put back",
                &[&[('u', 1), ('b', 2)], &[('s', 5)]],
                Unknown,
            ),
            (
                "put back on a machine with a dead battery",
                &[&[('u', 2)], &[('s', 1), ('b', 1), ('u', 1)]],
                Unknown,
            ),
            ("the clock was set back afterwards", &[&[('u', 1)], &[('s', 5), ('u', 6), ('b', 7)]], Unknown),
            ("a file set a clock right that stood ahead", &[&[('u', 50), ('u', 3)], &[('s', 60)]], Unknown),
        ],
    );
}

#[test]
fn what_histories_tell_whose_clock_stood_behind_when_they_parted() {
    tell(
        &[('b', 1)],
        &[
            (
                "times are held, so their order tells nothing",
                &[&[('u', 2), ('u', 5)], &[('s', 3), ('u', 4)]],
                Verdict::Unknown,
            ),
            ("nor would it after a restore", &[&[('u', 2)], &[('s', 3), ('u', 4)]], Verdict::Unknown),
        ],
    );
    tell(
        &[('b', 1), ('f', 60)],
        &[("the battery was replaced before", &[&[('u', 61)], &[('s', 65), ('u', 66)]], Verdict::Restored)],
    );
}

#[test]
fn a_step_that_both_sides_share_tells_nothing_of_either() {
    tell(
        &[('f', 60)],
        &[("copied afterwards", &[&[('u', 61), ('u', 64)], &[('s', 62), ('u', 65)]], Verdict::Clone)],
    );
}

#[test]
fn a_history_that_goes_on_has_no_fork() {
    assert_eq!(forks(&[], &[&[('u', 1)]]), None);
}
