//! PrepareProposal and ProcessProposal: order and bounds of a block, on the state of the one before.

use std::collections::BTreeSet;

use bytes::Bytes;
use geodesic_core::{Ctx, DecCoins, ExecMode, StateError};
use tendermint_proto::v0_38::abci::{RequestPrepareProposal, RequestProcessProposal};

use crate::deliver::{BlockGas, Deliver};
use crate::router::AppMsg;
use crate::tx::{self, Tx, Verifier, validate_messages};
use crate::{beacon, block, convert, wiring};

/// Bytes that protobuf adds to a transaction in a block: a tag and a length.
fn size_in_block(tx: &[u8]) -> usize {
    let length = u64::try_from(tx.len()).unwrap_or(u64::MAX);
    let bits = u64::BITS.saturating_sub(length.leading_zeros()).max(1);
    let varint = usize::try_from(bits.div_ceil(7)).unwrap_or(10);
    tx.len().saturating_add(varint).saturating_add(1)
}

/// What fits into a block.
struct Room {
    bytes: usize,
    gas: Option<u64>,
}

impl Room {
    /// Takes the space of a transaction, if there is enough.
    fn take(&mut self, tx: &[u8], gas: u64) -> bool {
        let Some(bytes) = self.bytes.checked_sub(size_in_block(tx)) else { return false };
        let gas_left = self.gas.map(|left| left.checked_sub(gas));
        if gas_left == Some(None) {
            return false;
        }
        self.bytes = bytes;
        self.gas = gas_left.flatten();
        true
    }
}

fn decode(ctx: &Ctx, bytes: &[u8]) -> Option<(Tx, Vec<AppMsg>)> {
    let (tx, messages) = tx::decode::<AppMsg>(bytes, &ctx.block.prefix).ok()?;
    validate_messages(&messages).ok()?;
    Some((tx, messages))
}

/// The transactions of a proposal: the beacon if one is due, then those of registered participants that pass on the current
/// state, so that no fee can keep them out of their window, then the rest in the mempool's order, as far as they fit.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub(crate) fn prepare(
    ctx: &mut Ctx,
    verifier: &Verifier,
    req: &RequestPrepareProposal,
) -> Result<Vec<Bytes>, StateError> {
    let params = block::load_params(ctx)?;
    let bytes = usize::try_from(req.max_tx_bytes).unwrap_or(0);
    let mut room = Room { bytes, gas: block::max_gas(&params) };
    let mut out = Vec::new();
    if beacon::is_due(ctx, &params, convert::height(req.height))? {
        let tx = beacon::propose(ctx, req.local_last_commit.as_ref())?;
        room.take(&tx, 0);
        out.push(Bytes::from(tx));
    }
    // From here on as in the block to be made: windows are by height.
    ctx.block.height = convert::height(req.height);
    ctx.block.time_ns = convert::time_ns(req.time.as_ref());
    let prices = DecCoins::default();
    let mut deliver = Deliver { verifier, min_gas_prices: &prices, block_gas: BlockGas::default() };
    let (mut first, mut rest, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for bytes in &req.txs {
        if !seen.insert(bytes) {
            continue;
        }
        let Some((tx, messages)) = decode(ctx, bytes) else { continue };
        if wiring::is_priority(ctx, &messages)? && passes(ctx, &mut deliver, bytes)? {
            first.push((bytes, tx.gas_limit()));
        } else {
            rest.push((bytes, tx.gas_limit()));
        }
    }
    for (bytes, gas) in first.into_iter().chain(rest) {
        if room.take(bytes, gas) {
            out.push(bytes.clone());
        }
    }
    Ok(out)
}

/// Whether a transaction succeeds after those before it; its writes stay for the next.
fn passes(ctx: &mut Ctx, deliver: &mut Deliver<'_>, bytes: &[u8]) -> Result<bool, StateError> {
    ctx.mode = ExecMode::Finalize;
    let ok = deliver.run(ctx, bytes)?.is_ok();
    ctx.take_events();
    Ok(ok)
}

/// Whether this node votes for a proposal: the beacon is there when due and valid, every other transaction decodes, is not a
/// beacon and is there once, and they fit into the block's gas together.
///
/// # Errors
/// [`StateError`] if the disk fails.
pub(crate) fn process(ctx: &Ctx, req: &RequestProcessProposal) -> Result<Result<(), String>, StateError> {
    let params = block::load_params(ctx)?;
    let mut txs = req.txs.as_slice();
    if beacon::is_due(ctx, &params, convert::height(req.height))? {
        if let Err(e) = beacon::check(ctx, txs.first()) {
            return if e.fatal { Err(StateError::Invariant(e.log)) } else { Ok(Err(e.log)) };
        }
        txs = txs.get(1..).unwrap_or_default();
    }
    let (mut gas, mut seen) = (0_u64, BTreeSet::new());
    for (index, bytes) in txs.iter().enumerate() {
        if !seen.insert(bytes) {
            return Ok(Err(format!("transaction {index} is there twice")));
        }
        let Some((tx, _)) = decode(ctx, bytes) else {
            return Ok(Err(format!("transaction {index} does not decode")));
        };
        gas = gas.saturating_add(tx.gas_limit());
    }
    match block::max_gas(&params) {
        Some(max) if gas > max => Ok(Err(format!("transactions ask for {gas} gas, the block has {max}"))),
        _ => Ok(Ok(())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_takes_its_tag_and_length() {
        for (len, want) in [(0, 2), (1, 3), (127, 129), (128, 131), (16_383, 16_386), (16_384, 16_388)] {
            assert_eq!(size_in_block(&vec![0; len]), want, "{len} bytes");
        }
    }

    #[test]
    fn what_does_not_fit_takes_nothing() {
        let mut room = Room { bytes: 10, gas: Some(5) };
        assert!(!room.take(&[0; 9], 1), "too many bytes");
        assert!(!room.take(&[0; 1], 6), "too much gas");
        assert!(room.take(&[0; 8], 5), "just enough");
        assert!(!room.take(&[], 0), "full");
    }
}
