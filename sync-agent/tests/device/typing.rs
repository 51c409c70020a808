//! Codes that a person types at a terminal.

use std::os::unix::process::ExitStatusExt as _;

use rustix::process::Signal;
use schemas::typed::{BitWriter, Kind, TypedCode};
use serde_json::Value;

use crate::program::Shell;
use crate::terminal::Terminal;
use crate::vendor::license_key;

/// An unlock code whose groups are right; no vendor signed it.
fn code() -> TypedCode {
    let mut writer = BitWriter::new(Kind::Unlock);
    writer.uint(0x9_1a2b, 20);
    (1..24).for_each(|group: u64| writer.uint(group * 199_999, 25));
    writer.finish()
}

/// A device that asked for its activation by a code, where the answer is typed.
fn asked(shell: &Shell) -> Terminal {
    let key = license_key().reveal();
    shell.succeeds(&["--pack", "studio.cfpack", "activate", "--license-key", &key, "--code"]);
    let mut terminal = Terminal::start(shell.command(&["apply", "--code"]));
    terminal.shows("______");
    assert!(terminal.is_raw());
    terminal
}

/// The code came through: what is refused is its signature.
fn is_taken(terminal: Terminal) {
    let (output, is_as_it_was) = terminal.ends();
    assert!(is_as_it_was);
    let refusal: Value = serde_json::from_slice(&output.stdout).expect("a refusal");
    assert_eq!(refusal["code"], "code_mismatch");
}

#[test]
fn a_wrong_group_is_typed_again_and_the_code_is_taken() {
    let shell = Shell::new();
    let mut terminal = asked(&shell);
    let text = code().to_string();
    let groups: Vec<&str> = text.split('-').collect();
    terminal.press(&groups[..6].concat().to_lowercase());
    terminal.press("zzzzzz");
    terminal.shows("group 7 is mistyped");
    terminal.press("\r");
    terminal.shows("group 7 is mistyped");
    terminal.press(&groups[6][..2]);
    terminal.press("\x7f\x7f\x7f");
    terminal.shows(&format!(" 6  {}_", &groups[5][..5]));
    terminal.press(&groups[5][5..]);
    terminal.press(&groups[6..].concat());
    terminal.press("\r");
    is_taken(terminal);
}

#[test]
fn a_code_is_pasted_and_what_is_wrong_of_it_typed() {
    let shell = Shell::new();
    let mut terminal = asked(&shell);
    let text = code().to_string();
    terminal.paste(&format!("{}ZZZZZZ{}\r\n", &text[..42], &text[48..]));
    terminal.shows("group 7 is mistyped");
    terminal.press(&text[42..48]);
    terminal.press("\r");
    is_taken(terminal);
}

#[test]
fn an_interrupt_ends_the_program_and_leaves_the_terminal_as_it_was() {
    let shell = Shell::new();
    let mut terminal = asked(&shell);
    terminal.press("c0\x03");
    let (output, is_as_it_was) = terminal.ends();
    assert!(is_as_it_was);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(130), 0));
}

#[test]
fn a_signal_that_ends_the_program_leaves_the_terminal_as_it_was() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let shell = Shell::new();
        let terminal = asked(&shell);
        terminal.signal(signal);
        let (output, is_as_it_was) = terminal.ends();
        assert!(is_as_it_was);
        assert_eq!(output.status.signal(), Some(signal.as_raw()));
    }
}
