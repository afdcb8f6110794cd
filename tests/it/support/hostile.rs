//! What the tests of bad input share: hooks with a deadline, verbs that must fail cleanly, what may not change, damage.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::env::Sandbox;
use super::repo::TestRepo;
use super::run::CommandOutput;

/// Seconds after which a command counts as hanging; `timeout` then makes its exit code 124.
const HANGS: &str = "60";

impl Sandbox {
    /// Runs `session` under a deadline. A hang is exit 124.
    pub fn session_in_time(&self, cwd: &Path, args: &[&str], input: &[u8]) -> CommandOutput {
        let words = [&["--signal=KILL", HANGS, env!("CARGO_BIN_EXE_session")], args].concat();
        self.run_with_input("timeout", cwd, &words, input)
    }
}

impl TestRepo {
    /// Calls a hook as an agent does. It must exit with 0, print nothing on standard output, and not hang. Its standard error.
    #[track_caller]
    pub fn hook(&self, agent: &str, event: &str, payload: &[u8]) -> String {
        let out = self.sandbox.session_in_time(self.path(), &["hook", agent, event], payload);
        assert_eq!((out.code, out.stdout.as_str()), (Some(0), ""), "{agent} {event}\n{out}");
        out.stderr
    }

    /// A hook of the generic agent.
    #[track_caller]
    pub fn generic(&self, event: &str, fields: serde_json::Value) -> String {
        let mut payload = serde_json::json!({ "session_id": NATIVE, "cwd": self.path() });
        for (name, value) in fields.as_object().expect("fields") {
            payload[name] = value.clone();
        }
        self.hook("generic", event, payload.to_string().as_bytes())
    }

    /// A session of the generic agent: two turns, each of which writes `f`; ended. Its transcript is at [`Self::talk`].
    #[track_caller]
    pub fn two_turns(&self) {
        fs::write(self.talk(), "").expect("writes");
        for turn in ["one", "two"] {
            let talk = self.talk();
            self.generic("prompt", serde_json::json!({ "prompt": format!("turn {turn}"), "transcript_path": talk }));
            self.write("f", turn);
            let mut text = fs::read_to_string(&talk).expect("reads");
            text += &format!(
                "{{\"role\":\"user\",\"text\":\"turn {turn}\"}}\n{{\"role\":\"assistant\",\"text\":\"did {turn}\"}}\n"
            );
            fs::write(&talk, text).expect("writes");
            self.generic("turn-end", serde_json::json!({ "transcript_path": talk }));
        }
        self.generic("session-end", serde_json::json!({ "transcript_path": self.talk() }));
        assert_eq!(self.git(["rev-parse", "--verify", &head(NATIVE)]).len(), 40, "{}", self.log());
    }

    /// The transcript of [`Self::two_turns`].
    pub fn talk(&self) -> PathBuf {
        self.sandbox.path().join("talk.jsonl")
    }

    /// The log of hooks.
    pub fn log(&self) -> String {
        fs::read_to_string(self.at(".git/session/log/hooks.log")).unwrap_or_default()
    }

    /// Everything of the user's and all refs, as they are: files, index, HEAD, refs. Temporary files fail the test.
    #[track_caller]
    pub fn everything(&self) -> Vec<String> {
        let mut all = self.listing();
        for entry in walkdir::WalkDir::new(self.at(".git")).sort_by_file_name() {
            let entry = entry.expect("walks .git");
            let path = entry.path().strip_prefix(self.at(".git")).expect("below").to_string_lossy().into_owned();
            let name = entry.file_name().to_string_lossy();
            assert!(!name.contains("tmp"), "a temporary file was left: {path}");
            assert!(!name.ends_with(".lock") || path.starts_with("session/"), "a lock was left: {path}");
            let counts = ["refs/", "HEAD", "packed-refs", "index", "config", "info/"];
            if entry.file_type().is_file() && counts.iter().any(|c| path.starts_with(c)) {
                all.push(format!("{path} {:?}", fs::read(entry.path()).expect("reads")));
            }
        }
        all
    }

    /// Asserts that a verb fails with this exit code and error code, as text and as JSON, and changes nothing. Its message.
    #[track_caller]
    pub fn fails(&self, args: &[&str], exit: i32, code: &str) -> String {
        let before = self.everything();
        let message = self.sandbox.fails_in(self.path(), args, exit, code);
        assert_eq!(self.everything(), before, "{args:?} changed something");
        message
    }

    /// The file of a loose object that git names so.
    #[track_caller]
    pub fn loose(&self, name: &str) -> PathBuf {
        let oid = self.git(["rev-parse", "--verify", name]);
        let path = self.at(format!(".git/objects/{}/{}", &oid[..2], &oid[2..]));
        assert!(path.is_file(), "{name} is not loose");
        path
    }
}

impl Sandbox {
    /// [`TestRepo::fails`] anywhere.
    #[track_caller]
    pub fn fails_in(&self, cwd: &Path, args: &[&str], exit: i32, code: &str) -> String {
        let out = self.session_in_time(cwd, args, b"");
        assert_eq!(out.code, Some(exit), "{args:?}\n{out}");
        assert_eq!(out.stdout, "", "{args:?}\n{out}");
        let first = out.stderr.lines().next().unwrap_or_default();
        assert!(first.starts_with("error: ") && first.len() > 12, "{args:?}\n{out}");
        assert!(!out.stderr.contains("panicked"), "{args:?}\n{out}");

        let json = self.session_in_time(cwd, &[&["--json"], args].concat(), b"");
        assert_eq!(json.code, Some(exit), "{args:?} --json\n{json}");
        assert_eq!(json.stdout.lines().count(), 1, "one document: {args:?}\n{json}");
        let document = json.json();
        let document = document.as_object().expect("an object");
        assert_eq!(document.keys().collect::<Vec<_>>(), ["error"], "{json}");
        let error = document["error"].as_object().expect("an object");
        for field in ["kind", "code", "message", "hint", "target"] {
            assert!(error.contains_key(field), "{field} is not in\n{json}");
        }
        assert_eq!(error["code"], code, "{args:?}\n{json}");
        let kinds = ["failed", "usage", "not-found", "ambiguous", "conflict", "refused", "damaged"];
        let kind = kinds[usize::try_from(exit - 1).expect("a small number")];
        assert_eq!(error["kind"], kind, "{args:?}\n{json}");
        let message = error["message"].as_str().expect("text").to_owned();
        assert!(!message.is_empty() && !message.contains('\n'), "one line: {message:?}");
        message
    }
}

/// The native id of [`TestRepo::two_turns`], which becomes the session's own.
pub const NATIVE: &str = "7f3e1f4a-9d55-4c1b-8e0e-5a1f0c9d2b11";

/// The ref of a session.
pub fn head(id: &str) -> String {
    format!("refs/sessions/heads/{id}")
}

/// Replaces what a read-only file holds.
pub fn overwrite(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("sets the mode");
    fs::write(path, bytes).expect("writes");
}
