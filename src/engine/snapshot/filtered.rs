//! Files with a filter driver in a snapshot: which they are, what their drivers make of them, and whether that loses bytes.
//!
//! What a driver made is taken over from the last snapshot only where the file, the driver that attributes give to it and what
//! that driver runs are the same. In a hook all drivers share the time; a file for which it does not suffice is left out.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bstr::{BStr, BString, ByteSlice as _};
use rustix::fs::{AtFlags, Mode, OFlags};

use super::folders::{Folders, is_gone};
use super::walk::{Found, Lstat};
use crate::base::repo_path::{escape, unescape};
use crate::base::{Error as BaseError, RepoPath};
use crate::engine::Result;
use crate::engine::filter_cache::{Entry, FilterCache};
use crate::engine::passed::{Carried, Passed, PassedFiles};
use crate::engine::stat_cache::{Records, Stamp};
use crate::git::attributes::Sources;
use crate::git::driver::{Ran, Runner, Way};
use crate::git::filters::Drivers;
use crate::git::{Oid, Repo};
use crate::model::SkipReason;
use crate::model::filters::Bytes;

/// Drivers may fetch (LFS): where nobody waits for a hook they have this long, all together.
pub(in crate::engine) const PATIENCE: Duration = Duration::from_secs(600);

/// What a driver makes is held in memory up to this, then in a file.
const IN_MEMORY: usize = 1 << 20;

/// A driver that fails for so many files in a row is broken for the rest, too.
const MOST_FAILURES: usize = 32;

/// What became of a file with a driver.
#[derive(Debug)]
pub(super) enum Filtered {
    /// It is stored as this blob.
    Taken(Oid),
    /// It is not there any more, or is no file.
    Gone,
    /// It is left out.
    LeftOut(SkipReason),
}

/// The drivers of one snapshot.
#[derive(Debug)]
pub(super) struct Filtering<'r> {
    repo: &'r Repo,
    pub drivers: Drivers,
    cache_path: PathBuf,
    before: FilterCache,
    after: FilterCache,
    /// The drivers of paths, as far as they are known.
    of: HashMap<RepoPath, BString>,
    /// Whether that is all of them.
    is_whole: bool,
    pub passed: PassedFiles,
}

impl<'r> Filtering<'r> {
    /// For a whole tree, with what the last snapshot knew.
    pub(super) fn open(repo: &'r Repo, drivers: Drivers) -> Result<Self> {
        let cache_path = repo.git_dir.join("session").join("filtered");
        let before = FilterCache::load(&cache_path)?;
        Ok(Self { cache_path, before, ..Self::of_named(repo, drivers) })
    }

    /// For named files, with no more than is asked for.
    pub(super) fn of_named(repo: &'r Repo, drivers: Drivers) -> Self {
        Self {
            repo,
            drivers,
            cache_path: PathBuf::new(),
            before: FilterCache::default(),
            after: FilterCache::default(),
            of: HashMap::new(),
            is_whole: true,
            passed: PassedFiles::default(),
        }
    }

    /// Whether attributes have to be looked at.
    pub(super) fn is_active(&self) -> bool {
        !self.drivers.is_empty() || self.before.state.is_some()
    }

    /// Takes in the attributes as they are. Where they, or the drivers, are not those of the last time, `all` gives the paths
    /// of all regular files, and each is asked for its driver.
    pub(super) fn see(&mut self, attributes: &[RepoPath], all: impl FnOnce() -> Result<Vec<RepoPath>>) -> Result<()> {
        if !self.is_active() {
            return Ok(());
        }
        let sources = Sources::read(self.repo, attributes)?;
        let format = self.repo.caps.object_format;
        let state = format.hash_blob(format!("{} {}", sources.id, self.drivers.all(format)?).as_bytes())?;
        self.after.state = Some(state);
        if self.drivers.is_empty() || !sources.mention_filter {
            return Ok(());
        }
        if self.before.state == Some(state) {
            let known = self.before.entries.iter();
            self.of = known.map(|(path, entry)| (path.clone(), unescape(&entry.driver).into())).collect();
            self.is_whole = false;
        } else {
            self.ask(&all()?)?;
        }
        Ok(())
    }

    /// Asks for the drivers of files that are not known yet.
    pub(super) fn ask_more(&mut self, paths: &[RepoPath]) -> Result<()> {
        let unknown: Vec<RepoPath> = paths.iter().filter(|path| !self.of.contains_key(*path)).cloned().collect();
        if self.is_whole { Ok(()) } else { self.ask(&unknown) }
    }

