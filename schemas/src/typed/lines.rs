//! A code in numbered lines: whoever types it finds the place again.
//!
//! ```text
//!  1  8TQG0S J6HB7K H6NWVD VR0ZW1 804N1A
//!  6  5WBCNG G0000S
//! ```

use std::borrow::Cow;
use std::fmt;

use super::TypedCode;

/// Groups of a line.
pub const GROUPS_A_LINE: usize = 5;

/// A code in lines of five groups, each with the number of its first group before it.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a>(pub &'a TypedCode);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.0.to_string();
        let groups: Vec<&str> = code.split('-').collect();
        let numbers = Numbers::of(groups.len(), GROUPS_A_LINE);
        for (line, at) in groups.chunks(GROUPS_A_LINE).zip(0..) {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{}{}", numbers.before(at), line.join(" "))?;
        }
        Ok(())
    }
}

/// The numbers before the lines of a code, one as wide as the other.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    a_line: usize,
    width: usize,
}

impl Numbers {
    /// Those of a code of `groups` groups that stand in lines of `a_line`.
    pub fn of(groups: usize, a_line: usize) -> Self {
        let last = groups.saturating_sub(1) / a_line * a_line + 1;
        Self { a_line, width: last.to_string().len().max(2) }
    }

    /// What stands before a line, counted from 0.
    pub fn before(self, line: usize) -> String {
        format!("{:>width$}  ", line * self.a_line + 1, width = self.width)
    }
}

/// What was copied as [`Lines`] show it from the group `first` on, without their numbers; any other text as it is.
///
/// The numbers would be read as symbols. No code is taken for one: as a number stands alone before a blank, and the first
/// symbol of a code is never `1`.
pub fn unnumbered(text: &str, first: usize) -> Cow<'_, str> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Option<Vec<&str>> = lines
        .zip((first..).step_by(GROUPS_A_LINE))
        .map(|(line, number)| {
            let (before, groups) = line.split_once(char::is_whitespace)?;
            (before == number.to_string()).then_some(groups)
        })
        .collect();
    lines.map_or(Cow::Borrowed(text), |lines| Cow::Owned(lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::typed::{BitWriter, Kind};

    fn code(groups: usize) -> TypedCode {
        let mut writer = BitWriter::new(Kind::Request);
        writer.uint(0x9_1a2b, 20);
        (1..groups).for_each(|group| writer.uint(group as u64 * 199_999, 25));
        writer.finish()
    }

    #[test]
    fn each_line_has_five_groups_and_the_number_of_its_first_one() {
        let code = code(7);
        let shown = Lines(&code).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        let groups = code.to_string().replace('-', " ");
        let expected = [format!(" 1  {}", &groups[..34]), format!(" 6  {}", &groups[35..])];
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_groups_stand_in_columns_whatever_their_number() {
        for groups in [1, 5, 6, 24, 100, 101, 160] {
            let code = code(groups);
            let shown = Lines(&code).to_string();
            let starts: Vec<usize> = shown.lines().filter_map(|line| Some(line.rfind("  ")? + 2)).collect();
            assert_eq!(starts.len(), groups.div_ceil(GROUPS_A_LINE));
            assert!(starts.iter().all(|start| *start == if groups > 100 { 5 } else { 4 }), "{shown}");
        }
    }

    #[test]
    fn what_was_copied_with_its_numbers_is_read_without_them() {
        for groups in [1, 5, 6, 24, 160] {
            let code = code(groups);
            let shown = Lines(&code).to_string();
            for copied in [shown.clone(), shown.replace('\n', "\r\n\r\n"), shown.replace("  ", "\t") + "\n"] {
                assert_eq!(TypedCode::read(None, &unnumbered(&copied, 1)).as_ref(), Ok(&code), "{copied}");
            }
        }
    }

    #[test]
    fn text_without_such_numbers_is_left_as_it_is() {
        for text in ["8TQG0S J6HB7K", "8TQG0S-J6HB7K", "1 8TQG0S\n7 J6HB7K", "1", "", "6  8TQG0S"] {
            assert_eq!(unnumbered(text, 1).trim(), text);
        }
    }
}
