//! A chain of one validator with many accounts, and blocks of transfers for it.
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};
use geodesic_app::abci::Fatal;
use geodesic_app::{App, AppConfig, router};
use geodesic_client::address::Kind;
use geodesic_client::tx::{Draft, Place};
use geodesic_proto::any;
use geodesic_proto::cosmos::bank::v1beta1::MsgSend;
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_testnet::driver::{DENOM, PREFIX, Spec, Wallet, genesis_request};
use prost::bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tendermint_abci::Application as _;
use tendermint_proto::google::protobuf::Timestamp;
use tendermint_proto::v0_38::abci::{RequestFinalizeBlock, RequestInitChain};

/// Transfers of a block.
pub(crate) const TRANSFERS: usize = 1000;
const CHAIN: &str = "bench-1";

/// Numbers that look random and are the same in each run (splitmix64).
pub(crate) fn mix(n: u64) -> u64 {
    let z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Bytes that belong to an account of a number, its key or, if it sends nothing, its address.
fn seed(n: u64) -> [u8; 32] {
    Sha256::digest([b"geodesic bench", &n.to_be_bytes()[..]].concat()).into()
}

/// The accounts of a chain: those that send in this run have keys, all others have an address alone.
pub(crate) struct Accounts {
    count: u64,
    /// Number of an account and its key, in the order of sending.
    senders: Vec<(u64, Wallet)>,
}

impl Accounts {
    /// `count` accounts of which `transfers` send once, drawn uniformly.
    pub(crate) fn new(count: u64, transfers: usize) -> Result<Self> {
        ensure!(count >= 2 * u64::try_from(transfers)?, "{transfers} senders among {count} accounts");
        let mut drawn = std::collections::BTreeSet::new();
        let mut senders = Vec::with_capacity(transfers);
        for number in (0..).map(|i| mix(i) % count) {
            if senders.len() == transfers {
                break;
            }
            if drawn.insert(number) {
                senders.push((number, wallet(number)?));
            }
        }
        Ok(Self { count, senders })
    }

    /// Address of each account, by number.
    pub(crate) fn addresses(&self) -> Result<Vec<String>> {
        let mut out = Vec::with_capacity(usize::try_from(self.count)?);
        for n in 0..self.count {
            let hash = seed(n);
            let (address, _) = hash.split_first_chunk::<20>().context("a hash has 32 bytes")?;
            out.push(Kind::Account.encode(PREFIX, address)?);
        }
        for (n, wallet) in &self.senders {
            *out.get_mut(usize::try_from(*n)?).context("a number of an account")? = wallet.text.clone();
        }
        Ok(out)
    }

    /// Transfers, signed: the i-th sender pays a random account. Blocks of [`TRANSFERS`] are cut from them in order.
    pub(crate) fn transfers(&self, addresses: &[String]) -> Result<Vec<Bytes>> {
        let fee = vec![Coin { denom: DENOM.to_owned(), amount: "5000".to_owned() }];
        let mut out = Vec::with_capacity(self.senders.len());
        for (i, (number, from)) in (0_u64..).zip(&self.senders) {
            let to = usize::try_from(mix(!i) % self.count)?;
            let message = MsgSend {
                from_address: from.text.clone(),
                to_address: addresses.get(to).context("an address")?.clone(),
                amount: vec![Coin { denom: DENOM.to_owned(), amount: "1".to_owned() }],
            };
            let messages = vec![any::pack(&message)];
            let draft = Draft { messages, gas: 200_000, fee: fee.clone(), ..Draft::default() };
            let place = Place { chain_id: CHAIN, account_number: number + RESERVED, sequence: 0 };
            out.push(draft.sign(&from.key, place).bytes.into());
        }
        Ok(out)
    }
}

fn wallet(n: u64) -> Result<Wallet> {
    let key = geodesic_client::key::SecretKey::from_bytes(&seed(n))?;
    let address = key.public().address();
    let text = Kind::Account.encode(PREFIX, &address)?;
    Ok(Wallet { key, address, text })
}

/// Accounts before ours: the validator's operator and its agent.
const RESERVED: u64 = 2;

/// What starts a chain of one validator and these accounts.
pub(crate) fn genesis(addresses: &[String]) -> Result<RequestInitChain> {
    let spec =
        Spec { chain_id: CHAIN.to_owned(), compute: false, users: 0, extensions_from: 0, ..Spec::default() };
    let spec = Spec { stakes: vec![250_000_000_000], patches: Vec::new(), ..spec };
    let mut request = genesis_request(&spec)?;
    let mut state: router::AppState = serde_json::from_slice(&request.app_state_bytes)?;
    let mut add = |module: &str, list: &str, items: &mut dyn Iterator<Item = String>| -> Result<()> {
        let module = state.get_mut(module).with_context(|| format!("no module {module}"))?;
        // The list is not empty, so a comma follows the new items.
        let (before, after) = module
            .get()
            .split_once(&format!("\"{list}\":["))
            .with_context(|| format!("no list {list} in genesis"))?;
        let mut text = format!("{before}\"{list}\":[");
        items.for_each(|item| text.push_str(&item));
        text.push_str(after);
        *module = serde_json::value::RawValue::from_string(text)?;
        Ok(())
    };
    let account = |(n, address): (u64, &String)| {
        let number = n + RESERVED;
        format!(
            r#"{{"@type":"/cosmos.auth.v1beta1.BaseAccount","address":"{address}","pub_key":null,"account_number":"{number}","sequence":"0"}},"#
        )
    };
    add("auth", "accounts", &mut (0..).zip(addresses).map(account))?;
    let balance = |address: &String| {
        format!(r#"{{"address":"{address}","coins":[{{"denom":"{DENOM}","amount":"1000000"}}]}},"#)
    };
    add("bank", "balances", &mut addresses.iter().map(balance))?;
    request.app_state_bytes = serde_json::to_vec(&state)?.into();
    Ok(request)
}

/// An application on a folder.
pub(crate) fn open(dir: &Path) -> Result<App> {
    let fatal = Fatal::with_action(|reason| eprintln!("the application halts: {reason}"));
    App::open(AppConfig::new(dir), fatal, None).map_err(|e| anyhow!(e))
}

/// Seconds since the Unix epoch of height 0.
const GENESIS_TIME: i64 = 1_700_000_000;

/// Executes and commits a block; returns its microseconds. All transactions must succeed.
pub(crate) fn block(app: &App, txs: &[Bytes]) -> Result<f64> {
    let height = app.committed().map_or(1, |block| block.height + 1);
    let request = RequestFinalizeBlock {
        txs: txs.to_vec(),
        height: i64::try_from(height)?,
        time: Some(Timestamp { seconds: GENESIS_TIME + i64::try_from(height)?, nanos: 0 }),
        hash: Sha256::digest(height.to_be_bytes()).to_vec().into(),
        ..RequestFinalizeBlock::default()
    };
    let start = Instant::now();
    let response = app.finalize_block(request);
    app.commit();
    let took = start.elapsed();
    if let Some(failed) = response.tx_results.iter().find(|result| result.code != 0) {
        anyhow::bail!("a transfer fails: {}", failed.log);
    }
    ensure!(response.tx_results.len() == txs.len(), "a block of {} transfers", txs.len());
    Ok(took.as_secs_f64() * 1e6)
}

/// The middle of some values.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Megabytes that this process has in memory: `VmRSS` now, `VmHWM` at most so far.
pub(crate) fn memory_mb(field: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field of memory")?;
    let kib = line.trim_start_matches(':').split_whitespace().next().context("a number")?;
    Ok(kib.parse::<f64>()? * 1024.0 / 1e6)
}
