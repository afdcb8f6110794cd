//! Every kind of repository that git opens: save, change everything, rewind, and each byte and bit is back, the index untouched,
//! and git finds nothing wrong. `shapes.rs` runs the whole main job in the plain ones.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::support::repo::{Shape, TestRepo};

/// What must be as it was, a line for each thing.
type State = Vec<String>;

fn state(repo: &TestRepo) -> State {
    let head = repo.sandbox.command("git", repo.path()).args(["rev-parse", "HEAD"]).output().expect("git starts");
    let mut lines = repo.listing();
    lines.push(format!("the index file {}", repo.index_bytes().escape_ascii()));
    lines.push(format!("HEAD {}", String::from_utf8_lossy(&head.stdout)));
    lines.push(repo.git(["rev-parse", "--symbolic-full-name", "HEAD"]));
    lines
}

/// Equal, or what is gone (`-`) and what is new (`+`).
#[track_caller]
fn same(repo: &TestRepo, before: &State, what: &str) {
    let now = state(repo);
    let only_in = |sign: char, one: &State, other: &State| {
        let lines = one.iter().filter(|line| !other.contains(line));
        lines.map(|line| format!("{sign} {line:.300}\n")).collect::<String>()
    };
    let (gone, new) = (only_in('-', before, &now), only_in('+', &now, before));
    assert!(gone.is_empty() && new.is_empty(), "{what}:\n{gone}{new}");
}

/// Overwrites, removes, swaps and adds, wherever no other repository lies; ignored files and what `spare` names stay.
fn change_everything(repo: &TestRepo, spare: &[&str]) {
    let is_foreign = |entry: &walkdir::DirEntry| {
        let name = entry.path().strip_prefix(repo.path()).expect("below");
        entry.depth() > 0 && (entry.path().join(".git").exists() || spare.iter().any(|s| Path::new(s) == name))
    };
    let walk = walkdir::WalkDir::new(repo.path()).min_depth(1).sort_by_file_name().into_iter();
    let files: Vec<_> = walk
        .filter_entry(|e| e.file_name() != ".git" && !is_foreign(e))
        .map(|e| e.expect("walks"))
        .filter(|e| !e.file_type().is_dir())
        .map(|e| e.into_path())
        .collect();
    for (n, path) in files.iter().enumerate() {
        let name = path.strip_prefix(repo.path()).expect("below");
        let name = std::os::unix::ffi::OsStrExt::as_bytes(name.as_os_str());
        repo.remove(name);
        match n % 4 {
            0 => repo.write(name, format!("changed {n}\r\n")),
            1 => repo.write([name, b"/now/a/folder"].concat(), "x"),
            2 => repo.symlink(name, "elsewhere"),
            _ => {}
        }
    }
    // git knows no empty folders.
    for folder in files.iter().flat_map(|file| file.ancestors().skip(1).take_while(|above| *above != repo.path())) {
        let _not_empty = fs::remove_dir(folder);
    }
    repo.write("added/by the agent", "x");
    repo.write("run-me", "#!/bin/sh\n");
    repo.chmod("run-me", 0o755);
}

/// Save, change everything, save, back, forth, back.
#[track_caller]
fn comes_back(repo: &TestRepo, what: &str, spare: &[&str]) {
    comes_back_with(repo, what, spare, &[]);
}

#[track_caller]
fn comes_back_with(repo: &TestRepo, what: &str, spare: &[&str], options: &[&str]) {
    let before = state(repo);
    repo.ask(["save", "one"]);
    same(repo, &before, &format!("{what}: after a save"));
    change_everything(repo, spare);
    let changed = state(repo);
    assert_ne!(changed, before, "{what}");
    repo.ask(["rewind", "code", "1"].into_iter().chain(options.iter().copied()));
    same(repo, &before, &format!("{what}: after a rewind"));
    repo.ask(["redo"].into_iter().chain(options.iter().copied()));
    same(repo, &changed, &format!("{what}: after a redo"));
    repo.ask(["rewind", "code", "1"].into_iter().chain(options.iter().copied()));
    same(repo, &before, &format!("{what}: after another rewind"));
    assert_eq!(repo.hook_log(), "", "{what}");
    repo.assert_sound();
}

