//! The branch of a fork: its name, free of clashes, and the one clean commit that it points at.

use super::made::Made;
use super::{Options, base};
use crate::base::{RepoPath, text};
use crate::engine::plan;
use crate::engine::store::Tip;
use crate::features::secret_names::looks_secret;
use crate::features::secret_text::holds_secret;
use crate::git::tree::Edit;
use crate::git::{Error as GitError, Expected, NewCommit, Oid, RefEdit, RefName, tree};
use crate::ops::{App, Failure, FailureKind, Result};

/// How many names are tried.
const NAMES: u32 = 1000;

/// A branch to be made, or why there is none.
#[derive(Debug)]
pub struct Branch {
    name: Option<Name>,
    /// The commit of the project that it stands on.
    pub base: Option<Oid>,
    /// The tree of the clean commit; `None` where the branch is the base itself.
    tree: Option<Oid>,
    /// Paths that the fork has otherwise than the base.
    pub files: Vec<RepoPath>,
    /// Untracked files that look like secrets, left out of the commit.
    pub left_out: Vec<RepoPath>,
    /// Why there is no branch.
    pub why_none: Option<&'static str>,
}

/// A name that was free when it was looked at.
#[derive(Debug)]
struct Name {
    name: RefName,
    /// The title that another name can be made from, where the user chose none.
    title: Option<String>,
}

impl Branch {
    /// Finds the base, a free name and the tree; makes nothing but objects.
    pub fn plan(app: &App<'_>, options: &Options, title: &str, point: &Tip) -> Result<Self> {
        let base = match point.checkpoint.base {
            Some(head) => base::newest_of_project(&app.repo, head)?,
            None => None,
        };
        let none =
            |why| Self { name: None, base, tree: None, files: Vec::new(), left_out: Vec::new(), why_none: Some(why) };
        let Some(base) = base else {
            let why = "the repository had no commit at that checkpoint";
            if options.as_work() {
                return Err(Failure::new(FailureKind::Refused, "fork.unborn", format!("{why}; nothing was changed"))
                    .hint("Commit something first, or fork without --worktree and --switch."));
            }
            if let Some(wanted) = &options.branch {
                RefName::branch(wanted)?;
            }
            return Ok(none(why));
        };
        if options.no_branch {
            return Ok(none("as asked"));
        }
        let name = match &options.branch {
            Some(wanted) => Name { name: wanted_name(app, wanted)?, title: None },
            None => Name { name: free_name(app, title)?, title: Some(title.to_owned()) },
        };
        let objects = &app.repo.objects;
        let changes = tree::diff(objects, objects.read_commit(base)?.tree, point.code_tree)?;
        let (mut left_out, mut files) = (Vec::new(), Vec::new());
        for change in changes {
            let is_new = !options.as_work() && change.old.is_none();
            let list = if is_new && is_secret(app, &change)? { &mut left_out } else { &mut files };
            list.push(change.path);
        }
        let tree = if options.as_work() {
            None
        } else {
            let edits: Vec<Edit> = left_out.iter().map(|path| (path.clone(), None)).collect();
            Some(tree::edit(objects, point.code_tree, edits)?)
        };
        Ok(Self { name: Some(name), base: Some(base), tree, files, left_out, why_none: None })
    }

    /// Whether the files that the fork has otherwise than the base can be written into a worktree; for a dry run.
    ///
    /// # Errors
    /// Content that is missing or damaged.
    pub fn can_be_filled(&self, app: &App<'_>, point: &Tip) -> Result<()> {
        let objects = &app.repo.objects;
        let entry = |path: &RepoPath| tree::lookup(objects, point.code_tree, path).transpose();
        let files = self.files.iter().filter_map(entry).collect::<crate::git::Result<Vec<_>>>()?;
        Ok(plan::are_sound(&app.repo, files.into_iter())?)
    }

    /// The planned name; another fork may be quicker to take it.
    pub fn short_name(&self) -> Option<String> {
        self.name.as_ref().and_then(|n| n.name.as_branch()).map(str::to_owned)
    }

