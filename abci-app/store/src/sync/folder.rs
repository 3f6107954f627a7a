//! The folder of finished snapshots.
//!
//! ```text
//! HEIGHT-FORMAT/_snapshot      the description
//! HEIGHT-FORMAT/0, 1, ...      the chunks
//! .HEIGHT-FORMAT.PID.tmp/      a snapshot that is being written
//! ```

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use geodesic_core::store::StorageError;
use sha2::{Digest as _, Sha256};

use super::export::Export;
use super::format::FORMAT;
use super::meta::{CHUNK_MAX, METADATA_MAX, Meta};
use crate::codec::to_u64;
use crate::error::{Error, Result};
use crate::hash::{Hash, sha256};

/// Name of the description in a snapshot's folder and in an archive, as in the SDK.
const DESCRIPTION: &str = "_snapshot";

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    |error| Error::Storage(StorageError(format!("{}: {error}", path.display())))
}

/// Reads a file of at most `max` bytes; `None` if there is none.
fn read(path: &Path, max: usize) -> Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(to_u64(max).saturating_add(1)).read_to_end(&mut bytes).map_err(failed(path))?;
    if bytes.len() > max {
        return Err(Error::Snapshot(format!("{} has more than {max} bytes", path.display())));
    }
    Ok(Some(bytes))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let save = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    save().map_err(failed(path))
}

fn sync(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed(dir))
}

/// Height and format of a folder's name.
fn place(name: &str) -> Option<(u64, u32)> {
    let (height, format) = name.split_once('-')?;
    let found = (height.parse().ok()?, format.parse().ok()?);
    // One name for each.
    (format!("{}-{}", found.0, found.1) == name).then_some(found)
}

