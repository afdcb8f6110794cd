//! Sharing: two clones and a remote, each clone with a home of its own, as on two machines.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use super::support::agent::{Agent, MARK};
use super::support::repo::{Shape, TestRepo};

/// Two clones of one bare repository.
pub struct Team {
    pub a: TestRepo,
    pub b: TestRepo,
    pub remote: PathBuf,
}

fn shapes() -> Vec<Shape> {
    let shape = |object_format, ref_format| Shape { object_format, ref_format, linked: false };
    vec![Shape::PLAIN, shape("sha256", "files"), shape("sha1", "reftable"), shape("sha256", "reftable")]
}

impl Team {
    pub fn new() -> Self {
        Self::of_shape(Shape::PLAIN)
    }

    fn of_shape(shape: Shape) -> Self {
        let a = TestRepo::of_shape(shape);
        let mut b = TestRepo::of_shape(shape);
        // Ids of the two machines must differ.
        b.sandbox.set("SESSION_TEST_SEED", "");
        let remote = a.sandbox.path().join("remote.git");
        let formats =
            [format!("--object-format={}", shape.object_format), format!("--ref-format={}", shape.ref_format)];
        let path = remote.to_str().expect("UTF-8");
        a.git(["init", "--quiet", "--bare", "--initial-branch=main", &formats[0], &formats[1], path]);
        a.write("src.txt", "base\n");
        a.commit("base");
        a.git(["remote", "add", "origin", path]);
        a.git(["push", "--quiet", "--set-upstream", "origin", "main"]);
        b.git(["remote", "add", "origin", path]);
        b.git(["fetch", "--quiet", "origin"]);
        b.git(["reset", "--quiet", "--hard", "origin/main"]);
        Self { a, b, remote }
    }

    /// git in the remote, with something to read.
    #[track_caller]
    pub fn there(&self, args: &[&str], input: &[u8]) -> String {
        let mut command = self.a.sandbox.command("git", &self.remote);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("git starts");
        child.stdin.take().expect("a pipe").write_all(input).expect("writes");
        let out = child.wait_with_output().expect("git ends");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("UTF-8").trim_end().to_owned()
    }

    pub fn refs_there(&self) -> String {
        self.there(&["for-each-ref"], b"")
    }

    /// Lets a hook of the remote be this script.
    pub fn hook_there(&self, name: &str, script: &str) {
        let path = self.remote.join("hooks").join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("makes it");
        std::fs::write(&path, script).expect("writes");
        make_executable(&path);
    }
}

pub fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("sets the mode");
}

/// Ids and cases of a pull.
#[track_caller]
pub fn cases(pulled: &Value) -> BTreeMap<String, String> {
    let text = |v: &Value| v.as_str().expect("a text").to_owned();
    pulled["sessions"].as_array().expect("a list").iter().map(|row| (text(&row["id"]), text(&row["case"]))).collect()
}

pub fn case(pulled: &Value, id: &str) -> String {
    cases(pulled).remove(id).unwrap_or_else(|| panic!("{id} is not in {pulled}"))
}

pub fn listed(repo: &TestRepo) -> BTreeMap<String, Option<String>> {
    let list = repo.ask(["list"]);
    let rows = list["sessions"].as_array().expect("a list").clone();
    rows.iter()
        .map(|r| (r["id"].as_str().expect("an id").to_owned(), r["remote"].as_str().map(str::to_owned)))
        .collect()
}

pub fn head(repo: &TestRepo, id: &str) -> String {
    repo.git(["for-each-ref", "--format=%(objectname)", &format!("refs/sessions/heads/{id}")])
}

