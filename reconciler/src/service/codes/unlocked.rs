//! What the vendor answers a code, in words, and the unlock code that says it: in numbered groups to be read off, as text, and
//! as a picture.

use schemas::codes::Code;
use schemas::grant::GrantStatus;
use schemas::period;
use schemas::typed::{GROUPS_A_LINE, TypedCode};

use crate::service::html::list::List;
use crate::service::html::page::moment;
use crate::service::html::picture::Picture;
use crate::service::portal::{heading, until};
use crate::vendor::codes::AnsweredCode;

const REPEATED: &str =
    "This code was answered before. The answer is the same, and nothing was counted twice.";
const CLOSED: &str = "The device has ended its activation for good. What it told is taken in.";

/// The answer to a code.
#[derive(Debug)]
pub(in crate::service) struct Unlocked {
    /// The licence.
    pub(in crate::service) license: String,
    /// The device's chain.
    pub(in crate::service) chain: String,
    /// What the device is told.
    pub(in crate::service) heading: &'static str,
    /// Whether that is as it was meant: the device may work, or has ended its activation itself.
    pub(in crate::service) is_granted: bool,
    /// Why it may not.
    pub(in crate::service) why_not: Option<Code>,
    /// What is to be known beside.
    pub(in crate::service) notes: Vec<String>,
    /// The particulars.
    pub(in crate::service) facts: Vec<(&'static str, String)>,
    /// What a return code told: feature, period, units.
    pub(in crate::service) usage: List<(String, String, u64)>,
    /// The unlock code in lines.
    pub(in crate::service) lines: Vec<Line>,
    /// How many groups it has.
    pub(in crate::service) groups: usize,
    /// The same as text.
    pub(in crate::service) text: String,
    /// The same as a picture.
    pub(in crate::service) picture: Option<Picture>,
}

/// A line of groups.
#[derive(Debug, Eq, PartialEq)]
pub(in crate::service) struct Line {
    /// The number of the first of them.
    pub(in crate::service) first: usize,
    /// The groups.
    pub(in crate::service) groups: Vec<String>,
}

impl Unlocked {
    /// Tells an answer.
    pub(in crate::service) fn of(answered: &AnsweredCode) -> Self {
        let text = answered.unlock.to_string();
        let usage = answered.usage.iter();
        let usage = usage.map(|used| (used.feature.to_string(), used.period.to_string(), used.total.get()));
        Self {
            license: answered.license.to_string(),
            chain: answered.chain.to_string(),
            heading: heading(answered.status),
            is_granted: answered.status == GrantStatus::Active || answered.closing,
            why_not: why_not(answered),
            notes: notes(answered),
            facts: facts(answered),
            usage: List::of(usage),
            lines: lines(&answered.unlock),
            groups: answered.unlock.groups(),
            picture: Picture::of(&text),
            text,
        }
    }
}

fn notes(answered: &AnsweredCode) -> Vec<String> {
    let known = [(answered.is_repeat, REPEATED), (answered.closing, CLOSED)];
    let known = known.into_iter().filter(|(holds, _)| *holds).map(|(_, note)| note.to_owned());
    let untold = answered.untold.iter().map(|day| {
        let day = period::day_text(period::day(*day));
        format!(
            "What was used up to {day} was not told. The date of the next code stays until the device shows a code for that day \
             (counterfoil-agent report --code --day {day}) and it is typed here."
        )
    });
    known.chain(untold).collect()
}

/// Why a device may not work any more, unless it wants to stop itself.
fn why_not(answered: &AnsweredCode) -> Option<Code> {
    match answered.status {
        GrantStatus::Active | GrantStatus::Denied => None,
        GrantStatus::Suspended => Some(Code::LicenseSuspended),
        GrantStatus::Revoked => Some(Code::LicenseRevoked),
        GrantStatus::Released => (!answered.closing).then_some(Code::Released),
    }
}

fn facts(answered: &AnsweredCode) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Policy", answered.policy.to_string())];
    if answered.status == GrantStatus::Active {
        facts.push(("Valid until", until(answered.valid_until)));
        facts.extend(answered.sync_by.map(|by| ("Next code by", moment(by))));
    }
    facts
}

/// The groups of a code, some to a line.
pub(in crate::service) fn lines(code: &TypedCode) -> Vec<Line> {
    let text = code.to_string();
    let groups: Vec<String> = text.split('-').map(str::to_owned).collect();
    let firsts = (1..).step_by(GROUPS_A_LINE);
    groups
        .chunks(GROUPS_A_LINE)
        .zip(firsts)
        .map(|(groups, first)| Line { first, groups: groups.to_vec() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_counted_through_all_lines() {
        let text = "G60FNF-22DD0H-0002G7-0000GT-KR9K6X-CSK6CK-SK6CSC-K6CSKN-6CSK63-CSK075-YSZZZC-ZZZZZZ-ZZV81K-EPN94A-2J5G5R-EG0809";
        let code = TypedCode::read(None, text).expect("a code");
        let lines = lines(&code);
        let firsts: Vec<(usize, usize)> = lines.iter().map(|line| (line.first, line.groups.len())).collect();
        assert_eq!(firsts, [(1, 5), (6, 5), (11, 5), (16, 1)]);
        assert_eq!(lines[1].groups[0], "CSK6CK");
        assert_eq!(lines.iter().flat_map(|line| &line.groups).cloned().collect::<Vec<_>>().join("-"), text);
    }
}
