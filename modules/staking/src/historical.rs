//! Headers and validators of past blocks, which IBC clients of this chain are checked against (`historical_info.go`).

use geodesic_core::{Ctx, StateError};
use geodesic_proto::cosmos::staking::v1beta1 as pb;
use geodesic_proto::tendermint::types::{BlockId, Header, PartSetHeader};
use geodesic_proto::tendermint::version::Consensus;

use crate::keys;
use crate::params::Params;
use crate::status::last_validators;
use crate::time::Time;
use crate::types::{Stored, Validator};

/// Keeps the block's header with the validators of the set last returned, and forgets those too old.
pub(crate) fn track(ctx: &mut Ctx) -> Result<(), StateError> {
    let entries = u64::from(Params::load(ctx)?.historical_entries);
    let height = ctx.block.height;
    // Entries that are too old follow each other down to a gap: usually one, more after a change of the parameter.
    let mut old = height.checked_sub(entries);
    while let Some(h) = old {
        if !keys::HISTORICAL.has(ctx, &h)? {
            break;
        }
        keys::HISTORICAL.delete(ctx, &h)?;
        old = h.checked_sub(1);
    }
    if entries == 0 {
        return Ok(());
    }
    let header = header(ctx);
    let valset = by_power(last_validators(ctx)?)?;
    keys::HISTORICAL.set(ctx, &height, &pb::HistoricalInfo { header: Some(header), valset })
}

/// The parts of the header that an application knows.
fn header(ctx: &Ctx) -> Header {
    Header {
        version: Some(Consensus::default()),
        chain_id: ctx.block.chain_id.clone(),
        height: i64::try_from(ctx.block.height).unwrap_or(i64::MAX),
        time: Some(Time::of_block(ctx).to_message()),
        last_block_id: Some(BlockId {
            part_set_header: Some(PartSetHeader::default()),
            ..BlockId::default()
        }),
        next_validators_hash: ctx.block.next_validators_hash.clone(),
        app_hash: ctx.block.app_hash.clone(),
        proposer_address: ctx.block.proposer.clone(),
        ..Header::default()
    }
}

/// As CometBFT sorts: by the power of their tokens, the highest first, then by consensus address.
fn by_power(validators: Vec<Validator>) -> Result<Vec<pb::Validator>, StateError> {
    let power = |v: &Validator| if v.is_bonded() { v.stake_power() } else { Ok(0) };
    let mut ranked = Vec::with_capacity(validators.len());
    for v in validators {
        let power = power(&v).map_err(|e| StateError::Invariant(format!("tokens of {}: {e}", v.operator)))?;
        ranked.push((std::cmp::Reverse(power), v.consensus(), v));
    }
    ranked.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    Ok(ranked.into_iter().map(|(_, _, v)| v.to_message()).collect())
}
