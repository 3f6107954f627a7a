//! Named keys: encrypted files, plain files of local networks, or memory.
//!
//! `file`: `keyring-file/NAME.json`, one a key; the private key encrypted by ChaCha20-Poly1305 under a key that scrypt
//! makes of the passphrase, name and public key in the clear. One passphrase holds for the whole folder.
//! `test`: `keyring-test/NAME.json` with the private key in the clear.
//! `os`: `keyring-os/NAME.json` with the public half; the private half is in the operating system's store.
//! Folders have mode 0700, files 0600.

mod os;
mod record;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Mutex;

use record::Stored;
use zeroize::Zeroizing;

use crate::account_key::AccountKey;
use crate::key::SecretKey;
use crate::prompt::Prompt;
use crate::{address, files, key};

/// Longest name of a key.
pub const NAME_MAX: usize = 64;
/// Shortest passphrase, as in the SDK.
pub const PASSPHRASE_MIN: usize = 8;
/// Most keys of a keyring.
const KEYS_MAX: usize = 10_000;

/// Where keys are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Encrypted files.
    File,
    /// The operating system's store: the Secret Service of a Linux desktop, the keychain of macOS.
    Os,
    /// Plain files, for local networks.
    Test,
    /// Nowhere: gone when the process ends.
    Memory,
}

impl FromStr for Backend {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "file" => Ok(Self::File),
            "os" => Ok(Self::Os),
            "test" => Ok(Self::Test),
            "memory" => Ok(Self::Memory),
            other => Err(Error::Backend(other.chars().take(32).collect())),
        }
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Os => "os",
            Self::Test => "test",
            Self::Memory => "memory",
        })
    }
}

/// Why a keyring refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A backend that does not exist here.
    #[error(
        "keyring backend {0:?} is not available; use file (encrypted), os (the desktop's), test (plain, for local networks) or memory"
    )]
    Backend(String),
    /// A name that cannot be a file's.
    #[error(
        "key name {0:?} is invalid: 1 to {NAME_MAX} letters, digits, '-', '_', '.' or '@', not beginning with '.'"
    )]
    Name(String),
    /// No such key.
    #[error("no key {name:?} in keyring {keyring}; see: geod keys list")]
    NotFound {
        /// Name or address asked for.
        name: String,
        /// Backend and folder.
        keyring: String,
    },
    /// The name is taken.
    #[error("a key named {0:?} exists already")]
    Exists(String),
    /// Another name has the same key.
    #[error("key {name:?} has this address already")]
    SameAddress {
        /// The other name.
        name: String,
    },
    /// The key has no private half here.
    #[error("key {0:?} is only a public key or a group; sign where a private key is")]
    Offline(String),
    /// The operating system's store does not answer, or refuses.
    #[error(
        "the operating system's keyring: {0}; start and unlock a Secret Service such as gnome-keyring or KeePassXC, or use --keyring-backend file"
    )]
    Os(String),
    /// Decryption fails.
    #[error("wrong passphrase for key {name:?}, or {path} was changed", path = .path.display())]
    Passphrase {
        /// The key.
        name: String,
        /// Its file.
        path: PathBuf,
    },
    /// Too short.
    #[error("passphrase has {0} characters, at least {PASSPHRASE_MIN} are needed")]
    ShortPassphrase(usize),
    /// Typed differently twice.
    #[error("passphrases do not match")]
    Mismatch,
    /// No passphrase to be had.
    #[error("cannot read passphrase: {0}")]
    Prompt(#[from] io::Error),
    /// A file that is no key.
    #[error("{path} is not a key file: {reason}", path = .path.display())]
    Malformed {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The folder holds more than anybody's keys.
    #[error("more than {KEYS_MAX} keys in {path}", path = .0.display())]
    TooMany(PathBuf),
    /// The disk said no.
    #[error(transparent)]
    Files(#[from] files::Error),
    /// Not a key.
    #[error(transparent)]
    Key(#[from] key::Error),
}

/// What a keyring shows of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// Its public half.
    pub key: AccountKey,
    /// Whether the private half is here.
    pub local: bool,
}

impl Record {
    /// The account's bytes.
    #[must_use]
    pub fn address(&self) -> [u8; 20] {
        self.key.address()
    }

    /// `local`, `offline` or `multi`, as the SDK says.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.key {
            _ if self.local => "local",
            AccountKey::Group(_) => "multi",
            _ => "offline",
        }
    }
}

