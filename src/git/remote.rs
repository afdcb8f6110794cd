//! Remotes: which one is meant, what it has, and sessions going there and coming back. Always by the user's own git, so that
//! their ssh, credential and proxy settings work; with a long deadline.
//!
//! Nothing here moves a ref of this repository: a fetch brings objects only, and the caller judges them before any ref moves.

use std::time::Duration;

use bstr::ByteSlice as _;

use super::cli::{Git, failure};
use super::ref_names::ADVERTISED;
use super::remote_url::{masked, masked_in};
use super::{Error, Oid, RefName, RemoteKey, RemoteProblem, Repo, Result};
use crate::base::SessionId;
use crate::base::process::Output;

/// Large conversations over slow lines are sent in one go.
const PATIENCE: Duration = Duration::from_secs(60 * 60);
/// A remote that says nothing for so long has stalled, where nobody is there who may be typing a password.
const SILENCE: Duration = Duration::from_secs(15);
/// Bytes that a list of refs may have.
const MOST_LISTED: usize = 64 << 20;
/// Sessions in one call of git, so that its arguments stay within what the system takes.
const AT_ONCE: usize = 400;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the remote.
    Push,
    /// From the remote.
    Fetch,
}

/// A remote, found once a command.
#[derive(Clone, Debug)]
pub struct Remote {
    /// As git is told: a name or a URL. Never shown.
    target: String,
    /// As shown: the name, or the URL masked.
    pub name: String,
    /// Its part of tracking refs.
    pub key: RemoteKey,
    /// Its URLs, masked.
    pub urls: Vec<String>,
    /// Its name where it is configured, for what git tracks of it.
    pub configured: Option<String>,
    /// Whether git may ask for a password on the terminal.
    asks: bool,
}

/// What a remote says that it has.
#[derive(Clone, Debug, Default)]
pub struct Advertised {
    /// Sessions and their tips, in the order of their ids.
    pub sessions: Vec<(SessionId, Oid)>,
    /// Refs where sessions should be that are none.
    pub odd: Vec<String>,
    /// Tips of branches and tags.
    pub others: Vec<Oid>,
}

impl Advertised {
    /// A session's tip there.
    pub fn session(&self, id: SessionId) -> Option<Oid> {
        self.sessions.iter().find(|(s, _)| *s == id).map(|(_, oid)| *oid)
    }
}

/// A session to send.
#[derive(Clone, Copy, Debug)]
pub struct Sending {
    /// Which.
    pub session: SessionId,
    /// The tip that it shall have there.
    pub tip: Oid,
    /// The tip that it has there; `None` where it is not there.
    pub expected: Option<Oid>,
}

/// Why a remote did not take a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rejection {
    /// It moved meanwhile.
    Moved,
    /// It takes no refs in our namespace.
    Namespace,
    /// A hook or rule of the remote declined.
    Hook,
    /// History that is cut.
    Shallow,
    /// Anything else.
    Other,
}

/// What became of a session that was sent.
#[derive(Clone, Debug)]
pub enum Sent {
    /// It is there.
    Done,
    /// It is not.
    Rejected(Rejection, String),
}

/// A setting of a remote by which git itself would publish sessions.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Exposure {
    /// The remote.
    pub remote: String,
    /// The key of the setting.
    pub setting: String,
    /// Its value.
    pub value: String,
}

/// The names of all configured remotes.
pub fn names(repo: &Repo) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for (key, _) in repo.config.matching("^remote\\..*\\.(push)?url$")? {
        let name = key.strip_prefix("remote.").and_then(|k| k.rsplit_once('.')).map(|(name, _)| name.to_owned());
        names.extend(name.filter(|name| !names.contains(name)));
    }
    Ok(names)
}

/// Settings by which a plain `git push` or `git fetch` would carry sessions: mirrors, and refspecs as wide as `*`.
pub fn exposures(repo: &Repo) -> Result<Vec<Exposure>> {
    let mut found = Vec::new();
    for (key, value) in repo.config.matching("^remote\\..*\\.(mirror|push|fetch)$")? {
        let Some((remote, setting)) = key.strip_prefix("remote.").and_then(|k| k.rsplit_once('.')) else { continue };
        let text = value.to_str_lossy();
        let wide = match setting {
            "mirror" => repo.config.bool(&key)?.unwrap_or(false),
            _ => RefName::pattern_takes_sessions(text.trim_start_matches(['+', '^']).split(':').next().unwrap_or("")),
        };
        if wide {
            found.push(Exposure { remote: remote.to_owned(), value: text.into_owned(), setting: key.clone() });
        }
    }
    Ok(found)
}

