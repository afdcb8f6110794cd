//! The real Claude Code on a scripted model: every turn is saved, and code and chat go back, as its user sees it.
//!
//! Both are looked for where `SESSION_TEST_AGENTS` (a folder made by the mock model's `agents.sh`) and `SESSION_TEST_MOCK`
//! (its `mock.py`) say, else in `target/agents` (`.ci/run` installs it there) and in `../shared/mock-model`. Where one is
//! missing these tests say on standard error that they are skipped. Nothing here leaves the machine: the model is on loopback.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::repo::TestRepo;

/// Where the agents and the mock are; `None` where this machine has them not, which is said.
fn installed(test: &str) -> Option<(PathBuf, PathBuf)> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let place = |name: &str, otherwise: PathBuf| std::env::var_os(name).map_or(otherwise, PathBuf::from);
    let agents = place("SESSION_TEST_AGENTS", project.join("target/agents"));
    let mock = place("SESSION_TEST_MOCK", project.join("../shared/mock-model/mock.py"));
    let claude = agents.join("bin/claude");
    let missing = [&claude, &mock].into_iter().find(|p| !p.is_file());
    let python = Command::new("python3").arg("--version").output();
    let why = match (missing, python) {
        (Some(missing), _) => format!("{} is not there", missing.display()),
        (None, Err(e)) => format!("python3 does not run: {e}"),
        (None, Ok(_)) => return Some((agents, mock)),
    };
    // Not by a macro: what those print is kept back where a test succeeds.
    let line = format!("agents_real::{test}: SKIPPED, {why}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("writes to standard error");
    None
}

/// A repository in which Claude Code works, with the model that answers it.
pub struct Desk {
    pub repo: TestRepo,
    agents: PathBuf,
    model: Child,
    requests: PathBuf,
    port: u16,
}

impl Drop for Desk {
    fn drop(&mut self) {
        // It may have died on its own; then there is nothing to end.
        let _ended = self.model.kill().and_then(|()| self.model.wait());
    }
}

/// What the agent said at the end of a run.
pub struct Said {
    pub session: String,
    pub text: String,
}

impl Said {
    /// The prompts that the model was shown.
    #[track_caller]
    fn seen(&self) -> Vec<String> {
        let (_, list) = self.text.split_once("turns seen: ").unwrap_or_else(|| panic!("no proof in {:?}", self.text));
        serde_json::from_str(list).expect("a list")
    }

    /// The native id in the last `/resume` line.
    #[track_caller]
    fn resume_line(&self) -> String {
        let line = self.text.lines().rev().find_map(|l| l.strip_prefix("/resume "));
        line.unwrap_or_else(|| panic!("no line to resume by in {:?}", self.text)).to_owned()
    }
}

