//! Sessions as a stranger's tool could push them: raw git objects, written into a bare repository. Nothing is checked, which is
//! the point: a valid session of one checkpoint and one turn, but for what a test changes in its [`Parts`].

use std::path::Path;

use git2::{ObjectType, Repository};
use serde_json::{Value, json};

/// An entry of a tree: mode, name, object.
pub type Entry = (&'static str, Vec<u8>, String);

/// The repository that is written into.
pub struct Stranger {
    repo: Repository,
    /// The project's commit that everybody has.
    pub base: String,
}

/// What a session is made of.
#[derive(Clone)]
pub struct Parts {
    /// Files of its code.
    pub files: Vec<Entry>,
    /// The whole tree of its code, in the place of `files`.
    pub code_tree: Option<String>,
    /// Its code commit, in the place of one that is made.
    pub code: Option<String>,
    /// Parents of the code commit.
    pub code_parents: Vec<String>,
    /// `session.json`; `None` leaves it out.
    pub record: Option<Value>,
    /// Rows of turns.
    pub rows: Vec<Vec<u8>>,
    /// Pieces of the transcript.
    pub pieces: Vec<Vec<u8>>,
    /// Other entries of the session tree; one of the same name is replaced.
    pub extra: Vec<Entry>,
    /// Entries of the session tree that are left out.
    pub without: Vec<&'static str>,
    /// Trailers; a `None` leaves one out.
    pub trailers: Vec<(&'static str, Option<String>)>,
    /// The number.
    pub number: u64,
    /// The checkpoint before: session commit and code commit.
    pub previous: Option<(String, String)>,
    /// More parents of the session commit.
    pub more_parents: Vec<String>,
    /// What stands before the trailers.
    pub subject: String,
    /// The name and address of its author.
    pub author: String,
}

/// The id of the session with this number.
pub fn id(n: u32) -> String {
    format!("00000000-0000-4000-8000-{n:012x}")
}

impl Stranger {
    /// In a bare repository that has the project's commit.
    pub fn new(remote: &Path, base: &str) -> Self {
        Self { repo: Repository::open_bare(remote).expect("opens"), base: base.to_owned() }
    }

    fn object(&self, kind: ObjectType, content: &[u8]) -> String {
        let odb = self.repo.odb().expect("has objects");
        odb.write(kind, content).expect("writes").to_string()
    }

    /// A blob.
    pub fn blob(&self, content: impl AsRef<[u8]>) -> String {
        self.object(ObjectType::Blob, content.as_ref())
    }

    /// A tag object.
    pub fn tag(&self, target: &str) -> String {
        let who = "A Stranger <stranger@example.invalid> 1767323045 +0000";
        self.object(ObjectType::Tag, format!("object {target}\ntype commit\ntag t\ntagger {who}\n\nx\n").as_bytes())
    }

    /// A tree of any entries, in git's order.
    pub fn tree(&self, entries: impl IntoIterator<Item = Entry>) -> String {
        let mut entries: Vec<Entry> = entries.into_iter().collect();
        let key = |(mode, name, _): &Entry| [name.as_slice(), if *mode == "40000" { b"/" } else { b"" }].concat();
        entries.sort_by_key(key);
        let mut bytes = Vec::new();
        for (mode, name, oid) in entries {
            bytes.extend_from_slice(format!("{mode} ").as_bytes());
            bytes.extend_from_slice(&name);
            bytes.push(0);
            let hex = |at: usize| u8::from_str_radix(&oid[at..at + 2], 16).expect("hex");
            bytes.extend((0..oid.len()).step_by(2).map(hex));
        }
        self.object(ObjectType::Tree, &bytes)
    }

    /// An entry of a file.
    pub fn file(&self, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Entry {
        ("100644", name.as_ref().to_vec(), self.blob(content))
    }

    /// An entry of a directory.
    pub fn dir(&self, name: impl AsRef<[u8]>, entries: impl IntoIterator<Item = Entry>) -> Entry {
        ("40000", name.as_ref().to_vec(), self.tree(entries))
    }

    /// A directory that many deep.
    pub fn nested(&self, depth: usize, name: &str) -> Entry {
        (0..depth).fold(self.file("f", "x"), |inner, _| self.dir(name, [inner]))
    }

    /// A commit.
    pub fn commit(&self, tree: &str, parents: &[String], author: &str, message: &str) -> String {
        let parents: String = parents.iter().map(|p| format!("parent {p}\n")).collect();
        let who = format!("{author} 1767323045 +0000");
        self.object(
            ObjectType::Commit,
            format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n\n{message}").as_bytes(),
        )
    }

    /// Lets a ref point at an object of any kind.
    pub fn point(&self, n: u32, oid: &str) {
        let oid = git2::Oid::from_str(oid).expect("an id");
        self.repo.reference(&format!("refs/sessions/heads/{}", id(n)), oid, true, "test").expect("sets the ref");
    }

    /// The parts of a valid session.
    pub fn parts(&self, n: u32) -> Parts {
        let id = id(n);
        let line = |role: &str, text: &str| json!({"role": role, "text": text}).to_string() + "\n";
        let chat = line("user", "hello") + &line("assistant", "done");
        let none = json!({"input": 0, "output": 0, "cache_write": 0, "cache_read": 0});
        let time = "2026-01-02T03:04:05.000Z";
        let row = json!({
            "turn": 1, "stream": id, "key": "p1", "start": 0, "end": chat.len(), "prompt": "hello", "started_at": time,
            "ended_at": time, "checkpoints": [1], "end_checkpoint": 1, "errors": 0, "tokens": none,
        });
        let record = json!({
            "id": id, "label": format!("sess_20260102_{:03}", n % 1000), "title": "work of a stranger",
            "title_source": "first-message", "agent": {"kind": "generic", "version": "1", "native_ids": [id], "live": id},
            "project": "p", "cwd": "/srv/x", "worktree": "main", "created_at": time, "updated_at": time, "rows": 1, "turns": 1,
            "active_ms": 1, "usage": none,
            "streams": [{"id": id, "bytes": chat.len(), "pieces": 1, "sealed": 0, "sealed_bytes": 0}],
        });
        Parts {
            files: vec![self.file("a.txt", "two\n")],
            code_tree: None,
            code: None,
            code_parents: vec![self.base.clone()],
            record: Some(record),
            rows: vec![row.to_string().into_bytes()],
            pieces: vec![chat.into_bytes()],
            extra: Vec::new(),
            without: Vec::new(),
            trailers: Vec::new(),
            number: 1,
            previous: None,
            more_parents: Vec::new(),
            subject: "save 1: work".to_owned(),
            author: "A Stranger <stranger@example.invalid>".to_owned(),
        }
    }

    /// The session tree of parts.
    pub fn records(&self, n: u32, parts: &Parts) -> String {
        let numbered = |all: &[Vec<u8>], digits: usize| -> Vec<Entry> {
            let mut fans: Vec<Vec<Entry>> = Vec::new();
            for (at, content) in all.iter().enumerate() {
                if at % 256 == 0 {
                    fans.push(Vec::new());
                }
                let entry = self.file(format!("{:0digits$x}", at % 256), content);
                fans.last_mut().expect("one").push(entry);
            }
            fans.into_iter().enumerate().map(|(at, fan)| self.dir(format!("{at:0digits$x}"), fan)).collect()
        };
        let native =
            parts.record.as_ref().and_then(|r| r["streams"][0]["id"].as_str()).map_or_else(|| id(n), str::to_owned);
        let mut entries = vec![
            self.file("manifest.json", r#"{"type":"session.meta","version":1}"#),
            self.dir("chat", [self.dir(native, numbered(&parts.pieces, 4))]),
            self.dir("turns", numbered(&parts.rows, 2)),
            self.file("modes", r#"{"umask":"0022","paths":{}}"#),
        ];
        entries.extend(parts.record.as_ref().map(|record| self.file("session.json", record.to_string())));
        let replaced =
            |name: &[u8]| parts.extra.iter().any(|e| e.1 == name) || parts.without.iter().any(|w| w.as_bytes() == name);
        entries.retain(|(_, name, _)| !replaced(name));
        entries.extend(parts.extra.iter().cloned());
        self.tree(entries)
    }

    /// A session of these parts below its ref; session commit and code commit.
    pub fn push(&self, n: u32, parts: &Parts) -> (String, String) {
        let made = self.checkpoint(n, parts);
        self.point(n, &made.0);
        made
    }

    /// The same without a ref.
    pub fn checkpoint(&self, n: u32, parts: &Parts) -> (String, String) {
        let (id, number) = (id(n), parts.number);
        let before = parts.previous.clone();
        let code = parts.code.clone().or_else(|| before.as_ref().map(|b| b.1.clone())).unwrap_or_else(|| {
            let tree = parts.code_tree.clone().unwrap_or_else(|| self.tree(parts.files.iter().cloned()));
            let message = format!("save {number}\n\nSession: {id}\nCheckpoint: {number}\n");
            self.commit(&tree, &parts.code_parents, &parts.author, &message)
        });
        let mut trailers = vec![
            ("Session", Some(id)),
            ("Checkpoint", Some(number.to_string())),
            ("Kind", Some("save".to_owned())),
            ("Scope", Some("full".to_owned())),
            ("Code", Some(code.clone())),
            ("Previous", before.as_ref().map(|b| b.0.clone())),
            ("Base", Some(self.base.clone())),
            ("Head", Some("main".to_owned())),
            ("Agent", Some("generic".to_owned())),
        ];
        for (key, value) in &parts.trailers {
            match trailers.iter_mut().find(|t| t.0 == *key) {
                Some(there) => there.1.clone_from(value),
                None => trailers.push((key, value.clone())),
            }
        }
        let trailers: String =
            trailers.into_iter().filter_map(|(key, value)| Some(format!("{key}: {}\n", value?))).collect();
        let parents: Vec<String> = std::iter::once(code.clone())
            .chain(before.map(|b| b.0))
            .chain(parts.more_parents.iter().cloned())
            .collect();
        let tree = self.records(n, parts);
        (self.commit(&tree, &parents, &parts.author, &format!("{}\n\n{trailers}", parts.subject)), code)
    }
}