impl Remote {
    /// The remote that is named, else the default: the branch's own, else `origin`, else the only one; for a push also what
    /// `branch.<name>.pushRemote` and `remote.pushDefault` say. `asks`: a person is there to type a password.
    ///
    /// # Errors
    /// [`Error::Remote`]: none, several, or for a push a mirror.
    pub fn find(repo: &Repo, named: Option<&str>, direction: Direction, asks: bool) -> Result<Self> {
        let known = names(repo)?;
        let target = match named {
            Some(named) => named.to_owned(),
            None => default(repo, &known, direction)?,
        };
        let configured = known.contains(&target).then(|| target.clone());
        let problem = |problem, said: String| Error::Remote { remote: masked(&target), problem, said };
        if configured.is_none() && (target.starts_with('-') || !looks_like_a_url(repo, &target)) {
            return Err(problem(RemoteProblem::Unknown, "no such remote".to_owned()));
        }
        if let (Some(name), Direction::Push) = (&configured, direction)
            && repo.config.bool(&format!("remote.{name}.mirror"))?.unwrap_or(false)
        {
            let said = "it is a mirror: git sends it every ref, and takes no single sessions".to_owned();
            return Err(problem(RemoteProblem::Mirror, said));
        }
        let urls = match &configured {
            Some(name) => {
                let mut args = vec!["remote", "get-url", "--all"];
                if direction == Direction::Push {
                    args.push("--push");
                }
                let out = Git::new(repo).args(args).args(["--", name]).run(&format!("look up the remote {name}"))?;
                out.lines().map(|line| masked(&line.to_str_lossy())).collect()
            }
            None => vec![masked(&target)],
        };
        let key = match &configured {
            Some(name) => RemoteKey::of_name(name)?,
            None => RemoteKey::of_url(&masked(&target))?,
        };
        let name = masked(&target);
        Ok(Self { target, name, key, urls, configured, asks })
    }

    /// What it has: sessions, branches, tags.
    pub fn advertised(&self, repo: &Repo) -> Result<Advertised> {
        let git = self.git(repo).bounded(Some(patience(repo)?), MOST_LISTED);
        let out = git.args(["ls-remote", "--", &self.target]).args(ADVERTISED).output()?;
        if !out.ok() {
            return Err(self.trouble(&out));
        }
        let mut found = Advertised::default();
        for line in out.stdout.lines() {
            let Some((oid, name)) = line.to_str().ok().and_then(|line| line.split_once('\t')) else { continue };
            let Ok(oid) = Oid::parse(oid) else { continue };
            if !name.starts_with(RefName::session_heads_prefix()) {
                found.others.push(oid);
            } else if let Some(id) = RefName::from_git(name).ok().and_then(|name| name.as_session_head()) {
                found.sessions.push((id, oid));
            } else {
                found.odd.push(name.to_owned());
            }
        }
        found.sessions.sort_unstable();
        found.sessions.dedup_by_key(|(id, _)| *id);
        Ok(found)
    }

    /// Brings the objects of these sessions. No ref of this repository moves.
    pub fn fetch(&self, repo: &Repo, sessions: &[SessionId]) -> Result<()> {
        let names: String = sessions.iter().map(|id| format!("{}\n", RefName::session_head(*id))).collect();
        self.fetch_specs(repo, names, &[])
    }

    /// Brings the objects of all sessions. No ref of this repository moves: git only says which it would.
    pub fn fetch_all(&self, repo: &Repo) -> Result<()> {
        self.fetch_specs(repo, format!("{}\n", RefName::all_sessions_of(&self.key)), &["--dry-run"])
    }

