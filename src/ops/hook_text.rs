//! What stands in a hook of git: our block, found, put in and taken out; and the two files that are ours as a whole.
//!
//! A shell script gets our block after its first line and keeps its place, so that `$0` stays what it was. What a block would
//! break (another language, a script that hands its own text to another program) is kept aside and called by a file of ours.

use crate::git::hooks_dir::HooksDir;

const BEGIN: &[u8] = b"# git-session: begin";
const END: &[u8] = b"# git-session: end\n";
/// The first line of a hook of ours.
pub const SHEBANG: &[u8] = b"#!/bin/sh\n";
const SHELLS: &[&str] = &["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash"];
/// What names `$0` only to know what it is called or where it lies.
const ASKS_FOR_NAME: &[&str] = &["basename", "dirname", "readlink", "realpath", "echo", "printf", "cd"];
/// What reads the file that it is given.
const READERS: &[&str] = &[
    "exec", "sed", "awk", "gawk", "tail", "head", "grep", "cat", "python", "python2", "python3", "perl", "ruby",
    "node", "deno", "bun", "php", "tclsh", "wish", "lua", "guile", "scala", "java", "dd",
];
/// The hooks that Git LFS installs, and leaves out where it finds another.
const OF_LFS: &[&str] = &["post-checkout", "post-commit", "post-merge", "pre-push"];

/// Where our block begins and ends.
fn block_in(bytes: &[u8]) -> Option<(usize, usize)> {
    let find = |from: usize, needle: &[u8]| {
        let at = |at: &usize| bytes[*at..].starts_with(needle) && (*at == 0 || bytes[at - 1] == b'\n');
        (from..bytes.len()).find(at)
    };
    let start = find(0, BEGIN)?;
    Some((start, find(start, END)? + END.len()))
}

/// Whether our block is there, of whatever version.
pub fn has_block(bytes: &[u8]) -> bool {
    block_in(bytes).is_some()
}

/// The text around our block.
pub fn without_block(bytes: &[u8]) -> Vec<u8> {
    match block_in(bytes) {
        Some((start, end)) => [&bytes[..start], &bytes[end..]].concat(),
        None => bytes.to_vec(),
    }
}

/// The block comes after the first line where that names the shell, so that an `exit` cannot come before it.
pub fn with_block(bytes: &[u8], block: &str) -> Vec<u8> {
    let at = if bytes.starts_with(b"#!") {
        bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| at + 1)
    } else {
        0
    };
    let newline: &[u8] = if at > 0 && bytes[at - 1] != b'\n' { b"\n" } else { b"" };
    [&bytes[..at], newline, block.as_bytes(), &bytes[at..]].concat()
}

/// Whether the block can be put into this hook: a shell of the Bourne kind runs it, and no other program reads its text.
pub fn takes_block(bytes: &[u8]) -> bool {
    is_shell(bytes) && !reads_itself(bytes)
}

/// Whether a shell of the Bourne kind runs this. git runs a text without a first line of that sort by `sh`.
fn is_shell(bytes: &[u8]) -> bool {
    let Some(line) = bytes.strip_prefix(b"#!") else { return !bytes.contains(&0) };
    let line = line.split(|b| *b == b'\n').next().unwrap_or_default();
    if line.ends_with(b"\r") {
        // The kernel looks for a program of that name, and finds none.
        return false;
    }
    let line = String::from_utf8_lossy(line).into_owned();
    let mut words = line.split_ascii_whitespace().map(|w| w.rsplit('/').next().unwrap_or(w));
    let first = words.next().unwrap_or_default();
    let shell = if first == "env" { words.find(|w| !w.starts_with('-')).unwrap_or_default() } else { first };
    SHELLS.contains(&shell)
}

/// Whether a script seems to give its own file to another program: `exec python3 "$0"`, `tail -n +9 "$0"`. Lines of ours
/// would then stand in what that program reads.
fn reads_itself(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.lines().any(|line| {
        let is_word = |w: &str| READERS.contains(&w) || w.starts_with("python") || w.starts_with("ruby");
        let mut words = line.split(|c: char| !c.is_ascii_alphanumeric());
        gives_itself(line) && (line.contains('<') || words.any(is_word))
    })
}

/// Whether a line names the script's own file for something else than its name.
fn gives_itself(line: &str) -> bool {
    ["$0", "${0}", "$BASH_SOURCE", "${BASH_SOURCE}", "${BASH_SOURCE[0]}"].iter().any(|own| {
        line.match_indices(own).any(|(at, _)| {
            if line[at + own.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
                return false;
            }
            let before = line[..at].trim_end_matches(['"', '\'', ' ']);
            let word = before.rsplit([' ', '\t', '(', '`', ';', '"']).find(|w| !w.is_empty() && !w.starts_with('-'));
            !ASKS_FOR_NAME.contains(&word.unwrap_or_default())
        })
    })
}

