//! Walking history by git itself: commits of a committer with certain lines in their messages. One process a call.

use std::collections::{HashMap, HashSet};

use bstr::ByteSlice as _;

use super::cli::Git;
use super::{Oid, Repo, Result};

/// What to look for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// `Name <address>` of the committer, exactly.
    pub committer: &'a str,
    /// Line beginnings that the message must all have.
    pub lines: &'a [&'a str],
}

/// The newest `most` commits that are reachable from `tips` (tags are followed), not from `hidden`, and are as wanted.
pub fn find(repo: &Repo, tips: &[Oid], hidden: &[Oid], wanted: Wanted<'_>, most: usize) -> Result<Vec<Oid>> {
    if tips.is_empty() {
        return Ok(Vec::new());
    }
    let mut input = String::new();
    for tip in tips {
        input.push_str(&format!("{tip}\n"));
    }
    for known in hidden {
        input.push_str(&format!("^{known}\n"));
    }
    let mut git = Git::new(repo).args(["rev-list", "--all-match", "--basic-regexp"]);
    git = git.args([format!("--max-count={most}"), format!("--committer=^{}$", wanted.committer.replace('.', "\\."))]);
    git = git.args(wanted.lines.iter().map(|line| format!("--grep=^{line}")));
    let out = git.args(["--stdin"]).stdin(input.into_bytes()).run("walk the history")?;
    out.lines().map(|line| Oid::parse(&line.to_str_lossy())).collect()
}

/// For each of these tips, one of the `marked` commits that it reaches without going through `hidden`. One process, however
/// many tips there are.
pub fn reaching(repo: &Repo, tips: &[Oid], hidden: &[Oid], marked: &HashSet<Oid>) -> Result<Vec<Option<Oid>>> {
    if tips.is_empty() || marked.is_empty() {
        return Ok(vec![None; tips.len()]);
    }
    let wanted = tips.iter().map(|tip| format!("{tip}\n"));
    let input: String = wanted.chain(hidden.iter().map(|known| format!("^{known}\n"))).collect();
    let git = Git::new(repo).args(["rev-list", "--topo-order", "--parents", "--stdin"]).stdin(input.into_bytes());
    let out = git.run("walk the history")?;
    let mut reached: HashMap<Oid, Oid> = HashMap::new();
    // From the oldest on: parents come before their children.
    for line in out.lines().rev() {
        let mut commits = line.split(|b| *b == b' ').map(|id| Oid::parse(&id.to_str_lossy()));
        let Some(commit) = commits.next().transpose()? else { continue };
        let mut below = commits.filter_map(|parent| reached.get(&parent.ok()?).copied());
        if let Some(found) = marked.get(&commit).copied().or_else(|| below.next()) {
            reached.insert(commit, found);
        }
    }
    Ok(tips.iter().map(|tip| reached.get(tip).copied()).collect())
}

/// The commits that these ids name, tags followed; what is no commit and what is not here is left out.
pub fn commits(repo: &Repo, oids: &[Oid]) -> Result<Vec<Option<Oid>>> {
    let peel = |oid: &Oid| -> Result<Option<Oid>> {
        let object = repo.objects.repo.find_object(oid.git2()?, None);
        Ok(object.and_then(|o| o.peel_to_commit()).ok().map(|c| Oid::from_git2(c.id())))
    };
    oids.iter().map(peel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn only_commits_with_all_lines_by_that_committer_are_found() {
        for bench in Bench::all() {
            let oid = |name: &str| Oid::parse(&bench.git(&["rev-parse", name])).expect("an id");
            let first = oid("HEAD");
            bench.git(&["commit", "-q", "--allow-empty", "-m", "x", "-m", "One: 1\nTwo: 2"]);
            let both = oid("HEAD");
            bench.git(&["commit", "-q", "--allow-empty", "-m", "x", "-m", "One: 1"]);
            bench.git(&["tag", "-a", "-m", "t", "v1"]);
            let tip = oid("HEAD");
            let repo = bench.repo();
            let wanted = |committer| Wanted { committer, lines: &["One: ", "Two: "] };
            let user = wanted("A U Thor <author@example.com>");
            let tag = oid("v1");
            assert_eq!(find(&repo, &[tag], &[], user, 9).expect("walks"), [both], "{}", bench.kind);
            assert_eq!(find(&repo, &[tip], &[both], user, 9).expect("walks"), []);
            assert_eq!(find(&repo, &[tip], &[first], wanted("U Thor <author@example.com>"), 9).expect("walks"), []);
            let marked = HashSet::from([both]);
            let reached = reaching(&repo, &[tip, first, both], &[], &marked).expect("walks");
            assert_eq!(reached, [Some(both), None, Some(both)], "{}", bench.kind);
            assert_eq!(reaching(&repo, &[tip], &[both], &marked).expect("walks"), [None]);
            assert_eq!(commits(&repo, &[tag, first]).expect("peels"), [Some(tip), Some(first)]);
        }
    }
}
