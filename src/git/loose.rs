//! Loose objects, read here because libgit2 never comes back from one that was cut off (its inflate loop waits for input
//! that there is none of), as a loss of power or a full disk leaves them. Packed ones are libgit2's.

use std::io::{ErrorKind, Read as _};
use std::path::Path;

use git2::ObjectType;

use super::{Error, ObjectFormat, Oid, Result};
use crate::base;

/// Longer than any header, which is a type, a space, a number and a NUL.
const HEADER: usize = 40;

/// Type and content of an object that lies loose in this folder; `None` where it does not.
///
/// # Errors
/// [`Error::Damaged`] where the file is not what its name says.
pub(super) fn read(folder: &Path, format: ObjectFormat, oid: Oid) -> Result<Option<(ObjectType, Vec<u8>)>> {
    let hex = oid.to_string();
    let path = folder.join(&hex[..2]).join(&hex[2..]);
    let file = match std::fs::read(&path) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(base::Error::io("read the object", path)(e).into()),
    };
    let damaged = |problem: &str| Error::Damaged { what: format!("object {oid}: {problem}") };
    let mut inflated = Vec::with_capacity(file.len() * 2);
    flate2::read::ZlibDecoder::new(file.as_slice())
        .read_to_end(&mut inflated)
        .map_err(|_| damaged("its file is cut off or no object"))?;
    let (kind, start) = header(&inflated).ok_or_else(|| damaged("its header is wrong"))?;
    let content = inflated.split_off(start);
    let is = git2::Oid::hash_object_ext(kind, &content, format.git2()).map_err(Error::libgit2("hash an object"))?;
    if Oid::from_git2(is) != oid {
        return Err(damaged("its content is another one's"));
    }
    Ok(Some((kind, content)))
}

/// The type, and where the content begins, of an object that is as long as it says.
fn header(object: &[u8]) -> Option<(ObjectType, usize)> {
    let end = object.iter().take(HEADER).position(|b| *b == 0)?;
    let (kind, size) = std::str::from_utf8(&object[..end]).ok()?.split_once(' ')?;
    let start = end + 1;
    (size.parse() == Ok(object.len() - start)).then_some((ObjectType::from_str(kind)?, start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn an_object_reads_back_and_one_that_was_cut_anywhere_is_damaged() {
        for bench in Bench::all() {
            let repo = bench.repo();
            let folder = repo.common_dir.join("objects");
            let format = repo.caps.object_format;
            let oid = repo.objects.write_blob(b"some content that is stored loose\n").expect("writes");
            let whole = read(&folder, format, oid).expect("reads").expect("is there");
            assert_eq!(whole, (ObjectType::Blob, b"some content that is stored loose\n".to_vec()));
            let hex = oid.to_string();
            let path = folder.join(&hex[..2]).join(&hex[2..]);
            let bytes = std::fs::read(&path).expect("reads");
            for keep in 0..bytes.len() {
                std::fs::remove_file(&path).expect("removes");
                std::fs::write(&path, &bytes[..keep]).expect("writes");
                let error = repo.objects.read_blob(oid).expect_err("is cut");
                assert!(matches!(error, Error::Damaged { .. }), "{keep} bytes: {error}");
            }
            std::fs::remove_file(&path).expect("removes");
            assert!(read(&folder, format, oid).expect("looks").is_none());
        }
    }

    #[test]
    fn an_object_under_the_name_of_another_is_damaged() {
        let bench = Bench::plain();
        let repo = bench.repo();
        let [one, two] = [b"one", b"two"].map(|b| repo.objects.write_blob(b).expect("writes").to_string());
        let place = |hex: &str| repo.common_dir.join("objects").join(&hex[..2]).join(&hex[2..]);
        std::fs::rename(place(&one), place(&two)).expect("renames");
        let oid = Oid::parse(&two).expect("an id");
        assert!(matches!(repo.objects.read_blob(oid), Err(Error::Damaged { .. })));
    }
}
