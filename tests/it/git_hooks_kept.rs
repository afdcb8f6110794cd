//! Hooks that no lines of ours can be put into run under their own names, from a place that is like the one they had: with
//! what lay beside them, their arguments, input, environment and exit code; and `disable` gives them back to the byte.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::git_hooks::{assert_head_is_linked, repo};
use crate::git_hooks_chained::bytes_of;
use crate::support::repo::{Shape, TestRepo};

fn program(path: &Path, text: &str) {
    fs::write(path, text).expect("writes");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("sets the mode");
}

/// Where git's own hooks of a repository are, seen from either worktree.
fn hooks(repo: &TestRepo) -> std::path::PathBuf {
    repo.git(["rev-parse", "--path-format=absolute", "--git-path", "hooks"]).into()
}

/// A hook that notes all that it can see of itself, and ends as the file `beside` says.
const PYTHON: &str = r#"
import os, pathlib, sys
name = os.path.basename(sys.argv[0])
here = os.path.dirname(sys.argv[0])
env = {k: v for k, v in os.environ.items() if k not in ('_', 'PWD', 'OLDPWD', 'SHLVL') and not k.endswith('_DATE') and not k.startswith('SESSION_TEST') and not k.startswith('GITHEAD_')}
with open('@LOG@', 'a') as log:
    args = [len(a) if len(a) in (40, 64) else a for a in sys.argv[1:]]
    stdin = [len(w) if len(w) in (40, 64) else w for w in sys.stdin.read().split()]
    print(name, args, stdin, os.getcwd(), sorted(env.items()), file=log)
    print(open(os.path.join(here, 'beside')).read(), pathlib.Path(__file__).resolve().parents[2].name, file=log)
    print(sorted(n for n in os.listdir(here) if n in ('beside', 'pre-commit', '.hidden', name)), file=log)
sys.exit(3 if os.path.exists(os.path.join(here, 'fail-' + name)) else 0)
"#;

/// The ways in which such a hook can be installed as `name`.
fn install(kind: &str, hooks: &Path, log: &Path) {
    let python = PYTHON.replace("@LOG@", &log.display().to_string());
    let text = match kind {
        "polyglot" => format!("#!/bin/sh\n'''exec' python3 \"$0\" \"$@\"\n' '''\n{python}"),
        _ => format!("#!/usr/bin/env python3\n{python}"),
    };
    fs::write(hooks.join("beside"), "beside").expect("writes");
    fs::write(hooks.join(".hidden"), "").expect("writes");
    let names = ["pre-commit", "post-commit", "post-checkout", "post-merge", "post-rewrite", "pre-push"];
    match kind {
        "copies" | "polyglot" => names.iter().for_each(|name| program(&hooks.join(name), &text)),
        "links to one that lies beside" => {
            program(&hooks.join("master"), &text);
            names.iter().for_each(|name| symlink("master", hooks.join(name)).expect("links"));
        }
        "links to one that is a hook" => {
            program(&hooks.join("post-commit"), &text);
            let others = names.iter().filter(|name| **name != "post-commit");
            others.for_each(|name| symlink("post-commit", hooks.join(name)).expect("links"));
        }
        "hard links" => {
            program(&hooks.join("post-commit"), &text);
            let others = names.iter().filter(|name| **name != "post-commit");
            others.for_each(|name| fs::hard_link(hooks.join("post-commit"), hooks.join(name)).expect("links"));
        }
        other => panic!("{other}"),
    }
}

const KINDS: [&str; 5] =
    ["copies", "polyglot", "links to one that lies beside", "links to one that is a hook", "hard links"];