    fn fetch_specs(&self, repo: &Repo, specs: String, more: &[&str]) -> Result<()> {
        let flags = [
            "fetch",
            "--quiet",
            // Shows that it has not stalled.
            "--progress",
            "--no-tags",
            "--no-filter",
            "--no-recurse-submodules",
            "--no-auto-maintenance",
            "--no-write-fetch-head",
            "--no-prune",
            "--refmap=",
            "--stdin",
        ];
        let git = self.git(repo).bounded(Some(patience(repo)?), MOST_LISTED);
        let git = git.args(flags).args(more.iter().copied()).args(["--", &self.target]);
        let mut out = git.stdin(specs.into_bytes()).output()?;
        out.stderr = without_progress(&out.stderr);
        if out.ok() { Ok(()) } else { Err(self.trouble(&out)) }
    }

    /// Sends sessions; what became of each. A session whose tip there is not the expected one is rejected.
    ///
    /// # Errors
    /// The remote could not be reached or went away: nothing is known of what it took.
    pub fn push(&self, repo: &Repo, sessions: &[Sending]) -> Result<Vec<(SessionId, Sent)>> {
        let mut sent = Vec::with_capacity(sessions.len());
        for some in sessions.chunks(AT_ONCE) {
            sent.extend(self.push_some(repo, some)?);
        }
        Ok(sent)
    }

    fn push_some(&self, repo: &Repo, sessions: &[Sending]) -> Result<Vec<(SessionId, Sent)>> {
        let flags =
            ["push", "--porcelain", "--no-verify", "--recurse-submodules=no", "--no-follow-tags", "--no-signed"];
        let leases = sessions.iter().map(|s| {
            let expected = s.expected.map(|oid| oid.to_string()).unwrap_or_default();
            format!("--force-with-lease={}:{expected}", RefName::session_head(s.session))
        });
        let specs = sessions.iter().map(|s| format!("{}:{}", s.tip, RefName::session_head(s.session)));
        let out = self.git(repo).args(flags).args(leases).args(["--", &self.target]).args(specs).output()?;
        let said_there = remote_lines(&out);
        let mut sent = Vec::new();
        for line in out.stdout.lines() {
            let Some((id, verdict)) = line.to_str().ok().and_then(|line| porcelain(line, &said_there)) else {
                continue;
            };
            sent.push((id, verdict));
        }
        if sent.is_empty() && !out.ok() {
            return Err(self.trouble(&out));
        }
        Ok(sent)
    }

    fn git(&self, repo: &Repo) -> Git {
        let git = Git::new(repo).deadline(PATIENCE);
        if self.asks { git.may_ask() } else { git }
    }

    /// What git's failure means.
    fn trouble(&self, out: &Output) -> Error {
        let all = out.stderr.to_str_lossy().to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| all.contains(word));
        let problem =
            if has(&["authentication failed", "prompts disabled", "permission denied", "could not read username"])
                || has(&[
                    "could not read password",
                    "access denied",
                    "error: 401",
                    "error: 403",
                    "host key verification",
                ])
            {
                RemoteProblem::Denied
            } else if has(&["shallow"]) {
                RemoteProblem::Shallow
            } else if has(&["early eof", "unexpected disconnect", "index-pack failed", "remote end hung up"]) {
                RemoteProblem::Vanished
            } else if has(&[
                "could not resolve",
                "unable to",
                "connect",
                "not appear to be a git",
                "could not read from",
            ]) || has(&["not found", "no such file"])
            {
                RemoteProblem::Unreachable
            } else {
                RemoteProblem::Other
            };
        let said = match failure("", out) {
            Error::Git { said, .. } => masked_in(&said),
            other => other.to_string(),
        };
        Error::Remote { remote: self.name.clone(), problem, said }
    }
}

/// How long a remote may say nothing (`session.remote.patience`, seconds).
fn patience(repo: &Repo) -> Result<Duration> {
    let configured = repo.config.int("session.remote.patience")?.and_then(|n| u64::try_from(n).ok());
    Ok(configured.filter(|n| *n > 0).map_or(SILENCE, Duration::from_secs))
}

