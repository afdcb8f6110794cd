//! Sessions of somebody else: whose they are, said when they are first gone on with, and configuration in them that runs
//! commands, which wants a yes (`--trust`) before it is written.
//!
//! What came is known by this clone's own note ([`crate::engine::theirs`]), not by what commits say of themselves.

use serde::Serialize;

use super::{App, Failure, FailureKind, Result, find};
use crate::base::RepoPath;
use crate::engine::store::Tip;
use crate::engine::{Plan, plan::Action, theirs};
use crate::features::executable_names::runs_commands;
use crate::git::{Oid, tree};

/// Whose a session is.
#[derive(Clone, Debug, Serialize)]
pub struct Whose {
    /// The remote that it was pulled from.
    pub remote: String,
    /// Who made its newest checkpoint, as that says.
    pub author: String,
}

impl Whose {
    /// In a sentence without its end.
    pub fn sentence(&self) -> String {
        format!(
            "this session is somebody else's: it was pulled from {}, its newest checkpoint is by {}",
            self.remote, self.author
        )
    }
}

/// Whose a session is that was pulled and never gone on with; `None` for one's own.
pub fn whose(app: &App<'_>, tip: &Tip) -> Result<Option<Whose>> {
    if !find::is_only_pulled(app, tip)? {
        return Ok(None);
    }
    let remotes = find::remotes(app)?.remove(&tip.session.id).unwrap_or_default();
    let remote = remotes.iter().map(crate::git::RemoteKey::shown).collect::<Vec<_>>().join(", ");
    let author = app.repo.objects.read_commit(tip.checkpoint.commit)?.author;
    Ok(Some(Whose { remote, author: format!("{} <{}>", author.name, author.email) }))
}

/// Whether a checkpoint of a session came from somebody else.
pub fn is_theirs(app: &App<'_>, tip: &Tip, number: u64) -> Result<bool> {
    Ok(find::is_only_pulled(app, tip)? || theirs::came(&app.repo, tip.session.id, number)?)
}

/// Of these paths, which a tree of somebody else holds, those that run commands and are not as the project's own commit has
/// them.
pub fn executable<'p>(
    app: &App<'_>,
    tree: Oid,
    paths: impl IntoIterator<Item = &'p RepoPath>,
) -> Result<Vec<RepoPath>> {
    let objects = &app.repo.objects;
    let head = app.repo.head()?.commit.map(|commit| objects.read_commit(commit)).transpose()?.map(|commit| commit.tree);
    let mut found = Vec::new();
    for path in paths.into_iter().filter(|path| runs_commands(path)) {
        let there = tree::lookup(objects, tree, path)?;
        let own = head.map(|head| tree::lookup(objects, head, path)).transpose()?.flatten();
        if there.is_some() && there != own {
            found.push(path.clone());
        }
    }
    Ok(found)
}

/// The same of what a plan writes.
pub fn executable_in_plan(app: &App<'_>, plan: &Plan) -> Result<Vec<RepoPath>> {
    let written = plan.items.iter().filter(|item| item.action != Action::Delete).map(|item| &item.path);
    executable(app, plan.result, written)
}

/// The refusal that names what would run.
pub fn needed(line: &str, whose: Option<&Whose>, paths: &[RepoPath]) -> Failure {
    let what = match paths {
        [one] => format!("{one} runs commands and comes"),
        several => format!("{} files run commands and come", several.len()),
    };
    let from = whose.map_or_else(|| "from somebody else".to_owned(), |w| format!("from {} by {}", w.remote, w.author));
    Failure::new(FailureKind::Refused, "session.untrusted", format!("{what} {from}; nothing was changed"))
        .hint(format!("Read what is in there. `{line} --trust` writes it; `-- PATH...` takes other files alone."))
        .details(paths.iter().map(RepoPath::escaped).collect())
}
