//! One table of modules: decoding, signers, execution, blocks, genesis and queries all follow from it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use geodesic_core::address::AddressError;
use geodesic_core::{Address, Ctx, GenesisError, Module, QueryError, Sdk, StateError, StoreId, TxError};
use geodesic_proto::amino::Codec;
use geodesic_proto::prost_types::Any;
use serde_json::value::RawValue;

use crate::tx::TxMsg;
use crate::wiring::{self, WIRING};

/// The JSON of each module's genesis, by name.
pub type AppState = BTreeMap<String, Box<RawValue>>;

/// Declares the modules of the chain, in the order of genesis: each after those that it reads.
macro_rules! modules {
    ($($Variant:ident = $module:ty, $value:expr;)*) => {
        /// A decoded message of any module.
        #[derive(Debug, Clone)]
        #[allow(missing_docs)] // one variant a module
        pub enum AppMsg {
            $($Variant(<$module as Module>::Msg),)*
        }

        impl TxMsg for AppMsg {
            fn decode(any: &Any) -> Result<Self, TxError> {
                let name = any.type_url.trim_start_matches('/');
                $(if <$module>::MESSAGES.contains(&name) {
                    return $value.decode(any).map(Self::$Variant);
                })*
                Err(Sdk::TxDecode.with(format_args!("unable to resolve type URL {}", any.type_url)))
            }

            fn validate_basic(&self) -> Result<(), TxError> {
                match self {
                    $(Self::$Variant(m) => $value.validate_basic(m),)*
                }
            }

            fn signers(&self, prefix: &str) -> Result<Vec<Address>, AddressError> {
                match self {
                    $(Self::$Variant(m) => $value.signers(m, prefix),)*
                }
            }
        }

        impl AppMsg {
            /// Executes it and returns the response.
            ///
            /// # Errors
            /// The module's own.
            pub fn handle(&self, ctx: &mut Ctx) -> Result<Any, TxError> {
                match self {
                    $(Self::$Variant(m) => $value.handle(ctx, m),)*
                }
            }
        }

        /// Whether a module here executes messages of this type.
        pub fn is_known(type_url: &str) -> bool {
            let name = type_url.trim_start_matches('/');
            $(<$module>::MESSAGES.contains(&name))||*
        }

        /// Amino of the messages that the modules execute.
        pub fn amino() -> &'static Codec {
            static CODEC: OnceLock<Codec> = OnceLock::new();
            CODEC.get_or_init(|| Codec::new([$(<$module>::MESSAGES),*].into_iter().flatten().copied()))
        }

        /// Names of the modules, in the order of genesis.
        pub const MODULES: &[&str] = &[$(<$module>::NAME),*];

        /// Writes the genesis of every module.
        ///
        /// # Errors
        /// [`GenesisError`] names module, field and value.
        pub fn init_genesis(ctx: &mut Ctx, state: &AppState) -> Result<(), GenesisError> {
            $($value.init_genesis(ctx, state.get(<$module>::NAME).map(AsRef::as_ref))?;)*
            Ok(())
        }

        /// The state of every module as JSON.
        ///
        /// # Errors
        /// [`StateError`] if the disk fails.
        pub fn export_genesis(ctx: &Ctx) -> Result<AppState, StateError> {
            Ok(BTreeMap::from([$((<$module>::NAME.to_owned(), $value.export_genesis(ctx)?)),*]))
        }

        /// The default genesis of every module.
        pub fn default_genesis() -> AppState {
            BTreeMap::from([$((<$module>::NAME.to_owned(), $value.default_genesis())),*])
        }

        /// Answers a module's query.
        ///
        /// # Errors
        /// [`QueryError::Unimplemented`] if no module has the service.
        pub fn query(ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
            let service = path.trim_start_matches('/').rsplit_once('/').map_or("", |(s, _)| s);
            $(if <$module>::SERVICES.contains(&service) {
                return $value.query(ctx, path, request);
            })*
            Err(QueryError::Unimplemented(format!("unknown query path {path}")))
        }

        /// Every query service of the modules.
        pub fn services() -> Vec<&'static str> {
            [$(<$module>::SERVICES),*].concat()
        }
    };
}

modules! {
    Auth = geodesic_auth::Auth<'static>, geodesic_auth::Auth::new(&WIRING);
    Bank = geodesic_bank::Bank<'static>, geodesic_bank::Bank::new(&WIRING);
    Consensus = geodesic_consensus::Consensus, geodesic_consensus::Consensus;
    Staking = geodesic_staking::Staking<'static>, geodesic_staking::Staking::new(&WIRING);
    Slashing = geodesic_slashing::Slashing<'static>, geodesic_slashing::Slashing::new(&WIRING);
    Evidence = geodesic_evidence::Evidence, geodesic_evidence::Evidence;
    Epochs = geodesic_epochs::Epochs, geodesic_epochs::Epochs;
    Seeds = geodesic_seeds::Seeds<'static>, geodesic_seeds::Seeds::new(&WIRING);
    Pow = geodesic_pow::Pow<'static>, geodesic_pow::Pow { ports: &WIRING };
    Difficulty = geodesic_difficulty::Difficulty<'static>, geodesic_difficulty::Difficulty::new(&WIRING);
    Rewards = geodesic_rewards::Rewards<'static>, geodesic_rewards::Rewards::new(&WIRING);
}

/// Work at the beginning of a block, in this order. The compute modules sleep under `power_source = stake`.
///
/// # Errors
/// [`StateError`] ends the process.
pub fn begin_block(
    ctx: &mut Ctx,
    req: &tendermint_proto::v0_38::abci::RequestFinalizeBlock,
) -> Result<(), StateError> {
    geodesic_auth::Auth::new(&WIRING).begin_block(ctx)?;
    crate::penalties::begin_block(ctx, req)?;
    geodesic_staking::Staking::new(&WIRING).begin_block(ctx)?;
    if wiring::is_compute(ctx)? {
        geodesic_epochs::Epochs.begin_block(ctx)?;
        geodesic_pow::Pow { ports: &WIRING }.begin_block(ctx)?;
    }
    Ok(())
}

/// Work at the end of a block, in this order: what moves power runs before staking returns it.
///
/// # Errors
/// [`StateError`] ends the process.
pub fn end_block(ctx: &mut Ctx) -> Result<(), StateError> {
    if wiring::is_compute(ctx)? {
        geodesic_pow::Pow { ports: &WIRING }.end_block(ctx)?;
    }
    geodesic_staking::Staking::new(&WIRING).end_block(ctx)
}

/// The stores of every module, and the application's own.
pub fn stores() -> Vec<StoreId> {
    vec![
        geodesic_auth::keys::STORE,
        geodesic_auth::keys::INDEX,
        geodesic_bank::keys::STORE,
        geodesic_bank::keys::INDEX,
        geodesic_consensus::keys::STORE,
        geodesic_staking::keys::STORE,
        geodesic_staking::keys::COMPUTE,
        geodesic_slashing::keys::STORE,
        geodesic_evidence::keys::STORE,
        geodesic_epochs::keys::STORE,
        geodesic_seeds::keys::STORE,
        geodesic_difficulty::keys::STORE,
        geodesic_pow::keys::STORE,
        geodesic_rewards::keys::STORE,
        crate::info::STORE,
    ]
}
