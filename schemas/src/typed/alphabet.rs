//! The symbols of codes (Crockford's Base32), and what a reader passes over.

const SYMBOLS: [char; 32] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J', 'K', 'M',
    'N', 'P', 'Q', 'R', 'S', 'T', 'V', 'W', 'X', 'Y', 'Z',
];

/// The symbol of a value below 32.
pub(super) fn symbol(value: u8) -> char {
    SYMBOLS[usize::from(value)]
}

/// The value that a typed character stands for: case does not matter, `O` is `0`, `I` and `L` are `1`.
pub(super) fn value(typed: char) -> Option<u8> {
    let symbol = match typed.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        symbol => symbol,
    };
    SYMBOLS.iter().zip(0..).find_map(|(known, value)| (*known == symbol).then_some(value))
}

/// White space of every kind, and what stands invisibly in text that was copied: the soft hyphen, the blank and the
/// joiner without a width, and the byte order mark.
pub(super) fn is_blank(typed: char) -> bool {
    typed.is_whitespace() || matches!(typed, '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// The hyphen and what programs make of it.
pub(super) fn is_dash(typed: char) -> bool {
    matches!(typed, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_a_symbol_a_blank_a_dash_or_none_of_them() {
        for typed in '\0'..=char::MAX {
            let roles = [value(typed).is_some(), is_blank(typed), is_dash(typed)];
            assert!(roles.iter().filter(|role| **role).count() <= 1, "{typed:?}");
            assert!(typed.is_ascii_alphanumeric() || value(typed).is_none(), "{typed:?}");
        }
        let foreign: String =
            ('0'..='z').filter(|typed| typed.is_ascii_alphanumeric() && value(*typed).is_none()).collect();
        assert_eq!(foreign, "Uu");
    }

    #[test]
    fn symbols_read_back_and_their_look_alikes_too() {
        for number in 0..32 {
            assert_eq!(value(symbol(number)), Some(number));
            assert_eq!(value(symbol(number).to_ascii_lowercase()), Some(number));
        }
        assert_eq!(['O', 'o', 'I', 'i', 'L', 'l'].map(value), [0, 0, 1, 1, 1, 1].map(Some));
    }
}
