//! What happens to validators (`x/slashing/keeper/hooks.go`).

use geodesic_core::{Address, Ctx, Overflow, TxError};
use geodesic_proto::any;
use geodesic_proto::cosmos::crypto::ed25519;
use geodesic_proto::cosmos::slashing::v1beta1 as pb;
use geodesic_proto::prost_types::{Any, Timestamp};

use crate::events::valcons;
use crate::keys::{PUB_KEY, SIGNING_INFO, len};
use crate::ports::Ports;

/// What staking tells; its other hooks do not concern slashing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // operators and consensus addresses
pub enum Hook<'a> {
    /// `AfterValidatorCreated`.
    Created { operator: &'a Address },
    /// `AfterValidatorBonded`.
    Bonded { consensus: &'a Address },
    /// `AfterValidatorRemoved`.
    Removed { consensus: &'a Address },
}

/// Keeps a new validator's key, begins the signing info of one that enters the set, forgets the key of one removed.
///
/// # Errors
/// `sdk` 11 if gas runs out; [`Ports::validator`]'s.
pub fn on_hook(ctx: &mut Ctx, ports: &dyn Ports, hook: Hook<'_>) -> Result<(), TxError> {
    match hook {
        Hook::Created { operator } => {
            let validator = ports.validator(ctx, operator)?;
            PUB_KEY.set(ctx, &len(&validator.consensus()), &pack(&validator.pub_key))?;
        }
        Hook::Bonded { consensus } => {
            let key = len(consensus);
            let info = match SIGNING_INFO.get(ctx, &key)? {
                Some(info) => pb::ValidatorSigningInfo { start_height: height(ctx)?, ..info },
                None => new_info(ctx, consensus)?,
            };
            SIGNING_INFO.set(ctx, &key, &info)?;
        }
        Hook::Removed { consensus } => PUB_KEY.delete(ctx, &len(consensus))?,
    }
    Ok(())
}

/// A consensus key as it is in state.
pub(crate) fn pack(pub_key: &[u8; 32]) -> Any {
    any::pack(&ed25519::PubKey { key: pub_key.to_vec() })
}

fn height(ctx: &Ctx) -> Result<i64, Overflow> {
    i64::try_from(ctx.block.height).map_err(|_| Overflow)
}

/// The info of a validator that signs from this height on.
pub(crate) fn new_info(ctx: &Ctx, consensus: &Address) -> Result<pb::ValidatorSigningInfo, Overflow> {
    Ok(pb::ValidatorSigningInfo {
        address: valcons(ctx, consensus),
        start_height: height(ctx)?,
        index_offset: 0,
        jailed_until: Some(Timestamp::default()),
        tombstoned: false,
        missed_blocks_counter: 0,
    })
}
