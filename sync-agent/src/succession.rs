//! How a successor takes the place of its predecessor, so that a crash between any two steps is mended.
//!
//! ```text
//! 1  next/ is emptied; the successor's keys and then its chain, which names the old one, are written there
//! 2  the old chain is closed in favour of the successor: from here on the succession is decided
//! 3  the old chain and its keys move to archive/, the sealing key last
//! 4  the successor's keys and then its chain move out of next/
//! 5  next/ goes
//! ```
//!
//! Whoever opens the directory to write finishes what was decided and undoes what was not. The product pack stays where
//! it is throughout.

use ledger::store::Reader;
use schemas::ids::{ChainId, PublicKey};
use schemas::refusal::Refusal;

use crate::state_dir::StateDir;

/// Finishes or undoes a succession that was interrupted. What cannot be read is left as it is.
///
/// # Errors
/// When the operating system refuses.
pub(crate) fn recover(dir: &StateDir, root: &PublicKey) -> Result<(), Refusal> {
    if !dir.next().path().exists() {
        return Ok(());
    }
    match find(dir, root) {
        Found::Decided { old } => dir.take_over(old),
        Found::Undecided => dir.discard_next(),
        Found::Unreadable => Ok(()),
    }
}

/// How far a succession came.
enum Found {
    /// The chain `old` is closed in favour of the successor.
    Decided { old: ChainId },
    /// The chain that is here was not closed, or all has moved.
    Undecided,
    /// A chain that would tell cannot be read.
    Unreadable,
}

fn find(dir: &StateDir, root: &PublicKey) -> Found {
    if !dir.next().chain().exists() {
        return if dir.chain().exists() { Found::Undecided } else { Found::Unreadable };
    }
    let Some((new, old)) = successor(dir, root) else { return Found::Unreadable };
    if !dir.chain().exists() {
        // It is moved only once it is closed.
        let is_archived = dir.archived(old).chain().exists();
        return if is_archived { Found::Decided { old } } else { Found::Unreadable };
    }
    match Reader::open(&dir.chain(), *root).and_then(|reader| reader.successor()) {
        Ok(Some(successor)) if successor == new => Found::Decided { old },
        Ok(_) => Found::Undecided,
        Err(_) => Found::Unreadable,
    }
}

/// The successor that waits in `next/`, and the chain that it follows.
fn successor(dir: &StateDir, root: &PublicKey) -> Option<(ChainId, ChainId)> {
    let reader = Reader::open(&dir.next().chain(), *root).ok()?;
    Some((reader.chain().ok()?, reader.follows().ok()??))
}
