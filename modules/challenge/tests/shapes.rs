//! Validity of shapes, and where the shifts of the built-in table come from.
#![allow(
    clippy::float_arithmetic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
use geodesic_challenge::{BUILT_IN, Shape, ShapeError, ShapeParams};

#[test]
fn the_table_follows_from_its_formulas() {
    for (name, p) in BUILT_IN {
        let amax = f64::from(p.amax);
        let (d, f, hd) = (f64::from(p.dim), f64::from(p.ffn), f64::from(p.dim / p.heads));
        let sw = ((4_f64.powi(p.wbits as i32) - 1.0) / 3.0).sqrt();
        let shift = |x: f64| x.log2().round().max(0.0) as u32;
        let want = [
            shift(sw * (amax / 3.0) * d.sqrt() / (0.3 * amax)),
            shift(sw * 0.233 * amax * d.sqrt() / 90.0),
            shift(sw * 0.264 * amax * f.sqrt() / 90.0),
            shift((0.38 * amax).powi(2) * hd.sqrt() / 46.0),
            shift(4.0 * amax / 15.0),
        ];
        assert_eq!([p.shift_q, p.shift_o, p.shift_d, p.shift_s, p.shift_m], want, "{name}");
        assert!(Shape::try_new(p).is_ok(), "{name}");
    }
}

#[test]
fn the_tables_of_the_network_follow_from_theirs() {
    for (e, lut) in geodesic_challenge::LUT.into_iter().enumerate() {
        assert_eq!(f64::from(lut), (127.0 * (-(e as f64) / 16.0).exp2()).floor(), "LUT[{e}]");
    }
    for n in 0..2048_u32 {
        let real = 64.0 * (f64::from(n) * std::f64::consts::TAU / 1024.0).cos();
        assert_eq!(f64::from(geodesic_challenge::cos(n)), real.round() + 0.0, "COS[{n}]");
    }
}

#[test]
fn sizes() {
    let count = |name| Shape::by_name(name).unwrap().weights();
    assert_eq!(count("micro"), 2 * (4 * 64 * 64 + 3 * 64 * 160) + 64 * 256);
    assert_eq!(
        ["local", "cpu", "gpu-5b", "gpu-18b"].map(count),
        [917_504, 28_311_552, 5_402_263_552, 17_748_204_544]
    );
    assert_eq!(Shape::by_name("unknown"), None);
}

#[test]
fn every_rule_is_enforced_at_its_bound() {
    let (_, micro) = BUILT_IN[0];
    let with = |change: fn(&mut ShapeParams)| {
        let mut p = micro;
        change(&mut p);
        Shape::try_new(p).map(|_| ())
    };
    use ShapeError::{Heads, Inexact, Range, Stream};
    for (name, got, want) in [
        ("no layer", with(|p| p.layers = 0), Err(Range("layers", 0, 1, (1 << 29) - 1))),
        ("no heads", with(|p| p.heads = 0), Err(Range("heads", 0, 1, u32::MAX))),
        ("heads do not divide", with(|p| p.heads = 3), Err(Heads(64, 3))),
        ("odd head", with(|p| p.heads = 64), Err(Heads(64, 64))),
        ("smallest head", with(|p| p.heads = 32), Ok(())),
        ("one output", with(|p| p.vocab = 1), Err(Range("vocab", 1, 2, u32::MAX))),
        ("two outputs", with(|p| p.vocab = 2), Ok(())),
        ("no feed-forward", with(|p| p.ffn = 0), Err(Range("ffn", 0, 1, u32::MAX))),
        ("longest input", with(|p| p.seq = 1024), Ok(())),
        ("longer input", with(|p| p.seq = 1025), Err(Range("seq", 1025, 1, 1024))),
        ("wbits 0", with(|p| p.wbits = 0), Err(Range("wbits", 0, 1, 7))),
        ("wbits 8", with(|p| p.wbits = 8), Err(Range("wbits", 8, 1, 7))),
        ("amax 0", with(|p| p.amax = 0), Err(Range("amax", 0, 1, 47))),
        ("amax 47", with(|p| p.amax = 47), Ok(())),
        ("amax 48", with(|p| p.amax = 48), Err(Range("amax", 48, 1, 47))),
        ("shift 30", with(|p| p.shift_q = 30), Ok(())),
        ("shift 31", with(|p| p.shift_s = 31), Err(Range("shift_s", 31, 0, 30))),
        // 15 * 127 * 8807 = 16777335.
        ("ffn still exact", with(|p| p.ffn = 8806), Ok(())),
        ("ffn not exact", with(|p| p.ffn = 8807), Err(Inexact(15 * 127 * 8807))),
        (
            "head beyond its stream",
            with(|p| p.vocab = (1 << 30) + 1),
            Err(Stream("the head", (1 << 36) + 64, 1 << 36)),
        ),
    ] {
        assert_eq!(got, want, "{name}");
    }
}
