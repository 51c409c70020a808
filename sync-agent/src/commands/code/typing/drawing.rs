//! How a code that is being typed is drawn: in the lines in which codes are shown, with what is missing and what is wrong.

use clap::builder::styling::{AnsiColor, Style};
use schemas::typed::GROUP_SYMBOLS;

use super::line::Line;
use schemas::typed::{GROUPS_A_LINE, Numbers};

/// A group that is to be typed again.
const WRONG: Style = AnsiColor::Red.on_default().underline();
/// Columns that the number of a line takes at most.
const NUMBER_COLUMNS: usize = 5;

/// The room on a terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// What is on the terminal, and where its cursor stands, both counted from 0.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Drawing {
    pub(super) lines: Vec<String>,
    pub(super) row: usize,
    pub(super) column: usize,
}

impl Drawing {
    /// Draws what stands, in fewer rows than there are, so that all of it can be drawn over: of a code that has more lines,
    /// those before the cursor.
    pub(super) fn of(line: &Line, room: Room) -> Self {
        let a_line =
            (room.columns.saturating_sub(NUMBER_COLUMNS) / (GROUP_SYMBOLS + 1)).clamp(1, GROUPS_A_LINE);
        let numbers = Numbers::of(line.groups().len(), a_line);
        let groups: Vec<String> = (0..line.groups().len()).map(|at| group(line, at)).collect();
        let mut lines: Vec<String> = groups
            .chunks(a_line)
            .zip(0..)
            .map(|(groups, at)| numbers.before(at) + &groups.join(" "))
            .collect();
        let (row, place) = (line.at() / a_line, line.at() % a_line);
        let before = &line.groups()[line.at() - place..line.at()];
        let before: usize = before.iter().map(|group| width(group) + 1).sum();
        let typed = line.groups()[line.at()].chars().count();
        let column = numbers.before(row).len() + before + typed;

        let note = line.note().map(|note| wrapped(note, room.columns)).unwrap_or_default();
        let most = room.rows.saturating_sub(note.len() + 1).max(1);
        let hidden = (row + 1).saturating_sub(most);
        lines = lines.into_iter().skip(hidden).take(most).chain(note).collect();
        Self { lines, row: row - hidden, column }
    }

    /// Draws what stands in the end: without what could follow, the cursor behind it.
    pub(super) fn ended(line: &Line, room: Room) -> Self {
        let mut drawing = Self::of(line, room);
        for line in &mut drawing.lines {
            line.truncate(line.trim_end_matches(['_', ' ']).len());
        }
        // A line in which nothing was typed has its number only.
        drawing.lines.retain(|line| line.trim_start().contains(' '));
        drawing.row = drawing.lines.len().saturating_sub(1);
        drawing
    }
}

/// A group as it stands, with the places that are still to be typed.
fn group(line: &Line, at: usize) -> String {
    let group = &line.groups()[at];
    let missing = "_".repeat(GROUP_SYMBOLS.saturating_sub(group.chars().count()));
    if line.is_wrong(at) { format!("{WRONG}{group}{WRONG:#}{missing}") } else { format!("{group}{missing}") }
}

fn width(group: &str) -> usize {
    group.chars().count().max(GROUP_SYMBOLS)
}

/// Text in lines that a terminal does not break.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() < columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use schemas::typed::Kind;

    use super::*;
    use crate::commands::code::sample;
    use crate::commands::code::typing::line::Key;
    use schemas::typed::Lines;

    const USUAL: Room = Room { columns: 80, rows: 24 };

    fn pasted(text: &str) -> Line {
        let mut line = Line::new(Kind::Unlock);
        assert_eq!(line.press(&Key::Pasted(text.to_owned())), None);
        line
    }

    fn plain(drawing: &Drawing) -> Vec<String> {
        drawing.lines.iter().map(|line| strip_str(line).to_string()).collect()
    }

    #[test]
    fn what_is_missing_of_a_group_is_shown_and_the_cursor_stands_before_it() {
        let drawing = Drawing::of(&Line::new(Kind::Unlock), USUAL);
        assert_eq!(drawing, Drawing { lines: vec![" 1  ______".to_owned()], row: 0, column: 4 });
        let code = sample(Kind::Unlock, 24).to_string();
        let drawing = Drawing::of(&pasted(&code[..7 * 6 + 2]), USUAL);
        assert_eq!(drawing.lines[1], format!(" 6  {} {}____", &code[35..41], &code[42..44]));
        assert_eq!((drawing.row, drawing.column), (1, 4 + 7 + 2));
    }

    #[test]
    fn a_code_that_is_ended_is_drawn_as_codes_are_shown() {
        for groups in [24, 25, 26, 101] {
            let code = sample(Kind::Unlock, groups);
            let drawing = Drawing::ended(&pasted(&code.to_string()), Room { columns: 80, rows: 50 });
            assert_eq!(drawing.lines.join("\n"), Lines(&code).to_string());
            assert_eq!(drawing.row, drawing.lines.len() - 1);
        }
    }

    #[test]
    fn a_wrong_group_stands_in_its_place_painted_and_is_named_below() {
        let code = sample(Kind::Unlock, 24);
        let text = code.to_string();
        let wrong = format!("{}ZZZZZZ{}", &text[..42], &text[48..]);
        let drawing = Drawing::of(&pasted(&wrong), USUAL);
        assert!(drawing.lines[1].contains(&format!("{WRONG}ZZZZZZ{WRONG:#}")));
        let shown = Lines(&code).to_string().replace(&text[42..48], "ZZZZZZ");
        assert_eq!(plain(&drawing)[..5].join("\n"), shown);
        assert!(drawing.lines[5].contains("group 7"));
        assert_eq!((drawing.row, drawing.column), (1, 4 + 7 + 6));
    }

    #[test]
    fn a_drawing_is_never_larger_than_the_room_and_holds_the_cursor() {
        let text = sample(Kind::Unlock, 160).to_string();
        for end in (0..text.len()).step_by(97) {
            let mut line = pasted(&text[..end]);
            assert_eq!(line.press(&Key::Typed('*')), None);
            for room in [USUAL, Room { columns: 30, rows: 8 }, Room { columns: 12, rows: 40 }] {
                let drawing = Drawing::of(&line, room);
                assert!(drawing.row < drawing.lines.len() && drawing.lines.len() < room.rows, "{drawing:?}");
                assert!(
                    plain(&drawing).iter().all(|line| line.chars().count() <= room.columns),
                    "{drawing:?}"
                );
                let row = &plain(&drawing)[drawing.row];
                assert_eq!(row.chars().nth(drawing.column), Some('_'), "{drawing:?}");
            }
        }
    }
}
