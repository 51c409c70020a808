//! Rust source as tokens, without comments, and without the tests that end a file: enough to see what is called with what.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

/// A token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Lexeme {
    /// A name, keyword, number or lifetime.
    Word(String),
    /// A string: what it stands for.
    Text(String),
    /// Everything else, character by character.
    Mark(char),
}

impl fmt::Display for Lexeme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Mark(mark) => write!(f, "{mark}"),
        }
    }
}

/// The tokens of a source up to its tests.
pub(super) fn lexemes(source: &str) -> Vec<Lexeme> {
    let mut rest = source.chars().peekable();
    let mut found = Vec::new();
    while let Some(next) = rest.next() {
        match next {
            '/' if rest.peek() == Some(&'/') => rest.by_ref().take_while(|c| *c != '\n').for_each(drop),
            '/' if rest.peek() == Some(&'*') => skip_block(&mut rest),
            '"' => found.push(Lexeme::Text(text(&mut rest))),
            '\'' => skip_character(&mut rest),
            c if c.is_alphanumeric() || c == '_' => {
                let word = word(c, &mut rest);
                match (word.as_str(), rest.peek()) {
                    ("r" | "br" | "cr", Some('"' | '#')) => found.push(Lexeme::Text(raw(&mut rest))),
                    ("b" | "c", Some('"')) => {}
                    _ => found.push(Lexeme::Word(word)),
                }
            }
            c if c.is_whitespace() => {}
            c => found.push(Lexeme::Mark(c)),
        }
    }
    let tests = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    let is_end =
        |window: &[Lexeme]| window.iter().zip(tests).all(|(lexeme, part)| lexeme.to_string() == part);
    let end = found.windows(tests.len()).position(is_end).unwrap_or(found.len());
    found.truncate(end);
    found
}

type Rest<'a> = Peekable<Chars<'a>>;

fn word(first: char, rest: &mut Rest<'_>) -> String {
    let mut word = String::from(first);
    while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
        word.push(c);
    }
    word
}

/// A string after its quote; what is escaped is the character itself but for ends of lines.
fn text(rest: &mut Rest<'_>) -> String {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            '"' => break,
            '\\' => match rest.next() {
                Some('n') => text.push('\n'),
                Some('\n') => while rest.next_if(|c| c.is_whitespace()).is_some() {},
                Some(escaped) => text.push(escaped),
                None => {}
            },
            c => text.push(c),
        }
    }
    text
}

/// A raw string after its `r`.
fn raw(rest: &mut Rest<'_>) -> String {
    let mut end = String::from('"');
    while rest.next_if_eq(&'#').is_some() {
        end.push('#');
    }
    rest.next_if_eq(&'"');
    let mut text = String::new();
    for c in rest {
        text.push(c);
        if let Some(whole) = text.strip_suffix(&end) {
            return whole.to_owned();
        }
    }
    text
}

/// A character after its quote; what is a lifetime is read as a word next.
fn skip_character(rest: &mut Rest<'_>) {
    let mut ahead = rest.clone();
    match (ahead.next(), ahead.next()) {
        (Some('\\'), Some(_)) => {
            rest.nth(1);
            rest.by_ref().take_while(|c| *c != '\'').for_each(drop);
        }
        (Some(_), Some('\'')) => _ = rest.nth(1),
        _ => {}
    }
}

fn skip_block(rest: &mut Rest<'_>) {
    let mut depth = 0;
    let mut before = '/';
    for c in rest {
        match (before, c) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                before = c;
                continue;
            }
        }
        before = ' ';
        if depth == 0 {
            return;
        }
    }
}
