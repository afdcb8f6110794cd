//! `enable`: installs an agent's hooks and command files, personal ones out of git's sight, and git's own hooks; says all
//! it did, and does it once.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::agent_hooks::{self, AgentHooks};
use super::git_install::{self, ByHand, Left, Plan};
use super::{App, Failure, FailureKind, Result, state_file};
use crate::agents::{self, Agent, FileEdit, InstallOptions};
use crate::base::file::{self, Durability};
use crate::base::{RepoPath, beneath};
use crate::engine::local::{self, Installed};
use crate::git::outside_rules::{BEGIN, END};

/// What to install.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Agents; every one that can be installed into where empty.
    pub agents: Vec<String>,
    /// The committed settings instead of the personal ones.
    pub shared: bool,
    /// Leave the agent's own `/rewind` alone.
    pub keep_builtin_rewind: bool,
    /// Leave git's hooks alone.
    pub no_git_hooks: bool,
    /// Write into a hooks folder that is not this clone's alone.
    pub write_hooks: bool,
    /// Only say it.
    pub dry_run: bool,
}

/// One file, as told.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// The agent, or `git`.
    pub agent: String,
    /// Relative to the top of the work tree.
    pub path: String,
    /// `created`, `changed`, `removed`.
    pub change: &'static str,
    /// What it is.
    pub what: String,
    /// Its bytes before and after, for a dry run's diff.
    #[serde(skip)]
    pub bytes: (Option<Vec<u8>>, Option<Vec<u8>>),
}

/// What was, or would be, done.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The agents.
    pub agents: Vec<String>,
    /// Files that changed; none when all was in place.
    pub changes: Vec<Change>,
    /// Lines for hooks of git that are not ours to edit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_hand: Vec<ByHand>,
    /// Why git runs no hooks here, where it runs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks_off: Option<String>,
    /// What `disable` does not take away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Left>,
    /// Whether this only says what would happen.
    pub dry_run: bool,
}

/// The agents of these names that can be installed into; all of them where none is named.
pub fn agents_of(names: &[String]) -> Result<Vec<&'static dyn Agent>> {
    if names.is_empty() {
        return Ok(agents::AGENTS.iter().copied().filter(|a| a.is_installable()).collect());
    }
    names
        .iter()
        .map(|name| {
            let known = || agents::AGENTS.iter().map(|a| a.kind()).collect::<Vec<_>>().join(", ");
            agents::find(name).ok_or_else(|| {
                Failure::new(FailureKind::NotFound, "agent.unknown", format!("unknown agent: {name}"))
                    .target(name.clone())
                    .hint(format!("Known agents: {}.", known()))
            })
        })
        .collect()
}

/// Installs.
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let root = app.repo.work_dir()?.to_owned();
    let program = app.program.to_str().map_or_else(|| "git-session".to_owned(), str::to_owned);
    let install = InstallOptions {
        program,
        shared: options.shared,
        keep_builtin_rewind: options.keep_builtin_rewind,
        env: app.agent_env.clone(),
    };
    let chosen = agents_of(&options.agents)?;
    let mut edits: Vec<(&str, FileEdit)> = Vec::new();
    for agent in &chosen {
        edits.extend(agent.install(&root, &install)?.into_iter().map(|e| (agent.kind(), e)));
    }
    let mut changes: Vec<Change> = edits.iter().map(|(agent, edit)| describe(agent, edit)).collect();
    let mut excluded = excluded_lines(app)?;
    for (_, edit) in &edits {
        let line = format!("/{}", edit.path.display());
        if edit.exclude && edit.after.is_some() && !excluded.contains(&line) && !is_tracked(app, &edit.path)? {
            excluded.push(line);
        }
    }
    for line in state_file::exclude_lines(app)? {
        if !excluded.contains(&line) {
            excluded.push(line);
        }
    }
    let exclude = exclude_edit(app, &excluded)?;
    changes.extend(exclude.as_ref().map(|(before, after)| exclude_change(before, after)));
    let hooks = if options.no_git_hooks { Plan::default() } else { git_install::install(app, options.write_hooks)? };
    changes.extend(hooks.changes(app)?);
    edits.iter().try_for_each(|(_, edit)| file::can_be_made(&root.join(&edit.path)))?;
    if !options.dry_run {
        let mut installed = local::installed(&app.repo)?;
        for (_, edit) in &edits {
            note(&mut installed, edit, &app.repo.worktree_name());
        }
        // The note first: what is installed can then always be found again.
        local::set_installed(&app.repo, &installed)?;
        if let Some((_, after)) = &exclude {
            write_exclude(app, after)?;
        }
        for (_, edit) in &edits {
            apply(&root, edit)?;
        }
        hooks.apply_install(app)?;
    }
    Ok(Outcome {
        agents: chosen.iter().map(|a| a.kind().to_owned()).collect(),
        changes,
        by_hand: hooks.by_hand,
        hooks_off: hooks.off,
        left: Vec::new(),
        dry_run: options.dry_run,
    })
}

/// Notes a file with its text, so that `disable` can give back to the byte what nobody edited in between.
fn note(installed: &mut Vec<Installed>, edit: &FileEdit, worktree: &str) {
    let path = edit.path.to_string_lossy().into_owned();
    let text = |bytes: &Option<Vec<u8>>| bytes.clone().and_then(|b| String::from_utf8(b).ok());
    let (before, after) = (text(&edit.before), text(&edit.after));
    match installed.iter_mut().find(|i| i.path == path && i.is_in(worktree)) {
        Some(known) if known.after.is_some() && known.after == before => known.after = after,
        Some(known) => (known.before, known.after) = (None, None),
        None => {
            let worktree = Some(worktree.to_owned());
            installed.push(Installed { path, worktree, created: edit.before.is_none(), before, after });
        }
    }
}