#[test]
fn work_goes_there_and_back_as_one_session_in_every_shape() {
    for shape in shapes() {
        let Team { a, b, .. } = &Team::of_shape(shape);
        let agent = Agent::with_transcript(a, "native-a");
        agent.start();
        agent.turn("one", "f.txt", "1\n");
        agent.turn("two", "f.txt", "2\n");
        let id = a.session_id();
        a.ask(["push", "--yes"]);
        let tip = head(a, &id);

        assert_eq!(case(&b.ask(["pull"]), &id), "new", "{shape:?}");
        assert_eq!(listed(b), [(id.clone(), Some("origin".to_owned()))].into());
        assert_eq!(head(b, &id), "", "a pull makes no head");
        assert_eq!(b.refused(3, ["continue"])["code"], "session.none", "continue means one's own");
        assert_eq!(b.ask(["show", &id[..8]])["turns"], 2);
        assert_eq!(b.ask(["log", "-s", &id])["checkpoints"][0]["session_commit"], tip.as_str());
        assert_eq!(case(&b.ask(["pull"]), &id), "same");

        b.ask(["rewind", "code", "turn:2", "-s", &id]);
        assert_eq!(b.read("f.txt"), b"1\n");
        assert_eq!(listed(b), [(id.clone(), None)].into(), "it is one's own now");
        b.ask(["rewind", "code", "turn:2.end", "-s", &id, "--all"]);
        assert_eq!(b.read("f.txt"), b"2\n");
        let resumed = b.ask(["resume", &id]);
        let file = resumed["native"]["path"].as_str().expect("a path");
        assert!(file.starts_with("$SANDBOX/repo/.git/session/"), "a path of this machine: {file}");
        let second = Agent::resumed(b, &resumed["native"]);
        assert_eq!(
            std::fs::read(second.transcript()).expect("reads"),
            std::fs::read(agent.transcript()).expect("reads")
        );
        second.turn("three", "g.txt", "3\n");
        assert_eq!(b.ask(["show", &id])["turns"], 3);
        b.ask(["push", "--yes"]);

        let back = a.ask(["pull"]);
        assert_eq!(case(&back, &id), "fast-forward", "{shape:?}");
        assert_eq!(head(a, &id), head(b, &id));
        assert_eq!(listed(a), [(id.clone(), None)].into(), "a continuation, not a fork");
        a.ask(["rewind", "code", "turn:3.end", "--all"]);
        assert_eq!(a.read("g.txt"), b"3\n");
        a.assert_sound();
        b.assert_sound();
    }
}

#[test]
fn when_both_go_on_both_lines_are_kept_and_every_clone_makes_the_same_fork() {
    for shape in shapes() {
        let Team { a, b, .. } = &Team::of_shape(shape);
        let agent = Agent::with_transcript(a, "native-a");
        agent.start();
        agent.turn("one", "f.txt", "1\n");
        let id = a.session_id();
        a.ask(["push", "--yes"]);
        b.ask(["pull"]);
        let resumed = b.ask(["resume", &id]);
        let second = Agent::resumed(b, &resumed["native"]);
        second.turn("two in b", "b.txt", "b\n");
        agent.turn("two in a", "a.txt", "a\n");
        a.ask(["push", "--yes"]);

        let refs = b.all_refs();
        let refused = b.refused(5, ["push", "--yes"]);
        assert_eq!(refused["code"], "push.behind");
        assert!(refused["hint"].as_str().expect("a hint").contains("session pull"), "{refused}");
        assert_eq!(b.all_refs(), refs, "nothing half done");
        let own = head(b, &id);

        // A copy of the clone as it is now: another clone with the same two lines.
        let copy = b.sandbox.path().join("copy");
        let copied = b.sandbox.command("cp", b.path()).args(["-a", "."]).arg(&copy).status().expect("cp starts");
        assert!(copied.success());

        let pulled = b.ask(["pull"]);
        assert_eq!(case(&pulled, &id), "diverged", "{shape:?}");
        let fork = pulled["sessions"][0]["fork"].as_str().expect("an id").to_owned();
        assert_eq!(head(b, &id), head(a, &id), "the remote's line keeps the id");
        assert_eq!(b.git(["rev-parse", &format!("refs/sessions/heads/{fork}^2")]), own, "one's own goes on");
        let other = b.sandbox.session(&copy, ["--json", "pull"]).success().json();
        assert_eq!(other["sessions"][0]["fork"], fork.as_str());
        let there =
            b.sandbox.command("git", &copy).args(["rev-parse", &format!("refs/sessions/heads/{fork}")]).output();
        assert_eq!(String::from_utf8(there.expect("git starts").stdout).expect("UTF-8").trim(), head(b, &fork));

        let refs = b.all_refs();
        assert_eq!(case(&b.ask(["pull"]), &id), "same");
        assert_eq!(b.all_refs(), refs, "twice changes nothing");
        assert_eq!(b.session_id(), fork, "the current session follows");
        let lineage = &b.ask(["show"])["lineage"];
        assert_eq!(lineage["parent_session"], id.as_str());
        second.turn("three in b", "b.txt", "bb\n");
        assert_eq!(b.ask(["show", &fork])["turns"], 3, "hooks follow");
        assert_eq!(head(b, &id), head(a, &id));
        b.ask(["push", "--yes"]);
        let pulled = a.ask(["pull"]);
        assert_eq!((case(&pulled, &id).as_str(), case(&pulled, &fork).as_str()), ("same", "new"));
        assert_eq!(listed(a), [(id.clone(), None), (fork.clone(), Some("origin".to_owned()))].into());
        assert_eq!(a.git(["rev-parse", &format!("refs/sessions/remotes/origin/heads/{fork}")]), head(b, &fork));
        let forked = a.ask(["fork", "mine", "-s", &fork, "--no-branch"]);
        assert_eq!(forked["parent_session"], fork.as_str());
        assert_ne!(head(a, &fork), "");
        a.assert_sound();
        b.assert_sound();
    }
}

