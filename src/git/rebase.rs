//! What git leaves of an operation for others to see: where HEAD was before it, and what a rebase does now.

use bstr::ByteSlice as _;
use serde::{Deserialize, Serialize};

use super::{Oid, RefName, Repo, Result};
use crate::base::file;

impl Repo {
    /// `ORIG_HEAD`: where HEAD was before the last merge, rebase or reset.
    pub fn orig_head(&self) -> Result<Option<Oid>> {
        self.refs.read(&RefName::from_git("ORIG_HEAD")?)
    }

    /// What git is in the middle of in this worktree, as its hooks need to know it. Files alone are looked at.
    pub fn during(&self) -> Result<During> {
        let is = |path: &str| self.git_dir.join(path).exists();
        let (merging, applying) = (is("rebase-merge"), is("rebase-apply/rebasing"));
        let by_itself = merging && !is("rebase-merge/stopped-sha") && !self.is_at_a_step_of_the_users()?;
        Ok(During { rebase: merging || applying, replay: by_itself, bisect: is("BISECT_LOG") })
    }

    /// Whether the step that a rebase does now runs a command of the user's, or waits for one.
    fn is_at_a_step_of_the_users(&self) -> Result<bool> {
        let done = file::read_tail(&self.git_dir.join("rebase-merge").join("done"), STEPS)?.unwrap_or_default();
        let last = done.lines().rfind(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
        let step = last.split(|b| *b == b' ').next().unwrap_or_default();
        Ok([&b"exec"[..], b"x", b"break", b"b"].contains(&step))
    }
}

/// Bytes of the list of steps done that are read.
const STEPS: u64 = 16 * 1024;

/// What git is in the middle of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct During {
    /// A rebase is under way.
    pub rebase: bool,
    /// It makes a commit by itself now, in place of one that was there: not by a command of the user's, nor after a stop.
    pub replay: bool,
    /// A bisection is under way.
    pub bisect: bool,
}

#[cfg(test)]
mod tests {
    use super::During;
    use crate::git::Oid;
    use crate::git::matrix::Bench;

    #[test]
    fn a_rebase_is_seen_and_who_commits_in_it() {
        for bench in Bench::all() {
            let oid = |name: &str| Oid::parse(&bench.git(&["rev-parse", name])).expect("an id");
            let during = || bench.repo().during().expect("looks");
            bench.git(&["checkout", "-q", "-b", "other"]);
            bench.write("a", "theirs\n");
            bench.git(&["commit", "-q", "-a", "-m", "theirs"]);
            bench.git(&["checkout", "-q", "-b", "ours", "HEAD^"]);
            bench.write("a", "ours\n");
            bench.git(&["commit", "-q", "-a", "-m", "ours"]);
            let before = oid("HEAD");
            assert_eq!(during(), During::default());
            for backend in ["--merge", "--apply"] {
                bench.git_with(&["rebase", backend, "other"], Vec::new());
                assert_eq!(during(), During { rebase: true, ..During::default() }, "{} {backend}", bench.kind);
                bench.git(&["rebase", "--abort"]);
            }
            bench.git_with(&["rebase", "--exec", "false", "HEAD^"], Vec::new());
            assert_eq!(during(), During { rebase: true, ..During::default() }, "{}", bench.kind);
            bench.git(&["rebase", "--abort"]);
            bench.git(&["bisect", "start"]);
            assert!(during().bisect);
            bench.git(&["bisect", "reset"]);
            bench.git(&["format-patch", "-q", "-1", "-o", "../patches", "other"]);
            bench.git_stops(&["am", "../patches/0001-theirs.patch"]);
            assert_eq!(during(), During::default(), "a stopped am is no rebase: {}", bench.kind);
            bench.git(&["am", "--abort"]);
            bench.git(&["merge", "-q", "--no-ff", "-s", "ours", "-m", "m", "other"]);
            assert_eq!(bench.repo().orig_head().expect("reads"), Some(before), "{}", bench.kind);
        }
    }
}
