//! The subject of a commit as `git log` shows it: the lines of the first paragraph joined, in the encoding that the commit names.
//!
//! UTF-8, which nearly all are in, is read here. A commit whose header names another encoding is left to git, which knows
//! them all: one process for such a commit.

use bstr::ByteSlice as _;

use super::cli::Git;
use super::{Oid, Repo, Result};

/// The subject of a commit; empty where it has no message.
pub fn of(repo: &Repo, commit: Oid) -> Result<String> {
    let commit = repo.objects.read_commit(commit)?;
    if commit
        .encoding
        .as_ref()
        .is_some_and(|name| !["utf-8", "utf8"].iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes())))
    {
        let id = commit.id.to_string();
        let git = Git::new(repo).args(["log", "-1", "--no-show-signature", "--encoding=UTF-8", "--format=%s", &id]);
        let said = git.run("read the subject of a commit")?;
        return Ok(said.trim_ascii_end().to_str_lossy().into_owned());
    }
    Ok(first_paragraph(&commit.message))
}

/// Blank lines at the start are passed over, line ends become spaces.
fn first_paragraph(message: &[u8]) -> String {
    let lines = message.lines().map(|line| line.trim_end_with(|c| c.is_ascii_whitespace()));
    let lines = lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty());
    bstr::join(" ", lines).to_str_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn subjects_are_those_that_git_shows() {
        for bench in Bench::all() {
            let messages: [(&str, &[u8]); 6] = [
                ("UTF-8", "one line\n\nbody\n".as_bytes()),
                ("UTF-8", "first half  \nof the subject\n\nbody\n".as_bytes()),
                ("UTF-8", "\n\n  indented\n".as_bytes()),
                ("ISO-8859-1", b"\xc4nderung gr\xfcn\nzwei\n"),
                ("Shift_JIS", b"\x93\xfa\x96{\x8c\xea\n"),
                ("no-such-encoding", b"plain\n"),
            ];
            for (encoding, message) in messages {
                bench.git(&["config", "i18n.commitEncoding", encoding]);
                bench.git_with(&["commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", "-"], message.to_vec());
                let head = Oid::parse(&bench.git(&["rev-parse", "HEAD"])).expect("an id");
                let wanted = bench.git(&["log", "-1", "--encoding=UTF-8", "--format=%s"]);
                assert_eq!(of(&bench.repo(), head).expect("reads").trim(), wanted.trim(), "{} {encoding}", bench.kind);
            }
        }
    }
}
