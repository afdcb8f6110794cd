//! `session demo` works on a bare machine, leaves nothing behind, and says so when a step goes wrong.

use crate::support::env::Sandbox;

fn names_in(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("lists");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn every_step_holds_and_nothing_is_left_behind() {
    let sandbox = Sandbox::new();
    let out = sandbox.session(sandbox.path(), ["demo", "--json"]).success();
    let document = out.json();
    assert_eq!((&document["schema"], &document["kept"]), (&"session.demo/1".into(), &false.into()));
    let steps = document["steps"].as_array().expect("steps");
    let all = |field: &str| -> Vec<String> {
        let lists = steps.iter().filter_map(|step| step[field].as_array());
        lists.flatten().map(|item| item.as_str().map_or_else(|| item["line"].to_string(), str::to_owned)).collect()
    };
    let commands = all("commands").join("\n");
    for wanted in ["enable", "log", "rewind code", "redo", "rewind chat", "fork", "list"] {
        assert!(commands.contains(&format!("session {wanted}")), "{wanted} in\n{commands}");
    }
    assert!(commands.contains("\"/rewind code turn:1\""), "{commands}");
    assert_eq!(all("files").iter().filter(|line| *line == "- notes.txt").count(), 4, "{:?}", all("files"));
    assert!(all("checked").len() >= 15, "{:?}", all("checked"));
    assert_eq!(names_in(&sandbox.home()), [""; 0]);
    assert_eq!(names_in(&sandbox.path().join("tmp")), [""; 0]);
}

#[test]
fn it_needs_neither_home_nor_identity_and_the_folder_can_be_kept() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_session"), sandbox.path());
    for name in ["HOME", "GIT_CONFIG_GLOBAL", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME"] {
        command.env_remove(name);
    }
    let out = command.args(["demo", "--keep"]).output().expect("starts");
    let said = String::from_utf8(out.stdout).expect("text");
    assert!(out.status.success(), "{said}\n{}", String::from_utf8_lossy(&out.stderr));
    assert!(!said.contains('\u{1b}'), "no colour where no terminal is");
    let line = said.lines().find_map(|l| l.trim().strip_suffix(" && session log")).expect("how to look around");
    let inside = format!("{line} && session log --json && git status --short");
    let out = sandbox.command("sh", sandbox.path()).args(["-c", &inside]).output().expect("starts");
    let said = String::from_utf8(out.stdout).expect("text");
    assert!(out.status.success() && said.contains("5e551000"), "{said}{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn a_step_that_fails_is_told_and_nothing_is_left_behind() {
    let mut sandbox = Sandbox::new();
    let bin = sandbox.path().join("bin");
    std::fs::create_dir(&bin).expect("makes");
    for name in ["sh", "cat"] {
        let there = ["/bin", "/usr/bin"].map(|folder| std::path::Path::new(folder).join(name));
        let program = there.iter().find(|path| path.exists()).expect("a shell");
        std::os::unix::fs::symlink(program, bin.join(name)).expect("links");
    }
    sandbox.set("PATH", &bin);
    let out = sandbox.session(sandbox.path(), ["demo"]);
    assert_eq!(out.code, Some(1), "{out}");
    assert!(out.stderr.starts_with("error: `git init ") && out.stderr.contains("exit code 127"), "{out}");
    assert_eq!(names_in(&sandbox.path().join("tmp")), [""; 0]);
}
