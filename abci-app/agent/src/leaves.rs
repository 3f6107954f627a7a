//! Leaves of a node's epoch on disk, and their tree in memory.
//!
//! One file per epoch and node, only ever appended to: a header, then a record for each nonce from 0. Each record carries
//! a checksum over its place and content, so that whatever a crash leaves behind the last whole record is seen and cut off.
//!
//! ```text
//! header  magic:8 epoch:be64 node:be32 participant:20 epoch_key:32 r_target:be64 check:4
//! record  distance:be64 logits_hash:32 check:4
//! ```

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path as FilePath, PathBuf};

use geodesic_challenge::{Address, Commitment, Distance, Hash, Leaf, MerkleSum, Path, Position, RTarget};
use geodesic_client::files;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result, sync_dir};

const MAGIC: &[u8; 8] = b"geoleaf1";
const HEADER: usize = 84;
const RECORD: usize = 44;
/// Records read at once when a file is opened.
const CHUNK: usize = 1 << 14;

/// What the leaves of a file belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Epoch.
    pub epoch: u64,
    /// Number of the node.
    pub node_id: u32,
    /// The participant.
    pub participant: Address,
    /// Key of the epoch.
    pub epoch_key: Hash,
    /// Distance below which a nonce is a hit.
    pub r_target: RTarget,
}

fn check(parts: &[&[u8]]) -> [u8; 4] {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    let [a, b, c, d, ..] = <[u8; 32]>::from(hasher.finalize());
    [a, b, c, d]
}

impl Subject {
    fn header(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.epoch.to_be_bytes());
        bytes.extend(self.node_id.to_be_bytes());
        bytes.extend(self.participant);
        bytes.extend(self.epoch_key);
        bytes.extend(self.r_target.0.to_be_bytes());
        bytes.extend(check(&[&bytes]));
        bytes
    }

    fn record(&self, leaf: &Leaf) -> Vec<u8> {
        let mut bytes = leaf.distance.0.to_be_bytes().to_vec();
        bytes.extend(leaf.logits_hash);
        bytes.extend(self.check(leaf.nonce, &bytes));
        bytes
    }

    fn check(&self, nonce: u64, content: &[u8]) -> [u8; 4] {
        check(&[&self.epoch_key, &self.node_id.to_be_bytes(), &nonce.to_be_bytes(), content])
    }

    /// The leaf of a record; `None` if it is torn.
    fn leaf(&self, nonce: u64, record: &[u8]) -> Option<Leaf> {
        let (content, sum) = record.split_last_chunk::<4>()?;
        let (distance, logits_hash) = content.split_first_chunk::<8>()?;
        let distance = Distance(u64::from_be_bytes(*distance));
        let leaf = Leaf { nonce, distance, logits_hash: logits_hash.try_into().ok()? };
        (self.check(nonce, content) == *sum).then_some(leaf)
    }
}

fn offset(nonce: u64) -> u64 {
    nonce.saturating_mul(RECORD as u64).saturating_add(HEADER as u64)
}

/// The leaves of one node's epoch. 80 bytes of memory a leaf.
#[derive(Debug)]
pub struct Leaves {
    subject: Subject,
    path: PathBuf,
    file: File,
    tree: MerkleSum,
}

impl Leaves {
    /// Opens the file of a subject in `dir`, or creates it. A torn end is cut off; a file of another subject (of a chain that
    /// was begun anew, say) is set aside.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(dir: &FilePath, subject: Subject) -> Result<Self> {
        files::create_private_dir(dir)?;
        let path = dir.join(format!("node-{}.leaves", subject.node_id));
        let header = subject.header();
        // A shorter header was torn while the file was created, so there is nothing in it.
        if read_start(&path)?.is_some_and(|old| old.len() == HEADER && old != header) {
            let aside = path.with_extension("leaves.other");
            tracing::warn!(file = %path.display(), aside = %aside.display(), "leaves of something else set aside");
            std::fs::rename(&path, &aside).map_err(Error::io(&path))?;
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(Error::io(&path))?;
        file.write_all_at(&header, 0).map_err(Error::io(&path))?;
        let mut leaves = Self { subject, path, file, tree: MerkleSum::new(subject.r_target) };
        leaves.load()?;
        leaves.sync()?;
        sync_dir(dir)?;
        Ok(leaves)
    }

