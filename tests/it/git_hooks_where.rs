//! Where git's hooks save and where not: only in repositories that were enabled, in every worktree but those that were
//! disabled, and nowhere else, whatever leads git to our lines; and what is said of a place that git does not look at.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::git_hooks::repo;
use crate::git_hooks_chained::bytes_of;
use crate::support::repo::{Shape, TestRepo, matrix};

/// Another repository, with a file of passwords that git does not track and a commit.
fn another(repo: &TestRepo, name: &str, make: &[&str]) -> PathBuf {
    let top = repo.sandbox.path().join(name);
    let git = |dir: &Path, args: &[&str]| {
        let out = repo.sandbox.command("git", dir).args(args).output().expect("git starts");
        assert!(out.status.success(), "{args:?}: {out:?}");
    };
    git(repo.sandbox.path(), &[make, &[top.to_str().expect("UTF-8")]].concat());
    fs::write(top.join("passwords"), "secret").expect("writes");
    git(&top, &["commit", "-q", "--allow-empty", "-m", "elsewhere"]);
    git(&top, &["checkout", "-q", "-b", "elsewhere"]);
    git(&top, &["commit", "-q", "--allow-empty", "--amend", "-m", "again"]);
    top
}

fn sessions_of(repo: &TestRepo, top: &Path) -> String {
    let out = repo.sandbox.command("git", top).args(["for-each-ref", "refs/sessions"]).output().expect("git starts");
    String::from_utf8(out.stdout).expect("text")
}

/// So many sessions and checkpoints are there.
fn checkpoints(repo: &TestRepo) -> usize {
    let refs = repo.git(["for-each-ref", "--format=%(refname)", "refs/sessions/heads"]);
    refs.lines().map(|name| repo.git(["rev-list", "--count", name]).parse::<usize>().expect("a number")).sum()
}

/// Whether a commit in this worktree is saved.
fn saves(repo: &TestRepo) -> bool {
    let before = checkpoints(repo);
    repo.git(["commit", "-q", "--allow-empty", "-m", "saved?"]);
    checkpoints(repo) > before
}

fn in_worktree(repo: &TestRepo, dir: &Path, args: &[&str]) -> String {
    let out = repo.sandbox.session(dir, args).success();
    format!("{}{}", out.stdout, out.stderr)
}

/// Whether `status` counts git among what is enabled here.
fn counts_git(repo: &TestRepo) -> bool {
    let status = repo.session(["status", "--json"]).success().json();
    status["enabled"].as_array().expect("a list").iter().any(|name| name == "git")
}

#[test]
fn nothing_is_saved_where_enable_never_ran() {
    for shape in matrix() {
        // A directory for all repositories of the user.
        let repo = repo(shape, false);
        let shared = repo.sandbox.path().join("shared-hooks");
        fs::create_dir(&shared).expect("makes it");
        repo.git(["config", "core.hooksPath", shared.to_str().expect("UTF-8")]);
        let _on = repo.session(["enable", "--write-hooks"]).success();
        assert!(saves(&repo), "{shape:?}");
        let setting = format!("core.hooksPath={}", shared.display());
        let with = ["-c", &setting, "init", "-q"];
        let other = another(&repo, "other", &with);
        // The setting is the repository's own from here on.
        let git = |args: &[&str]| {
            let out = repo.sandbox.command("git", &other).args(args).output().expect("git starts");
            assert!(out.status.success(), "{args:?}: {out:?}");
        };
        git(&["config", "core.hooksPath", shared.to_str().expect("UTF-8")]);
        git(&["commit", "-q", "--allow-empty", "-m", "x"]);
        git(&["checkout", "-q", "-b", "more"]);
        assert_eq!(sessions_of(&repo, &other), "", "{shape:?}");
        assert!(!other.join(".git/session").exists(), "{shape:?}: not even a file");

        // A template, whose configuration the user's own or an included file may resemble.
        let own: PathBuf = repo.git(["rev-parse", "--path-format=absolute", "--git-common-dir"]).into();
        repo.git(["config", "--unset", "core.hooksPath"]);
        let _on = repo.session(["enable"]).success();
        let template = repo.sandbox.path().join("template");
        fs::create_dir_all(template.join("hooks")).expect("makes it");
        for name in ["post-commit", "post-checkout", "pre-push"] {
            fs::copy(own.join("hooks").join(name), template.join("hooks").join(name)).expect("copies");
        }
        let option = format!("--template={}", template.display());
        let made = another(&repo, "from-template", &["init", "-q", &option]);
        assert!(made.join(".git/hooks/post-commit").exists());
        assert_eq!(sessions_of(&repo, &made), "", "{shape:?}");
        let included = repo.sandbox.path().join("included");
        fs::write(&included, "[session \"git\"]\n\tenabledIn = .\n").expect("writes");
        let out = repo.sandbox.command("git", &made).args(["config", "include.path"]).arg(&included).output();
        assert!(out.expect("git starts").status.success());
        let out = repo.sandbox.command("git", &made).args(["commit", "-q", "--allow-empty", "-m", "x"]).output();
        assert!(out.expect("git starts").status.success());
        assert_eq!(sessions_of(&repo, &made), "", "what a file says that is included is not the repository's own");
        let clone = another(&repo, "clone", &["clone", "-q", &option, own.to_str().expect("UTF-8")]);
        assert_eq!(sessions_of(&repo, &clone), "", "{shape:?}");
    }
}

