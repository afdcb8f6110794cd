//! Every way to make, move or rewrite a commit: how many checkpoints it makes, which commits are linked to one that holds their
//! files, and that git says and does the same as without us.
//!
//! A row runs in one kind of repository (files and reftable, main and linked worktree take turns), in all with
//! `SESSION_TEST_THOROUGH`; every seventh also beside husky, lefthook and pre-commit where `SESSION_TEST_TOOLS` is set.

use std::path::{Path, PathBuf};

use crate::git_hooks::links;
use crate::support::repo::{Shape, TestRepo};

/// A name, what is run, checkpoints that it makes, commits that are linked, commits that are not.
type Row = (&'static str, &'static str, u64, &'static str, &'static str);

/// What stands before each script: `$B` is the branch, `$W` the directory around the repository; a repository with files a, b,
/// dir/d and m, a branch `topic` with two commits, a branch `clash` that changes a, and patches of `topic`.
const SET_UP: &str = r#"
B=$(git symbolic-ref --short HEAD)
echo a >a; echo b >b; mkdir dir; echo d >dir/d; git add .; git commit -qm files
git switch -qc topic; for i in 1 2; do echo $i >t$i; git add .; git commit -qm "t$i"; done
git switch -qc clash $B; echo clash >a; git commit -qam clash
git switch -q $B; echo mine >m; git add m; git commit -qm mine
git format-patch -q -o ../patches clash~1..topic; git format-patch -q -o ../clashing $B~1..clash
git tag base
"#;

const OPEN: &str = r#"set -e
B=$(git symbolic-ref --short HEAD); W=$(cd ..; pwd)
add() { echo "$1" >"$1"; git add "$1"; git commit -qm "$1"; }
bare() { git -c core.hooksPath=/dev/null "$@"; }
later() { GIT_COMMITTER_DATE=2027-01-01T00:00:00Z "$@"; }
todo() { GIT_SEQUENCE_EDITOR="$1" git rebase -q -i "$2"; }
"#;

const COMMITS: &[Row] = &[
    ("commit", "echo x >x; git add x; git commit -qm x", 1, "HEAD", "HEAD^"),
    ("commit -a", "echo x >a; git commit -qam x", 1, "HEAD", "HEAD^"),
    ("commit --only", "echo x >a; echo x >b; git add a; git commit -qm x --only b", 1, "HEAD", ""),
    ("commit --include", "echo x >a; echo x >b; git add a; git commit -qm x -i b", 1, "HEAD", ""),
    ("commit in a directory", "echo x >dir/d; cd dir; git commit -qm x d", 1, "HEAD", ""),
    ("commit twice", "add x; add y", 2, "HEAD HEAD^", "HEAD~2"),
    ("commit --amend", "add x; echo y >x; git commit -qa --amend -m y", 2, "HEAD", "HEAD^"),
    ("commit --amend of another's", "git commit -q --amend -m y", 1, "HEAD", "HEAD^"),
    ("commit --amend --no-edit", "add x; git commit -q --amend --no-edit --date=2001-01-01T00:00:00", 2, "HEAD", ""),
    ("commit --allow-empty", "git commit -q --allow-empty -m x", 1, "HEAD", ""),
    ("commit without a message", "git commit -q --allow-empty --allow-empty-message -m ''", 1, "HEAD", ""),
    ("commit -F -", "echo x >a; printf 'a\\nb\\n\\nc\\n' | git commit -qaF -", 1, "HEAD", ""),
    ("commit --fixup", "echo x >a; git commit -qa --fixup HEAD", 1, "HEAD", ""),
    ("commit --squash", "echo x >a; git commit -qa --squash HEAD -m x", 1, "HEAD", ""),
    ("commit -C", "echo x >a; git commit -qa -C HEAD", 1, "HEAD", ""),
    ("commit --author", "echo x >a; git commit -qa --author 'A <a@b>' -m x", 1, "HEAD", ""),
    ("commit --no-verify", "echo x >a; git commit -qa --no-verify -m x", 1, "HEAD", ""),
    ("commit --signoff", "echo x >a; git commit -qas -m x", 1, "HEAD", ""),
    (
        "commit in another encoding",
        "git config i18n.commitEncoding ISO-8859-1; printf '\\344\\n' | git commit -q --allow-empty -F -",
        1,
        "HEAD",
        "",
    ),
    ("commit of a removal", "git rm -q b; git commit -qm x", 1, "HEAD", ""),
    ("commit of a move", "git mv b c; git commit -qm x", 1, "HEAD", ""),
    ("commit of a mode", "chmod +x a; git commit -qam x", 1, "HEAD", ""),
    ("commit of a link", "ln -s a l; git add l; git commit -qm x", 1, "HEAD", ""),
    ("commit detached", "git switch -q --detach; add x", 1, "HEAD", ""),
    ("commit of an orphan", "git switch -q --orphan new; add x", 1, "HEAD", ""),
    ("commit without hooks", "bare commit -q --allow-empty -m x", 0, "", "HEAD"),
    ("commit after one without hooks", "bare commit -q --allow-empty -m x; add y", 1, "HEAD", "HEAD^"),
    ("commit by plumbing", "C=$(git commit-tree -m x -p HEAD 'HEAD^{tree}'); git update-ref HEAD $C", 0, "", "HEAD"),
    ("commit and go on at once", "add x; echo later >x", 1, "HEAD", ""),
];

