//! What CometBFT demands of its parameters (`types/params.go`, `ValidateBasic` and `ValidateUpdate`): it stops the chain if an
//! application returns others, so they are refused here.

use geodesic_proto::tendermint::types::ConsensusParams;

/// CometBFT's largest block.
const BLOCK_BYTES_MAX: i64 = 104_857_600;

/// Checks a whole set of parameters.
///
/// # Errors
/// A text that names the field, its value and its bound.
pub(crate) fn validate(params: &ConsensusParams) -> Result<(), String> {
    let block = params.block.as_ref().ok_or("block parameters are missing")?;
    let max_bytes = match block.max_bytes {
        -1 => BLOCK_BYTES_MAX,
        n @ 1..=BLOCK_BYTES_MAX => n,
        n => return Err(format!("block.max_bytes is {n}, allowed are -1 and 1 to {BLOCK_BYTES_MAX}")),
    };
    if block.max_gas < -1 {
        return Err(format!("block.max_gas is {}, must be at least -1", block.max_gas));
    }
    let evidence = params.evidence.as_ref().ok_or("evidence parameters are missing")?;
    if evidence.max_age_num_blocks <= 0 {
        return Err(format!(
            "evidence.max_age_num_blocks is {}, must be positive",
            evidence.max_age_num_blocks
        ));
    }
    let age = evidence.max_age_duration.as_ref().ok_or("evidence.max_age_duration is missing")?;
    if age.seconds < 0 || age.nanos < 0 || (age.seconds == 0 && age.nanos == 0) {
        return Err(format!("evidence.max_age_duration is {}s, must be positive", age.seconds));
    }
    if !(0..=max_bytes).contains(&evidence.max_bytes) {
        return Err(format!("evidence.max_bytes is {}, allowed are 0 to {max_bytes}", evidence.max_bytes));
    }
    let height = params.abci.as_ref().map_or(0, |a| a.vote_extensions_enable_height);
    if height < 0 {
        return Err(format!("abci.vote_extensions_enable_height is {height}, must not be negative"));
    }
    let types = &params.validator.as_ref().ok_or("validator parameters are missing")?.pub_key_types;
    if types.is_empty() {
        return Err("validator.pub_key_types is empty".to_owned());
    }
    match types.iter().find(|t| !["ed25519", "secp256k1"].contains(&t.as_str())) {
        Some(unknown) => Err(format!("validator.pub_key_types has the unknown type {unknown:?}")),
        None => Ok(()),
    }
}

/// Checks a change of the height from which votes carry extensions, made at `height`: it cannot be moved once it has come,
/// never into the past, and never back to 0.
///
/// # Errors
/// A text that names the heights.
pub(crate) fn validate_enable_height(old: u64, new: u64, height: u64) -> Result<(), String> {
    if old == new {
        return Ok(());
    }
    if old != 0 && new == 0 {
        return Err("vote extensions cannot be disabled once enabled".to_owned());
    }
    if new <= height {
        return Err(format!(
            "vote extensions cannot be enabled at {new}, which is not above the height {height}"
        ));
    }
    if old != 0 && height >= old {
        return Err(format!(
            "vote extensions are enabled since {old}: their height cannot be changed to {new}"
        ));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use geodesic_proto::prost_types::Duration;
    use geodesic_proto::tendermint::types::{AbciParams, BlockParams, EvidenceParams, ValidatorParams};

    fn good() -> ConsensusParams {
        ConsensusParams {
            block: Some(BlockParams { max_bytes: 1 << 22, max_gas: -1 }),
            evidence: Some(EvidenceParams {
                max_age_num_blocks: 100,
                max_age_duration: Some(Duration { seconds: 60, nanos: 0 }),
                max_bytes: 1 << 20,
            }),
            validator: Some(ValidatorParams { pub_key_types: vec!["ed25519".into()] }),
            version: None,
            abci: None,
        }
    }

    type Change = fn(&mut ConsensusParams);

    #[test]
    fn parameters_that_would_stop_cometbft() {
        let rows: [(&str, Change, bool); 11] = [
            ("ordinary", |_| {}, true),
            ("no limit of bytes", |p| p.block.as_mut().unwrap().max_bytes = -1, true),
            ("no bytes", |p| p.block.as_mut().unwrap().max_bytes = 0, false),
            ("too many bytes", |p| p.block.as_mut().unwrap().max_bytes = BLOCK_BYTES_MAX + 1, false),
            ("gas below -1", |p| p.block.as_mut().unwrap().max_gas = -2, false),
            ("more evidence than block", |p| p.evidence.as_mut().unwrap().max_bytes = 1 << 23, false),
            ("evidence that never ages", |p| p.evidence.as_mut().unwrap().max_age_num_blocks = 0, false),
            ("no duration", |p| p.evidence.as_mut().unwrap().max_age_duration = None, false),
            ("no key type", |p| p.validator.as_mut().unwrap().pub_key_types.clear(), false),
            ("unknown key type", |p| p.validator.as_mut().unwrap().pub_key_types.push("bls".into()), false),
            ("negative height", |p| p.abci = Some(AbciParams { vote_extensions_enable_height: -1 }), false),
        ];
        for (name, change, want) in rows {
            let mut params = good();
            change(&mut params);
            assert_eq!(validate(&params).is_ok(), want, "{name}");
        }
    }

    /// GHSA-qr8r-m495-7hc4: a height in the past halts the chain.
    #[test]
    fn the_height_of_vote_extensions() {
        for (name, old, new, height, want) in [
            ("unchanged", 5, 5, 100, true),
            ("enabled in future", 0, 101, 100, true),
            ("enabled in the past", 0, 99, 100, false),
            ("enabled now", 0, 100, 100, false),
            ("disabled", 200, 0, 100, false),
            ("moved before it came", 200, 300, 100, true),
            ("moved after it came", 50, 300, 100, false),
        ] {
            assert_eq!(validate_enable_height(old, new, height).is_ok(), want, "{name}");
        }
    }
}
