//! Genesis of modules that this chain does not have: what would be lost is refused.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::router::{AppState, MODULES};

/// Default genesis of the modules of the SDK 0.50.15 and ibc-go 8.8.0 that are not here, as the Go program beside it prints it.
const DEFAULTS: &str = include_str!("../fixtures/sdk_default_genesis.json");

/// Where genesis transactions stand.
const GENUTIL: &str = "genutil";

/// Name of the SDK's denomination in its defaults; every chain writes its own in its place.
const SDK_DENOM: &str = "stake";

/// Names of the modules of a genesis that are not here and whose state is empty or the SDK's default.
///
/// # Errors
/// A text that names the first module with other state, and where it differs.
pub(crate) fn skipped(app_state: &AppState) -> Result<Vec<&str>, String> {
    let defaults: BTreeMap<String, Value> =
        serde_json::from_str(DEFAULTS).map_err(|e| format!("defaults of the SDK: {e}"))?;
    let mut names = Vec::new();
    for (name, raw) in app_state {
        if name == GENUTIL || MODULES.contains(&name.as_str()) {
            continue;
        }
        let state: Value = serde_json::from_str(raw.get()).map_err(|e| format!("{name}: {e}"))?;
        let mut path = name.clone();
        if !fits(&state, defaults.get(name), &mut path) {
            return Err(format!(
                "genesis of {name}: this chain has no such module, and {path} is not the default: take {name} out of \
                 app_state, or set it to {{}}, if its state may be lost"
            ));
        }
        if !is_empty(&state) {
            names.push(name.as_str());
        }
    }
    Ok(names)
}

/// Whether a value is the default or says nothing; else `path` is what differs first.
fn fits(value: &Value, default: Option<&Value>, path: &mut String) -> bool {
    if is_empty(value) || default == Some(value) {
        return true;
    }
    match (value, default) {
        (Value::Object(fields), _) => fields.iter().all(|(name, field)| {
            let length = path.len();
            path.push('.');
            path.push_str(name);
            let denom = name.ends_with("denom") && is_own_denom(field, default.and_then(|d| d.get(name)));
            let good = denom || fits(field, default.and_then(|d| d.get(name)), path);
            if good {
                path.truncate(length);
            }
            good
        }),
        (Value::Array(items), Some(Value::Array(defaults))) if items.len() == defaults.len() => {
            items.iter().zip(defaults).enumerate().all(|(i, (item, default))| {
                let length = path.len();
                path.push_str(&format!("[{i}]"));
                let good = fits(item, Some(default), path);
                if good {
                    path.truncate(length);
                }
                good
            })
        }
        // Numbers as text or not, and zeros of fields that the default leaves out.
        (_, Some(default)) => !value.is_object() && !value.is_array() && plain(value) == plain(default),
        (_, None) => is_zero(value),
    }
}

/// A denomination where the SDK's default has its own.
fn is_own_denom(value: &Value, default: Option<&Value>) -> bool {
    let denom = value.as_str().unwrap_or_default();
    default.and_then(Value::as_str) == Some(SDK_DENOM) && geodesic_core::coin::validate_denom(denom).is_ok()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(set) => !set,
        Value::Number(_) | Value::String(_) => {
            let text = plain(value);
            let digits = text.strip_suffix('s').unwrap_or(&text); // a duration
            digits.chars().all(|c| c == '0' || c == '.')
        }
        Value::Null => true,
        Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(value: &Value) -> AppState {
        serde_json::from_str(&value.to_string()).unwrap()
    }

    #[test]
    fn the_sdks_defaults_are_skipped_and_named() {
        let defaults: Value = serde_json::from_str(DEFAULTS).unwrap();
        let state = state(&defaults);
        let names = skipped(&state).unwrap();
        for name in
            ["capability", "crisis", "distribution", "gov", "group", "ibc", "mint", "transfer", "feegrant"]
        {
            assert!(names.contains(&name), "{name} of {names:?}");
        }
        assert!(!names.contains(&"upgrade"), "it is empty");
        let own_denom = DEFAULTS.replace("\"stake\"", "\"uatom\"");
        assert_eq!(skipped(&serde_json::from_str(&own_denom).unwrap()).unwrap(), names);
    }

    #[test]
    fn what_would_be_lost_is_refused_with_its_place() {
        let defaults: Value = serde_json::from_str(DEFAULTS).unwrap();
        let with = |pointer: &str, value: Value| {
            let mut all = defaults.clone();
            *all.pointer_mut(pointer).unwrap() = value;
            all
        };
        for (name, genesis, want) in [
            (
                "nothing of it",
                json!({ "gov": null, "nft": {}, "wasm": { "codes": [], "sequence": "0" } }),
                None,
            ),
            ("a field left out", json!({ "mint": { "params": { "mint_denom": "uatom" } } }), None),
            ("zeros that a later version adds", json!({ "mint": { "epoch": "0", "on": false } }), None),
            ("numbers that are not text", with("/gov/starting_proposal_id", json!(1)), None),
            (
                "inflation",
                with("/mint/params/inflation_max", json!("0.25")),
                Some("mint.params.inflation_max"),
            ),
            (
                "no inflation",
                with("/mint/params/inflation_max", json!("0")),
                Some("mint.params.inflation_max"),
            ),
            (
                "a deposit",
                with("/gov/params/min_deposit/0/amount", json!("5")),
                Some("gov.params.min_deposit[0].amount"),
            ),
            ("two deposits", with("/gov/params/min_deposit", json!([1, 2])), Some("gov.params.min_deposit")),
            (
                "a grant",
                with("/authz/authorization", json!([{ "granter": "x" }])),
                Some("authz.authorization"),
            ),
            (
                "a client",
                with("/ibc/client_genesis/next_client_sequence", json!("4")),
                Some("ibc.client_genesis.next_client_sequence"),
            ),
            (
                "a module of nobody",
                json!({ "wasm": { "params": { "limit": "7" } } }),
                Some("wasm.params.limit"),
            ),
            (
                "a denomination that is none",
                with("/crisis/constant_fee/denom", json!("7!")),
                Some("crisis.constant_fee.denom"),
            ),
        ] {
            let state = state(&genesis);
            let got = skipped(&state);
            match want {
                None => assert!(got.is_ok(), "{name}: {got:?}"),
                Some(path) => {
                    let error = got.unwrap_err();
                    assert!(error.contains(&format!("and {path} is not the default")), "{name}: {error}");
                }
            }
        }
    }
}