const MOVES: &[Row] = &[
    ("switch -c", "git switch -qc new", 0, "", "HEAD"),
    ("switch with a session", "add x; git switch -q topic", 2, "$B", "HEAD"),
    ("switch --detach with a session", "add x; git switch -q --detach HEAD^", 2, "$B", "HEAD"),
    ("checkout of a file", "add x; echo y >x; git checkout -q -- x", 1, "HEAD", ""),
    ("restore", "add x; echo y >x; git restore x", 1, "HEAD", ""),
    ("reset --hard", "add x; git reset -q --hard HEAD^", 1, "ORIG_HEAD", "HEAD"),
    ("reset --soft and commit", "add x; git reset -q --soft HEAD^; git commit -qm y", 2, "HEAD", "HEAD^"),
    ("branch -f", "add x; git branch -f topic HEAD", 1, "HEAD", ""),
    ("branch -m", "add x; git branch -m renamed", 1, "HEAD", ""),
    ("update-ref", "add x; git update-ref refs/heads/topic HEAD", 1, "HEAD", ""),
    ("stash", "add x; echo y >x; git stash -q", 1, "HEAD", "stash"),
    ("stash pop", "add x; echo y >x; git stash -q; git stash pop -q", 1, "HEAD", ""),
    ("tag and notes", "add x; git tag -am v v1; git notes add -m n", 1, "HEAD", ""),
    ("worktree add", "git worktree add -q ../more topic", 0, "", "HEAD topic"),
    ("gc", "add x; git gc -q", 1, "HEAD", ""),
    (
        "bisect",
        "add x; add y; add z; git bisect start HEAD HEAD~3 >/dev/null 2>&1; git bisect run true >/dev/null 2>&1; git bisect reset >/dev/null 2>&1",
        3,
        "HEAD HEAD^ HEAD~2",
        "",
    ),
    ("replace", "add x; git replace HEAD^ topic", 1, "HEAD", ""),
    (
        "fetch and push",
        "git init -q --bare ../r.git; git remote add o ../r.git; git push -q o HEAD; add x; git push -q o HEAD; git fetch -q o",
        1,
        "HEAD",
        "",
    ),
    (
        "merge --ff-only",
        "git switch -qc ahead; bare commit -q --allow-empty -m x; git switch -q $B; git merge -q --ff-only ahead",
        1,
        "",
        "HEAD",
    ),
    (
        "merge --no-ff",
        "git switch -qc ahead; bare commit -q --allow-empty -m x; git switch -q $B; git merge -q --no-ff --no-edit ahead",
        1,
        "HEAD",
        "ahead",
    ),
    ("merge", "git merge -q --no-edit topic", 1, "HEAD", "topic HEAD^"),
    ("merge --squash", "git merge -q --squash topic >/dev/null", 1, "", "HEAD"),
    ("merge --squash and commit", "git merge -q --squash topic >/dev/null; git commit -qm x", 2, "HEAD", "HEAD^"),
    (
        "merge --no-commit and commit",
        "git merge -q --no-commit topic >/dev/null 2>&1; git commit -qm x",
        1,
        "HEAD",
        "topic",
    ),
    (
        "merge with a conflict",
        "echo y >a; git commit -qam y; git merge -q clash >/dev/null 2>&1 || :; echo both >a; git add a; git commit -qm x",
        2,
        "HEAD HEAD^",
        "clash",
    ),
    (
        "merge --abort",
        "add x; echo y >a; git commit -qam y; git merge -q clash >/dev/null 2>&1 || git merge --abort",
        2,
        "HEAD",
        "",
    ),
    ("merge of three", "git merge -q -m x topic clash >/dev/null", 1, "HEAD", "topic clash"),
    ("merge -s ours", "git merge -q -s ours -m x clash", 1, "HEAD", "clash"),
    (
        "a teammate's merge by fast-forward",
        "git init -q --bare ../r.git; git remote add o ../r.git; git push -q o HEAD:main topic; git clone -q -b main ../r.git ../mate; (cd ../mate; git merge -q --no-ff --no-edit origin/topic; git push -q origin main); git pull -q --ff-only o main 2>/dev/null",
        1,
        "",
        "HEAD HEAD^",
    ),
    (
        "pull with a merge",
        "git init -q --bare ../r.git; git remote add o ../r.git; git push -q o topic; git pull -q --no-rebase --no-edit o topic 2>/dev/null",
        1,
        "HEAD",
        "topic",
    ),
    (
        "pull --rebase",
        "git init -q --bare ../r.git; git remote add o ../r.git; git push -q o topic; git pull -q --rebase o topic 2>/dev/null",
        1,
        "HEAD",
        "topic",
    ),
];