    /// Makes the commit and the branch.
    pub fn make(&self, app: &App<'_>, title: &str, made: &mut Made<'_>) -> Result<Option<(RefName, Oid)>> {
        let (Some(base), Some(name)) = (self.base, &self.name) else { return Ok(None) };
        let commit = match self.tree {
            None => base,
            Some(tree) => {
                let author = app.repo.author(app.now(), app.now().local_offset())?;
                app.repo.objects.write_commit(&NewCommit {
                    tree,
                    parents: &[base],
                    author: &author,
                    committer: &author,
                    message: format!("{}\n", text::first_line(title, 72)).as_bytes(),
                })?
            }
        };
        let mut wanted = name.name.clone();
        for _ in 0..NAMES {
            let edit = RefEdit {
                name: wanted.clone(),
                new: Some(commit),
                expected: Expected::Absent,
                message: "branch: created by session fork".to_owned(),
            };
            match (app.writers()?.update(&edit), &name.title) {
                (Ok(()), _) => {
                    made.branch(&wanted, commit);
                    return Ok(Some((wanted, commit)));
                }
                // Another fork was quicker.
                (Err(crate::engine::Error::Git(GitError::Lost { .. })), Some(title)) => wanted = free_name(app, title)?,
                (Err(crate::engine::Error::Git(GitError::Lost { .. })), None) => {
                    return Err(taken(&wanted, &wanted));
                }
                (Err(other), _) => return Err(other.into()),
            }
        }
        Err(none_free())
    }
}

/// Whether a file looks like a secret by its name, or by what is in it.
fn is_secret(app: &App<'_>, change: &tree::TreeChange) -> Result<bool> {
    if looks_secret(&change.path) {
        return Ok(true);
    }
    match change.new {
        Some((mode, oid)) if mode.is_blob() => Ok(holds_secret(&app.repo.objects.read_blob(oid)?)),
        _ => Ok(false),
    }
}

/// The name that the user chose, where nothing is in its way.
fn wanted_name(app: &App<'_>, wanted: &str) -> Result<RefName> {
    let name = RefName::branch(wanted)?;
    match in_the_way(&branches(app)?, &name) {
        Some(other) => Err(taken(&name, other)),
        None => Ok(name),
    }
}

fn taken(name: &RefName, other: &RefName) -> Failure {
    let short = |name: &RefName| name.as_branch().unwrap_or(name.as_str()).to_owned();
    let (name, other) = (short(name), short(other));
    let message = if name == other {
        format!("the branch {name} exists already; nothing was changed")
    } else {
        format!("there can be no branch {name} beside the branch {other}; nothing was changed")
    };
    Failure::new(FailureKind::Conflict, "branch.exists", message)
        .target(name)
        .hint("Choose another name with --branch, or none with --no-branch.")
}

fn none_free() -> Failure {
    Failure::new(FailureKind::Conflict, "branch.exists", "no free branch name was found")
        .hint("Choose one with --branch.")
}

fn branches(app: &App<'_>) -> Result<Vec<RefName>> {
    Ok(app.repo.refs.list(RefName::branches_prefix())?.into_iter().map(|(name, _)| name).collect())
}

/// A branch of that name, above it or below it: git keeps names as folders.
fn in_the_way<'b>(branches: &'b [RefName], name: &RefName) -> Option<&'b RefName> {
    let below = |inner: &RefName, outer: &RefName| {
        inner.as_str().strip_prefix(outer.as_str()).is_some_and(|rest| rest.starts_with('/'))
    };
    branches.iter().find(|b| *b == name || below(b, name) || below(name, b))
}

/// `session/<slug>`, or `session-<slug>` where a branch `session` is in the way; numbered until it is free.
fn free_name(app: &App<'_>, title: &str) -> Result<RefName> {
    let slug = slug(title);
    let branches = branches(app)?;
    let folder = RefName::branch("session")?;
    let separator = if branches.contains(&folder) { '-' } else { '/' };
    for n in 1..NAMES {
        let name = if n == 1 { format!("session{separator}{slug}") } else { format!("session{separator}{slug}-{n}") };
        let name = RefName::branch(&name)?;
        if in_the_way(&branches, &name).is_none() {
            return Ok(name);
        }
    }
    Err(none_free())
}

/// Lower-case words of the title with hyphens, at most 40 characters.
fn slug(title: &str) -> String {
    let mut out = String::new();
    for c in title.to_lowercase().chars() {
        if c.is_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.chars().count() >= 40 {
            break;
        }
    }
    let out = out.trim_matches('-').to_owned();
    if out.is_empty() { "fork".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_plain_words() {
        assert_eq!(slug("Fork of Fix: the PARSER!"), "fork-of-fix-the-parser");
        assert_eq!(slug("日本語 テスト"), "日本語-テスト");
        assert_eq!(slug("///"), "fork");
    }

    #[test]
    fn a_branch_is_in_the_way_of_its_own_name_and_of_those_above_and_below() {
        let name = |short: &str| RefName::branch(short).expect("valid");
        let branches = [name("a/b"), name("c")];
        for taken in ["a/b", "a", "a/b/x", "c/d"] {
            assert!(in_the_way(&branches, &name(taken)).is_some(), "{taken}");
        }
        for free in ["a/bc", "a/c", "cd", "b"] {
            assert!(in_the_way(&branches, &name(free)).is_none(), "{free}");
        }
    }
}
