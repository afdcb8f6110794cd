//! Whose change is it? Finds the paths of a plan that someone else than this session changed since the target.
//!
//! A path's content is followed back from the present, checkpoint by checkpoint. A change is the session's own only between two
//! checkpoints that both looked at the path, inside a window of one of its turns, with no window of another session of this
//! worktree open since the earlier of them, and, in a turn that did not come to its own end, not after the agent's last sign of
//! life. Without an agent what changes in the worktree and clone where the session is at home is its person's.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::history::{Half, History};
use super::{Result, Snapshot, late, layout, store};
use crate::base::{RepoPath, SessionId, Timestamp};
use crate::git::{FileMode, Oid, Repo, tree};
use crate::model::snapshot::Modes;
use crate::model::{Checkpoint, Kind, Scope, TurnRow};

/// A stretch of time in which another session had a turn open; without an end it still has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When it began.
    pub from: Timestamp,
    /// When it was closed.
    pub to: Option<Timestamp>,
}

/// Where checkpoints are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The clone; `None` in records from before clones were told apart.
    pub clone: Option<String>,
    /// The worktree.
    pub worktree: String,
}

/// What is needed to judge.
#[derive(Debug)]
pub struct Question<'a> {
    /// The session's chain.
    pub history: &'a History,
    /// The files now.
    pub present: &'a Snapshot,
    /// The moment now.
    pub now: Timestamp,
    /// Where the restore goes.
    pub target: &'a Checkpoint,
    /// Windows of other sessions of this worktree.
    pub others: &'a [Window],
    /// Whether the session has an agent.
    pub has_agent: bool,
    /// Rows of the session's turns.
    pub rows: &'a [TurnRow],
    /// The last sign of life of the turn that is open; `None` where file times cannot be compared with it.
    pub sign: Option<Timestamp>,
    /// This clone and worktree.
    pub home: &'a Home,
    /// Sessions that a remote has: where a checkpoint of theirs does not say where it was made, that may be anywhere.
    pub shared: &'a HashSet<SessionId>,
}

/// The paths that are foreign, in the order given.
pub fn find(repo: &Repo, question: &Question<'_>, paths: &[RepoPath]) -> Result<Vec<RepoPath>> {
    let Some(tip) = question.history.tip() else { return Ok(Vec::new()) };
    let mut search = Search::new(repo, question)?;
    let mut foreign = Vec::new();
    for path in paths {
        if search.is_foreign(tip, path)? {
            foreign.push(path.clone());
        }
    }
    Ok(foreign)
}

/// Those that are foreign by what happened up to a checkpoint; what came after it does not count.
pub fn find_up_to(repo: &Repo, question: &Question<'_>, end: &Checkpoint, paths: &[RepoPath]) -> Result<Vec<RepoPath>> {
    let mut search = Search::new(repo, question)?;
    let mut foreign = Vec::new();
    for path in paths {
        let content = search.content(end, path)?;
        if search.is_foreign_since(end, content, path)? {
            foreign.push(path.clone());
        }
    }
    Ok(foreign)
}

struct Search<'a> {
    repo: &'a Repo,
    question: &'a Question<'a>,
    open_after: HashMap<u64, bool>,
    line_of_target: HashSet<u64>,
    /// Permission bits now.
    now: Modes,
    /// Tree of HEAD.
    head: Option<Oid>,
    /// Tree and permission bits, by checkpoint.
    seen: HashMap<u64, (Oid, Modes)>,
    /// What each partial checkpoint looked at.
    named: HashMap<u64, HashSet<RepoPath>>,
    /// Where each checkpoint was made.
    homes: HashMap<u64, Home>,
    /// What changed late in the turn that each checkpoint belongs to.
    late: HashMap<u64, HashSet<RepoPath>>,
}

/// What a path holds, and its permission bits where they are known.
#[derive(Clone, Copy, Debug)]
struct Content {
    entry: Option<(FileMode, Oid)>,
    bits: Option<u32>,
}

impl Content {
    fn of(repo: &Repo, tree: Oid, modes: &Modes, path: &RepoPath) -> Result<Self> {
        let entry = tree::lookup(&repo.objects, tree, path)?;
        let is_file = |mode: &FileMode| matches!(mode, FileMode::File | FileMode::Executable);
        let bits = entry.map(|(mode, _)| mode).filter(is_file).and_then(|mode| modes.of(path, mode));
        Ok(Self { entry, bits })
    }

    fn is(self, other: Self) -> bool {
        let same_bits = self.bits.zip(other.bits).is_none_or(|(a, b)| a == b);
        self.entry == other.entry && same_bits
    }
}