const REWRITES: &[Row] = &[
    ("cherry-pick", "git cherry-pick topic >/dev/null", 1, "HEAD", "topic"),
    ("cherry-pick of two", "git cherry-pick topic~2..topic >/dev/null", 2, "HEAD HEAD^", "topic"),
    ("cherry-pick -n", "git cherry-pick -n topic", 0, "", "HEAD"),
    (
        "cherry-pick --ff",
        "git switch -qc ahead; bare commit -q --allow-empty -m x; git switch -q $B; git cherry-pick --ff ahead >/dev/null",
        0,
        "",
        "HEAD",
    ),
    (
        "cherry-pick with a conflict",
        "echo y >a; git commit -qam y; git cherry-pick clash >/dev/null 2>&1 || :; echo both >a; git add a; git -c core.editor=true cherry-pick --continue >/dev/null",
        2,
        "HEAD HEAD^",
        "clash",
    ),
    ("revert", "git revert --no-edit HEAD >/dev/null", 1, "HEAD", "HEAD^"),
    ("revert of two", "add x; add y; git revert --no-edit HEAD HEAD^ >/dev/null", 4, "HEAD HEAD^", ""),
    (
        "revert of a merge",
        "git merge -q --no-edit topic; git revert --no-edit -m 1 HEAD >/dev/null",
        2,
        "HEAD HEAD^",
        "",
    ),
    ("am", "git am -q ../patches/*.patch", 2, "HEAD HEAD^", "HEAD~2"),
    ("am -3", "git am -q -3 ../patches/*.patch", 2, "HEAD HEAD^", ""),
    (
        "am --continue",
        "echo y >a; git commit -qam y; git am -q ../clashing/*.patch >/dev/null 2>&1 || :; echo both >a; git add a; git am -q --continue",
        2,
        "HEAD HEAD^",
        "",
    ),
    (
        "commit beside a stopped am",
        "echo y >a; git commit -qam y; git am -q ../clashing/*.patch >/dev/null 2>&1 || :; add x; add z",
        3,
        "HEAD HEAD^ HEAD~2",
        "",
    ),
    (
        "am --skip",
        "echo y >a; git commit -qam y; git am -q ../clashing/*.patch ../patches/0001* >/dev/null 2>&1 || :; git am -q --skip",
        2,
        "HEAD HEAD^",
        "",
    ),
    (
        "am --abort",
        "echo y >a; git commit -qam y; git am -q ../patches/0001* ../clashing/*.patch >/dev/null 2>&1 || :; git am --abort",
        2,
        "HEAD",
        "",
    ),
    ("rebase", "git switch -q topic; git rebase -q $B", 1, "HEAD HEAD^", "$B"),
    ("rebase --apply", "git switch -q topic; git rebase -q --apply $B", 1, "HEAD HEAD^", "$B"),
    ("rebase of what is linked", "git switch -q topic; add x; git rebase -q $B", 2, "HEAD HEAD^ HEAD~2", "$B"),
    ("rebase --onto", "git switch -q topic; git rebase -q --onto $B HEAD^", 1, "HEAD", "HEAD^"),
    ("rebase --root", "later git rebase -q --root -f", 1, "HEAD HEAD^", ""),
    ("rebase -f", "add x; add y; later git rebase -q -f HEAD~2", 3, "HEAD HEAD^", ""),
    (
        "rebase -i with a reword",
        "add x; add y; GIT_EDITOR='echo new >' todo 'sed -i 1s/^pick/reword/' HEAD~2",
        3,
        "HEAD HEAD^",
        "",
    ),
    (
        "rebase -i with a squash",
        "add x; add y; GIT_EDITOR=true todo 'sed -i 2s/^pick/squash/' HEAD~2",
        3,
        "HEAD",
        "HEAD^",
    ),
    ("rebase -i with a fixup", "add x; add y; todo 'sed -i 2s/^pick/fixup/' HEAD~2", 3, "HEAD", "HEAD^"),
    ("rebase -i with a drop", "add x; add y; todo 'sed -i 1s/^pick/drop/' HEAD~2", 3, "HEAD", "HEAD^"),
    (
        "rebase --autosquash",
        "add x; add y; echo z >x; git commit -qa --fixup HEAD^; GIT_SEQUENCE_EDITOR=true git rebase -q -i --autosquash HEAD~3",
        4,
        "HEAD HEAD^",
        "",
    ),
    ("rebase -r", "git merge -q --no-edit topic; later git rebase -q -r -f base~1", 2, "HEAD HEAD^", ""),
    (
        "rebase --autostash",
        "git switch -q topic; echo y >b; git rebase -q --autostash $B 2>/dev/null",
        1,
        "HEAD HEAD^",
        "",
    ),
    (
        "rebase with an edit that amends",
        "add x; add y; todo 'sed -i 1s/^pick/edit/' HEAD~2 2>/dev/null; echo z >x; git commit -qa --amend -m z; git rebase --continue >/dev/null 2>&1",
        4,
        "HEAD HEAD^",
        "",
    ),
    (
        "rebase with an edit that splits",
        "echo 1 >f; echo 1 >g; git add .; git commit -qm both; add y; todo 'sed -i 1s/^pick/edit/' HEAD~2 2>/dev/null; git reset -q HEAD^; git add f; git commit -qm f; git add g; git commit -qm g; git rebase --continue >/dev/null 2>&1",
        5,
        "HEAD HEAD^ HEAD~2",
        "",
    ),
    (
        "rebase with an edit that inserts",
        "add x; add y; todo 'sed -i 1s/^pick/edit/' HEAD~2 2>/dev/null; add z; git rebase --continue >/dev/null 2>&1",
        4,
        "HEAD HEAD^ HEAD~2",
        "",
    ),
    (
        "rebase with a break",
        "add x; add y; todo 'sed -i 1a\\break' HEAD~2 2>/dev/null; add z; git rebase --continue >/dev/null 2>&1",
        4,
        "HEAD HEAD^ HEAD~2",
        "",
    ),
    (
        "rebase with an exec on top",
        "add x; git rebase -q --exec 'echo z >z; git add z; git commit -qm z' HEAD^",
        2,
        "HEAD HEAD^",
        "",
    ),
    (
        "rebase with an exec between",
        "add x; add y; git rebase -q --exec 'echo z >>z; git add z; git commit -qm z' HEAD~2",
        5,
        "HEAD HEAD^ HEAD~2 HEAD~3",
        "",
    ),
    ("rebase with an exec that does nothing", "add x; git rebase -q --exec true HEAD^", 1, "HEAD", ""),
    (
        "rebase with a conflict",
        "git switch -q clash; echo y >a; git commit -qam y; git switch -q $B; echo n >a; git commit -qam n; git rebase -q clash >/dev/null 2>&1 || :; echo both >a; git add a; git -c core.editor=true rebase --continue >/dev/null 2>&1",
        5,
        "HEAD",
        "",
    ),
    ("rebase --abort", "add x; todo 'sed -i 1s/^pick/edit/' HEAD^ 2>/dev/null; git rebase --abort", 1, "HEAD", ""),
    (
        "rebase --quit",
        "add x; todo 'sed -i 1s/^pick/edit/' HEAD^ 2>/dev/null; add z; git rebase --quit",
        2,
        "HEAD HEAD^",
        "",
    ),
    (
        "rebase --skip",
        "add x; echo y >a; git commit -qam y; git rebase -q clash >/dev/null 2>&1 || git rebase --skip >/dev/null 2>&1",
        3,
        "HEAD HEAD^",
        "",
    ),
    (
        "filter-branch of a branch",
        "add x; FILTER_BRANCH_SQUELCH_WARNING=1 git filter-branch -f --msg-filter 'cat; echo' HEAD^..HEAD >/dev/null 2>&1",
        1,
        "",
        "HEAD",
    ),
];

