//! The auditors' randomness.

use geodesic_challenge::{Hash, chain_tag};
use geodesic_core::{Ctx, StateError};

use crate::errors::Error;
use crate::ports::Operator;
use crate::types::Vrf;

/// Gas of verifying a VRF proof: 108 us, where the SDK's secp256k1 verification of 40 us costs 1000.
pub const GAS_VRF: u64 = 3000;

/// What auditor i proves for the draw with beacon `A`: `tag("audit", A, address_i)`.
pub fn audit_input(beacon: &Hash, auditor: &Operator) -> Hash {
    chain_tag("audit", &[beacon, auditor])
}

/// `a_i`: the first 32 of the 64 bytes of a VRF output.
pub fn audit_seed(output: &[u8; 64]) -> Hash {
    let (head, _) = output.split_first_chunk().unwrap_or((&[0; 32], &[]));
    *head
}

/// `a_i` of a stored output.
pub(crate) fn stored_seed(output: &[u8]) -> Result<Hash, StateError> {
    let output = output.try_into().map_err(|_| StateError::Invariant("a stored VRF output".to_owned()))?;
    Ok(audit_seed(output))
}

/// Checks that `vrf` is the output of `key` for this auditor and draw, and returns `a_i`. Costs [`GAS_VRF`].
///
/// Source: C2SP vrf-r255, RFC 9381.
///
/// # Errors
/// [`Error::Vrf`] if it is another.
pub(crate) fn verify(
    ctx: &Ctx,
    key: &[u8],
    beacon: &Hash,
    auditor: &Operator,
    vrf: &Vrf,
) -> Result<Hash, Error> {
    ctx.gas.charge(GAS_VRF, "VerifyVrf")?;
    let output = || {
        let key = vrf_r255::PublicKey::from_bytes(key.try_into().ok()?)?;
        let proof = vrf_r255::Proof::from_bytes(vrf.proof)?;
        Option::<[u8; 64]>::from(key.verify(&audit_input(beacon, auditor), &proof))
    };
    match output() {
        Some(output) if output == vrf.output => Ok(audit_seed(&output)),
        _ => Err(Error::Vrf(ctx.account_text(&(*auditor).into()))),
    }
}