#[test]
fn a_repository_that_moved_and_a_new_worktree_go_on() {
    let repo = repo(Shape::PLAIN, true);
    repo.git(["worktree", "add", "-q", "-b", "side", "../side"]);
    let side = repo.sandbox.path().join("side");
    let repo = repo.moved_to(side);
    assert!(saves(&repo), "in a new worktree");
    let (from, to) = (repo.sandbox.path().join("repo"), repo.sandbox.path().join("moved"));
    fs::rename(from, &to).expect("moves");
    let repo = repo.moved_to(to);
    assert!(saves(&repo), "where it was moved to");
    fs::remove_dir_all(repo.at(".git/session")).expect("removes");
    assert!(saves(&repo), "our directory may always be deleted");
    assert!(counts_git(&repo));
}

#[test]
fn disable_in_one_worktree_leaves_the_hooks_to_the_others_and_saves_nothing_in_its_own() {
    for ref_format in ["files", "reftable"] {
        let repo = repo(Shape { ref_format, ..Shape::PLAIN }, false);
        let before = (bytes_of(&repo.at(".git/hooks")), repo.read(".git/config"));
        let _on = repo.session(["enable"]).success();
        // A linked worktree of the name of the main one's mark or of its label is another one all the same.
        for name in ["one", "main"] {
            repo.git(["worktree", "add", "-q", "-b", &format!("b-{name}"), &format!("../{name}")]);
        }
        let (main, one) = (repo.path().to_owned(), repo.sandbox.path().join("one"));
        let other = repo.sandbox.path().join("main");
        let said = in_worktree(&repo, &one, &["disable"]);
        assert!(said.contains("other worktrees") && said.contains("enabled ($SANDBOX/repo)"), "{said}");
        let again = in_worktree(&repo, &one, &["disable", "--json"]);
        assert!(again.contains("\"changes\":[]") || again.contains("\"changes\": []"), "{again}");
        assert_eq!(repo.session(["doctor"]).code, Some(0));
        let repo = repo.moved_to(one.clone());
        assert!(!saves(&repo), "{ref_format}: it was disabled here");
        assert!(!counts_git(&repo));
        let repo = repo.moved_to(other.clone());
        assert!(saves(&repo), "{ref_format}: nobody disabled this one");
        let repo = repo.moved_to(main.clone());
        assert!(saves(&repo), "{ref_format}: the main one is enabled");
        in_worktree(&repo, &one, &["enable"]);
        let repo = repo.moved_to(one.clone());
        assert!(saves(&repo), "{ref_format}: enabled again");
        let repo = repo.moved_to(main.clone());
        let _off = repo.session(["disable"]).success();
        assert!(!saves(&repo), "{ref_format}");
        let repo = repo.moved_to(one.clone());
        assert!(saves(&repo), "{ref_format}: the hooks are its own now");
        in_worktree(&repo, &one, &["disable"]);
        assert!(!saves(&repo), "{ref_format}");
        let repo = repo.moved_to(main);
        assert_eq!((bytes_of(&repo.at(".git/hooks")), repo.read(".git/config")), before, "{ref_format}: the last one");
    }
}

