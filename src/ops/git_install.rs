//! The hooks of git: planned, written, found again, taken out. Chained with what is there, never in place of it.
//!
//! A shell script gets our block after its first line. Anything else (another language, a link, a script that is switched
//! off) is kept aside under another name and called. A hooks folder in the work tree or outside of the repository is only
//! edited when asked to. What was done is kept in `<common dir>/session/git-hooks`, so that `disable` takes back exactly that.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::enable::Change;
use super::{App, Failure, FailureKind, Result};
use crate::base::file::{self, Durability};
use crate::base::{Error as BaseError, RepoPath};
use crate::engine::local;
use crate::git::hooks_dir::{self, HooksDir, Place};
use crate::git::{RefName, config_edit};

/// The hooks and the blocks that are put into them.
const HOOKS: [(&str, &str); 5] = [
    ("post-commit", include_str!("../../hooks/git/post-commit")),
    ("post-checkout", include_str!("../../hooks/git/post-checkout")),
    ("post-merge", include_str!("../../hooks/git/post-merge")),
    ("post-rewrite", include_str!("../../hooks/git/post-rewrite")),
    ("pre-push", include_str!("../../hooks/git/pre-push")),
];
const BEGIN: &[u8] = b"# git-session: begin";
const END: &[u8] = b"# git-session: end\n";
const SHEBANG: &[u8] = b"#!/bin/sh\n";
const SHELLS: &[&str] = &["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash"];
/// What a hook is called that we keep aside.
const ASIDE: &str = ".before-session";
/// What other tools call a hook that they found: pre-commit (which goes on calling it), lefthook (which does not).
const MOVED: [&str; 2] = [".legacy", ".old"];
const KEY: &str = "notes.rewriteRef";

/// What `enable` did; the only way to know what `disable` has to take back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    #[serde(default)]
    hooks: Vec<KeptHook>,
    /// Values added to the repository's configuration.
    #[serde(default)]
    config: Vec<(String, String)>,
    /// Folders that were made.
    #[serde(default)]
    folders: Vec<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptHook {
    /// Below the common dir, or absolute.
    path: PathBuf,
    /// Nothing was there before.
    created: bool,
    /// What was there is kept aside.
    aside: bool,
}

/// One hook before and after.
#[derive(Clone, Debug)]
struct Edit {
    path: PathBuf,
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
    /// What is there is kept aside first, or brought back from there.
    aside: Option<PathBuf>,
    what: &'static str,
}

/// Lines that a person has to add, since the file is not ours to edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ByHand {
    /// The file.
    pub path: String,
    /// To be put after its first line.
    pub lines: String,
}

/// What installing or taking out comes to.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    edits: Vec<Edit>,
    /// A value to add to, or to take from, the configuration.
    config: Vec<(String, String)>,
    kept: Kept,
    /// What is left to a person.
    pub by_hand: Vec<ByHand>,
}

/// The state of one hook, for `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Our block is there.
    There,
    /// Our block is there, for another program or of another version.
    Outdated,
    /// The file is there, our block is not.
    Overwritten,
    /// No such file.
    Missing,
}

/// Plans what installs the hooks; nothing where all is in place.
pub fn install(app: &App<'_>, write_hooks: bool) -> Result<Plan> {
    let dir = hooks_dir::find(&app.repo)?;
    let mut plan = Plan { kept: read_kept(app)?, ..Plan::default() };
    for (name, block) in HOOKS {
        let path = dir.path.join(name);
        let block = block_for(app, block);
        if dir.place == Place::GitDir || write_hooks {
            plan.edits.extend(insert(app, &dir, &path, &block, &mut plan.kept)?);
        } else if state_of(&path, &block)? != State::There {
            plan.by_hand.push(ByHand { path: shown(app, &path), lines: block });
        }
    }
    if !plan.edits.is_empty() && !dir.path.exists() {
        plan.kept.folders.push(relative(app, &dir.path));
    }
    let values = app.repo.config.matching("^notes\\.rewriteref$")?;
    if !values.iter().any(|(_, v)| RefName::covers_notes(&v.to_string())) {
        plan.config.push((KEY.to_owned(), RefName::notes().to_string()));
    }
    plan.kept.config.extend(plan.config.iter().cloned());
    Ok(plan)
}

