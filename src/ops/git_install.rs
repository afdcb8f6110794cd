//! The hooks of git: planned, written, found again, taken out. Chained with what is there, never in place of it.
//!
//! What a hook holds is [`hook_text`]'s business, what is kept aside [`hook_aside`]'s, where hooks may save
//! [`git_enabled`]'s. A hooks directory in the work tree or outside of the repository is only edited when asked to. What is
//! installed is found by looking; the note `<common dir>/session/git-hooks` only says more of how it was before.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::enable::Change;
use super::git_enabled::{self, ADDED, DISABLED, ENABLED};
use super::git_installed::{State, read_hook, state_of, why_off};
use super::git_setting::{NOTES, Setting};
use super::hook_aside::Aside;
use super::hook_text::{self, has_block, is_bare, with_block, without_block};
use super::{App, Failure, FailureKind, Result};
use crate::base::file::{self, Durability};
use crate::base::{Error as BaseError, RepoPath};
use crate::engine::{local, seen};
use crate::git::RefName;
use crate::git::hooks_dir::{self, HooksDir, Place};

/// The hooks and the blocks that are put into them.
pub(super) const HOOKS: [(&str, &str); 6] = [
    ("post-applypatch", include_str!("../../hooks/git/post-applypatch")),
    ("post-commit", include_str!("../../hooks/git/post-commit")),
    ("post-checkout", include_str!("../../hooks/git/post-checkout")),
    ("post-merge", include_str!("../../hooks/git/post-merge")),
    ("post-rewrite", include_str!("../../hooks/git/post-rewrite")),
    ("pre-push", include_str!("../../hooks/git/pre-push")),
];

/// What `enable` did, as far as looking does not tell. May be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(default)]
    pub(super) hooks: Vec<KeptHook>,
    /// Values that the first version added to the repository's configuration.
    #[serde(default)]
    pub(super) config: Vec<(String, String)>,
    /// Directories that were made.
    #[serde(default)]
    pub(super) folders: Vec<PathBuf>,
    /// The repository's configuration says where hooks save; the first version had only this note.
    #[serde(default)]
    pub(super) marked: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptHook {
    /// Below the common dir, or absolute.
    pub(super) path: PathBuf,
    /// Nothing was there before.
    pub(super) created: bool,
    /// What was there is kept aside.
    pub(super) aside: bool,
}

/// One hook before and after.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) path: PathBuf,
    pub(super) before: Option<Vec<u8>>,
    pub(super) after: Option<Vec<u8>>,
    pub(super) step: Step,
    pub(super) what: &'static str,
}

/// How a hook comes to its text.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Written, with this mode where it is given; removed where there is no text.
    Write(Option<u32>),
    /// What is at this path is kept aside first.
    Keep(Aside, PathBuf),
    /// What is kept at this path comes back.
    BringBack(Aside, PathBuf),
}

/// Lines that a person has to add, since the file is not ours to edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ByHand {
    /// The file.
    pub path: String,
    /// To be put after its first line.
    pub lines: String,
}

/// What `disable` does not take away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// The file or directory.
    pub path: String,
    /// Why it stays, and what to do.
    pub why: String,
}

/// What installing or taking out comes to.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub(super) edits: Vec<Edit>,
    pub(super) config: Vec<Setting>,
    pub(super) kept: Kept,
    /// Directories that hooks are taken out of.
    pub(super) dirs: Vec<PathBuf>,
    /// What is left to a person.
    pub by_hand: Vec<ByHand>,
    /// Why git runs no hooks here.
    pub off: Option<String>,
    /// What stays.
    pub left: Vec<Left>,
}

/// Whether a name is that of a hook that we install.
pub fn is_hook(name: &str) -> bool {
    HOOKS.iter().any(|(hook, _)| *hook == name)
}

