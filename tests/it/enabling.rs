//! What `enable` writes for Claude Code, `disable` takes back to the byte; what is not ours is never touched.

use crate::support::repo::TestRepo;

/// Settings with odd spacing and a hook of the user's own; a command of a name that is ours too.
const SETTINGS: &str = "{\n  \"env\":   {\"A\": \"1\"},\n  \"permissions\": {\"allow\": [\"Bash(ls:*)\"]},\n  \"hooks\": {\"Stop\": \
    [{\"hooks\": [{\"type\": \"command\", \"command\": \"true\"}]}]}\n}";

fn state(repo: &TestRepo) -> (Vec<String>, Vec<u8>, Vec<u8>) {
    (repo.listing(), repo.read(".git/info/exclude"), repo.read(".git/config"))
}

fn with_settings() -> TestRepo {
    let repo = TestRepo::new();
    repo.write(".claude/settings.json", SETTINGS);
    repo.write(".claude/settings.local.json", SETTINGS);
    repo.write(".claude/commands/redo.md", "mine\n");
    repo.commit("settings");
    repo
}

#[test]
fn disable_takes_back_to_the_byte_what_enable_wrote() {
    for options in [&[][..], &["--shared"], &["--keep-builtin-rewind"], &["--shared", "--keep-builtin-rewind"]] {
        for repo in [TestRepo::new(), with_settings()] {
            let before = state(&repo);
            let enable: Vec<&str> = ["enable", "--agent", "claude-code"].iter().chain(options).copied().collect();
            drop(repo.session(&enable).success());
            let enabled = state(&repo);
            assert_ne!(enabled.0, before.0, "{options:?}");
            assert!(repo.session(&enable).success().stdout.contains("in place already"), "{options:?}");
            assert_eq!(state(&repo), enabled, "{options:?}: twice is once");
            drop(repo.session(["disable"]).success());
            assert_eq!(state(&repo), before, "{options:?}");
        }
    }
}

#[test]
fn personal_settings_are_edited_unless_shared_ones_are_wanted() {
    let repo = with_settings();
    drop(repo.session(["enable"]).success());
    assert_eq!(repo.read(".claude/settings.json"), SETTINGS.as_bytes());
    assert_eq!(repo.read(".claude/commands/redo.md"), b"mine\n", "a command of the user's own");
    let local = String::from_utf8(repo.read(".claude/settings.local.json")).expect("UTF-8");
    assert!(local.starts_with("{\n  \"env\":   {") && local.contains("hook claude-code Stop"), "{local}");
    assert_eq!(repo.git(["status", "--porcelain", "--", ".claude/commands"]), "", "hidden from git");

    // The committed ones take over: hooks in both files would run twice.
    drop(repo.session(["enable", "--shared"]).success());
    assert_eq!(repo.read(".claude/settings.local.json"), SETTINGS.as_bytes());
    let shared = String::from_utf8(repo.read(".claude/settings.json")).expect("UTF-8");
    assert!(shared.contains("command -v session") && !shared.contains(env!("CARGO_MANIFEST_DIR")), "{shared}");
}

#[test]
fn the_agents_own_rewind_can_stay() {
    let repo = TestRepo::new();
    drop(repo.session(["enable"]).success());
    assert!(repo.at(".claude/commands/rewind.md").exists());
    drop(repo.session(["enable", "--keep-builtin-rewind"]).success());
    assert!(!repo.at(".claude/commands/rewind.md").exists());
    assert!(repo.at(".claude/commands/session/rewind.md").exists());
}
