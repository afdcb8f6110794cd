//! Commands that die at any file operation, or find the disk full, the repository read-only, its locks held: what was is
//! there, the next command goes on, and nobody else is in the way of git.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::hostile::{NATIVE, head};
use crate::support::repo::{Shape, TestRepo};

/// Says that a test cannot run here.
pub fn skipped(why: &str) {
    let _told = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// Whether a program runs here; a test that needs it says so where it does not.
pub fn runs(program: &str, args: &[&str]) -> bool {
    let quiet = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let runs = quiet.is_ok_and(|status| status.success());
    if !runs {
        skipped(&format!("{program} {args:?} does not work here"));
    }
    runs
}

/// Runs `session` and kills it at the `n`-th call of these; whether it got so far.
pub fn killed_at(repo: &TestRepo, calls: &str, n: u32, args: &[&str]) -> bool {
    let inject = format!("inject={calls}:signal=SIGKILL:when={n}");
    let trace = repo.sandbox.path().join("trace");
    let mut command = repo.sandbox.command("strace", repo.path());
    command.args(["-f", "-qq", "-o"]).arg(&trace).args(["-e", &format!("trace={calls}"), "-e", &inject]);
    let out = command.arg(env!("CARGO_BIN_EXE_session")).args(args).stdin(Stdio::null()).output().expect("strace runs");
    let fine = out.status.code().is_some_and(|code| code == 0);
    // A git that we started has its own count and dies first, perhaps; that is an error as any other.
    let git_died = matches!(out.status.code(), Some(1 | 5)) && out.stderr.starts_with(b"error: ");
    assert!(fine || git_died || out.status.code().is_none() || out.status.code() == Some(137), "{out:?}");
    !fine
}

/// Leaves of a crash that would stand in the way of git or of us.
#[track_caller]
pub fn no_lock_is_left(repo: &TestRepo) {
    for entry in walkdir::WalkDir::new(repo.at(".git")) {
        let entry = entry.expect("walks .git");
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = entry.path().starts_with(repo.at(".git/session"));
        assert!(ours || !name.ends_with(".lock"), "{}", entry.path().display());
    }
}

/// Contents of the work tree by name.
fn files(repo: &TestRepo) -> Vec<String> {
    repo.listing()
}

/// Two versions of a tree with a file that becomes a folder, deletions, modes and links; the session whose checkpoints they are.
pub fn two_versions_of(repo: TestRepo) -> (TestRepo, String, Vec<String>, Vec<String>) {
    for name in ["a", "b/c", "deep/er/x", "gone/y", "swap"] {
        repo.write(name, format!("{name} one"));
    }
    repo.symlink("link", "a");
    let saved = repo.session(["save", "one", "--json"]).success().json();
    let id = saved["session"].as_str().expect("an id").to_owned();
    let one = files(&repo);
    repo.write("a", "a two");
    repo.chmod("b/c", 0o755);
    repo.remove("gone");
    repo.remove("swap");
    repo.write("swap/inside", "two");
    repo.write("new/file", "two");
    repo.remove("link");
    repo.write("link", "a file now");
    let _two = repo.session(["save", "two"]).success();
    let two = files(&repo);
    (repo, id, one, two)
}

/// Calls that change what is on disk.
const CHANGES: [&str; 10] =
    ["rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "rmdir", "symlinkat"];
/// Calls that fill files, bring them into being, or make sure of them: many, and each as good as another.
const WRITES: [&str; 5] = ["write", "openat", "fsync", "ftruncate", "fchmod"];

/// Which of the calls of one kind are tried: every so-manieth of those that are many, fewer of the others left out.
fn stride(call: &str, [most, thorough]: [u32; 2]) -> u32 {
    let is_thorough = std::env::var_os("SESSION_TEST_THOROUGH").is_some();
    match () {
        () if is_thorough => thorough,
        () if CHANGES.contains(&call) => (most / 12).max(1),
        () => most,
    }
}

/// A copy of all that a sandbox holds, from which it can be made as it was: cheaper than making it anew.
struct Kept(tempfile::TempDir);

impl Kept {
    fn of(repo: &TestRepo) -> Self {
        let kept = Self(tempfile::tempdir().expect("makes a folder"));
        copy_all(repo.sandbox.path(), kept.0.path());
        kept
    }

    fn bring_back(&self, repo: &TestRepo) {
        for entry in fs::read_dir(repo.sandbox.path()).expect("lists") {
            let path = entry.expect("an entry").path();
            let removed = if path.symlink_metadata().expect("is there").is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            };
            removed.expect("removes");
        }
        copy_all(self.0.path(), repo.sandbox.path());
    }
}

fn copy_all(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().expect("cp runs");
    assert!(copied.success());
}

/// Kills `args` at each of those calls in turn, in a repository that is as it was made each time, until it comes through;
/// says how many points were tried.
pub fn at_every(
    what: &str,
    most: u32,
    args: &[&str],
    make: &dyn Fn() -> (TestRepo, Vec<String>),
    check: &dyn Fn(&TestRepo, &[String], &str),
) -> u32 {
    at_each(what, [most, 1], args, make, check)
}

/// [`at_every`] of so many calls that every so-manieth has to do for a thorough run, too.
pub fn at_each(
    what: &str,
    strides: [u32; 2],
    args: &[&str],
    make: &dyn Fn() -> (TestRepo, Vec<String>),
    check: &dyn Fn(&TestRepo, &[String], &str),
) -> u32 {
    let mut deaths = 0;
    let (repo, facts) = make();
    let kept = Kept::of(&repo);
    for call in CHANGES.into_iter().chain(WRITES) {
        // strace counts each system call on its own.
        for n in (1..).step_by(stride(call, strides) as usize) {
            kept.bring_back(&repo);
            let words: Vec<String> = args.iter().map(|a| a.replace("$ID", &facts[0])).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let died = killed_at(&repo, call, n, &words);
            check(&repo, &facts, &format!("{what}: {call} {n}{}", if died { "" } else { " (survived)" }));
            if !died {
                break;
            }
            deaths += 1;
        }
    }
    let _told = writeln!(std::io::stderr(), "{what}: killed at {deaths} points");
    deaths
}

/// Two versions of a tree in a repository of that ref format: the session, and both listings as lines.
fn versions_in(ref_format: &'static str) -> (TestRepo, String, Vec<String>, Vec<String>) {
    let repo = TestRepo::of_shape(Shape { ref_format, ..Shape::PLAIN });
    two_versions_of(repo)
}

/// After a death of a restore: git is not hindered, the next save settles it to one of the two trees, both can be had.
#[track_caller]
fn settles(repo: &TestRepo, id: &str, one: &[String], two: &[String], goal: &[String], death: &str) -> bool {
    let pending = repo.at(".git/session/journal").exists();
    let json = repo.session(["status", "--json"]).success().json();
    assert_eq!(json["interrupted_restore"], pending, "death {death}");
    let half = files(repo);
    if pending {
        let told = repo.session(["log"]).success();
        assert!(told.stderr.contains("interrupted"), "death {death}: {told}");
        // A hook leaves it to a person.
        repo.generic("prompt", json!({ "prompt": "x" }));
        assert_eq!(files(repo), half, "death {death}");
        assert!(repo.at(".git/session/journal").exists(), "death {death}");
    }
    git_goes_on(repo);
    let _settled = repo.session(["save"]).success();
    assert!(!repo.at(".git/session/journal").exists(), "death {death}");
    let now = files(repo);
    assert!(now == one || now == two, "death {death}: half a restore\n{now:#?}");
    assert!(!pending || now == goal, "death {death}: all objects are there, so it is finished");
    no_lock_is_left(repo);
    repo.assert_sound();
    for (number, tree) in [("1", one), ("2", two)] {
        let _back = repo.session(["rewind", "code", number, "--all", "-s", id]);
        assert_eq!(files(repo), tree, "death {death}");
    }
    pending
}

#[test]
fn a_rewind_killed_at_any_point_is_settled_by_the_next_save() {
    if !runs("strace", &["-V"]) {
        return;
    }
    let interrupted = std::cell::Cell::new(0);
    for (ref_format, most) in [("files", 12), ("reftable", 25)] {
        let (make, trees) = remembered(ref_format, &[]);
        let deaths =
            at_every(&format!("rewind, {ref_format}"), most, &["rewind", "code", "1"], &make, &|repo, facts, death| {
                let trees = trees.borrow();
                let [one, two] = [&trees[0], &trees[1]];
                let pending = settles(repo, &facts[0], one, two, one, death);
                interrupted.set(interrupted.get() + u32::from(pending));
            });
        assert!(deaths > 20, "{deaths}");
    }
    assert!(interrupted.get() > 12, "{} in the middle of the restore", interrupted.get());
}

#[test]
fn a_redo_killed_at_any_point_is_settled_by_the_next_save() {
    if !runs("strace", &["-V"]) {
        return;
    }
    let interrupted = std::cell::Cell::new(0);
    let (make, trees) = remembered("files", &["rewind", "code", "1", "--all"]);
    let deaths = at_every("redo", 25, &["redo"], &make, &|repo, facts, death| {
        let trees = trees.borrow();
        let [one, two] = [&trees[0], &trees[1]];
        let pending = settles(repo, &facts[0], one, two, two, death);
        interrupted.set(interrupted.get() + u32::from(pending));
    });
    assert!(deaths > 15 && interrupted.get() > 4, "{deaths} deaths, {} in the middle", interrupted.get());
}

/// Both trees of [`two_versions_of`].
type Trees = std::rc::Rc<std::cell::RefCell<[Vec<String>; 2]>>;

/// Makes [`versions_in`] again and again, after which `then` runs, and remembers both listings.
fn remembered(
    ref_format: &'static str,
    then: &'static [&'static str],
) -> (impl Fn() -> (TestRepo, Vec<String>), Trees) {
    let trees = Trees::default();
    let kept = trees.clone();
    let make = move || {
        let (repo, id, one, two) = versions_in(ref_format);
        if !then.is_empty() {
            let _done = repo.session(then.iter().copied()).success();
        }
        *kept.borrow_mut() = [one, two];
        (repo, vec![id])
    };
    (make, trees)
}

