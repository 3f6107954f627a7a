//! `config/genesis.json`: CometBFT's genesis document with the application's state in it.

use std::path::Path;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use geodesic_app::export::{Exported, ExportedValidator};
use geodesic_client::vrf::ed25519_address;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::params;
use crate::home;
use crate::init::{DENOM, PowerSource, rename_denom};

/// CometBFT's name of the kind of consensus keys.
pub(super) const ED25519: &str = "tendermint/PubKeyEd25519";

/// Longest chain id (CometBFT).
const CHAIN_ID_MAX: usize = 50;

/// What can be set outside of `app_state`.
const OUTER: [&str; 4] = ["consensus_params", "chain_id", "genesis_time", "initial_height"];

/// Chain id and initial height of the genesis in a file; `None` if there is no file.
///
/// # Errors
/// The file cannot be read, is above 1 GiB, or does not say them.
pub fn identity(path: &Path) -> anyhow::Result<Option<(String, u64)>> {
    /// What is read of the document: its state may be large.
    #[derive(serde::Deserialize)]
    struct Identity {
        chain_id: String,
        #[serde(default)]
        initial_height: Value,
    }
    if !path.exists() {
        return Ok(None);
    }
    let text = home::read_bounded(path, home::GENESIS_MAX)?;
    let at = || path.display().to_string();
    let found: Identity = serde_json::from_str(&text).with_context(at)?;
    let height = match &found.initial_height {
        Value::Null => Some(1),
        Value::String(text) => text.parse::<u64>().ok(),
        value => value.as_u64(),
    };
    let height = height.with_context(|| format!("{}: initial_height {}", at(), found.initial_height))?;
    Ok(Some((found.chain_id, height.max(1))))
}

/// A genesis document. Fields that nobody here knows stay as they are.
#[derive(Debug, Clone)]
pub struct GenesisDoc(Map<String, Value>);

impl GenesisDoc {
    /// The default genesis of every module, beginning now, without accounts and validators.
    ///
    /// # Errors
    /// A chain id that is empty or longer than 50 bytes.
    pub fn new(
        chain_id: &str,
        initial_height: u64,
        denom: &str,
        source: PowerSource,
    ) -> anyhow::Result<Self> {
        if chain_id.is_empty() || chain_id.len() > CHAIN_ID_MAX {
            bail!("chain id {chain_id:?} has {} bytes, allowed are 1 to {CHAIN_ID_MAX}", chain_id.len());
        }
        let mut app_state = serde_json::to_value(geodesic_app::router::default_genesis())?;
        rename_denom(&mut app_state, denom);
        if let Value::Object(modules) = &mut app_state {
            modules.insert("genutil".to_owned(), json!({ "gen_txs": [] }));
        }
        let mut doc = Self(into_object(json!({
            "genesis_time": OffsetDateTime::now_utc().format(&Rfc3339)?,
            "chain_id": chain_id,
            "initial_height": initial_height.to_string(),
            "consensus_params": {
                "block": { "max_bytes": "4194304", "max_gas": "-1" },
                "evidence": { "max_age_num_blocks": "100000", "max_age_duration": "172800000000000", "max_bytes": "1048576" },
                "validator": { "pub_key_types": ["ed25519"] },
                "version": { "app": "0" },
                "abci": { "vote_extensions_enable_height": "0" },
            },
            "app_hash": "",
            "app_state": app_state,
        }))?);
        if denom == DENOM {
            doc.set("bank.denom_metadata", json!([geo_metadata()]))?;
        }
        doc.set_power_source(source)?;
        Ok(doc)
    }

    /// The genesis of a chain that goes on from an exported state.
    ///
    /// # Errors
    /// A time that no calendar has.
    pub fn exported(of: &Exported) -> anyhow::Result<Self> {
        let time = OffsetDateTime::from_unix_timestamp_nanos(of.time_ns.into())?;
        let validator = |v: &ExportedValidator| {
            json!({
                "address": hex::encode_upper(ed25519_address(&v.pub_key)),
                "pub_key": { "type": ED25519, "value": STANDARD.encode(v.pub_key) },
                "power": v.power.to_string(),
                "name": v.name,
            })
        };
        Ok(Self(into_object(json!({
            "genesis_time": time.format(&Rfc3339)?,
            "chain_id": of.chain_id,
            "initial_height": of.initial_height.to_string(),
            "consensus_params": params::to_json(&of.params),
            "validators": of.validators.iter().map(validator).collect::<Vec<_>>(),
            "app_hash": "",
            "app_state": serde_json::to_value(&of.app_state)?,
        }))?))
    }