#[test]
fn a_worktree_that_is_gone_keeps_no_hooks() {
    for way in ["removed by git", "deleted"] {
        let repo = repo(Shape::PLAIN, false);
        let before = (bytes_of(&repo.at(".git/hooks")), repo.read(".git/config"));
        repo.git(["worktree", "add", "-q", "-b", "side", "../side"]);
        let side = repo.sandbox.path().join("side");
        in_worktree(&repo, &side, &["enable"]);
        assert!(saves(&repo));
        if way == "deleted" {
            fs::remove_dir_all(&side).expect("removes");
        } else {
            repo.git(["worktree", "remove", "--force", "../side"]);
        }
        let _off = repo.session(["disable"]).success();
        assert_eq!((bytes_of(&repo.at(".git/hooks")), repo.read(".git/config")), before, "{way}");
    }
}

#[test]
fn what_the_first_version_enabled_stays_enabled_for_the_worktrees_with_an_agent() {
    let repo = repo(Shape::PLAIN, true);
    for key in ["session.git.enabledIn", "session.git.addedRewriteRef"] {
        repo.git(["config", "--unset-all", key]);
    }
    assert!(!saves(&repo), "without the mark nothing is saved");
    let noted = fs::read_to_string(repo.at(".git/session/git-hooks")).expect("reads");
    repo.write(".git/session/git-hooks", noted.replace("\"marked\":true", "\"x\":0"));
    repo.git(["worktree", "add", "-q", "-b", "side", "../side"]);
    let said = in_worktree(&repo, &repo.sandbox.path().join("side"), &["disable"]);
    assert!(said.contains("other worktrees"), "{said}");
    assert!(saves(&repo));
    assert!(counts_git(&repo));
}

#[test]
fn disable_needs_no_notes_of_ours() {
    for shape in matrix() {
        for theirs in [false, true] {
            let repo = repo(shape, false);
            let hooks: PathBuf = repo.git(["rev-parse", "--path-format=absolute", "--git-path", "hooks"]).into();
            let common = hooks.parent().expect("has one").to_owned();
            if theirs {
                for (name, text) in [("post-commit", "#!/usr/bin/env python3\n"), ("pre-push", "#!/bin/sh\nexit 0\n")] {
                    fs::write(hooks.join(name), text).expect("writes");
                    fs::set_permissions(hooks.join(name), fs::Permissions::from_mode(0o755)).expect("sets the mode");
                }
                repo.git(["config", "notes.rewriteRef", "refs/notes/commits"]);
                repo.git(["config", "--add", "notes.rewriteRef", "refs/notes/sessions"]);
            }
            let before = (bytes_of(&hooks), fs::read(common.join("config")).expect("reads"), repo.listing());
            let _on = repo.session(["enable"]).success();
            assert!(saves(&repo), "{shape:?}");
            for dir in
                [common.join("session"), PathBuf::from(repo.git(["rev-parse", "--absolute-git-dir"])).join("session")]
            {
                drop(fs::remove_dir_all(dir));
            }
            let out = repo.session(["disable"]).success();
            assert!(out.stderr.contains("left: .session-state.json"), "{shape:?}: {out}");
            repo.remove(".session-state.json");
            let after = (bytes_of(&hooks), fs::read(common.join("config")).expect("reads"), repo.listing());
            assert_eq!(after, before, "{shape:?}, hooks of theirs: {theirs}");
            let again = repo.session(["disable"]).success();
            assert!(again.stdout.contains("Nothing of ours"), "{again}");
        }
    }
}