/// Plans what takes them out again, wherever they are by now.
pub fn uninstall(app: &App<'_>) -> Result<Plan> {
    let kept = read_kept(app)?;
    let mut plan = Plan { config: kept.config.clone(), kept: kept.clone(), ..Plan::default() };
    let mut folders = vec![hooks_dir::own(&app.repo)];
    for hook in &kept.hooks {
        let folder = absolute(app, &hook.path).parent().map(Path::to_owned);
        folders.extend(folder);
    }
    folders.sort();
    folders.dedup();
    for folder in folders {
        for (name, _) in HOOKS {
            let path = folder.join(name);
            let known = kept.hooks.iter().find(|h| absolute(app, &h.path) == path);
            plan.edits.extend(take_out(&path, known)?);
            for suffix in MOVED {
                // What another tool moved out of its way and holds nothing of others was ours.
                let moved = known.map(|k| KeptHook { aside: false, created: true, ..k.clone() });
                plan.edits.extend(take_out(&folder.join(format!("{name}{suffix}")), moved.as_ref())?);
            }
        }
    }
    Ok(plan)
}

/// Whether any of it is installed.
pub fn is_installed(app: &App<'_>) -> bool {
    read_kept(app).is_ok_and(|kept| !kept.hooks.is_empty())
}

/// The hooks that were written into the work tree.
pub fn in_work_tree(app: &App<'_>) -> Result<Vec<RepoPath>> {
    let Ok(root) = app.repo.work_dir() else { return Ok(Vec::new()) };
    let hooks = read_kept(app)?.hooks;
    Ok(hooks.iter().filter_map(|h| RepoPath::below(root, &absolute(app, &h.path)).ok()).collect())
}

/// Where git looks for hooks now, and each hook with its state there; none where nothing was installed.
pub fn states(app: &App<'_>) -> Result<(HooksDir, Vec<(PathBuf, State)>)> {
    let dir = hooks_dir::find(&app.repo)?;
    let mut states = Vec::new();
    if is_installed(app) {
        for (name, block) in HOOKS {
            let path = dir.path.join(name);
            states.push((path.clone(), state_of(&path, &block_for(app, block))?));
        }
    }
    Ok((dir, states))
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
                change: match (&e.before, &e.after) {
                    (None, _) => "created",
                    (Some(_), None) if e.aside.is_none() => "removed",
                    _ => "changed",
                },
                what: e.what.to_owned(),
                bytes: (e.before.clone(), e.after.clone()),
            })
            .collect();
        let config = app.repo.common_dir.join("config");
        for (key, value) in &self.config {
            let before = file::read_optional(&config)?.unwrap_or_default();
            let line = format!("[notes]\n\trewriteRef = {value}\n");
            let (without, with) = (
                String::from_utf8_lossy(&before).replace(&line, "").into_bytes(),
                [before.as_slice(), line.as_bytes()].concat(),
            );
            let is_set = without != before;
            changes.push(Change {
                agent: "git".to_owned(),
                path: ".git/config".to_owned(),
                change: "changed",
                what: if is_set {
                    format!("{key}={value}: taken out")
                } else {
                    format!("{key}={value}: links follow amended and rebased commits")
                },
                bytes: (Some(before), Some(if is_set { without } else { with })),
            });
        }
        Ok(changes)
    }

    /// Installs. What is done is noted first, so that it can always be taken back.
    pub fn apply_install(&self, app: &App<'_>) -> Result<()> {
        if self.edits.is_empty() && self.config.is_empty() {
            return Ok(());
        }
        write_kept(app, &self.kept)?;
        for edit in &self.edits {
            let folder = edit.path.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(folder).map_err(BaseError::io("create the folder", folder))?;
            if let Some(aside) = &edit.aside {
                // A second name first: at no moment is the hook gone.
                std::fs::hard_link(&edit.path, aside).map_err(BaseError::io("keep aside", &edit.path))?;
            }
            let mode = (edit.aside.is_some() || edit.before.is_none()).then_some(0o755);
            write_hook(edit, mode)?;
        }
        for (key, value) in &self.config {
            config_edit::add(&app.repo, key, value)?;
        }
        Ok(())
    }

    /// Takes out.
    pub fn apply_uninstall(&self, app: &App<'_>) -> Result<()> {
        for edit in &self.edits {
            match &edit.aside {
                Some(aside) => {
                    std::fs::rename(aside, &edit.path).map_err(BaseError::io("bring back", &edit.path))?;
                }
                None => write_hook(edit, None)?,
            }
        }
        for (key, value) in &self.config {
            config_edit::remove(&app.repo, key, value)?;
        }
        for folder in &self.kept.folders {
            // Another tool may have put something there.
            let _not_empty = std::fs::remove_dir(absolute(app, folder));
        }
        write_kept(app, &Kept::default())
    }
}

