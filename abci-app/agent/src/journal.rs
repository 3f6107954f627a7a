//! What must outlive a crash and cannot be read from the chain: what was served and re-computed, judgments before their hash
//! is sent, and which transactions got through. Leaves have files of their own ([`crate::leaves`]).
//!
//! Small JSON files, each replaced in one step, and one append-only list; everything of an epoch is in its folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use geodesic_challenge::{Address, Hash, Leaf};
use geodesic_client::files;
use geodesic_proto::geodesic::pow::v1 as pb;
use prost::Message;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, read_optional, sync_dir};

/// What is known of one sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sampled {
    /// Node it is in.
    pub node_id: u32,
    /// Encoded `geodesic.pow.v1.Opening`, in hex.
    pub(crate) opening: String,
    /// The path is there; of an answer that the chain has checked only the leaf is known at first.
    pub has_path: bool,
    /// What re-computing it gave.
    pub computed: Option<Computed>,
}

impl Sampled {
    /// A sample that was served.
    pub fn new(node_id: u32, opening: &pb::Opening, has_path: bool) -> Self {
        Self { node_id, opening: hex::encode(opening.encode_to_vec()), has_path, computed: None }
    }

    /// The leaf that was served; `None` if the journal's text is damaged.
    pub fn leaf(&self) -> Option<Leaf> {
        crate::duties::leaf_of(self.opening()?.leaf.as_ref())
    }

    /// Whether the leaf is known not to be what its nonce gives.
    pub fn is_wrong(&self) -> bool {
        self.computed
            .as_ref()
            .zip(self.leaf())
            .is_some_and(|(computed, leaf)| computed.leaf_hash != leaf.hash())
    }

    /// What was served; `None` if the journal's text is damaged.
    pub fn opening(&self) -> Option<pb::Opening> {
        pb::Opening::decode(hex::decode(&self.opening).ok()?.as_slice()).ok()
    }
}

/// What a nonce gives, and this validator's tag of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Computed {
    /// Leaf hash.
    pub leaf_hash: Hash,
    /// Tag of the auditor; zeros under profile `pow2-f16`, which has none.
    pub tag: [u8; 8],
    /// Distance in units of 2^-32.
    #[serde(default)]
    pub distance: u64,
}

/// Samples of one prover, by their number.
pub type Audit = BTreeMap<u32, Sampled>;

/// Judgments of an epoch and their salt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgment {
    /// 32 random bytes.
    pub salt: Hash,
    /// Case and value.
    pub values: BTreeMap<u32, Vec<u8>>,
}

/// The journal's folder.
#[derive(Clone, Debug)]
pub struct Journal {
    dir: PathBuf,
}

const DONE: &str = "done.log";

impl Journal {
    /// The journal in a folder, which is created.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(dir: &Path) -> Result<Self> {
        files::create_private_dir(dir)?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Folder of an epoch.
    pub fn epoch_dir(&self, epoch: u64) -> PathBuf {
        self.dir.join(format!("{epoch:010}"))
    }

    fn save<T: Serialize>(&self, epoch: u64, name: &str, value: &T) -> Result<()> {
        let dir = self.epoch_dir(epoch);
        if !dir.is_dir() {
            files::create_private_dir(&dir)?;
            sync_dir(&self.dir)?;
        }
        let bytes = serde_json::to_vec(value).map_err(|e| Error::Config(format!("{name}: {e}")))?;
        Ok(files::write_private(&dir.join(name), &bytes)?)
    }

