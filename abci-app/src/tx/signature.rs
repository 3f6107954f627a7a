//! Signatures as they come in a transaction: single ones, and multisignatures of them.

use geodesic_auth::pubkey::MAX_DEPTH;
use geodesic_core::{Sdk, TxError};
use geodesic_proto::cosmos::crypto::multisig::v1beta1::{CompactBitArray, MultiSignature};
use geodesic_proto::cosmos::tx::signing::v1beta1::SignMode;
use geodesic_proto::cosmos::tx::v1beta1::ModeInfo;
use geodesic_proto::cosmos::tx::v1beta1::mode_info::Sum;
use geodesic_proto::prost::Message;
use geodesic_proto::strict::{self, Policy};

/// The signature of one signer.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    /// What was signed how; none if the signer info has no mode.
    pub data: Option<SignatureData>,
    /// Sequence that the signer claims.
    pub sequence: u64,
}

/// One signature, or several of the members of a multisignature.
#[derive(Debug, Clone, PartialEq)]
pub enum SignatureData {
    /// Of one key.
    Single {
        /// [`SignMode`], which may be a number that nobody defined.
        mode: i32,
        /// The bytes.
        signature: Vec<u8>,
    },
    /// Of members of a multisignature.
    Multi {
        /// Which members signed.
        bits: Bits,
        /// Their signatures, in the order of the keys.
        signatures: Vec<SignatureData>,
    },
}

/// Which members of a multisignature signed (`CompactBitArray`).
#[derive(Debug, Clone, PartialEq)]
pub struct Bits(CompactBitArray);

impl Bits {
    /// How many members it speaks of.
    pub fn len(&self) -> usize {
        let (bytes, extra) =
            (self.0.elems.len(), usize::try_from(self.0.extra_bits_stored).unwrap_or(usize::MAX));
        match extra {
            0 => bytes.saturating_mul(8),
            _ => bytes.saturating_sub(1).saturating_mul(8).saturating_add(extra),
        }
    }

    /// Whether it speaks of none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether member `i` signed.
    pub fn get(&self, i: usize) -> bool {
        let mask = 0x80_u8.checked_shr(u32::try_from(i % 8).unwrap_or(0)).unwrap_or(0);
        i < self.len() && self.0.elems.get(i / 8).is_some_and(|byte| byte & mask != 0)
    }

    /// How many of the first `n` members signed.
    pub fn count_before(&self, n: usize) -> usize {
        (0..n.min(self.0.elems.len().saturating_mul(8))).filter(|i| self.get(*i)).count()
    }
}

impl SignatureData {
    /// The signature that a mode and bytes describe. Multisignatures may be nested as keys may: each level doubles what
    /// events show of them.
    ///
    /// # Errors
    /// `sdk` 4 if mode and bytes do not belong together, or are nested too deeply.
    pub fn try_new(info: &ModeInfo, bytes: &[u8]) -> Result<Self, TxError> {
        Self::nested(info, bytes, MAX_DEPTH)
    }

    fn nested(info: &ModeInfo, bytes: &[u8], depth: u32) -> Result<Self, TxError> {
        let multi = match &info.sum {
            Some(Sum::Single(single)) => {
                return Ok(Self::Single { mode: single.mode, signature: bytes.to_vec() });
            }
            Some(Sum::Multi(multi)) => multi,
            None => return Err(Sdk::Unauthorized.with("signer info has an empty mode")),
        };
        let too_deep =
            || Sdk::Unauthorized.with(format_args!("multisignatures nested deeper than {MAX_DEPTH}"));
        let depth = depth.checked_sub(1).filter(|d| *d > 0).ok_or_else(too_deep)?;
        let bad = |e: String| Sdk::Unauthorized.with(format_args!("multisignature does not decode: {e}"));
        let name = "cosmos.crypto.multisig.v1beta1.MultiSignature";
        strict::reject_unknown_fields(bytes, name, Policy::Strict).map_err(|e| bad(e.to_string()))?;
        let raw = MultiSignature::decode(bytes).map_err(|e| bad(e.to_string()))?.signatures;
        let modes = &multi.mode_infos;
        if modes.len() != raw.len() {
            return Err(bad(format!("{} signatures for {} modes", raw.len(), modes.len())));
        }
        let signatures = modes
            .iter()
            .zip(&raw)
            .map(|(mode, bytes)| Self::nested(mode, bytes, depth))
            .collect::<Result<_, _>>()?;
        Ok(Self::Multi { bits: Bits(multi.bitarray.clone().unwrap_or_default()), signatures })
    }

    /// Whether a part is missing, as it may be in a simulation.
    pub fn is_incomplete(&self) -> bool {
        match self {
            Self::Single { signature, .. } => signature.is_empty(),
            Self::Multi { signatures, .. } => {
                signatures.is_empty() || signatures.iter().any(Self::is_incomplete)
            }
        }
    }

    /// Whether all of it was signed as amino JSON, which covers the sequence.
    pub fn is_amino_only(&self) -> bool {
        match self {
            Self::Single { mode, .. } => SignMode::try_from(*mode) == Ok(SignMode::LegacyAminoJson),
            Self::Multi { signatures, .. } => signatures.iter().all(Self::is_amino_only),
        }
    }

    /// The bytes that events show: every single signature, and behind those of a multisignature their `MultiSignature`.
    pub fn event_bytes(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Single { signature, .. } => vec![signature.clone()],
            Self::Multi { signatures, .. } => {
                let mut all: Vec<_> = signatures.iter().flat_map(Self::event_bytes).collect();
                all.push(MultiSignature { signatures: all.clone() }.encode_to_vec());
                all
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_bounded() {
        use geodesic_proto::cosmos::tx::v1beta1::mode_info::{Multi, Single};
        let leaf = ModeInfo { sum: Some(Sum::Single(Single { mode: 1 })) };
        let (mut mode, mut bytes, mut passed) = (leaf, vec![1; 64], 0);
        for _ in 0..10 {
            passed += u32::from(SignatureData::try_new(&mode, &bytes).is_ok());
            let mode_infos = vec![mode];
            mode = ModeInfo { sum: Some(Sum::Multi(Multi { bitarray: None, mode_infos })) };
            bytes = MultiSignature { signatures: vec![bytes] }.encode_to_vec();
        }
        assert_eq!(passed, MAX_DEPTH, "the single one counts");
    }

    #[test]
    fn bits_of_members() {
        for (name, extra_bits_stored, elems, len, set) in [
            ("none", 0, vec![], 0, vec![]),
            ("two of three", 3, vec![0b1010_0000], 3, vec![0, 2]),
            ("beyond the length", 3, vec![0b1001_0000], 3, vec![0]),
            ("whole bytes", 0, vec![0x01, 0x80], 16, vec![7, 8]),
            ("length without bytes", 200, vec![], 200, vec![]),
        ] {
            let bits = Bits(CompactBitArray { extra_bits_stored, elems });
            let got: Vec<_> = (0..300).filter(|i| bits.get(*i)).collect();
            assert_eq!((bits.len(), bits.is_empty(), got), (len, len == 0, set.clone()), "{name}");
            assert_eq!(bits.count_before(usize::MAX), set.len(), "{name}");
        }
    }
}
