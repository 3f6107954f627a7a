//! Nonces of the network that the pictures show.

use anyhow::Context as _;
use geodesic_challenge::{Address, Network, Scored, Shape, ShapeParams, epoch_key, tag};

/// Whose nonces they are.
pub(super) const PARTICIPANT: Address = [1; 20];

/// The built-in shape `micro`, with `vocab` outputs.
pub(super) fn network(vocab: u32) -> anyhow::Result<Network> {
    let micro = Shape::by_name("micro").context("no shape is called micro")?;
    let shape = Shape::try_new(ShapeParams { vocab, ..*micro })?;
    let beacon = tag("figures", &[]);
    Ok(Network::new(shape, epoch_key("geodesic-figures-1", 1, &beacon, &shape.hash())?))
}

/// The nonces `0 .. count`, computed on two threads.
pub(super) fn score(network: &Network, count: u64) -> Vec<Scored> {
    let of = |nonces: std::ops::Range<u64>| -> Vec<Scored> {
        nonces.map(|nonce| network.score(&PARTICIPANT, 0, nonce)).collect()
    };
    std::thread::scope(|scope| {
        let second = scope.spawn(|| of(count / 2..count));
        let mut all = of(0..count / 2);
        match second.join() {
            Ok(rest) => all.extend(rest),
            Err(panic) => std::panic::resume_unwind(panic),
        }
        all
    })
}

/// A fixed-point number of 32 binary places.
pub(super) fn real(units: u64) -> f64 {
    units as f64 / (1_u64 << 32) as f64
}