    /// The value of a file; `None` if it is not there or damaged, which only a failing disk can do.
    fn load<T: DeserializeOwned>(&self, epoch: u64, name: &str) -> Result<Option<T>> {
        let path = self.epoch_dir(epoch).join(name);
        let Some(bytes) = read_optional(&path)? else { return Ok(None) };
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                tracing::error!(file = %path.display(), %error, "journal is damaged, its entry is worked out anew");
                Ok(None)
            }
        }
    }

    fn audit_name(prover: &Address) -> String {
        format!("audit-{}.json", hex::encode(prover))
    }

    /// What is known of a prover's samples.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn audit(&self, epoch: u64, prover: &Address) -> Result<Audit> {
        Ok(self.load(epoch, &Self::audit_name(prover))?.unwrap_or_default())
    }

    /// Keeps what is known of a prover's samples.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn set_audit(&self, epoch: u64, prover: &Address, audit: &Audit) -> Result<()> {
        self.save(epoch, &Self::audit_name(prover), audit)
    }

    /// The judgments whose hash was, or is about to be, sent.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn judgment(&self, epoch: u64) -> Result<Option<Judgment>> {
        self.load(epoch, "judgment.json")
    }

    /// Keeps judgments, before their hash is sent.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn set_judgment(&self, epoch: u64, judgment: &Judgment) -> Result<()> {
        self.save(epoch, "judgment.json", judgment)
    }

    /// Keys of the actions that the chain has taken.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn done(&self, epoch: u64) -> Result<BTreeSet<String>> {
        let bytes = read_optional(&self.epoch_dir(epoch).join(DONE))?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        // A line without its end was torn by a crash; its action is done again, which the chain refuses.
        Ok(text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect())
    }

    /// Notes that the chain has taken an action.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn set_done(&self, epoch: u64, key: &str) -> Result<()> {
        let dir = self.epoch_dir(epoch);
        files::create_private_dir(&dir)?;
        let path = dir.join(DONE);
        let torn = read_optional(&path)?.is_some_and(|bytes| bytes.last().is_some_and(|b| *b != b'\n'));
        let line = if torn { format!("\n{key}\n") } else { format!("{key}\n") };
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
            file.write_all(line.as_bytes())?;
            file.sync_data()
        };
        write().map_err(Error::io(&path))
    }

    /// Deletes what belongs to epochs before `first`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn prune(&self, first: u64) -> Result<()> {
        for entry in std::fs::read_dir(&self.dir).map_err(Error::io(&self.dir))? {
            let entry = entry.map_err(Error::io(&self.dir))?;
            let epoch = entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
            if epoch.is_some_and(|epoch| epoch < first) {
                std::fs::remove_dir_all(entry.path()).map_err(Error::io(entry.path()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> (tempfile::TempDir, Journal) {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&dir.path().join("journal")).unwrap();
        (dir, journal)
    }

    #[test]
    fn the_list_of_done_actions_survives_a_cut_at_any_byte() {
        let (_dir, journal) = journal();
        journal.set_done(5, "verdict").unwrap();
        journal.set_done(5, "demand:aa").unwrap();
        let path = journal.epoch_dir(5).join(DONE);
        let bytes = std::fs::read(&path).unwrap();
        for cut in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let whole = bytes[..cut].iter().filter(|b| **b == b'\n').count();
            assert_eq!(journal.done(5).unwrap().len(), whole, "cut at {cut}");
            journal.set_done(5, "later").unwrap();
            assert!(journal.done(5).unwrap().contains("later"), "cut at {cut}");
        }
    }

    #[test]
    fn a_file_cut_at_any_byte_is_whole_or_absent() {
        let (_dir, journal) = journal();
        let judgment = Judgment { salt: [7; 32], values: [(0, vec![1; 32]), (3, vec![2; 8])].into() };
        journal.set_judgment(2, &judgment).unwrap();
        let path = journal.epoch_dir(2).join("judgment.json");
        let bytes = std::fs::read(&path).unwrap();
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert_eq!(journal.judgment(2).unwrap(), None, "cut at {cut}");
        }
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(journal.judgment(2).unwrap(), Some(judgment));
    }

    #[test]
    fn a_crash_between_writing_and_replacing_keeps_the_old_value() {
        let (_dir, journal) = journal();
        let old = Judgment { salt: [1; 32], ..Judgment::default() };
        journal.set_judgment(2, &old).unwrap();
        std::fs::write(journal.epoch_dir(2).join("judgment.json.0123.tmp"), b"{\"salt\":[1,").unwrap();
        assert_eq!(journal.judgment(2).unwrap(), Some(old));
    }

    #[test]
    fn audits_come_back() {
        let (_dir, journal) = journal();
        let opening = pb::Opening { position: 4, leaf: None, path: vec![] };
        let mut sampled = Sampled::new(1, &opening, true);
        sampled.computed = Some(Computed { leaf_hash: [1; 32], tag: [2; 8], distance: 3 });
        let audit: Audit = [(4, sampled)].into();
        journal.set_audit(9, &[3; 20], &audit).unwrap();
        let back = journal.audit(9, &[3; 20]).unwrap();
        assert_eq!(back, audit);
        assert_eq!(back[&4].opening(), Some(opening));
        assert_eq!(journal.audit(9, &[4; 20]).unwrap(), Audit::new());
    }

    #[test]
    fn old_epochs_are_deleted() {
        let (_dir, journal) = journal();
        (3..6).for_each(|epoch| journal.set_done(epoch, "x").unwrap());
        journal.prune(5).unwrap();
        let kept: Vec<bool> = (3..6).map(|epoch| journal.epoch_dir(epoch).exists()).collect();
        assert_eq!(kept, [false, false, true]);
    }
}
