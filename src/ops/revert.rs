//! `revert TURN`: takes one turn's changes back and keeps later ones, by a three-way merge. Nothing is half applied.

use std::collections::{BTreeMap, BTreeSet};

use super::choice::{self, Foreign};
use super::moving::{self, CodeMove, Destination, Moved, Started, Terms};
use super::rewind::Outcome;
use super::{App, Failure, FailureKind, Result, address, managed, modes};
use crate::base::{RepoPath, text};
use crate::engine::passed::Passed;
use crate::engine::plan::{self, Kept, Target, Wanted, WantedFiles};
use crate::engine::{Snapshot, layout, store};
use crate::git::merge::{self, Merged};
use crate::git::{FileMode, Oid, Pathspec, tree};
use crate::model::filters::Bytes;
use crate::model::snapshot::Modes;
use crate::model::{Checkpoint, Kind, Mode, Scope, Skipped};

/// What to take back.
#[derive(Clone, Debug)]
pub struct Options {
    /// The turn's number.
    pub turn: u32,
    /// On what terms.
    pub terms: Terms,
}

/// Takes a turn's changes back.
///
/// # Errors
/// No such turn (3), later changes touch the same lines (5), nothing to take back (1).
pub fn run(app: &App<'_>, options: &Options) -> Result<Outcome> {
    let started = Started::new(app, &options.terms)?;
    let (tip, history) = (&started.tip, &started.history);
    let mut recording = started.recording(app, Mode::Code, &options.terms)?;
    let present = recording.capture_code(app, None)?;
    let start = address::checkpoint(app, tip, history, &format!("turn:{}", options.turn))?;
    let end = address::checkpoint(app, tip, history, &format!("turn:{}.end", options.turn))?;
    let mut turn = Turn::between(app, start, end)?;
    let paths = moving::paths(app, &options.terms.paths)?;
    moving::refuse_unmatched(app, &paths, &[present.tree, turn.before, turn.after])?;
    let mut foreign = Vec::new();
    if paths.is_empty() {
        foreign = choice::foreign_in_turn(app, tip, history, (start, end), &present, &turn.changed(app)?)?;
    } else {
        turn.leave(app, |path| !paths.matches(path))?;
    }
    if options.terms.foreign == Foreign::Mine {
        turn.leave(app, |path| foreign.contains(path))?;
    }
    let tree = match merge::trees(&app.repo.objects, turn.after, present.tree, turn.before)? {
        Merged::Clean(tree) => tree,
        Merged::Conflicts(paths) => return Err(conflict(options.turn, &options.terms.same_session(app), &paths)),
    };
    let skipped = Skipped::default();
    let managed = managed::paths(app, &[present.tree, tree])?;
    let target = Target { managed: &managed, ..Target::whole(tree, Scope::Full, &skipped) };
    let modes = turn.modes(app, &present, tree)?;
    let wanted = turn.wanted(app, &present, tree)?;
    let mut plan = moving::make(app, &present, &target, (&modes, &wanted))?;
    plan.kept.extend(turn.unknown.into_iter().map(|path| (path, Kept::NotLookedAt)));
    // What others changed since is kept by the merge; only what they may have done in the turn itself needs a choice.
    if options.terms.foreign != Foreign::Mine {
        foreign.retain(|path| plan.items.iter().any(|item| item.path == *path));
    }
    let code = Some(CodeMove { present, plan, modes });
    let (terms, everything) = (&options.terms, Pathspec::default());
    let destination = Destination {
        kind: Kind::Revert,
        mode: Mode::Code,
        target: start,
        redone: None,
        terms,
        paths: &everything,
        further_back: &[],
    };
    moving::go(app, recording, history, &destination, Moved { code, chat: None, foreign: Some(foreign) })
}

fn conflict(turn: u32, session: &str, paths: &[RepoPath]) -> Failure {
    let what = text::count(paths.len(), "file");
    let message = format!("later changes touch what turn {turn} did to {what}; nothing was changed");
    let hint = format!(
        "`session diff turn:{turn} turn:{turn}.end{session}` shows the turn; `session rewind code turn:{turn}{session}` goes back before it."
    );
    Failure::new(FailureKind::Conflict, "revert.conflict", message)
        .target(turn.to_string())
        .hint(hint)
        .details(paths.iter().map(RepoPath::escaped).collect())
}

/// What a turn did.
struct Turn {
    before: Oid,
    after: Oid,
    modes_before: Modes,
    modes_after: Modes,
    /// How files before it come to their bytes.
    wanted_before: WantedFiles,
    /// Paths of which one of its two checkpoints cannot tell whether they were there.
    unknown: Vec<RepoPath>,
    /// Paths that are not to be taken back.
    left: BTreeSet<RepoPath>,
}

