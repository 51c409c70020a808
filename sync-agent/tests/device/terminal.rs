//! A pseudo-terminal: a program under test talks to a person there, whose keys the test presses.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

/// The longest that a test waits for what should come at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program on a terminal of 80 columns.
pub(crate) struct Terminal {
    keys: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    /// The program's side, which tells how the terminal was left.
    side: File,
    child: Child,
}

impl Terminal {
    /// Starts a program with stdin and stderr on the terminal, and stdout on a pipe.
    pub(crate) fn start(mut command: Command) -> Self {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&keys).and_then(|()| unlockpt(&keys)).expect("a terminal");
        let name = ptsname(&keys, Vec::new()).expect("a name").into_string().expect("a path");
        let side = OpenOptions::new().read(true).write(true).open(name).expect("the program's side");
        tcsetwinsize(&side, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
        let mut modes = tcgetattr(&side).expect("modes");
        modes.local_modes |= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        tcsetattr(&side, OptionalActions::Now, &modes).expect("modes");
        let twin = || Stdio::from(side.try_clone().expect("a descriptor"));
        command.stdin(twin()).stderr(twin()).stdout(Stdio::piped()).env("TERM", "xterm");
        let child = command.spawn().expect("the program starts");
        let keys = File::from(keys);
        let screen = watch(keys.try_clone().expect("a descriptor"));
        Self { keys, screen, seen: String::new(), side, child }
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Pastes a text as terminals do.
    pub(crate) fn paste(&mut self, text: &str) {
        self.press(&format!("\x1b[200~{text}\x1b[201~"));
    }

    /// Waits until the screen showed a text since the last that was waited for.
    pub(crate) fn shows(&mut self, text: &str) {
        while !self.seen.contains(text) {
            let bytes = self.screen.recv_timeout(PATIENCE);
            let bytes = bytes.unwrap_or_else(|_| panic!("{text:?} is not shown: {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        let end = self.seen.find(text).expect("it is shown") + text.len();
        self.seen.drain(..end);
    }

    /// Whether keys come one by one and are not echoed.
    pub(crate) fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.side).expect("modes").local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let process = Pid::from_child(&self.child);
        kill_process(process, signal).expect("it is told");
    }

    /// Waits for the program's end: what it printed, and whether the terminal is as it was.
    pub(crate) fn ends(self) -> (Output, bool) {
        let Self { side, child, .. } = self;
        let output = child.wait_with_output().expect("it ends");
        let modes = tcgetattr(&side).expect("modes").local_modes;
        (output, modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG))
    }
}

fn watch(mut screen: File) -> Receiver<Vec<u8>> {
    let (shown, seen) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = screen.read(&mut bytes) {
            if shown.send(bytes[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    seen
}
