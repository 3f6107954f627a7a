//! Secrets on disk: files that only their owner can read, replaced as a whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rand_core::RngCore as _;
use zeroize::Zeroizing;

/// Longest key file, in bytes.
pub const KEY_FILE_MAX: u64 = 64 << 10;

/// Why a file or folder is not used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system said no.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Others than the owner may read or write it.
    #[error("{path} is open to other users (mode {mode:04o}); run: chmod {wanted:o} {path}", path = .path.display())]
    Mode {
        /// Where.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode it must have.
        wanted: u32,
    },
    /// A key file longer than any key.
    #[error("{path} has more than {KEY_FILE_MAX} bytes", path = .0.display())]
    TooLarge(PathBuf),
    /// Something is there already.
    #[error("{path} exists already; it is not overwritten", path = .0.display())]
    Exists(PathBuf),
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Io { action, path: path.to_owned(), source }
}

/// Makes a folder, and those above it, that only its owner may enter.
///
/// # Errors
/// [`Error::Io`]; [`Error::Mode`] if it is there and open to others.
pub fn create_private_dir(dir: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("create", dir))?;
    check_mode(dir, &fs::metadata(dir).map_err(failed("read", dir))?, 0o700)
}

/// Refuses what users other than the owner may read, write or enter.
///
/// # Errors
/// [`Error::Mode`], which names the remedy.
pub fn check_mode(path: &Path, metadata: &fs::Metadata, wanted: u32) -> Result<(), Error> {
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(Error::Mode { path: path.to_owned(), mode, wanted }) }
}

/// What a private file holds.
///
/// # Errors
/// [`Error::Io`]; [`Error::Mode`] if others may read it; [`Error::TooLarge`].
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let file = File::open(path).map_err(failed("open", path))?;
    check_mode(path, &file.metadata().map_err(failed("read", path))?, 0o600)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(KEY_FILE_MAX + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() as u64 > KEY_FILE_MAX { Err(Error::TooLarge(path.to_owned())) } else { Ok(bytes) }
}

/// Puts a private file in place of what is there: a crash leaves the old file or the new one.
///
/// # Errors
/// [`Error::Io`].
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = stage(path, bytes)?;
    let placed = fs::rename(&temporary, path).map_err(failed("write", path));
    finish(path, &temporary, placed)
}

/// Writes a private file where nothing is yet.
///
/// # Errors
/// [`Error::Exists`], [`Error::Io`].
pub fn write_private_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = stage(path, bytes)?;
    // A link, unlike a rename, never replaces a file that another process has put there meanwhile.
    let placed = fs::hard_link(&temporary, path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Error::Exists(path.to_owned()),
        _ => failed("write", path)(source),
    });
    finish(path, &temporary, placed)
}

/// Removes a file for good.
///
/// # Errors
/// [`Error::Io`].
pub fn remove(path: &Path) -> Result<(), Error> {
    fs::remove_file(path).map_err(failed("remove", path))?;
    sync_parent(path)
}

/// Writes a synced temporary file beside `path`.
fn stage(path: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}.tmp", rand_core::OsRng.next_u64()));
    let temporary = path.with_file_name(name);
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&temporary);
        failed("write", path)(source)
    })?;
    Ok(temporary)
}

/// After a rename there is no temporary file any more; after a link, or an error, there is.
fn finish(path: &Path, temporary: &Path, placed: Result<(), Error>) -> Result<(), Error> {
    let _ = fs::remove_file(temporary);
    placed?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> Result<(), Error> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(failed("sync", parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_private_whole_and_not_overwritten_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k/key");
        create_private_dir(&dir.path().join("k")).unwrap();
        write_private_new(&path, b"one").unwrap();
        assert!(matches!(write_private_new(&path, b"two"), Err(Error::Exists(_))));
        assert_eq!(*read_private(&path).unwrap(), b"one");
        write_private(&path, b"three").unwrap();
        assert_eq!(*read_private(&path).unwrap(), b"three");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(dir.path().join("k")).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(dir.path().join("k")).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn what_others_may_read_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_private(&path, b"secret").unwrap();
        for mode in [0o640, 0o604, 0o620, 0o606] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = read_private(&path).unwrap_err().to_string();
            assert!(error.contains("chmod 600") && error.contains(&format!("{mode:04o}")), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(read_private(&path).is_ok());
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(create_private_dir(dir.path()).unwrap_err().to_string().contains("chmod 700"));
    }

    #[test]
    fn a_file_longer_than_any_key_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_private(&path, &vec![0; KEY_FILE_MAX as usize + 1]).unwrap();
        assert!(matches!(read_private(&path), Err(Error::TooLarge(_))));
    }
}