fn write_hook(edit: &Edit, mode: Option<u32>) -> Result<()> {
    match &edit.after {
        Some(bytes) => Ok(file::write_atomic(&edit.path, bytes, mode, Durability::Process)?),
        None => Ok(file::remove_optional(&edit.path).map(drop)?),
    }
}

/// What puts the block into one hook; notes in `kept` what was there.
fn insert(app: &App<'_>, dir: &HooksDir, path: &Path, block: &str, kept: &mut Kept) -> Result<Option<Edit>> {
    let mut note = |created, aside| {
        let path = relative(app, path);
        kept.hooks.retain(|h| h.path != path);
        kept.hooks.push(KeptHook { path, created, aside });
    };
    let what = if path.ends_with("pre-push") {
        "a hook of git: no branch that reaches a checkpoint is pushed"
    } else {
        "a hook of git: commits make checkpoints"
    };
    let Ok(meta) = path.symlink_metadata() else {
        note(true, false);
        let after = Some([SHEBANG, block.as_bytes()].concat());
        return Ok(Some(Edit { path: path.to_owned(), before: None, after, aside: None, what }));
    };
    let before = file::read_optional(path)?;
    let bytes = before.clone().unwrap_or_default();
    // husky runs its files by `sh`, whatever their mode.
    let runs = meta.permissions().mode() & 0o111 != 0 || dir.place != Place::GitDir;
    if meta.is_file() && runs && is_shell(&bytes) {
        let after = with_block(&without_block(&bytes), block);
        if after == bytes {
            return Ok(None);
        }
        if !has_block(&bytes) {
            note(false, false);
        }
        return Ok(Some(Edit { path: path.to_owned(), before, after: Some(after), aside: None, what }));
    }
    let aside = named_aside(path);
    if aside.symlink_metadata().is_ok() {
        let message = format!("cannot keep {} aside: {} is in the way", path.display(), aside.display());
        return Err(Failure::new(FailureKind::Refused, "hooks.aside", message)
            .hint("Move that file away, or leave git's hooks out with --no-git-hooks."));
    }
    note(false, true);
    let after = Some(with_block(&calling(path), block));
    let what = "a hook of git, calling the one that was there";
    Ok(Some(Edit { path: path.to_owned(), before, after, aside: Some(aside), what }))
}

/// What takes the block out of one hook again.
fn take_out(path: &Path, known: Option<&KeptHook>) -> Result<Option<Edit>> {
    let aside = named_aside(path);
    let keeps = known.is_some_and(|k| k.aside) && aside.symlink_metadata().is_ok();
    let before = match path.symlink_metadata() {
        Ok(meta) if meta.is_file() => file::read_optional(path)?,
        _ => None,
    };
    let what = "git's hook as it was before";
    let rest = before.as_deref().map(without_block);
    // Our own file with nothing of others in it, or nothing at all: what was there comes back.
    if keeps && rest.as_ref().is_none_or(|r| *r == calling(path)) {
        let after = file::read_optional(&aside)?;
        return Ok(Some(Edit { path: path.to_owned(), before, after, aside: Some(aside), what }));
    }
    let Some((bytes, rest)) = before.clone().zip(rest) else { return Ok(None) };
    if !has_block(&bytes) {
        return Ok(None);
    }
    let is_bare = known.is_some_and(|k| k.created) && rest == SHEBANG;
    Ok(Some(Edit { path: path.to_owned(), before, after: (!is_bare).then_some(rest), aside: None, what }))
}

fn named_aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ASIDE);
    path.with_file_name(name)
}

/// A script that only calls the hook that is kept aside.
fn calling(path: &Path) -> Vec<u8> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let kept = format!("\"${{0%/*}}/{name}{ASIDE}\"");
    format!("#!/bin/sh\n\n# The hook that was here before.\n[ ! -x {kept} ] || exec {kept} \"$@\"\n").into_bytes()
}

fn block_for(app: &App<'_>, block: &str) -> String {
    let program = app.program.to_str().unwrap_or("git-session");
    block.replace("@PROGRAM@", &format!("'{}'", program.replace('\'', "'\\''")))
}

fn state_of(path: &Path, block: &str) -> Result<State> {
    let Some(bytes) = file::read_optional(path)? else { return Ok(State::Missing) };
    if bytes.windows(block.len()).any(|w| w == block.as_bytes()) {
        return Ok(State::There);
    }
    if has_block(&bytes) {
        return Ok(State::Outdated);
    }
    // pre-commit goes on calling what it found.
    let moved = file::read_optional(&path.with_extension("legacy"))?.unwrap_or_default();
    Ok(if has_block(&moved) { State::There } else { State::Overwritten })
}

