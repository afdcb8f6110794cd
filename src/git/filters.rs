//! Paths with a configured `filter=` driver (LFS, git-crypt) go through git, in one batch each way.
//!
//! EOL, ident and encoding conversions of other paths never run. Where no driver is configured nothing is asked.

use std::collections::HashSet;
use std::time::Duration;

use bstr::{BString, ByteSlice as _};

use super::cli::{Git, failure};
use super::{Error, FileMode, Oid, Repo, Result, attributes};
use crate::base::process::Output;
use crate::base::{IdSource, RepoPath};

/// A filter may fetch (LFS): longer than git's usual minute.
const DEADLINE: Duration = Duration::from_secs(600);

/// Each failing file takes a git of its own. A driver that fails for so many is broken for the rest, too.
const MOST_FAILURES: usize = 32;

/// What the user set about line ends does not count: the driver alone runs. Attributes (`text`, `eol`) still do, in git.
const AS_THEY_ARE: [&str; 4] = ["-c", "core.autocrlf=false", "-c", "core.eol=lf"];

/// Whether any filter driver with a `clean`, `smudge` or `process` command is configured at all.
pub fn any_configured(repo: &Repo) -> Result<bool> {
    Ok(!drivers(repo)?.is_empty())
}

/// The names of the configured drivers.
fn drivers(repo: &Repo) -> Result<HashSet<BString>> {
    let keys = repo.config.matching("^filter\\..*\\.(clean|smudge|process)$")?;
    let name = |key: &str| key.strip_prefix("filter.").and_then(|k| k.rsplit_once('.')).map(|(name, _)| name.into());
    Ok(keys.iter().filter(|(_, command)| !command.is_empty()).filter_map(|(key, _)| name(key)).collect())
}

/// Those of `paths` that have a configured driver, one `git check-attr` for all; the same order.
pub fn filtered<'p>(repo: &Repo, paths: &'p [RepoPath]) -> Result<Vec<&'p RepoPath>> {
    let drivers = drivers(repo)?;
    if drivers.is_empty() || paths.is_empty() || !attributes::mention_filter(repo, paths)? {
        return Ok(Vec::new());
    }
    let mut input = Vec::new();
    for path in paths {
        input.extend_from_slice(path.as_bytes());
        input.push(0);
    }
    let attempted = "ask for the filters of files";
    let out = Git::new(repo).args(["check-attr", "-z", "--stdin", "filter"]).stdin(input).run(attempted)?;
    // "<path>\0filter\0<value>\0" for each path, in their order.
    let values: Vec<&[u8]> = out.split_str("\0").skip(2).step_by(3).collect();
    if values.len() != paths.len() {
        return Err(Error::Git { attempted: attempted.to_owned(), said: "not one answer for each path".to_owned() });
    }
    Ok(paths.iter().zip(values).filter(|(_, value)| drivers.contains(value.as_bstr())).map(|(path, _)| path).collect())
}

/// The blobs that git stores for these files of the work tree (`git hash-object -w --stdin-paths`), in order. `None` where
/// the driver of a file fails and is required, or the file cannot be read: git would store nothing for it either.
pub fn clean(repo: &Repo, paths: &[RepoPath]) -> Result<Vec<Option<Oid>>> {
    let attempted = "filter files into the repository";
    let mut ids: Vec<Option<Oid>> = Vec::with_capacity(paths.len());
    let mut failures = 0;
    while ids.len() < paths.len() {
        let mut input = Vec::new();
        for path in &paths[ids.len()..] {
            push_line(&mut input, path.as_bytes());
        }
        let hash = ["hash-object", "-w", "--stdin-paths"];
        let out = Git::new(repo).args(AS_THEY_ARE).args(hash).stdin(input).deadline(DEADLINE).output()?;
        for line in out.stdout.lines() {
            ids.push(Some(Oid::parse(&line.to_str_lossy())?));
        }
        // git ends at the first file that fails; the files behind it are still to be asked for.
        match (out.ok(), ids.len() < paths.len()) {
            (true, false) => {}
            (false, true) if failed_for_a_file(&out) => {
                ids.push(None);
                failures += 1;
                if failures == MOST_FAILURES {
                    ids.resize(paths.len(), None);
                }
            }
            (false, _) => return Err(failure(attempted, &out)),
            (true, true) => {
                let said = "not one object for each file".to_owned();
                return Err(Error::Git { attempted: attempted.to_owned(), said });
            }
        }
    }
    Ok(ids)
}

/// Whether `git hash-object` ended for a reason that lies in one file or its driver, and not in the repository. What a
/// driver, or git of a driver that went away, says has no form; what git says of its objects has.
fn failed_for_a_file(out: &Output) -> bool {
    let of_objects: [&[u8]; 3] = [b"to database", b"into database", b"No space left on device"];
    out.code == Some(128) && !of_objects.iter().any(|text| out.stderr.find(text).is_some())
}

