//! Stories told as text tables: one line a command, each with its expected outcome. `tests/scenarios/README.md` is the
//! grammar; this reads it and plays it with the real programs.

mod hand;
mod outcome;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use self::hand::Step;
use self::outcome::{Came, Outcome};
use self::stage::Stage;
use crate::device::HandMade;
use crate::lab::{Lab, License};

/// The rows that every scenario ends with: the tables follow from the events, and the events verify.
const END: [(&str, &str); 2] = [("rebuild --check", "ok"), ("audit verify", "ok")];
const HEADER: &str = "who | command | outcome";

/// A scenario that was read, each of its words known.
#[derive(Debug)]
pub struct Scenario {
    file: String,
    rows: Vec<Row>,
    /// Devices whose hardware or clock the story tells: they run in this process.
    staged: BTreeSet<String>,
}

#[derive(Debug)]
struct Row {
    line: usize,
    text: String,
    action: Action,
    outcome: Outcome,
}

#[derive(Debug)]
enum Action {
    Vendor(String),
    Device(String, String),
    Hand(Step),
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// The file and the line of the first thing that is not in the grammar.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        Self::parse(&file, &text)
    }

    fn parse(file: &str, text: &str) -> Result<Self, String> {
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        read_story(&mut lines).map_err(|error| format!("{file}: {error}"))?;
        let told = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let rows: Result<Vec<Row>, String> = told
            .map(|(line, text)| Row::parse(line, text).map_err(|error| format!("{file}:{line}: {error}")))
            .collect();
        let rows = rows?;
        ends_well(&rows).map_err(|error| format!("{file}: {error}"))?;
        let steps = rows.iter().filter_map(|row| match &row.action {
            Action::Hand(step) => step.stages(),
            _ => None,
        });
        let staged = steps.map(str::to_owned).collect();
        Ok(Self { file: file.to_owned(), rows, staged })
    }

    /// Plays the scenario in a temporary folder.
    ///
    /// # Errors
    /// The file and the line of the first outcome that is not the expected one, with both.
    pub fn play(&self) -> Result<(), String> {
        let mut play = Play::of(self);
        for row in &self.rows {
            play.row(row).map_err(|error| format!("{}:{}: {}\n{error}", self.file, row.line, row.text))?;
        }
        Ok(())
    }
}

/// Reads the title, the story below it and the table's header.
fn read_story<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>) -> Result<(), String> {
    let (_, title) = lines.next().unwrap_or_default();
    if !title.starts_with("# ") {
        return Err("the first line is no title, `# …`".to_owned());
    }
    let mut has_story = false;
    for (line, text) in lines {
        let cells: Vec<&str> = text.split('|').map(str::trim).collect();
        match (cells.as_slice(), has_story) {
            ([_], _) => has_story |= !text.is_empty(),
            (cells, true) if cells.join(" | ") == HEADER => return Ok(()),
            (_, true) => return Err(format!("line {line}: the table does not begin with `{HEADER}`")),
            (_, false) => return Err(format!("line {line}: there is no story above the table")),
        }
    }
    Err("there is no table".to_owned())
}

fn ends_well(rows: &[Row]) -> Result<(), String> {
    let end = rows.iter().rev().take(END.len()).rev().map(|row| row.text.clone());
    let wanted = END.map(|(command, outcome)| format!("vendor | {command} | {outcome}"));
    if end.eq(wanted.iter().cloned()) {
        return Ok(());
    }
    Err(format!("the last rows are not `{}`", wanted.join("` and `")))
}

impl Row {
    fn parse(line: usize, text: &str) -> Result<Self, String> {
        let cells: Vec<&str> = text.split('|').map(str::trim).collect();
        let [who, command, outcome] = cells[..] else {
            return Err(format!("not `{HEADER}`: {text}"));
        };
        let action = match who {
            "vendor" => Action::Vendor(command.to_owned()),
            "by hand" => Action::Hand(Step::parse(command)?),
            device => Action::Device(device_name(device)?.to_owned(), command.to_owned()),
        };
        let outcome = Outcome::parse(outcome)?;
        if matches!(action, Action::Hand(_)) && !outcome.is_only_ok() {
            return Err("what is done by hand ends in `ok`".to_owned());
        }
        Ok(Self { line, text: cells.join(" | "), action, outcome })
    }
}

/// A device's name: `dev1`, `dev2-copy`.
fn device_name(word: &str) -> Result<&str, String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if word.starts_with("dev") && word.chars().all(is_name) {
        Ok(word)
    } else {
        Err(format!("`{word}` is neither `vendor` nor `by hand` nor a device such as `dev1`"))
    }
}

/// A scenario at play.
struct Play {
    lab: Lab,
    stage: Stage,
    known: BTreeMap<String, String>,
    /// Devices of an earlier time, whose chains are made event by event.
    earlier: BTreeMap<String, HandMade>,
}

