//! `enable` and `disable`: once is as good as twice, a dry run changes nothing, and what is taken out leaves every byte as it was.

use std::fs;

use crate::support::repo::TestRepo;

const SETTINGS: &str = ".claude/settings.local.json";

/// All of the work tree, the exclude file, the config and the index.
fn state(repo: &TestRepo) -> Vec<String> {
    let mut all = repo.listing();
    for file in ["info/exclude", "config", "HEAD"] {
        // An empty file says as much to git as none.
        let bytes = fs::read(repo.at(format!(".git/{file}"))).unwrap_or_default();
        all.push(format!("{file} {:?}", String::from_utf8_lossy(&bytes)));
    }
    all.push(format!("{:?}", repo.index_bytes()));
    all
}

/// Settings that people have: compact, spread out, with a last comma, with hooks of others, with CRLF, without a last line end.
const SHAPES: [&str; 12] = [
    "{}",
    "{}\n",
    "",
    "\n",
    "{ }\n",
    "{\"permissions\":{\"allow\":[\"Bash(ls)\"]}}",
    "{\n  \"permissions\": {\n    \"allow\": []\n  }\n}\n",
    "{\r\n\t\"model\": \"x\"\r\n}\r\n",
    "{\n  \"hooks\": {\n    \"Stop\": [ { \"hooks\": [ { \"type\": \"command\", \"command\": \"true\" } ] } ]\n  },\n}\n",
    "{\"hooks\":{}}\n",
    "{\"hooks\":{\"Stop\":[],\"SessionStart\":[]},\"z\":1.50}",
    "{\n    \"env\": { \"A\": \"\\u00e4\\ud83d\\ude00\" }\n}",
];

#[test]
fn what_enable_put_in_disable_takes_out_to_the_byte() {
    for shape in SHAPES {
        let repo = TestRepo::new();
        repo.write("f", "x");
        repo.commit("files");
        repo.write(SETTINGS, shape);
        repo.chmod(SETTINGS, 0o600);
        let before = state(&repo);
        let _on = repo.session(["enable"]).success();
        let on = state(&repo);
        assert_ne!(on, before);
        let again = repo.session(["enable", "--json"]).success().json();
        assert_eq!(again["changes"].as_array().expect("a list").len(), 0, "{shape:?}: {again}");
        assert_eq!(state(&repo), on, "{shape:?}: twice is as good as once");
        let _off = repo.session(["disable"]).success();
        assert_eq!(state(&repo), before, "{shape:?}");
        let _off = repo.session(["disable"]).success();
        assert_eq!(state(&repo), before, "{shape:?}");
    }
}

#[test]
fn without_settings_nothing_of_ours_is_left() {
    let repo = TestRepo::new();
    let before = state(&repo);
    let _on = repo.session(["enable"]).success();
    assert_eq!(repo.git(["status", "--porcelain"]), "", "git sees nothing of it");
    let _off = repo.session(["disable"]).success();
    assert_eq!(state(&repo), before);
}

#[test]
fn the_exclude_file_keeps_every_byte_around_our_lines() {
    let shapes: [Option<&[u8]>; 7] = [
        None,
        Some(b""),
        Some(b"*.log\n"),
        Some(b"*.log"),
        Some(b"*.log\r\n*.tmp\r\n"),
        Some(b"\xff\xfe\n# x\n\n\n"),
        Some(b"# git-session: begin\nnot ours, it never ends\n"),
    ];
    for shape in shapes {
        let repo = TestRepo::new();
        let exclude = repo.at(".git/info/exclude");
        match shape {
            Some(bytes) => fs::write(&exclude, bytes).expect("writes"),
            None => fs::remove_dir_all(repo.at(".git/info")).expect("removes"),
        }
        let before = state(&repo);
        let _on = repo.session(["enable"]).success();
        assert_eq!(repo.git(["status", "--porcelain"]), "", "{shape:?}");
        let _off = repo.session(["disable"]).success();
        assert_eq!(state(&repo), before, "{:?}", shape.map(String::from_utf8_lossy));
    }
}