    /// The document on one line.
    ///
    /// # Errors
    /// None in practice.
    pub fn to_line(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string(&self.0)?)
    }

    /// The document in a file.
    ///
    /// # Errors
    /// The file cannot be read, is above 1 GiB, or is no JSON object with `app_state` and `chain_id`.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = home::read_bounded(path, home::GENESIS_MAX)?;
        let value =
            serde_json::from_str(&text).with_context(|| format!("{} is malformed", path.display()))?;
        let doc = Self(into_object(value).with_context(|| path.display().to_string())?);
        doc.chain_id().with_context(|| path.display().to_string())?;
        doc.app_state().with_context(|| path.display().to_string())?;
        Ok(doc)
    }

    /// Writes the document.
    ///
    /// # Errors
    /// The system's.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(&self.0)?;
        text.push('\n');
        home::write_public(path, text.as_bytes())
    }

    /// The chain id.
    ///
    /// # Errors
    /// There is none.
    pub fn chain_id(&self) -> anyhow::Result<&str> {
        self.0.get("chain_id").and_then(Value::as_str).context("chain_id is missing")
    }

    /// A field of the document itself.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The modules' states.
    ///
    /// # Errors
    /// There are none.
    pub fn app_state(&self) -> anyhow::Result<&Map<String, Value>> {
        self.0.get("app_state").and_then(Value::as_object).context("app_state is missing")
    }

    /// The value at a dotted path, such as `staking.params.bond_denom`; see [`GenesisDoc::set`].
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        let mut parts = parts(path);
        let mut value = self.0.get(parts.next()?)?;
        for part in parts {
            value = step(value, part)?;
        }
        Some(value)
    }

    /// The list at a dotted path in `app_state`; made if it is missing or `null`.
    ///
    /// # Errors
    /// What stands there is no list, or the way to it is missing.
    pub fn list_mut(&mut self, path: &str) -> anyhow::Result<&mut Vec<Value>> {
        if self.get(path).is_none_or(Value::is_null) {
            self.set(path, json!([]))?;
        }
        self.get_mut(path)?.as_array_mut().with_context(|| format!("{path} is no list"))
    }

    /// Sets the value at a dotted path in `app_state`, or at one that begins with `consensus_params`, `chain_id`,
    /// `genesis_time` or `initial_height` in the document. All but the last name must be there.
    ///
    /// # Errors
    /// The way to the value is missing; the message says where it ends.
    pub fn set(&mut self, path: &str, value: Value) -> anyhow::Result<()> {
        if OUTER.contains(&path) {
            self.0.insert(path.to_owned(), value);
            return Ok(());
        }
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        let parent_value = self.get_mut(parent)?;
        let index = name.parse::<usize>();
        match (parent_value, index) {
            (Value::Object(fields), _) => {
                fields.insert(name.to_owned(), value);
            }
            (Value::Array(items), Ok(index)) => {
                let length = items.len();
                let item = items.get_mut(index);
                *item.with_context(|| format!("{parent} has {length} entries, none is {index}"))? = value;
            }
            _ => bail!("{parent} has no fields"),
        }
        Ok(())
    }

    fn get_mut(&mut self, path: &str) -> anyhow::Result<&mut Value> {
        let mut parts = parts(path);
        let first = parts.next().unwrap_or_default();
        let mut value = self.0.get_mut(first).with_context(|| format!("no {first:?}"))?;
        for part in parts {
            value = step_mut(value, part).with_context(|| format!("no {part:?} on the way {path:?}"))?;
        }
        Ok(value)
    }

    /// Sets what gives power, and with it whether votes carry extensions (the beacon needs them).
    ///
    /// # Errors
    /// The genesis has no staking module or no consensus parameters.
    pub fn set_power_source(&mut self, source: PowerSource) -> anyhow::Result<()> {
        let (name, height) = match source {
            PowerSource::Stake => ("stake", "0".to_owned()),
            PowerSource::Compute => {
                let initial = self.0.get("initial_height").and_then(Value::as_str).unwrap_or("1");
                ("compute", if initial == "0" { "1".to_owned() } else { initial.to_owned() })
            }
        };
        self.set("staking.power_source", name.into())?;
        self.set("consensus_params.abci.vote_extensions_enable_height", height.into())
    }

    /// Turns the SDK's own form (`consensus: {validators, params}`) into CometBFT's; false if it was CometBFT's already.
    pub fn convert(&mut self) -> bool {
        let Some(mut consensus) = self.0.remove("consensus") else { return false };
        for (from, to) in [("params", "consensus_params"), ("validators", "validators")] {
            let value = consensus.get_mut(from).map(Value::take).filter(|value| !value.is_null());
            if let (Some(value), false) = (value, self.0.contains_key(to)) {
                self.0.insert(to.to_owned(), value);
            }
        }
        // CometBFT reads these two only as text.
        for (name, default) in [("app_hash", ""), ("initial_height", "1")] {
            match self.0.get_mut(name) {
                Some(value) if value.is_number() => *value = value.to_string().into(),
                Some(value) if value.is_null() => *value = default.into(),
                _ => {}
            }
        }
        true
    }
}

/// Names on the way from the document to a path.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    let first = path.split('.').next().unwrap_or_default();
    let root = if OUTER.contains(&first) { None } else { Some("app_state") };
    root.into_iter().chain(path.split('.').filter(|part| !part.is_empty()))
}

fn into_object(value: Value) -> anyhow::Result<Map<String, Value>> {
    match value {
        Value::Object(fields) => Ok(fields),
        _ => bail!("is no JSON object"),
    }
}

fn step<'a>(value: &'a Value, part: &str) -> Option<&'a Value> {
    match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        other => other.get(part),
    }
}

fn step_mut<'a>(value: &'a mut Value, part: &str) -> Option<&'a mut Value> {
    match value {
        Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
        other => other.get_mut(part),
    }
}

fn geo_metadata() -> Value {
    json!({
        "description": "The coin of Geodesic.",
        "denom_units": [
            { "denom": "ugeo", "exponent": 0, "aliases": ["microgeo"] },
            { "denom": "geo", "exponent": 6, "aliases": [] },
        ],
        "base": "ugeo",
        "display": "geo",
        "name": "Geodesic",
        "symbol": "GEO",
        "uri": "",
        "uri_hash": "",
    })
}