    /// Asks for the drivers of named files, by what lies above them.
    pub(super) fn ask_named(&mut self, paths: &[RepoPath]) -> Result<()> {
        let drivers = self.drivers.of_named(self.repo, paths)?;
        let found = paths.iter().zip(drivers).filter_map(|(path, driver)| Some((path.clone(), driver?)));
        self.of.extend(found);
        Ok(())
    }

    fn ask(&mut self, paths: &[RepoPath]) -> Result<()> {
        let drivers = self.drivers.of_paths(self.repo, paths, None)?;
        let found = paths.iter().zip(drivers).filter_map(|(path, driver)| Some((path.clone(), driver?)));
        self.of.extend(found);
        Ok(())
    }

    /// Whether a driver is known of the path.
    pub(super) fn has(&self, path: &RepoPath) -> bool {
        !self.of.is_empty() && self.of.contains_key(path)
    }

    /// What was made of a file that is the same, by a driver that is the same.
    pub(super) fn cached(&mut self, path: &RepoPath, now: &Stamp) -> Result<Option<Oid>> {
        let (Some(entry), Some(driver)) = (self.before.entries.get(path), self.of.get(path)) else { return Ok(None) };
        let runs = self.drivers.fingerprint(driver.as_bstr(), self.repo.caps.object_format)?;
        let passed = entry.passed();
        let is_here = self.repo.objects.exists(entry.blob)
            && (passed.bytes != Bytes::Raw || self.repo.objects.exists(passed.disk));
        if !entry.is_of(now) || entry.driver != escape(driver) || Some(entry.runs) != runs || !is_here {
            return Ok(None);
        }
        let blob = entry.blob;
        self.after.entries.insert(path.clone(), entry.clone());
        self.passed.looked_at.insert(path.clone(), passed);
        Ok(Some(blob))
    }

    /// Runs the drivers for these files, and tells what became of each. `older_than` tells whether a stamp is old enough to
    /// vouch for its file.
    pub(super) fn run(
        &mut self,
        files: &[&Found],
        folders: &mut Folders,
        deadline: Option<Instant>,
        is_old: impl Fn(&Stamp) -> bool,
    ) -> Result<Vec<Filtered>> {
        let deadline = deadline.unwrap_or_else(|| Instant::now() + PATIENCE);
        let mut runner = Runner::new(self.repo, &self.drivers, deadline)?;
        let mut failures: BTreeMap<&BStr, usize> = BTreeMap::new();
        let mut all = Vec::with_capacity(files.len());
        for found in files {
            let Some(name) = self.of.get(&found.path).map(|name| name.as_bstr()) else {
                all.push(Filtered::Gone);
                continue;
            };
            let failed = failures.entry(name).or_default();
            if *failed >= MOST_FAILURES {
                all.push(Filtered::LeftOut(SkipReason::FilterFailed));
                continue;
            }
            let file = One { repo: self.repo, drivers: &self.drivers, name, path: &found.path };
            let (passed, stamp, blob) = match file.take(&mut runner, folders)? {
                Ok(taken) => taken,
                Err(why) => {
                    *failed += usize::from(matches!(why, Filtered::LeftOut(SkipReason::FilterFailed)));
                    all.push(why);
                    continue;
                }
            };
            *failed = 0;
            let runs = self.drivers.fingerprint(name, self.repo.caps.object_format)?;
            if let Some(runs) = runs {
                let entry = Entry::new(is_old(&stamp).then_some(stamp), runs, blob, &passed);
                self.after.entries.insert(found.path.clone(), entry);
            }
            self.passed.looked_at.insert(found.path.clone(), passed);
            all.push(Filtered::Taken(blob));
        }
        Ok(all)
    }

    /// Settled files of the records that have a driver: the stat cache knows nothing of what that makes of them. With what
    /// became of each.
    pub(super) fn settled(
        &self,
        records: &Records,
        settled: &[bool],
        folders: &mut Folders,
    ) -> Result<Vec<(usize, Option<Found>)>> {
        let mut found = Vec::new();
        for path in self.of.keys() {
            let Some(at) = records.find(path.as_bytes()).filter(|at| settled[*at]) else { continue };
            let name: &[u8] = path.file_name().as_ref();
            let stat =
                folders.holding(path).and_then(|folder| rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW));
            let now = stat.ok().and_then(|stat| Lstat::new(&stat));
            found.push((at, now.map(|now| Found { path: path.clone(), known: Some(at), now })));
        }
        Ok(found)
    }

    /// What was recorded of these stays.
    pub(super) fn carry(&mut self, mut paths: Vec<RepoPath>) {
        paths.sort();
        self.passed.carried = Carried::Only(paths);
    }

    /// Keeps what is known for the next snapshot of the whole tree.
    pub(super) fn keep(self) -> Result<PassedFiles> {
        if self.is_active() && self.after != self.before {
            self.after.store(&self.cache_path)?;
        }
        Ok(self.passed)
    }
}