/// A repository of that shape, made from nothing.
fn repository(shape: Shape) -> TestRepo {
    let repo = TestRepo::of_shape(shape);
    sh(&repo, SET_UP);
    repo
}

/// Runs a script; what it said and whether it failed, without ids of commits.
fn sh(repo: &TestRepo, script: &str) -> String {
    let mut command = repo.sandbox.command("sh", repo.path());
    command.env("GIT_AUTHOR_DATE", "2026-02-03T04:05:06Z").env("GIT_COMMITTER_DATE", "2026-02-03T04:05:06Z");
    command.env("GIT_EDITOR", "true").env("GIT_MERGE_AUTOEDIT", "no");
    let out = command.args(["-c", &format!("{OPEN}{script}")]).output().expect("sh starts");
    let text = [String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr)].concat();
    let word = |w: &str| {
        let is_id = w.len() >= 7 && w.bytes().all(|b| b.is_ascii_hexdigit());
        if is_id { "ID".to_owned() } else { w.to_owned() }
    };
    let lines = text.lines().map(|l| l.split(['.', ' ', ']', '(', ')']).map(word).collect::<Vec<_>>().join(" "));
    let said = lines.collect::<Vec<_>>().join("\n").replace(&repo.sandbox.path().display().to_string(), "$SANDBOX");
    format!("{said}\n{:?}", out.status.code())
}

