//! Units that stay out with a device whose activation ended, as commands tell them, with the way out.

use std::fmt;

use crate::shown::stranded::Stranded;
use crate::shown::words;

/// Periods of one device that are told one by one.
const TOLD: usize = 3;

/// Says who holds what, and the way out: a line for each device.
pub(super) fn tell(stranded: &[Stranded], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for of_device in stranded.chunk_by(|one, next| one.chain == next.chain) {
        let Stranded { released, .. } = of_device[0];
        let chain = words::short(&of_device[0].chain);
        let units: Vec<String> = of_device
            .iter()
            .take(TOLD)
            .map(|Stranded { units, feature, period, .. }| format!("{units} of {feature} in {period}"))
            .collect();
        let more = of_device.len().checked_sub(TOLD).filter(|more| *more > 0);
        let more = more.map_or_else(String::new, |more| format!(" and of {more} more periods"));
        write!(f, "\n{chain} was released ({released}) and still holds {}{more}:", units.join(", "))?;
        write!(f, "\n  `counterfoil activation write-off {chain}` frees them{}", of_device[0].when())?;
    }
    if stranded.is_empty() { Ok(()) } else { f.write_str("\n") }
}

/// The same as a text; nothing where there is nothing to say.
pub(crate) fn told(stranded: &[Stranded]) -> Option<String> {
    let told = fmt::from_fn(|f| tell(stranded, f)).to_string();
    Some(told.trim().to_owned()).filter(|told| !told.is_empty())
}

impl Stranded {
    fn when(&self) -> String {
        match self.write_off_from {
            _ if self.is_silent => String::new(),
            Some(from) => format!(" from {} on, or now with `--override`", words::second(from)),
            None => " with `--override`".to_owned(),
        }
    }
}
