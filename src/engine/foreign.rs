//! Whose change is it? Finds the paths of a plan that someone else than this session changed since the target (design 3.7).
//!
//! A path's content is followed back from the present, checkpoint by checkpoint. It is foreign if it changed outside of this
//! session's turns, or while another session of this worktree had a turn open and no tool of ours named the path.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::history::{Half, History};
use super::{Result, Snapshot, layout, store};
use crate::base::{RepoPath, Timestamp};
use crate::git::{FileMode, Oid, Repo, tree};
use crate::model::snapshot::Modes;
use crate::model::{Checkpoint, Kind, Scope};

/// A stretch of time in which another session had a turn open; without an end it still has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When it began.
    pub from: Timestamp,
    /// When it was closed.
    pub to: Option<Timestamp>,
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
}

/// The paths that are foreign, in the order given.
pub fn find(repo: &Repo, question: &Question<'_>, paths: &[RepoPath]) -> Result<Vec<RepoPath>> {
    let Some(tip) = question.history.tip() else { return Ok(Vec::new()) };
    let mut search = Search::new(repo, question);
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
    let mut search = Search::new(repo, question);
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
    /// Tree and permission bits, by checkpoint.
    seen: HashMap<u64, (Oid, Modes)>,
    named: HashMap<u64, Vec<RepoPath>>,
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
    fn new(repo: &'a Repo, question: &'a Question<'a>) -> Self {
        let open_after = question.history.open_after();
        let line_of_target = question.history.live_line(question.target, Half::Code).map(|c| c.number).collect();
        let now = Modes::new(question.present.umask, &question.present.modes);
        let (seen, named) = (HashMap::new(), HashMap::new());
        Self { repo, question, open_after, line_of_target, now, seen, named }
    }

    fn is_foreign(&mut self, tip: &Checkpoint, path: &RepoPath) -> Result<bool> {
        let mut content = Content::of(self.repo, self.question.present.tree, &self.now, path)?;
        // The step that is not yet a checkpoint.
        let at_tip = self.content(tip, path)?;
        if !content.is(at_tip) {
            if !self.is_open_after(tip) || self.in_other_window(tip.time, None) {
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
                // A revert is our own; so is what a tool named, and what a Stop found that fired again in a closed turn.
                // What came with a move but is not its target's was on disk unseen, such as a file that was ignored.
                let own_step = matches!(at.kind, Kind::Revert | Kind::Tool | Kind::Tail);
                if !own_step && (!self.is_open_after(before) || self.is_others_step(before, at, path)?) {
                    return Ok(true);
                }
                content = older;
            }
            at = before;
        }
        Ok(false)
    }

    fn is_open_after(&self, checkpoint: &Checkpoint) -> bool {
        self.open_after.get(&checkpoint.number).copied().unwrap_or(false)
    }

    /// Both have a turn open: ours only if a tool of ours named the path in this turn.
    fn is_others_step(&mut self, before: &Checkpoint, at: &Checkpoint, path: &RepoPath) -> Result<bool> {
        if !self.in_other_window(before.time, Some(at.time)) {
            return Ok(false);
        }
        let history = self.question.history;
        let turn = at.turn;
        let mut tools = history.all().iter().filter(|c| c.kind == Kind::Tool && c.turn == turn && turn.is_some());
        tools.try_fold(true, |others, tool| Ok(others && !self.names(tool, path)?))
    }

    fn names(&mut self, tool: &Checkpoint, path: &RepoPath) -> Result<bool> {
        if tool.scope != Scope::Paths {
            return Ok(false);
        }
        if !self.named.contains_key(&tool.number) {
            let only = layout::read_skipped(&self.repo.objects, tool.meta_tree)?.only;
            self.named.insert(tool.number, only);
        }
        Ok(self.named.get(&tool.number).is_some_and(|only| only.contains(path)))
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
