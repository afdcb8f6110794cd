//! git as the judge of what we wrote into a repository.

use super::repo::TestRepo;

impl TestRepo {
    /// Every object is well formed and everything that is referred to is there.
    #[track_caller]
    pub fn assert_sound(&self) {
        let said = self.git(["fsck", "--strict", "--full", "--no-dangling"]);
        assert_eq!(said, "", "git fsck");
    }

    /// Collects garbage as hard as git can; what must live is still there.
    #[track_caller]
    pub fn collect_garbage(&self) {
        self.git(["reflog", "expire", "--expire=now", "--all"]);
        self.git(["gc", "--quiet", "--prune=now"]);
        self.assert_sound();
    }

    /// Whether the object is there.
    pub fn has_object(&self, id: &str) -> bool {
        let mut command = self.sandbox.command("git", self.path());
        command.args(["cat-file", "-e", id]).output().expect("git starts").status.success()
    }
}
