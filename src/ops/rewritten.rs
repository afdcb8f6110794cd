//! What `doctor` says of sessions that git rewrote or stands something in for, and how it mends them.

use super::doctor::Finding;
use super::{App, Result};
use crate::base::text;
use crate::engine::{ours, rewritten, store};
use crate::git::{Oid, RefName};

/// Rewritten sessions, joined up again where told to; commits of ours that `git replace` hides.
pub fn findings(app: &App<'_>, fix: bool) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (id, _) in store::heads(&app.repo)? {
        let Some(found) = rewritten::look(&app.repo, id)? else { continue };
        let mut message =
            format!("session {id} was rewritten by git (a filter over all refs): it cannot be read any more");
        let mut fixed = false;
        if fix && found.whole {
            let count = rewritten::relink(&app.repo, &mut app.writers()?, id, app.now())?;
            message = format!("{message}; its {} were joined up again", text::count(count, "checkpoint"));
            fixed = true;
        }
        let name = RefName::session_head(id);
        let before = name.before_filter_branch();
        let hint = if found.whole {
            "`session doctor --fix` joins its checkpoints up again, as git left them. New work is saved in a session of its own."
                .to_owned()
        } else if app.repo.refs.read(&before)?.is_some() {
            format!("Parts of it were dropped. As it was before: `git update-ref {name} {before}`.")
        } else {
            format!(
                "Parts of it were dropped. `git update-ref -d {name}` lets go of what is left. New work is saved in a session of its own."
            )
        };
        findings.push(Finding { code: "session.rewritten", message, hint, fixed });
    }
    for (name, _) in app.repo.refs.list(RefName::replaced_prefix())? {
        let Some(id) = name.as_str().strip_prefix(RefName::replaced_prefix()).and_then(|id| Oid::parse(id).ok()) else {
            continue;
        };
        if app.repo.objects.read_commit(id).is_ok_and(|commit| ours::is_ours(&commit)) {
            findings.push(Finding {
                code: "session.replaced",
                message: format!(
                    "`git replace` stands something in for {}, a commit of a session: git's own commands show that, we do not",
                    id.short()
                ),
                hint: format!("`git replace -d {id}` takes it back."),
                fixed: false,
            });
        }
    }
    Ok(findings)
}