/// A tree with something of everything: modes, links, folders, odd names, CRLF, staged and unstaged changes, ignored files.
fn fill(repo: &TestRepo) {
    repo.write(".gitignore", "*.o\n");
    for path in ["a", "b", "in/one", "in/two", "out/three", "out/deep/four", "z"] {
        repo.write(path, format!("{path}\n"));
    }
    repo.write("crlf", "a\r\nb\n\r");
    repo.write(b"odd\n\xff\"\\", "odd\n");
    repo.chmod("b", 0o755);
    repo.symlink("link", "in/one");
    repo.write(vec![b'd'; 200], "long name\n");
    repo.write(["deep/".repeat(40).as_bytes(), b"down"].concat(), "far\n");
    repo.commit("all");
    repo.write("a", "staged\n");
    repo.git(["add", "a"]);
    repo.write("a", "and changed\n");
    repo.write("in/new", "untracked\n");
    repo.write("x.o", "ignored\n");
}

/// How the index file is written.
const INDEXES: [&str; 4] = ["plain", "v4", "split", "sparse"];

fn with_index(repo: &TestRepo, kind: &str) {
    match kind {
        "v4" => drop(repo.git(["update-index", "--index-version", "4"])),
        "split" => drop(repo.git(["update-index", "--split-index"])),
        "sparse" => drop(repo.git(["sparse-checkout", "set", "--cone", "--sparse-index", "in"])),
        _ => {}
    }
}

/// Where the work tree is.
fn of_place(object_format: &'static str, ref_format: &'static str, place: &str) -> TestRepo {
    let repo = TestRepo::of_shape(Shape { object_format, ref_format, linked: place == "linked" });
    if place != "bare" {
        return repo;
    }
    let refs = format!("--ref-format={ref_format}");
    repo.git(["clone", "--quiet", "--bare", &refs, ".", "../hub.git"]);
    repo.git(["-C", "../hub.git", "worktree", "add", "--quiet", "../tree", "main"]);
    let tree = repo.sandbox.path().join("tree");
    repo.moved_to(tree)
}

#[test]
fn ref_formats_indexes_and_places_in_all_combinations_with_sha1() {
    all_combinations("sha1");
}

#[test]
fn ref_formats_indexes_and_places_in_all_combinations_with_sha256() {
    all_combinations("sha256");
}

fn all_combinations(object_format: &'static str) {
    for ref_format in ["files", "reftable"] {
        for index in INDEXES {
            for place in ["main", "linked", "bare"] {
                let repo = of_place(object_format, ref_format, place);
                fill(&repo);
                with_index(&repo, index);
                let what = format!("{object_format} {ref_format} {index} {place}");
                let spare: &[&str] = if index == "sparse" { &["x.o", "out"] } else { &["x.o"] };
                comes_back(&repo, &what, spare);
                let tree = repo.git(["ls-tree", "-r", "--name-only", &format!("{}^", repo.session_ref())]);
                assert!(tree.lines().any(|path| path == "out/deep/four"), "{what}: {tree}");
                assert_eq!(repo.read("x.o"), b"ignored\n", "{what}");
            }
        }
    }
}

#[test]
fn a_submodule_with_changes_inside_and_worktrees_inside_the_tree_are_left_as_they_are() {
    let inner = TestRepo::new();
    inner.write("lib", "1");
    inner.commit("lib");
    for ref_format in ["files", "reftable"] {
        let repo = TestRepo::of_shape(Shape { ref_format, ..Shape::PLAIN });
        fill(&repo);
        let url = inner.path().to_str().expect("UTF-8").to_owned();
        repo.git(["-c", "protocol.file.allow=always", "submodule", "add", "--quiet", &url, "sub"]);
        repo.commit("with a submodule");
        repo.write("sub/lib", "changed inside");
        repo.write("sub/new", "new inside");
        repo.git(["worktree", "add", "--quiet", "-b", "agent", ".claude/worktrees/agent"]);
        repo.write(".claude/worktrees/agent/theirs", "of another");
        repo.git(["init", "--quiet", "nested-unborn"]);
        repo.write("nested-unborn/kept", "x");
        comes_back(&repo, ref_format, &["x.o", ".gitmodules"]);
        assert_eq!(repo.read("sub/lib"), b"changed inside");
        assert_eq!(repo.read(".claude/worktrees/agent/theirs"), b"of another");
        assert_eq!(repo.read("nested-unborn/kept"), b"x");
        let saved = repo.session(["show", "--at", "1"]).success().stdout;
        for skipped in [".claude/worktrees/agent", "nested-unborn"] {
            assert!(saved.contains(&format!("{skipped}: a repository of its own")), "{saved}");
        }
    }
}