/// Checkpoints of all sessions.
fn checkpoints(repo: &TestRepo) -> u64 {
    let numbers = repo.git(["for-each-ref", "--format=%(trailers:key=Checkpoint,valueonly)", "refs/sessions/heads"]);
    numbers.lines().filter_map(|line| line.trim().parse::<u64>().ok()).sum()
}

/// What git has of the repository, but for our refs.
fn state(repo: &TestRepo) -> Vec<String> {
    let log = repo.git(["log", "--format=%H %T %P %s", "HEAD", "topic", "clash", "--"]);
    let refs = repo.git(["for-each-ref", "refs/heads", "refs/tags", "refs/stash", "refs/replace", "refs/remotes"]);
    let index = repo.git(["ls-files", "--stage"]);
    // What `enable` writes is no part of it.
    let is_ours = |line: &String| [".claude", ".session-state.json", ".husky"].iter().any(|name| line.contains(name));
    let files: Vec<String> = repo.listing().into_iter().filter(|line| !is_ours(line)).collect();
    let status = repo.git(["status", "--porcelain", "--branch"]);
    let status: Vec<&str> = status.lines().filter(|line| *line != "?? .husky/").collect();
    vec![log, refs, index, status.join("\n"), files.join("\n")]
}

/// The commit is linked to a checkpoint that holds the files that it brought.
#[track_caller]
fn assert_linked(repo: &TestRepo, rev: &str, what: &str) {
    let linked = links(repo, rev);
    assert!(!linked.is_empty(), "{what}: {rev} is not linked; {}", repo.hook_log());
    let commit = repo.git(["rev-parse", rev]);
    let brought =
        repo.git(["diff-tree", "--root", "-r", "--first-parent", "--no-commit-id", "-m", "--name-only", &commit]);
    let tree = |commit: &str, path: &str| repo.git(["ls-tree", commit, path]);
    let holds = |(_, _, checkpoint): &(String, u64, String)| {
        let code = format!("{checkpoint}^");
        brought.lines().all(|path| tree(&code, path) == tree(&commit, path))
    };
    assert!(linked.iter().any(holds), "{what}: {rev} is linked to {linked:?}, which do not hold {brought:?}");
}