    /// Reads the whole records and cuts off the rest.
    fn load(&mut self) -> Result<()> {
        let len = self.file.metadata().map_err(Error::io(&self.path))?.len();
        let records = len.saturating_sub(HEADER as u64) / RECORD as u64;
        let mut buffer = vec![0; CHUNK * RECORD];
        'all: while self.len() < records {
            let count = (records - self.len()).min(CHUNK as u64) as usize;
            let Some(part) = buffer.get_mut(..count * RECORD) else { break };
            self.file.read_exact_at(part, offset(self.len())).map_err(Error::io(&self.path))?;
            for record in part.chunks_exact(RECORD) {
                let Some(leaf) = self.subject.leaf(self.len(), record) else { break 'all };
                self.tree.append(&leaf);
            }
        }
        if offset(self.len()) != len {
            tracing::warn!(file = %self.path.display(), leaves = self.len(), "torn end cut off");
            self.cut()?;
        }
        Ok(())
    }

    fn cut(&self) -> Result<()> {
        self.file.set_len(offset(self.len())).map_err(Error::io(&self.path))
    }

    /// What they belong to.
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Leaves so far, which is the next nonce.
    pub fn len(&self) -> u64 {
        self.tree.len()
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// Appends leaves, the first with the next nonce, without a gap. All of them, or none, are appended.
    ///
    /// # Errors
    /// [`Error::Leaves`] for a gap or an impossible distance, [`Error::Io`].
    pub fn append(&mut self, leaves: &[Leaf]) -> Result<()> {
        let mut bytes = Vec::with_capacity(leaves.len().saturating_mul(RECORD));
        for (next, leaf) in (self.len()..).zip(leaves) {
            if leaf.nonce != next || leaf.distance > Distance::MAX {
                let (nonce, distance) = (leaf.nonce, leaf.distance.0);
                let text = format!("leaf of nonce {nonce} with distance {distance}, wanted is nonce {next}");
                return Err(Error::Leaves(text));
            }
            bytes.extend(self.subject.record(leaf));
        }
        if let Err(e) = self.file.write_all_at(&bytes, offset(self.len())) {
            self.cut()?;
            return Err(Error::io(&self.path)(e));
        }
        leaves.iter().for_each(|leaf| self.tree.append(leaf));
        Ok(())
    }

    /// Makes all leaves durable: called before a commitment to them is sent.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io(&self.path))
    }

    /// Commitment to the first `count` leaves.
    ///
    /// # Errors
    /// [`Error::Leaves`] for none or more than there are.
    pub fn commitment(&self, count: u64) -> Result<Commitment> {
        self.tree.commitment(count).map_err(|e| Error::Leaves(e.to_string()))
    }

    /// The leaf at a position among the first `count` leaves, with its path.
    ///
    /// # Errors
    /// [`Error::Leaves`] if there is none, [`Error::Io`].
    pub fn open_position(&self, count: u64, position: Position) -> Result<(Leaf, Path)> {
        let none = || Error::Leaves(format!("{position:?} of {count} leaves, there are {}", self.len()));
        let index = match position {
            Position::Leaf(index) => index,
            Position::Hit(rank) => self.tree.kth_hit(count, rank).ok_or_else(none)?,
        };
        let path = self.tree.path(count, index).map_err(|e| Error::Leaves(e.to_string()))?;
        let mut record = [0; RECORD];
        self.file.read_exact_at(&mut record, offset(index)).map_err(Error::io(&self.path))?;
        let torn = || Error::Leaves(format!("{}: record {index} is damaged", self.path.display()));
        Ok((self.subject.leaf(index, &record).ok_or_else(torn)?, path))
    }
}