/// What taking out leaves: the text from before, where the file is as `enable` wrote it.
pub fn give_back(installed: &[Installed], edit: &mut FileEdit, worktree: &str) {
    let path = edit.path.to_string_lossy();
    let known = installed.iter().find(|i| i.path == path && i.is_in(worktree) && !i.created && i.before.is_some());
    if let Some(known) = known
        && edit.before.is_some()
        && edit.before.as_deref() == known.after.as_deref().map(str::as_bytes)
    {
        edit.after = known.before.clone().map(String::into_bytes);
    }
}

/// Agents whose hooks are in this work tree, and run.
pub fn enabled_agents(app: &App<'_>) -> Result<Vec<String>> {
    let there = agent_hooks::look(app)?.into_iter().filter(AgentHooks::is_there);
    Ok(there.map(|hooks| hooks.agent.to_owned()).collect())
}

/// How an edit is told.
pub fn describe(agent: &str, edit: &FileEdit) -> Change {
    Change {
        agent: agent.to_owned(),
        path: edit.path.to_string_lossy().into_owned(),
        change: match (&edit.before, &edit.after) {
            (None, _) => "created",
            (Some(_), None) => "removed",
            (Some(_), Some(_)) => "changed",
        },
        what: edit.what.clone(),
        bytes: (edit.before.clone(), edit.after.clone()),
    }
}

/// Writes or removes one file; folders that are left empty go too, up to the top of the work tree. Nothing through a link.
pub fn apply(root: &Path, edit: &FileEdit) -> Result<()> {
    match &edit.after {
        Some(bytes) => beneath::write(root, &edit.path, bytes)?,
        None => beneath::remove(root, &edit.path).map(drop)?,
    }
    Ok(())
}

/// Whether HEAD has the path.
pub fn is_tracked(app: &App<'_>, path: &Path) -> Result<bool> {
    let Some(head) = app.repo.head()?.commit else { return Ok(false) };
    let tree = app.repo.objects.read_commit(head)?.tree;
    let path = RepoPath::new(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))?;
    Ok(crate::git::tree::lookup(&app.repo.objects, tree, &path)?.is_some())
}

fn exclude_path(app: &App<'_>) -> PathBuf {
    app.repo.common_dir.join("info").join("exclude")
}

fn exclude_bytes(app: &App<'_>) -> Result<Vec<u8>> {
    Ok(file::read_optional(&exclude_path(app))?.unwrap_or_default())
}

/// Our lines in `info/exclude`.
pub fn excluded_lines(app: &App<'_>) -> Result<Vec<String>> {
    let bytes = exclude_bytes(app)?;
    let Some(block) = block_in(&bytes) else { return Ok(Vec::new()) };
    let text = String::from_utf8_lossy(&bytes[block]);
    Ok(text.lines().filter(|l| *l != BEGIN && *l != END).map(str::to_owned).collect())
}

/// Where our lines stand, with the two that mark them.
fn block_in(bytes: &[u8]) -> Option<Range<usize>> {
    let lines = bytes.split_inclusive(|b| *b == b'\n').scan(0, |at, line| {
        *at += line.len();
        Some((*at - line.len(), *at, line.strip_suffix(b"\n").unwrap_or(line)))
    });
    let mut begun = None;
    for (start, end, line) in lines {
        if line == BEGIN.as_bytes() {
            begun = Some(start);
        } else if line == END.as_bytes()
            && let Some(begun) = begun
        {
            return Some(begun..end);
        }
    }
    None
}

/// `info/exclude` before and after it holds exactly these lines of ours; `None` where it does already. Bytes around them stay.
pub fn exclude_edit(app: &App<'_>, lines: &[String]) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let before = exclude_bytes(app)?;
    let block = if lines.is_empty() { String::new() } else { format!("{BEGIN}\n{}\n{END}\n", lines.join("\n")) };
    let place = block_in(&before).unwrap_or_else(|| {
        // Before a last line without an end, so that taking them out leaves it without one.
        let at = if before.is_empty() || before.ends_with(b"\n") { before.len() } else { 0 };
        at..at
    });
    let after = [&before[..place.start], block.as_bytes(), &before[place.end..]].concat();
    Ok((after != before).then_some((before, after)))
}

/// How a change of `info/exclude` is told.
pub fn exclude_change(before: &[u8], after: &[u8]) -> Change {
    Change {
        agent: "git".to_owned(),
        path: ".git/info/exclude".to_owned(),
        change: "changed",
        what: "personal files stay out of git's sight".to_owned(),
        bytes: (Some(before.to_vec()), Some(after.to_vec())),
    }
}

/// Writes `info/exclude`.
pub fn write_exclude(app: &App<'_>, bytes: &[u8]) -> Result<()> {
    let path = exclude_path(app);
    if let Some(folder) = path.parent() {
        file::create_dir(folder, 0o777)?;
    }
    // Only a file: what stands there as a link is the user's.
    exclude_bytes(app)?;
    file::write_atomic(&path, bytes, None, Durability::Process)?;
    Ok(app.repo.shared.adjust_below(&app.repo.common_dir, &path)?)
}
