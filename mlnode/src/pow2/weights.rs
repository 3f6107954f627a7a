//! Weights: a pool of normals, and for each parameter a place in it.
use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::rng::Pcg64;
use super::shape::{Parameter, Shape};

/// Standard deviation of a weight.
const DEVIATION: f64 = 0.02;

/// Where a parameter's values are in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// From this index on.
    Slice(usize),
    /// The pool over and over, rotated by this many values: value i is `pool[((i + shift) mod size) mod pool]`.
    Tiled(usize),
}

/// The weights of a block hash.
#[derive(Clone, Debug)]
pub struct Weights {
    hash: String,
    pool: Vec<f32>,
}

/// First 8 hexadecimal digits of SHA-256 of `"{hash}_{name}"`.
pub fn name_hash(hash: &str, name: &str) -> u32 {
    let digest = Sha256::digest(format!("{hash}_{name}"));
    digest.first_chunk().map_or(0, |first| u32::from_be_bytes(*first))
}

impl Weights {
    /// Draws the pool; `done` is told of values drawn.
    pub fn new(shape: &Shape, hash: &str, done: &mut dyn FnMut(u64)) -> Self {
        const STEP: usize = 1 << 16;
        let count = usize::try_from(shape.pool()).unwrap_or(usize::MAX);
        let mut rng = Pcg64::from_seed(hash, 4);
        let mut pool = Vec::with_capacity(count);
        while pool.len() < count {
            pool.extend(rng.normals(STEP.min(count - pool.len())).map(|z| (DEVIATION * z) as f32));
            done(pool.len() as u64);
        }
        Self { hash: hash.to_owned(), pool }
    }

    /// The pool: all there is to know of the weights.
    pub fn pool(&self) -> &[f32] {
        &self.pool
    }

    /// The same weights in a lower precision: each value rounded by `round`.
    pub fn map(&self, round: impl Fn(f32) -> f32) -> Self {
        Self { hash: self.hash.clone(), pool: self.pool.iter().map(|x| round(*x)).collect() }
    }

    /// Place of a parameter of `size` values.
    pub fn place(&self, name: &str, size: usize) -> Place {
        let h = name_hash(&self.hash, name) as usize;
        match self.pool.len().checked_sub(size) {
            Some(room) => Place::Slice(h % (room + 1)),
            None => Place::Tiled(h % size),
        }
    }

    /// Values of a parameter, row-major: borrowed from the pool if they fit in it.
    pub fn values(&self, parameter: &Parameter) -> Cow<'_, [f32]> {
        let size = parameter.rows * parameter.columns;
        match self.place(&parameter.name, size) {
            Place::Slice(start) => Cow::Borrowed(self.pool.get(start..start + size).unwrap_or(&[])),
            Place::Tiled(shift) => {
                let tiled = || self.pool.iter().cycle().take(size).copied();
                Cow::Owned(tiled().skip(shift).chain(tiled().take(shift)).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_larger_than_the_pool_tiles_it() {
        let weights = Weights { hash: "h".into(), pool: vec![1.0, 2.0, 3.0] };
        let size = 8;
        let name =
            (0..100).map(|i| i.to_string()).find(|n| weights.place(n, size) == Place::Tiled(5)).unwrap();
        let values = weights.values(&Parameter { name, rows: 2, columns: 4 });
        // Indices 5, 6, 7, 0, 1, 2, 3, 4 of 1 2 3 1 2 3 1 2.
        assert_eq!(*values, [3.0, 1.0, 2.0, 1.0, 2.0, 3.0, 1.0, 2.0]);
    }

    #[test]
    fn a_parameter_as_large_as_the_pool_is_the_pool() {
        let weights = Weights { hash: "h".into(), pool: vec![1.0, 2.0] };
        assert_eq!(*weights.values(&Parameter { name: "w".into(), rows: 1, columns: 2 }), [1.0, 2.0]);
    }
}
