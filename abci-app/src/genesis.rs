//! InitChain: the first state, out of the genesis.

use geodesic_core::{BlockInfo, Ctx, DecCoins, State};
use geodesic_proto::cosmos::tx::v1beta1::{Tx, TxRaw};
use geodesic_proto::json::{Options, value_to_bytes};
use geodesic_proto::prost::Message;
use geodesic_proto::tendermint::types::ConsensusParams;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::deliver::{BlockGas, Deliver};
use crate::router::{self, AppState};
use crate::tx::Verifier;
use crate::{foreign, info, wiring};

/// A genesis: CometBFT's part of it, and the application's.
pub(crate) struct Genesis<'a> {
    /// Chain id.
    pub chain_id: &'a str,
    /// Height of the first block.
    pub initial_height: u64,
    /// Time, nanoseconds since the Unix epoch.
    pub time_ns: i64,
    /// Parameters of consensus.
    pub params: &'a ConsensusParams,
    /// `app_state`.
    pub app_state: &'a [u8],
}

/// Executes a genesis on an empty state.
///
/// # Errors
/// A text that names module, field and value.
pub(crate) fn init(state: State, verifier: &Verifier, genesis: &Genesis<'_>) -> Result<Ctx, String> {
    let app_state: AppState =
        serde_json::from_slice(genesis.app_state).map_err(|e| format!("app_state: {e}"))?;
    for module in foreign::skipped(&app_state)? {
        tracing::warn!(module, "genesis of a module that this chain does not have: its defaults are skipped");
    }
    let gen_txs = gen_txs(&app_state)?;
    let block = BlockInfo {
        chain_id: genesis.chain_id.to_owned(),
        prefix: prefix(&app_state, &gen_txs)?,
        initial_height: genesis.initial_height,
        time_ns: genesis.time_ns,
        ..BlockInfo::default()
    };
    let mut ctx = Ctx::new(block, state);
    geodesic_consensus::init(&mut ctx, genesis.params).map_err(|e| e.to_string())?;
    router::init_genesis(&mut ctx, &app_state).map_err(|e| e.to_string())?;
    ctx.take_events();
    deliver_gen_txs(&mut ctx, verifier, &gen_txs)?;
    wiring::end_genesis(&mut ctx).map_err(|e| e.to_string())?;
    ctx.take_events();
    info::save(&mut ctx).map_err(|e| e.to_string())?;
    Ok(ctx)
}

/// The genesis transactions, as JSON.
fn gen_txs(app_state: &AppState) -> Result<Vec<Value>, String> {
    let Some(genutil) = app_state.get("genutil") else { return Ok(Vec::new()) };
    let mut genutil: Value = serde_json::from_str(genutil.get()).map_err(|e| format!("genutil: {e}"))?;
    match genutil.get_mut("gen_txs").map(Value::take) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(txs)) => Ok(txs),
        Some(other) => Err(format!("genutil.gen_txs is no list: {other}")),
    }
}

/// Runs the genesis transactions; each must succeed.
fn deliver_gen_txs(ctx: &mut Ctx, verifier: &Verifier, gen_txs: &[Value]) -> Result<(), String> {
    let prices = DecCoins::default();
    let mut deliver = Deliver { verifier, min_gas_prices: &prices, block_gas: BlockGas::default() };
    for (index, tx) in gen_txs.iter().enumerate() {
        let at = |e: &dyn std::fmt::Display| format!("genutil.gen_txs[{index}]: {e}");
        let bytes = value_to_bytes("cosmos.tx.v1beta1.Tx", tx, Options::default()).map_err(|e| at(&e))?;
        let tx = Tx::decode(bytes.as_slice()).map_err(|e| at(&e))?;
        let raw = TxRaw {
            body_bytes: tx.body.unwrap_or_default().encode_to_vec(),
            auth_info_bytes: tx.auth_info.unwrap_or_default().encode_to_vec(),
            signatures: tx.signatures,
        };
        let outcome = deliver.run(ctx, &raw.encode_to_vec()).map_err(|e| at(&e))?;
        if let Some(e) = outcome.error {
            return Err(at(&format_args!("{} {}: {}", e.codespace, e.code, e.log)));
        }
    }
    Ok(())
}

/// The accounts of a genesis, unread: there may be millions.
#[derive(serde::Deserialize)]
struct Auth<'a> {
    #[serde(borrow)]
    accounts: Vec<&'a RawValue>,
}

/// The chain's bech32 prefix: that of the first account, else that of the first genesis transaction.
fn prefix(app_state: &AppState, gen_txs: &[Value]) -> Result<String, String> {
    let auth: Option<Auth<'_>> = app_state.get("auth").and_then(|a| serde_json::from_str(a.get()).ok());
    let account = auth.and_then(|a| serde_json::from_str::<Value>(a.accounts.first()?.get()).ok());
    if let Some(text) = account.as_ref().and_then(|a| find_text(a, "address", 4)) {
        return prefix_of(text);
    }
    let message =
        gen_txs.first().and_then(|t| t.get("body")).and_then(|b| b.get("messages")).and_then(|m| m.get(0));
    match message.and_then(|m| find_text(m, "validator_address", 1)) {
        Some(text) => {
            let prefix = prefix_of(text)?;
            let stripped = prefix.strip_suffix("valoper").map(str::to_owned);
            stripped.ok_or_else(|| {
                format!("validator_address {text:?} of the first genesis transaction is no operator")
            })
        }
        None => Err("the genesis has neither accounts nor genesis transactions: \
                     add one with `geod genesis add-genesis-account`, its address tells the prefix"
            .to_owned()),
    }
}

fn prefix_of(text: &str) -> Result<String, String> {
    geodesic_core::address::decode(text)
        .map(|(prefix, _)| prefix)
        .map_err(|e| format!("address {text:?}: {e}"))
}

/// The text at `name` in an object or in one inside it, such as the base account of a module's account.
fn find_text<'a>(value: &'a Value, name: &str, depth: usize) -> Option<&'a str> {
    let object = value.as_object()?;
    if let Some(text) = object.get(name).and_then(Value::as_str) {
        return Some(text);
    }
    let depth = depth.checked_sub(1)?;
    object.values().find_map(|v| find_text(v, name, depth))
}
