//! What a row expects of a program, and what came.

use std::collections::VecDeque;

use schemas::codes::Code;
use serde_json::Value;

use crate::ran::Ran;

/// The exit codes that a program may end with.
const EXITS: std::ops::RangeInclusive<i32> = 0..=8;

/// What a row expects: an exit code, perhaps the code that says why, and keys of the JSON document.
#[derive(Debug)]
pub(super) struct Outcome {
    exit: i32,
    code: Option<String>,
    keys: Vec<(String, String)>,
}

/// What a program did.
#[derive(Debug)]
pub(super) struct Came {
    pub(super) exit: Option<i32>,
    /// The document that it printed; of several, the last.
    pub(super) document: Value,
    /// All that it printed, for people.
    pub(super) shown: String,
}

impl Came {
    pub(super) fn of(ran: &Ran) -> Self {
        let out = ran.stdout();
        let document = serde_json::from_str(out)
            .or_else(|_| serde_json::from_str(out.lines().last().unwrap_or_default()))
            .unwrap_or(Value::Null);
        Self { exit: ran.exit(), document, shown: format!("{ran:?}") }
    }
}

impl Outcome {
    /// Reads `ok`, `exit N`, `exit N CODE`, each with `key=value` behind it, or keys alone, which mean `ok`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace().peekable();
        let mut outcome = Self { exit: 0, code: None, keys: Vec::new() };
        match words.peek() {
            None => return Err("no outcome is expected".to_owned()),
            Some(&"ok") => drop(words.next()),
            Some(&"exit") => {
                words.next();
                outcome.exit = words.next().and_then(read_exit).ok_or("`exit` without an exit code")?;
                outcome.code = words.next_if(|word| !word.contains('=')).map(read_code).transpose()?;
            }
            Some(_) => {}
        }
        for word in words {
            let (key, value) = word.split_once('=').ok_or_else(|| format!("`{word}` is no outcome"))?;
            if key.is_empty() || value.is_empty() {
                return Err(format!("`{word}` is not `key=value`"));
            }
            outcome.keys.push((key.to_owned(), value.to_owned()));
        }
        Ok(outcome)
    }

    pub(super) fn is_only_ok(&self) -> bool {
        self.exit == 0 && self.keys.is_empty()
    }

    /// Whether what came is what is expected, where `filled` puts in what variables stand for.
    pub(super) fn judge(
        &self,
        came: &Came,
        filled: impl Fn(&str) -> Result<String, String>,
    ) -> Result<(), String> {
        let mut wrong = Vec::new();
        if came.exit != Some(self.exit) {
            let exit = came.exit.map_or_else(|| "a signal".to_owned(), |exit| format!("exit {exit}"));
            wrong.push(format!("expected exit {}, came {exit}", self.exit));
        }
        if let Some(code) = &self.code {
            let said = &came.document["code"];
            if said.as_str() != Some(code) {
                wrong.push(format!("expected the code {code}, came {said}"));
            }
        }
        for (key, value) in &self.keys {
            let value = filled(value)?;
            let said = find(&came.document, key).map_or_else(|| "no such key".to_owned(), words);
            if said != value {
                wrong.push(format!("expected {key}={value}, came {key}={said}"));
            }
        }
        if came.shown.contains("panicked") {
            wrong.push("the program panicked".to_owned());
        }
        if wrong.is_empty() { Ok(()) } else { Err(format!("{}{}", wrong.join("\n"), came.shown)) }
    }
}

fn read_exit(word: &str) -> Option<i32> {
    word.parse().ok().filter(|exit| EXITS.contains(exit))
}

fn read_code(word: &str) -> Result<String, String> {
    word.parse::<Code>().map(|_| word.to_owned()).map_err(|_| format!("there is no code `{word}`"))
}

/// The value at `a.b`: the `b` nearest to the top of the `a` nearest to the top; a number is a place in a list.
fn find<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(document, |value, name| match (value, name.parse::<usize>()) {
        (Value::Array(values), Ok(place)) => values.get(place),
        _ => nearest(value, name),
    })
}

fn nearest<'a>(document: &'a Value, name: &str) -> Option<&'a Value> {
    let mut waiting = VecDeque::from([document]);
    while let Some(value) = waiting.pop_front() {
        match value {
            Value::Object(object) => {
                if let Some(found) = object.get(name) {
                    return Some(found);
                }
                waiting.extend(object.values());
            }
            Value::Array(values) => waiting.extend(values),
            _ => {}
        }
    }
    None
}

/// A value in one word: of a list, how many it holds.
fn words(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.len().to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_the_nearest_to_the_top_and_a_list_is_its_length() {
        let document = json!({"a": [{"n": 1, "b": {"n": 2}}, {"n": 3}], "c": null, "d": true});
        for (path, said) in
            [("n", "1"), ("a", "2"), ("a.1.n", "3"), ("b.n", "2"), ("c", "none"), ("d", "true")]
        {
            assert_eq!(find(&document, path).map(words).as_deref(), Some(said), "{path}");
        }
        assert_eq!(find(&document, "a.2"), None);
        assert_eq!(find(&document, "e"), None);
    }

    #[test]
    fn each_part_of_an_outcome_is_judged() {
        let outcome = Outcome::parse("exit 4 quota_exhausted remaining=0").expect("in the grammar");
        let came = |exit, code: &str, remaining| Came {
            exit: Some(exit),
            document: json!({"code": code, "remaining": remaining}),
            shown: String::new(),
        };
        let judge = |came: &Came| outcome.judge(came, |text| Ok(text.to_owned()));
        judge(&came(4, "quota_exhausted", 0)).expect("as expected");
        judge(&came(0, "quota_exhausted", 0)).expect_err("another exit code");
        judge(&came(4, "revoked", 0)).expect_err("another code");
        judge(&came(4, "quota_exhausted", 1)).expect_err("another number");
    }
}
