//! What stands in the way, as a page tells it.

use schemas::codes::Code;
use schemas::refusal::Refusal;

use crate::service::problem::told;

/// A refusal in words.
#[derive(Clone, Debug)]
pub(in crate::service) struct Trouble {
    /// The stable code.
    pub(in crate::service) code: Code,
    /// One sentence.
    pub(in crate::service) title: String,
    /// What happened in this case; may be empty.
    pub(in crate::service) detail: String,
    /// What it means.
    pub(in crate::service) meaning: &'static str,
    /// What to do.
    pub(in crate::service) way_out: &'static str,
}

impl Trouble {
    /// A refusal in words, with the way out that the code's table tells.
    pub(in crate::service) fn of(refusal: &Refusal) -> Self {
        let code = refusal.code();
        let entry = code.entry();
        Self {
            code,
            title: sentence(entry.title),
            detail: told(refusal).to_owned(),
            meaning: entry.meaning,
            way_out: entry.hint,
        }
    }

    /// The same in the words of pages for certain people, where those have their own for its code.
    #[must_use]
    pub(in crate::service) fn in_words(
        mut self,
        meaning: fn(Code) -> Option<&'static str>,
        way_out: fn(Code) -> Option<&'static str>,
    ) -> Self {
        self.meaning = meaning(self.code).unwrap_or(self.meaning);
        self.way_out = way_out(self.code).unwrap_or(self.way_out);
        self
    }

    /// The same with another way out.
    #[must_use]
    pub(in crate::service) fn with(mut self, way_out: &'static str) -> Self {
        self.way_out = way_out;
        self
    }

    /// What to do, in parts.
    pub(in crate::service) fn way_out_in_parts(&self) -> impl Iterator<Item = (bool, &'static str)> {
        in_parts(self.way_out)
    }
}

/// A text of the table of codes in parts, each with whether it is a word to type: those stand between backticks.
pub(in crate::service) fn in_parts(text: &str) -> impl Iterator<Item = (bool, &str)> {
    text.split('`').enumerate().map(|(at, part)| (at % 2 == 1, part))
}

/// A code's title as a sentence.
pub(in crate::service) fn sentence(title: &str) -> String {
    let mut symbols = title.chars();
    let first = symbols.next().into_iter().flat_map(char::to_uppercase);
    first.chain(symbols).chain(['.']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_to_type_are_told_from_the_others() {
        let parts: Vec<_> = in_parts("See `a b`, then `c`").collect();
        let expected = [(false, "See "), (true, "a b"), (false, ", then "), (true, "c"), (false, "")];
        assert_eq!(parts, expected);
        assert_eq!(in_parts("See it.").collect::<Vec<_>>(), [(false, "See it.")]);
    }
}