#[test]
fn partial_and_shallow_clones_come_back_without_a_fetch_from_hooks() {
    for (filter, depth) in [("--filter=blob:none", "--no-single-branch"), ("--no-tags", "--depth=1")] {
        for ref_format in ["files", "reftable"] {
            let origin = TestRepo::new();
            fill(&origin);
            origin.commit("again");
            origin.write("in/one", "newer\n");
            origin.commit("newest");
            origin.git(["config", "uploadpack.allowFilter", "true"]);
            let (url, refs) = (format!("file://{}", origin.path().display()), format!("--ref-format={ref_format}"));
            origin.git(["clone", "--quiet", &refs, filter, depth, &url, "../clone"]);
            let clone = origin.sandbox.path().join("clone");
            let repo = origin.moved_to(clone);
            comes_back(&repo, &format!("{filter} {depth} {ref_format}"), &[]);
            // Older blobs are owed by the promisor: an explicit command says what is missing or fetches it, and changes nothing.
            if repo.git(["rev-parse", "--is-shallow-repository"]) == "false" {
                repo.git(["checkout", "--quiet", "HEAD^"]);
                comes_back_again(&repo);
            }
        }
    }
}

/// A second session in the same repository.
fn comes_back_again(repo: &TestRepo) {
    let before = state(repo);
    let number = repo.ask(["save"])["checkpoint"].to_string();
    change_everything(repo, &[]);
    repo.ask(["rewind", "code", &number]);
    same(repo, &before, "another session");
    repo.assert_sound();
}

#[test]
fn objects_in_alternates_and_settings_of_one_worktree_count() {
    let origin = TestRepo::new();
    fill(&origin);
    origin.commit("again");
    origin.git(["clone", "--quiet", "--shared", ".", "../shared"]);
    let shared = origin.sandbox.path().join("shared");
    let repo = origin.moved_to(shared);
    assert!(repo.at(".git/objects/info/alternates").exists());
    repo.git(["config", "extensions.worktreeConfig", "true"]);
    repo.git(["worktree", "add", "--quiet", "-b", "two", "../two"]);
    repo.git(["-C", "../two", "config", "--worktree", "core.excludesFile", "../hidden"]);
    repo.write("../hidden", "*.hid\n");
    comes_back(&repo, "alternates", &[]);
    let two = repo.sandbox.path().join("two");
    let repo = repo.moved_to(two);
    repo.write("not.hid", "hidden here only");
    comes_back(&repo, "a setting of this worktree", &["not.hid"]);
    let tree = repo.git(["ls-tree", "-r", "--name-only", &format!("{}^", repo.session_ref())]);
    assert!(!tree.contains("not.hid"), "{tree}");
}

#[test]
fn a_repository_of_someone_else_is_refused_as_git_does_unless_it_is_declared_safe() {
    let mut repo = TestRepo::new();
    repo.write("f", "x");
    let owned = |user: &str| Command::new("chown").args(["-R", user]).arg(repo.path()).status().expect("chown runs");
    if !owned("65534:65534").success() {
        let _told = writeln!(std::io::stderr(), "SKIPPED: chown does not work here");
        return;
    }
    let git = repo.sandbox.command("git", repo.path()).args(["status"]).output().expect("git starts");
    assert!(!git.status.success(), "git refuses it");
    let out = repo.session(["save", "--json"]);
    assert_eq!((out.code, out.json()["error"]["code"].as_str()), (Some(6), Some("repository.untrusted")), "{out}");
    assert!(out.to_string().contains("safe.directory"), "{out}");
    assert!(!repo.at(".git/session").exists());
    let config = repo.sandbox.path().join("gitconfig");
    fs::write(&config, format!("[safe]\n\tdirectory = {}\n", repo.path().display())).expect("writes");
    repo.sandbox.set("GIT_CONFIG_GLOBAL", &config);
    repo.git(["status"]);
    comes_back(&repo, "safe.directory", &[]);
}

