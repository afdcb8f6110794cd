//! The hooks of others that no block can be put into: kept in a directory of their own, under their own names.
//!
//! The directory lies beside the one of the hooks (`hooks.before-session` beside `hooks`), so relative links and paths lead
//! where they led; links in it show what else lies among the hooks. A link `<name>.before-session` among the hooks tells a
//! reader where the hook went. Every step leaves the hook at one of its two places, so a crash loses none.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Failure, FailureKind, Result, hook_text};
use crate::base::Error as BaseError;
use crate::base::file::{self, Durability};

/// What is added to the name of the directory, and to the name of a hook for the link to it.
const SUFFIX: &str = ".before-session";

/// Where one hook is kept, and where it is called from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// The hook's path, as git calls it.
    pub path: PathBuf,
    name: String,
    /// The name of the hooks' real directory.
    dir: String,
    /// Where it is kept.
    pub kept: PathBuf,
    /// `<name>.before-session`: the link to it; in the first version the hook itself.
    pub pointer: PathBuf,
}

impl Aside {
    /// Of the hook at this path; `None` where the directory has no name, or no parent that a path leads to.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_owned();
        let folder = path.parent()?;
        let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let dir = real.file_name()?.to_str()?.to_owned();
        let kept = real.parent()?.join(format!("{dir}{SUFFIX}")).join(&name);
        let pointer = path.with_file_name(format!("{name}{SUFFIX}"));
        Some(Self { path: path.to_owned(), name, dir, kept, pointer })
    }

    /// The hook that calls the one that is kept, without our block.
    pub fn calling(&self) -> Vec<u8> {
        hook_text::calling(&self.name, &self.dir, &format!("{}{SUFFIX}", self.dir))
    }

    /// Whether a text is such a hook, of this version or of the first.
    pub fn is_calling(&self, rest: &[u8]) -> bool {
        rest == self.calling() || self.is_calling_of_old(rest)
    }

    /// Whether a text is the hook that the first version wrote.
    pub fn is_calling_of_old(&self, rest: &[u8]) -> bool {
        rest == hook_text::calling_of_old(&self.name)
    }

    /// Where the hook is kept now, in either form.
    pub fn found(&self) -> Option<&Path> {
        if self.is_kept() {
            return Some(&self.kept);
        }
        (is_there(&self.pointer) && !self.is_pointer()).then_some(&self.pointer)
    }

    /// # Errors
    /// Something is in the way of what is to be kept.
    pub fn must_be_free(&self) -> Result<()> {
        let Some(in_the_way) = self.found() else { return Ok(()) };
        let message = format!("cannot keep {} aside: {} is in the way", self.path.display(), in_the_way.display());
        Err(Failure::new(FailureKind::Refused, "hooks.aside", message)
            .hint("Move that file away, or leave git's hooks out with --no-git-hooks."))
    }

    /// Keeps what is at `from`, and puts `text` in its place.
    pub fn keep(&self, from: &Path, text: &[u8]) -> Result<()> {
        let folder = self.folder();
        std::fs::create_dir_all(folder).map_err(BaseError::io("create the directory", folder))?;
        if !self.is_kept() {
            // The link that shows a hook of this name to another one that is kept.
            file::remove_optional(&self.kept)?;
        }
        // A second name first: at no moment is the hook gone. Some file systems know no second names.
        if std::fs::hard_link(from, &self.kept).is_err() {
            std::fs::rename(from, &self.kept).map_err(BaseError::io("keep aside", from))?;
        }
        file::write_atomic(&self.path, text, Some(0o777 & !file::umask()), Durability::Process)?;
        if from != self.path {
            file::remove_optional(from)?;
        }
        if !is_there(&self.pointer) {
            std::os::unix::fs::symlink(self.target(), &self.pointer).map_err(BaseError::io("link", &self.pointer))?;
        }
        Ok(())
    }

    /// Brings the hook back to its place, over what is there.
    pub fn bring_back(&self, from: &Path) -> Result<()> {
        std::fs::rename(from, &self.path).map_err(BaseError::io("bring back", &self.path))?;
        self.forget()
    }

    /// Takes away what only served the hook that was kept: links, and the directory once nothing is kept there.
    pub fn forget(&self) -> Result<()> {
        if self.is_pointer() && !self.is_kept() {
            file::remove_optional(&self.pointer)?;
        }
        let folder = self.folder();
        let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
        let names: Vec<OsString> = entries.filter_map(|e| e.ok().map(|e| e.file_name())).collect();
        let (links, others): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| self.is_link_of_ours(name));
        if others.iter().any(|name| name.to_str().is_some_and(super::git_install::is_hook)) {
            // Another hook is kept here.
            return Ok(());
        }
        for name in links {
            file::remove_optional(&folder.join(name))?;
        }
        for name in others {
            // What a hook wrote beside itself belongs to where it is now.
            let (from, to) = (folder.join(&name), self.path.with_file_name(&name));
            if !is_there(&to) {
                std::fs::rename(&from, &to).map_err(BaseError::io("bring back", &from))?;
            }
        }
        // What is left there is somebody's.
        let _not_empty = std::fs::remove_dir(folder);
        Ok(())
    }

    fn folder(&self) -> &Path {
        self.kept.parent().unwrap_or(Path::new("/"))
    }

    fn target(&self) -> PathBuf {
        Path::new("..").join(format!("{}{SUFFIX}", self.dir)).join(&self.name)
    }

    fn is_kept(&self) -> bool {
        is_there(&self.kept) && !self.is_link_of_ours(&OsString::from(&self.name))
    }

    fn is_pointer(&self) -> bool {
        std::fs::read_link(&self.pointer).is_ok_and(|to| to == self.target())
    }

    /// A link that shows what lies among the hooks, or another name of a hook that is kept.
    fn is_link_of_ours(&self, name: &OsString) -> bool {
        let beside = Path::new("..").join(&self.dir).join(name);
        let is_hook = |name: Option<&str>| name.is_some_and(super::git_install::is_hook);
        std::fs::read_link(self.folder().join(name))
            .is_ok_and(|to| to == beside || (!is_hook(name.to_str()) && is_hook(to.to_str())))
    }
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
