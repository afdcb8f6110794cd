//! What git leaves of an operation for others to see: where HEAD was before it, and the commit that a rebase replays.

use bstr::ByteSlice as _;

use super::{Oid, RefName, Repo, Result};
use crate::base::file;

impl Repo {
    /// `ORIG_HEAD`: where HEAD was before the last merge, rebase or reset.
    pub fn orig_head(&self) -> Result<Option<Oid>> {
        self.refs.read(&RefName::from_git("ORIG_HEAD")?)
    }

    /// Whether HEAD was last moved by the start of a rebase, which switches before it leaves any other sign. As far as the
    /// reflog of HEAD is kept in a file.
    pub fn is_rebase_starting(&self) -> Result<bool> {
        let log = file::read_optional(&self.git_dir.join("logs").join("HEAD"))?.unwrap_or_default();
        let last = log.lines().next_back().unwrap_or_default();
        let said = last.split_once_str("\t").map_or(&b""[..], |(_, said)| said);
        Ok(said.split_once_str(": ").is_some_and(|(action, _)| action.ends_with(b" (start)")))
    }

    /// The commit that a rebase under way replays now, or replayed last.
    pub fn replayed(&self) -> Result<Option<Oid>> {
        let Some(done) = file::read_optional(&self.git_dir.join("rebase-merge").join("done"))? else { return Ok(None) };
        let last = done.lines().rfind(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
        // "pick <id> <subject>", "merge -C <id> <label>", "exec <command>".
        for word in last.split(|b| *b == b' ').skip(1).take(2) {
            if let Some(commit) = self.objects.commit_by_prefix(&word.to_str_lossy())? {
                return Ok(Some(commit));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use crate::git::Oid;
    use crate::git::matrix::Bench;

    #[test]
    fn a_stopped_rebase_names_the_commit_that_it_replays() {
        for bench in Bench::all() {
            let oid = |name: &str| Oid::parse(&bench.git(&["rev-parse", name])).expect("an id");
            bench.git(&["checkout", "-q", "-b", "other"]);
            bench.write("a", "theirs\n");
            bench.git(&["commit", "-q", "-a", "-m", "theirs"]);
            bench.git(&["checkout", "-q", "-b", "ours", "HEAD^"]);
            bench.write("a", "ours\n");
            bench.git(&["commit", "-q", "-a", "-m", "ours"]);
            let before = oid("HEAD");
            assert_eq!(bench.repo().replayed().expect("reads"), None);
            bench.git_with(&["rebase", "other"], Vec::new());
            assert_eq!(bench.repo().replayed().expect("reads"), Some(before), "{}", bench.kind);
            bench.git(&["rebase", "--abort"]);
            bench.git(&["merge", "-q", "--no-ff", "-s", "ours", "-m", "m", "other"]);
            assert_eq!(bench.repo().orig_head().expect("reads"), Some(before), "{}", bench.kind);
        }
    }
}
