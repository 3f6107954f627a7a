//! One table of modules: decoding, signers, execution, blocks, genesis and queries all follow from it.

use std::collections::BTreeMap;

use geodesic_core::address::AddressError;
use geodesic_core::{Address, Ctx, GenesisError, Module, QueryError, Sdk, StateError, TxError};
use geodesic_proto::prost_types::Any;
use serde_json::value::RawValue;

use crate::wiring::WIRING;

/// The JSON of each module's genesis, by name.
pub type AppState = BTreeMap<String, Box<RawValue>>;

/// Declares the modules of the chain, in the order of genesis.
macro_rules! modules {
    ($($Variant:ident = $module:ty;)*) => {
        /// A decoded message of any module.
        #[derive(Debug, Clone)]
        #[allow(missing_docs)] // one variant a module
        pub enum AppMsg {
            $($Variant(<$module as Module>::Msg),)*
        }

        impl AppMsg {
            /// The message in an `Any`.
            ///
            /// # Errors
            /// `sdk` 2 if no module knows its type, or the bytes are no such message.
            pub fn decode(any: &Any) -> Result<Self, TxError> {
                let name = any.type_url.trim_start_matches('/');
                $(if <$module>::MESSAGES.contains(&name) {
                    return <$module>::new(&WIRING).decode(any).map(Self::$Variant);
                })*
                Err(Sdk::TxDecode.with(format_args!("unable to resolve type URL {}", any.type_url)))
            }

            /// The module's stateless checks.
            ///
            /// # Errors
            /// The module's own.
            pub fn validate_basic(&self) -> Result<(), TxError> {
                match self {
                    $(Self::$Variant(m) => <$module>::new(&WIRING).validate_basic(m),)*
                }
            }

            /// Who must sign it.
            ///
            /// # Errors
            /// [`AddressError`] if a signer's field holds no address of this chain.
            pub fn signers(&self, prefix: &str) -> Result<Vec<Address>, AddressError> {
                match self {
                    $(Self::$Variant(m) => <$module>::new(&WIRING).signers(m, prefix),)*
                }
            }

            /// Executes it and returns the response.
            ///
            /// # Errors
            /// The module's own.
            pub fn handle(&self, ctx: &mut Ctx) -> Result<Any, TxError> {
                match self {
                    $(Self::$Variant(m) => <$module>::new(&WIRING).handle(ctx, m),)*
                }
            }
        }

        /// Whether a module here executes messages of this type.
        pub fn is_known(type_url: &str) -> bool {
            let name = type_url.trim_start_matches('/');
            $(<$module>::MESSAGES.contains(&name))||*
        }

        /// Names of the modules, in the order of genesis.
        pub const MODULES: &[&str] = &[$(<$module>::NAME),*];

        /// Writes the genesis of every module.
        ///
        /// # Errors
        /// [`GenesisError`] names module, field and value.
        pub fn init_genesis(ctx: &mut Ctx, state: &AppState) -> Result<(), GenesisError> {
            $(<$module>::new(&WIRING).init_genesis(ctx, state.get(<$module>::NAME).map(AsRef::as_ref))?;)*
            Ok(())
        }

        /// The state of every module as JSON.
        ///
        /// # Errors
        /// [`StateError`] if the disk fails.
        pub fn export_genesis(ctx: &Ctx) -> Result<AppState, StateError> {
            Ok(BTreeMap::from([$((<$module>::NAME.to_owned(), <$module>::new(&WIRING).export_genesis(ctx)?)),*]))
        }

        /// The default genesis of every module.
        pub fn default_genesis() -> AppState {
            BTreeMap::from([$((<$module>::NAME.to_owned(), <$module>::new(&WIRING).default_genesis())),*])
        }

        /// Answers a module's query.
        ///
        /// # Errors
        /// [`QueryError::Unimplemented`] if no module has the service.
        pub fn query(ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
            let service = path.trim_start_matches('/').rsplit_once('/').map_or("", |(s, _)| s);
            $(if <$module>::SERVICES.contains(&service) {
                return <$module>::new(&WIRING).query(ctx, path, request);
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
    Auth = geodesic_auth::Auth<'static>;
    Bank = geodesic_bank::Bank<'static>;
    Consensus = geodesic_consensus::Consensus<'static>;
    Staking = geodesic_staking::Staking<'static>;
    Epochs = geodesic_epochs::Epochs<'static>;
    Seeds = geodesic_seeds::Seeds<'static>;
    Difficulty = geodesic_difficulty::Difficulty<'static>;
    Pow = geodesic_pow::Pow<'static>;
    Rewards = geodesic_rewards::Rewards<'static>;
}

/// Work at the beginning of a block, in this order.
///
/// # Errors
/// [`StateError`] ends the process.
pub fn begin_block(ctx: &mut Ctx) -> Result<(), StateError> {
    geodesic_staking::Staking::new(&WIRING).begin_block(ctx)?;
    geodesic_pow::Pow::new(&WIRING).begin_block(ctx)
}

/// Work at the end of a block, in this order: what moves power runs before staking returns it.
///
/// # Errors
/// [`StateError`] ends the process.
pub fn end_block(ctx: &mut Ctx) -> Result<(), StateError> {
    geodesic_pow::Pow::new(&WIRING).end_block(ctx)?;
    geodesic_staking::Staking::new(&WIRING).end_block(ctx)
}
