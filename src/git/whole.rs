//! Whether all that some commits stand on is here. git's own fetch looks only where it moves refs, and ours moves none.

use super::cli::Git;
use super::{Oid, Repo, Result};

/// Whether everything that `tips` reach is here, beyond what our refs reach already. History that is cut here counts as whole.
pub fn is_whole(repo: &Repo, tips: &[Oid]) -> Result<bool> {
    if tips.is_empty() {
        return Ok(true);
    }
    let mut args = vec!["rev-list", "--objects", "--quiet", "--stdin"];
    if repo.caps.partial {
        // What a remote owes us by agreement is not missing.
        args.push("--exclude-promisor-objects");
    }
    // A damaged ref of ours is no fault of these.
    args.extend(["--not", "--ignore-missing", "--all"]);
    let input: String = tips.iter().map(|oid| format!("{oid}\n")).collect();
    Ok(Git::new(repo).args(args).stdin(input.into_bytes()).output()?.ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn a_commit_whose_parent_or_file_is_missing_is_not_whole() {
        for bench in Bench::all() {
            let repo = bench.repo();
            let oid = |text: &str| Oid::parse(text).expect("an id");
            let tree = bench.git(&["rev-parse", "HEAD^{tree}"]);
            let good = bench.git(&["commit-tree", "-m", "good", "-p", "HEAD", &tree]);
            assert!(is_whole(&repo, &[oid(&good)]).expect("asks"), "{}", bench.kind);
            let gone = repo.objects.hash_blob(b"not here").expect("hashes").to_string();
            for text in [format!("tree {tree}\nparent {gone}\n"), format!("tree {gone}\nparent {good}\n")] {
                let who = "A <a@example.invalid> 1 +0000";
                let text = format!("{text}author {who}\ncommitter {who}\n\nx\n");
                let path = repo.git_dir.join("commit-text");
                std::fs::write(&path, text).expect("writes");
                let path = path.to_str().expect("text");
                let bad = bench.git(&["hash-object", "-w", "-t", "commit", "--literally", path]);
                assert!(!is_whole(&repo, &[oid(&good), oid(&bad)]).expect("asks"), "{}", bench.kind);
            }
        }
    }
}