/// What git says beside how far it is.
fn without_progress(said: &[u8]) -> Vec<u8> {
    let is_progress = |line: &[u8]| {
        let line = line.strip_prefix(b"remote: ").unwrap_or(line).trim_ascii();
        let words: [&[u8]; 6] = [b"Enumerating", b"Counting", b"Compressing", b"Receiving", b"Resolving", b"Total "];
        line.is_empty() || words.iter().any(|word| line.starts_with(word))
    };
    let lines = said.split(|b| matches!(b, b'\n' | b'\r')).filter(|line| !is_progress(line));
    lines.flat_map(|line| line.iter().copied().chain([b'\n'])).collect()
}

/// The remote that is meant when none is named.
fn default(repo: &Repo, known: &[String], direction: Direction) -> Result<String> {
    let branch = repo.head()?.branch.as_ref().and_then(|b| b.as_branch()).map(str::to_owned);
    let of_branch = |key: &str| branch.as_ref().map(|b| format!("branch.{b}.{key}"));
    let keys = match direction {
        Direction::Push => vec![of_branch("pushRemote"), Some("remote.pushDefault".to_owned()), of_branch("remote")],
        Direction::Fetch => vec![of_branch("remote")],
    };
    for key in keys.into_iter().flatten() {
        // `.` is this repository itself.
        if let Some(value) = repo.config.bytes(&key)?.filter(|v| v != ".") {
            return Ok(value.to_str_lossy().into_owned());
        }
    }
    match known {
        _ if known.iter().any(|name| name == "origin") => Ok("origin".to_owned()),
        [only] => Ok(only.clone()),
        [] => Err(Error::Remote {
            remote: "(none)".to_owned(),
            problem: RemoteProblem::Unknown,
            said: "this repository has no remote".to_owned(),
        }),
        several => Err(Error::Remote {
            remote: several.join(", "),
            problem: RemoteProblem::Several,
            said: "several remotes, and none is the default".to_owned(),
        }),
    }
}

/// Whether a text that is no remote's name can be a URL or a path.
fn looks_like_a_url(repo: &Repo, text: &str) -> bool {
    let there = repo.work_dir.as_deref().unwrap_or(&repo.git_dir).join(text).is_dir();
    text.contains(':') || text.contains('/') || there
}

