//! Whole file systems, where the operating system syncs them in one step: Linux.

use std::fs::File;

/// Whether there is such a step.
pub(super) const CAN_SYNC: bool = cfg!(target_os = "linux");

/// Syncs the file system of this folder; elsewhere the folder alone.
#[cfg(target_os = "linux")]
pub(super) fn sync_system(folder: &File) -> rustix::io::Result<()> {
    rustix::fs::syncfs(folder)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn sync_system(folder: &File) -> rustix::io::Result<()> {
    rustix::fs::fsync(folder)
}

/// Whether a loss of power leaves the file system of this folder as it was at some moment, all earlier changes of names made
/// and no later one. All that are known here do.
pub(super) fn keeps_order(folder: &File) -> bool {
    is_known(folder)
}

/// Whether nobody else's machine writes to the file system of this folder, so that `lstat` tells what is.
pub(super) fn is_of_this_machine(folder: &File) -> bool {
    is_known(folder)
}

/// ext4, XFS, Btrfs, F2FS, ZFS, bcachefs, tmpfs: by statfs(2), and by the headers of those that it does not list.
#[cfg(target_os = "linux")]
fn is_known(folder: &File) -> bool {
    const KNOWN: [u64; 7] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x2fc1_2fc1, 0xca45_1a4e, 0x0102_1994];
    rustix::fs::fstatfs(folder).is_ok_and(|stat| u64::try_from(stat.f_type).is_ok_and(|kind| KNOWN.contains(&kind)))
}

#[cfg(not(target_os = "linux"))]
fn is_known(_folder: &File) -> bool {
    false
}
