//! The tail of a turn: the agent writes its last text a moment after its hook returned. One detached process waits for it.

use std::time::{Duration, Instant};

use super::record::Recording;
use super::{App, Result, find, turn};
use crate::engine::stream::Check;
use crate::engine::{binding, store};

/// How long to wait.
const WAIT: Duration = Duration::from_millis(500);
/// How often to look.
const LOOK: Duration = Duration::from_millis(10);
/// The file is taken as written when it has not grown for this long.
const QUIET: Duration = Duration::from_millis(40);

/// Waits until the transcript of a native session has grown beyond what is stored and rests, then stores the tail.
pub fn run(app: &App<'_>, native: &str) -> Result<()> {
    let Some(id) = find::by_native(app, native)? else { return Ok(()) };
    let Some(tip) = store::tip(&app.repo, id)? else { return Ok(()) };
    let Some(path) = binding::to(&app.repo, native, id)?.and_then(|n| n.transcript) else { return Ok(()) };
    let stored = tip.session.stream(native).map_or(0, |s| s.bytes);
    let start = Instant::now();
    let (mut size, mut since) = (stored, Instant::now());
    while start.elapsed() < WAIT {
        let now = std::fs::metadata(&path).map_or(0, |m| m.len());
        if now != size {
            (size, since) = (now, Instant::now());
        }
        if size > stored && since.elapsed() >= QUIET {
            break;
        }
        std::thread::sleep(LOOK);
    }
    let _lock = app.lock_worktree()?;
    let Some(tip) = store::tip(&app.repo, id)? else { return Ok(()) };
    let recording = Recording::on_tail(app, tip, native)?;
    // A new turn has begun meanwhile: it took the tail up.
    if recording.open_row(native).is_some() {
        return Ok(());
    }
    turn::tail(app, recording, native, &path, Check::Tail).map(drop)
}