impl<'a> Search<'a> {
    fn new(repo: &'a Repo, question: &'a Question<'a>) -> Result<Self> {
        let head = repo.head()?.commit.map(|commit| repo.objects.read_commit(commit)).transpose()?;
        let cut_short = question.rows.iter().filter(|row| !row.late.is_empty() && (row.interrupted || row.is_open()));
        let of_checkpoint = |row: &TurnRow| (row.turn, row.checkpoints.clone(), row.late.iter().cloned().collect());
        let mut late: HashMap<u64, HashSet<RepoPath>> = HashMap::new();
        for (turn, checkpoints, paths) in cut_short.map(of_checkpoint) {
            let paths: HashSet<RepoPath> = paths;
            let first = checkpoints.first().copied().unwrap_or(u64::MAX);
            let of_turn = question.history.all().iter().filter(|c| c.turn == Some(turn) && c.number >= first);
            for number in of_turn.map(|c| c.number).chain(checkpoints.iter().copied()) {
                late.entry(number).or_default().extend(paths.iter().cloned());
            }
        }
        Ok(Self {
            repo,
            question,
            open_after: question.history.open_after(),
            line_of_target: question.history.live_line(question.target, Half::Code).map(|c| c.number).collect(),
            now: Modes::new(question.present.umask, &question.present.modes),
            head: head.map(|commit| commit.tree),
            seen: HashMap::new(),
            named: HashMap::new(),
            homes: HashMap::new(),
            late,
        })
    }

    fn is_foreign(&mut self, tip: &Checkpoint, path: &RepoPath) -> Result<bool> {
        let mut content = Content::of(self.repo, self.question.present.tree, &self.now, path)?;
        // The step that is not yet a checkpoint.
        let at_tip = self.content(tip, path)?;
        if !content.is(at_tip) {
            if !self.is_own_now(tip, content, path)? {
                return Ok(true);
            }
            content = at_tip;
        }
        self.is_foreign_since(tip, content, path)
    }

    /// Follows the content of a checkpoint back.
    fn is_foreign_since(&mut self, from: &Checkpoint, mut content: Content, path: &RepoPath) -> Result<bool> {
        let history = self.question.history;
        let mut at = from;
        while !self.line_of_target.contains(&at.number) {
            if at.kind.is_move()
                && let Some(target) = at.movement.and_then(|m| history.number(m.target))
                && self.content(target, path)?.is(content)
            {
                at = target;
                continue;
            }
            let Some(before) = history.before(at) else { break };
            let older = self.content(before, path)?;
            if !older.is(content) {
                if !self.is_own_step(before, at, content, path)? {
                    return Ok(true);
                }
                content = older;
            }
            at = before;
        }
        Ok(false)
    }

    /// Whether what differs between the tip and the present is the session's own.
    fn is_own_now(&mut self, tip: &Checkpoint, content: Content, path: &RepoPath) -> Result<bool> {
        if !self.is_made_here(tip)? {
            return self.is_nobodys(content, self.head, path);
        }
        let since = self.looked_from(tip, path)?;
        if self.in_other_window(since.time, None) {
            return Ok(false);
        }
        if !self.question.has_agent {
            return self.is_made_here(since);
        }
        let top = self.repo.work_dir()?;
        let is_late = self.question.sign.is_some_and(|sign| late::changed_after(top, path, sign));
        Ok(self.is_open_from(since, tip) && self.is_open_after(tip) && !is_late)
    }

    /// Whether what a checkpoint saw of a path, and the one before it had not, is the session's own.
    fn is_own_step(&mut self, before: &Checkpoint, at: &Checkpoint, content: Content, path: &RepoPath) -> Result<bool> {
        // What came with a move but is not its target's was on disk unseen, such as a file that was ignored.
        if at.kind == Kind::Revert || at.kind == Kind::Tool && self.names(at, path)? {
            return Ok(true);
        }
        let since = self.looked_from(before, path)?;
        let (there, then) = (self.home(since)?.clone(), self.home(at)?.clone());
        if there != then {
            let base = at.base.map(|base| self.repo.objects.read_commit(base)).transpose()?;
            return self.is_nobodys(content, base.map(|commit| commit.tree), path);
        }
        if self.in_other_window(since.time, Some(at.time)) {
            return Ok(false);
        }
        if !self.question.has_agent {
            return self.is_made_here(at);
        }
        // A Stop that fired again in the turn that it had closed, or the rest of a turn too large for its hook, which is then
        // the turn's end.
        let is_of_turn = |row: &TurnRow| {
            let is_rest = row.end_checkpoint == Some(at.number);
            Some(row.turn) == at.turn && (row.key.is_some() || is_rest)
        };
        if at.kind == Kind::Tail && before.turn == at.turn && self.question.rows.iter().any(is_of_turn) {
            return Ok(true);
        }
        let is_late = self.late.get(&at.number).is_some_and(|late| late.contains(path));
        Ok(self.is_open_from(since, before) && self.is_open_after(before) && !is_late)
    }