/// Plans what installs the hooks; nothing where all is in place.
pub fn install(app: &App<'_>, write_hooks: bool) -> Result<Plan> {
    let dir = hooks_dir::find(&app.repo)?;
    let mut plan = Plan { kept: read_kept(app)?, off: why_off(app, &dir)?, ..Plan::default() };
    let of_old = is_of_old(app, &plan.kept)?;
    plan.kept.marked = true;
    for (name, block) in HOOKS {
        let path = dir.path.join(name);
        let block = block_for(app, block);
        if plan.off.is_some() {
        } else if dir.place == Place::GitDir || write_hooks {
            plan.edits.extend(insert(app, &dir, name, &block, &mut plan.kept)?);
        } else if state_of(&dir, name, &block)? != State::There {
            let lines = by_hand(app, &dir, &path, name, block)?;
            plan.by_hand.push(ByHand { path: shown(app, &path), lines });
        }
    }
    if !plan.edits.is_empty() && !dir.path.exists() {
        plan.kept.folders.push(relative(app, &dir.path));
    }
    let (marks, here) = (git_enabled::marks(app)?, git_enabled::here(app));
    let mut set = |key, value: String, add| plan.config.push(Setting { key, value, add });
    if !marks.enabled.contains(&here) {
        set(ENABLED, here.clone(), true);
    }
    if marks.disabled.contains(&here) {
        set(DISABLED, here, false);
    }
    let values = app.repo.config.matching("^notes\\.rewriteref$")?;
    // The first version added the plain name, of which git warns while there are no notes.
    let plain = RefName::notes().to_string();
    let is_plain = of_old && values.iter().any(|(_, v)| *v == plain);
    if is_plain {
        set(NOTES, plain, false);
    }
    if is_plain || !values.iter().any(|(_, v)| RefName::covers_notes(&v.to_string())) {
        set(NOTES, RefName::notes_pattern().to_owned(), true);
        set(ADDED, RefName::notes_pattern().to_owned(), true);
    }
    Ok(plan)
}

/// Whether the first version added the value of `notes.rewriteRef` that is there: it noted that, and where the note is gone
/// its lines in a hook tell.
fn is_of_old(app: &App<'_>, kept: &Kept) -> Result<bool> {
    if *kept != (Kept { marked: kept.marked, ..Kept::default() }) {
        return Ok(kept.config.iter().any(|(key, _)| key == NOTES));
    }
    let own = hooks_dir::own(&app.repo);
    let has_lines = HOOKS.iter().any(|(name, _)| read_hook(&own.join(name)).is_some_and(|bytes| has_block(&bytes)));
    let ours = RefName::notes().to_string();
    Ok(has_lines && app.repo.config.own(NOTES)?.iter().any(|value| *value == ours))
}

/// Whether there is the note of an installation by the first version, which marked nothing.
pub fn is_noted(app: &App<'_>) -> bool {
    read_kept(app).is_ok_and(|kept| kept != Kept::default() && !kept.marked)
}

/// The hooks that were written into the work tree.
pub fn in_work_tree(app: &App<'_>) -> Result<Vec<RepoPath>> {
    let Ok(root) = app.repo.work_dir() else { return Ok(Vec::new()) };
    let hooks = read_kept(app)?.hooks;
    Ok(hooks.iter().filter_map(|h| RepoPath::below(root, &absolute(app, &h.path)).ok()).collect())
}

/// Hooks that lie, or would lie, in the work tree.
pub fn possible_in_work_tree(app: &App<'_>) -> Result<Vec<RepoPath>> {
    let root = app.repo.work_dir()?;
    let dir = hooks_dir::find(&app.repo)?;
    if dir.place != Place::WorkTree {
        return Ok(Vec::new());
    }
    Ok(HOOKS.iter().filter_map(|(name, _)| RepoPath::below(root, &dir.path.join(name)).ok()).collect())
}

/// Whether a hook holds our block.
pub fn holds_ours(bytes: &[u8]) -> bool {
    has_block(bytes)
}

impl Plan {
    /// As told.
    pub fn changes(&self, app: &App<'_>) -> Result<Vec<Change>> {
        let mut changes: Vec<Change> = self
            .edits
            .iter()
            .map(|e| Change {
                agent: "git".to_owned(),
                path: shown(app, &e.path),
                change: match (&e.before, &e.after, &e.step) {
                    (None, _, Step::Write(_)) => "created",
                    (Some(_), None, Step::Write(_)) => "removed",
                    _ => "changed",
                },
                what: e.what.to_owned(),
                bytes: (e.before.clone(), e.after.clone()),
            })
            .collect();
        let mut before = file::read_optional(&app.repo.common_dir.join("config"))?.unwrap_or_default();
        for setting in &self.config {
            let after = setting.in_text(&before);
            changes.push(Change {
                agent: "git".to_owned(),
                path: ".git/config".to_owned(),
                change: "changed",
                what: setting.told(),
                bytes: (Some(before), Some(after.clone())),
            });
            before = after;
        }
        Ok(changes)
    }