/// A folder of snapshots.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at a path; it is made with the first snapshot.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    fn dir(&self, height: u64, format: u32) -> PathBuf {
        self.0.join(format!("{height}-{format}"))
    }

    fn names(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&self.0)(error)),
        };
        let name =
            |entry: std::io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        entries.map(name).collect::<std::io::Result<_>>().map_err(failed(&self.0))
    }

    /// Removes what writers left that were interrupted; returns how many. Nobody else may write.
    ///
    /// # Errors
    /// [`Error::Storage`] names the folder.
    pub fn clean(&self) -> Result<usize> {
        let mut removed = 0_usize;
        for name in self.names()?.iter().filter(|name| name.starts_with('.') && name.ends_with(".tmp")) {
            let path = self.0.join(name);
            fs::remove_dir_all(&path).map_err(failed(&path))?;
            removed = removed.saturating_add(1);
        }
        Ok(removed)
    }

    /// Height and format of each snapshot, the newest first.
    ///
    /// # Errors
    /// [`Error::Storage`] names the folder.
    pub fn list(&self) -> Result<Vec<(u64, u32)>> {
        let mut all: Vec<_> = self.names()?.iter().filter_map(|name| place(name)).collect();
        all.sort_by(|a, b| b.cmp(a));
        Ok(all)
    }

    /// A snapshot's description; `None` if there is no such snapshot.
    ///
    /// # Errors
    /// [`Error::Storage`], or [`Error::Snapshot`] if it is damaged.
    pub fn get(&self, height: u64, format: u32) -> Result<Option<Meta>> {
        let path = self.dir(height, format).join(DESCRIPTION);
        let Some(bytes) = read(&path, METADATA_MAX.saturating_add(1024))? else { return Ok(None) };
        let meta = Meta::decode(&bytes)?;
        if (meta.height, meta.format) != (height, format) {
            return Err(Error::Snapshot(format!("{} is of height {}", path.display(), meta.height)));
        }
        Ok(Some(meta))
    }

    /// A chunk, as it was made; `None` if there is no such chunk.
    ///
    /// # Errors
    /// [`Error::Storage`], or [`Error::Snapshot`] if it is damaged.
    pub fn chunk(&self, meta: &Meta, index: u32) -> Result<Option<Vec<u8>>> {
        if index >= meta.chunks() {
            return Ok(None);
        }
        let path = self.dir(meta.height, meta.format).join(index.to_string());
        match read(&path, CHUNK_MAX)? {
            Some(bytes) if !meta.is_chunk(index, &bytes) => {
                Err(Error::Snapshot(format!("{} has not the bytes that it was made with", path.display())))
            }
            found => Ok(found),
        }
    }

    /// Removes a snapshot; `false` if there is none.
    ///
    /// # Errors
    /// [`Error::Storage`] names the folder.
    pub fn delete(&self, height: u64, format: u32) -> Result<bool> {
        let path = self.dir(height, format);
        // Under another name first, so that no part of it is taken for the whole.
        let gone = self.temporary(height, format)?;
        match fs::rename(&path, &gone) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(&path)(error)),
        }
        fs::remove_dir_all(&gone).map_err(failed(&gone))?;
        sync(&self.0)?;
        Ok(true)
    }

    /// Removes all but the snapshots of the newest `keep` heights; 0 keeps all.
    ///
    /// # Errors
    /// [`Error::Storage`] names the folder.
    pub fn prune(&self, keep: u32) -> Result<()> {
        let all = self.list()?;
        let mut heights: Vec<u64> = all.iter().map(|(height, _)| *height).collect();
        heights.dedup();
        let kept = if keep == 0 { heights.len() } else { usize::try_from(keep).unwrap_or(usize::MAX) };
        let kept: Vec<u64> = heights.into_iter().take(kept).collect();
        for (height, format) in all.into_iter().filter(|(height, _)| !kept.contains(height)) {
            self.delete(height, format)?;
        }
        Ok(())
    }

    /// Where a snapshot stands that is not whole; there is none.
    fn temporary(&self, height: u64, format: u32) -> Result<PathBuf> {
        let path = self.0.join(format!(".{height}-{format}.{}.tmp", std::process::id()));
        if path.exists() {
            fs::remove_dir_all(&path).map_err(failed(&path))?;
        }
        Ok(path)
    }

    /// Begins to write a snapshot.
    ///
    /// # Errors
    /// [`Error::Storage`] names the folder; [`Error::Snapshot`] if there is one of this height and format.
    pub fn draft(&self, height: u64, format: u32) -> Result<Draft> {
        let place = self.dir(height, format);
        if place.exists() {
            return Err(Error::Snapshot(format!("there is one of height {height}, format {format} already")));
        }
        let dir = self.temporary(height, format)?;
        fs::create_dir_all(&dir).map_err(failed(&dir))?;
        let (hash, chunks) = (Sha256::new(), Vec::new());
        Ok(Draft { folder: self.0.clone(), dir, place, height, format, hash, chunks })
    }

    /// Writes a version as a snapshot in chunks of `chunk_bytes`. `go_on` is asked from time to time.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if there is one already or it was not to go on; [`Error::Storage`].
    pub fn make(&self, export: &Export, chunk_bytes: usize, go_on: impl Fn() -> bool) -> Result<Meta> {
        let mut draft = self.draft(export.height(), FORMAT)?;
        let mut buffer = Vec::new();
        export.write(|bytes| {
            if !go_on() {
                return Err(Error::Snapshot("it was interrupted".to_owned()));
            }
            buffer.extend_from_slice(bytes);
            while buffer.len() > chunk_bytes {
                let rest = buffer.split_off(chunk_bytes);
                draft.chunk(&buffer)?;
                buffer = rest;
            }
            Ok(())
        })?;
        draft.chunk(&buffer)?;
        draft.finish()
    }
}

/// A snapshot that is being written; it is removed if it is not finished.
#[derive(Debug)]
pub struct Draft {
    folder: PathBuf,
    dir: PathBuf,
    place: PathBuf,
    height: u64,
    format: u32,
    hash: Sha256,
    chunks: Vec<Hash>,
}

impl Draft {
    /// Writes the next chunk.
    ///
    /// # Errors
    /// [`Error::Storage`] names the file.
    pub fn chunk(&mut self, bytes: &[u8]) -> Result<()> {
        write(&self.dir.join(self.chunks.len().to_string()), bytes)?;
        self.hash.update(bytes);
        self.chunks.push(sha256(bytes));
        Ok(())
    }

    /// What has been written so far.
    pub fn meta(&self) -> Meta {
        let hash = self.hash.clone().finalize().into();
        Meta { height: self.height, format: self.format, hash, chunk_hashes: self.chunks.clone() }
    }

    /// Puts the snapshot where it is found, whole and on disk.
    ///
    /// # Errors
    /// [`Error::Storage`] names the file.
    pub fn finish(self) -> Result<Meta> {
        let meta = self.meta();
        write(&self.dir.join(DESCRIPTION), &meta.encode())?;
        sync(&self.dir)?;
        fs::rename(&self.dir, &self.place).map_err(failed(&self.place))?;
        sync(&self.folder)?;
        Ok(meta)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `finish` there is nothing; what stays now goes at the next start.
        let _ = fs::remove_dir_all(&self.dir);
    }
}