/// Lines that the remote's own hooks and rules wrote.
fn remote_lines(out: &Output) -> Vec<String> {
    let lines = out.stderr.lines().filter_map(|line| line.strip_prefix(b"remote:"));
    lines.map(|line| line.to_str_lossy().trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// One line of `git push --porcelain`: a flag, the refs, a summary, each after a tab.
fn porcelain(line: &str, said_there: &[String]) -> Option<(SessionId, Sent)> {
    let mut parts = line.split('\t');
    let (flag, refs, summary) = (parts.next()?, parts.next()?, parts.next()?);
    let (_, there) = refs.rsplit_once(':')?;
    let id = RefName::from_git(there).ok()?.as_session_head()?;
    if flag != "!" {
        return Some((id, Sent::Done));
    }
    let reason = summary.rsplit_once('(').map_or(summary, |(_, reason)| reason.trim_end_matches(')'));
    let has = |words: &[&str]| {
        let said = said_there.iter().map(|line| line.to_ascii_lowercase()).chain([reason.to_ascii_lowercase()]);
        said.into_iter().any(|line| words.iter().any(|word| line.contains(word)))
    };
    let rejection = if has(&["stale info", "fetch first", "non-fast-forward", "failed to update ref", "incorrect old"])
    {
        Rejection::Moved
    } else if has(&["shallow"]) {
        Rejection::Shallow
    } else if has(&[
        "hidden ref",
        "not in a recognized",
        "funny refname",
        "prohibited",
        "invalid ref",
        "not allowed to",
    ]) {
        Rejection::Namespace
    } else if has(&["hook declined", "rule violation", "declined"]) {
        Rejection::Hook
    } else {
        Rejection::Other
    };
    let mut said = vec![reason.to_owned()];
    said.extend(said_there.iter().take(3).cloned());
    Some((id, Sent::Rejected(rejection, masked_in(&said.join("; ")))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    const ID: &str = "094320c0-d68c-4670-b77b-7456115d8c99";

    fn verdict(line: &str, said: &[&str]) -> Option<Sent> {
        let said: Vec<String> = said.iter().map(|s| (*s).to_owned()).collect();
        porcelain(line, &said).map(|(_, sent)| sent)
    }

    #[test]
    fn what_git_says_of_a_push_is_told_apart() {
        let head = format!("abc:refs/sessions/heads/{ID}");
        assert!(matches!(verdict(&format!("*\t{head}\t[new reference]"), &[]), Some(Sent::Done)));
        assert!(matches!(verdict(&format!(" \t{head}\ta..b"), &[]), Some(Sent::Done)));
        for (summary, said, wanted) in [
            ("[rejected] (stale info)", &[][..], Rejection::Moved),
            ("[remote rejected] (pre-receive hook declined)", &["no"], Rejection::Hook),
            ("[remote rejected] (deny updating a hidden ref)", &[], Rejection::Namespace),
            ("[remote rejected] (shallow update not allowed)", &[], Rejection::Shallow),
            ("[remote rejected] (disk is full)", &[], Rejection::Other),
        ] {
            let got = verdict(&format!("!\t{head}\t{summary}"), said);
            assert!(matches!(&got, Some(Sent::Rejected(r, _)) if *r == wanted), "{summary}: {got:?}");
        }
        assert!(verdict("To /srv/x.git", &[]).is_none() && verdict("Done", &[]).is_none());
        assert!(verdict("*\tabc:refs/heads/main\t[new branch]", &[]).is_none());
    }

    #[test]
    fn of_what_git_says_only_how_far_it_is_is_left_out() {
        let said = b"remote: Counting objects:  50% (1/2)\rremote: Counting objects: 100% (2/2), done.\nfatal: no\nremote: rule\n";
        assert_eq!(without_progress(said), b"fatal: no\nremote: rule\n");
    }

    #[test]
    fn the_default_remote_is_that_of_git() {
        let bench = Bench::plain();
        let find = |named, direction| Remote::find(&bench.repo(), named, direction, false);
        let name = |named, direction| find(named, direction).expect("finds one").name;
        assert!(matches!(find(None, Direction::Push), Err(Error::Remote { problem: RemoteProblem::Unknown, .. })));
        bench.git(&["remote", "add", "team", "https://me:secret@example.invalid/x.git"]);
        assert_eq!(name(None, Direction::Push), "team", "the only one");
        assert_eq!(find(None, Direction::Push).expect("finds it").urls, ["https://***@example.invalid/x.git"]);
        bench.git(&["remote", "add", "fork", "/nowhere"]);
        assert!(matches!(find(None, Direction::Push), Err(Error::Remote { problem: RemoteProblem::Several, .. })));
        bench.git(&["remote", "add", "origin", "/nowhere"]);
        assert_eq!(name(None, Direction::Push), "origin");
        bench.git(&["config", "branch.main.remote", "team"]);
        bench.git(&["config", "remote.pushDefault", "fork"]);
        assert_eq!((name(None, Direction::Push).as_str(), name(None, Direction::Fetch).as_str()), ("fork", "team"));
        for bad in ["nothing", "-x", "--upload-pack=evil/x"] {
            assert!(find(Some(bad), Direction::Fetch).is_err(), "{bad}");
        }
        assert_eq!(name(Some("https://t:u@h/x"), Direction::Fetch), "https://***@h/x");
    }

    #[test]
    fn mirrors_and_wide_refspecs_are_found() {
        let bench = Bench::plain();
        bench.git(&["remote", "add", "origin", "/nowhere"]);
        assert_eq!(exposures(&bench.repo()).expect("reads"), []);
        bench.git(&["config", "remote.origin.mirror", "true"]);
        bench.git(&["config", "--add", "remote.origin.push", "+refs/*:refs/*"]);
        let found = exposures(&bench.repo()).expect("reads");
        let found: Vec<_> = found.iter().map(|e| format!("{}={}", e.setting, e.value)).collect();
        assert_eq!(found, ["remote.origin.mirror=true", "remote.origin.push=+refs/*:refs/*"]);
        let refused = Remote::find(&bench.repo(), Some("origin"), Direction::Push, false);
        assert!(matches!(refused, Err(Error::Remote { problem: RemoteProblem::Mirror, .. })));
    }
}
