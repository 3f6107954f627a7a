//! `MsgCommitPoc`: what the nodes have computed.

use std::collections::BTreeMap;

use geodesic_challenge::{Commitment, node_leaves};
use geodesic_core::{Ctx, Event};
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::errors::Error;
use crate::events::EventPocCommitted;
use crate::keys::COMMITMENT;
use crate::participants::{active_nodes, at_height, caller, epoch_params, running};
use crate::ports::Ports;
use crate::types::{COMMITS_MAX, CommitPoc};

/// Commits to more leaves of the epoch; nodes that the message leaves out keep what they had.
pub(crate) fn commit_poc(
    ctx: &mut Ctx,
    ports: &dyn Ports,
    m: &CommitPoc,
) -> Result<pb::MsgCommitPocResponse, Error> {
    let (window, epoch) = running(ctx, ports, m.epoch)?;
    at_height(ctx, "a commitment", window.start, window.draw)?;
    let caller = caller(ctx, &m.origin, m.epoch)?;
    let nodes = active_nodes(caller.registered()?, m.epoch)?;
    if let Some((id, _)) = m.nodes.iter().find(|(id, _)| nodes.binary_search(id).is_err()) {
        return Err(Error::UnknownNode(*id));
    }
    let need = node_leaves(epoch_params(&epoch)?.min_leaves);
    if let Some((node_id, c)) = m.nodes.iter().find(|(_, c)| c.count < need) {
        return Err(Error::FewLeaves { node_id: *node_id, count: c.count, need });
    }
    if !ports.is_validator(ctx, &caller.operator)? {
        return Err(Error::NotOperator(caller.text));
    }
    let key = (m.epoch, caller.operator);
    let old = COMMITMENT.get(ctx, &key)?.unwrap_or_default();
    if old.messages >= COMMITS_MAX {
        return Err(Error::Duplicate("8 commitments of this epoch"));
    }
    let nodes = merge(&old.nodes, &m.nodes)?;
    let (leaves, hits) = totals(&nodes)?;
    let participant = caller.text;
    let record = pb::Commitment {
        epoch: m.epoch,
        participant: participant.clone(),
        messages: old.messages.saturating_add(1),
        nodes,
    };
    COMMITMENT.set(ctx, &key, &record)?;
    ctx.emit(Event::typed(&EventPocCommitted { epoch: m.epoch, participant, leaves, hits }));
    Ok(pb::MsgCommitPocResponse {})
}

/// The old nodes with the new ones put in. A node goes on from its leaves, so it has more of them, no fewer hits, and no
/// more new hits than new leaves.
fn merge(old: &[pb::NodeCommitment], new: &[(u32, Commitment)]) -> Result<Vec<pb::NodeCommitment>, Error> {
    let mut nodes: BTreeMap<u32, pb::NodeCommitment> = old.iter().map(|n| (n.node_id, n.clone())).collect();
    for (node_id, c) in new {
        let (old_count, old_hits) = nodes.get(node_id).map_or((0, 0), |n| (n.count, n.hits));
        let more = c.count.checked_sub(old_count).zip(c.hits.checked_sub(old_hits));
        if !more.is_some_and(|(leaves, hits)| leaves > 0 && hits <= leaves) {
            let (node_id, count, hits) = (*node_id, c.count, c.hits);
            return Err(Error::NotMore { node_id, old_count, old_hits, count, hits });
        }
        let root = c.root.to_vec();
        nodes.insert(*node_id, pb::NodeCommitment { node_id: *node_id, count: c.count, hits: c.hits, root });
    }
    Ok(nodes.into_values().collect())
}

/// Leaves and hits of all nodes.
pub(crate) fn totals(nodes: &[pb::NodeCommitment]) -> Result<(u64, u64), Error> {
    let sum = nodes.iter().try_fold((0_u64, 0_u64), |(leaves, hits), n| {
        leaves.checked_add(n.count).zip(hits.checked_add(n.hits))
    });
    sum.ok_or_else(|| Error::InvalidMessage("all leaves together do not fit 64 bits".to_owned()))
}