#[test]
fn before_anything_leaves_it_is_said_what_will() {
    let team = Team::new();
    let Team { a, remote, .. } = &team;
    a.write("local.txt", "not pushed\n");
    let unpushed = a.commit("not pushed yet");
    let agent = Agent::with_transcript(a, "native-a");
    agent.start();
    agent.turn("one", "notes.txt", "untracked\n");
    let refs = team.refs_there();
    let out = a.session(["push"]);
    assert_eq!(out.code, Some(6), "{out}");
    for said in [
        "1 session",
        "2 new checkpoint",
        "not redacted",
        "not pushed yet",
        "notes.txt",
        "origin ($SANDBOX/remote.git)",
        "--yes",
    ] {
        assert!(out.stderr.contains(said), "{said:?} is not in\n{out}");
    }
    let plan = a.ask(["push", "--dry-run"]);
    assert_eq!((&plan["dry_run"], &plan["redacted"]), (&true.into(), &false.into()));
    assert_eq!(plan["commits"][0]["id"], unpushed.as_str());
    assert_eq!(plan["commits"].as_array().map(Vec::len), Some(1));
    assert_eq!(plan["untracked"], serde_json::json!(["notes.txt"]));
    assert_eq!(plan["sessions"][0]["new_checkpoints"], 2);
    assert!(plan["bytes"].as_u64().expect("a number") > 100);
    assert_eq!(team.refs_there(), refs, "nothing was sent");
    let bare = format!("--git-dir={}", remote.display());
    assert!(a.session(["push", "origin", "--yes"]).success().stdout.contains("pushed"));
    assert_eq!(a.git([bare.as_str(), "rev-parse", &a.session_ref()]), a.git(["rev-parse", &a.session_ref()]));
    assert!(a.ask(["push"])["sessions"].as_array().expect("a list").is_empty(), "nothing more to send, nothing to ask");
}

