//! Where Claude Code keeps its transcripts: `projects/<slug of the folder>/<id>.jsonl` under its configuration folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::agents::{AgentEnv, Companion};

/// Longest slug that the agent writes out; a longer one is cut here and gets a hash.
const SLUG_LIMIT: usize = 200;
/// Longest name of a tool's output that is taken: with the native id before it, it has to fit a stream's id.
const LONGEST_RESULT: usize = 60;

/// Where the transcript of an id belongs for a working folder.
pub(super) fn transcript(env: &AgentEnv, cwd: &Path, id: &str) -> Option<PathBuf> {
    let projects = projects(env)?;
    // The agent names the folder by its real path; one that is gone keeps the name that it was given.
    let cwd = fs::canonicalize(cwd).unwrap_or_else(|_| cwd.to_owned());
    // A name that is not UTF-8 reads as replacement characters there too: each becomes a hyphen.
    let folder = folder(&projects, &cwd.to_string_lossy());
    Some(projects.join(folder).join(format!("{id}.jsonl")))
}

/// The configuration folder in which a transcript lies (`<folder>/projects/<slug>/<id>.jsonl`), where it lies in one.
pub(super) fn env_of(env: &AgentEnv, transcript: &Path) -> AgentEnv {
    let projects =
        transcript.parent().and_then(Path::parent).filter(|p| p.file_name().is_some_and(|n| n == "projects"));
    let config = projects.and_then(Path::parent).map(Path::to_owned);
    AgentEnv { claude_config_dir: config.or_else(|| env.claude_config_dir.clone()), ..env.clone() }
}

/// The transcript of an id, in whatever project it lies.
pub(super) fn find(env: &AgentEnv, id: &str) -> Option<PathBuf> {
    let name = format!("{id}.jsonl");
    // An id with a separator in it would lead out of the folder.
    if id.contains(['/', '\0']) {
        return None;
    }
    let folders = fs::read_dir(projects(env)?).ok()?;
    let mut found: Vec<PathBuf> = folders.flatten().map(|f| f.path().join(&name)).filter(|p| p.is_file()).collect();
    found.sort();
    found.into_iter().next()
}

/// The project, at or above a folder, in whose place a transcript lies.
pub(super) fn project_of(transcript: &Path, cwd: &Path) -> Option<PathBuf> {
    let place = transcript.parent()?;
    let (projects, name) = (place.parent()?, place.file_name()?.to_str()?);
    if projects.file_name()? != "projects" {
        return None;
    }
    let cwd = fs::canonicalize(cwd).unwrap_or_else(|_| cwd.to_owned());
    let is_its = |above: &&Path| folder(projects, &above.to_string_lossy()) == name;
    cwd.ancestors().find(is_its).map(Path::to_owned)
}

/// Whether a file lies among the transcripts and is named as one.
pub(super) fn owns(env: &AgentEnv, path: &Path) -> bool {
    let projects = projects(env).and_then(|projects| projects.canonicalize().ok());
    path.extension().is_some_and(|e| e == "jsonl") && projects.is_some_and(|projects| path.starts_with(projects))
}

/// What lies beside a transcript, in the folder of its name: transcripts of subagents, and outputs of tools that were too
/// large for it. Only names that can stand in a stream's id are taken; the agent makes no others.
pub(super) fn companions(transcript: &Path) -> Vec<Companion> {
    let beside = transcript.with_extension("");
    let of = |folder: &str| -> Vec<(String, PathBuf)> {
        let entries = fs::read_dir(beside.join(folder)).into_iter().flatten().flatten();
        // A link leads who knows where.
        let files = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_file())).map(|e| e.path());
        let mut named: Vec<_> = files.filter_map(|p| Some((p.file_name()?.to_str()?.to_owned(), p))).collect();
        named.sort();
        named
    };
    let agents = of("subagents").into_iter().filter_map(|(name, path)| {
        let part = name.strip_suffix(".jsonl").filter(|stem| stem.starts_with("agent-"))?.to_owned();
        Some(Companion { part, path, is_final: false })
    });
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let results =
        of("tool-results").into_iter().filter(|(name, _)| name.len() <= LONGEST_RESULT && name.chars().all(plain));
    let results = results.map(|(name, path)| Companion { part: format!("result-{name}"), path, is_final: true });
    agents.chain(results).collect()
}

/// The agent's configuration folder.
pub(super) fn config(env: &AgentEnv) -> Option<PathBuf> {
    env.claude_config_dir.clone().or_else(|| env.home.as_ref().map(|home| home.join(".claude")))
}

fn projects(env: &AgentEnv) -> Option<PathBuf> {
    Some(config(env)?.join("projects"))
}