/// A set of named keys.
pub struct Keyring {
    backend: Backend,
    dir: PathBuf,
    prompt: Box<dyn Prompt>,
    /// What `memory` holds.
    memory: BTreeMap<String, (AccountKey, Option<SecretKey>)>,
    /// The passphrase, once it was right.
    passphrase: Mutex<Option<Zeroizing<String>>>,
}

impl Keyring {
    /// The keyring of a backend below `parent`; nothing is created before the first key.
    ///
    /// # Errors
    /// [`Error::Files`] if its folder is open to other users.
    pub fn open(backend: Backend, parent: &Path, prompt: Box<dyn Prompt>) -> Result<Self, Error> {
        let dir = parent.join(format!("keyring-{backend}"));
        if let (true, Ok(metadata)) = (backend != Backend::Memory, std::fs::metadata(&dir)) {
            files::check_mode(&dir, &metadata, 0o700)?;
        }
        Ok(Self { backend, dir, prompt, memory: BTreeMap::new(), passphrase: Mutex::new(None) })
    }

    /// All keys, by name.
    ///
    /// # Errors
    /// A file that cannot be read, is open to others, or is no key.
    pub fn list(&self) -> Result<Vec<Record>, Error> {
        if self.backend == Backend::Memory {
            let record = |(name, (key, secret)): (&String, &(AccountKey, Option<SecretKey>))| Record {
                name: name.clone(),
                key: key.clone(),
                local: secret.is_some(),
            };
            return Ok(self.memory.iter().map(record).collect());
        }
        let mut names = self.names()?;
        names.sort();
        names.iter().map(|name| Ok(self.load(name)?.record(name))).collect()
    }

    /// The key of a name, or of a bech32 address of any prefix.
    ///
    /// # Errors
    /// [`Error::NotFound`], or as [`Keyring::list`].
    pub fn get(&self, name_or_address: &str) -> Result<Record, Error> {
        let not_found = || Error::NotFound { name: name_or_address.to_owned(), keyring: self.to_string() };
        if let Ok((_, bytes)) = address::decode(name_or_address) {
            let found = self.list()?.into_iter().find(|record| record.address().as_slice() == bytes);
            return found.ok_or_else(not_found);
        }
        check_name(name_or_address)?;
        if self.backend == Backend::Memory {
            return self.list()?.into_iter().find(|r| r.name == name_or_address).ok_or_else(not_found);
        }
        if !self.path(name_or_address).exists() {
            return Err(not_found());
        }
        Ok(self.load(name_or_address)?.record(name_or_address))
    }

    /// The private key of a name or address.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Offline`], [`Error::Passphrase`], or as [`Keyring::list`].
    pub fn secret(&self, name_or_address: &str) -> Result<SecretKey, Error> {
        let name = self.get(name_or_address)?.name;
        let offline = || Error::Offline(name.clone());
        if self.backend == Backend::Memory {
            return self.memory.get(&name).and_then(|(_, secret)| secret.clone()).ok_or_else(offline);
        }
        let stored = self.load(&name)?;
        if let Some(public) = stored.in_os() {
            return os::get(public);
        }
        if !stored.encrypted() {
            return stored.plain(&self.path(&name))?.ok_or_else(offline);
        }
        let known = self.cached();
        let passphrase = match &known {
            Some(passphrase) => passphrase.clone(),
            None => self.prompt.passphrase("Enter keyring passphrase: ")?,
        };
        let secret = stored
            .decrypt(&passphrase, &self.path(&name))?
            .ok_or_else(|| Error::Passphrase { name: name.clone(), path: self.path(&name) })?;
        self.remember(&passphrase);
        Ok(secret)
    }

    /// Adds a key under a new name.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Exists`], [`Error::SameAddress`], or what the passphrase or the disk say.
    pub fn add(&mut self, name: &str, secret: &SecretKey) -> Result<Record, Error> {
        self.check_new(name, &secret.public().into())?;
        let stored = match self.backend {
            Backend::Memory => {
                self.memory.insert(name.to_owned(), (secret.public().into(), Some(secret.clone())));
                return self.get(name);
            }
            Backend::Os => {
                os::put(secret)?;
                Stored::new_in_os(secret)
            }
            Backend::Test => Stored::new_plain(secret),
            Backend::File => Stored::encrypt(secret, &self.passphrase_for_writing()?)?,
        };
        self.store(name, &stored)
    }

