//! What other agents may see: the leaves of the running epoch, once its draw is known.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use geodesic_challenge::{Address, Leaf, Path, Position, Sample};
use geodesic_proto::geodesic::mlnode::v1::Challenge;
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::duties::{self, Prover};
use crate::error::{Error, Result};
use crate::faults::Guard;
use crate::mlnode::{SharedLeaves, lock};
use crate::peer::{Drawn, Source};

/// An epoch after its draw.
pub(crate) struct Shown {
    pub(crate) epoch: u64,
    pub(crate) drawn: Arc<Drawn>,
    pub(crate) challenge: Challenge,
    pub(crate) leaves: BTreeMap<u32, SharedLeaves>,
    /// VRF outputs of verdicts on chain.
    pub(crate) outputs: BTreeMap<Address, Vec<u8>>,
}

/// The epoch that is shown, set by the loop that follows the chain.
pub(crate) struct Shared {
    shown: RwLock<Option<Arc<Shown>>>,
    guard: Guard,
}

impl Shared {
    pub(crate) fn new(guard: Guard) -> Self {
        Self { shown: RwLock::default(), guard }
    }

    pub(crate) fn set(&self, shown: Option<Shown>) {
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = shown.map(Arc::new);
    }

    fn get(&self, epoch: u64) -> Option<Arc<Shown>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner).clone();
        shown.filter(|shown| shown.epoch == epoch)
    }
}

/// A leaf of a node's first `count`, with its path.
fn leaf(
    leaves: &BTreeMap<u32, SharedLeaves>,
    node_id: u32,
    count: u64,
    position: Position,
) -> Result<(Leaf, Path)> {
    let node = leaves.get(&node_id);
    let node = node.ok_or_else(|| Error::Leaves(format!("node {node_id} has no leaves here")))?;
    lock(node).open_position(count, position)
}

/// One sample of a participant's own leaves, and its node.
pub(crate) fn open(
    prover: &Prover,
    leaves: &BTreeMap<u32, SharedLeaves>,
    sample: &Sample,
) -> Result<(u32, Leaf, pb::Opening)> {
    let found = prover.locate(sample).and_then(|l| Some((l, prover.nodes.get(l.index)?.1.count)));
    let (located, count) = found.ok_or_else(|| Error::Leaves(format!("sample {} is nowhere", sample.k)))?;
    let (leaf, path) = leaf(leaves, located.node_id, count, located.position)?;
    let path = duties::path_pb(&path);
    let opening = pb::Opening { position: sample.k, leaf: Some(duties::leaf_pb(&leaf)), path };
    Ok((located.node_id, leaf, opening))
}

impl Source for Shared {
    fn drawn(&self, epoch: u64) -> Option<Arc<Drawn>> {
        self.get(epoch).map(|shown| Arc::clone(&shown.drawn))
    }

    fn published_output(&self, epoch: u64, auditor: &Address) -> Option<[u8; 64]> {
        self.get(epoch)?.outputs.get(auditor)?.as_slice().try_into().ok()
    }

    fn leaf(&self, epoch: u64, node_id: u32, count: u64, position: Position) -> Result<(Leaf, Path)> {
        let shown = self.get(epoch).ok_or_else(|| Error::Leaves(format!("epoch {epoch} is over")))?;
        let found = leaf(&shown.leaves, node_id, count, position)?;
        if self.guard.hides_now(&shown.challenge, &shown.drawn.prover.address, node_id, &found.0) {
            return Err(Error::Leaves("fault: refused".to_owned()));
        }
        Ok(found)
    }
}
