//! Keys, values and codes that other nodes and clients read. A change here breaks consensus.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::collections::BTreeMap;

use geodesic_core::item::{Codec, LenAddress, Map, Pb};
use geodesic_core::{AbciError, Address, Dec, Int};
use geodesic_proto::cosmos::staking::v1beta1 as pb;
use geodesic_proto::prost::Message;
use geodesic_proto::prost_types::Timestamp;
use geodesic_staking::entries::{Redelegation, RedelegationEntry, UnbondingDelegation, UnbondingEntry};
use geodesic_staking::keys::{self, PowerKey, QueueKey};
use geodesic_staking::time::Time;
use geodesic_staking::types::{AsMessage, Commission, Delegation, Status, Validator, consensus_address};
use geodesic_staking::{ComputeParams, Error, Params};

fn fixture() -> BTreeMap<&'static str, &'static str> {
    include_str!("fixtures/sdk.txt")
        .lines()
        .filter(|l| !l.starts_with('#'))
        .map(|l| l.split_once(' ').unwrap())
        .collect()
}

fn address(first: u8) -> Address {
    let mut bytes = [0; 20];
    bytes.iter_mut().zip(first..).for_each(|(b, v)| *b = v);
    bytes.into()
}

fn time() -> Time {
    Time::from_message(Some(&Timestamp { seconds: 1_700_000_000, nanos: 123_456_789 })).unwrap()
}

fn validator() -> Validator {
    let rate = Dec::ZERO;
    Validator {
        address: address(1),
        operator: address(1).to_bech32("cosmosvaloper"),
        pub_key: [7; 32],
        jailed: false,
        status: Status::Unbonded,
        tokens: Int::ZERO,
        shares: Dec::ZERO,
        description: pb::Description {
            moniker: "m".into(),
            website: "w".into(),
            details: "d".into(),
            ..pb::Description::default()
        },
        unbonding_height: 0,
        unbonding_time: Time::default(),
        commission: Commission { rate, max_rate: rate, max_change_rate: rate, update_time: Time::default() },
        min_self_delegation: Int::ONE,
        on_hold: 0,
        unbonding_ids: Vec::new(),
    }
}

fn full() -> Validator {
    let commission = Commission {
        rate: "0.1".parse().unwrap(),
        max_rate: "0.2".parse().unwrap(),
        max_change_rate: Dec::ZERO,
        update_time: time(),
    };
    Validator {
        jailed: true,
        status: Status::Unbonding,
        tokens: 123_456_789_u64.into(),
        shares: Dec::from_int(123_456_789_u64.into()),
        unbonding_height: 5,
        unbonding_time: time(),
        commission,
        unbonding_ids: vec![1, 300],
        ..validator()
    }
}

/// The value as hex, after it survived a round trip.
fn value<V: PartialEq + std::fmt::Debug, C: Codec<V>>(v: &V) -> String {
    let bytes = C::encode(v);
    assert_eq!(C::decode(&bytes).as_ref(), Some(v));
    hex::encode(bytes)
}

#[test]
fn values_are_the_sdks() {
    let want = fixture();
    let text = |a: Address, prefix: &str| a.to_bech32(prefix);
    let (delegator, operator) = (text(address(0x40), "cosmos"), text(address(1), "cosmosvaloper"));
    let unbonding = UnbondingDelegation {
        delegator: delegator.clone(),
        validator: operator.clone(),
        entries: vec![UnbondingEntry {
            creation_height: 9,
            completion_time: time(),
            initial_balance: 5_u64.into(),
            balance: 5_u64.into(),
            id: 3,
            on_hold: 0,
        }],
    };
    let redelegation = Redelegation {
        delegator: delegator.clone(),
        source: operator.clone(),
        destination: text(address(0x80), "cosmosvaloper"),
        entries: vec![RedelegationEntry {
            creation_height: 9,
            completion_time: time(),
            initial_balance: 5_u64.into(),
            shares_dst: Dec::from_int(4_u64.into()),
            id: 3,
            on_hold: 0,
        }],
    };
    let delegation = Delegation { delegator, validator: operator, shares: "1.5".parse().unwrap() };
    for (name, got) in [
        ("validator_new", value::<_, AsMessage>(&validator())),
        ("validator_full", value::<_, AsMessage>(&full())),
        ("params", value::<_, AsMessage>(&Params::default())),
        ("ubd", value::<_, AsMessage>(&unbonding)),
        ("red", value::<_, AsMessage>(&redelegation)),
        ("delegation", value::<_, AsMessage>(&delegation)),
        ("intproto", value::<_, Pb>(&keys::IntProto { int: "77".to_owned() })),
    ] {
        assert_eq!(got, want[name], "{name}");
    }
    insta::assert_snapshot!(hex::encode(AsMessage::encode(&ComputeParams::default())), @"0a12323030303030303030303030303030303030120d31303030303030303030303030");
}