#[test]
fn our_lines_are_found_wherever_a_person_moved_them() {
    let repo = TestRepo::new();
    let exclude = repo.at(".git/info/exclude");
    fs::write(&exclude, "first\n").expect("writes");
    let _on = repo.session(["enable"]).success();
    let with = fs::read_to_string(&exclude).expect("reads");
    let block = with.strip_prefix("first\n").expect("ours come last");
    fs::write(&exclude, format!("{block}first\nlast\n")).expect("writes");
    let _again = repo.session(["enable"]).success();
    assert_eq!(fs::read_to_string(&exclude).expect("reads"), format!("{block}first\nlast\n"));
    let _off = repo.session(["disable"]).success();
    assert_eq!(fs::read_to_string(&exclude).expect("reads"), "first\nlast\n");
}

#[test]
fn a_dry_run_shows_the_edits_and_makes_none() {
    let repo = TestRepo::new();
    repo.write(SETTINGS, "{\"model\":\"x\"}\n");
    let before = state(&repo);
    let out = repo.session(["enable", "--dry-run"]).success();
    assert!(out.stdout.contains("+++ b/.claude/settings.local.json"), "{out}");
    assert!(out.stdout.contains("hook claude-code Stop") && out.stdout.contains("info/exclude"), "{out}");
    assert_eq!(state(&repo), before);
    assert!(!repo.at(".git/session/installed").exists());
    let _on = repo.session(["enable"]).success();
    let on = state(&repo);
    let out = repo.session(["disable", "--dry-run"]).success();
    assert!(out.stdout.contains("-"), "{out}");
    assert_eq!(state(&repo), on);
}

#[test]
fn files_that_git_tracks_stay_clean_or_are_edited_and_restored() {
    let repo = TestRepo::new();
    repo.write(".claude/settings.json", "{\"model\":\"x\"}\n");
    repo.write(".claude/commands/mine.md", "mine\n");
    repo.commit("the team's");
    let before = state(&repo);
    let _on = repo.session(["enable"]).success();
    assert_eq!(repo.git(["status", "--porcelain"]), "");
    let _off = repo.session(["disable"]).success();
    assert_eq!(state(&repo), before);
    let _on = repo.session(["enable", "--shared"]).success();
    assert!(repo.git(["status", "--porcelain"]).contains(".claude/settings.json"));
    let _off = repo.session(["disable"]).success();
    assert_eq!(state(&repo), before);
}

#[test]
fn settings_that_cannot_be_read_are_refused_and_nothing_at_all_changes() {
    for bad in [
        "{",
        "[]",
        "\"x\"",
        "{\"hooks\":[]}",
        "{\"hooks\":{\"Stop\":7}}",
        "not json",
        "{}}",
        "\u{0}",
        "{\"a\":\"\\ud83d\"}",
    ] {
        let repo = TestRepo::new();
        repo.write(SETTINGS, bad);
        let before = state(&repo);
        for verb in [&["enable"][..], &["enable", "--dry-run"]] {
            let message = repo.fails(verb, 6, "agent.settings");
            assert!(message.contains("settings.local.json"), "{message}");
        }
        assert_eq!(state(&repo), before, "{bad:?}");
        assert!(!repo.at(".git/session/installed").exists(), "{bad:?}");
    }
    let repo = TestRepo::new();
    repo.write(SETTINGS, b"{\"a\":\"\xff\"}");
    repo.fails(&["enable"], 6, "agent.settings");
}

#[test]
fn an_unknown_agent_is_not_found_and_the_known_ones_are_named() {
    let repo = TestRepo::new();
    for verb in ["enable", "disable"] {
        repo.fails(&[verb, "--agent", "nobody"], 3, "agent.unknown");
        repo.fails(&[verb, "--agent", "claude-code", "--agent", "nobody"], 3, "agent.unknown");
        let out = repo.session([verb, "--agent", "nobody"]);
        assert!(out.stderr.contains("claude-code"), "{out}");
    }
}