#[test]
fn a_save_killed_at_any_point_leaves_the_old_state_or_the_new() {
    if !runs("strace", &["-V"]) {
        return;
    }
    for (store, most) in [("files", 8), ("reftable", 20), ("files by git", 48)] {
        let make = || {
            let ref_format = if store == "reftable" { store } else { "files" };
            let repo = TestRepo::of_shape(Shape { ref_format, ..Shape::PLAIN });
            if store == "files by git" {
                // An extension that libgit2 does not know: git itself moves the refs.
                repo.git(["config", "core.repositoryFormatVersion", "1"]);
                repo.git(["config", "extensions.refStorage", "files"]);
            }
            repo.write("f", "one");
            let first = repo.session(["save", "one", "--json"]).success().json();
            let id = first["session"].as_str().expect("an id").to_owned();
            let old = repo.git(["rev-parse", &head(&id)]);
            repo.write("f", "two");
            repo.write("g/h", "two");
            let index = repo.index_bytes().escape_ascii().to_string();
            let facts = vec![id, old, index, files(&repo).join("\n")];
            (repo, facts)
        };
        let deaths = at_every(&format!("save, {store}"), most, &["save", "two"], &make, &|repo, facts, death| {
            let [id, old, index, listing] = facts else { panic!("four facts") };
            let new = repo.git(["rev-parse", &head(id)]);
            assert!(new == *old || repo.git(["show", &format!("{new}^:f")]) == "two", "death {death}");
            let now = (files(repo).join("\n"), repo.index_bytes().escape_ascii().to_string());
            assert_eq!(now, (listing.clone(), index.clone()), "death {death}");
            git_goes_on(repo);
            let saved = repo.session(["save", "--json"]).success().json();
            assert_eq!(saved["session"], id.as_str(), "death {death}");
            assert_eq!(repo.git(["show", &format!("{}^:g/h", head(id))]), "two", "death {death}");
            no_lock_is_left(repo);
            repo.assert_sound();
            // What the dead left among the objects goes with git's own collection.
            repo.collect_garbage();
            assert!(temporary_files(repo).iter().all(|path| path.contains("/.session-tmp-")), "death {death}");
            age(&temporary_files(repo));
            let _later = repo.session(["save"]).success();
            assert_eq!(temporary_files(repo), [""; 0], "death {death}");
        });
        assert!(deaths > if store == "files by git" { 8 } else { 25 }, "{store}: {deaths}");
    }
}