impl Desk {
    pub fn new(test: &str) -> Option<Self> {
        let (agents, mock) = installed(test)?;
        let mut repo = TestRepo::new();
        // The agent's clock is the real one.
        repo.sandbox.set("SESSION_TEST_CLOCK", "");
        repo.sandbox.set("SESSION_TEST_SEED", "");
        repo.write(".gitignore", "*.log\n");
        for (path, text) in
            [("tracked.txt", "one\n"), ("doomed.txt", "gone\n"), ("run.sh", "#!/bin/sh\n"), ("d/x", "x\n")]
        {
            repo.write(path, text);
        }
        repo.chmod("run.sh", 0o755);
        repo.commit("base");
        drop(repo.session(["enable", "--agent", "claude-code"]).success());
        fs::copy(agents.join("home/.claude.json"), repo.sandbox.home().join(".claude.json"))
            .expect("the agent's settings");

        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let requests = repo.sandbox.path().join("requests");
        let mut model = Command::new("python3");
        model.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/mock_call.py"));
        model.arg(mock).arg(port.to_string()).arg(&requests).stdout(Stdio::null()).stderr(Stdio::null());
        let mut model = model.spawn().expect("starts the model");
        for _ in 0..1000 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(Self { repo, agents, model, requests, port });
            }
            assert!(model.try_wait().expect("the model").is_none(), "the model ended");
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the model does not listen");
    }

    /// The agent, in a folder.
    fn agent(&self, cwd: &Path, args: &[&str]) -> Command {
        let program = self.agents.join("bin/claude");
        let mut command = self.equipped(program.to_str().expect("a path in UTF-8"), cwd);
        command.arg("-p").args(args).args(["--permission-mode", "bypassPermissions", "--output-format", "json"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A program in the environment of the agent, which runs our binary by the name under which a user has it.
    pub fn equipped(&self, program: &str, cwd: &Path) -> Command {
        let mut command = self.repo.sandbox.command(program, cwd);
        let ours = Path::new(env!("CARGO_BIN_EXE_session")).parent().expect("a folder");
        let path = std::env::var_os("PATH").expect("PATH is set");
        let folders = [ours.to_owned(), self.agents.join("bin")].into_iter().chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(folders).expect("a PATH"));
        for (name, value) in [
            ("ANTHROPIC_BASE_URL", format!("http://127.0.0.1:{}", self.port)),
            ("ANTHROPIC_API_KEY", "dummy".to_owned()),
            ("IS_SANDBOX", "1".to_owned()),
            ("DISABLE_AUTOUPDATER", "1".to_owned()),
            ("DISABLE_TELEMETRY", "1".to_owned()),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".to_owned()),
        ] {
            command.env(name, value);
        }
        command
    }

    #[track_caller]
    fn said(command: &mut Command) -> Said {
        let out = command.output().expect("the agent runs");
        let text = String::from_utf8_lossy(&out.stdout);
        let said: Value = serde_json::from_str(&text)
            .unwrap_or_else(|e| panic!("{e} in {text}\n{}", String::from_utf8_lossy(&out.stderr)));
        let field = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        Said { session: field("session_id"), text: field("result") }
    }

    /// A prompt that begins a session. `@` stands for the folder of the repository, as the agent wants whole paths.
    #[track_caller]
    pub fn begin(&self, prompt: &str) -> Said {
        Self::said(&mut self.agent(self.repo.path(), &[&self.whole(prompt)]))
    }

    /// A prompt in a session.
    #[track_caller]
    pub fn go_on(&self, session: &str, prompt: &str) -> Said {
        Self::said(&mut self.agent(self.repo.path(), &[&self.whole(prompt), "--resume", session]))
    }

    pub fn whole(&self, prompt: &str) -> String {
        prompt.replace("@/", &format!("{}/", self.repo.path().display()))
    }

    /// How often the model was asked.
    fn asked(&self) -> usize {
        fs::read_dir(&self.requests)
            .map_or(0, |entries| entries.flatten().filter(|e| e.file_name() != "index.txt").count())
    }

    fn head_and_index(&self) -> (String, Vec<u8>) {
        (self.repo.git(["rev-parse", "HEAD"]), self.repo.index_bytes())
    }

    pub fn projects(&self) -> PathBuf {
        self.repo.sandbox.home().join(".claude/projects")
    }

    /// Every transcript that the agent wrote in a configuration folder, and under which stream it is stored.
    fn transcripts(projects: &Path) -> Vec<(String, PathBuf)> {
        walkdir::WalkDir::new(projects)
            .sort_by_file_name()
            .into_iter()
            .map(|entry| entry.expect("walks").into_path())
            .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
            .map(|path| {
                let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
                let parent = path.parent().and_then(Path::parent).and_then(Path::file_name);
                let stream = match parent.filter(|_| stem.starts_with("agent-")) {
                    Some(session) => format!("{}.{stem}", session.to_string_lossy()),
                    None => stem,
                };
                (stream, path)
            })
            .collect()
    }

    /// What is stored of each transcript is the file, byte for byte.
    #[track_caller]
    fn assert_bytes(&self, session: &str, streams: usize) {
        let found = Self::transcripts(&self.projects());
        assert_eq!(found.len(), streams, "{found:?}");
        for (stream, path) in found {
            self.repo.assert_stream(session, &stream, &fs::read(path).expect("the agent's file"));
        }
        self.repo.assert_sound();
    }

    fn checkpoints(&self, session: &str) -> Vec<Value> {
        let log = self.repo.session(["log", "--json", "--session", session]).success().json();
        log["checkpoints"].as_array().expect("checkpoints").clone()
    }

    /// Turns of the checkpoints of a kind, oldest first.
    fn turns(&self, session: &str, kind: &str) -> Vec<u64> {
        let all = self.checkpoints(session).into_iter().rev().filter(|c| c["kind"] == kind);
        all.map(|c| c["turn"].as_u64().expect("a turn")).collect()
    }

    /// No hook had anything to log.
    #[track_caller]
    pub fn assert_quiet(&self) {
        let log = fs::read_to_string(self.repo.at(".git/session/log/hooks.log")).unwrap_or_default();
        assert_eq!(log, "");
    }
}

/// What lies in the work tree, but for the state file, which tells of every turn.
fn files(repo: &TestRepo) -> Vec<String> {
    repo.listing().into_iter().filter(|line| !line.contains(".session-state.json")).collect()
}

/// A dirty tree with staged changes; three turns by tool and by shell; the listings before each and at the end.
fn three_turns(desk: &Desk) -> (String, Vec<Vec<String>>) {
    let repo = &desk.repo;
    repo.write("tracked.txt", "one\ndirty\n");
    repo.write("staged.txt", "staged\n");
    repo.git(["add", "staged.txt"]);
    repo.write("staged.txt", "staged\nmore\n");
    repo.write("un.txt", "untracked\n");
    repo.write("a.log", "ignored\n");
    let mut listings = vec![files(repo)];
    let first = desk.begin(
        "first prompt\n@write @/new.txt hello\\n\n@edit @/tracked.txt one => ONE\n\
         @bash rm doomed.txt && chmod +x un.txt && printf hi > 'sp ace.sh' && chmod 755 'sp ace.sh'",
    );
    assert_eq!(first.seen(), ["first prompt"]);
    let id = first.session;
    listings.push(files(repo));
    desk.go_on(
        &id,
        "second prompt\n@bash rm -r d new.txt && mkdir -p e/f && echo deep > e/f/g && ln -s tracked.txt link\n@write @/second.txt 2",
    );
    listings.push(files(repo));
    let third = desk.go_on(
        &id,
        "third prompt\n@edit @/second.txt 2 => 22\n@bash rm link && mkdir link && echo f > link/f && chmod -x run.sh",
    );
    assert_eq!(third.seen(), ["first prompt", "second prompt", "third prompt"]);
    listings.push(files(repo));
    (id, listings)
}

#[test]
fn where_claude_is_installed_code_goes_back_to_every_turn_and_forth() {
    let Some(desk) = Desk::new("code") else { return };
    let repo = &desk.repo;
    let (id, listings) = three_turns(&desk);
    for kind in ["turn-start", "turn-end"] {
        assert_eq!(desk.turns(&id, kind), [1, 2, 3], "{kind}");
    }
    let still = desk.head_and_index();
    for turn in [3, 2, 1] {
        drop(repo.session(["rewind", "code", &format!("turn:{turn}")]).success());
        assert_eq!(files(repo), listings[turn - 1], "before turn {turn}");
    }
    for turn in [1, 2, 3] {
        drop(repo.session(["redo"]).success());
        assert_eq!(files(repo), listings[turn], "after turn {turn}");
    }
    // The same from inside, without a turn.
    let asked = desk.asked();
    let answer = desk.go_on(&id, "/rewind code turn:2").text;
    assert!(answer.contains("Rewound: code") && answer.contains("`/redo` brings it back"), "{answer}");
    assert_eq!(files(repo), listings[1]);
    desk.go_on(&id, "/redo");
    assert_eq!(files(repo), listings[3]);
    desk.go_on(&id, "/session:rewind code");
    assert_eq!(files(repo), listings[2], "the newest turn that changed files");
    desk.go_on(&id, "/redo");
    for (line, wanted) in [
        ("/rewind", "turn:3  third prompt"),
        ("/sessions", "first prompt"),
        ("/redo", "nothing to redo"),
        ("/rewind code 999", "checkpoint 999 not found"),
        ("/rewind files", "none of code, chat, both"),
    ] {
        let answer = desk.go_on(&id, line).text;
        assert!(answer.contains(wanted), "{line}: {answer}");
    }
    assert_eq!(desk.asked(), asked, "no line of ours reached the model");
    assert_eq!(desk.turns(&id, "turn-start"), [1, 2, 3], "a line that was answered is no turn");
    assert_eq!(desk.head_and_index(), still);
    assert_eq!(files(repo), listings[3]);
    desk.assert_bytes(&id, 1);
    desk.assert_quiet();
}

#[test]
fn where_claude_is_installed_chat_goes_back_and_forks_go_their_own_way() {
    let Some(desk) = Desk::new("chat") else { return };
    let repo = &desk.repo;
    let (id, listings) = three_turns(&desk);

    // From inside: the answer ends with the line that resumes; repeated, it goes further back.
    let answer = desk.go_on(&id, "/rewind chat");
    let two = answer.resume_line();
    let one = desk.go_on(&id, "/rewind chat").resume_line();
    assert_eq!(desk.go_on(&two, "again two").seen(), ["first prompt", "second prompt", "again two"]);
    assert_eq!(desk.go_on(&one, "again one").seen(), ["first prompt", "again one"]);
    // From a shell; cut before the first turn there is nothing that the model sees.
    for (turn, kept) in [(2, vec!["first prompt"]), (1, vec![])] {
        desk.go_on(&id, "the original goes on");
        let rewound = repo.session(["rewind", "chat", &format!("turn:{turn}"), "--json"]).success().json();
        let new = rewound["native"]["session_id"].as_str().expect("an id").to_owned();
        let wanted: Vec<&str> = kept.into_iter().chain(["shell"]).collect();
        assert_eq!(desk.go_on(&new, "shell").seen(), wanted);
    }
    let all = desk.go_on(&id, "all");
    let original =
        ["first prompt", "second prompt", "third prompt", "the original goes on", "the original goes on", "all"];
    assert_eq!(all.seen(), original);
    assert_eq!(files(repo), listings[3], "the files stay");
    desk.assert_bytes(&id, 5);

    // A fork in a worktree: files, history and conversation of its checkpoint; a branch that reaches nothing of ours.
    let at = "turn:2.end";
    let fork = repo.session(["fork", "away", "--at", at, "--worktree", "../away", "--json"]).success().json();
    let (session, native) =
        (fork["session"].as_str().expect("an id"), fork["native"]["session_id"].as_str().expect("an id"));
    let away = repo.sandbox.path().join("away");
    let own = |line: &&String| !line.contains("\".claude") && !line.contains("\"a.log\"");
    let listed = TestRepo::list(&away);
    assert_eq!(listed.iter().filter(own).collect::<Vec<_>>(), listings[2].iter().filter(own).collect::<Vec<_>>());
    let prompt = format!("in the fork\n@write {}/f.txt f", away.display());
    let said = Desk::said(&mut desk.agent(&away, &[&prompt, "--resume", native]));
    assert_eq!(said.seen(), ["first prompt", "second prompt", "in the fork"]);
    assert_eq!(desk.turns(session, "turn-end"), [1, 2, 3]);
    assert_eq!(desk.turns(&id, "turn-end").len(), 10, "the parent is not touched");
    let remote = repo.sandbox.path().join("remote.git");
    repo.git(["init", "--quiet", "--bare", remote.to_str().expect("a path in UTF-8")]);
    repo.git(["push", "--quiet", "--all", remote.to_str().expect("a path in UTF-8")]);
    let mut command = repo.sandbox.command("git", &remote);
    let out = command.args(["log", "--all", "--format=%B", "--name-only"]).output().expect("git starts");
    let pushed = String::from_utf8(out.stdout).expect("UTF-8");
    assert!(pushed.contains("base") && !pushed.contains("chat/") && !pushed.contains("Checkpoint:"), "{pushed}");
    desk.assert_quiet();
}

#[test]
fn where_claude_is_installed_interrupts_foreign_changes_and_compaction_are_survived() {
    let Some(desk) = Desk::new("interrupts") else { return };
    let repo = &desk.repo;
    let id =
        desk.begin("alpha\n@write @/a.txt 1\n@task sub job ;; @write @/sub.txt s ;; @bash echo sub > sub2.txt").session;
    assert_eq!(repo.read("sub2.txt"), b"sub\n");
    desk.assert_bytes(&id, 2);

    // What a person changed in between is named, with the lines to type, and nothing is lost.
    repo.write("a.txt", "mine\n");
    repo.write("person.txt", "p\n");
    let before = files(repo);
    let answer = desk.go_on(&id, "/rewind code").text;
    for wanted in ["\n  a.txt\n", "\n  person.txt\n", "/rewind code 1 --mine", "/rewind code 1 --all"] {
        assert!(answer.contains(wanted), "{wanted:?} in {answer}");
    }
    assert_eq!(files(repo), before);
    desk.go_on(&id, "/rewind code 1 --mine");
    assert_eq!((repo.read("a.txt"), repo.at("sub.txt").exists()), (b"mine\n".to_vec(), false));
    desk.go_on(&id, "/redo");
    desk.go_on(&id, "/rewind code 1 --all");
    assert!(!repo.at("person.txt").exists());
    desk.go_on(&id, "/redo");
    assert_eq!(files(repo), before);

    // An interrupt, then a death: the next prompt closes the turn that was open.
    for (signal, file) in [("-INT", "half.txt"), ("-KILL", "half2.txt")] {
        let prompt = format!("slow {signal}\n@bash echo half > {file}; sleep 5");
        let mut running = desk.agent(repo.path(), &[&prompt, "--resume", &id]).spawn().expect("the agent runs");
        for _ in 0..3000 {
            if repo.at(file).exists() {
                break;
            }
            assert!(running.try_wait().expect("the agent").is_none(), "the agent ended");
            std::thread::sleep(Duration::from_millis(20));
        }
        let killed = Command::new("kill").args([signal, &running.id().to_string()]).status().expect("kill runs");
        assert!(killed.success());
        running.wait().expect("the agent ended");
    }
    assert_eq!(desk.turns(&id, "turn-end"), [1, 2], "nothing was heard of the death");
    let after = desk.go_on(&id, "after both");
    assert_eq!(after.seen().last().map(String::as_str), Some("after both"));
    for kind in ["turn-start", "turn-end"] {
        assert_eq!(desk.turns(&id, kind), [1, 2, 3, 4], "{kind}");
    }
    // What was written after the last sign of life of a turn that was killed may be anybody's.
    drop(repo.session(["rewind", "code", "turn:3", "--all"]).success());
    assert!(repo.at("half.txt").exists() && !repo.at("half2.txt").exists());

    // What was said before a compaction is still there to go back to.
    desk.go_on(&id, "/compact");
    let compacted = desk.go_on(&id, "after compaction");
    assert!(!compacted.seen().contains(&"alpha".to_owned()));
    assert_eq!(desk.turns(&id, "turn-end"), [1, 2, 3, 4, 5]);
    desk.assert_bytes(&id, 2);
    let back = desk.go_on(&id, "/rewind chat turn:2").resume_line();
    assert_eq!(desk.go_on(&back, "back").seen(), ["alpha", "back"]);

    let resumed = repo.session(["resume", &id, "--json"]).success().json();
    assert_eq!(resumed["native"]["session_id"], back.as_str());
    assert_eq!(repo.session(["continue", "--json"]).success().json()["native"]["session_id"], back.as_str());
    desk.assert_quiet();
}

#[test]
fn where_claude_is_installed_it_may_run_twice_or_elsewhere() {
    let Some(desk) = Desk::new("elsewhere") else { return };
    let repo = &desk.repo;
    // Two at once in one worktree: two sessions, and each one's changes are foreign to the other.
    // Each waits for the other's file, so that both turns are open however slow the machine is.
    let wait = |file: &str| format!("for i in $(seq 600); do [ -e {file} ] && break; sleep 0.05; done");
    let prompts = [
        format!("A\n@write @/a1.txt 1\n@bash {}; echo x > a2.txt", wait("b1.txt")),
        format!("B\n@bash {}\n@write @/b1.txt 1\n@bash echo x > b2.txt", wait("a1.txt")),
    ];
    let said: Vec<Said> = std::thread::scope(|scope| {
        let started: Vec<_> = prompts
            .iter()
            .map(|prompt| {
                let mut command = desk.agent(repo.path(), &[&desk.whole(prompt)]);
                scope.spawn(move || Desk::said(&mut command))
            })
            .collect();
        started.into_iter().map(|run| run.join().expect("the agent ran")).collect()
    });
    for (said, own) in said.iter().zip(["A", "B"]) {
        assert_eq!(said.seen(), [own]);
        assert_eq!(desk.turns(&said.session, "turn-end"), [1]);
        let live = desk.projects();
        let (_, path) = Desk::transcripts(&live).into_iter().find(|(s, _)| *s == said.session).expect("its file");
        repo.assert_stream(&said.session, &said.session, &fs::read(path).expect("reads"));
    }
    let answer = desk.go_on(&said[0].session, "/rewind code turn:1 --mine").text;
    assert!(answer.contains("delete  a1.txt") && answer.contains("left    b1.txt"), "{answer}");
    assert!(repo.at("b1.txt").exists() && !repo.at("a1.txt").exists());

    // In a subfolder, and with its files in another place.
    let config = repo.sandbox.path().join("claude-config");
    fs::create_dir(&config).expect("makes the folder");
    fs::copy(repo.sandbox.home().join(".claude.json"), config.join(".claude.json")).expect("copies");
    let in_sub =
        |args: &[&str]| Desk::said(desk.agent(&repo.at("d"), args).env("CLAUDE_CONFIG_DIR", OsString::from(&config)));
    let id = in_sub(&["sub\n@bash echo s > s.txt"]).session;
    in_sub(&["/rewind code", "--resume", &id]);
    assert!(!repo.at("d/s.txt").exists() && repo.at("d/x").exists());
    in_sub(&["two", "--resume", &id]);
    let new = in_sub(&["/rewind chat", "--resume", &id]).resume_line();
    assert_eq!(in_sub(&["three", "--resume", &new]).seen(), ["sub", "three"]);
    let found = Desk::transcripts(&config.join("projects"));
    assert_eq!(found.len(), 2, "{found:?}");
    for (stream, path) in found {
        repo.assert_stream(&id, &stream, &fs::read(path).expect("reads"));
    }

    // In a linked worktree.
    repo.git(["worktree", "add", "--quiet", "-b", "side", "../side"]);
    let side = repo.sandbox.path().join("side");
    drop(repo.sandbox.session(&side, ["enable"]).success());
    let prompt = format!("side\n@write {}/l.txt 1", side.display());
    let id = Desk::said(&mut desk.agent(&side, &[&prompt])).session;
    Desk::said(&mut desk.agent(&side, &["/rewind code", "--resume", &id]));
    assert!(!side.join("l.txt").exists());
    assert_eq!(desk.turns(&id, "turn-end"), [1]);

    // The agent's own fork: a session of its own that begins with the copied turns.
    let fork = Desk::said(&mut desk.agent(repo.path(), &["forked", "--resume", &said[1].session, "--fork-session"]));
    assert_eq!(fork.seen(), ["B", "forked"]);
    // The agent's file may come after the end of the turn; its checkpoint then says 1, and the rows are right all the same.
    assert!(matches!(desk.turns(&fork.session, "turn-end").as_slice(), [1 | 2]));
    assert_eq!(repo.session(["show", "--json", &fork.session]).success().json()["turns"], 2);
    desk.assert_quiet();
}
