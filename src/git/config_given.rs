//! Values of git's configuration that libgit2 does not read: files that are included under a condition, where libgit2 has no
//! repository to judge by, and what a command line gave (`git -c`, `GIT_CONFIG_COUNT`).
//!
//! Limits: of a command line only keys below `session` count, for the others git itself has applied to what it did. The
//! relative path of an include that stands in an included file counts from that file; a condition there is followed, too.

use std::path::{Path, PathBuf};

use bstr::{BString, ByteSlice as _};
use git2::ConfigLevel;

use super::ref_names::RefName;
use super::refs_cli::CliRefs;
use super::repo::RepoEnv;
use super::wildmatch::{self, Flags};
use super::{Error, Result};
use crate::base::supplied::{self, Links};

/// Files deep that a condition may lead to.
const DEEPEST: u32 = 10;
/// The section that a command line may set for us.
const OURS: &str = "session.";

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    /// The level that its file is of, in libgit2's order.
    pub level: i32,
    /// In git's normal form: section and name in small letters.
    pub key: String,
    /// The value; `true` where none was given.
    pub value: BString,
}

/// What a command line gave, after every file.
pub(super) fn of_command_line(env: &RepoEnv) -> Vec<Given> {
    let text = env.config_parameters.as_deref().unwrap_or_default();
    let pairs = env.config_pairs.iter().map(|(key, value)| (key.clone(), value.clone()));
    parameters(text)
        .into_iter()
        .chain(pairs)
        .map(|(key, value)| (normal(&key), value))
        .filter(|(key, _)| key.starts_with(OURS))
        .map(|(key, value)| Given { level: i32::MAX, key, value })
        .collect()
}

/// `GIT_CONFIG_PARAMETERS`: words in single quotes, `'key=value'`, `'key'='value'` or `'key'`.
fn parameters(text: &[u8]) -> Vec<(String, BString)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((key, after)) = quoted(rest.trim_ascii_start()) {
        rest = after;
        if let Some(after) = rest.strip_prefix(b"=") {
            let (value, after) = quoted(after).unwrap_or((b"true".to_vec(), after));
            rest = after;
            found.push((key.to_str_lossy().into_owned(), value.into()));
            continue;
        }
        let (key, value) = key.split_once_str("=").unwrap_or((key.as_slice(), b"true".as_slice()));
        found.push((key.to_str_lossy().into_owned(), value.into()));
    }
    found
}

/// One word in single quotes, in which `'\''` and `'\!'` stand for the letter; and what comes after it.
fn quoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"'")?;
    let mut word = Vec::new();
    loop {
        let end = rest.find_byte(b'\'')?;
        word.extend_from_slice(&rest[..end]);
        rest = &rest[end + 1..];
        match rest {
            [b'\\', letter @ (b'\'' | b'!'), b'\'', after @ ..] => {
                word.push(*letter);
                rest = after;
            }
            _ => return Some((word, rest)),
        }
    }
}

/// Section and name in small letters, what is between them as it is.
fn normal(key: &str) -> String {
    let Some((section, rest)) = key.split_once('.') else { return key.to_ascii_lowercase() };
    let section = section.to_ascii_lowercase();
    match rest.rsplit_once('.') {
        Some((sub, name)) => format!("{section}.{sub}.{}", name.to_ascii_lowercase()),
        None => format!("{section}.{}", rest.to_ascii_lowercase()),
    }
}

/// What files hold that are included under conditions.
#[derive(Default)]
pub(super) struct Included {
    pub values: Vec<Given>,
    /// Each with the level that it counts for.
    pub files: Vec<(i32, git2::Config)>,
}

/// What conditions are judged by.
pub(super) struct Judge<'a> {
    pub git_dir: &'a Path,
    pub common_dir: &'a Path,
    pub env: &'a RepoEnv,
    /// libgit2 judges of git dirs and branches itself; only what it does not know is left.
    pub by_libgit2: bool,
}

