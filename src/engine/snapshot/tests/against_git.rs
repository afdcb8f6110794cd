//! What a full snapshot takes, compared with git.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn a_snapshot_takes_what_git_lists_and_makes_the_tree_that_git_makes() {
    for format in ["sha1", "sha256"] {
        let bench = Bench::new(&["--object-format", format]);
        awkward(&bench);
        let before = fs::read(bench.root.join(".git/index")).expect("reads");
        let mtime = fs::metadata(bench.root.join(".git/index")).and_then(|m| m.modified()).expect("a time");
        let snapshot = bench.full(None);
        assert_eq!(snapshot.tree, bench.git_tree());
        assert_eq!(snapshot.scope, Scope::Full);
        assert!(snapshot.skipped.is_empty(), "{:?}", snapshot.skipped);

        let listed = bench.git(&["ls-files", "-co", "--exclude-standard", "-z"]);
        let mut listed: Vec<Vec<u8>> =
            listed.split(|b| *b == 0).filter(|p| !p.is_empty()).map(<[u8]>::to_vec).collect();
        listed.retain(|path| fs::symlink_metadata(bench.root.join(OsStr::from_bytes(path))).is_ok_and(|m| !m.is_dir()));
        listed.sort();
        listed.dedup();
        assert_eq!(bench.paths(&snapshot), listed);
        assert_eq!(fs::read(bench.root.join(".git/index")).expect("reads"), before, "the user's index");
        assert_eq!(fs::metadata(bench.root.join(".git/index")).and_then(|m| m.modified()).expect("a time"), mtime);
    }
}

#[test]
fn a_submodule_is_a_gitlink_at_the_commit_it_stands_at() {
    let other = Bench::new(&[]);
    other.file("s", b"s");
    other.commit();
    let bench = Bench::new(&[]);
    let url = other.root.to_str().expect("text");
    bench.git(&["-c", "protocol.file.allow=always", "submodule", "add", "-q", url, "sub"]);
    bench.commit();
    let sub = bench.root.join("sub");
    let snapshot = bench.full(None);
    assert_eq!(snapshot.tree, bench.git_tree());
    bench.git_in(
        &sub,
        None,
        &["-c", "user.name=T", "-c", "user.email=t@x", "commit", "-q", "--allow-empty", "-m", "2"],
    );
    let moved = bench.full(Some(snapshot.tree));
    assert_ne!(moved.tree, snapshot.tree);
    assert_eq!(moved.tree, bench.git_tree());
    bench.git(&["submodule", "--quiet", "deinit", "-f", "sub"]);
    assert_eq!(bench.full(Some(moved.tree)).tree, bench.git_tree(), "not checked out: as in the index");
}

#[test]
fn modes_that_the_umask_does_not_give_are_recorded() {
    let bench = Bench::new(&[]);
    bench.file("plain", b"p");
    bench.file("secret", b"s");
    let umask = modes::umask();
    let set = |path: &str, mode| {
        fs::set_permissions(bench.root.join(path), fs::Permissions::from_mode(mode)).expect("sets the mode");
    };
    set("plain", 0o666 & !umask);
    set("secret", 0o400);
    let snapshot = bench.full(None);
    assert_eq!(snapshot.umask, umask);
    assert_eq!(snapshot.modes.into_iter().collect::<Vec<_>>(), [(repo_path("secret"), 0o400)]);
}

#[test]
fn without_file_modes_the_former_mode_stays() {
    let bench = Bench::new(&[]);
    bench.file("run", b"r");
    fs::set_permissions(bench.root.join("run"), fs::Permissions::from_mode(0o755)).expect("sets the mode");
    bench.commit();
    bench.git(&["config", "core.fileMode", "false"]);
    fs::set_permissions(bench.root.join("run"), fs::Permissions::from_mode(0o644)).expect("sets the mode");
    bench.file("new", b"n");
    fs::set_permissions(bench.root.join("new"), fs::Permissions::from_mode(0o755)).expect("sets the mode");
    let snapshot = bench.full(None);
    assert_eq!(bench.entry(&snapshot, "run").expect("taken").0, FileMode::Executable);
    assert_eq!(bench.entry(&snapshot, "new").expect("taken").0, FileMode::File);
}

#[test]
fn a_linked_worktree_has_a_snapshot_of_its_own() {
    let bench = Bench::new(&[]);
    bench.file("f", b"f");
    bench.commit();
    let linked = bench.dir.path().canonicalize().expect("a path").join("linked");
    bench.git(&["worktree", "add", "-q", linked.to_str().expect("text")]);
    fs::write(linked.join("only-here"), b"x").expect("writes");
    let repo = Repo::discover(&linked, &RepoEnv::isolated(bench.dir.path())).expect("a repository");
    let snapshot = take(&repo, None, &options(), &Silent).expect("a snapshot");
    assert_eq!(bench.paths(&snapshot), [b"f".to_vec(), b"only-here".to_vec()]);
    assert!(repo.git_dir.join("session/stat-cache").exists() && repo.git_dir != repo.common_dir);
}

#[test]
fn a_filter_driver_makes_the_blob_and_conversions_do_not() {
    let bench = Bench::new(&[]);
    bench.git(&["config", "filter.up.clean", "tr a-z A-Z"]);
    bench.git(&["config", "core.autocrlf", "true"]);
    bench.file(".gitattributes", b"*.up filter=up -text\n");
    bench.file("x.up", b"lower");
    bench.file("crlf", b"a\r\n");
    let snapshot = bench.full(None);
    assert_eq!(bench.entry(&snapshot, "x.up"), Some((FileMode::File, b"LOWER".to_vec())));
    assert_eq!(bench.entry(&snapshot, "crlf"), Some((FileMode::File, b"a\r\n".to_vec())));
    assert_eq!(snapshot.skipped.conversion, ["core.autocrlf=true"]);
    assert_eq!(bench.full(Some(snapshot.tree)).stats.hashed, 0);
    bench.file("x.up", b"other");
    let hinted = bench.hinted(snapshot.tree, &["x.up"]);
    assert_eq!(bench.entry(&hinted, "x.up"), Some((FileMode::File, b"OTHER".to_vec())));
}

#[test]
fn a_git_dir_of_another_name_in_the_work_tree_is_not_taken() {
    let bench = Bench::new(&[]);
    bench.file("f", b"f");
    fs::rename(bench.root.join(".git"), bench.root.join("meta")).expect("renames");
    let env = RepoEnv {
        git_dir: Some(bench.root.join("meta")),
        work_tree: Some(bench.root.clone()),
        ..RepoEnv::isolated(bench.dir.path())
    };
    let repo = Repo::discover(&bench.root, &env).expect("a repository");
    let snapshot = take(&repo, None, &options(), &Silent).expect("a snapshot");
    let only = Some(vec![repo_path("meta/HEAD")]);
    let hinted = take(&repo, Some(snapshot.tree), &Options { only, ..options() }, &Silent).expect("a snapshot");
    let files = tree::list_files(&repo.objects, hinted.tree).expect("lists");
    assert_eq!((files.len(), hinted.tree), (1, snapshot.tree));
}
