//! How far back in HEAD's reflog a commit may lie whose hook has not come yet: two places of HEAD, the later one some
//! seconds younger. For commits that several processes make at once in one worktree; `<git dir>/session/seen`.
//!
//! May be deleted at any time: then only HEAD itself is known to be new.

use serde::{Deserialize, Serialize};

use super::{Result, local};
use crate::base::Timestamp;
use crate::base::file::{self, Durability};
use crate::git::{Oid, Repo};

/// A hook that has not come by then died on its way.
const LONGEST_MS: i64 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// Where HEAD was at that time.
    head: Oid,
    at: i64,
    /// Where it was some time before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Oid>,
}

fn read(repo: &Repo) -> Result<Option<Seen>> {
    let bytes = file::read_optional(&repo.git_dir.join("session").join("seen"))?;
    // Damaged is as good as absent.
    Ok(bytes.and_then(|b| serde_json::from_slice(&b).ok()))
}

/// The place of HEAD since which a commit may have no hook yet; `None` where none is known.
pub fn since(repo: &Repo) -> Result<Option<Oid>> {
    Ok(read(repo)?.map(|seen| seen.before.unwrap_or(seen.head)))
}

/// Notes where HEAD is, once the last note is old.
pub fn note(repo: &Repo, head: Oid, now: Timestamp) -> Result<()> {
    let seen = read(repo)?;
    if seen.is_some_and(|seen| (0..LONGEST_MS).contains(&(now.millis() - seen.at))) {
        return Ok(());
    }
    let new = Seen { head, at: now.millis(), before: seen.map(|seen| seen.head) };
    let bytes = serde_json::to_vec(&new).map_err(|e| super::Error::Damaged {
        path: repo.git_dir.join("session").join("seen"),
        problem: e.to_string(),
    })?;
    let path = local::worktree_dir(repo)?.join("seen");
    Ok(file::write_atomic(&path, &bytes, Some(repo.shared.private_file()), Durability::Process)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn the_place_before_the_last_counts() {
        let bench = Bench::plain();
        let repo = bench.repo();
        let oid = |text: &[u8]| repo.objects.hash_blob(text).expect("hashes");
        assert_eq!(since(&repo).expect("reads"), None);
        for (head, at, wanted) in [("a", 0, "a"), ("b", 5, "a"), ("c", 11, "a"), ("d", 22, "c"), ("e", 23, "c")] {
            note(&repo, oid(head.as_bytes()), Timestamp::from_seconds(at)).expect("notes");
            assert_eq!(since(&repo).expect("reads"), Some(oid(wanted.as_bytes())), "{head}");
        }
    }
}