/// The user's git is not hindered. Where it was a git of ours that was killed, its lock of all refs goes with our next command
/// once it is old.
#[track_caller]
pub fn git_goes_on(repo: &TestRepo) {
    let locks: Vec<String> = fs::read_dir(repo.at(".git/reftable"))
        .map(|entries| entries.map(|e| e.expect("an entry").path().display().to_string()).collect())
        .unwrap_or_default();
    let locks: Vec<String> = locks.into_iter().filter(|path| path.ends_with(".lock")).collect();
    if !locks.is_empty() {
        age(&locks);
        let _freed = repo.session(["save"]).success();
    }
    repo.git(["commit", "--quiet", "--allow-empty", "--message=mine"]);
    repo.git(["pack-refs", "--all"]);
}

/// Makes files a minute older.
pub fn age(files: &[String]) {
    for path in files {
        let file = fs::File::options().write(true).open(path).expect("opens");
        let then = file.metadata().and_then(|m| m.modified()).expect("has a time") - std::time::Duration::from_secs(60);
        file.set_modified(then).expect("sets the time");
    }
}

/// Temporary files, ours and libgit2's, anywhere in the repository and its work tree.
fn temporary_files(repo: &TestRepo) -> Vec<String> {
    let all = walkdir::WalkDir::new(repo.path()).into_iter().map(|e| e.expect("walks"));
    let names = all.filter(|e| {
        let name = e.file_name().to_string_lossy();
        name.starts_with("tmp_") || name.starts_with(".session-")
    });
    names.map(|e| e.path().display().to_string()).collect()
}