/// The project's folder. The hash of a long name differs between the agent's builds: one that is there is taken.
fn folder(projects: &Path, cwd: &str) -> String {
    let slug: String = cwd
        .encode_utf16()
        .map(|unit| u8::try_from(unit).ok().filter(u8::is_ascii_alphanumeric).map_or('-', char::from))
        .collect();
    if slug.len() <= SLUG_LIMIT {
        return slug;
    }
    let prefix = format!("{}-", &slug[..SLUG_LIMIT]);
    let there = fs::read_dir(projects).ok().and_then(|entries| {
        entries.flatten().filter_map(|e| e.file_name().into_string().ok()).filter(|n| n.starts_with(&prefix)).min()
    });
    there.unwrap_or_else(|| prefix + &string_hash(cwd))
}

/// The string hash that the agent's SDK uses, in base 36.
fn string_hash(text: &str) -> String {
    let hash = text.encode_utf16().fold(0_i32, |h, unit| h.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let mut rest = hash.unsigned_abs();
    let mut digits = Vec::new();
    loop {
        digits.extend(char::from_digit(rest % 36, 36));
        rest /= 36;
        if rest == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(home: &Path) -> AgentEnv {
        AgentEnv { home: Some(home.to_owned()), claude_config_dir: None, ..AgentEnv::default() }
    }

    #[test]
    fn what_is_no_ascii_letter_or_digit_is_a_hyphen_a_unit() {
        assert_eq!(folder(Path::new("/none"), "/home/d_v/a.b c"), "-home-d-v-a-b-c");
        assert_eq!(folder(Path::new("/none"), "/ü/😀"), "-----", "a surrogate pair is two units");
    }

    #[test]
    fn the_configuration_folder_is_told_by_where_a_transcript_lies() {
        let env = env(Path::new("/home/me"));
        let of = |path: &str| config(&env_of(&env, Path::new(path))).expect("a folder");
        assert_eq!(of("/other/projects/-p/a.jsonl"), Path::new("/other"));
        assert_eq!(of("/other/a.jsonl"), Path::new("/home/me/.claude"));
    }

    #[test]
    fn a_long_name_takes_the_folder_that_is_there() {
        let home = tempfile::tempdir().expect("a folder");
        let cwd = format!("/{}", "x".repeat(300));
        let path = transcript(&env(home.path()), Path::new(&cwd), "id").expect("a path");
        let name = |path: &Path| path.parent().and_then(Path::file_name).map(|n| n.to_owned()).expect("a folder");
        assert!(name(&path).len() > 201 && name(&path).len() < 210);
        let there = format!("-{}-bunhash", "x".repeat(199));
        fs::create_dir_all(home.path().join(".claude/projects").join(&there)).expect("makes");
        let path = transcript(&env(home.path()), Path::new(&cwd), "id").expect("a path");
        assert_eq!(name(&path), std::ffi::OsString::from(there));
    }

    #[test]
    fn the_string_hash_is_that_of_javascript() {
        assert_eq!(string_hash("hello"), "1n1e4y");
        assert_eq!(string_hash(""), "0");
    }

    #[test]
    fn a_transcript_tells_its_project_from_any_folder_in_it() {
        let of = |file: &str, cwd: &str| project_of(Path::new(file), Path::new(cwd));
        let file = "/h/projects/-w-no--claude-worktrees-x/i.jsonl";
        let top = Path::new("/w/no/.claude/worktrees/x");
        assert_eq!(of(file, "/w/no/.claude/worktrees/x/src").as_deref(), Some(top));
        assert_eq!(of(file, "/w/no"), None);
        assert_eq!(of("/elsewhere/-w-no/i.jsonl", "/w/no"), None);
    }

    #[test]
    fn a_transcript_is_found_in_any_project_and_its_subagents_beside_it() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join(".claude/projects/-else/abc.jsonl");
        let agents = home.path().join(".claude/projects/-else/abc/subagents");
        fs::create_dir_all(&agents).expect("makes");
        fs::write(&path, "").expect("writes");
        fs::write(agents.join("agent-7.jsonl"), "").expect("writes");
        fs::write(agents.join("agent-7.meta.json"), "").expect("writes");
        assert_eq!(find(&env(home.path()), "abc"), Some(path.clone()));
        assert_eq!(find(&env(home.path()), "abd"), None);
        assert_eq!(find(&env(home.path()), "../-else/abc"), None);
        let results = path.with_extension("").join("tool-results");
        fs::create_dir_all(&results).expect("makes");
        for name in ["toolu_1.txt", "odd name.txt"] {
            fs::write(results.join(name), "large").expect("writes");
        }
        std::os::unix::fs::symlink("/etc/passwd", results.join("link.txt")).expect("links");
        let found = companions(&path);
        let parts: Vec<_> = found.iter().map(|c| (c.part.as_str(), c.path.clone(), c.is_final)).collect();
        let agent = ("agent-7", agents.join("agent-7.jsonl"), false);
        assert_eq!(parts, [agent, ("result-toolu_1.txt", results.join("toolu_1.txt"), true)]);
        assert_eq!(find(&AgentEnv::default(), "abc"), None);
    }
}