/// Commits, an amend, a switch, a merge, a rebase, pushes; what came of each, and what the hooks noted.
fn life(repo: &TestRepo, log: &Path) -> Vec<String> {
    let hooks = hooks(repo);
    let mut told = Vec::new();
    let mut git = |args: &[&str]| {
        let out = repo.sandbox.command("git", repo.path()).args(args).output().expect("git starts");
        told.push(format!("{args:?} {:?} {}", out.status.code(), String::from_utf8_lossy(&out.stderr)));
    };
    git(&["commit", "-q", "--allow-empty", "-m", "one"]);
    git(&["commit", "-q", "--allow-empty", "--amend", "-m", "two"]);
    git(&["checkout", "-q", "-b", "topic", "HEAD^"]);
    git(&["commit", "-q", "--allow-empty", "-m", "topic"]);
    git(&["rebase", "-q", "--keep-empty", "@{-1}"]);
    git(&["checkout", "-q", "-"]);
    git(&["merge", "-q", "--no-ff", "--no-edit", "topic"]);
    git(&["push", "-q", "origin", "HEAD", "topic"]);
    for name in ["pre-push", "post-commit"] {
        fs::write(hooks.join(format!("fail-{name}")), "").expect("writes");
    }
    git(&["commit", "-q", "--allow-empty", "-m", "three"]);
    git(&["push", "-q", "origin", "HEAD"]);
    for name in ["pre-push", "post-commit"] {
        fs::remove_file(hooks.join(format!("fail-{name}"))).expect("removes");
    }
    let text = fs::read_to_string(log).unwrap_or_default();
    told.extend(text.lines().map(str::to_owned));
    let sandbox = repo.sandbox.path().display().to_string();
    told.iter().map(|line| line.replace(&sandbox, "SANDBOX")).collect()
}

#[test]
fn hooks_of_every_kind_run_as_before_and_come_back_to_the_byte() {
    for kind in KINDS {
        // Where hooks lie does not differ by kind: one of them is enough in a linked worktree.
        for linked in if kind == "links to one that is a hook" { vec![false, true] } else { vec![false] } {
            let mut before_us = Vec::new();
            for enabled in [false, true] {
                let repo = repo(Shape { linked, ..Shape::PLAIN }, false);
                repo.git(["init", "-q", "--bare", "../remote.git"]);
                repo.git(["remote", "add", "origin", "../remote.git"]);
                let log = repo.sandbox.path().join("log");
                let hooks = hooks(&repo);
                install(kind, &hooks, &log);
                let dir = hooks.parent().expect("has one").to_owned();
                let state = |repo: &TestRepo| (bytes_of(&hooks), bytes_of(&dir.join("config")), repo.listing());
                let before = state(&repo);
                if enabled {
                    let _on = repo.session(["enable"]).success();
                    let again = repo.session(["enable", "--json"]).success().json();
                    assert_eq!(again["changes"].as_array().expect("a list").len(), 0, "{kind}: {again}");
                    assert_eq!(repo.session(["doctor"]).code, Some(0), "{kind}");
                }
                let told = life(&repo, &log);
                if !enabled {
                    let ran = |name: &str| told.iter().filter(|l| l.starts_with(&format!("{name} ["))).count();
                    assert!(
                        ran("post-commit") > 3 && ran("pre-commit") > 3 && ran("pre-push") == 2,
                        "{kind}: {told:#?}"
                    );
                    before_us = told;
                    continue;
                }
                for (now, then) in told.iter().zip(&before_us) {
                    assert_eq!(now, then, "{kind}, linked: {linked}");
                }
                assert_eq!(told.len(), before_us.len(), "{kind}");
                assert_head_is_linked(&repo, kind);
                let _off = repo.session(["disable"]).success();
                assert_eq!(state(&repo), before, "{kind}");
                assert!(!dir.join("hooks.before-session").exists(), "{kind}");
            }
        }
    }
}

#[test]
fn what_a_hook_wrote_beside_itself_and_what_came_later_is_where_it_was_meant() {
    let repo = repo(Shape::PLAIN, false);
    let hooks = hooks(&repo);
    program(
        &hooks.join("post-commit"),
        "#!/usr/bin/env python3\nimport os, sys\nhere = os.path.dirname(sys.argv[0])\nsys.path.insert(0, here)\nimport later\nlater.count(here)\n",
    );
    let _on = repo.session(["enable"]).success();
    // Comes after us.
    fs::write(
        hooks.join("later.py"),
        "import os\ndef count(here):\n    with open(os.path.join(here, 'count'), 'a') as f:\n        f.write('x')\n",
    )
    .expect("writes");
    repo.git(["commit", "-q", "--allow-empty", "-m", "x"]);
    repo.git(["commit", "-q", "--allow-empty", "-m", "y"]);
    let _off = repo.session(["disable"]).success();
    assert_eq!(fs::read_to_string(hooks.join("count")).expect("came along"), "xx");
    assert!(!repo.at(".git/hooks.before-session").exists());
    repo.git(["commit", "-q", "--allow-empty", "-m", "z"]);
    assert_eq!(fs::read_to_string(hooks.join("count")).expect("is there"), "xxx");
}