#[test]
fn all_sends_ones_own_and_names_choose() {
    let Team { a, b, .. } = &Team::new();
    a.ask(["save", "first"]);
    let first = a.session_id();
    Agent::new(a, "other").turn("two", "x.txt", "x\n");
    let second = a.session_id();
    assert_ne!(first, second);
    a.ask(["push", "origin", &first[..10], "--yes"]);
    assert_eq!(cases(&b.ask(["pull"])), [(first.clone(), "new".to_owned())].into());
    assert_eq!(b.refused(6, ["push", "origin", &first, "--yes"])["code"], "push.not-own");
    let sent = a.ask(["push", "--all", "--yes"]);
    assert_eq!(sent["up_to_date"], serde_json::json!([first]));
    let pulled = cases(&b.ask(["pull"]));
    assert_eq!(pulled, [(first, "same".to_owned()), (second, "new".to_owned())].into());
}

#[test]
fn gits_own_commands_carry_no_session_and_no_conversation() {
    let team = Team::new();
    let Team { a, remote, .. } = &team;
    let agent = Agent::with_transcript(a, "native-a");
    agent.start();
    agent.turn("one", "f.txt", "1\n");
    a.ask(["fork", "branched"]);
    a.git(["tag", "-a", "v1", "-m", "v1"]);
    let before = team.there(&["for-each-ref", "refs/sessions"], b"");
    a.git(["push", "--quiet", "--all"]);
    a.git(["push", "--quiet", "--tags"]);
    assert_eq!((before.as_str(), team.there(&["for-each-ref", "refs/sessions"], b"").as_str()), ("", ""));
    let conversations = |git_dir: &Path| {
        let git = |args: &[&str]| {
            let out = a.sandbox.command("git", git_dir).args(args).output().expect("git starts");
            out.stdout
        };
        let objects = String::from_utf8(git(&["cat-file", "--batch-all-objects", "--batch-check"])).expect("UTF-8");
        assert!(objects.lines().count() > 3, "{objects}");
        let ids = objects.lines().filter(|l| !l.contains(" tree ")).map(|l| l.split(' ').next().expect("an id"));
        ids.filter(|id| String::from_utf8_lossy(&git(&["cat-file", "-p", id])).contains(MARK)).count()
    };
    assert!(conversations(a.path()) > 0, "there is one to be found");
    assert_eq!(conversations(remote), 0);
    // And the other way: a session on the remote does not come with a clone or a fetch.
    a.ask(["push", "--all", "--yes"]);
    assert!(conversations(remote) > 0);
    let clone = a.sandbox.path().join("clone.git");
    let url = format!("file://{}", remote.display());
    a.git(["clone", "--quiet", "--bare", &url, clone.to_str().expect("UTF-8")]);
    assert_eq!(conversations(&clone), 0);
    team.b.git(["fetch", "--quiet", "--all", "--tags"]);
    assert_eq!(conversations(team.b.path()), 0);
    assert_eq!(team.b.git(["for-each-ref", "refs/sessions"]), "");
}

