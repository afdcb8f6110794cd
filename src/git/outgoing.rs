//! What a remote lacks of some commits: the commits themselves, and the bytes that sending them takes. Two calls of git,
//! however many commits there are.

use bstr::ByteSlice as _;

use super::cli::Git;
use super::{Oid, Repo, Result};

/// Commits that a remote has, as far as they are known here.
#[derive(Clone, Debug, Default)]
pub struct Has {
    tips: Vec<Oid>,
}

impl Has {
    /// Of what the remote advertises and what git tracks of it, that which is here.
    pub fn of(repo: &Repo, advertised: impl IntoIterator<Item = Oid>, tracked: impl IntoIterator<Item = Oid>) -> Self {
        let mut tips: Vec<Oid> = advertised.into_iter().chain(tracked).collect();
        tips.sort_unstable();
        tips.dedup();
        tips.retain(|oid| oid.format() == repo.caps.object_format && repo.objects.exists(*oid));
        Self { tips }
    }
}

/// What reaches `tips` and is not there, the newest first.
pub fn commits(repo: &Repo, tips: &[Oid], has: &Has) -> Result<Vec<Oid>> {
    let out =
        Git::new(repo).args(["rev-list", "--stdin"]).stdin(request(tips, has)).run("list what the remote lacks")?;
    out.lines().map(|line| Oid::parse(&line.to_str_lossy())).collect()
}

/// Bytes that the objects take which reach `tips` and are not there, as they lie here; sent they are about so many.
pub fn bytes(repo: &Repo, tips: &[Oid], has: &Has) -> Result<u64> {
    let git = Git::new(repo).args(["rev-list", "--objects", "--disk-usage", "--stdin"]);
    let out = git.stdin(request(tips, has)).run("measure what the remote lacks")?;
    Ok(out.trim_ascii().to_str_lossy().parse().unwrap_or(0))
}

fn request(tips: &[Oid], has: &Has) -> Vec<u8> {
    let wanted = tips.iter().map(|oid| format!("{oid}\n"));
    wanted.chain(has.tips.iter().map(|oid| format!("^{oid}\n"))).collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn only_what_the_remote_lacks_is_counted() {
        for bench in Bench::all() {
            let oid = |bench: &Bench, rev| Oid::parse(&bench.git(&["rev-parse", rev])).expect("an id");
            bench.git(&["commit", "-q", "--allow-empty", "-m", "second"]);
            bench.git(&["commit", "-q", "--allow-empty", "-m", "third"]);
            let repo = bench.repo();
            let (tip, old) = (oid(&bench, "HEAD"), oid(&bench, "HEAD~2"));
            let unknown = repo.objects.hash_blob(b"not here").expect("hashes");
            let has = Has::of(&repo, [old, unknown], [old]);
            assert_eq!(commits(&repo, &[tip], &has).expect("lists"), [tip, oid(&bench, "HEAD~1")], "{}", bench.kind);
            let all = bytes(&repo, &[tip], &Has::default()).expect("measures");
            let new = bytes(&repo, &[tip], &has).expect("measures");
            assert!(new > 0 && new < all, "{}: {new} of {all}", bench.kind);
            assert_eq!(commits(&repo, &[old], &has).expect("lists"), []);
        }
    }
}