    /// Adds a public key, whose private half is elsewhere, or a group.
    ///
    /// # Errors
    /// As [`Keyring::add`].
    pub fn add_public(&mut self, name: &str, key: &AccountKey) -> Result<Record, Error> {
        self.check_new(name, key)?;
        if self.backend == Backend::Memory {
            self.memory.insert(name.to_owned(), (key.clone(), None));
            return self.get(name);
        }
        self.store(name, &Stored::new_public(key)?)
    }

    /// Forgets a key.
    ///
    /// # Errors
    /// [`Error::NotFound`], or what the disk says.
    pub fn delete(&mut self, name: &str) -> Result<(), Error> {
        let name = self.get(name)?.name;
        if self.memory.remove(&name).is_none() {
            if let Some(public) = self.load(&name)?.in_os() {
                os::remove(public)?;
            }
            files::remove(&self.path(&name))?;
        }
        Ok(())
    }

    /// Gives a key another name.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Name`], [`Error::Exists`], or what the disk says.
    pub fn rename(&mut self, old: &str, new: &str) -> Result<Record, Error> {
        let old = self.get(old)?.name;
        check_name(new)?;
        if self.memory.contains_key(new) || (self.backend != Backend::Memory && self.path(new).exists()) {
            return Err(Error::Exists(new.to_owned()));
        }
        if let Some(entry) = self.memory.remove(&old) {
            self.memory.insert(new.to_owned(), entry);
        } else {
            // Both names for a moment rather than none.
            files::write_private_new(&self.path(new), &files::read_private(&self.path(&old))?)?;
            files::remove(&self.path(&old))?;
        }
        self.get(new)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.json"))
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(files::Error::Io { action: "read", path: self.dir.clone(), source }.into());
            }
        };
        let file_names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let names = file_names.filter_map(|file| file.strip_suffix(".json").map(str::to_owned));
        let names: Vec<String> = names.filter(|name| check_name(name).is_ok()).take(KEYS_MAX + 1).collect();
        if names.len() > KEYS_MAX { Err(Error::TooMany(self.dir.clone())) } else { Ok(names) }
    }

    fn load(&self, name: &str) -> Result<Stored, Error> {
        let path = self.path(name);
        Stored::read(&files::read_private(&path)?, &path)
    }

    fn store(&self, name: &str, stored: &Stored) -> Result<Record, Error> {
        files::create_private_dir(&self.dir)?;
        files::write_private_new(&self.path(name), &stored.to_json()?)?;
        Ok(stored.record(name))
    }

    fn check_new(&self, name: &str, key: &AccountKey) -> Result<(), Error> {
        check_name(name)?;
        let records = self.list()?;
        if records.iter().any(|record| record.name == name) {
            return Err(Error::Exists(name.to_owned()));
        }
        match records.into_iter().find(|record| record.key == *key) {
            Some(other) => Err(Error::SameAddress { name: other.name }),
            None => Ok(()),
        }
    }

    /// The passphrase of the keys that are there; a new one, typed twice, if there are none.
    fn passphrase_for_writing(&self) -> Result<Zeroizing<String>, Error> {
        if let Some(passphrase) = self.cached() {
            return Ok(passphrase);
        }
        let first = self.list()?.into_iter().find(|record| record.local);
        if let Some(existing) = first {
            self.secret(&existing.name)?;
            return self.cached().ok_or(Error::Mismatch);
        }
        let passphrase = self.prompt.passphrase("Enter new keyring passphrase: ")?;
        let length = passphrase.chars().count();
        if length < PASSPHRASE_MIN {
            return Err(Error::ShortPassphrase(length));
        }
        if *self.prompt.passphrase("Re-enter keyring passphrase: ")? != *passphrase {
            return Err(Error::Mismatch);
        }
        self.remember(&passphrase);
        Ok(passphrase)
    }

    fn cached(&self) -> Option<Zeroizing<String>> {
        self.passphrase.lock().ok()?.clone()
    }

    fn remember(&self, passphrase: &Zeroizing<String>) {
        if let Ok(mut cached) = self.passphrase.lock() {
            *cached = Some(passphrase.clone());
        }
    }
}

impl std::fmt::Display for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.backend {
            Backend::Memory => f.write_str("memory"),
            _ => self.dir.display().fmt(f),
        }
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if (1..=NAME_MAX).contains(&name.len()) && !name.starts_with('.') && name.chars().all(allowed) {
        Ok(())
    } else {
        Err(Error::Name(name.chars().take(NAME_MAX).collect()))
    }
}
