//! git's hooks beside those of others: theirs run as before, ours run too, and `disable` leaves every byte as it was.
//!
//! husky, lefthook and pre-commit are tried for real where `SESSION_TEST_TOOLS`, else `target/hooktools` (`.ci/run` installs
//! them there), is a folder with `node_modules/.bin` (husky, lefthook), `husky8/node_modules/.bin` and `venv/bin` (pre-commit).

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::git_hooks::{assert_head_is_linked, links, repo};
use crate::support::agent::Agent;
use crate::support::repo::{Shape, TestRepo};

/// All files of a folder with kind, mode and content.
pub fn bytes_of(folder: &Path) -> Vec<String> {
    let mut all: Vec<String> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.expect("walks"))
        .filter(|entry| !entry.file_name().to_string_lossy().ends_with(".sample"))
        .map(|entry| {
            let mode = entry.path().symlink_metadata().expect("is there").permissions().mode();
            let content = if entry.path_is_symlink() {
                format!("{:?}", fs::read_link(entry.path()).expect("reads"))
            } else {
                String::from_utf8_lossy(&fs::read(entry.path()).unwrap_or_default()).into_owned()
            };
            format!("{:?} {mode:o} {content}", entry.path())
        })
        .collect();
    all.sort();
    all
}

/// What must be as before once `disable` ran.
fn state(repo: &TestRepo) -> Vec<String> {
    let mut all = bytes_of(&repo.at(".git/hooks"));
    for file in ["config", "info/exclude"] {
        all.push(fs::read_to_string(repo.at(format!(".git/{file}"))).expect("reads"));
    }
    all.push(repo.git(["status", "--porcelain"]));
    all
}

fn script(repo: &TestRepo, path: &str, text: &str) {
    repo.write(path, text);
    repo.chmod(path, 0o755);
}

const NAMES: [&str; 5] = ["post-commit", "post-checkout", "post-merge", "post-rewrite", "pre-push"];

/// How a hook may be written; each notes its name, its arguments and what it was given to read.
fn kinds(log: &Path) -> Vec<(&'static str, String)> {
    let log = log.display();
    vec![
        ("sh", format!("#!/bin/sh\necho \"$(basename \"$0\") $*\" >>{log}\ncat >>{log}\n")),
        (
            "bash",
            format!("#!/usr/bin/env bash\nset -euo pipefail\necho \"${{0##*/}} $*\" >>{log}\ncat >>{log}\nexit 0\n"),
        ),
        ("no first line", format!("echo \"$(basename \"$0\") $*\" >>{log}\ncat >>{log}\n")),
        (
            "python",
            format!(
                "#!/usr/bin/env python3\nimport sys, os\nwith open('{log}', 'a') as f:\n    name = os.path.basename(sys.argv[0])\n    f.write(' '.join([name] + sys.argv[1:]) + '\\n' + sys.stdin.read())\n"
            ),
        ),
    ]
}

/// What happens in a repository: so many commits, an amend, a rebase of five, a merge, a cherry-pick, a push.
fn life(repo: &TestRepo, commits: usize, linked: bool) {
    let check = |what: &str| {
        if linked {
            assert_head_is_linked(repo, what);
        }
    };
    for n in 0..commits {
        repo.write("a", format!("{n}\n"));
        repo.git(["commit", "-q", "-a", "-m", &format!("commit {n}")]);
        check("commit");
    }
    repo.git(["commit", "-q", "--amend", "-m", "amended"]);
    check("amend");
    repo.git(["checkout", "-q", "-b", "topic", "HEAD^"]);
    for n in 0..5 {
        repo.write(format!("t{n}"), "x\n");
        repo.git(["add", "."]);
        repo.git(["commit", "-q", "-m", &format!("topic {n}")]);
        check("commit on topic");
    }
    repo.git(["rebase", "-q", "main"]);
    check("rebase");
    if linked {
        for n in 0..5 {
            assert!(!links(repo, &format!("HEAD~{n}")).is_empty(), "rebased commit {n} is linked");
        }
    }
    repo.git(["checkout", "-q", "main"]);
    repo.git(["merge", "-q", "--no-ff", "--no-edit", "topic~2"]);
    check("merge");
    repo.git(["cherry-pick", "topic"]);
    check("cherry-pick");
    repo.git(["push", "-q", "origin", "main", "topic"]);
}