#[test]
fn big_files_of_lfs_stay_pointers_and_come_back_whole() {
    let repo = TestRepo::new();
    let works = repo.sandbox.command("git", repo.path()).args(["lfs", "version"]).output().expect("git starts");
    if !works.status.success() {
        let _told = writeln!(std::io::stderr(), "SKIPPED: git-lfs is not installed");
        return;
    }
    repo.git(["lfs", "install", "--local", "--skip-smudge"]);
    repo.git(["lfs", "install", "--local", "--force"]);
    repo.git(["lfs", "track", "*.bin"]);
    let big: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    repo.write("tracked.bin", &big);
    repo.commit("with a big file");
    repo.write("new.bin", [&big[..], b"more"].concat());
    comes_back(&repo, "lfs", &[".gitattributes"]);
    let code = format!("{}^", repo.session_ref());
    for path in ["tracked.bin", "new.bin"] {
        let stored = repo.git(["cat-file", "blob", &format!("{code}:{path}")]);
        assert!(stored.starts_with("version https://git-lfs.github.com/spec/v1"), "{path}: {stored:.80}");
    }
}

#[test]
fn no_conversion_of_line_ends_idents_and_encodings_ever_runs() {
    let utf16: Vec<u8> = [0xfeff_u16, 0x68, 0x69, 0x0d, 0x0a].into_iter().flat_map(u16::to_le_bytes).collect();
    for autocrlf in ["true", "input", "false"] {
        for attributes in ["* text=auto\n", "* text=auto eol=crlf\n", "* text\n", "* -text\n", ""] {
            let repo = TestRepo::new();
            repo.git(["config", "core.autocrlf", autocrlf]);
            repo.git(["config", "core.safecrlf", "false"]);
            let more = "*.id ident\n*.utf16 text working-tree-encoding=UTF-16\n";
            repo.write(".gitattributes", format!("{attributes}{more}"));
            for (path, content) in
                [("lf", "a\nb\n"), ("crlf", "a\r\nb\r\n"), ("mixed", "a\nb\r\n\r"), ("bin", "a\0\r\n")]
            {
                repo.write(path, content);
            }
            repo.write("x.id", "$Id: by hand $ and $Id$\n");
            repo.write("x.utf16", &utf16);
            repo.commit("all");
            // What git itself would have made of it in a checkout, for some.
            repo.remove("lf");
            repo.git(["checkout", "--quiet", "--", "lf"]);
            repo.write("new-crlf", "n\r\n");
            repo.write("new.utf16", &utf16);
            comes_back(&repo, &format!("autocrlf={autocrlf} {attributes:?}"), &[".gitattributes"]);
            let code = format!("{}^:x.utf16", repo.session_ref());
            assert_eq!(repo.git(["cat-file", "-s", &code]), utf16.len().to_string());
        }
    }
}

/// Two branches that disagree about `f`, the first one checked out.
fn in_conflict(ref_format: &'static str) -> TestRepo {
    let repo = TestRepo::of_shape(Shape { ref_format, ..Shape::PLAIN });
    fill(&repo);
    repo.write("f", "base\n");
    repo.write("gone-there", "base\n");
    repo.commit("base");
    repo.git(["checkout", "--quiet", "-b", "theirs"]);
    repo.write("f", "theirs\n");
    repo.remove("gone-there");
    repo.commit("theirs");
    repo.git(["checkout", "--quiet", "-"]);
    repo.git(["checkout", "--quiet", "-b", "ours", "HEAD"]);
    repo.write("f", "ours\n");
    repo.write("gone-there", "ours\n");
    repo.commit("ours");
    repo
}

#[test]
fn in_the_middle_of_gits_own_work_saves_work_and_rewinds_need_force() {
    for ref_format in ["files", "reftable"] {
        for (operation, what) in [
            (&["merge", "theirs"][..], "a merge"),
            (&["rebase", "theirs"], "a rebase"),
            (&["cherry-pick", "theirs"], "a cherry-pick"),
        ] {
            let repo = in_conflict(ref_format);
            let ended = repo.sandbox.command("git", repo.path()).args(operation).output().expect("git starts");
            assert!(!ended.status.success(), "it conflicts");
            let status = repo.git(["status", "--porcelain"]);
            assert!(status.contains("UU f") || status.contains("AA f"), "{status}");
            repo.ask(["save"]);
            let before = state(&repo);
            repo.write("f", "resolved\n");
            let error = repo.refused(6, ["rewind", "code", "1"]);
            assert_eq!(error["code"], "rewind.operation");
            assert!(error["message"].as_str().expect("text").contains(what), "{error}");
            assert_eq!(repo.read("f"), b"resolved\n");
            repo.ask(["rewind", "code", "1", "--force"]);
            same(&repo, &before, what);
            comes_back_with(&repo, what, &["x.o"], &["--force"]);
            let stages = repo.git(["ls-tree", "-r", "--name-only", &repo.session_ref(), "index-conflicts"]);
            assert!(stages.contains("index-conflicts/2/f"), "{stages}");
            // And git can still go back.
            repo.git([operation[0], "--abort"]);
        }
    }
}