/// A hook of ours where there was none, without the block. Git LFS leaves its own hook out where it finds a file, so this
/// one calls it.
pub fn created(name: &str) -> Vec<u8> {
    if !OF_LFS.contains(&name) {
        return SHEBANG.to_vec();
    }
    include_str!("../../hooks/git/created").replace("@NAME@", name).into_bytes()
}

/// Whether nothing of others is in a hook, our block apart.
pub fn is_bare(rest: &[u8], name: &str) -> bool {
    rest == SHEBANG || rest == created(name)
}

/// A hook that only calls the one that is kept in the directory `kept`, which lies beside `dir`: under the name that it had,
/// with what lay beside it.
pub fn calling(name: &str, dir: &str, kept: &str) -> Vec<u8> {
    include_str!("../../hooks/git/calling")
        .replace("@NAME@", name)
        .replace("@DIR@", &quoted(dir))
        .replace("@KEPT@", &quoted(kept))
        .into_bytes()
}

/// [`calling`] as the first version wrote it, of a hook that was kept as `<name>.before-session`.
pub fn calling_of_old(name: &str) -> Vec<u8> {
    let kept = format!("\"${{0%/*}}/{name}.before-session\"");
    format!("#!/bin/sh\n\n# The hook that was here before.\n[ ! -x {kept} ] || exec {kept} \"$@\"\n").into_bytes()
}

/// Text as one word of the shell.
pub fn quoted(text: &str) -> String {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Whether git, or husky for it, runs a file of this mode.
pub fn runs(dir: &HooksDir, mode: u32) -> bool {
    mode & 0o111 != 0 || dir.by_sh
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_are_told_from_other_languages() {
        for shell in
            ["#!/bin/sh\n", "#!/usr/bin/env bash\n", "#!/bin/bash -e\n", "#! /usr/bin/env -S zsh -f\n", "ls\n", ""]
        {
            assert!(takes_block(shell.as_bytes()), "{shell:?}");
        }
        for other in ["#!/usr/bin/env python3\n", "#!/usr/bin/fish\n", "#!\n", "\u{7f}ELF\0", "#!/bin/sh\r\ntrue\r\n"] {
            assert!(!takes_block(other.as_bytes()), "{other:?}");
        }
    }

    #[test]
    fn a_script_that_another_program_reads_takes_no_block() {
        for reader in [
            "'''exec' /a/python3 \"$0\" \"$@\"\n' '''\nimport sys\n",
            "\"exec\" \"python3\" \"$0\" \"$@\"\n",
            "# \\\nexec tclsh \"$0\" ${1+\"$@\"}\n",
            "exec perl -x -- $0 \"$@\"\n",
            "tail -n +4 \"${0}\" | sh\nexit\nrest\n",
            "sed -n 's/^#: //p' <\"$0\"\n",
            "sh <\"${BASH_SOURCE[0]}\"\n",
        ] {
            assert!(!takes_block(format!("#!/bin/sh\n{reader}").as_bytes()), "{reader:?}");
        }
        for plain in [
            "exec \"$(dirname \"$0\")/$(basename \"$0\").d/run\" \"$@\"\n",
            "cat \"$(dirname -- \"$0\")/x\"\n",
            "name=${0##*/}; exec tool hook \"$name\" \"$@\"\n",
            "HERE=$(cd \"$(dirname \"${BASH_SOURCE[0]}\")\" && pwd)\n",
            "echo \"$0 ran\" >>log\n",
            "awk '{ print $0x }' f\n",
            ". \"$(dirname -- \"$0\")/_/husky.sh\"\n",
        ] {
            assert!(takes_block(format!("#!/bin/sh\n{plain}").as_bytes()), "{plain:?}");
        }
    }

    #[test]
    fn a_block_goes_in_after_the_first_line_and_out_without_a_trace() {
        let block = format!("{}\nx\n{}", "# git-session: begin", "# git-session: end\n");
        for script in ["#!/bin/sh\nexit 0\n", "exit 0\n", "#!/bin/sh\n", "", "#!/bin/sh\nno end"] {
            let with = with_block(script.as_bytes(), &block);
            assert!(has_block(&with) && !has_block(script.as_bytes()));
            assert_eq!(without_block(&with), script.as_bytes(), "{script:?}");
            assert_eq!(with_block(&without_block(&with), &block), with);
        }
    }
}
