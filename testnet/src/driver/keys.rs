//! Keys of a test network, all derived from names: every run has the same.

use anyhow::{Context as _, Result};
use geodesic_client::address::Kind;
use geodesic_client::key::SecretKey;
use geodesic_client::vrf::{VrfKey, ed25519_address};
use sha2::{Digest as _, Sha256};

/// Prefix of addresses.
pub const PREFIX: &str = "geo";

/// 32 bytes that belong to a name.
pub(crate) fn seed(name: &str, index: usize) -> [u8; 32] {
    Sha256::digest(format!("geodesic test network/{name}/{index}")).into()
}

/// An account that signs.
#[derive(Debug)]
pub struct Wallet {
    /// Its key.
    pub key: SecretKey,
    /// Its 20 bytes.
    pub address: [u8; 20],
    /// Its address as the chain writes it.
    pub text: String,
}

impl Wallet {
    /// The account of a name.
    ///
    /// # Errors
    /// None in practice: the hash of the name would have to be no key.
    pub fn new(name: &str, index: usize) -> Result<Self> {
        let key = SecretKey::from_bytes(&seed(name, index))?;
        let address = key.public().address();
        let text = Kind::Account.encode(PREFIX, &address)?;
        Ok(Self { key, address, text })
    }

    /// Address of the validator that this account operates.
    ///
    /// # Errors
    /// None in practice.
    pub fn valoper(&self) -> Result<String> {
        Ok(Kind::Validator.encode(PREFIX, &self.address)?)
    }
}

/// All keys of a validator.
pub struct Operator {
    /// The operator's account.
    pub wallet: Wallet,
    /// The account that sends its pow messages.
    pub agent: Wallet,
    /// Its VRF key.
    pub vrf: VrfKey,
    /// The secret of the VRF key, for the application.
    pub vrf_secret: [u8; 32],
    /// Ed25519 key of consensus.
    pub consensus: [u8; 32],
    /// Address of that key.
    pub consensus_address: [u8; 20],
}

impl Operator {
    /// The validator of a number.
    ///
    /// # Errors
    /// None in practice: a hash would have to be no key.
    pub fn new(index: usize) -> Result<Self> {
        let mut vrf_secret = seed("vrf", index);
        // Little-endian below the order of the group.
        if let Some(top) = vrf_secret.last_mut() {
            *top = 0;
        }
        let vrf = VrfKey::from_bytes(vrf_secret).context("a VRF key")?;
        let consensus =
            ed25519_dalek::SigningKey::from_bytes(&seed("consensus", index)).verifying_key().to_bytes();
        Ok(Self {
            wallet: Wallet::new("operator", index)?,
            agent: Wallet::new("agent", index)?,
            vrf,
            vrf_secret,
            consensus,
            consensus_address: ed25519_address(&consensus),
        })
    }
}