impl Turn {
    fn between(app: &App<'_>, start: &Checkpoint, end: &Checkpoint) -> Result<Self> {
        let objects = &app.repo.objects;
        let (before, after) = (store::code_tree(&app.repo, start)?, store::code_tree(&app.repo, end)?);
        let skipped = [start, end].map(|c| layout::read_skipped(objects, c.meta_tree));
        let [skipped_before, skipped_after] = skipped;
        let (skipped_before, skipped_after) = (skipped_before?, skipped_after?);
        // What one of them did not look at, the turn neither made nor deleted, for all we know.
        let mut edits = Vec::new();
        let changes = tree::diff(objects, before, after)?;
        // What was ignored when it began may have been there all the time, unseen.
        let paths: Vec<RepoPath> = changes.iter().map(|change| change.path.clone()).collect();
        let rules = layout::read_exclude(objects, start.meta_tree)?;
        let were_ignored = plan::were_ignored(&app.repo, before, &rules, &paths)?;
        for (change, was_ignored) in changes.into_iter().zip(were_ignored) {
            let known = match (change.old, change.new) {
                (None, _) => !was_ignored && was_looked_at(start.scope, &skipped_before, &change.path),
                (_, None) => was_looked_at(end.scope, &skipped_after, &change.path),
                _ => !skipped_before.is_unseen(&change.path) && !skipped_after.is_unseen(&change.path),
            };
            if !known {
                edits.push((change.path, change.new));
            }
        }
        let unknown = edits.iter().map(|(path, _)| path.clone()).collect();
        let before = tree::edit(objects, before, edits)?;
        let modes_before = modes::recorded(app, start, store::code_tree(&app.repo, start)?)?;
        let modes_after = modes::recorded(app, end, store::code_tree(&app.repo, end)?)?;
        let wanted_before = WantedFiles::of_checkpoint(&app.repo, start.meta_tree)?;
        Ok(Self { before, after, modes_before, modes_after, wanted_before, unknown, left: BTreeSet::new() })
    }

    /// Paths whose content or permission bits it changed, or may have.
    fn changed(&self, app: &App<'_>) -> Result<Vec<RepoPath>> {
        let changes = tree::diff(&app.repo.objects, self.before, self.after)?.into_iter().map(|change| change.path);
        let (before, after) = (&self.modes_before.paths, &self.modes_after.paths);
        let bits = before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).cloned();
        let all: BTreeSet<RepoPath> = changes.chain(bits).collect();
        Ok(all.into_iter().collect())
    }

    /// Takes some of its changes out of it: they stay.
    fn leave(&mut self, app: &App<'_>, is_left: impl Fn(&RepoPath) -> bool) -> Result<()> {
        let objects = &app.repo.objects;
        let changes = tree::diff(objects, self.before, self.after)?.into_iter();
        let edits = changes.filter(|change| is_left(&change.path)).map(|change| (change.path, change.new)).collect();
        self.left.extend(self.changed(app)?.into_iter().filter(is_left));
        self.before = tree::edit(objects, self.before, edits)?;
        Ok(())
    }

    /// How files come to their bytes: as before the turn where they are as then, as now where they are as now; what was merged
    /// goes through the driver that the file has now.
    fn wanted(&self, app: &App<'_>, present: &Snapshot, merged: Oid) -> Result<WantedFiles> {
        let Some(before) = &self.wanted_before.0 else { return Ok(WantedFiles(None)) };
        let objects = &app.repo.objects;
        let mut wanted = BTreeMap::new();
        let paths: BTreeSet<&RepoPath> = before.keys().chain(present.passed.looked_at.keys()).collect();
        for path in paths {
            let entry = tree::lookup(objects, merged, path)?;
            let now = present.passed.looked_at.get(path);
            let is_as_now = entry == tree::lookup(objects, present.tree, path)?;
            let is_as_before = entry == tree::lookup(objects, self.before, path)? && !is_as_now;
            let by_driver = |now: &Passed, check| Wanted::Driver { driver: now.driver.clone(), check };
            let how = match (is_as_before, now) {
                (true, _) => before.get(path).cloned(),
                (false, Some(now)) if is_as_now => Some(Wanted::Kept(now.disk)),
                (false, Some(now)) if now.bytes != Bytes::Blob => Some(by_driver(now, None)),
                (false, _) => None,
            };
            wanted.extend(how.map(|how| (path.clone(), how)));
        }
        Ok(WantedFiles(Some(wanted)))
    }

    /// The permission bits that files get: those before the turn where nobody changed them since, else those of now.
    fn modes(&self, app: &App<'_>, present: &Snapshot, merged: Oid) -> Result<Modes> {
        let objects = &app.repo.objects;
        let now = Modes::new(present.umask, &present.modes);
        let all = [&self.modes_before, &self.modes_after, &now];
        let paths: BTreeSet<&RepoPath> = all.iter().flat_map(|modes| modes.paths.keys()).collect();
        let file_mode = app.repo.config.bool("core.fileMode")?.unwrap_or(true);
        let mut wanted = BTreeMap::new();
        for path in paths {
            let bits = |modes: &Modes, root: Oid| -> Result<Option<u32>> {
                let entry = tree::lookup(objects, root, path)?;
                Ok(entry.and_then(|(mode, _)| modes.of(path, mode)))
            };
            let before = bits(&self.modes_before, self.before)?;
            let after = bits(&self.modes_after, self.after)?;
            let present = bits(&now, present.tree)?;
            let is_taken_back = !self.left.contains(path) && (present.is_none() || present == after);
            let chosen = if is_taken_back { before.or(present) } else { present };
            if let (Some(bits), Some((mode, _))) = (chosen, tree::lookup(objects, merged, path)?) {
                wanted.insert(path.clone(), if file_mode { with_exec(bits, mode) } else { bits });
            }
        }
        Ok(Modes::new(present.umask, &wanted))
    }
}

fn was_looked_at(scope: Scope, skipped: &Skipped, path: &RepoPath) -> bool {
    let in_scope = match scope {
        Scope::Full => true,
        Scope::Paths => skipped.only.iter().any(|only| path.is_at_or_below(only)),
        Scope::Tracked => false,
    };
    in_scope && !skipped.covers(path)
}

/// Permission bits that say what the tree says of the exec bit.
const fn with_exec(bits: u32, mode: FileMode) -> u32 {
    match (mode, bits & 0o100 != 0) {
        (FileMode::Executable, false) => bits | ((bits & 0o444) >> 2) | 0o100,
        (FileMode::File, true) => bits & !0o111,
        _ => bits,
    }
}
