//! Parameters of consensus in CometBFT's JSON.

use anyhow::Context as _;
use serde_json::{Value, json};
use tendermint_proto::google::protobuf::Duration;
use tendermint_proto::v0_38::types as pb;

/// CometBFT's JSON of the parameters: 64-bit numbers are text, durations are nanoseconds.
pub(super) fn to_json(params: &pb::ConsensusParams) -> Value {
    let (block, evidence) = (params.block.unwrap_or_default(), params.evidence.unwrap_or_default());
    let age = evidence.max_age_duration.unwrap_or_default();
    let age = i128::from(age.seconds) * 1_000_000_000 + i128::from(age.nanos);
    let key_types = params.validator.as_ref().map(|v| v.pub_key_types.clone()).unwrap_or_default();
    let version = params.version.map_or(0, |v| v.app);
    let extensions = params.abci.map_or(0, |a| a.vote_extensions_enable_height);
    json!({
        "block": { "max_bytes": block.max_bytes.to_string(), "max_gas": block.max_gas.to_string() },
        "evidence": {
            "max_age_num_blocks": evidence.max_age_num_blocks.to_string(),
            "max_age_duration": age.to_string(),
            "max_bytes": evidence.max_bytes.to_string(),
        },
        "validator": { "pub_key_types": key_types },
        "version": { "app": version.to_string() },
        "abci": { "vote_extensions_enable_height": extensions.to_string() },
    })
}

/// The parameters in CometBFT's JSON; what is missing has CometBFT's defaults.
///
/// # Errors
/// Names the field and its value.
pub(super) fn from_json(json: &Value) -> anyhow::Result<pb::ConsensusParams> {
    let number = |path: &str, default: i64| match json.pointer(path) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => {
            let parsed = value.as_str().and_then(|text| text.parse().ok()).or_else(|| value.as_i64());
            parsed.with_context(|| format!("consensus_params{path} is {value}, must be a number"))
        }
    };
    let age = number("/evidence/max_age_duration", 172_800_000_000_000)?;
    let key_types = match json.pointer("/validator/pub_key_types") {
        None | Some(Value::Null) => vec!["ed25519".to_owned()],
        Some(types) => {
            serde_json::from_value(types.clone()).context("consensus_params/validator/pub_key_types")?
        }
    };
    Ok(pb::ConsensusParams {
        block: Some(pb::BlockParams {
            max_bytes: number("/block/max_bytes", 22_020_096)?,
            max_gas: number("/block/max_gas", -1)?,
        }),
        evidence: Some(pb::EvidenceParams {
            max_age_num_blocks: number("/evidence/max_age_num_blocks", 100_000)?,
            max_age_duration: Some(Duration {
                seconds: age / 1_000_000_000,
                nanos: i32::try_from(age % 1_000_000_000)?,
            }),
            max_bytes: number("/evidence/max_bytes", 1_048_576)?,
        }),
        validator: Some(pb::ValidatorParams { pub_key_types: key_types }),
        version: Some(pb::VersionParams { app: u64::try_from(number("/version/app", 0)?)? }),
        abci: Some(pb::AbciParams {
            vote_extensions_enable_height: number("/abci/vote_extensions_enable_height", 0)?,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let json = json!({
            "block": { "max_bytes": "4194304", "max_gas": "-1" },
            "evidence": {
                "max_age_num_blocks": "100000", "max_age_duration": "172800000000001", "max_bytes": "1048576",
            },
            "validator": { "pub_key_types": ["ed25519"] },
            "version": { "app": "1" },
            "abci": { "vote_extensions_enable_height": "7" },
        });
        assert_eq!(to_json(&from_json(&json).unwrap()), json);
        let bad = from_json(&json!({ "block": { "max_gas": "much" } })).unwrap_err().to_string();
        assert_eq!(bad, "consensus_params/block/max_gas is \"much\", must be a number");
    }
}