/// One file on its way through its driver.
struct One<'a> {
    repo: &'a Repo,
    drivers: &'a Drivers,
    name: &'a BStr,
    path: &'a RepoPath,
}

impl One<'_> {
    /// What it is stored as, or what became of it.
    fn take(
        &self,
        runner: &mut Runner<'_>,
        folders: &mut Folders,
    ) -> Result<std::result::Result<(Passed, Stamp, Oid), Filtered>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let name: &[u8] = self.path.file_name().as_ref();
        let opened =
            folders.holding(self.path).and_then(|folder| rustix::fs::openat(folder, name, flags, Mode::empty()));
        let mut file = match opened {
            Ok(fd) => File::from(fd),
            Err(e) if is_gone(e) => return Ok(Err(Filtered::Gone)),
            Err(_) => return Ok(Err(Filtered::LeftOut(SkipReason::Unreadable))),
        };
        let io = || BaseError::io("read", self.path.to_string());
        let stat = |file: &File| rustix::fs::fstat(file).map_err(|e| io()(e.into()));
        let first = stat(&file)?;
        if rustix::fs::FileType::from_raw_mode(first.st_mode) != rustix::fs::FileType::RegularFile {
            return Ok(Err(Filtered::Gone));
        }
        let made = self.made(runner, &mut file)?;
        let stamp = Stamp::of(&first);
        if Stamp::of(&stat(&file)?) != stamp {
            return Ok(Err(Filtered::LeftOut(SkipReason::Changing)));
        }
        Ok(match made {
            Ok((blob, bytes, disk)) => Ok((Passed { driver: escape(self.name), bytes, disk }, stamp, blob)),
            Err(reason) => Err(Filtered::LeftOut(reason)),
        })
    }

    /// The blob, how the bytes come back, and the id of the bytes on disk.
    fn made(
        &self,
        runner: &mut Runner<'_>,
        file: &mut File,
    ) -> Result<std::result::Result<(Oid, Bytes, Oid), SkipReason>> {
        let objects = &self.repo.objects;
        let again =
            |file: &mut File| file.seek(SeekFrom::Start(0)).map_err(BaseError::io("read", self.path.to_string()));
        let folder = self.repo.git_dir.join("session");
        let mut clean = tempfile::spooled_tempfile_in(IN_MEMORY, &folder);
        let is_required = self.drivers.get(self.name).is_some_and(|driver| driver.required);
        let is_changed = match runner.run(Way::Clean, self.name, self.path, file, &mut clean)? {
            Ran::Done => true,
            Ran::Nothing | Ran::Failed(_) if is_required => return Ok(Err(SkipReason::FilterFailed)),
            Ran::Nothing | Ran::Failed(_) => false,
            Ran::TooSlow => return Ok(Err(SkipReason::FilterTooSlow)),
        };
        again(file)?;
        let disk = {
            let length = file.metadata().map_err(BaseError::io("read", self.path.to_string()))?.len();
            objects.hash_from(file, length)?
        };
        again(file)?;
        if !is_changed {
            return Ok(Ok((objects.write_blob_from(file)?, Bytes::Blob, disk)));
        }
        let rewind = |clean: &mut tempfile::SpooledTempFile| {
            clean.seek(SeekFrom::Start(0)).map_err(BaseError::io("read what a filter made of", self.path.to_string()))
        };
        rewind(&mut clean)?;
        let blob = objects.write_blob_from(&mut clean)?;
        if blob == disk {
            return Ok(Ok((blob, Bytes::Blob, disk)));
        }
        rewind(&mut clean)?;
        let mut same = SameAs { file, is_same: true };
        let back = runner.run(Way::Smudge, self.name, self.path, &mut clean, &mut same)?;
        if back == Ran::Done && same.is_whole() {
            return Ok(Ok((blob, Bytes::Driver, disk)));
        }
        // The driver would not give them back, or not now.
        again(file)?;
        objects.write_blob_from(file)?;
        Ok(Ok((blob, Bytes::Raw, disk)))
    }
}

/// Compares what is written with a file.
struct SameAs<'f> {
    file: &'f mut File,
    is_same: bool,
}

impl SameAs<'_> {
    /// Whether all of the file, and nothing else, was written.
    fn is_whole(&mut self) -> bool {
        self.is_same && matches!(self.file.read(&mut [0]), Ok(0))
    }
}

impl Write for SameAs<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.is_same {
            let mut there = vec![0; bytes.len()];
            self.is_same = self.file.read_exact(&mut there).is_ok() && there == bytes;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