#[test]
fn a_held_lock_is_waited_for_shortly_by_a_hook_and_named_by_a_verb() {
    let repo = TestRepo::new();
    repo.write("f", "x");
    let _first = repo.session(["save"]).success();
    let lock = fs::File::options().write(true).open(repo.at(".git/session/lock")).expect("opens");
    lock.lock().expect("locks");
    fs::write(repo.at(".git/session/lock"), "pid 4242").expect("writes");
    let before = repo.everything();
    let began = std::time::Instant::now();
    repo.generic("prompt", json!({ "prompt": "x" }));
    assert!(began.elapsed().as_millis() < 1500, "{:?}", began.elapsed());
    assert!(repo.log().contains("locked by another process (pid 4242)"), "{}", repo.log());
    // Once: it waits as long as a person would.
    let out = repo.session(["save", "--json"]);
    assert_eq!((out.code, &out.json()["error"]["code"]), (Some(5), &json!("lock.held")), "{out}");
    assert!(out.stderr.contains("pid 4242") || out.stdout.contains("pid 4242"), "{out}");
    assert_eq!(repo.everything(), before);
    let _reads = repo.session(["list"]).success();
    let _reads = repo.session(["log"]).success();
    drop(lock);
    repo.write("f", "y");
    let _saved = repo.session(["save"]).success();
}

#[test]
fn a_ref_lock_of_someone_else_is_left_and_reported() {
    let repo = TestRepo::new();
    repo.generic("prompt", json!({ "prompt": "x" }));
    let lock = repo.at(format!(".git/{}.lock", head(NATIVE)));
    fs::write(&lock, "").expect("writes");
    let old = repo.git(["rev-parse", &head(NATIVE)]);
    repo.write("f", "y");
    repo.generic("turn-end", json!({}));
    assert!(repo.log().contains("locked"), "{}", repo.log());
    assert_eq!(repo.git(["rev-parse", &head(NATIVE)]), old);
    fs::remove_file(&lock).expect("is still there");
    repo.generic("turn-end", json!({}));
    assert_ne!(repo.git(["rev-parse", &head(NATIVE)]), old);
}

/// Somebody else than root, who may not write what root owns.
const NOBODY: [&str; 4] = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];