/// A `git daemon` on loopback; it ends with the test.
struct Daemon {
    child: std::process::Child,
    /// Kept open: what it says later must not kill it.
    _said: std::io::BufReader<std::process::ChildStderr>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The test has what it wanted; a daemon that is gone already is as good.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Daemon {
    /// Serves what lies in a folder; its port. git says on standard error when it is ready.
    fn serve(team: &Team) -> (Self, u16) {
        use std::io::BufRead as _;
        let base = team.remote.parent().expect("in a folder");
        for _ in 0..20 {
            let free = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
            let port = free.local_addr().expect("an address").port();
            drop(free);
            // Itself, and not `git daemon`, whose child it would be and which it would outlive.
            let program = format!("{}/git-daemon", team.a.git(["--exec-path"]));
            let mut command = team.a.sandbox.command(&program, base);
            command.args(["--verbose", "--export-all", "--enable=receive-pack", "--listen=127.0.0.1"]);
            command.args([format!("--port={port}"), format!("--base-path={}", base.display())]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("git starts");
            let mut said = std::io::BufReader::new(child.stderr.take().expect("a pipe"));
            let mut line = String::new();
            said.read_line(&mut line).expect("reads");
            // Otherwise somebody else took the port meanwhile.
            let daemon = Self { child, _said: said };
            if line.contains("Ready to rumble") {
                return (daemon, port);
            }
        }
        panic!("git daemon does not start");
    }
}

#[test]
fn sessions_travel_over_a_network_and_a_url_is_a_remote() {
    for shape in shapes() {
        let team = Team::of_shape(shape);
        let Team { a, b, .. } = &team;
        let (_daemon, port) = Daemon::serve(&team);
        let url = format!("git://127.0.0.1:{port}/remote.git");
        let agent = Agent::with_transcript(a, "native-a");
        agent.start();
        agent.turn("one", "f.txt", "1\n");
        a.ask(["push", &url, "--yes"]);
        let id = a.session_id();
        assert_eq!(case(&b.ask(["pull", &url]), &id), "new");
        let from = listed(b).remove(&id).flatten().expect("a remote");
        assert!(from.len() == 12 && from.bytes().all(|byte| byte.is_ascii_hexdigit()), "{from}");
        let second = Agent::resumed(b, &b.ask(["resume", &id])["native"]);
        second.turn("two", "f.txt", "2\n");
        b.git(["remote", "set-url", "origin", &url]);
        b.ask(["push", "--yes"]);
        assert_eq!(case(&a.ask(["pull", &url]), &id), "fast-forward");
        assert_eq!(head(a, &id), head(b, &id));
    }
}

#[test]
fn a_name_that_both_lines_have_stays_with_ones_own() {
    let team = Team::new();
    let Team { a, b, .. } = &team;
    let agent = Agent::with_transcript(a, "native-a");
    agent.start();
    agent.turn("one", "f.txt", "1\n");
    a.ask(["push", "--yes"]);
    let id = a.session_id();
    let label = a.ask(["show"])["label"].as_str().expect("a label").to_owned();
    b.ask(["pull"]);
    let second = Agent::resumed(b, &b.ask(["resume", &label])["native"]);
    second.turn("two in b", "b.txt", "b\n");
    agent.turn("two in a", "a.txt", "a\n");
    a.ask(["push", "--yes"]);
    let pulled = b.ask(["pull"]);
    let fork = pulled["sessions"][0]["fork"].as_str().expect("an id");
    // The remote's line keeps the label, and one's own gets another.
    assert_eq!(b.ask(["show", &label])["id"], id.as_str());
    let own = format!("{label}-{}", &fork[..4]);
    assert_eq!((&b.ask(["show", &own])["id"], &b.ask(["show", fork])["label"]), (&fork.into(), &own.as_str().into()));
}

#[test]
fn a_label_that_two_sessions_share_is_ambiguous() {
    let team = Team::new();
    let Team { a, b, .. } = &team;
    let label = |repo: &TestRepo| repo.ask(["save", "Mine"])["label"].as_str().expect("a label").to_owned();
    let shared = label(a);
    assert_eq!(label(b), shared);
    a.ask(["push", "--yes"]);
    b.ask(["pull"]);
    for verb in [["show"].as_slice(), &["log", "-s"], &["rewind", "code", "-s"], &["fork", "-s"], &["resume"]] {
        let args: Vec<&str> = verb.iter().copied().chain([shared.as_str()]).collect();
        assert_eq!(b.refused(4, args)["code"], "session.ambiguous", "{verb:?}");
    }
    assert_eq!(a.ask(["show", &shared])["label"], shared.as_str());
}

#[test]
fn a_printed_resume_of_a_pulled_session_makes_nothing_to_push() {
    let team = Team::new();
    let Team { a, b, .. } = &team;
    let agent = Agent::with_transcript(a, "native-a");
    agent.turn("one", "f.txt", "1\n");
    let id = a.session_id();
    a.ask(["push", "--yes"]);
    b.ask(["pull"]);
    let refs = b.all_refs();
    b.ask(["resume", &id]);
    assert_eq!(b.all_refs(), refs);
    let pushed = b.ask(["push", "--all", "--yes"]);
    assert_eq!(pushed["sessions"].as_array().map(Vec::len), Some(0), "{pushed}");
    assert_eq!(listed(b).len(), 1);
}

#[test]
fn a_pull_that_was_cut_short_is_finished_by_the_next() {
    let team = Team::new();
    let Team { a, b, .. } = &team;
    let agent = Agent::with_transcript(a, "native-a");
    agent.start();
    agent.turn("one", "f.txt", "1\n");
    let id = a.session_id();
    a.ask(["push", "--yes"]);
    b.ask(["pull"]);
    let second = Agent::resumed(b, &b.ask(["resume", &id])["native"]);
    second.turn("two in b", "b.txt", "b\n");
    agent.turn("two in a", "a.txt", "a\n");
    a.ask(["push", "--yes"]);
    let (name, own) = (format!("refs/sessions/heads/{id}"), head(b, &id));
    let pulled = b.ask(["pull"]);
    let fork = pulled["sessions"][0]["fork"].as_str().expect("an id");
    let tip = head(b, fork);
    // As if it had died after the fork was made and before the session took the remote's line.
    b.git(["update-ref", &name, &own]);
    let again = b.ask(["pull"]);
    assert_eq!((case(&again, &id).as_str(), again["sessions"][0]["fork"].as_str()), ("diverged", Some(fork)));
    assert_eq!((head(b, &id), head(b, fork)), (head(a, &id), tip));
    assert_eq!(b.git(["for-each-ref", "refs/sessions/heads"]).lines().count(), 2, "no second fork");
}

/// A chain made by hand: a fork of a good one, whose parts can be replaced by what no honest program writes.
struct Forged<'t> {
    team: &'t Team,
    good: String,
    parent: String,
    code: String,
    number: u64,
}

impl Forged<'_> {
    /// The session tree of the good tip, with one file of it replaced.
    fn meta_with(&self, name: &str, content: &str) -> String {
        let blob = self.team.there(&["hash-object", "-w", "--stdin"], content.as_bytes());
        let entries = self.team.there(&["ls-tree", &self.good], b"");
        let entries = entries.lines().map(|line| match line.split_once('\t') {
            Some((_, found)) if found == name => format!("100644 blob {blob}\t{name}\n"),
            _ => format!("{line}\n"),
        });
        self.team.there(&["mktree", "--missing"], entries.collect::<String>().as_bytes())
    }