impl Judge<'_> {
    /// All files that are included under conditions that hold.
    pub(super) fn included(&self, config: &git2::Config) -> Result<Included> {
        let mut found = Included::default();
        for include in entries(config, Some(r"^includeif\..*\.path$"))? {
            self.follow(config, &include, &self.home_of(include.level), 0, &mut found)?;
        }
        Ok(found)
    }

    fn follow(
        &self,
        config: &git2::Config,
        include: &Given,
        from: &Path,
        depth: u32,
        found: &mut Included,
    ) -> Result<()> {
        let condition =
            include.key.strip_prefix("includeif.").and_then(|k| k.strip_suffix(".path")).unwrap_or_default();
        if depth == DEEPEST || !self.holds(config, condition, from)? {
            return Ok(());
        }
        let path = self.expanded(&include.value, from);
        if !path.is_file() {
            // As git: an include that is not there is none.
            return Ok(());
        }
        let attempted = || format!("read {}", path.display());
        let file = git2::Config::open(&path).map_err(Error::libgit2(attempted()))?;
        let folder = path.parent().unwrap_or(from).to_owned();
        for entry in entries(&file, None)? {
            let entry = Given { level: include.level, ..entry };
            if entry.key.starts_with("includeif.") && entry.key.ends_with(".path") {
                self.follow(config, &entry, &folder, depth + 1, found)?;
            } else {
                found.values.push(entry);
            }
        }
        found.files.push((include.level, file));
        Ok(())
    }

    fn holds(&self, config: &git2::Config, condition: &str, from: &Path) -> Result<bool> {
        let Some((kind, pattern)) = condition.split_once(':') else { return Ok(false) };
        let pathname = |fold_case| Flags { pathname: true, fold_case };
        Ok(match kind {
            "gitdir" | "gitdir/i" if !self.by_libgit2 => {
                let pattern = self.git_dir_pattern(pattern, from);
                wildmatch::matches(&pattern, bytes(self.git_dir), pathname(kind.ends_with("/i")))
            }
            "onbranch" if !self.by_libgit2 => {
                let Some(branch) = self.branch()? else { return Ok(false) };
                let all = if pattern.ends_with('/') { "**" } else { "" };
                wildmatch::matches(format!("{pattern}{all}").as_bytes(), branch.as_bytes(), pathname(false))
            }
            "hasconfig" => match pattern.strip_prefix("remote.*.url:") {
                Some(pattern) => entries(config, Some(r"^remote\..*\.url$"))?
                    .iter()
                    .any(|url| wildmatch::matches(pattern.as_bytes(), &url.value, pathname(false))),
                None => false,
            },
            _ => false,
        })
    }

    /// By git's rules: `~/` the home, `./` beside the file, else anywhere; a directory with all in it.
    fn git_dir_pattern(&self, pattern: &str, from: &Path) -> Vec<u8> {
        let mut full = match (pattern.strip_prefix("~/"), pattern.strip_prefix("./"), &self.env.home) {
            (Some(rest), _, Some(home)) => {
                bytes(&home.canonicalize().unwrap_or_else(|_| home.clone()).join(rest)).to_vec()
            }
            (_, Some(rest), _) => bytes(&from.canonicalize().unwrap_or_else(|_| from.to_owned()).join(rest)).to_vec(),
            _ if pattern.starts_with('/') => pattern.as_bytes().to_vec(),
            _ => format!("**/{pattern}").into_bytes(),
        };
        if full.ends_with(b"/") {
            full.extend_from_slice(b"**");
        }
        full
    }

    /// The branch that HEAD is on.
    fn branch(&self) -> Result<Option<String>> {
        let head = supplied::read_rules(&self.git_dir.join("HEAD"), Links::Follow)?.unwrap_or_default();
        let head = String::from_utf8_lossy(&head);
        let Some(name) = head.trim_end().strip_prefix("ref: ") else { return Ok(None) };
        let name = if name.ends_with("/.invalid") {
            // Another ref format: only git knows.
            let git = CliRefs::new(self.git_dir, None, self.env).git_in(self.git_dir);
            let out = git.args(["symbolic-ref", "-q", "HEAD"]).output()?;
            String::from_utf8_lossy(&out.stdout).trim_end().to_owned()
        } else {
            name.to_owned()
        };
        Ok(RefName::from_git(&name).ok().and_then(|name| name.as_branch().map(str::to_owned)))
    }

    fn expanded(&self, value: &BString, from: &Path) -> PathBuf {
        let text = value.to_str_lossy();
        match (text.strip_prefix("~/"), &self.env.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => from.join(&*text),
        }
    }

    /// The directory that the files of a level lie in.
    fn home_of(&self, level: i32) -> PathBuf {
        let parent = |path: &PathBuf| path.parent().map(Path::to_owned);
        let env = self.env;
        let of = if level == ConfigLevel::Local as i32 {
            Some(self.common_dir.to_owned())
        } else if level == ConfigLevel::Worktree as i32 {
            Some(self.git_dir.to_owned())
        } else if level == ConfigLevel::Global as i32 {
            env.config_global.as_ref().and_then(parent).or_else(|| env.home.clone())
        } else if level == ConfigLevel::XDG as i32 {
            env.xdg_config_home.clone().or_else(|| env.home.as_ref().map(|h| h.join(".config"))).map(|x| x.join("git"))
        } else {
            env.config_system.as_ref().and_then(parent)
        };
        of.unwrap_or_else(|| PathBuf::from("/etc"))
    }
}