#[test]
fn a_repository_that_may_not_be_written_is_left_alone() {
    if !runs("setpriv", &[NOBODY.as_slice(), &["true"]].concat()) {
        return;
    }
    let repo = TestRepo::new();
    repo.write("f", "x");
    repo.two_turns();
    repo.write("f", "changed");
    open_to_all(repo.sandbox.path());
    // The program itself must be within reach of anybody.
    let program = repo.sandbox.path().join("session");
    fs::copy(env!("CARGO_BIN_EXE_session"), &program).expect("copies");
    fs::write(repo.sandbox.home().join(".gitconfig"), "[safe]\n\tdirectory = *\n").expect("writes");
    open_to_all(repo.sandbox.path());
    let before = repo.everything();
    let run = |args: &[&str], input: &[u8]| {
        let mut command = repo.sandbox.command("setpriv", repo.path());
        command.env("GIT_CONFIG_GLOBAL", repo.sandbox.home().join(".gitconfig"));
        command.args(NOBODY).arg(&program).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        child.stdin.take().expect("a pipe").write_all(input).expect("writes");
        let out = child.wait_with_output().expect("ends");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (out.status.code(), text(out.stdout), text(out.stderr))
    };
    for verb in [&["save"][..], &["rewind", "code", "1", "--all"], &["fork"], &["enable"]] {
        let (code, out, err) = run(verb, b"");
        assert_eq!((code, out.as_str()), (Some(1), ""), "{verb:?} {err}");
        assert!(err.starts_with("error: ") && err.contains("ermission denied"), "{verb:?} {err}");
        let (code, out, err) = run(&[&["--json"], verb].concat(), b"");
        let error: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!((code, &error["error"]["code"]), (Some(1), &json!("io.permission")), "{verb:?} {out} {err}");
    }
    for verb in ["list", "log", "show", "status"] {
        let (code, out, err) = run(&[verb], b"");
        assert!(code == Some(0) && !out.is_empty(), "{verb} {err}");
    }
    for event in ["session-start", "prompt", "turn-end", "session-end"] {
        let payload = json!({ "session_id": NATIVE, "cwd": repo.path(), "prompt": "x" }).to_string();
        let (code, out, _err) = run(&["hook", "generic", event], payload.as_bytes());
        assert_eq!((code, out.as_str()), (Some(0), ""), "{event}");
    }
    assert_eq!(repo.everything(), before);
}

/// Readable for all, writable for its owner.
fn open_to_all(top: &Path) {
    let mode = |path: &Path| if path.is_dir() { 0o755 } else { 0o644 };
    for entry in walkdir::WalkDir::new(top) {
        let entry = entry.expect("walks");
        let is_program = entry.depth() == 1 && entry.file_name() == "session";
        let bits = std::os::unix::fs::PermissionsExt::from_mode(if is_program { 0o755 } else { mode(entry.path()) });
        fs::set_permissions(entry.path(), bits).expect("sets the mode");
    }
}

#[test]
fn on_a_full_disk_nothing_changes_and_nothing_is_left() {
    if !runs("unshare", &["--mount", "true"]) || !runs("setpriv", &["--version"]) {
        return;
    }
    let repo = TestRepo::new();
    repo.write("f", "x");
    repo.two_turns();
    let disk = repo.sandbox.path().join("disk");
    fs::create_dir(&disk).expect("makes it");
    let session = env!("CARGO_BIN_EXE_session");
    let script = format!(
        r#"set -e
mount -t tmpfs -o size=1m none "$1"; cp -a "$2" "$1/repo"; cd "$1/repo"
head -c 60000 /dev/urandom > big; cp f before
dd if=/dev/zero of=../fill bs=4k 2>/dev/null || true
state() {{ find . -path ./.git/session -prune -o -type f -print | grep -v '/objects/' | sort | xargs cksum; git for-each-ref; }}
state > /dev/shm/session-it-$$.a
set +e
for verb in "save" "rewind code 1 --all" "enable"; do
  out=$({session} $verb 2>/dev/shm/session-it-$$.err); echo "$verb: $? [$out] $(head -1 /dev/shm/session-it-$$.err)"
done
echo "{{\"session_id\":\"s\",\"cwd\":\"$PWD\",\"prompt\":\"x\"}}" | {session} hook generic prompt; echo "hook: $?"
state > /dev/shm/session-it-$$.b; cmp /dev/shm/session-it-$$.a /dev/shm/session-it-$$.b && echo same
find . -name '*tmp*' -o -name '*.lock' -not -path './.git/session/*' | sed 's/^/left: /'
rm ../fill; {session} save after >/dev/null && git fsck --strict >/dev/null 2>&1 && echo recovered
rm /dev/shm/session-it-$$.*
"#
    );
    let mut command = repo.sandbox.command("unshare", repo.path());
    let out = command.args(["--mount", "sh", "-c", &script, "sh"]).arg(&disk).arg(repo.path()).output().expect("runs");
    let (said, err) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    for verb in ["save", "rewind code 1 --all", "enable"] {
        let line = said.lines().find(|l| l.starts_with(&format!("{verb}: "))).unwrap_or_else(|| panic!("{said}{err}"));
        assert!(line.starts_with(&format!("{verb}: 1 [] error: ")), "{said}{err}");
        assert!(line.to_lowercase().contains("no space"), "{said}{err}");
    }
    assert!(said.contains("hook: 0\nsame\n"), "{said}{err}");
    assert!(!said.contains("left: ") && said.contains("recovered"), "{said}{err}");
}