    fn record(&self) -> Value {
        let text = self.team.there(&["cat-file", "-p", &format!("{}:session.json", self.good)], b"");
        serde_json::from_str(&text).expect("JSON")
    }

    /// `session.json` as it must be for this session, and changed.
    fn session(&self, id: &str, change: impl Fn(&mut Value)) -> String {
        let mut record = self.record();
        record["id"] = id.into();
        change(&mut record);
        self.meta_with("session.json", &record.to_string())
    }

    /// A code commit whose tree has one entry of that name, in bytes that git itself would not write.
    fn code_with(&self, mode: &str, name: &str) -> String {
        let blob = self.team.there(&["hash-object", "-w", "--stdin"], b"owned\n");
        let raw: Vec<u8> =
            (0..blob.len() / 2).map(|at| u8::from_str_radix(&blob[at * 2..at * 2 + 2], 16).expect("hex")).collect();
        let tree = [format!("{mode} {name}\0").as_bytes(), &raw].concat();
        let tree = self.team.there(&["hash-object", "-t", "tree", "-w", "--literally", "--stdin"], &tree);
        self.team.there(&["commit-tree", &tree, "-p", &self.code, "-m", "code"], b"")
    }

    /// The session commit, on its ref in the remote.
    fn place(&self, id: &str, meta: &str, code: &str, trailers: &[(&str, &str)]) {
        let mut all: Vec<(String, String)> = vec![
            ("Session".into(), id.into()),
            ("Checkpoint".into(), (self.number + 1).to_string()),
            ("Kind".into(), "fork".into()),
            ("Code".into(), code.into()),
            ("Previous".into(), self.good.clone()),
            ("Agent".into(), "generic".into()),
            ("Parent-Session".into(), self.parent.clone()),
        ];
        for (key, value) in trailers {
            all.retain(|(have, _)| have != key);
            all.push(((*key).into(), (*value).into()));
        }
        let lines: String = all.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| format!("{k}: {v}\n")).collect();
        let message = format!("fork {}: forged\n\n{lines}", self.number + 1);
        let commit = self.team.there(&["commit-tree", meta, "-p", code, "-p", &self.good], message.as_bytes());
        self.team.there(&["update-ref", &format!("refs/sessions/heads/{id}"), &commit], b"");
    }
}

