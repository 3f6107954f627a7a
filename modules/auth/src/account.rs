//! One account: of a key, or of a module.

use geodesic_core::{Address, address};
use geodesic_proto::any;
use geodesic_proto::cosmos::auth::v1beta1::{BaseAccount, ModuleAccount};
use geodesic_proto::prost_types::Any;

use crate::modules::module_address;
use crate::pubkey::{PubKey, PubKeyError};

/// Why an `Any` is no account of this chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// Another type, such as a vesting account.
    #[error(
        "account type {0:?} is not supported, only BaseAccount and ModuleAccount of cosmos.auth.v1beta1 are"
    )]
    Type(String),
    /// Its bytes are no such message.
    #[error("account does not decode: {0}")]
    Decode(String),
    /// Its address is none.
    #[error("account address {text:?}: {reason}")]
    Address {
        /// What stands there.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Its key is none that an account may have.
    #[error("public key of account {text}: {source}")]
    PubKey {
        /// The account.
        text: String,
        /// What is wrong with the key.
        source: PubKeyError,
    },
    /// Its key belongs to another address.
    #[error("account address {0} and pubkey address do not match")]
    KeyMismatch(String),
    /// The name of a module account is blank.
    #[error("module account name cannot be blank")]
    NoName,
    /// The address of a module account is not that of its name.
    #[error("address {text} cannot be derived from the module name '{name}'")]
    ModuleAddress {
        /// The account.
        text: String,
        /// The name.
        name: String,
    },
}

/// An account. Its address never changes; what holds coins is the bank's matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    address: Address,
    text: String,
    /// The key that signs for it, known after its first transaction.
    pub pub_key: Option<PubKey>,
    /// Number, unique on the chain.
    pub number: u64,
    /// How many transactions it signed.
    pub sequence: u64,
    /// Set if it belongs to a module.
    pub module: Option<ModuleRole>,
}

/// What makes an account a module's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleRole {
    /// Name whose hash is the address.
    pub name: String,
    /// What the module may do with coins: `minter`, `burner`, `staking`.
    pub permissions: Vec<String>,
}

impl Account {
    /// An account without key that signed nothing; `prefix` is the chain's bech32 prefix.
    pub fn new(address: &Address, prefix: &str, number: u64) -> Self {
        let text = address.to_bech32(prefix);
        Self { address: address.clone(), text, pub_key: None, number, sequence: 0, module: None }
    }

    /// Its address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Its address as text.
    pub fn address_text(&self) -> &str {
        &self.text
    }

    /// The account as the SDK's `BaseAccount` or `ModuleAccount`.
    pub fn to_any(&self) -> Any {
        match &self.module {
            None => any::pack(&self.to_base()),
            Some(role) => any::pack(&ModuleAccount {
                base_account: Some(self.to_base()),
                name: role.name.clone(),
                permissions: role.permissions.clone(),
            }),
        }
    }

    /// The part that every account has.
    pub fn to_base(&self) -> BaseAccount {
        BaseAccount {
            address: self.text.clone(),
            pub_key: self.pub_key.as_ref().map(PubKey::to_any),
            account_number: self.number,
            sequence: self.sequence,
        }
    }

    /// The account in an `Any`, of any bech32 prefix.
    ///
    /// # Errors
    /// [`AccountError`] if it is of another type or does not decode.
    pub fn from_any(value: &Any) -> Result<Self, AccountError> {
        let decode = |e: any::Error| AccountError::Decode(e.to_string());
        if value.type_url == any::type_url::<BaseAccount>() {
            return Self::from_base(any::unpack(value).map_err(decode)?, None);
        }
        if value.type_url != any::type_url::<ModuleAccount>() {
            return Err(AccountError::Type(value.type_url.clone()));
        }
        let account: ModuleAccount = any::unpack(value).map_err(decode)?;
        let base = account.base_account.unwrap_or_default();
        Self::from_base(base, Some(ModuleRole { name: account.name, permissions: account.permissions }))
    }

    fn from_base(base: BaseAccount, module: Option<ModuleRole>) -> Result<Self, AccountError> {
        let text = base.address;
        let bad = |reason: String| AccountError::Address { text: text.clone(), reason };
        let (_, bytes) = address::decode(&text).map_err(|e| bad(e.to_string()))?;
        let address = Address::try_new(bytes).map_err(|e| bad(e.to_string()))?;
        let pub_key = base.pub_key.as_ref().map(PubKey::from_any).transpose();
        let pub_key = pub_key.map_err(|source| AccountError::PubKey { text: text.clone(), source })?;
        Ok(Self { address, text, pub_key, number: base.account_number, sequence: base.sequence, module })
    }

    /// Checks the rules that tie address, key and module name together; `prefix` is the chain's bech32 prefix.
    ///
    /// # Errors
    /// [`AccountError`] names the rule.
    pub fn validate(&self, prefix: &str) -> Result<(), AccountError> {
        let text = self.text.clone();
        if let Err(e) = Address::from_bech32(prefix, &text) {
            return Err(AccountError::Address { text, reason: e.to_string() });
        }
        if self.pub_key.as_ref().is_some_and(|key| key.address() != self.address) {
            return Err(AccountError::KeyMismatch(text));
        }
        match &self.module {
            None => Ok(()),
            Some(role) if role.name.trim().is_empty() => Err(AccountError::NoName),
            Some(role) if module_address(&role.name) != self.address => {
                Err(AccountError::ModuleAddress { text, name: role.name.clone() })
            }
            Some(_) => Ok(()),
        }
    }
}