/// The first bytes of a file, as many as a header has if there are; `None` without a file.
fn read_start(path: &FilePath) -> Result<Option<Vec<u8>>> {
    use std::io::Read;
    match File::open(path) {
        Ok(file) => {
            let mut bytes = Vec::new();
            file.take(HEADER as u64).read_to_end(&mut bytes).map_err(Error::io(path))?;
            Ok(Some(bytes))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io(path)(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geodesic_challenge::{verify, verify_hit_rank};

    const R: RTarget = RTarget(1000);

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let guard = tempfile::tempdir().unwrap();
        let dir = guard.path().join("epoch");
        (guard, dir)
    }

    fn subject() -> Subject {
        Subject { epoch: 3, node_id: 7, participant: [1; 20], epoch_key: [2; 32], r_target: R }
    }

    fn leaves(range: std::ops::Range<u64>) -> Vec<Leaf> {
        let leaf = |nonce: u64| {
            let hash = <[u8; 32]>::from(Sha256::digest(nonce.to_be_bytes()));
            Leaf { nonce, distance: Distance(u64::from(hash[0]) * 8), logits_hash: hash }
        };
        range.map(leaf).collect()
    }

    #[test]
    fn a_file_cut_at_any_byte_keeps_its_whole_records() {
        let (_guard, dir) = folder();
        let mut all = Leaves::open(&dir, subject()).unwrap();
        all.append(&leaves(0..5)).unwrap();
        let bytes = std::fs::read(&all.path).unwrap();
        assert_eq!(bytes.len(), HEADER + 5 * RECORD);
        for cut in 0..=bytes.len() {
            std::fs::write(&all.path, &bytes[..cut]).unwrap();
            let mut again = Leaves::open(&dir, subject()).unwrap();
            let whole = (cut.saturating_sub(HEADER) / RECORD) as u64;
            assert_eq!(again.len(), whole, "cut at {cut}");
            again.append(&leaves(whole..5)).unwrap();
            assert_eq!(again.commitment(5).unwrap(), all.commitment(5).unwrap(), "cut at {cut}");
            assert_eq!(std::fs::read(&again.path).unwrap(), bytes, "cut at {cut}");
        }
    }

    #[test]
    fn a_damaged_or_zeroed_tail_is_cut_off() {
        let (_guard, dir) = folder();
        let mut all = Leaves::open(&dir, subject()).unwrap();
        all.append(&leaves(0..5)).unwrap();
        let mut bytes = std::fs::read(&all.path).unwrap();
        bytes[HEADER + 3 * RECORD + 5] ^= 1;
        std::fs::write(&all.path, &bytes).unwrap();
        assert_eq!(Leaves::open(&dir, subject()).unwrap().len(), 3);
        bytes.truncate(HEADER + 2 * RECORD);
        bytes.extend([0; 3 * RECORD]);
        std::fs::write(&all.path, &bytes).unwrap();
        assert_eq!(Leaves::open(&dir, subject()).unwrap().len(), 2);
    }

    #[test]
    fn there_is_never_a_gap() {
        let (_guard, dir) = folder();
        let mut all = Leaves::open(&dir, subject()).unwrap();
        assert!(all.append(&leaves(1..3)).is_err());
        assert!(all.append(&[leaves(0..1), leaves(2..3)].concat()).is_err(), "none of them is kept");
        assert_eq!(all.len(), 0);
        all.append(&leaves(0..2)).unwrap();
        assert!(all.append(&leaves(0..1)).is_err(), "no leaf twice");
    }

    #[test]
    fn another_epochs_file_is_set_aside() {
        let (_guard, dir) = folder();
        Leaves::open(&dir, subject()).unwrap().append(&leaves(0..5)).unwrap();
        let other = Subject { epoch_key: [3; 32], ..subject() };
        assert_eq!(Leaves::open(&dir, other).unwrap().len(), 0);
        assert_eq!(Leaves::open(&dir, other).unwrap().len(), 0);
        assert!(dir.join("node-7.leaves.other").exists());
    }

    #[test]
    fn openings_of_an_earlier_commitment_verify() {
        let (_guard, dir) = folder();
        let mut all = Leaves::open(&dir, subject()).unwrap();
        all.append(&leaves(0..300)).unwrap();
        let all = Leaves::open(&dir, subject()).unwrap();
        let commitment = all.commitment(200).unwrap();
        for index in [0, 1, 127, 128, 199] {
            let (leaf, path) = all.open_position(200, Position::Leaf(index)).unwrap();
            verify(&commitment, R, &leaf, &path).unwrap();
        }
        for rank in 0..commitment.hits {
            let (leaf, path) = all.open_position(200, Position::Hit(rank)).unwrap();
            verify_hit_rank(&commitment, R, &leaf, &path, rank).unwrap();
        }
        assert!(all.open_position(200, Position::Hit(commitment.hits)).is_err());
        assert!(all.open_position(200, Position::Leaf(200)).is_err());
        assert!(all.open_position(301, Position::Leaf(0)).is_err());
    }
}