#[test]
fn hostile_chains_are_named_and_quarantined_and_the_others_go_on() {
    let team = Team::new();
    let Team { a, b, .. } = &team;
    let agent = Agent::with_transcript(a, "native-a");
    agent.start();
    agent.turn("one", "f.txt", "1\n");
    a.ask(["push", "--yes"]);
    let parent = a.session_id();
    let good = head(a, &parent);
    let newest = a.checkpoints().pop().expect("a checkpoint");
    let forged = Forged {
        team: &team,
        parent,
        code: newest["commit"].as_str().expect("an id").to_owned(),
        number: newest["number"].as_u64().expect("a number"),
        good: good.clone(),
    };
    let id = |n: usize| format!("00000000-0000-4000-8000-{n:012}");
    let code = forged.code.as_str();
    let plain = |n| forged.session(&id(n), |_| {});
    let next = (forged.number + 1).to_string();
    let stranger = "1".repeat(40);
    let root = team.there(&["rev-list", "--max-parents=0", "main"], b"");

    forged.place(&id(0), &plain(0), code, &[]);
    forged.place(&id(1), &forged.meta_with("manifest.json", "{\"type\":\"other\",\"version\":1}"), code, &[]);
    forged.place(&id(2), &forged.meta_with("manifest.json", "{\"type\":\"session.meta\",\"version\":9}"), code, &[]);
    forged.place(&id(3), &plain(3), code, &[("Code", &stranger)]);
    forged.place(&id(4), &plain(4), code, &[("Checkpoint", "99")]);
    forged.place(&id(5), &plain(5), code, &[("Kind", "rewind"), ("From", "1"), ("Target", &next), ("Mode", "code")]);
    forged.place(&id(6), &plain(6), &forged.code_with("100644", ".."), &[]);
    forged.place(&id(7), &plain(7), &forged.code_with("100644", ".git"), &[]);
    forged.place(&id(8), &plain(8), &forged.code_with("100644", "GIT~1"), &[]);
    forged.place(&id(9), &plain(9), &forged.code_with("170000", "odd"), &[]);
    forged.place(&id(10), &plain(0), code, &[]);
    forged.place(
        &id(11),
        &forged.session(&id(11), |s| s["agent"]["native_ids"] = serde_json::json!(["--evil"])),
        code,
        &[],
    );
    forged.place(
        &id(12),
        &forged.session(&id(12), |s| s["streams"][0]["bytes"] = 1_000_000_000_000_000_u64.into()),
        code,
        &[],
    );
    forged.place(&id(13), &forged.session(&id(13), |s| s["rows"] = 4_000_000_000_u32.into()), code, &[]);
    forged.place(&id(14), &plain(14), code, &[("Parent-Session", "")]);
    forged.place(&id(15), &plain(15), code, &[("Previous", "")]);
    forged.place(&id(16), &plain(16), code, &[("Base", &root)]);
    forged.place(&id(17), &forged.meta_with("session.json", "{"), code, &[]);
    forged.place(&id(18), &forged.session(&id(18), |s| s["streams"][0]["id"] = "../../x".into()), code, &[]);
    let blob = team.there(&["hash-object", "-w", "--stdin"], b"no commit");
    team.there(&["update-ref", &format!("refs/sessions/heads/{}", id(19)), &blob], b"");
    team.there(&["update-ref", "refs/sessions/heads/odd", &good], b"");
    let wanted: [(usize, &str); 19] = [
        (1, "of type"),
        (2, "version 9"),
        (3, "no parent"),
        (4, "follows checkpoint"),
        (5, "not before it"),
        (6, "\"..\""),
        (7, "\".git\""),
        (8, "\"GIT~1\""),
        (9, "mode 170000"),
        (10, "is that of session"),
        (11, "--evil"),
        (12, "bytes and not"),
        (13, "turns"),
        (14, "without a fork"),
        (15, "begins with checkpoint"),
        (16, "Base"),
        (17, "session.json"),
        (18, "../../x"),
        (19, "where a commit should be"),
    ];

    let before = b.listing();
    let out = b.session(["--json", "pull"]);
    assert_eq!(out.code, Some(7), "{out}");
    let pulled = out.json();
    assert_eq!((case(&pulled, &forged.parent), case(&pulled, &id(0))), ("new".to_owned(), "new".to_owned()));
    assert_eq!(pulled["odd"], serde_json::json!(["refs/sessions/heads/odd"]));
    let rows = pulled["sessions"].as_array().expect("a list");
    for (n, problem) in wanted {
        let row = rows.iter().find(|r| r["id"] == id(n).as_str()).expect("a row");
        assert_eq!(row["case"], "quarantined", "{row}");
        assert!(row["problem"].as_str().expect("a reason").contains(problem), "{problem:?}: {row}");
    }
    let tracked = b.git(["for-each-ref", "--format=%(refname)", "refs/sessions"]);
    let of = |id: &str| format!("refs/sessions/remotes/origin/heads/{id}");
    let mut taken = [of(&id(0)), of(&forged.parent)];
    taken.sort();
    assert_eq!(tracked.lines().collect::<Vec<_>>(), taken, "the others' tracking refs did not move");
    assert_eq!(b.listing(), before);
    assert_eq!(b.refused(3, ["show", &id(7)])["code"], "session.not-found");
}