fn run(row: &Row, shape: Shape, prepare: &dyn Fn(&mut TestRepo)) {
    let (name, script, saved, linked, unlinked) = row;
    let what = format!("{name} {shape:?}");
    let mut plain = repository(shape);
    prepare(&mut plain);
    let mut ours = repository(shape);
    prepare(&mut ours);
    let branch = ours.git(["symbolic-ref", "--short", "HEAD"]);
    let _on = ours.session(["enable", "--write-hooks"]).success();
    let said = (sh(&plain, script), sh(&ours, script));
    assert_eq!(said.1, said.0, "{what}: git says the same");
    // pre-commit stops whatever runs where its configuration is not checked out, and then there is nothing to compare.
    if said.0.contains(".pre-commit-config") || said.0.contains("pre-commit-config yaml") {
        return;
    }
    assert!(said.0.ends_with("Some(0)"), "{what}: {}", said.0);
    ours.let_hooks_end();
    let of_plain = state(&plain);
    let differs = of_plain.into_iter().zip(state(&ours)).find(|(a, b)| a != b);
    assert_eq!(differs, None, "{what}: git did the same");
    for rev in linked.split_whitespace() {
        assert_linked(&ours, &rev.replace("$B", &branch), &what);
    }
    for rev in unlinked.split_whitespace() {
        let rev = rev.replace("$B", &branch);
        assert_eq!(links(&ours, &rev), [], "{what}: {rev}");
    }
    assert_eq!(checkpoints(&ours), *saved, "{what}: {}", ours.git(["log", "--all", "--format=%s", "--grep=^Kind: "]));
    assert_eq!(ours.hook_log(), "", "{what}");
}

fn shapes() -> [Shape; 4] {
    let shape = |ref_format, linked| Shape { object_format: "sha1", ref_format, linked };
    [shape("files", false), shape("reftable", true), shape("files", true), shape("reftable", false)]
}

fn is_thorough() -> bool {
    std::env::var_os("SESSION_TEST_THOROUGH").is_some()
}

fn run_all(rows: &[Row]) {
    let mut wrong = Vec::new();
    for (nth, row) in rows.iter().enumerate() {
        for (at, shape) in shapes().into_iter().enumerate() {
            if is_thorough() || nth % 4 == at {
                // All rows that are wrong are told, not the first alone.
                let done = std::panic::catch_unwind(|| run(row, shape, &|_| {}));
                wrong.extend(done.is_err().then_some((row.0, shape)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn commits_are_saved_and_linked() {
    run_all(COMMITS);
}

#[test]
fn what_moves_and_merges_is_saved_and_what_was_made_here_is_linked() {
    run_all(MOVES);
}

#[test]
fn what_is_replayed_and_rewritten_is_saved_and_linked() {
    run_all(REWRITES);
}

#[test]
fn the_table_has_its_rows() {
    let names: std::collections::BTreeSet<&str> = [COMMITS, MOVES, REWRITES].concat().iter().map(|row| row.0).collect();
    assert!(names.len() >= 60, "{}", names.len());
}

/// A tool in the directory that `SESSION_TEST_TOOLS` names, and the PATH with which it runs.
fn tool(name: &str) -> Option<(PathBuf, String)> {
    let top = PathBuf::from(std::env::var_os("SESSION_TEST_TOOLS")?);
    let folders = [top.join("node_modules/.bin"), top.join("venv/bin")];
    let path = std::env::var("PATH").expect("PATH is set");
    let path = format!("{}:{}:{path}", folders[0].display(), folders[1].display());
    folders.into_iter().map(|folder| folder.join(name)).find(|program| program.exists()).map(|program| (program, path))
}

fn call(repo: &TestRepo, program: &Path, args: &[&str]) {
    let out = repo.sandbox.command(program.to_str().expect("UTF-8"), repo.path()).args(args).output().expect("starts");
    assert!(out.status.success(), "{program:?} {args:?}: {out:?}");
}

#[test]
fn beside_husky_lefthook_and_pre_commit_the_rows_are_the_same() {
    for name in ["husky", "lefthook", "pre-commit"] {
        let Some((program, path)) = tool(name) else { continue };
        let prepare = |repo: &mut TestRepo| {
            repo.sandbox.set("PATH", path.clone());
            match name {
                "husky" => call(repo, &program, &[]),
                "lefthook" => {
                    repo.write("lefthook.yml", "output: false\npost-commit:\n  commands:\n    x:\n      run: 'true'\n");
                    call(repo, &program, &["install"]);
                }
                _ => {
                    repo.write(".pre-commit-config.yaml", "repos: []\n");
                    call(
                        repo,
                        &program,
                        &["install", "-t", "post-commit", "-t", "post-checkout", "-t", "post-rewrite"],
                    );
                }
            }
        };
        for row in [COMMITS, MOVES, REWRITES].concat().iter().step_by(if is_thorough() { 1 } else { 7 }) {
            run(row, Shape::PLAIN, &prepare);
        }
    }
}
