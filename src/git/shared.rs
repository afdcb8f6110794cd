//! `core.sharedRepository`: the permissions that files and directories below the git directory get, by git's rules.
//!
//! Without it the umask says, and what holds conversations or state is the user's alone. With it the group (never the rest)
//! may use that too: whoever shares a repository so shares its objects, which hold the same.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::config::Config;
use super::{Error, Result};
use crate::base::{self, file};

/// What the configuration says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shared {
    /// The umask counts.
    #[default]
    No,
    /// These bits are added: 0660 or 0664.
    Add(u32),
    /// Files get exactly these bits.
    Exactly(u32),
}

/// What is set-group-id on a directory: what is made in it belongs to its group.
const SET_GROUP_ID: u32 = 0o2000;

impl Shared {
    /// Reads the configuration.
    ///
    /// # Errors
    /// A value that is none of git's.
    pub(super) fn read(config: &Config) -> Result<Self> {
        let Some(value) = config.bytes("core.sharedRepository")? else { return Ok(Self::No) };
        let text = value.to_string().to_ascii_lowercase();
        Ok(match text.as_str() {
            "umask" | "false" | "no" | "off" | "0" | "" => Self::No,
            "group" | "true" | "yes" | "on" | "1" => Self::Add(0o660),
            "all" | "world" | "everybody" | "2" => Self::Add(0o664),
            octal => match u32::from_str_radix(octal, 8) {
                Ok(bits) if bits & 0o600 == 0o600 && bits <= 0o777 => Self::Exactly(bits & 0o666),
                _ => {
                    let attempted = format!("read the configuration core.sharedRepository: {text:?}");
                    return Err(Error::Git { attempted, said: "it is none of git's values".to_owned() });
                }
            },
        })
    }

    /// Whether others are to use the repository.
    pub fn is_on(self) -> bool {
        self != Self::No
    }

    /// The bits of something made with `mode`, as git reckons them.
    const fn bits(self, mode: u32) -> u32 {
        let (bits, exactly) = match self {
            Self::No => return mode,
            Self::Add(bits) => (bits, false),
            Self::Exactly(bits) => (bits, true),
        };
        let bits = if mode & 0o200 == 0 { bits & !0o222 } else { bits };
        let bits = if mode & 0o100 == 0 { bits } else { bits | ((bits & 0o444) >> 2) };
        if exactly { (mode & !0o777) | bits } else { mode | bits }
    }

    /// The bits of a file that only its owner would have.
    pub const fn private_file(self) -> u32 {
        self.bits(0o600) & 0o660
    }

    /// The bits of a directory that only its owner would enter.
    pub const fn private_dir(self) -> u32 {
        self.bits(0o700) & 0o770
    }

    /// Makes a directory (and those above it) for what is the user's alone, or the group's where that is to use it. A link
    /// in its place is not followed.
    pub fn make_private_dir(self, path: &Path) -> Result<()> {
        let is_dir = || std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
        let is_new = self.is_on() && !is_dir();
        file::create_private_dir(path)?;
        if is_new {
            let bits = Permissions::from_mode(self.private_dir() | SET_GROUP_ID);
            std::fs::set_permissions(path, bits).map_err(base::Error::io("set the permissions of", path))?;
        }
        Ok(())
    }

    /// Lets the others have a file of ours that was made for its owner alone, where they are to.
    pub fn open_private(self, path: &Path) -> Result<()> {
        if !self.is_on() {
            return Ok(());
        }
        let bits = Permissions::from_mode(self.private_file());
        Ok(std::fs::set_permissions(path, bits).map_err(base::Error::io("set the permissions of", path))?)
    }

    /// Gives the loose objects that libgit2 wrote, and their directories, their bits.
    pub(super) fn adjust_objects(self, objects: &Path) -> Result<()> {
        if !self.is_on() {
            return Ok(());
        }
        let list = |path: &Path| std::fs::read_dir(path).map_err(base::Error::io("list", path));
        for shard in list(objects)?.flatten().filter(|entry| entry.file_name().len() == 2) {
            self.adjust(&shard.path())?;
            for object in list(&shard.path())?.flatten() {
                self.adjust(&object.path())?;
            }
        }
        Ok(())
    }

    /// Gives something below the git directory, made just now, its bits. Another user's stays as it is.
    pub fn adjust(self, path: &Path) -> Result<()> {
        if !self.is_on() {
            return Ok(());
        }
        let io = || base::Error::io("set the permissions of", path);
        let meta = match std::fs::symlink_metadata(path) {
            Ok(meta) if !meta.is_symlink() => meta,
            Ok(_) => return Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(io()(e).into()),
        };
        let now = meta.mode() & 0o7777;
        let mut wanted = self.bits(now);
        if meta.is_dir() {
            wanted |= (wanted & 0o444) >> 2;
            if wanted & 0o060 != 0 {
                wanted |= SET_GROUP_ID;
            }
        }
        if wanted == now || meta.uid() != rustix::process::geteuid().as_raw() {
            return Ok(());
        }
        Ok(std::fs::set_permissions(path, Permissions::from_mode(wanted)).map_err(io())?)
    }

    /// Gives a file below `top` and the directories between them their bits.
    pub fn adjust_below(self, top: &Path, path: &Path) -> Result<()> {
        if !self.is_on() {
            return Ok(());
        }
        let between = path.ancestors().take_while(|above| *above != top && above.starts_with(top));
        between.collect::<Vec<_>>().into_iter().rev().try_for_each(|path| self.adjust(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::matrix::Bench;

    #[test]
    fn bits_are_those_that_git_gives() {
        for value in ["umask", "group", "all", "0640", "0660", "0600", "1", "world", "false"] {
            let bench = Bench::plain();
            bench.git(&["config", "core.sharedRepository", value]);
            let repo = bench.repo();
            // Objects and refs of git's, and ours of the same kind beside them.
            let of_git = bench.git_with(&["hash-object", "-w", "--stdin"], b"by git".to_vec());
            let ours = repo.objects.write_blob(b"by us").expect("writes").to_string();
            let bits = |path: &Path| std::fs::metadata(path).expect("is there").permissions().mode() & 0o7777;
            let place = |oid: &str| bench.top.join(".git/objects").join(&oid[..2]).join(&oid[2..]);
            let of_git = String::from_utf8(of_git).expect("an id");
            let (theirs, mine) = (place(of_git.trim()), place(&ours));
            assert_eq!(format!("{:o}", bits(&mine)), format!("{:o}", bits(&theirs)), "{value}");
            let folder = |path: &Path| bits(path.parent().expect("in a directory"));
            assert_eq!(format!("{:o}", folder(&mine)), format!("{:o}", folder(&theirs)), "{value}");
            assert_eq!(repo.shared.private_file() & 0o007, 0, "{value}");
        }
    }
}