#[test]
fn before_the_first_commit_and_on_no_branch() {
    for (object_format, ref_format) in [("sha1", "files"), ("sha256", "reftable")] {
        let repo = TestRepo::of_shape(Shape { object_format, ref_format, linked: false });
        repo.git(["checkout", "--quiet", "--orphan", "unborn"]);
        repo.write("staged", "x");
        repo.git(["add", "staged"]);
        repo.write("untracked", "x");
        let before = (repo.listing(), repo.index_bytes());
        repo.ask(["save"]);
        change_everything(&repo, &[]);
        repo.ask(["rewind", "code", "1"]);
        assert_eq!((repo.listing(), repo.index_bytes()), before);
        repo.assert_sound();

        let repo = TestRepo::of_shape(Shape { object_format, ref_format, linked: false });
        fill(&repo);
        repo.git(["checkout", "--quiet", "--detach"]);
        comes_back(&repo, "detached", &["x.o"]);
    }
}

#[test]
fn settings_about_modes_and_names_are_followed() {
    let repo = TestRepo::new();
    fill(&repo);
    repo.git(["config", "core.fileMode", "false"]);
    repo.chmod("z", 0o755);
    repo.ask(["save"]);
    let code = format!("{}^", repo.session_ref());
    assert!(repo.git(["ls-tree", &code, "z"]).starts_with("100644"), "as git sees it");
    assert!(repo.git(["ls-tree", &code, "b"]).starts_with("100755"), "as the index has it");
    let before = state(&repo);
    repo.write("z", "changed");
    repo.write("b", "changed");
    repo.ask(["rewind", "code", "1"]);
    same(&repo, &before, "core.fileMode=false");
    // An exec bit that only the index has is the user's to change.
    repo.git(["update-index", "--chmod=+x", "z"]);
    repo.ask(["save"]);
    repo.write("a", "changed");
    let index = repo.index_bytes();
    repo.ask(["rewind", "code", "1"]);
    assert_eq!((repo.read("a"), repo.index_bytes()), (b"and changed\n".to_vec(), index));

    let repo = TestRepo::new();
    repo.git(["config", "core.ignoreCase", "true"]);
    fill(&repo);
    repo.write("NEW", "x");
    comes_back(&repo, "ignoreCase", &["x.o"]);
}

#[test]
fn a_link_that_git_refuses_is_left_out_and_said_and_never_replaced() {
    let repo = TestRepo::new();
    repo.write(".gitmodules", "# none\n");
    repo.commit("files");
    repo.ask(["save"]);
    repo.remove(".gitmodules");
    repo.symlink(".gitmodules", "elsewhere");
    repo.write("f", "1");
    let saved = repo.ask(["save"]);
    assert_eq!(saved["skipped"][0]["reason"], "refused-name", "{saved:#}");
    repo.assert_sound();
    let error = repo.refused(6, ["rewind", "code", "1"]);
    assert_eq!(error["target"], ".gitmodules", "{error}");
    assert!(repo.at(".gitmodules").is_symlink() && repo.at("f").exists());
    repo.ask(["rewind", "code", "1", "--", "f"]);
    assert!(repo.at(".gitmodules").is_symlink() && !repo.at("f").exists());
}

#[test]
fn a_folder_named_as_a_file_of_gits_is_the_tree_that_git_makes_of_it() {
    let repo = TestRepo::new();
    repo.write(".gitmodules/x", "1\n");
    repo.write("in/.gitattributes/x", "1\n");
    let before = state(&repo);
    repo.ask(["save"]);
    let ours = repo.git(["rev-parse", &format!("{}^^{{tree}}", repo.session_ref())]);
    change_everything(&repo, &[]);
    repo.ask(["rewind", "code", "1"]);
    same(&repo, &before, "folders of odd names");
    // `git fsck --strict` complains of this tree, whoever made it.
    repo.git(["add", "--all"]);
    assert_eq!(ours, repo.git(["write-tree"]));
}
