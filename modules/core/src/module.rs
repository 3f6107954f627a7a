//! What every module gives to the application.

use geodesic_proto::prost_types::Any;
use serde_json::value::RawValue;

use geodesic_proto::prost::{Message, Name};

use crate::address::{Address, AddressError, module_address};
use crate::ctx::Ctx;
use crate::error::{QueryError, Sdk, StateError, TxError};

/// Why a genesis is refused; names the field and the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("genesis of {module}: {reason}")]
pub struct GenesisError {
    /// Name of the module.
    pub module: &'static str,
    /// What is wrong.
    pub reason: String,
}

/// A module, with its ports inside. Every method is written out: no default would be right for all.
pub trait Module {
    /// The messages it executes, decoded.
    type Msg;

    /// Name in genesis, in events and in errors.
    const NAME: &'static str;

    /// Type URLs of its messages, without the leading slash.
    const MESSAGES: &'static [&'static str];

    /// Full names of its query services, such as `cosmos.bank.v1beta1.Query`.
    const SERVICES: &'static [&'static str];

    /// The message of a type URL in [`Module::MESSAGES`].
    ///
    /// # Errors
    /// `sdk` 2 if the bytes are no such message.
    fn decode(&self, any: &Any) -> Result<Self::Msg, TxError>;

    /// Stateless checks that the SDK makes before the ante chain (`ValidateBasic`).
    ///
    /// # Errors
    /// The module's own code.
    fn validate_basic(&self, msg: &Self::Msg) -> Result<(), TxError>;

    /// Who must sign, in order, without repetition; `prefix` is the chain's bech32 prefix.
    ///
    /// # Errors
    /// [`AddressError`] if the field that names the signer holds no address of this chain.
    fn signers(&self, msg: &Self::Msg, prefix: &str) -> Result<Vec<Address>, AddressError>;

    /// Executes a message; returns the encoded response with its type. The caller drops the writes on error.
    ///
    /// # Errors
    /// The module's own code and codespace.
    fn handle(&self, ctx: &mut Ctx, msg: &Self::Msg) -> Result<Any, TxError>;

    /// Work at the beginning of a block.
    ///
    /// # Errors
    /// Only those of the state: errors in users' data skip the item.
    fn begin_block(&self, ctx: &mut Ctx) -> Result<(), StateError>;

    /// Work at the end of a block.
    ///
    /// # Errors
    /// Only those of the state.
    fn end_block(&self, ctx: &mut Ctx) -> Result<(), StateError>;

    /// Answers `/service/method` with the encoded response.
    ///
    /// # Errors
    /// [`QueryError::Unimplemented`] for a method that is not there.
    fn query(&self, ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError>;

    /// Writes the genesis state; `None` means the default one.
    ///
    /// # Errors
    /// [`GenesisError`] names what is wrong with it.
    fn init_genesis(&self, ctx: &mut Ctx, state: Option<&RawValue>) -> Result<(), GenesisError>;

    /// The state as JSON that [`Module::init_genesis`] takes.
    ///
    /// # Errors
    /// [`StateError`] if the disk fails.
    fn export_genesis(&self, ctx: &Ctx) -> Result<Box<RawValue>, StateError>;

    /// The default genesis state as JSON.
    fn default_genesis(&self) -> Box<RawValue>;
}

/// The message in an `Any` whose type is already known to be `T`.
///
/// # Errors
/// `sdk` 2 if the bytes are no such message.
pub fn decode_msg<T: Message + Default>(any: &Any) -> Result<T, TxError> {
    T::decode(any.value.as_slice()).map_err(|e| Sdk::TxDecode.with(format_args!("{}: {e}", any.type_url)))
}

/// Accepts only the account of the module `gov`, which alone may change parameters.
///
/// # Errors
/// `gov` 13 (`ErrInvalidSigner`) names both accounts.
pub fn check_authority(ctx: &Ctx, authority: &str) -> Result<(), TxError> {
    let expected = ctx.account_text(&module_address("gov"));
    if authority == expected {
        return Ok(());
    }
    let log = format!(
        "invalid authority; expected {expected}, got {authority}: expected gov account as only signer for proposal message"
    );
    Err(TxError::new("gov", 13, log))
}

/// Decodes a query's request, runs `f` and encodes the response.
///
/// # Errors
/// [`QueryError::InvalidArgument`] if the request does not decode, else those of `f`.
pub fn answer<Q: Message + Default, R: Message>(
    request: &[u8],
    f: impl FnOnce(Q) -> Result<R, QueryError>,
) -> Result<Vec<u8>, QueryError> {
    let request =
        Q::decode(request).map_err(|e| QueryError::InvalidArgument(format!("malformed request: {e}")))?;
    Ok(f(request)?.encode_to_vec())
}

/// What a query of a method that a service does not have is answered.
pub fn unknown_method(path: &str) -> QueryError {
    QueryError::Unimplemented(format!("unknown query path {path}"))
}

/// The genesis state of a module; the message's default if there is none.
///
/// # Errors
/// [`GenesisError`] names the field that does not parse.
pub fn parse_genesis<T: Message + Name + Default>(
    module: &'static str,
    state: Option<&RawValue>,
) -> Result<T, GenesisError> {
    let Some(state) = state else { return Ok(T::default()) };
    geodesic_proto::json::from_long_json(state.get())
        .map_err(|e| GenesisError { module, reason: e.to_string() })
}

/// A module's state as JSON.
///
/// # Errors
/// [`StateError::Invariant`] if the message cannot be printed.
pub fn genesis_json<T: Message + Name>(state: &T) -> Result<Box<RawValue>, StateError> {
    let text = geodesic_proto::json::to_long_json(state).map_err(|e| StateError::Invariant(e.to_string()))?;
    RawValue::from_string(text).map_err(|e| StateError::Invariant(e.to_string()))
}
