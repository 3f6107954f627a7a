//! Verification of signatures, each only once.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use geodesic_auth::PubKey;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use secp256k1::ecdsa::Signature;
use secp256k1::{Message, PublicKey, Secp256k1, VerifyOnly};
use sha2::{Digest, Sha256};

use super::signature::SignatureData;

/// How many valid signatures are remembered: some blocks and a mempool full.
pub const REMEMBERED: usize = 1 << 16;

/// A curve whose keys sign for accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// That of Bitcoin, and of wallets as a rule.
    Secp256k1,
    /// That of NIST, and of the secure hardware of phones.
    Secp256r1,
}

/// Verifies signatures and remembers the valid ones, so that those of the mempool cost nothing in a block.
///
/// What is remembered is the hash of curve, key, signature and message: all that decides. The message holds the transaction,
/// the chain id and the account number, and the transaction the sequence; so a remembered answer can never be wrong.
pub struct Verifier {
    curve: Secp256k1<VerifyOnly>,
    valid: Mutex<Remembered>,
}

/// The last [`REMEMBERED`] valid ones; the oldest gives way.
#[derive(Default)]
struct Remembered {
    known: BTreeSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Default for Verifier {
    fn default() -> Self {
        Self { curve: Secp256k1::verification_only(), valid: Mutex::default() }
    }
}

impl Verifier {
    /// Whether `signature` (`r | s`, 64 bytes, `s` in the lower half of the order) of the SHA-256 of `message` is by the
    /// compressed `key` on the curve.
    pub fn ecdsa(&self, curve: Curve, key: &[u8; 33], message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = <&[u8; 64]>::try_from(signature) else { return false };
        let digest: [u8; 32] = Sha256::digest(message).into();
        let id = Sha256::new().chain_update([match curve {
            Curve::Secp256k1 => 0,
            Curve::Secp256r1 => 1,
        }]);
        let id: [u8; 32] =
            id.chain_update(key).chain_update(signature).chain_update(digest).finalize().into();
        if self.remembered().known.contains(&id) {
            return true;
        }
        let valid = match curve {
            Curve::Secp256k1 => self.secp256k1(key, digest, signature),
            Curve::Secp256r1 => secp256r1(key, &digest, signature),
        };
        if valid {
            self.remembered().insert(id);
        }
        valid
    }

    // libsecp256k1 refuses `s` in the upper half, `r` or `s` of zero or above the order, and keys off the curve.
    fn secp256k1(&self, key: &[u8; 33], digest: [u8; 32], signature: &[u8; 64]) -> bool {
        let (Ok(key), Ok(signature)) = (PublicKey::from_slice(key), Signature::from_compact(signature))
        else {
            return false;
        };
        self.curve.verify_ecdsa(Message::from_digest(digest), &signature, &key).is_ok()
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, Remembered> {
        // A panic in between leaves at worst an entry that is never dropped.
        self.valid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that `data` is by `key`; `sign_bytes` gives the message of a mode.
    ///
    /// # Errors
    /// A text that names what does not fit.
    pub fn check(
        &self,
        key: &PubKey,
        data: &SignatureData,
        sign_bytes: &dyn Fn(i32) -> Result<Vec<u8>, String>,
    ) -> Result<(), String> {
        match data {
            SignatureData::Single { mode, signature } => {
                let fail = || "unable to verify single signer signature".to_owned();
                self.single(key, *mode, signature, sign_bytes)?.then_some(()).ok_or_else(fail)
            }
            SignatureData::Multi { .. } => self.multi(key, data, sign_bytes),
        }
    }

    fn single(
        &self,
        key: &PubKey,
        mode: i32,
        signature: &[u8],
        sign_bytes: &dyn Fn(i32) -> Result<Vec<u8>, String>,
    ) -> Result<bool, String> {
        let message = sign_bytes(mode)?;
        match key {
            PubKey::Secp256k1(key) => Ok(self.ecdsa(Curve::Secp256k1, key, &message, signature)),
            PubKey::Secp256r1(key) => Ok(self.ecdsa(Curve::Secp256r1, key, &message, signature)),
            // Both are refused when their gas is paid, before this.
            PubKey::Ed25519(_) | PubKey::Multisig { .. } => Ok(false),
        }
    }

    fn multi(
        &self,
        key: &PubKey,
        data: &SignatureData,
        sign_bytes: &dyn Fn(i32) -> Result<Vec<u8>, String>,
    ) -> Result<(), String> {
        let (PubKey::Multisig { threshold, keys }, SignatureData::Multi { bits, signatures }) = (key, data)
        else {
            return Err("expected a multisignature key for a multisignature".into());
        };
        let threshold = usize::try_from(*threshold).unwrap_or(usize::MAX);
        if bits.len() != keys.len() {
            return Err(format!("bit array size is incorrect, expecting: {}", keys.len()));
        }
        if signatures.len() < threshold || signatures.len() > keys.len() {
            return Err(format!("signature size is incorrect {}", signatures.len()));
        }
        let set = bits.count_before(keys.len());
        if set < threshold {
            return Err(format!("not enough signatures set, have {set}, expected {threshold}"));
        }
        // The SDK lets signatures that no bit stands for pass unseen: bytes that anyone could add. They are refused here.
        if set != signatures.len() {
            return Err(format!("{} signatures for {set} set bits", signatures.len()));
        }
        let signed = keys.iter().enumerate().filter(|(i, _)| bits.get(*i));
        for ((i, key), data) in signed.zip(signatures) {
            match data {
                SignatureData::Single { mode, signature } => {
                    if !self.single(key, *mode, signature, sign_bytes)? {
                        return Err(format!("unable to verify signature at index {i}"));
                    }
                }
                SignatureData::Multi { .. } => self.multi(key, data, sign_bytes)?,
            }
        }
        Ok(())
    }
}

// p256 refuses `r` or `s` of zero or above the order, and keys off the curve; `s` in the upper half it takes.
fn secp256r1(key: &[u8; 33], digest: &[u8; 32], signature: &[u8; 64]) -> bool {
    let Ok(key) = p256::ecdsa::VerifyingKey::from_sec1_bytes(key) else { return false };
    let Ok(signature) = p256::ecdsa::Signature::from_slice(signature) else { return false };
    signature.normalize_s().is_none() && key.verify_prehash(digest, &signature).is_ok()
}

impl Remembered {
    fn insert(&mut self, id: [u8; 32]) {
        if !self.known.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_drops_the_oldest() {
        let mut memory = Remembered::default();
        let id = |i: usize| {
            let mut id = [0; 32];
            id.iter_mut().zip(i.to_be_bytes()).for_each(|(to, from)| *to = from);
            id
        };
        (0..REMEMBERED + 10).for_each(|i| memory.insert(id(i)));
        memory.insert(id(REMEMBERED));
        assert_eq!((memory.known.len(), memory.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!memory.known.contains(&id(9)) && memory.known.contains(&id(10)));
    }
}