impl Play {
    fn of(scenario: &Scenario) -> Self {
        Self {
            lab: Lab::empty(),
            stage: Stage::of(&scenario.staged),
            known: BTreeMap::new(),
            earlier: BTreeMap::new(),
        }
    }

    fn row(&mut self, row: &Row) -> Result<(), String> {
        let came = match &row.action {
            Action::Vendor(line) => Came::of(&self.lab.vendor(&self.filled(line)?)),
            Action::Device(name, line) => self.device(name, &self.filled(line)?)?,
            Action::Hand(step) => return self.hand(step),
        };
        self.learn(&row.action, &came.document);
        let known = |text: &str| self.filled(text);
        row.outcome.judge(&came, known)
    }

    fn device(&self, name: &str, line: &str) -> Result<Came, String> {
        if self.stage.holds(name) {
            return self.stage.run(&self.lab, name, line);
        }
        Ok(Came::of(&self.lab.device(name, line)))
    }

    /// Keeps what variables stand for.
    fn learn(&mut self, action: &Action, document: &Value) {
        let mut keep = |name: String, key: &str| {
            if let Some(text) = document[key].as_str() {
                self.known.insert(name, text.to_owned());
            }
        };
        match action {
            Action::Vendor(line) if line.starts_with("license issue") => {
                keep("license".to_owned(), "license_id");
                keep("key".to_owned(), "license_key");
            }
            Action::Vendor(line) if line == "digest" => keep("digest".to_owned(), "digest"),
            Action::Device(name, _) => keep(format!("chain:{name}"), "chain"),
            _ => {}
        }
    }

    /// The text with what its variables stand for.
    fn filled(&self, text: &str) -> Result<String, String> {
        let mut parts = text.split('$');
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == ':';
            let end = part.find(|c| !is_name(c)).unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            filled += self.known.get(name).ok_or_else(|| format!("nothing is known as `${name}` yet"))?;
            filled += rest;
        }
        Ok(filled)
    }

    /// The licence that was issued last.
    fn license(&self) -> Result<License, String> {
        Ok(License { id: self.filled("$license")?, key: self.filled("$key")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &str) -> String {
        let end = END.map(|(command, outcome)| format!("vendor | {command} | {outcome}\n")).concat();
        format!("# A title\nA story.\n\n{HEADER}\n{rows}\n{end}")
    }

    fn error(text: &str) -> String {
        Scenario::parse("x.txt", text).expect_err("not in the grammar")
    }

    #[test]
    fn rows_and_remarks_are_read_and_devices_with_a_clock_are_staged() {
        let text = table(
            "# first\ndev1 | check render | exit 4 quota_exhausted left=5\nby hand | clock dev1 right | ok",
        );
        let scenario = Scenario::parse("x.txt", &text).expect("in the grammar");
        assert_eq!(scenario.rows.len(), 4);
        assert_eq!(scenario.staged.into_iter().collect::<Vec<_>>(), ["dev1"]);
    }

    #[test]
    fn what_is_not_in_the_grammar_is_an_error_with_its_line() {
        for row in [
            "someone | check render | ok",
            "dev1 | check render",
            "dev1 | check render | fine",
            "dev1 | check render | ok left",
            "dev1 | check render | exit",
            "dev1 | check render | exit 9",
            "dev1 | check render | exit 4 quota_exhaustd",
            "by hand | clock dev1 soon | ok",
            "by hand | hardware dev1 keyboard changed | ok",
            "by hand | burn dev1 | ok",
            "by hand | lose dev1 | exit 1",
            "by hand | lose dev1 | ok left=5",
        ] {
            assert!(error(&table(row)).starts_with("x.txt:5: "), "{row}");
        }
    }

    #[test]
    fn a_title_a_story_a_table_and_its_end_must_be_there() {
        let whole = table("dev1 | status | ok");
        Scenario::parse("x.txt", &whole).expect("in the grammar");
        for part in ["# A title\n", "A story.\n", HEADER, "vendor | audit verify | ok\n"] {
            error(&whole.replace(part, ""));
        }
    }

    #[test]
    fn a_wrong_outcome_tells_the_line_and_both() {
        let text = table("vendor | digest | exit 4 forked");
        let told = Scenario::parse("x.txt", &text).expect("in the grammar").play().expect_err("no home");
        for part in ["x.txt:5: vendor | digest", "exit 4", "exit 3", "forked", "home_missing"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn a_variable_that_nothing_told_is_an_error() {
        let text = table("vendor | activation show $chain:dev1 | ok");
        Scenario::parse("x.txt", &text).expect("in the grammar").play().expect_err("no device was heard of");
    }
}