#[test]
fn lines_in_a_directory_of_others_stay_unless_asked_for_and_are_named() {
    for notes in [true, false] {
        let repo = repo(Shape::PLAIN, false);
        let shared = repo.sandbox.path().join("shared-hooks");
        fs::create_dir(&shared).expect("makes it");
        fs::write(shared.join("post-commit"), "#!/usr/bin/env python3\n").expect("writes");
        fs::set_permissions(shared.join("post-commit"), fs::Permissions::from_mode(0o755)).expect("sets the mode");
        let before = (bytes_of(repo.sandbox.path().join("shared-hooks").as_path()), repo.read(".git/config"));
        let other = another(&repo, "other", &["init", "-q"]);
        for top in [repo.path(), other.as_path()] {
            let out = repo.sandbox.command("git", top).args(["config", "core.hooksPath"]).arg(&shared).output();
            assert!(out.expect("git starts").status.success());
            in_worktree(&repo, top, &["enable", "--write-hooks"]);
            let status = in_worktree(&repo, top, &["status", "--json"]);
            assert!(status.contains("\"git\""), "{status}");
        }
        let with = bytes_of(&shared);
        if !notes {
            drop(fs::remove_dir_all(repo.at(".git/session")));
        }
        let dry = repo.session(["disable", "--dry-run"]).success();
        assert!(dry.stderr.contains("shared-hooks"), "{dry}");
        let out = repo.session(["disable"]).success();
        assert!(out.stderr.contains("shared-hooks") && out.stderr.contains("--write-hooks"), "{out}");
        assert_eq!(bytes_of(&shared), with, "the other repository's lines stay");
        assert!(!saves(&repo), "and save nothing here");
        let there = repo.moved_to(other);
        assert!(saves(&there), "but there");
        assert_eq!(there.session(["doctor"]).code, Some(0));
        let top = there.sandbox.path().join("repo");
        let repo = there.moved_to(top);
        let _off = repo.session(["disable", "--write-hooks"]).success();
        assert_eq!(bytes_of(&shared), before.0, "notes: {notes}");
        repo.git(["config", "--unset", "core.hooksPath"]);
        assert_eq!(repo.read(".git/config"), before.1);
        let found = repo.sandbox.session(&repo.sandbox.path().join("other"), ["doctor"]);
        assert_eq!(found.code, Some(1), "the other one's doctor says that its hooks are gone");
    }
}

#[test]
fn committed_lines_stay_in_a_clone_that_did_not_write_them() {
    let repo = repo(Shape::PLAIN, false);
    fs::create_dir(repo.at("team")).expect("makes it");
    repo.git(["config", "core.hooksPath", "team"]);
    let _on = repo.session(["enable", "--write-hooks"]).success();
    repo.commit("the team's hooks");
    let clone = another(&repo, "clone", &["clone", "-q", repo.path().to_str().expect("UTF-8")]);
    let out = repo.sandbox.command("git", &clone).args(["config", "core.hooksPath", "team"]).output();
    assert!(out.expect("git starts").status.success());
    let clone = repo.moved_to(clone);
    assert!(!saves(&clone), "the clone was never enabled");
    let _on = clone.session(["enable"]).success();
    assert!(saves(&clone));
    let out = clone.session(["disable"]).success();
    assert!(out.stderr.contains("are committed"), "{out}");
    assert_eq!(clone.git(["status", "--porcelain"]), "?? passwords");
    assert!(!saves(&clone));
}

#[test]
fn a_hooks_directory_behind_a_link_is_treated_as_what_is_behind_it() {
    for outside in [false, true] {
        let repo = repo(Shape::PLAIN, false);
        let behind = if outside { repo.sandbox.path().join("team") } else { repo.at("team") };
        fs::create_dir(&behind).expect("makes it");
        fs::write(behind.join("post-commit"), "#!/bin/sh\ntrue\n").expect("writes");
        fs::set_permissions(behind.join("post-commit"), fs::Permissions::from_mode(0o755)).expect("sets the mode");
        repo.commit("the team's hooks");
        repo.remove(".git/hooks");
        symlink(if outside { behind.to_str().expect("UTF-8") } else { "../team" }, repo.at(".git/hooks"))
            .expect("links");
        let before = bytes_of(&behind);
        let out = repo.session(["enable"]).success();
        assert!(out.stderr.contains("git-session: begin") && out.stderr.contains("team/post-commit"), "{out}");
        assert_eq!(bytes_of(&behind), before, "outside: {outside}");
        assert!(!counts_git(&repo));
        let _on = repo.session(["enable", "--write-hooks"]).success();
        assert!(saves(&repo), "outside: {outside}");
        assert!(counts_git(&repo));
        assert_eq!(repo.session(["doctor"]).code, Some(0));
        let _off = repo.session(["disable", "--write-hooks"]).success();
        assert_eq!(bytes_of(&behind), before, "outside: {outside}");
    }
}