#[test]
fn a_record_from_elsewhere_names_no_file_of_this_machine() {
    let team = Team::new();
    let Team { a, b, .. } = &team;
    let agent = Agent::with_transcript(a, "native-a");
    agent.start();
    agent.turn("one", "f.txt", "1\n");
    a.ask(["push", "--yes"]);
    let newest = a.checkpoints().pop().expect("a checkpoint");
    let parent = a.session_id();
    let forged = Forged {
        team: &team,
        good: head(a, &parent),
        parent,
        code: newest["commit"].as_str().expect("an id").to_owned(),
        number: newest["number"].as_u64().expect("a number"),
    };
    let id = "00000000-0000-4000-8000-000000000001";
    // The stored conversation is a beginning of the secret, so that it would pass for the agent's file.
    let secret = b.sandbox.home().join("native-a.key");
    let talk = std::fs::read(agent.transcript()).expect("reads");
    std::fs::write(&secret, [&talk[..], b"SECRET OF THIS MACHINE\n"].concat()).expect("writes");
    let path = secret.to_str().expect("UTF-8").to_owned();
    forged.place(id, &forged.session(id, |s| s["agent"]["transcript_path"] = path.clone().into()), &forged.code, &[]);
    b.ask(["pull"]);
    // The first of these goes on with the record as it came.
    b.ask(["save", "-s", id]);
    let resumed = b.ask(["resume", id]);
    let file = resumed["native"]["path"].as_str().expect("a path");
    assert!(file.starts_with("$SANDBOX/repo/.git/session/"), "{file}");
    let objects = b.git(["cat-file", "--batch-all-objects", "--batch-check"]);
    for object in objects.lines().filter(|l| l.contains(" blob ")) {
        let blob = b.git(["cat-file", "-p", object.split(' ').next().expect("an id")]);
        assert!(!blob.contains("SECRET OF THIS MACHINE"), "{object}");
    }
}
