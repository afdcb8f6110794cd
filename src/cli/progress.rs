//! Progress on a terminal: one line on standard error, drawn after 300 ms, gone at the end.
//!
//! No thread of its own: `advance` draws, at most ten times a second. Work that never advances shows nothing.

use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::base::progress::Progress;
use crate::base::text;

/// Work shorter than this is never shown.
const QUIET: Duration = Duration::from_millis(300);
/// Between two drawings.
const REDRAW: Duration = Duration::from_millis(100);

/// Draws progress on a terminal.
pub struct TerminalProgress {
    line: Mutex<Line>,
    columns: usize,
    quiet: Duration,
}

struct Line {
    err: Box<dyn Write + Send>,
    task: Option<Task>,
}

struct Task {
    what: String,
    total: Option<u64>,
    done: u64,
    started: Instant,
    drawn: Option<Instant>,
}

impl TerminalProgress {
    /// Draws on `err`, a terminal so many columns wide.
    pub fn new(err: Box<dyn Write + Send>, columns: usize) -> Self {
        Self { line: Mutex::new(Line { err, task: None }), columns, quiet: QUIET }
    }

    /// A panic in another thread while it drew leaves at worst a half-drawn line.
    fn line(&self) -> std::sync::MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Progress for TerminalProgress {
    fn start(&self, what: &str, total: Option<u64>) {
        self.finish();
        let what = text::sanitise(what);
        self.line().task = Some(Task { what, total, done: 0, started: Instant::now(), drawn: None });
    }

    fn advance(&self, steps: u64) {
        let mut line = self.line();
        let Line { err, task } = &mut *line;
        let Some(task) = task else { return };
        task.done = task.done.saturating_add(steps);
        let since = task.drawn.unwrap_or(task.started).elapsed();
        if since < if task.drawn.is_some() { REDRAW } else { self.quiet } {
            return;
        }
        let count = task.total.map_or_else(|| task.done.to_string(), |total| format!("{}/{total}", task.done));
        let shown = text::truncate(&format!("{} {count}", task.what), self.columns.saturating_sub(1));
        // A terminal that went away takes its progress with it; the work goes on.
        let _not_shown = write!(err, "\r\x1b[K{shown}").and_then(|()| err.flush());
        task.drawn = Some(Instant::now());
    }

    fn finish(&self) {
        let mut line = self.line();
        if line.task.take().is_some_and(|task| task.drawn.is_some()) {
            // As above.
            let _not_shown = write!(line.err, "\r\x1b[K").and_then(|()| line.err.flush());
        }
    }
}

impl Drop for TerminalProgress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl std::fmt::Debug for TerminalProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TerminalProgress").field("columns", &self.columns).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("one thread").write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn drawn(quiet: Duration) -> String {
        let screen = Screen::default();
        let mut progress = TerminalProgress::new(Box::new(screen.clone()), 20);
        progress.quiet = quiet;
        progress.start("hashing\x1b files of the tree", Some(9));
        progress.advance(3);
        progress.advance(1);
        progress.finish();
        progress.finish();
        String::from_utf8(screen.0.lock().expect("one thread").clone()).expect("text")
    }

    #[test]
    fn short_work_leaves_the_terminal_alone() {
        assert_eq!(drawn(Duration::from_secs(3600)), "");
    }

    #[test]
    fn long_work_is_drawn_within_the_width_and_cleared_once() {
        assert_eq!(drawn(Duration::ZERO), "\r\x1b[Khashing\\x1b files …\r\x1b[K");
    }
}
