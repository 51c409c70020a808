//! What a person types of a code, group by group: keys go in, what stands comes out. No terminal is touched here.
//!
//! A group is judged as soon as it is whole. A wrong one stays in sight and is named, and the next symbol begins it anew;
//! the right ones stand. What is kept is written as codes are, so that whoever types sees what was understood.

use schemas::limits;
use schemas::typed::{
    self, Cause, GROUP_SYMBOLS, Group, Kind, ReadError, RequestFields, ReturnFields, TypedCode, UnlockFields,
    WrongGroup,
};

use super::slip;
use schemas::typed::unnumbered;

/// What was pressed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Key {
    Typed(char),
    Pasted(String),
    Back,
    Enter,
}

/// A code that is being typed.
#[derive(Clone, Debug)]
pub(super) struct Line {
    kind: Kind,
    /// What there is of each group; the one that is typed is among them. There is always one.
    groups: Vec<String>,
    /// The group that is typed.
    at: usize,
    /// It was judged and is wrong: the next symbol begins it anew.
    is_again: bool,
    note: Option<String>,
}

impl Line {
    /// Nothing is typed yet.
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, groups: vec![String::new()], at: 0, is_again: false, note: None }
    }

    /// Takes a key. The code, once it is right and was ended.
    pub(super) fn press(&mut self, key: &Key) -> Option<TypedCode> {
        self.note = None;
        match key {
            Key::Typed(typed) => self.typed(*typed),
            Key::Pasted(text) => self.pasted(text),
            Key::Back => self.back(),
            Key::Enter => return self.end(),
        }
        None
    }

    /// What there is of each group, in order.
    pub(super) fn groups(&self) -> &[String] {
        &self.groups
    }

    /// The place of the group that is typed, counted from 0.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What is to be said.
    pub(super) fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Whether a group, counted from 0, is to be typed again.
    pub(super) fn is_wrong(&self, at: usize) -> bool {
        let is_begun = at == self.at && !self.is_again;
        !self.groups[at].is_empty() && !is_begun && self.judge(at).is_err()
    }

    fn typed(&mut self, typed: char) {
        let Some(symbol) = typed::cut(&typed.to_string()).pop() else { return self.separated() };
        if self.at == limits::CODE_GROUPS {
            return self.note = Some(ReadError::TooLong { groups: self.at + 1 }.to_string());
        }
        let group = self.begun() + &symbol;
        if let Err(wrong @ WrongGroup { cause: Cause::Symbol { .. }, .. }) = self.check(self.at, &group) {
            return self.note = Some(wrong.to_string());
        }
        let is_whole = group.chars().count() >= GROUP_SYMBOLS;
        self.groups[self.at] = group;
        self.is_again = false;
        if is_whole {
            self.go_on();
        }
    }

    /// A blank or a dash: in the middle of a group symbols are missing.
    fn separated(&mut self) {
        if !self.groups[self.at].is_empty() {
            self.note = self.judge(self.at).err().map(|wrong| self.again(wrong));
        }
    }

    fn back(&mut self) {
        if self.groups[self.at].is_empty() && self.at > 0 {
            if self.at + 1 == self.groups.len() {
                self.groups.pop();
            }
            self.at -= 1;
        }
        self.groups[self.at].pop();
        self.is_again = false;
    }

    /// Puts what was pasted at the group that is typed. A code that was pasted from its beginning takes the place of all.
    fn pasted(&mut self, text: &str) {
        let mut from = self.at;
        let mut groups = match self.begun() {
            begun if begun.is_empty() => typed::cut(&unnumbered(text, from + 1)),
            begun => typed::cut(&(begun + text)),
        };
        let whole = typed::cut(&unnumbered(text, 1));
        let begins = |at, groups: &[String]| groups.first().is_some_and(|it| self.check(at, it).is_ok());
        if begins(0, &whole) && !begins(from, &groups) {
            (from, groups) = (0, whole);
        }
        if groups.is_empty() {
            return;
        }
        let end = from + groups.len();
        if end > limits::CODE_GROUPS {
            return self.note = Some(ReadError::TooLong { groups: end }.to_string());
        }
        if from == 0 && end > 1 {
            self.groups.clear();
        }
        self.groups.splice(from..end.min(self.groups.len()), groups);
        let slip = slip::mend(self.kind, &mut self.groups);
        self.go_on();
        // The other slips leave a group that is not right, which is named.
        if let Some(extra @ WrongGroup { cause: Cause::Extra, .. }) = slip {
            let rest = self.note.take().map_or(String::new(), |note| format!("; {note}"));
            self.note = Some(format!("{extra}, and is taken out{rest}"));
        }
    }

    /// Goes to the first group that is not right, and names it if there is something of it; else to a new one.
    fn go_on(&mut self) {
        let wrong = (0..self.groups.len()).find_map(|at| self.judge(at).err());
        self.at = wrong.map_or(self.groups.len(), |wrong| wrong.number - 1);
        self.is_again = false;
        let Some(wrong) = wrong else { return self.groups.push(String::new()) };
        let is_last = self.at + 1 == self.groups.len();
        let length = self.groups[self.at].chars().count();
        // The last one may be typed to its end.
        self.is_again = length >= GROUP_SYMBOLS || length > 0 && !is_last;
        self.note = (self.is_again || !is_last).then(|| self.again(wrong));
    }

    /// Ends the code, or says what is missing.
    fn end(&mut self) -> Option<TypedCode> {
        let is_new = self.groups.last().is_some_and(String::is_empty);
        let typed = self.groups.len() - usize::from(is_new);
        if let Some(wrong) = (0..typed).find_map(|at| self.judge(at).err()) {
            self.note = Some(self.again(wrong));
            return None;
        }
        if typed < least(self.kind) {
            self.note = Some(self.missing(typed));
            return None;
        }
        let read = TypedCode::read(Some(self.kind), &self.groups[..typed].join("-"));
        read.map_err(|error| self.note = Some(error.to_string())).ok()
    }

    fn missing(&self, typed: usize) -> String {
        let (kind, least) = (self.kind, least(self.kind));
        let more = if kind == Kind::Request { "" } else { " or more" };
        let next = typed + 1;
        match typed {
            0 => format!("nothing is typed yet: the {kind} code has {least} groups{more}"),
            1 => format!("1 group stands, and the {kind} code has {least}{more}: go on with group {next}"),
            _ => format!(
                "{typed} groups stand, and the {kind} code has {least}{more}: go on with group {next}"
            ),
        }
    }

    fn again(&self, wrong: WrongGroup) -> String {
        match self.groups[wrong.number - 1].chars().count() {
            0 => WrongGroup { cause: Cause::LeftOut, ..wrong }.to_string() + ": type it",
            _ if wrong.number - 1 == self.at && !self.is_again => wrong.to_string(),
            _ => format!("{wrong}: type it again"),
        }
    }

    /// What is kept of the group that is typed when a symbol comes.
    fn begun(&self) -> String {
        if self.is_again { String::new() } else { self.groups[self.at].clone() }
    }

    fn judge(&self, at: usize) -> Result<Group, WrongGroup> {
        self.check(at, &self.groups[at])
    }

    fn check(&self, at: usize, group: &str) -> Result<Group, WrongGroup> {
        Group::check(Some(self.kind), at + 1, group)
    }
}

/// The fewest groups of a code.
fn least(kind: Kind) -> usize {
    match kind {
        Kind::Request => RequestFields::GROUPS,
        Kind::Unlock => UnlockFields::GROUPS,
        Kind::Return => ReturnFields::GROUPS,
    }
}

#[cfg(test)]
mod tests;