/// Where our block begins and ends.
fn block_in(bytes: &[u8]) -> Option<(usize, usize)> {
    let find = |from: usize, needle: &[u8]| {
        let at = |at: &usize| bytes[*at..].starts_with(needle) && (*at == 0 || bytes[at - 1] == b'\n');
        (from..bytes.len()).find(at)
    };
    let start = find(0, BEGIN)?;
    Some((start, find(start, END)? + END.len()))
}

fn has_block(bytes: &[u8]) -> bool {
    block_in(bytes).is_some()
}

fn without_block(bytes: &[u8]) -> Vec<u8> {
    match block_in(bytes) {
        Some((start, end)) => [&bytes[..start], &bytes[end..]].concat(),
        None => bytes.to_vec(),
    }
}

/// The block comes after the first line where that names the shell, so that an `exit` cannot come before it.
fn with_block(bytes: &[u8], block: &str) -> Vec<u8> {
    let at = if bytes.starts_with(b"#!") {
        bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| at + 1)
    } else {
        0
    };
    let newline: &[u8] = if at > 0 && bytes[at - 1] != b'\n' { b"\n" } else { b"" };
    [&bytes[..at], newline, block.as_bytes(), &bytes[at..]].concat()
}

/// Whether a shell of the Bourne kind runs this. git runs a text without a first line of that sort by `sh`.
fn is_shell(bytes: &[u8]) -> bool {
    let Some(line) = bytes.strip_prefix(b"#!") else { return !bytes.contains(&0) };
    let line = String::from_utf8_lossy(line.split(|b| *b == b'\n').next().unwrap_or_default()).into_owned();
    let mut words = line.split_ascii_whitespace().map(|w| w.rsplit('/').next().unwrap_or(w));
    let first = words.next().unwrap_or_default();
    let shell = if first == "env" { words.find(|w| !w.starts_with('-')).unwrap_or_default() } else { first };
    SHELLS.contains(&shell)
}

/// A path as people know it.
fn shown(app: &App<'_>, path: &Path) -> String {
    if let Ok(below) = path.strip_prefix(&app.repo.common_dir) {
        return format!(".git/{}", below.display());
    }
    let root = app.repo.work_dir.as_deref().and_then(|root| path.strip_prefix(root).ok());
    root.unwrap_or(path).display().to_string()
}

fn relative(app: &App<'_>, path: &Path) -> PathBuf {
    path.strip_prefix(&app.repo.common_dir).unwrap_or(path).to_owned()
}

fn absolute(app: &App<'_>, path: &Path) -> PathBuf {
    app.repo.common_dir.join(path)
}

fn kept_path(app: &App<'_>) -> PathBuf {
    app.repo.common_dir.join("session").join("git-hooks")
}

fn read_kept(app: &App<'_>) -> Result<Kept> {
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
    Ok(file::write_atomic(&kept_path(app), &bytes, Some(0o600), Durability::Process)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_are_told_from_other_languages() {
        for shell in
            ["#!/bin/sh\n", "#!/usr/bin/env bash\n", "#!/bin/bash -e\n", "#! /usr/bin/env -S zsh -f\n", "ls\n", ""]
        {
            assert!(is_shell(shell.as_bytes()), "{shell:?}");
        }
        for other in ["#!/usr/bin/env python3\n", "#!/usr/bin/fish\n", "#!\n", "\u{7f}ELF\0"] {
            assert!(!is_shell(other.as_bytes()), "{other:?}");
        }
    }

    #[test]
    fn a_block_goes_in_after_the_first_line_and_out_without_a_trace() {
        let block = format!("{}\nx\n{}", "# git-session: begin", "# git-session: end\n");
        for script in ["#!/bin/sh\nexit 0\n", "exit 0\n", "#!/bin/sh\n", "", "#!/bin/sh\nno end"] {
            let with = with_block(script.as_bytes(), &block);
            assert!(has_block(&with) && !has_block(script.as_bytes()));
            assert_eq!(without_block(&with), script.as_bytes(), "{script:?}");
            assert_eq!(with_block(&without_block(&with), &block), with);
        }
    }

    #[test]
    fn every_block_can_be_found_again() {
        for (name, block) in HOOKS {
            assert!(block.starts_with("# git-session: begin") && block.ends_with("# git-session: end\n"), "{name}");
            assert!(block.contains(&format!("hook git {name} ")), "{name}");
        }
    }
}