/// A path as a line of input; git unquotes one that begins with `"`.
fn push_line(input: &mut Vec<u8>, path: &[u8]) {
    if path.contains(&b'\n') || path.starts_with(b"\"") {
        input.push(b'"');
        for byte in path {
            match byte {
                b'\n' => input.extend_from_slice(b"\\n"),
                b'"' | b'\\' => input.extend_from_slice(&[b'\\', *byte]),
                _ => input.push(*byte),
            }
        }
        input.push(b'"');
    } else {
        input.extend_from_slice(path);
    }
    input.push(b'\n');
}

/// The bytes that git would check out for these blobs at these paths (`git cat-file --batch --filters`), in order.
pub fn smudge(repo: &Repo, wanted: &[(RepoPath, FileMode, Oid)]) -> Result<Vec<Vec<u8>>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut input = Vec::new();
    for (path, _, oid) in wanted {
        input.extend_from_slice(format!("{oid} ").as_bytes());
        input.extend_from_slice(path.as_bytes());
        input.push(0);
    }
    let attempted = "filter files out of the repository";
    // The size that git prints here is the one before the filter, so contents are told apart by a mark nobody can guess.
    let mark = IdSource::Random.uuid().simple().to_string();
    let out = Git::new(repo)
        .args(AS_THEY_ARE)
        .args(["cat-file", "-z", &format!("--batch={mark} %(objectname)"), "--filters"])
        .stdin(input)
        .deadline(DEADLINE)
        .run(attempted)?;
    contents(&out, &mark, wanted).ok_or_else(|| Error::Git {
        attempted: attempted.to_owned(),
        said: "something else than the contents asked for".to_owned(),
    })
}

/// Takes "<mark> <id>\n<content>\n" apart, one for each that was wanted.
fn contents(out: &[u8], mark: &str, wanted: &[(RepoPath, FileMode, Oid)]) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::with_capacity(wanted.len());
    let mut rest = out;
    let next = format!("\n{mark} ");
    for (_, _, oid) in wanted {
        rest = rest.strip_prefix(format!("{mark} {oid}\n").as_bytes())?;
        let end = rest.find(&next).or_else(|| rest.len().checked_sub(1))?;
        found.push(rest[..end].to_vec());
        rest = &rest[end + 1..];
    }
    rest.is_empty().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn what_git_cannot_store_lies_in_no_file() {
        let ended = |code, stderr: &str| Output { code, stdout: Vec::new(), stderr: stderr.as_bytes().to_vec() };
        assert!(failed_for_a_file(&ended(Some(128), "fatal: a: clean filter 'x' failed\n")));
        assert!(failed_for_a_file(&ended(Some(128), "fatal: the remote end hung up unexpectedly\n")));
        let denied = "error: insufficient permission for adding an object to repository database\nfatal: Unable to add a to database\n";
        assert!(!failed_for_a_file(&ended(Some(128), denied)));
        assert!(!failed_for_a_file(&ended(Some(128), "fatal: write error: No space left on device\n")));
        assert!(!failed_for_a_file(&ended(Some(1), "")) && !failed_for_a_file(&ended(None, "")));
    }

    #[test]
    fn files_with_a_driver_go_through_it_both_ways() {
        for bench in Bench::all() {
            assert!(!any_configured(&bench.repo()).expect("reads"));
            bench.git(&["config", "filter.x.clean", "sed s/long-text/t/"]);
            bench.git(&["config", "filter.x.smudge", "sed s/t/long-text/"]);
            bench.write(".gitattributes", "*.x filter=x\n*.y filter=unknown\n");
            let names = ["one.x", "t.y", "dir/two words\n.x", "\"quoted.x", "plain"];
            for name in names {
                bench.write(name, "long-text\n");
            }
            let repo = bench.repo();
            assert!(any_configured(&repo).expect("reads"));
            let paths: Vec<RepoPath> = names.iter().map(|n| RepoPath::new(*n).expect("a path")).collect();
            let with: Vec<RepoPath> = filtered(&repo, &paths).expect("asks").into_iter().cloned().collect();
            assert_eq!(with, [&paths[0], &paths[2], &paths[3]].map(Clone::clone), "{}", bench.kind);
            let cleaned = clean(&repo, &with).expect("filters");
            assert_eq!(cleaned.len(), 3);
            for oid in cleaned.iter().flatten() {
                assert_eq!(repo.objects.read_blob(*oid).expect("reads"), b"t\n", "{}", bench.kind);
            }
            let other = repo.objects.write_blob(b"no line end t").expect("writes");
            let first = cleaned[0].expect("filtered");
            let wanted: Vec<_> = [first, other, cleaned[2].expect("filtered")].into_iter().zip(with).collect();
            let wanted: Vec<_> = wanted.into_iter().map(|(oid, path)| (path, FileMode::File, oid)).collect();
            let texts = smudge(&repo, &wanted).expect("filters");
            assert_eq!(texts, [&b"long-text\n"[..], b"no line end long-text", b"long-text\n"], "{}", bench.kind);
        }
    }
}