#[test]
fn the_commission_of_an_event_is_prototext() {
    insta::assert_snapshot!(full().commission, @r#"commission_rates:<rate:"100000000000000000" max_rate:"200000000000000000" max_change_rate:"0" > update_time:<seconds:1700000000 nanos:123456789 > "#);
    insta::assert_snapshot!(validator().commission, @r#"commission_rates:<rate:"0" max_rate:"0" max_change_rate:"0" > update_time:<> "#);
}

fn key<K: geodesic_core::item::Key, V, C: Codec<V>>(map: &Map<K, V, C>, key: &K) -> String {
    hex::encode(map.key(key))
}

#[test]
fn keys_are_the_sdks() {
    let want = fixture();
    let len = |first: u8| LenAddress(address(first));
    let (operator, delegator, destination) = (len(1), len(0x40), len(0x80));
    let power = PowerKey { power: 123, operator: address(1) };
    let cons = LenAddress(Address::from(consensus_address(&[7; 32])));
    let (d, o, t) = (delegator.clone(), operator.clone(), destination);
    for (name, got) in [
        ("k_validator", key(&keys::VALIDATORS, &operator)),
        ("k_cons", key(&keys::VALIDATORS_BY_CONS, &cons)),
        ("k_power", key(&keys::POWER_INDEX, &power)),
        ("k_lastpower", key(&keys::LAST_VALIDATOR_POWER, &operator)),
        ("k_queue", key(&keys::VALIDATOR_QUEUE, &QueueKey { time: time().sortable(), height: 5 })),
        ("k_delegation", key(&keys::DELEGATIONS, &(delegator.clone(), operator.clone()))),
        ("k_delbyval", key(&keys::DELEGATIONS_BY_VALIDATOR, &(operator.clone(), address(0x40)))),
        ("k_ubd", key(&keys::UNBONDINGS, &(delegator.clone(), operator.clone()))),
        ("k_ubdbyval", key(&keys::UNBONDINGS_BY_VALIDATOR, &(operator, delegator))),
        ("k_ubdtime", key(&keys::UNBONDING_QUEUE, &time().sortable())),
        ("k_red", key(&keys::REDELEGATIONS, &(d.clone(), o.clone(), t.clone()))),
        ("k_redsrc", key(&keys::REDELEGATIONS_BY_SOURCE, &(o.clone(), d.clone(), t.clone()))),
        ("k_reddst", key(&keys::REDELEGATIONS_BY_DESTINATION, &(t, d, o))),
        ("k_redtime", key(&keys::REDELEGATION_QUEUE, &time().sortable())),
        ("k_hist", key(&keys::HISTORICAL, &4)),
        ("k_index", key(&keys::UNBONDING_INDEX, &4)),
        ("k_type", key(&keys::UNBONDING_TYPE, &4)),
    ] {
        assert_eq!(got, want[name], "{name}");
    }
}

#[test]
fn our_own_keys() {
    for (name, got, want) in [
        ("share", key(&keys::SHARES, &[1; 20]), format!("02{}", "01".repeat(20))),
        ("power", key(&keys::POWERS, &[1; 20]), format!("03{}", "01".repeat(20))),
        ("pending", key(&keys::PENDING, &[1; 20]), format!("04{}", "01".repeat(20))),
        ("activation", key(&keys::ACTIVATIONS, &258), "050000000000000102".to_owned()),
        ("backing", key(&keys::BACKINGS, &(258, [1; 20])), format!("060000000000000102{}", "01".repeat(20))),
        ("set", key(&keys::SETS, &258), "070000000000000102".to_owned()),
    ] {
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn codes_are_the_sdks() {
    for (error, code) in [
        (Error::NoValidator, 3),
        (Error::OwnerExists, 4),
        (Error::PubKeyExists, 5),
        (Error::PubKeyType { got: String::new(), expected: String::new() }, 6),
        (Error::ValidatorJailed, 7),
        (Error::BadRemoveValidator(""), 8),
        (Error::CommissionNegative, 9),
        (Error::CommissionHuge, 10),
        (Error::CommissionAboveMaxRate, 11),
        (Error::CommissionUpdateTime, 12),
        (Error::CommissionChangeRateNegative, 13),
        (Error::CommissionChangeRateAboveMaxRate, 14),
        (Error::CommissionAboveMaxChangeRate, 15),
        (Error::SelfDelegationBelowMinimum, 16),
        (Error::MinSelfDelegationDecreased, 17),
        (Error::NoDelegation, 19),
        (Error::NoDelegatorForAddress, 21),
        (Error::InsufficientShares, 22),
        (Error::NotEnoughDelegationShares(String::new()), 24),
        (Error::NoUnbondingDelegation, 26),
        (Error::MaxUnbondingDelegationEntries, 27),
        (Error::NoRedelegation, 28),
        (Error::SelfRedelegation, 29),
        (Error::TinyRedelegation, 30),
        (Error::BadRedelegationDst, 31),
        (Error::TransitiveRedelegation, 32),
        (Error::MaxRedelegationEntries, 33),
        (Error::InvalidExchangeRate, 34),
        (Error::EmptyPubKey, 39),
        (Error::CommissionBelowMinRate(String::new()), 40),
        (Error::BadRedelegationSrc, 44),
    ] {
        assert_eq!(error.code(), code, "{error}");
    }
}

#[test]
fn historical_info_and_updates_are_the_sdks() {
    let want = fixture();
    for name in ["historical", "updates"] {
        let bytes = hex::decode(want[name]).unwrap();
        let again = match name {
            "historical" => pb::HistoricalInfo::decode(bytes.as_slice()).unwrap().encode_to_vec(),
            _ => pb::ValidatorUpdates::decode(bytes.as_slice()).unwrap().encode_to_vec(),
        };
        assert_eq!(again, bytes, "{name}");
    }
}
