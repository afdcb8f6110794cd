//! Day labels of sessions: `sess_YYYYMMDD_NNN`, counted up per repository and UTC day.

use super::{App, Result, find};
use crate::base::file::{self, Durability};
use crate::engine::local;

/// The next free label of today. A small file counts; without it the sessions are looked through.
pub fn next(app: &App<'_>) -> Result<String> {
    let day = app.now().day();
    let prefix = format!("sess_{day}_");
    let path = local::shared_dir(&app.repo)?.join("label");
    let last = file::read_optional(&path)?.and_then(|b| String::from_utf8(b).ok());
    let used = match &last {
        Some(label) => number(label, &prefix),
        None => {
            let all = find::all(app)?;
            all.iter()
                .filter_map(|f| f.session.as_ref().ok()?.label.as_deref())
                .map(|l| number(l, &prefix))
                .max()
                .unwrap_or(0)
        }
    };
    let label = format!("{prefix}{:03}", used + 1);
    file::write_atomic(&path, label.as_bytes(), Some(0o600), Durability::Process)?;
    Ok(label)
}

/// The number of a label of that day; 0 for any other text.
fn number(label: &str, prefix: &str) -> u32 {
    label.trim().strip_prefix(prefix).and_then(|n| n.parse().ok()).unwrap_or(0)
}