    /// What a checkpoint of elsewhere knows nothing of: what is not here and never was, and what the commit here has.
    fn is_nobodys(&mut self, content: Content, commit: Option<Oid>, path: &RepoPath) -> Result<bool> {
        let committed = commit.map(|tree| tree::lookup(&self.repo.objects, tree, path)).transpose()?.flatten();
        if content.entry.is_some() {
            return Ok(committed == content.entry);
        }
        if committed.is_some() {
            return Ok(false);
        }
        for checkpoint in self.question.history.all() {
            if self.is_made_here(checkpoint)? && self.content(checkpoint, path)?.entry.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The newest checkpoint, from this one back, that looked at the path.
    fn looked_from<'c>(&mut self, from: &'c Checkpoint, path: &RepoPath) -> Result<&'c Checkpoint>
    where
        'a: 'c,
    {
        let history = self.question.history;
        let mut at = from;
        while !self.looked(at, path)? {
            match history.before(at) {
                Some(before) => at = before,
                None => break,
            }
        }
        Ok(at)
    }

    fn looked(&mut self, checkpoint: &Checkpoint, path: &RepoPath) -> Result<bool> {
        if !checkpoint.looked_at_files() {
            return Ok(false);
        }
        match checkpoint.scope {
            Scope::Full => Ok(true),
            Scope::Paths => self.names(checkpoint, path),
            // Whoever did not search for new files saw those that it knew.
            Scope::Tracked => Ok(self.content(checkpoint, path)?.entry.is_some()),
        }
    }

    /// Whether a turn was open all the while from a checkpoint up to a later one.
    fn is_open_from(&self, from: &Checkpoint, to: &Checkpoint) -> bool {
        let history = self.question.history;
        let mut back = std::iter::successors(Some(to), |c| history.before(c)).take_while(|c| c.number >= from.number);
        back.all(|c| self.is_open_after(c))
    }

    fn is_open_after(&self, checkpoint: &Checkpoint) -> bool {
        self.open_after.get(&checkpoint.number).copied().unwrap_or(false)
    }

    fn names(&mut self, checkpoint: &Checkpoint, path: &RepoPath) -> Result<bool> {
        if checkpoint.scope != Scope::Paths {
            return Ok(false);
        }
        if !self.named.contains_key(&checkpoint.number) {
            let only = layout::read_skipped(&self.repo.objects, checkpoint.meta_tree)?.only;
            self.named.insert(checkpoint.number, only.into_iter().collect());
        }
        let named = self.named.get(&checkpoint.number);
        Ok(named.is_some_and(|only| only.contains(path) || path.ancestors().any(|above| only.contains(&above))))
    }

    /// Where a checkpoint was made.
    fn home(&mut self, checkpoint: &Checkpoint) -> Result<&Home> {
        match self.homes.entry(checkpoint.number) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let session = layout::read_session(&self.repo.objects, checkpoint.meta_tree)?;
                // Of a session that no remote has, all was made in this clone.
                let is_ours = !self.question.shared.contains(&checkpoint.session);
                let clone = session.clone.or_else(|| self.question.home.clone.clone().filter(|_| is_ours));
                Ok(place.insert(Home { clone, worktree: session.worktree }))
            }
        }
    }

    fn is_made_here(&mut self, checkpoint: &Checkpoint) -> Result<bool> {
        let here = self.question.home;
        Ok(self.home(checkpoint)? == here)
    }

    /// Commit times are whole seconds, so a step takes in the whole of its first and last second.
    fn in_other_window(&self, from: Timestamp, to: Option<Timestamp>) -> bool {
        let to = to.unwrap_or(self.question.now).seconds() + 1;
        self.question
            .others
            .iter()
            .any(|w| w.from.seconds() < to && w.to.is_none_or(|end| end.seconds() >= from.seconds()))
    }

    fn content(&mut self, checkpoint: &Checkpoint, path: &RepoPath) -> Result<Content> {
        let (tree, modes) = match self.seen.entry(checkpoint.number) {
            Entry::Occupied(seen) => seen.into_mut(),
            Entry::Vacant(place) => {
                let modes = layout::read_modes(&self.repo.objects, checkpoint.meta_tree)?;
                place.insert((store::code_tree(self.repo, checkpoint)?, modes))
            }
        };
        Content::of(self.repo, *tree, modes, path)
    }
}
