//! Which commit a hook was started for. git does not tell: its hook sees HEAD, which another process may have moved on by then.
//!
//! As many hooks come as commits are made, one after the other. A hook that finds HEAD linked already came late: its own
//! commit is one below, in HEAD's reflog, that nothing links yet.

use crate::engine::{notes, seen, store};
use crate::git::Oid;
use crate::ops::{App, Result};

/// Moves of HEAD that are looked through.
const MOVES: usize = 200;

/// The commit that an event at `head` is about, and whether it is another one than `head`.
pub fn commit(app: &App<'_>, head: Oid) -> Result<(Oid, bool)> {
    if !is_taken(app, head)? {
        return Ok((head, false));
    }
    let Some(since) = seen::since(&app.repo)? else { return Ok((head, false)) };
    let log = app.repo.head_log(MOVES)?;
    let Some(end) = log.iter().position(|moved| moved.new == since) else { return Ok((head, false)) };
    // The oldest first, as they were made.
    for moved in log[..end].iter().rev() {
        if moved.is_commit() && moved.new != head && notes::read(&app.repo, moved.new)?.is_empty() {
            return Ok((moved.new, true));
        }
    }
    Ok((head, false))
}

/// Whether a commit has a link to a checkpoint that was made for it; one that git carried over from another commit is none.
fn is_taken(app: &App<'_>, commit: Oid) -> Result<bool> {
    let links = notes::read(&app.repo, commit)?;
    Ok(links.iter().any(|link| store::checkpoint(&app.repo, link.commit).is_ok_and(|c| c.base == Some(commit))))
}