#[test]
fn hooks_that_are_switched_off_in_git_are_said_to_be_and_never_called_enabled() {
    for place in ["/dev/null", "/nowhere/hooks", "nowhere", "a", ""] {
        let repo = repo(Shape::PLAIN, false);
        repo.git(["config", "core.hooksPath", place]);
        for verb in [&["enable"][..], &["enable", "--write-hooks"]] {
            let out = repo.session(verb).success();
            assert!(
                out.stderr.contains("core.hooksPath is") && out.stderr.contains("switched off"),
                "{place:?}: {out}"
            );
            assert!(!out.stderr.contains("git-session: begin"), "{place:?}: {out}");
            let status = repo.session(["status", "--json"]).success().json();
            assert_eq!(status["enabled"], serde_json::json!(["claude-code"]), "{place:?}");
        }
        let said = repo.session(["doctor", "--json"]).json();
        assert_eq!(said["findings"][0]["code"], "hooks.off", "{place:?}: {said}");
        assert_eq!(repo.git(["status", "--porcelain"]), "", "{place:?}: nothing was made");
        repo.git(["config", "--unset", "core.hooksPath"]);
        assert_eq!(repo.session(["doctor"]).code, Some(1), "{place:?}: nothing is installed where git looks now");
        let _on = repo.session(["enable"]).success();
        assert!(saves(&repo), "{place:?}");
        repo.git(["config", "core.hooksPath", place]);
        assert!(!counts_git(&repo), "{place:?}");
        let _off = repo.session(["disable"]).success();
        repo.git(["config", "--unset", "core.hooksPath"]);
        assert!(!saves(&repo), "{place:?}: taken out of where they were");
    }
    let repo = repo(Shape::PLAIN, false);
    repo.remove(".git/hooks");
    symlink("nowhere", repo.at(".git/hooks")).expect("links");
    let out = repo.session(["enable"]).success();
    assert!(out.stderr.contains("switched off") && out.stderr.contains("leads nowhere"), "{out}");
}

#[test]
fn a_commit_is_not_saved_where_sessions_are_switched_off_by_whatever_way_git_knows() {
    for shape in matrix() {
        let mut repo = repo(shape, true);
        let branch = repo.git(["symbolic-ref", "--short", "HEAD"]);
        repo.git(["-c", "session.enabled=false", "commit", "-q", "--allow-empty", "-m", "x"]);
        repo.git(["-c", "session.ENABLED=off", "commit", "-q", "--allow-empty", "-m", "x"]);
        assert_eq!(checkpoints(&repo), 0, "{shape:?}: git -c");
        let off = repo.sandbox.path().join("off");
        fs::write(&off, "[session]\n\tenabled = false\n").expect("writes");
        for condition in [format!("onbranch:{branch}"), "gitdir:**/.git".to_owned(), "gitdir:**/.git/**".to_owned()] {
            let key = format!("includeIf.{condition}.path");
            repo.git(["config", &key, off.to_str().expect("UTF-8")]);
            let is_off = repo.git(["config", "--default", "true", "--type=bool", "session.enabled"]) == "false";
            assert_eq!(saves(&repo), !is_off, "{shape:?}: {condition}");
            repo.git(["config", "--unset", &key]);
        }
        let count = checkpoints(&repo);
        repo.sandbox.set("GIT_CONFIG_COUNT", "1");
        repo.sandbox.set("GIT_CONFIG_KEY_0", "session.enabled");
        repo.sandbox.set("GIT_CONFIG_VALUE_0", "false");
        repo.git(["commit", "-q", "--allow-empty", "-m", "x"]);
        assert_eq!(checkpoints(&repo), count, "{shape:?}: GIT_CONFIG_COUNT");
    }
}
