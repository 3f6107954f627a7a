//! Denominations, coins and sets of them, as the Cosmos SDK judges them.
#![allow(
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

use geodesic_core::coin::{CoinError, MAX_PARSED, validate_denom};
use geodesic_core::{Coin, Coins, Dec, DecCoins, Int, TxError};
use geodesic_proto::cosmos::base::v1beta1 as pb;
use proptest::prelude::*;

fn coins(text: &str) -> Coins {
    text.parse().unwrap()
}

fn pb_coins(list: &[(&str, &str)]) -> Vec<pb::Coin> {
    list.iter().map(|(denom, amount)| pb::Coin { denom: (*denom).into(), amount: (*amount).into() }).collect()
}

#[test]
fn denominations() {
    let longest = "a".repeat(128);
    for ok in ["abc", "ugeo", "A1-", "ibc/7F1D3FCF4AE79E1554", "a/:._-", longest.as_str()] {
        assert_eq!(validate_denom(ok), Ok(()), "{ok}");
    }
    let too_long = "a".repeat(129);
    for bad in ["", "a", "ab", "1abc", "/abc", "ab c", "abc!", "abç", "abc\n", too_long.as_str()] {
        assert!(matches!(validate_denom(bad), Err(CoinError::Denom(_))), "{bad:?}");
    }
}

#[test]
fn sets_from_the_wire_are_strict() {
    for (name, list, want) in [
        ("empty", &[][..], "ok "),
        ("sorted", &[("aaa", "1"), ("bbb", "2")], "ok 1aaa,2bbb"),
        ("unsorted", &[("bbb", "1"), ("aaa", "2")], "denomination aaa is not sorted"),
        ("twice", &[("aaa", "1"), ("aaa", "2")], "duplicate denomination aaa"),
        ("zero", &[("aaa", "0")], "coin 0aaa amount is not positive"),
        ("negative", &[("aaa", "1"), ("bbb", "-2")], "coin -2bbb amount is not positive"),
        ("denom", &[("a", "1")], "invalid denom: a"),
        ("no amount", &[("aaa", "")], r#"invalid number """#),
        ("octal in Go", &[("aaa", "010")], r#"invalid number "010""#),
    ] {
        let got = Coins::try_from(pb_coins(list).as_slice()).map(|c| format!("ok {c}"));
        assert_eq!(got.unwrap_or_else(|e| e.to_string()), want, "{name}");
    }
    assert!(Coin::try_from(pb::Coin { denom: "aaa".into(), amount: "-1".into() }).is_err());
    let error = TxError::from(Coins::try_from(pb_coins(&[("aaa", "0")]).as_slice()).unwrap_err());
    assert_eq!((error.codespace, error.code), ("sdk", 10));
}

#[test]
fn texts() {
    for (text, want) in [
        ("", ""),
        ("  ", ""),
        ("10stake,5atoken", "5atoken,10stake"),
        (" 10 stake , 5atoken ", "5atoken,10stake"),
        ("1.9stake", "1stake"),
        ("0.5stake,1atom", "1atom"),
        ("0stake", ""),
        ("010stake", "10stake"),
    ] {
        assert_eq!(coins(text).to_string(), want, "{text:?}");
    }
    for text in [
        "10",
        "stake",
        "-1stake",
        "1stake,",
        ",",
        "1stake,2stake",
        ".5stake",
        "1.stake",
        "1.2.3stake",
        "1sta ke",
        "1s",
    ] {
        assert!(text.parse::<Coins>().is_err(), "{text:?}");
    }
    assert_eq!("1stake,".repeat(MAX_PARSED).parse::<Coins>(), Err(CoinError::TooMany(MAX_PARSED + 1)));
    let prices: DecCoins = "0.025stake,0atom,0.1photon".parse().unwrap();
    assert_eq!(prices.to_string(), "0.100000000000000000photon,0.025000000000000000stake");
    assert_eq!(prices.amount_of("stake"), Dec::from_atomics(25_000_000_000_000_000));
    assert_eq!(prices.amount_of("atom"), Dec::ZERO);
    assert_eq!(prices.to_pb()[0].amount, "100000000000000000");
}

/// Rows printed by `types.Coins` of the Cosmos SDK v0.50.15.
#[test]
fn comparisons() {
    for (a, b, all_gte, all_gt, any_gt, any_gte, subset) in [
        ("", "", true, false, false, false, true),
        ("1aaa", "", true, true, false, false, false),
        ("", "1aaa", false, false, false, false, true),
        ("1aaa", "1aaa", true, false, false, true, true),
        ("2aaa", "1aaa", true, true, true, true, true),
        ("2aaa", "1bbb", false, false, false, false, false),
        ("1aaa,5bbb", "2aaa,1bbb", false, false, true, true, true),
        ("1aaa,5bbb", "1aaa", true, false, false, true, false),
        ("5bbb", "1aaa,5bbb", false, false, false, true, true),
    ] {
        let (x, y) = (coins(a), coins(b));
        assert_eq!(
            (x.is_all_gte(&y), x.is_all_gt(&y), x.is_any_gt(&y), x.is_any_gte(&y), x.denoms_subset_of(&y)),
            (all_gte, all_gt, any_gt, any_gte, subset),
            "{a:?} {b:?}"
        );
    }
    assert_eq!(coins("1aaa,5bbb,7ccc").min(&coins("2aaa,3bbb,9ddd")), coins("1aaa,3bbb"));
}

fn any_coins() -> impl Strategy<Value = Coins> {
    prop::collection::btree_map("[a-e]{3}", 0_u64..1000, 0..6).prop_map(|m| {
        Coins::try_new(m.into_iter().map(|(denom, amount)| Coin { denom, amount: amount.into() })).unwrap()
    })
}

proptest! {
    #[test]
    fn sums_and_differences_are_sets(a in any_coins(), b in any_coins()) {
        let sum = a.checked_add(&b).unwrap();
        prop_assert_eq!(Coins::try_sorted(sum.as_slice().to_vec()).unwrap(), sum.clone());
        prop_assert_eq!(sum.checked_sub(&b), Some(a.clone()));
        prop_assert_eq!(b.checked_add(&a).unwrap(), sum);
        prop_assert_eq!(a.checked_sub(&b).is_some(), a.is_all_gte(&b));
        if let Some(rest) = a.checked_sub(&b) {
            prop_assert_eq!(Coins::try_sorted(rest.clone().into()).unwrap(), rest.clone());
            prop_assert_eq!(rest.checked_add(&b).unwrap(), a);
        }
    }

    #[test]
    fn a_set_is_its_text_and_its_wire_form(a in any_coins()) {
        prop_assert_eq!(coins(&a.to_string()), a.clone());
        prop_assert_eq!(Coins::try_from(a.to_pb().as_slice()).unwrap(), a);
    }

    #[test]
    fn no_text_panics(text in "[0-9.a-c, \\-é]{0,12}") {
        let _ = text.parse::<Coins>();
        let _ = text.parse::<Dec>();
        let _ = text.parse::<Int>();
    }
}
