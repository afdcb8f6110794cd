//! Who our commits are by: the user as author where git knows one, ourselves as committer. Never prompts, never fails for a
//! missing identity, and takes nothing from `GIT_AUTHOR_*`, which inside a hook belong to the user's commit.

use bstr::BString;

use super::{Repo, Result, Signature};
use crate::base::Timestamp;

const NAME: &str = "git-session";
const EMAIL: &str = "git-session@localhost";

impl Repo {
    /// The user's identity by `user.name` and `user.email`, or ours where one is missing. `offset` is in minutes east of UTC.
    pub fn author(&self, now: Timestamp, offset: i32) -> Result<Signature> {
        let given = |value: Option<BString>| value.filter(|v| !v.trim_ascii().is_empty());
        let first = |keys: [&str; 2]| -> Result<Option<BString>> {
            for key in keys {
                if let Some(value) = given(self.config.bytes(key)?) {
                    return Ok(Some(value));
                }
            }
            Ok(None)
        };
        let name = first(["author.name", "user.name"])?;
        let email = first(["author.email", "user.email"])?;
        let (Some(name), Some(email)) = (name, email) else { return Ok(committer(now, offset)) };
        Ok(Signature { name, email, time: now, offset })
    }
}

/// The fixed committer of everything we store. `offset` is in minutes east of UTC.
pub fn committer(now: Timestamp, offset: i32) -> Signature {
    Signature { name: NAME.into(), email: EMAIL.into(), time: now, offset }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn the_author_is_the_user_where_git_knows_one_and_else_ourselves() {
        let now = Timestamp::from_seconds(5);
        let bench = Bench::plain();
        let author = bench.repo().author(now, 60).expect("reads");
        assert_eq!((author.name, author.email, author.offset), ("A U Thor".into(), "author@example.com".into(), 60));
        bench.git(&["config", "--unset", "user.email"]);
        assert_eq!(bench.repo().author(now, 0).expect("reads"), committer(now, 0));
    }
}