/// As the first version left a hook that it kept aside.
fn as_of_old(repo: &TestRepo, note: bool) {
    let _on = repo.session(["enable"]).success();
    let hooks = hooks(repo);
    fs::remove_file(hooks.join("pre-push.before-session")).expect("removes the link");
    fs::rename(repo.at(".git/hooks.before-session/pre-push"), hooks.join("pre-push.before-session")).expect("moves");
    fs::remove_dir_all(repo.at(".git/hooks.before-session")).expect("removes");
    let text = "#!/bin/sh\n# git-session: begin (`session disable` takes this out)\n# git-session: end\n\n# The hook that was here before.\n[ ! -x \"${0%/*}/pre-push.before-session\" ] || exec \"${0%/*}/pre-push.before-session\" \"$@\"\n";
    program(&hooks.join("pre-push"), text);
    for key in ["session.git.enabledIn", "session.git.addedRewriteRef"] {
        repo.git(["config", "--unset-all", key]);
    }
    repo.git(["config", "notes.rewriteRef", "refs/notes/sessions"]);
    let noted = fs::read_to_string(repo.at(".git/session/git-hooks")).expect("reads");
    repo.write(
        ".git/session/git-hooks",
        noted
            .replace("\"marked\":true", "\"x\":0")
            .replace("\"config\":[]", "\"config\":[[\"notes.rewriteRef\",\"refs/notes/sessions\"]]"),
    );
    if !note {
        fs::remove_dir_all(repo.at(".git/session")).expect("removes");
    }
}

#[test]
fn what_the_first_version_kept_is_found_and_goes_by_its_name_from_the_next_enable_on() {
    for (note, migrated) in [(true, true), (true, false), (false, true), (false, false)] {
        let repo = repo(Shape::PLAIN, false);
        repo.git(["init", "-q", "--bare", "../remote.git"]);
        let hooks = hooks(&repo);
        let log = repo.sandbox.path().join("log");
        let text = format!(
            "#!/usr/bin/env python3\nimport os, sys\nopen('{}', 'a').write(os.path.basename(sys.argv[0]))\n",
            log.display()
        );
        program(&hooks.join("pre-push"), &text);
        let before = (bytes_of(&hooks), String::from_utf8(repo.read(".git/config")).expect("text"));
        as_of_old(&repo, note);
        repo.git(["commit", "-q", "--allow-empty", "-m", "x"]);
        let saved = repo.git(["for-each-ref", "refs/sessions"]);
        assert_eq!(!saved.is_empty(), note, "what the first version enabled goes on, as far as that can be told");
        if migrated {
            if note {
                let found = repo.session(["doctor"]);
                assert!(found.code == Some(1) && found.stdout.contains("pre-push"), "{found}");
            }
            let _on = repo.session(["enable"]).success();
            repo.git(["push", "-q", "../remote.git", "main"]);
            assert_eq!(fs::read_to_string(&log).expect("it ran"), "pre-push");
            assert_eq!(repo.session(["doctor"]).code, Some(0));
        }
        let _off = repo.session(["disable"]).success();
        assert_eq!(
            (bytes_of(&hooks), String::from_utf8(repo.read(".git/config")).expect("text")),
            before,
            "note: {note}, migrated: {migrated}"
        );
    }
}