fn bytes(path: &Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes()
}

fn entries(config: &git2::Config, pattern: Option<&str>) -> Result<Vec<Given>> {
    let attempted = "read git's configuration";
    let mut found = Vec::new();
    config
        .entries(pattern)
        .map_err(Error::libgit2(attempted))?
        .for_each(|entry| {
            found.push(Given {
                level: entry.level() as i32,
                key: String::from_utf8_lossy(entry.name_bytes()).into_owned(),
                value: if entry.has_value() { entry.value_bytes().into() } else { "true".into() },
            });
        })
        .map_err(Error::libgit2(attempted))?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn what_git_c_gives_is_read_in_every_form_and_only_for_us() {
        let env = RepoEnv {
            config_parameters: Some(
                br"'session.enabled=false' 'session.Git.AutoSave'='it'\''s' 'core.bare'='true' 'session.flag' 'session.e'=".to_vec(),
            ),
            config_pairs: vec![("SESSION.x".to_owned(), "1".into())],
            ..RepoEnv::default()
        };
        let given: Vec<String> = of_command_line(&env).iter().map(|g| format!("{}={}", g.key, g.value)).collect();
        let wanted = [
            "session.enabled=false",
            "session.Git.autosave=it's",
            "session.flag=true",
            "session.e=true",
            "session.x=1",
        ];
        assert_eq!(given, wanted);
        for odd in [&b""[..], b"'", b"x", b"'a", b"'a'='b", b"  "] {
            assert!(parameters(odd).len() < 2, "{odd:?}");
        }
    }

    #[test]
    fn conditional_includes_are_followed_as_git_follows_them() {
        for bench in Bench::all() {
            let branch = bench.git(&["symbolic-ref", "--short", "HEAD"]);
            bench.git(&["remote", "add", "origin", "https://example.com/a/b"]);
            let common = bench.repo().common_dir;
            std::fs::write(common.join("included"), "[session]\n\tenabled = false\n\tx = included\n").expect("writes");
            bench.git(&["config", "session.x", "own"]);
            let conditions = [
                format!("onbranch:{branch}"),
                "onbranch:other".to_owned(),
                format!("onbranch:{}*", &branch[..1]),
                format!("gitdir:{}/", common.display()),
                format!("gitdir:{}/**", bench.top.parent().expect("has one").display()),
                "gitdir:main/".to_owned(),
                "gitdir/i:MAIN/".to_owned(),
                "gitdir:MAIN/".to_owned(),
                "gitdir:~/".to_owned(),
                "gitdir:./".to_owned(),
                "hasconfig:remote.*.url:https://example.com/**".to_owned(),
                "hasconfig:remote.*.url:https://example.com/*".to_owned(),
                "nonsense:x".to_owned(),
                "nonsense".to_owned(),
            ];
            for condition in conditions {
                let key = format!("includeIf.{condition}.path");
                bench.git(&["config", &key, "included"]);
                let git = bench.git(&["config", "--default", "", "session.x"]);
                let config = bench.repo().config;
                let ours = config.bytes("session.x").expect("reads").expect("set").to_string();
                assert_eq!(ours, git, "{condition} in {}", bench.kind);
                let enabled = config.bool("session.enabled").expect("reads");
                assert_eq!(enabled, (git == "included").then_some(false), "{condition} in {}", bench.kind);
                bench.git(&["config", "--unset", &key]);
            }
        }
    }
}
