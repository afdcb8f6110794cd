//! A private git dir through which libgit2 reaches the objects of a repository that it cannot open itself (reftable,
//! unknown extensions): its own HEAD and config, `objects` and `shallow` leading to the real ones.
//!
//! Lives in `<common dir>/session/facade/`, is made when first needed, and may be deleted at any time. It has no refs:
//! nothing reads or writes refs through it.

use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{ObjectFormat, RefName, Result, Shared};
use crate::base::file::{self, Durability};
use crate::base::{self};

/// Opens the objects of the repository at `common_dir` through its facade.
pub(super) fn open(common_dir: &Path, format: ObjectFormat, shared: Shared) -> Result<git2::Repository> {
    let ours = common_dir.join("session");
    shared.make_private_dir(&ours)?;
    let dir = ours.join("facade");
    make(&dir, format, shared)?;
    super::repo::open_git2(&dir).or_else(|_| {
        // Somebody damaged it: nothing in it is the only copy of anything.
        std::fs::remove_dir_all(&dir).map_err(base::Error::io("remove", &dir))?;
        make(&dir, format, shared)?;
        super::repo::open_git2(&dir)
    })
}

/// Makes it, or finds that it is there.
fn make(dir: &Path, format: ObjectFormat, shared: Shared) -> Result<()> {
    let config = match format {
        ObjectFormat::Sha1 => "[core]\n\trepositoryformatversion = 0\n\tbare = true\n".to_owned(),
        ObjectFormat::Sha256 => format!(
            "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = {}\n",
            format.name()
        ),
    };
    let config_path = dir.join("config");
    // The config is written last, so that its being right says that the rest is there.
    if file::read_optional(&config_path)?.as_deref() != Some(config.as_bytes()) {
        shared.make_private_dir(dir)?;
        shared.make_private_dir(&dir.join("refs"))?;
        link(dir, "objects")?;
        link(dir, "shallow")?;
        let head = format!("ref: {}\n", RefName::branch("none")?);
        file::write_atomic(&dir.join("HEAD"), head.as_bytes(), Some(shared.private_file()), Durability::Process)?;
        file::write_atomic(&config_path, config.as_bytes(), Some(shared.private_file()), Durability::Process)?;
    }
    Ok(())
}

/// Relative, so that the repository can be moved.
fn link(dir: &Path, name: &str) -> Result<()> {
    let at = dir.join(name);
    match symlink(Path::new("../..").join(name), &at) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(base::Error::io("create the link", at)(e).into()),
        _ => Ok(()),
    }
}
