//! The bytes of a commit object, both ways. Bytes, not text: old commits have names and messages in any encoding.

use bstr::{BString, ByteSlice as _};

use super::{Commit, Error, NewCommit, Oid, Result, Signature};
use crate::base::Timestamp;

/// The bytes of a commit.
pub(super) fn encode(commit: &NewCommit<'_>) -> Result<Vec<u8>> {
    if commit.message.contains(&0) {
        return Err(Error::Damaged { what: "a commit message with a NUL byte in it".to_owned() });
    }
    let mut bytes = format!("tree {}\n", commit.tree).into_bytes();
    for parent in commit.parents {
        bytes.extend_from_slice(format!("parent {parent}\n").as_bytes());
    }
    push_signature(&mut bytes, "author", commit.author);
    push_signature(&mut bytes, "committer", commit.committer);
    bytes.push(b'\n');
    bytes.extend_from_slice(commit.message);
    Ok(bytes)
}

fn push_signature(bytes: &mut Vec<u8>, header: &str, who: &Signature) {
    // git drops these too: they would end the field.
    let clean =
        |text: &[u8]| text.iter().copied().filter(|b| !matches!(b, b'<' | b'>' | b'\n' | 0)).collect::<Vec<_>>();
    bytes.extend_from_slice(header.as_bytes());
    bytes.push(b' ');
    bytes.extend_from_slice(clean(&who.name).trim_ascii());
    bytes.extend_from_slice(b" <");
    bytes.extend_from_slice(clean(&who.email).trim_ascii());
    let sign = if who.offset < 0 { '-' } else { '+' };
    let minutes = who.offset.unsigned_abs();
    // git has no times before 1970.
    let seconds = who.time.seconds().max(0);
    bytes.extend_from_slice(format!("> {seconds} {sign}{:02}{:02}\n", minutes / 60, minutes % 60).as_bytes());
}

/// The commit in the bytes of the object `oid`.
pub(super) fn decode(oid: Oid, bytes: &[u8]) -> Result<Commit> {
    let bad = |what: &str| Error::Damaged { what: format!("commit {oid}: {what}") };
    let (head, message) = match bytes.split_once_str("\n\n") {
        Some(parts) => parts,
        None => (bytes.strip_suffix(b"\n").unwrap_or(bytes), &b""[..]),
    };
    let id = |hex: &[u8]| hex.to_str().ok().and_then(|hex| Oid::parse(hex).ok()).ok_or_else(|| bad("an id is no id"));
    let (mut tree, mut parents, mut author, mut committer, mut encoding) = (None, Vec::new(), None, None, None);
    for line in head.split_str("\n") {
        match line.split_once_str(" ") {
            Some((b"tree", hex)) => tree = Some(id(hex)?),
            Some((b"parent", hex)) => parents.push(id(hex)?),
            Some((b"author", who)) => author = Some(signature(who)),
            Some((b"committer", who)) => committer = Some(signature(who)),
            Some((b"encoding", name)) => encoding = Some(name.trim_ascii().into()),
            // gpgsig and its continued lines, mergetag: nothing we need.
            _ => {}
        }
    }
    Ok(Commit {
        id: oid,
        tree: tree.ok_or_else(|| bad("it names no tree"))?,
        parents,
        author: author.ok_or_else(|| bad("it names no author"))?,
        committer: committer.ok_or_else(|| bad("it names no committer"))?,
        encoding,
        message: message.into(),
    })
}

/// Lenient, as git is: what cannot be read is empty or zero.
fn signature(line: &[u8]) -> Signature {
    let open = line.find_byte(b'<').unwrap_or(line.len());
    let close = line.rfind_byte(b'>').filter(|close| *close > open);
    let email = close.map_or_else(BString::default, |close| line[open + 1..close].into());
    let rest = close.map_or("", |close| line[close + 1..].to_str().unwrap_or_default());
    let mut words = rest.split_ascii_whitespace();
    let seconds = words.next().and_then(|w| w.parse().ok()).unwrap_or(0);
    let zone: i32 = words.next().and_then(|w| w.parse().ok()).unwrap_or(0);
    Signature {
        name: line[..open].trim_ascii().into(),
        email,
        time: Timestamp::from_seconds(seconds),
        offset: zone / 100 * 60 + zone % 100,
    }
}
