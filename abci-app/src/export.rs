//! The state of a height as a genesis. Everything happens in memory: the database stays as it is.

use geodesic_core::{Address, Ctx, StateError};
use geodesic_staking as staking;
use serde_json::value::RawValue;
use tendermint_proto::v0_38::types::ConsensusParams;

use crate::query::QueryEnv;
use crate::router::{self, AppState};
use crate::wiring::{self, WIRING};
use crate::{block, convert};

/// Where genesis transactions stand; no module's, but part of every genesis.
const GENUTIL: &str = "genutil";

/// What is exported, and for what.
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    /// Height of the state; 0 for the last.
    pub height: u64,
    /// Whether the new chain begins at its first height, and not at the next one.
    pub for_zero_height: bool,
    /// With `for_zero_height`: operators that stay as they are while all others are jailed; empty jails nobody.
    pub jail_allowed: Vec<String>,
    /// Modules that are exported; empty for all.
    pub modules: Vec<String>,
}

/// A validator of the set that the new chain begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedValidator {
    /// Its moniker.
    pub name: String,
    /// Ed25519 key.
    pub pub_key: [u8; 32],
    /// Power.
    pub power: u64,
}

/// A state as a genesis.
#[derive(Debug)]
pub struct Exported {
    /// Chain id.
    pub chain_id: String,
    /// Height of the first block of the new chain.
    pub initial_height: u64,
    /// Time of the state, nanoseconds since the Unix epoch.
    pub time_ns: i64,
    /// Parameters of consensus.
    pub params: ConsensusParams,
    /// The set that signs the first block.
    pub validators: Vec<ExportedValidator>,
    /// State of each module.
    pub app_state: AppState,
}

/// The state of a height as a genesis that InitChain takes.
///
/// # Errors
/// A text: the height is not kept, a module or an operator is unknown, the state has no form for the first height, or the
/// disk fails.
pub fn export(env: &QueryEnv<'_>, options: &ExportOptions) -> Result<Exported, String> {
    let known = |name: &&String| !router::MODULES.contains(&name.as_str()) && *name != GENUTIL;
    if let Some(name) = options.modules.iter().find(known) {
        return Err(format!("there is no module {name:?}, only {}", router::MODULES.join(", ")));
    }
    if !options.for_zero_height && !options.jail_allowed.is_empty() {
        return Err("addresses that stay free of jail need a chain that begins at height zero".to_owned());
    }
    let mut ctx = env.ctx(options.height).map_err(|e| e.to_string())?;
    let height = ctx.block.height;
    if options.for_zero_height {
        for_zero_height(&mut ctx, &options.jail_allowed)?;
    }
    read(&ctx, options).map_err(|e| format!("height {height}: {e}"))
}

fn read(ctx: &Ctx, options: &ExportOptions) -> Result<Exported, StateError> {
    let wanted = |name: &str| options.modules.is_empty() || options.modules.iter().any(|m| m == name);
    let mut app_state = router::export_genesis(ctx)?;
    app_state.retain(|name, _| wanted(name));
    if wanted(GENUTIL) {
        let gen_txs = RawValue::from_string(r#"{"gen_txs":[]}"#.to_owned());
        app_state.insert(GENUTIL.to_owned(), gen_txs.map_err(|e| StateError::Invariant(e.to_string()))?);
    }
    let validator = |v: staking::types::Validator| {
        let power = staking::last_power(ctx, &v.address)?;
        Ok::<_, StateError>(ExportedValidator { name: v.description.moniker, pub_key: v.pub_key, power })
    };
    let validators = staking::status::last_validators(ctx)?.into_iter().map(validator);
    let params = convert::params_out(&block::load_params(ctx)?)
        .ok_or_else(|| StateError::Invariant("consensus parameters do not encode".to_owned()))?;
    Ok(Exported {
        chain_id: ctx.block.chain_id.clone(),
        initial_height: if options.for_zero_height { 1 } else { ctx.block.height.saturating_add(1) },
        time_ns: ctx.block.time_ns,
        params,
        validators: validators.collect::<Result<_, _>>()?,
        app_state,
    })
}

fn for_zero_height(ctx: &mut Ctx, jail_allowed: &[String]) -> Result<(), String> {
    if wiring::is_compute(ctx).map_err(|e| e.to_string())? {
        return Err("under power_source = compute epochs, commitments and seeds hold heights that cannot begin anew: \
             export without the option, the new chain begins at the next height"
            .to_owned());
    }
    let operator = |text: &String| {
        ctx.valoper(text).map_err(|e| format!("operator {text:?} that is to stay free of jail: {e}"))
    };
    let allowed = jail_allowed.iter().map(operator).collect::<Result<Vec<Address>, _>>()?;
    staking::for_zero_height(ctx, &WIRING, &allowed).map_err(|e| e.to_string())?;
    geodesic_slashing::for_zero_height(ctx).map_err(|e| e.to_string())
}
