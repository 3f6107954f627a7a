//! Validator sets as CometBFT keeps them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use geodesic_client::vrf::ed25519_address;
use tendermint_proto::v0_38::abci::ValidatorUpdate;
use tendermint_proto::v0_38::crypto::public_key::Sum;

/// `MaxTotalVotingPower`.
const MAX_TOTAL: i64 = i64::MAX / 8;

/// A validator of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Consensus address.
    pub address: [u8; 20],
    /// Ed25519 key.
    pub pub_key: [u8; 32],
    /// Power, above 0.
    pub power: i64,
}

/// Highest power first, of equal powers the lower address: the order of commits.
pub type Set = Vec<Member>;

/// The set after updates, by `updateWithChangeSet`.
///
/// # Errors
/// What makes CometBFT stop: a key twice, of another kind, negative power, removal of a key that is not there, an empty
/// set, too much power.
pub fn apply(set: &Set, updates: &[ValidatorUpdate]) -> Result<Set> {
    let mut members: BTreeMap<[u8; 32], i64> = set.iter().map(|m| (m.pub_key, m.power)).collect();
    let mut seen = BTreeSet::new();
    for update in updates {
        let key = update.pub_key.as_ref().and_then(|k| k.sum.as_ref()).context("an update without a key")?;
        let Sum::Ed25519(key) = key else { anyhow::bail!("an update with a key that is not ed25519") };
        let key: [u8; 32] = key.as_slice().try_into().context("a key that has not 32 bytes")?;
        ensure!(seen.insert(key), "two updates of the key {}", hex::encode(key));
        ensure!(update.power >= 0, "an update with power {}", update.power);
        if update.power == 0 {
            let removed = members.remove(&key);
            ensure!(removed.is_some(), "removal of {}, which is not in the set", hex::encode(key));
        } else {
            members.insert(key, update.power);
        }
    }
    ensure!(!members.is_empty(), "the updates leave no validator");
    let total = members.values().try_fold(0_i64, |sum, p| sum.checked_add(*p)).filter(|t| *t <= MAX_TOTAL);
    ensure!(total.is_some(), "the updates bring the total power above {MAX_TOTAL}");
    let member = |(pub_key, power)| Member { address: ed25519_address(&pub_key), pub_key, power };
    let mut set: Set = members.into_iter().map(member).collect();
    set.sort_by(|a, b| b.power.cmp(&a.power).then(a.address.cmp(&b.address)));
    Ok(set)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tendermint_proto::v0_38::crypto::PublicKey;

    fn update(key: u8, power: i64) -> ValidatorUpdate {
        let pub_key = Some(PublicKey { sum: Some(Sum::Ed25519(vec![key; 32])) });
        ValidatorUpdate { pub_key, power }
    }

    #[test]
    fn what_stops_cometbft_is_refused() {
        let set = apply(&Set::new(), &[update(1, 5), update(2, 9)]).unwrap();
        assert_eq!(set.iter().map(|m| m.power).collect::<Vec<_>>(), [9, 5]);
        for (name, updates, good) in [
            ("nothing", vec![], true),
            ("a change and a removal", vec![update(1, 7), update(2, 0)], true),
            ("a new one", vec![update(3, 1)], true),
            ("removal of a stranger", vec![update(3, 0)], false),
            ("removal of all", vec![update(1, 0), update(2, 0)], false),
            ("negative power", vec![update(1, -1)], false),
            ("twice the same", vec![update(1, 3), update(1, 4)], false),
            ("too much power", vec![update(1, MAX_TOTAL)], false),
            ("no key", vec![ValidatorUpdate { pub_key: None, power: 1 }], false),
        ] {
            assert_eq!(apply(&set, &updates).is_ok(), good, "{name}");
        }
    }
}