    /// Installs. What is done is noted first, so that it can always be taken back.
    pub fn apply_install(&self, app: &App<'_>) -> Result<()> {
        if self.edits.is_empty() && self.config.is_empty() {
            return Ok(());
        }
        write_kept(app, &self.kept)?;
        if let Some(head) = app.repo.head()?.commit {
            seen::note(&app.repo, head, app.now())?;
        }
        for edit in &self.edits {
            let folder = edit.path.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(folder).map_err(BaseError::io("create the directory", folder))?;
            edit.apply()?;
            if edit.path.starts_with(&app.repo.common_dir) {
                app.repo.shared.adjust_below(&app.repo.common_dir, &edit.path)?;
            }
        }
        self.configure(app)
    }

    /// Takes out.
    pub fn apply_uninstall(&self, app: &App<'_>) -> Result<()> {
        for edit in &self.edits {
            edit.apply()?;
        }
        for dir in &self.dirs {
            for aside in HOOKS.iter().filter_map(|(name, _)| Aside::of(&dir.join(name))) {
                aside.forget()?;
            }
        }
        self.configure(app)?;
        if self.dirs.is_empty() {
            return Ok(());
        }
        for folder in &self.kept.folders {
            // Another tool may have put something there.
            let _not_empty = std::fs::remove_dir(absolute(app, folder));
        }
        write_kept(app, &Kept::default())
    }

    fn configure(&self, app: &App<'_>) -> Result<()> {
        self.config.iter().try_for_each(|setting| setting.apply(app))
    }
}

impl Edit {
    fn apply(&self) -> Result<()> {
        match (&self.step, &self.after) {
            (Step::Write(mode), Some(bytes)) => {
                file::write_atomic(&self.path, bytes, mode.map(|_| 0o777 & !file::umask()), Durability::Process)?;
            }
            (Step::Write(_), None) => {
                file::remove_optional(&self.path)?;
            }
            (Step::Keep(aside, from), text) => aside.keep(from, text.as_deref().unwrap_or_default())?,
            (Step::BringBack(aside, from), text) => {
                aside.bring_back(from)?;
                // One that was switched off while it held our lines.
                if let Some(text) = text.as_ref().filter(|_| read_hook(&self.path).is_some_and(|b| has_block(&b))) {
                    file::write_atomic(&self.path, text, None, Durability::Process)?;
                }
            }
        }
        Ok(())
    }
}

