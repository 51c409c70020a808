//! What a terminal tells, as keys.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use schemas::typed::GROUP_SYMBOLS;

use super::line::Key;

/// What happened at the terminal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Happened {
    Pressed(Key),
    /// Whoever types wants the program to end.
    Interrupted,
    /// Something that only asks for the drawing to be made anew, if for anything.
    Other,
}

impl Happened {
    pub(super) fn of(event: Event) -> Self {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => Self::pressed(key),
            Event::Paste(text) => Self::Pressed(Key::Pasted(text)),
            _ => Self::Other,
        }
    }

    fn pressed(KeyEvent { code, modifiers, .. }: KeyEvent) -> Self {
        let is_control = modifiers.contains(KeyModifiers::CONTROL);
        Self::Pressed(match code {
            KeyCode::Char('c') if is_control => return Self::Interrupted,
            // What some terminals send for the key that goes back, and for the one that ends; and the end of all input.
            KeyCode::Char('h') if is_control => Key::Back,
            KeyCode::Char('j' | 'm' | 'd') if is_control => Key::Enter,
            KeyCode::Char(typed) if !is_control && !modifiers.contains(KeyModifiers::ALT) => {
                Key::Typed(typed)
            }
            KeyCode::Tab => Key::Typed('\t'),
            KeyCode::Backspace => Key::Back,
            KeyCode::Enter => Key::Enter,
            _ => return Self::Other,
        })
    }
}

/// Makes one paste of more symbols than a group has that were there at once: nobody types so fast, and not every terminal
/// tells what is pasted. The end of a line stands for a blank in it, if more follows.
pub(super) fn together(happened: &[Happened]) -> Vec<Happened> {
    let is_text = |happened: &Happened| matches!(happened, Happened::Pressed(Key::Typed(_) | Key::Enter));
    let mut all = Vec::new();
    for run in happened.chunk_by(|one, next| is_text(one) && is_text(next)) {
        let end = run.iter().rposition(|it| *it != Happened::Pressed(Key::Enter)).map_or(0, |last| last + 1);
        let (text, ends) = run.split_at(end);
        let pasted: String = text.iter().filter_map(character).collect();
        if pasted.chars().count() > GROUP_SYMBOLS {
            all.push(Happened::Pressed(Key::Pasted(pasted)));
        } else {
            all.extend_from_slice(text);
        }
        all.extend_from_slice(ends);
    }
    all
}

fn character(happened: &Happened) -> Option<char> {
    match happened {
        Happened::Pressed(Key::Typed(typed)) => Some(*typed),
        Happened::Pressed(Key::Enter) => Some('\n'),
        Happened::Pressed(Key::Pasted(_) | Key::Back) | Happened::Interrupted | Happened::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(code: KeyCode, modifiers: KeyModifiers) -> Happened {
        Happened::of(Event::Key(KeyEvent::new(code, modifiers)))
    }

    fn typed(text: &str) -> Vec<Happened> {
        let key = |typed| if typed == '\r' { Key::Enter } else { Key::Typed(typed) };
        text.chars().map(|typed| Happened::Pressed(key(typed))).collect()
    }

    fn pasted(text: &str) -> Happened {
        Happened::Pressed(Key::Pasted(text.to_owned()))
    }

    #[test]
    fn keys_are_what_terminals_send_for_them() {
        let control = |key| pressed(KeyCode::Char(key), KeyModifiers::CONTROL);
        assert_eq!(control('c'), Happened::Interrupted);
        assert_eq!(control('h'), Happened::Pressed(Key::Back));
        for end in ['j', 'm', 'd'] {
            assert_eq!(control(end), Happened::Pressed(Key::Enter));
        }
        assert_eq!(control('a'), Happened::Other);
        let plain = |code| pressed(code, KeyModifiers::SHIFT);
        assert_eq!(plain(KeyCode::Char('A')), Happened::Pressed(Key::Typed('A')));
        assert_eq!(plain(KeyCode::Backspace), Happened::Pressed(Key::Back));
        assert_eq!(plain(KeyCode::Left), Happened::Other);
        assert_eq!(pressed(KeyCode::Char('a'), KeyModifiers::ALT), Happened::Other);
    }

    #[test]
    fn more_than_a_group_at_once_was_pasted_and_a_group_was_typed() {
        assert_eq!(together(&typed("C0000P")), typed("C0000P"));
        assert_eq!(together(&typed("C0000P\r")), typed("C0000P\r"));
        assert_eq!(together(&typed("C0000P8")), [pasted("C0000P8")]);
        assert_eq!(together(&typed("\r\r")), typed("\r\r"));
        let ended = [pasted("C0000P\n80GKNZ"), Happened::Pressed(Key::Enter)];
        assert_eq!(together(&typed("C0000P\r80GKNZ\r")), ended);
    }

    #[test]
    fn what_is_no_text_parts_what_was_pasted() {
        for between in [Happened::Interrupted, Happened::Pressed(Key::Back), pasted("8"), Happened::Other] {
            let happened = [typed("C0000P80"), vec![between.clone()], typed("8")].concat();
            assert_eq!(together(&happened), [vec![pasted("C0000P80"), between], typed("8")].concat());
        }
    }
}
