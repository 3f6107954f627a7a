//! `Int` and `Dec` against golden values of `cosmossdk.io/math` v1.4.0 (`fixtures/numbers.go`).
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

use geodesic_core::{Dec, Int, Overflow};
use proptest::prelude::*;

fn dec(wire: &str) -> Dec {
    Dec::from_wire(wire).unwrap()
}

fn int(text: &str) -> Int {
    text.parse().unwrap()
}

fn text<T>(result: Result<T, Overflow>, show: impl Fn(T) -> String) -> String {
    result.map_or_else(|_| "overflow".to_owned(), show)
}

fn compute(op: &str, a: &str, b: &str) -> String {
    let dec2 = |f: fn(Dec, Dec) -> Result<Dec, Overflow>| text(f(dec(a), dec(b)), Dec::to_wire);
    let dec_int = |f: fn(Dec, Int) -> Result<Dec, Overflow>| text(f(dec(a), int(b)), Dec::to_wire);
    let int2 = |f: fn(Int, Int) -> Result<Int, Overflow>| text(f(int(a), int(b)), |i| i.to_string());
    match op {
        "dec.add" => dec2(Dec::checked_add),
        "dec.sub" => dec2(Dec::checked_sub),
        "dec.mul" => dec2(Dec::checked_mul),
        "dec.mul_truncate" => dec2(Dec::mul_truncate),
        "dec.quo" => dec2(Dec::checked_quo),
        "dec.quo_truncate" => dec2(Dec::quo_truncate),
        "dec.quo_round_up" => dec2(Dec::quo_round_up),
        "dec.mul_int" => dec_int(Dec::mul_int),
        "dec.quo_int" => dec_int(Dec::quo_int),
        "dec.truncate_int" => dec(a).truncate_int().to_string(),
        "dec.round_int" => text(dec(a).round_int(), |i| i.to_string()),
        "dec.ceil" => text(dec(a).ceil(), Dec::to_wire),
        "dec.display" => dec(a).to_string(),
        "dec.pow" => text(dec(a).pow(b.parse().unwrap()), Dec::to_wire),
        "dec.parse" => a.parse::<Dec>().map_or_else(|_| "overflow".to_owned(), Dec::to_wire),
        "int.add" => int2(Int::checked_add),
        "int.sub" => int2(Int::checked_sub),
        "int.mul" => int2(Int::checked_mul),
        "int.quo" => int2(Int::checked_quo),
        _ => panic!("no such operation: {op}"),
    }
}

#[test]
fn every_golden_value_of_the_sdk() {
    let rows: Vec<[String; 4]> = serde_json::from_str(include_str!("../fixtures/numbers.json")).unwrap();
    assert!(rows.len() > 2000);
    for [op, a, b, want] in &rows {
        assert_eq!(compute(op, a, b), *want, "{op} {a} {b}");
    }
}

#[test]
fn one_text_for_a_number() {
    for text in ["", "-", "+1", "01", "-0", "00", "1_0", "0x10", " 1", "1 ", "1.0", "--1", "١"] {
        assert!(text.parse::<Int>().is_err(), "Int {text:?}");
        assert!(Dec::from_wire(text).is_err(), "wire {text:?}");
    }
    for text in ["+1.5", "--5", "-+5", "1.-5", "1.+5", "1. 5", "1_0.5"] {
        assert!(text.parse::<Dec>().is_err(), "Dec {text:?}");
    }
    assert!("9".repeat(1 << 20).parse::<Int>().is_err());
    assert!("0".repeat(1 << 20).parse::<Dec>().is_err());
    assert_eq!("000.50".parse::<Dec>().unwrap().to_string(), "0.500000000000000000");
    let top = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    assert_eq!(int(top).to_string(), top);
    assert!(
        "115792089237316195423570985008687907853269984665640564039457584007913129639936"
            .parse::<Int>()
            .is_err()
    );
}

#[test]
fn constants_and_conversions() {
    assert_eq!(Dec::from_atomics(50_000_000_000_000_000).to_string(), "0.050000000000000000");
    assert_eq!(Dec::with_decimals(-334, 3), "-0.334".parse().map_err(|_| Overflow));
    assert_eq!(Dec::with_decimals(1, 19), Err(Overflow));
    assert_eq!(Dec::from_ratio(1.into(), 3.into()).unwrap().to_string(), "0.333333333333333333");
    assert_eq!(Dec::ONE.to_atomics(), Some(10_u128.pow(18)));
    assert_eq!(Dec::ONE.negate().to_atomics(), None);
    assert_eq!(Int::pow10(77).unwrap().to_string().len(), 78);
    assert_eq!(Int::pow10(78), Err(Overflow));
    for (value, u64_, i64_, u128_) in [
        ("0", Some(0), Some(0), Some(0)),
        ("-1", None, Some(-1), None),
        ("-9223372036854775808", None, Some(i64::MIN), None),
        ("-9223372036854775809", None, None, None),
        ("9223372036854775808", Some(1 << 63), None, Some(1 << 63)),
        ("18446744073709551616", None, None, Some(1 << 64)),
        ("340282366920938463463374607431768211456", None, None, None),
    ] {
        let i = int(value);
        assert_eq!((i.to_u64(), i.to_i64(), i.to_u128()), (u64_, i64_, u128_), "{value}");
    }
}

fn any_int() -> impl Strategy<Value = Int> {
    (any::<bool>(), any::<[u128; 2]>(), 0_u32..256).prop_map(|(negative, [high, low], shift)| {
        let high = Int::from(high).checked_mul(int("340282366920938463463374607431768211456")).unwrap();
        let mut divisor = Int::ONE;
        for _ in 0..shift {
            divisor = divisor.checked_add(divisor).unwrap();
        }
        let value = high.checked_add(low.into()).unwrap().checked_quo(divisor).unwrap();
        if negative { value.negate() } else { value }
    })
}

proptest! {
    #[test]
    fn an_int_is_its_text(a in any_int()) {
        prop_assert_eq!(int(&a.to_string()), a);
    }

    #[test]
    fn a_dec_is_either_text(a in any_int()) {
        let d = dec(&a.to_string());
        prop_assert_eq!(dec(&d.to_wire()), d);
        prop_assert_eq!(d.to_string().parse::<Dec>().unwrap(), d);
    }

    #[test]
    fn quotient_and_remainder_make_the_number(a in any_int(), b in any_int()) {
        prop_assume!(!b.is_zero());
        let (q, r) = (a.checked_quo(b).unwrap(), a.checked_rem(b).unwrap());
        prop_assert!(r.abs() < b.abs());
        prop_assert_eq!(q.checked_mul(b).unwrap().checked_add(r).unwrap(), a);
        prop_assert_eq!(a.mul_div(b, b).unwrap(), a);
    }

    #[test]
    fn order_is_the_sign_of_the_difference(a in any_int(), b in any_int()) {
        if let Ok(d) = a.checked_sub(b) {
            prop_assert_eq!(d.cmp(&Int::ZERO), a.cmp(&b));
        }
    }

    #[test]
    fn small_numbers_are_i128(a: i64, b: i64) {
        let (wide_a, wide_b) = (Int::from(a), Int::from(b));
        prop_assert_eq!(wide_a.checked_mul(wide_b).unwrap(), Int::from(i128::from(a) * i128::from(b)));
        prop_assert_eq!(wide_a.checked_add(wide_b).unwrap(), Int::from(i128::from(a) + i128::from(b)));
        prop_assert_eq!(wide_a.cmp(&wide_b), a.cmp(&b));
        prop_assert_eq!(wide_a.to_i64(), Some(a));
    }
}
