//! The flags that every transaction has.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::bail;
use geodesic_client::sender::Gas;
use geodesic_client::sign_doc::Mode;

/// Gas of a transaction if nothing else is said, as with the SDK.
const GAS: u64 = 200_000;
/// Reserve on what a trial run uses.
const ADJUSTMENT: f64 = 1.3;

/// How a transaction is made, signed and sent.
#[derive(clap::Args, Debug, Clone)]
#[command(next_help_heading = "Transaction options")]
pub struct TxFlags {
    /// Who signs: name or address of a key [env: GEOD_FROM]
    #[arg(long, env = "GEOD_FROM", hide_env = true, value_name = "KEY")]
    pub(super) from: Option<String>,
    /// Fee, such as 5000ugeo [env: GEOD_FEES]
    #[arg(long, env = "GEOD_FEES", hide_env = true, value_name = "COINS", conflicts_with = "gas_prices")]
    pub(super) fees: Option<String>,
    /// Price of gas, such as 0.025ugeo; the fee follows from it [env: GEOD_GAS_PRICES]
    #[arg(long, env = "GEOD_GAS_PRICES", hide_env = true, value_name = "PRICES")]
    pub(super) gas_prices: Option<String>,
    /// Most gas: a number, or auto for a trial run on the node [default: 200000]
    #[arg(long, env = "GEOD_GAS", hide_env = true, value_name = "auto|N")]
    pub(super) gas: Option<GasFlag>,
    /// Reserve on a trial run's gas
    #[arg(long, env = "GEOD_GAS_ADJUSTMENT", hide_env = true, value_name = "F", default_value_t = ADJUSTMENT)]
    pub(super) gas_adjustment: f64,
    /// Note that everyone can read
    #[arg(long, alias = "memo", value_name = "TEXT", default_value = "")]
    pub(super) note: String,
    /// Write the unsigned transaction to standard output
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) generate_only: bool,
    /// Write a signature for a transaction whose fee another pays, instead of sending one
    #[arg(long, conflicts_with_all = ["generate_only", "dry_run"])]
    pub(super) aux: bool,
    /// Only tell the gas that a trial run uses
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Ask no node: --account-number, --sequence and --chain-id are needed
    #[arg(long)]
    pub(super) offline: bool,
    /// Do not ask for confirmation
    #[arg(long, short = 'y')]
    pub(super) yes: bool,
    /// sync waits for CheckTx, async for nothing [default: sync]
    #[arg(long, short = 'b', value_name = "sync|async")]
    pub(super) broadcast_mode: Option<String>,
    /// Last height at which the transaction counts
    #[arg(long, value_name = "H", default_value_t = 0)]
    pub(super) timeout_height: u64,
    /// Number of the account, for --offline
    #[arg(long, short = 'a', value_name = "N")]
    pub(super) account_number: Option<u64>,
    /// Sequence of the account; asked from the node otherwise
    #[arg(long, short = 's', value_name = "N")]
    pub(super) sequence: Option<u64>,
    /// Whose grant pays the fee: address or name of a key
    #[arg(long, value_name = "ACCOUNT")]
    pub(super) fee_granter: Option<String>,
    /// Who pays the fee and signs too: address or name of a key
    #[arg(long, value_name = "ACCOUNT")]
    pub(super) fee_payer: Option<String>,
    /// How to sign [default: direct, amino-json for groups, direct-aux with --aux]
    #[arg(long, value_name = "direct|amino-json|direct-aux", hide_short_help = true)]
    pub(super) sign_mode: Option<String>,
    /// Write the result to a file
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(super) output_document: Option<PathBuf>,
}

/// `auto` or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GasFlag {
    Auto,
    Limit(u64),
}

impl FromStr for GasFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            number => {
                number.parse().map(Self::Limit).map_err(|_| "gas is either a number or auto".to_owned())
            }
        }
    }
}

impl TxFlags {
    /// How to sign with this key; groups know amino JSON alone.
    pub(super) fn mode(&self, is_group: bool) -> anyhow::Result<Mode> {
        match self.sign_mode.as_deref().filter(|mode| !mode.is_empty()) {
            Some(mode) => match mode.parse()? {
                Mode::Direct if is_group => {
                    bail!("a group cannot sign with direct; use --sign-mode amino-json")
                }
                mode => Ok(mode),
            },
            None => Ok(if is_group { Mode::AminoJson } else { Mode::Direct }),
        }
    }

    pub(super) fn gas(&self) -> Gas {
        match self.gas {
            Some(GasFlag::Auto) => Gas::Auto(self.gas_adjustment),
            Some(GasFlag::Limit(gas)) => Gas::Limit(gas),
            None => Gas::Limit(GAS),
        }
    }
}