/// What puts the block into one hook; notes in `kept` what was there.
fn insert(app: &App<'_>, dir: &HooksDir, name: &str, block: &str, kept: &mut Kept) -> Result<Option<Edit>> {
    let path = dir.path.join(name);
    let noted = relative(app, &path);
    let was_created = kept.hooks.iter().any(|h| h.path == noted && h.created);
    let mut note = |created, aside| {
        kept.hooks.retain(|h| h.path != noted);
        kept.hooks.push(KeptHook { path: noted.clone(), created, aside });
    };
    let what = if name == "pre-push" {
        "a hook of git: no branch that reaches a checkpoint is pushed"
    } else {
        "a hook of git: commits make checkpoints"
    };
    let is_own = dir.path == hooks_dir::own(&app.repo);
    let created = if is_own { hook_text::created(name) } else { hook_text::SHEBANG.to_vec() };
    let write =
        |before, after, mode| Edit { path: path.clone(), before, after: Some(after), step: Step::Write(mode), what };
    let Ok(meta) = path.symlink_metadata() else {
        note(true, false);
        return Ok(Some(write(None, with_block(&created, block), Some(0o755))));
    };
    let aside = Aside::of(&path);
    let before = read_hook(&path);
    let bytes = before.clone().unwrap_or_default();
    let rest = without_block(&bytes);
    let runs = hook_text::runs(dir, meta.permissions().mode());
    let calls = aside.as_ref().is_some_and(|aside| aside.is_calling(&rest));
    if meta.is_file() && has_block(&bytes) && (calls || is_bare(&rest, name)) {
        let (text, step) = match aside {
            Some(aside) if calls => {
                let of_old = aside.found().filter(|at| *at != aside.kept).map(Path::to_owned);
                let text = aside.calling();
                (text, of_old.map_or(Step::Write(Some(0o755)), |from| Step::Keep(aside, from)))
            }
            _ => (if was_created { created } else { rest }, Step::Write(Some(0o755))),
        };
        let after = with_block(&text, block);
        if after == bytes && runs && matches!(step, Step::Write(_)) {
            return Ok(None);
        }
        return Ok(Some(Edit { step, ..write(before, after, None) }));
    }
    if meta.is_file() && runs && before.is_some() && (dir.by_sh || hook_text::takes_block(&rest)) {
        let after = with_block(&rest, block);
        if after == bytes {
            return Ok(None);
        }
        if !has_block(&bytes) {
            note(false, false);
        }
        return Ok(Some(write(before, after, None)));
    }
    let Some(aside) = aside else {
        let message = format!("cannot keep {} aside: its directory has no name", path.display());
        return Err(Failure::new(FailureKind::Refused, "hooks.aside", message)
            .hint("Leave git's hooks out with --no-git-hooks."));
    };
    aside.must_be_free()?;
    note(false, true);
    let after = with_block(&aside.calling(), block);
    let what = "a hook of git, calling the one that was there";
    Ok(Some(Edit { step: Step::Keep(aside, path.clone()), what, ..write(before, after, None) }))
}

/// What a person is given for one hook.
fn by_hand(app: &App<'_>, dir: &HooksDir, path: &Path, name: &str, block: String) -> Result<String> {
    let takes = path.symlink_metadata().is_err()
        || dir.by_sh
        || read_hook(path).is_some_and(|bytes| hook_text::takes_block(&without_block(&bytes)));
    if takes {
        return Ok(block);
    }
    let program = program(app);
    Ok(format!(
        "# Not a shell script that lines can be put into: have it run this, with what it was given to read.\n\
         {program} hook git {name} \"$@\"\n"
    ))
}

fn program(app: &App<'_>) -> String {
    format!("'{}'", app.program.to_str().unwrap_or("git-session").replace('\'', "'\\''"))
}

pub(super) fn block_for(app: &App<'_>, block: &str) -> String {
    block.replace("@PROGRAM@", &program(app))
}

/// A path as people know it.
pub(super) fn shown(app: &App<'_>, path: &Path) -> String {
    if let Ok(below) = path.strip_prefix(&app.repo.common_dir) {
        return format!(".git/{}", below.display());
    }
    let root = app.repo.work_dir.as_deref().and_then(|root| path.strip_prefix(root).ok());
    root.unwrap_or(path).display().to_string()
}

fn relative(app: &App<'_>, path: &Path) -> PathBuf {
    path.strip_prefix(&app.repo.common_dir).unwrap_or(path).to_owned()
}

pub(super) fn absolute(app: &App<'_>, path: &Path) -> PathBuf {
    app.repo.common_dir.join(path)
}

fn kept_path(app: &App<'_>) -> PathBuf {
    app.repo.common_dir.join("session").join("git-hooks")
}

pub(super) fn read_kept(app: &App<'_>) -> Result<Kept> {
    let bytes = file::read_optional(&kept_path(app))?;
    Ok(bytes.and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default())
}

fn write_kept(app: &App<'_>, kept: &Kept) -> Result<()> {
    if *kept == Kept::default() {
        return Ok(file::remove_optional(&kept_path(app)).map(drop)?);
    }
    local::shared_dir(&app.repo)?;
    let bytes = serde_json::to_vec(kept)
        .map_err(|e| Failure::new(FailureKind::Internal, "internal", format!("cannot note what was installed: {e}")))?;
    Ok(file::write_atomic(&kept_path(app), &bytes, Some(app.repo.shared.private_file()), Durability::Process)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_can_be_found_again() {
        for (name, block) in HOOKS {
            assert!(block.starts_with("# git-session: begin") && block.ends_with("# git-session: end\n"), "{name}");
            assert!(block.contains(&format!("hook git {name} ")), "{name}");
        }
    }
}