#[test]
fn a_hook_that_stays_aside_is_named_whatever_stands_in_its_place() {
    let repo = repo(Shape::PLAIN, false);
    let hooks = hooks(&repo);
    for name in ["post-commit", "post-merge", "pre-push"] {
        program(&hooks.join(name), "#!/usr/bin/env python3\n");
    }
    let _on = repo.session(["enable"]).success();
    // One is replaced, one is changed, one is gone: that one comes back.
    program(&hooks.join("post-commit"), "#!/bin/sh\ntrue\n");
    let text = fs::read_to_string(hooks.join("post-merge")).expect("reads");
    program(&hooks.join("post-merge"), &format!("{text}echo mine\n"));
    fs::remove_file(hooks.join("pre-push")).expect("removes");
    let out = repo.session(["disable", "--json"]).success().json();
    let left: Vec<&str> = out["left"].as_array().expect("a list").iter().filter_map(|l| l["path"].as_str()).collect();
    assert_eq!(left, [".git/hooks.before-session/post-commit", ".git/hooks.before-session/post-merge"]);
    assert_eq!(fs::read_to_string(hooks.join("post-commit")).expect("reads"), "#!/bin/sh\ntrue\n");
    assert_eq!(fs::read_to_string(hooks.join("pre-push")).expect("reads"), "#!/usr/bin/env python3\n");
    assert!(fs::read_to_string(hooks.join("post-merge")).expect("reads").ends_with("echo mine\n"));
    assert_eq!(
        fs::read_to_string(repo.at(".git/hooks.before-session/post-commit")).expect("kept"),
        "#!/usr/bin/env python3\n"
    );
    let again = repo.session(["disable"]).success();
    assert!(again.stderr.contains("hooks.before-session/post-commit"), "named again: {again}");
}

#[test]
fn a_hook_that_may_not_be_run_stays_switched_off_and_is_found_where_it_is_ours() {
    let repo = repo(Shape::PLAIN, false);
    let hooks = hooks(&repo);
    fs::write(hooks.join("post-merge"), "#!/bin/sh\nexit 1\n").expect("writes");
    let before = bytes_of(&hooks);
    let _on = repo.session(["enable"]).success();
    repo.chmod(".git/hooks/post-commit", 0o644);
    let found = repo.session(["doctor"]);
    assert!(found.code == Some(1) && found.stdout.contains("may not be run"), "{found}");
    let _on = repo.session(["enable"]).success();
    assert_eq!(repo.session(["doctor"]).code, Some(0));
    repo.git(["commit", "-q", "--allow-empty", "-m", "x"]);
    assert_head_is_linked(&repo, "it runs again");
    let _off = repo.session(["disable"]).success();
    assert_eq!(bytes_of(&hooks), before);
}

#[test]
fn git_lfs_pushes_its_objects_whether_its_hooks_came_before_us_or_after() {
    if !crate::killed::runs("git-lfs", &["version"]) {
        return;
    }
    for order in ["before", "after", "forced"] {
        let repo = repo(Shape::PLAIN, false);
        repo.git(["init", "-q", "--bare", "../remote.git"]);
        repo.git(["remote", "add", "origin", "../remote.git"]);
        let before = repo.read(".git/config");
        let lfs = |args: &[&str]| {
            let out = repo.sandbox.command("git", repo.path()).arg("lfs").args(args).output().expect("git starts");
            out.status.success()
        };
        if order == "before" {
            assert!(lfs(&["install", "--local"]));
        }
        let hooks = hooks(&repo);
        let (files, with_lfs) = (bytes_of(&hooks), repo.read(".git/config"));
        let _on = repo.session(["enable"]).success();
        if order == "after" {
            lfs(&["install", "--local"]);
        } else if order == "forced" {
            assert!(lfs(&["install", "--local", "--force"]) && lfs(&["update", "--force"]));
            assert_eq!(repo.session(["doctor"]).code, Some(1), "ours were overwritten");
            let _on = repo.session(["enable"]).success();
        }
        assert_eq!(repo.session(["doctor"]).code, Some(0), "{order}");
        repo.write(".gitattributes", "*.bin filter=lfs -text\n");
        repo.write("large.bin", "large");
        repo.commit("a large file");
        assert_head_is_linked(&repo, order);
        repo.git(["push", "-q", "origin", "main"]);
        let there = walkdir::WalkDir::new(repo.sandbox.path().join("remote.git/lfs/objects"));
        let objects = there.into_iter().filter_map(Result::ok).filter(|e| e.file_type().is_file()).count();
        assert_eq!(objects, 1, "{order}: the object came with the push");
        let _off = repo.session(["disable"]).success();
        if order == "before" {
            assert_eq!((bytes_of(&hooks), repo.read(".git/config")), (files, with_lfs));
        } else if order == "after" {
            assert_eq!(bytes_of(&hooks), files);
            assert_ne!(repo.read(".git/config"), before, "its own settings stay");
        }
    }
}