fn with_remote(repo: &TestRepo) {
    repo.git(["init", "-q", "--bare", "../remote.git"]);
    repo.git(["remote", "add", "origin", "../remote.git"]);
}

/// Lines of a log without ids, which differ from run to run.
fn told(log: &Path) -> Vec<String> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let word = |w: &str| {
        if w.len() == 40 && w.bytes().all(|b| b.is_ascii_hexdigit()) { "ID".to_owned() } else { w.to_owned() }
    };
    text.lines().map(|l| l.split(' ').map(word).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn hooks_of_any_language_run_as_before_beside_ours_and_come_back_to_the_byte() {
    for at in 0..4 {
        let mut told_before = Vec::new();
        for enabled in [false, true] {
            let repo = repo(Shape::PLAIN, false);
            with_remote(&repo);
            let log = repo.sandbox.path().join("log");
            let (kind, text) = kinds(&log)[at].clone();
            for name in NAMES {
                script(&repo, &format!(".git/hooks/{name}"), &text);
            }
            let before = state(&repo);
            if enabled {
                let _on = repo.session(["enable"]).success();
                let again = repo.session(["enable", "--json"]).success().json();
                assert_eq!(again["changes"].as_array().expect("a list").len(), 0, "{kind}: {again}");
            }
            life(&repo, 3, enabled);
            let told = told(&log);
            if enabled {
                assert_eq!(told, told_before, "{kind}: their hooks ran as before, with the same to read");
                let _off = repo.session(["disable"]).success();
                let after = state(&repo);
                assert_eq!(after, before, "{kind}");
                assert_eq!(repo.hook_log(), "");
            } else {
                assert!(told.iter().any(|l| l.starts_with("pre-push origin")), "{told:?}");
                assert!(told.iter().any(|l| l == "post-rewrite rebase"), "{told:?}");
                told_before = told;
            }
        }
    }
}

#[test]
fn a_link_and_a_hook_that_is_switched_off_are_kept_aside_and_come_back() {
    let repo = repo(Shape::PLAIN, false);
    let log = repo.sandbox.path().join("log");
    script(&repo, "tools/hook", &kinds(&log)[0].1);
    repo.commit("a hook that is committed");
    symlink("../../tools/hook", repo.at(".git/hooks/post-commit")).expect("links");
    repo.write(".git/hooks/post-merge", "#!/bin/sh\nexit 1\n");
    let before = state(&repo);
    let _on = repo.session(["enable"]).success();
    assert_eq!(repo.git(["status", "--porcelain"]), "", "the file behind the link is as it was");
    repo.git(["commit", "-q", "--allow-empty", "-m", "x"]);
    assert_head_is_linked(&repo, "beside a link");
    assert!(fs::read_to_string(&log).expect("it ran").contains("post-commit"));
    repo.git(["checkout", "-q", "-b", "t"]);
    repo.git(["commit", "-q", "--allow-empty", "-m", "y"]);
    repo.git(["checkout", "-q", "main"]);
    repo.git(["merge", "-q", "--no-ff", "--no-edit", "t"]);
    let _off = repo.session(["disable"]).success();
    assert_eq!(state(&repo), before);
}

#[test]
fn their_refusal_of_a_push_stays_a_refusal() {
    for kind in ["#!/bin/sh\nexit 3\n", "#!/usr/bin/env python3\nraise SystemExit(3)\n"] {
        let repo = repo(Shape::PLAIN, false);
        with_remote(&repo);
        script(&repo, ".git/hooks/pre-push", kind);
        let _on = repo.session(["enable"]).success();
        let mut push = repo.sandbox.command("git", repo.path());
        assert!(!push.args(["push", "-q", "origin", "main"]).output().expect("git starts").status.success(), "{kind}");
    }
}

#[test]
fn without_hooks_and_without_their_folder_nothing_of_ours_is_left() {
    let repo = repo(Shape::PLAIN, false);
    fs::remove_dir_all(repo.at(".git/hooks")).expect("removes");
    let config = fs::read(repo.at(".git/config")).expect("reads");
    let _on = repo.session(["enable"]).success();
    repo.git(["commit", "-q", "--allow-empty", "-m", "x"]);
    assert_head_is_linked(&repo, "in a new folder");
    let _off = repo.session(["disable"]).success();
    assert!(!repo.at(".git/hooks").exists());
    assert_eq!(fs::read(repo.at(".git/config")).expect("reads"), config);
    repo.git(["commit", "-q", "--allow-empty", "-m", "y"]);
    assert!(links(&repo, "HEAD").is_empty());
}

#[test]
fn a_folder_that_is_not_this_clones_alone_is_edited_only_when_asked() {
    for outside in [false, true] {
        let repo = repo(Shape::PLAIN, false);
        let folder = if outside { repo.sandbox.path().join("shared-hooks") } else { repo.at(".githooks") };
        fs::create_dir(&folder).expect("makes the folder");
        let hook = folder.join("post-commit");
        fs::write(&hook, "#!/bin/sh\nexit 0\n").expect("writes");
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("sets the mode");
        repo.commit("the team's hooks");
        repo.git(["config", "core.hooksPath", folder.to_str().expect("UTF-8")]);
        let before = (bytes_of(&folder), state(&repo));
        let out = repo.session(["enable"]).success();
        assert_eq!(bytes_of(&folder), before.0, "left as it is");
        for part in ["--write-hooks", "hook git post-commit", "hook git pre-push"] {
            assert!(out.stderr.contains(part), "{part}: {out}");
        }
        let json = repo.session(["enable", "--json"]).success().json();
        assert_eq!(json["by_hand"].as_array().expect("a list").len(), NAMES.len() + 1, "{json}");
        repo.git(["commit", "-q", "--allow-empty", "-m", "x"]);
        assert!(links(&repo, "HEAD").is_empty());
        let _on = repo.session(["enable", "--write-hooks"]).success();
        repo.git(["commit", "-q", "--allow-empty", "-m", "y"]);
        assert_head_is_linked(&repo, "written when asked");
        let written = bytes_of(&folder);
        let off = repo.session(["disable"]).success();
        if outside {
            assert!(off.stderr.contains("shared-hooks") && bytes_of(&folder) == written, "others may use it: {off}");
            let _off = repo.session(["disable", "--write-hooks"]).success();
        }
        assert_eq!((bytes_of(&folder), state(&repo)), before, "outside: {outside}");
    }
}

#[test]
fn the_lines_that_are_printed_do_what_is_promised_where_a_person_puts_them() {
    let repo = repo(Shape::PLAIN, false);
    with_remote(&repo);
    let log = repo.sandbox.path().join("log");
    for name in NAMES.into_iter().chain(["post-applypatch"]) {
        script(&repo, &format!(".githooks/{name}"), &kinds(&log)[0].1);
    }
    let base = repo.commit("the team's hooks");
    repo.git(["config", "core.hooksPath", ".githooks"]);
    let printed = repo.session(["enable"]).success().stderr;
    for name in NAMES.into_iter().chain(["post-applypatch"]) {
        let (_, after) = printed.split_once(&format!("\n.githooks/{name}\n")).expect("each file is named");
        let (lines, _) = after.split_once("\n\n").expect("its lines end");
        let text = String::from_utf8(repo.read(format!(".githooks/{name}"))).expect("text");
        let (first, rest) = text.split_once('\n').expect("a first line");
        script(&repo, &format!(".githooks/{name}"), &format!("{first}\n{lines}\n{rest}"));
    }
    let (code, said) = (repo.session(["doctor"]).code, repo.session(["enable"]).success());
    assert!(code == Some(0) && !said.stderr.contains("git-session: begin"), "{said}");
    repo.git(["add", "--all"]);
    life(&repo, 3, true);
    assert_notes_are_right(&repo, &base, "by hand");
    let told = told(&log);
    for hook in NAMES {
        assert!(told.iter().any(|line| line.starts_with(hook)), "{hook} runs as before: {told:?}");
    }
    assert!(told.iter().any(|line| line.starts_with("refs/heads/main ID refs/heads/main")), "with its input: {told:?}");
}

/// Where a tool is installed; says so where it is not.
#[expect(clippy::print_stderr, reason = "a test that cannot run here must be seen not to")]
fn tool(name: &str) -> Option<(PathBuf, String)> {
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/hooktools");
    let top = std::env::var_os("SESSION_TEST_TOOLS").map_or_else(usual, PathBuf::from);
    // Two versions of one tool cannot be installed in one place.
    let (folders, program) = match name {
        "husky8" => (vec![top.join("husky8/node_modules/.bin")], "husky"),
        name => (vec![top.join("node_modules/.bin"), top.join("venv/bin")], name),
    };
    let found = folders.into_iter().find(|folder| folder.join(program).exists());
    let Some(folder) = found else {
        eprintln!("SKIPPED: {name} is not installed (SESSION_TEST_TOOLS)");
        return None;
    };
    let path = std::env::var("PATH").expect("PATH is set");
    Some((folder.clone(), format!("{}:{path}", folder.display())))
}

#[track_caller]
fn run(repo: &TestRepo, program: &Path, args: &[&str]) {
    let program = program.to_str().expect("UTF-8");
    let out = repo.sandbox.command(program, repo.path()).args(args).output().expect("starts");
    assert!(out.status.success(), "{program} {args:?}: {out:?}");
}

/// Every commit since `base` is linked, and to nothing but checkpoints that hold its files, or those of the commit that it
/// was before it was rewritten.
fn assert_notes_are_right(repo: &TestRepo, base: &str, what: &str) {
    let of = |format: &str, commit: &str| repo.git(["log", "-1", &format!("--format={format}"), commit]);
    let commits = repo.git(["rev-list", "main", "topic", &format!("^{base}")]);
    for commit in commits.lines() {
        let subject = of("%s", commit);
        let linked = links(repo, commit);
        assert!(!linked.is_empty(), "{what}: {subject} is not linked");
        for (session, number, checkpoint) in linked {
            let said = of("%(trailers:key=Session,valueonly)%(trailers:key=Checkpoint,valueonly)", &checkpoint);
            let said: Vec<&str> = said.lines().collect();
            assert_eq!(said, [session.as_str(), &number.to_string()], "{what}: {subject}");
            repo.git(["merge-base", "--is-ancestor", &checkpoint, &format!("refs/sessions/heads/{session}")]);
            let holds_it = of("%T", &format!("{checkpoint}^")) == of("%T", commit);
            let made_for = of("%(trailers:key=Base,valueonly)", &checkpoint);
            assert!(holds_it || of("%s", made_for.trim()) == subject, "{what}: {subject} is linked to {number}");
        }
    }
}

/// A life of twenty commits beside a tool: without us, with us, and with us and an agent. The tool's hooks run the same each
/// time, the notes are right, and `disable` leaves the tool's files and hooks as they were.
fn beside(name: &str, path: Option<&str>, set_up: &dyn Fn(&TestRepo), enable: &[&str]) {
    let mut alone = Vec::new();
    for (enabled, with_agent) in [(false, false), (true, false), (true, true)] {
        let mut repo = repo(Shape::PLAIN, false);
        if let Some(path) = path {
            repo.sandbox.set("PATH", path);
        }
        with_remote(&repo);
        let log = repo.sandbox.path().join("log");
        set_up(&repo);
        let base = repo.commit("the tool");
        fs::remove_file(&log).unwrap_or_default();
        let before = (state(&repo), repo.listing());
        if enabled {
            let _on = repo.session(enable).success();
            repo.git(["add", "--all"]);
        }
        let agent = Agent::new(&repo, "one");
        if with_agent {
            agent.start();
            agent.prompt("x");
        }
        life(&repo, 20, enabled);
        let told = told(&log);
        if !enabled {
            for hook in NAMES {
                assert!(told.iter().any(|line| line.contains(hook)), "{name} runs {hook}: {told:?}");
            }
            alone = told;
            continue;
        }
        assert_eq!(told, alone, "{name}: its hooks ran as without us");
        assert_notes_are_right(&repo, &base, name);
        assert_eq!(repo.hook_log(), "", "{name}");
        if with_agent {
            agent.end();
            agent.leave();
        }
        let _off = repo.session(["disable"]).success();
        // The last of the state is what git's status says of the work tree, which went on.
        let after = (state(&repo), repo.listing());
        assert_eq!(after.0[..after.0.len() - 1], before.0[..before.0.len() - 1], "{name}: hooks and configuration");
        let is_of_life =
            |line: &&String| ["\"a\"", "\"t0\"", "\"t1\"", "\"t2\"", "\"t4\""].iter().any(|f| line.ends_with(f));
        let theirs = |listing: &[String]| listing.iter().filter(|line| !is_of_life(line)).cloned().collect::<Vec<_>>();
        assert_eq!(theirs(&after.1), theirs(&before.1), "{name}: files");
    }
}

/// What a hook of a tool runs: notes that it ran.
fn note(repo: &TestRepo, hook: &str) -> String {
    format!("echo {hook} >>{}", repo.sandbox.path().join("log").display())
}

#[test]
fn beside_plain_scripts() {
    let set_up = |repo: &TestRepo| {
        let text = &kinds(&repo.sandbox.path().join("log"))[0].1;
        for name in NAMES {
            script(repo, &format!(".git/hooks/{name}"), text);
        }
    };
    beside("plain scripts", None, &set_up, &["enable"]);
}

#[test]
fn beside_lefthook() {
    let Some((folder, path)) = tool("lefthook") else { return };
    let set_up = |repo: &TestRepo| {
        let hooks = NAMES.map(|hook| format!("{hook}:\n  commands:\n    x:\n      run: {}\n", note(repo, hook)));
        repo.write("lefthook.yml", hooks.concat());
        run(repo, &folder.join("lefthook"), &["install"]);
    };
    beside("lefthook", Some(&path), &set_up, &["enable"]);
}

#[test]
fn beside_pre_commit() {
    let Some((folder, path)) = tool("pre-commit") else { return };
    let set_up = |repo: &TestRepo| {
        let hook = |name: &str| {
            format!(
                "  - id: {name}\n    name: x\n    language: system\n    entry: sh -c '{}'\n    always_run: true\n    pass_filenames: false\n    stages: [{name}]\n",
                note(repo, name)
            )
        };
        let hooks = NAMES.map(hook).concat();
        repo.write(".pre-commit-config.yaml", format!("repos:\n- repo: local\n  hooks:\n{hooks}"));
        let types = NAMES.map(|name| ["-t", name]).concat();
        run(repo, &folder.join("pre-commit"), &[&["install"], types.as_slice()].concat());
    };
    beside("pre-commit", Some(&path), &set_up, &["enable"]);
}

#[test]
fn beside_husky() {
    let Some((folder, path)) = tool("husky") else { return };
    let set_up = |repo: &TestRepo| {
        run(repo, &folder.join("husky"), &[]);
        for name in NAMES {
            repo.write(format!(".husky/{name}"), format!("{}\n", note(repo, name)));
        }
    };
    let mut plain = repo(Shape::PLAIN, false);
    plain.sandbox.set("PATH", path.clone());
    set_up(&plain);
    let out = plain.session(["enable"]).success();
    assert!(out.stderr.contains(".husky/post-commit") && !out.stderr.contains(".husky/_/"), "{out}");
    beside("husky", Some(&path), &set_up, &["enable", "--write-hooks"]);
}

#[test]
fn beside_husky_of_version_8() {
    let Some((folder, path)) = tool("husky8") else { return };
    let set_up = |repo: &TestRepo| {
        run(repo, &folder.join("husky"), &["install"]);
        for name in NAMES {
            run(repo, &folder.join("husky"), &["add", &format!(".husky/{name}"), &note(repo, name)]);
        }
    };
    let mut plain = repo(Shape::PLAIN, false);
    plain.sandbox.set("PATH", path.clone());
    set_up(&plain);
    let out = plain.session(["enable"]).success();
    assert!(out.stderr.contains(".husky/post-commit"), "{out}");
    beside("husky 8", Some(&path), &set_up, &["enable", "--write-hooks"]);
}

/// A tool that is installed over ours: found, and as `doctor` says, `enable` once more makes both run.
fn installed_after_us(name: &str, path: &str, install: &dyn Fn(&TestRepo), again: &[&str]) {
    let mut repo = repo(Shape::PLAIN, false);
    repo.sandbox.set("PATH", path);
    let before = state(&repo);
    let _on = repo.session(["enable"]).success();
    install(&repo);
    let found = repo.session(["doctor"]);
    let advice = again.join(" ");
    assert_eq!(found.code, Some(1), "{name}: {found}");
    assert!(
        found.stdout.contains("was overwritten") && found.stdout.contains(&format!("`session {advice}`")),
        "{found}"
    );
    let _again = repo.session(again).success();
    let well = repo.session(["doctor"]);
    assert_eq!(well.code, Some(0), "{name}: {well}");
    let log = repo.sandbox.path().join("log");
    fs::remove_file(&log).unwrap_or_default();
    repo.commit("the tool");
    assert_eq!(told(&log), ["post-commit"], "{name}");
    assert_head_is_linked(&repo, name);
    let _off = repo.session(["disable"]).success();
    repo.git(["commit", "-q", "--allow-empty", "-m", "after us"]);
    assert_eq!(told(&log), ["post-commit"; 2], "{name} goes on");
    assert!(links(&repo, "HEAD").is_empty(), "{name}");
    for line in state(&repo) {
        assert!(!line.contains("git-session") && !line.contains("post-commit.old"), "{name}: {line} is left");
    }
    assert_eq!(state(&repo).len() - usize::from(name == "lefthook"), before.len(), "{name}: one hook more at most");
}

#[test]
fn lefthook_installed_after_us_is_found_and_enable_makes_both_run() {
    let Some((folder, path)) = tool("lefthook") else { return };
    let install = |repo: &TestRepo| {
        let hook = format!("post-commit:\n  commands:\n    x:\n      run: {}\n", note(repo, "post-commit"));
        repo.write("lefthook.yml", hook);
        run(repo, &folder.join("lefthook"), &["install"]);
    };
    installed_after_us("lefthook", &path, &install, &["enable"]);
}

#[test]
fn husky_installed_after_us_is_found_and_enable_makes_both_run() {
    let Some((folder, path)) = tool("husky") else { return };
    let install = |repo: &TestRepo| {
        run(repo, &folder.join("husky"), &[]);
        repo.write(".husky/post-commit", format!("{}\n", note(repo, "post-commit")));
    };
    installed_after_us("husky", &path, &install, &["enable", "--write-hooks"]);
}
