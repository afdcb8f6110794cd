//! What HEAD's reflog says of the last moves of HEAD, and which of them made a commit here.
//!
//! Where refs are files its file is read; else git is asked, one process. A repository that keeps no reflog has nothing to
//! tell. Times are not looked at: who commits may set them.

use bstr::{BString, ByteSlice as _};

use super::cli::Git;
use super::{Oid, Repo, Result};
use crate::base::file;

/// Bytes of the reflog's end that are read.
const TAIL: u64 = 64 * 1024;

/// One move of HEAD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where HEAD was before; `None` where that is not known.
    pub old: Option<Oid>,
    /// Where it went.
    pub new: Oid,
    /// What git noted: `commit (amend): the subject`.
    pub said: BString,
}

impl Moved {
    /// The part before the colon, and the part after.
    fn parts(&self) -> (&[u8], &[u8]) {
        self.said.split_once_str(": ").unwrap_or((&[], &self.said))
    }

    /// Whether HEAD was moved to a commit that was there before: by a fast-forward, a switch, a reset.
    pub fn is_fast_forward(&self) -> bool {
        let (action, text) = self.parts();
        // Behind `commit:` stands a subject, which may be anything.
        !action.starts_with(b"commit")
            && text.get(..12).is_some_and(|start| start.eq_ignore_ascii_case(b"fast-forward"))
    }

    /// Whether this is the switch with which a rebase starts, before it leaves any other sign.
    pub fn is_rebase_start(&self) -> bool {
        self.parts().0.ends_with(b" (start)")
    }

    /// Whether git says that a commit was made by this step, by somebody's own `git commit` or a command that commits.
    pub fn is_commit(&self) -> bool {
        let (action, _) = self.parts();
        let verb = action.split(|b| *b == b' ').next().unwrap_or_default();
        let known: [&[u8]; 6] = [b"commit", b"cherry-pick", b"revert", b"am", b"merge", b"pull"];
        // `pull --rebase (pick)`.
        let is_rebase_step = verb == b"pull" && action.ends_with(b")");
        known.contains(&verb) && !is_rebase_step && !self.is_fast_forward()
    }
}

impl Repo {
    /// The last moves of HEAD, the newest first, at most `most`.
    pub fn head_log(&self, most: usize) -> Result<Vec<Moved>> {
        if self.caps.ref_format != "files" {
            return self.head_log_by_git(most);
        }
        let bytes = file::read_tail(&self.git_dir.join("logs").join("HEAD"), TAIL)?.unwrap_or_default();
        Ok(bytes.lines().rev().filter_map(line).take(most).collect())
    }

    fn head_log_by_git(&self, most: usize) -> Result<Vec<Moved>> {
        let git = Git::new(self).args(["log", "--walk-reflogs", "--no-show-signature", "--format=%H %gs"]);
        let out = git.args([format!("--max-count={}", most.saturating_add(1)), "HEAD".to_owned()]).output()?;
        // It fails while HEAD is unborn.
        let rows = out.stdout.lines().filter_map(|line| {
            let (id, said) = line.split_once_str(" ")?;
            Some((Oid::parse(&id.to_str_lossy()).ok()?, BString::from(said)))
        });
        let rows: Vec<(Oid, BString)> = rows.collect();
        let olds = rows.iter().skip(1).map(|(oid, _)| Some(*oid)).chain([None]);
        // The row before tells where the move began.
        Ok(rows.iter().cloned().zip(olds).map(|((new, said), old)| Moved { old, new, said }).take(most).collect())
    }
}

/// `<old> <new> <who> <time>\t<what>`; one that was cut off at its start is none.
fn line(bytes: &[u8]) -> Option<Moved> {
    let (head, said) = bytes.split_once_str("\t")?;
    let mut words = head.split(|b| *b == b' ');
    let mut oid = || Oid::parse(words.next()?.to_str().ok()?).ok();
    let (old, new) = (oid()?, oid()?);
    let old = Some(old).filter(|old| old.to_string().bytes().any(|b| b != b'0'));
    Some(Moved { old, new, said: said.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn what_made_a_commit_is_told_from_what_only_moved() {
        for bench in Bench::all() {
            let last = || bench.repo().head_log(1).expect("reads").remove(0);
            let head = || Oid::parse(&bench.git(&["rev-parse", "HEAD"])).expect("an id");
            let before = head();
            bench.git(&["commit", "-q", "--allow-empty", "-m", "fast-forward: not"]);
            assert_eq!((last().old, last().new, last().is_commit()), (Some(before), head(), true), "{}", bench.kind);
            bench.git(&["checkout", "-q", "-b", "other", "HEAD^"]);
            assert!(!last().is_commit(), "{}", bench.kind);
            bench.git(&["merge", "-q", "--ff-only", "@{-1}"]);
            assert!(last().is_fast_forward() && !last().is_commit(), "{}: {:?}", bench.kind, last());
            bench.git(&["commit", "-q", "--amend", "--allow-empty", "-m", "amended"]);
            assert!(last().is_commit(), "{}", bench.kind);
            bench.git(&["merge", "-q", "--no-ff", "--no-edit", "@{-1}"]);
            assert!(last().is_commit(), "{}: {:?}", bench.kind, last());
            bench.git(&["reset", "-q", "--hard", "HEAD^"]);
            assert!(!last().is_commit(), "{}", bench.kind);
            assert_eq!(bench.repo().head_log(100).expect("reads")[..3].len(), 3);
        }
    }
}
