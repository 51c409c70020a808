//! Debts that a restore brought, as commands tell them, with the ways out.

use std::fmt;

use crate::shown::debts::{Debt, Unheard};
use crate::shown::words;

impl Unheard {
    fn in_words(&self) -> String {
        let chain = words::short(&self.chain);
        let frees = format!("`counterfoil activation write-off {chain}");
        match self.silent_from.map(words::second) {
            Some(from) if self.is_awaited => {
                format!("may report until {from}; {frees}` frees them from then on, or now with `--override`")
            }
            Some(from) => format!("should have reported until {from}; {frees}` frees them"),
            None => format!("has no deadline; {frees} --override` frees them"),
        }
    }
}

impl fmt::Display for Debt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { feature, period, lacking, taken_back, .. } = self;
        write!(
            f,
            "{lacking} of {feature} in {period} are lacking, {taken_back} of them by licence files that the restore had lost."
        )?;
        for unheard in &self.unheard {
            let (chain, held) = (words::short(&unheard.chain), unheard.held);
            write!(f, "\n  {chain} holds {held}, did not report since, and {}", unheard.in_words())?;
        }
        let asked = if self.waits {
            "when all of these reported or are overdue"
        } else {
            "with the next licence files"
        };
        write!(f, "\n  Devices are asked to return them {asked}; ")?;
        write!(f, "`counterfoil license change {} --quota {}` ends it now", self.license, self.enough)
    }
}
