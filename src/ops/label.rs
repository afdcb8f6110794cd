//! Day labels of sessions: `sess_YYYYMMDD_NNN`, counted up per repository and UTC day.

use super::{App, Result, find};
use crate::base::lock::FileLock;
use crate::engine::local;

/// The next free label of today. A small locked file counts; where it says nothing, the sessions are looked through.
pub fn next(app: &App<'_>) -> Result<String> {
    let prefix = format!("sess_{}_", app.now().day());
    let path = local::shared_dir(&app.repo)?.join("label");
    let mut counter = FileLock::acquire(&path, app.patience(), app.repo.shared.private_file())?;
    let last = counter.note()?;
    let used = if last.is_empty() {
        let all = find::all(app)?;
        let labels = all.iter().filter_map(|f| f.session.as_ref().ok()?.label.as_deref());
        labels.map(|label| number(label, &prefix)).max().unwrap_or(0)
    } else {
        number(&last, &prefix)
    };
    let label = format!("{prefix}{:03}", used + 1);
    counter.set_note(&label)?;
    Ok(label)
}

/// The number of a label of that day; 0 for any other text.
fn number(label: &str, prefix: &str) -> u32 {
    label.trim().strip_prefix(prefix).and_then(|n| n.parse().ok()).unwrap_or(0)
}
