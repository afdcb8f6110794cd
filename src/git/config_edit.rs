//! Writing the repository's own configuration, by git itself: one value more, one value less.

use super::cli::{Git, failure};
use super::{Repo, Result};

/// Adds a value to a key of the repository's configuration, beside those that it has.
pub fn add(repo: &Repo, key: &str, value: &str) -> Result<()> {
    Git::new(repo).args(["config", "--local", "--add", key, value]).run(&format!("set {key}"))?;
    Ok(())
}

/// Takes exactly this value away from a key; nothing where it is not there.
pub fn remove(repo: &Repo, key: &str, value: &str) -> Result<()> {
    let out = Git::new(repo).args(["config", "--local", "--fixed-value", "--unset-all", key, value]).output()?;
    // 5: there is no such value.
    if matches!(out.code, Some(0 | 5)) { Ok(()) } else { Err(failure(&format!("unset {key}"), &out)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn what_is_added_and_taken_away_again_leaves_the_file_as_it_was() {
        for bench in Bench::all() {
            let repo = bench.repo();
            let config = repo.common_dir.join("config");
            for own in ["", "other"] {
                if !own.is_empty() {
                    bench.git(&["config", "--add", "notes.rewriteRef", own]);
                }
                let before = std::fs::read(&config).expect("reads");
                add(&repo, "notes.rewriteRef", "ours.*").expect("adds");
                let all = bench.git(&["config", "--get-all", "notes.rewriteRef"]);
                assert_eq!(all.lines().last(), Some("ours.*"), "{}", bench.kind);
                remove(&repo, "notes.rewriteRef", "ours.*").expect("removes");
                assert_eq!(std::fs::read(&config).expect("reads"), before, "{}", bench.kind);
                remove(&repo, "notes.rewriteRef", "ours.*").expect("nothing is there");
            }
        }
    }
}
