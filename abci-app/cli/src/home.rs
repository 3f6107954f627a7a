//! The home folder: where its files are, and how they are read and written.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use geodesic_client::files;

/// Longest genesis file, in bytes.
pub const GENESIS_MAX: u64 = 1 << 30;

/// A home folder.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

impl Home {
    /// The home at a path, made absolute.
    ///
    /// # Errors
    /// The working folder is gone.
    pub fn new(path: &Path) -> anyhow::Result<Self> {
        Ok(Self(std::path::absolute(path).with_context(|| format!("home {}", path.display()))?))
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in `config/`.
    #[must_use]
    pub fn config(&self, name: &str) -> PathBuf {
        self.0.join("config").join(name)
    }

    /// A file in `data/`.
    #[must_use]
    pub fn data(&self, name: &str) -> PathBuf {
        self.0.join("data").join(name)
    }

    /// `config/genesis.json`.
    #[must_use]
    pub fn genesis(&self) -> PathBuf {
        self.config("genesis.json")
    }

    /// The address of the application's socket.
    #[must_use]
    pub fn socket(&self) -> String {
        format!("unix://{}", self.data("abci.sock").display())
    }

    /// The application's database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.data("application.db")
    }

    /// The folder of snapshots for state sync.
    #[must_use]
    pub fn snapshots(&self) -> PathBuf {
        self.data("snapshots")
    }

    /// Refuses a home whose chain has not begun here, or whose node runs; returns the database.
    ///
    /// # Errors
    /// Names the folder and the remedy.
    pub fn idle_database(&self) -> anyhow::Result<PathBuf> {
        self.check_idle()?;
        let database = self.database();
        if !database.join("CURRENT").exists() {
            bail!("there is no state in {}: the chain has not begun in this home", database.display());
        }
        Ok(database)
    }

    /// Refuses a home whose node runs.
    ///
    /// # Errors
    /// The node answers on its socket.
    pub fn check_idle(&self) -> anyhow::Result<()> {
        if std::os::unix::net::UnixStream::connect(self.data("abci.sock")).is_ok() {
            bail!("a node runs on {}; stop it first", self.0.display());
        }
        Ok(())
    }

    /// Makes the folders, for their owner alone.
    ///
    /// # Errors
    /// The system's, or a folder that others may enter.
    pub fn create(&self) -> anyhow::Result<()> {
        for dir in [self.0.clone(), self.0.join("config"), self.0.join("data")] {
            files::create_private_dir(&dir)?;
        }
        Ok(())
    }
}

/// The text of a file of at most `max` bytes.
///
/// # Errors
/// The file cannot be read, is longer, or is not UTF-8.
pub fn read_bounded(path: &Path, max: u64) -> anyhow::Result<String> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut text = String::new();
    let read = file.take(max + 1).read_to_string(&mut text);
    read.with_context(|| format!("cannot read {}", path.display()))?;
    if text.len() as u64 > max {
        bail!("{} is longer than {max} bytes", path.display());
    }
    Ok(text)
}

/// Writes a file without secrets (mode 0644): a crash leaves the old file or the new one.
///
/// # Errors
/// The system's.
pub fn write_public(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().with_context(|| {
        let _ = fs::remove_file(&temporary);
        format!("cannot write {}", path.display())
    })
}
