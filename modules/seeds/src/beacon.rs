//! The beacon of each height.

use std::collections::BTreeMap;

use geodesic_challenge::chain_tag;
use geodesic_core::{Ctx, StateError};
use geodesic_proto::geodesic::seeds::v1 as pb;

use crate::errors::Error;
use crate::keys::{BEACON, LAST, PARAMS};
use crate::vrf::{extension_input, verify};

/// Validators of the set of `height`: consensus address -> (VRF key in force at `height`, power).
pub type Proofs = BTreeMap<[u8; 20], (Vec<u8>, u64)>;

/// The beacon of a height; `None` if it is not kept, or not yet there.
///
/// # Errors
/// [`StateError`] if gas runs out or the disk fails.
pub fn beacon(ctx: &Ctx, height: u64) -> Result<Option<[u8; 32]>, StateError> {
    Ok(BEACON.get(ctx, &height)?.and_then(|b| b.value.try_into().ok()))
}

/// Writes the beacon of the block's height and returns it.
///
/// With proofs: `tag("beacon", beacon(h-1), be64(h), (consensus address, output)...)`; without: the block hash in
/// place of the pairs. The outputs are trusted: [`check_proofs`] stood before the block was accepted, and nodes that
/// catch up are not asked about proposals. Before the first beacon stand 32 zero bytes.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub fn advance(ctx: &mut Ctx, msg: Option<&pb::MsgBeacon>) -> Result<[u8; 32], StateError> {
    let height = ctx.block.height;
    let before = match LAST.get(ctx)? {
        Some(last) => beacon(ctx, last)?.unwrap_or_default(),
        None => [0; 32],
    };
    let at = height.to_be_bytes();
    let mut parts: Vec<&[u8]> = vec![&before, &at];
    let hash = ctx.block.hash.clone();
    // A set of one may lack its proof; nobody else's can stand in for it.
    let (source, contributors) = match msg.filter(|m| !m.proofs.is_empty()) {
        Some(m) => {
            for p in &m.proofs {
                parts.push(&p.address);
                parts.push(&p.output);
            }
            (pb::BeaconSource::Vrf, u32::try_from(m.proofs.len()).unwrap_or(u32::MAX))
        }
        None => {
            parts.push(&hash);
            (pb::BeaconSource::BlockHash, 0)
        }
    };
    let value = chain_tag("beacon", &parts);
    let entry = pb::Beacon { height, value: value.to_vec(), source: source.into(), contributors };
    BEACON.set(ctx, &height, &entry)?;
    LAST.set(ctx, &height)?;
    let history = PARAMS.load(ctx)?.beacon_history;
    if let Some(old) = height.checked_sub(history) {
        BEACON.delete(ctx, &old)?;
    }
    Ok(value)
}

/// Accepts a proposal's `MsgBeacon` for `ctx.block.height + 1` on the state of `ctx.block.height`, whose set is
/// `set`: ascending by consensus address, every proof valid, more than a third of the power together. None will do for a
/// set of one validator: it decides alone, and without its key no block could bring another (docs/adr/0003-a-set-of-one.md).
///
/// # Errors
/// [`Error::InvalidBeacon`] says which rule is broken.
pub fn check_proofs(ctx: &Ctx, set: &Proofs, msg: &pb::MsgBeacon) -> Result<(), Error> {
    let bad = |reason: String| Error::InvalidBeacon(reason);
    let input = proof_input(ctx)?;
    let total: u128 = set.values().map(|(_, power)| u128::from(*power)).sum();
    let (mut power, mut last): (u128, Option<[u8; 20]>) = (0, None);
    if msg.proofs.len() > set.len() {
        return Err(bad(format!("{} proofs of a set of {}", msg.proofs.len(), set.len())));
    }
    for p in &msg.proofs {
        let address: [u8; 20] =
            p.address.as_slice().try_into().map_err(|_| bad("address is not 20 bytes".into()))?;
        if last.is_some_and(|l| l >= address) {
            return Err(bad("addresses do not ascend".into()));
        }
        let (key, weight) = set.get(&address).ok_or_else(|| bad("not of the validator set".into()))?;
        match verify(key, &input, &p.proof) {
            Some(output) if output.as_slice() == p.output => {}
            _ => return Err(bad("proof does not verify".into())),
        }
        power = power.saturating_add(u128::from(*weight));
        last = Some(address);
    }
    if set.len() == 1 && msg.proofs.is_empty() {
        return Ok(());
    }
    // More than a third: one of them at least is honest.
    if power.saturating_mul(3) <= total {
        return Err(bad(format!("power {power} of {total} is not above a third")));
    }
    Ok(())
}

/// What the vote extensions of `ctx.block.height` prove, on the state of that height.
pub(crate) fn proof_input(ctx: &Ctx) -> Result<[u8; 32], StateError> {
    let height = ctx.block.height;
    let before = match height.checked_sub(1) {
        Some(h) => beacon(ctx, h)?.unwrap_or_default(),
        None => [0; 32],
    };
    Ok(extension_input(&ctx.block.chain_id, height, &before))
}

/// The `MsgBeacon` that a proposer makes of `(consensus address, extension)` pairs, on the state of the height they
/// were made at: absent, malformed and invalid ones dropped, ascending by address, each address once.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub fn collect(
    ctx: &Ctx,
    set: &Proofs,
    extensions: &[(Vec<u8>, Vec<u8>)],
) -> Result<pb::MsgBeacon, StateError> {
    let input = proof_input(ctx)?;
    let mut good = BTreeMap::new();
    for (address, proof) in extensions {
        let Ok(address) = <[u8; 20]>::try_from(address.as_slice()) else { continue };
        let Some((key, _)) = set.get(&address) else { continue };
        let Some(output) = verify(key, &input, proof) else { continue };
        good.insert(address, (output.to_vec(), proof.clone()));
    }
    let proofs = good
        .into_iter()
        .map(|(address, (output, proof))| pb::BeaconProof { address: address.to_vec(), output, proof })
        .collect();
    Ok(pb::MsgBeacon { proofs })
}
