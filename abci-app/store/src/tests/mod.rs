//! Tests of the whole store.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod crash;
mod history;
mod naive;
mod random;
mod sync;
mod vectors;

use std::collections::BTreeMap;
use std::path::Path;

use geodesic_core::store::{ChangeSet, StoreId};

use crate::{Options, Store};

const ACC: StoreId = StoreId::tree("acc");
const BANK: StoreId = StoreId::tree("bank");
const QUIET: StoreId = StoreId::tree("quiet");
const INDEX: StoreId = StoreId::flat("index");
const STORES: [StoreId; 4] = [ACC, BANK, QUIET, INDEX];

/// Small numbers, so that a few blocks meet every limit.
fn small() -> Options {
    Options {
        cache_bytes: 40_000,
        block_cache_bytes: 1 << 20,
        write_buffer_bytes: 1 << 20,
        proof_versions: 12,
        checkpoint_writes: 600,
        checkpoint_bytes: 3_000,
        ..Options::default()
    }
}

fn open(path: &Path) -> Store {
    Store::open(path, small(), &STORES).unwrap()
}

/// Splitmix64: a test names its seed.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// A key out of about 500, of many lengths, some with zero bytes.
    fn key(&mut self) -> Vec<u8> {
        let mut seed = Rng(self.below(500));
        let len = 1 + seed.below(12);
        let mut key = seed.bytes(len);
        if seed.below(4) == 0 {
            key.push(0);
        }
        if seed.below(50) == 0 {
            key.extend(seed.bytes(300));
        }
        key
    }

    fn block(&mut self) -> ChangeSet {
        let mut changes = ChangeSet::new();
        for store in [ACC, BANK, INDEX] {
            let writes: BTreeMap<_, _> = (0..self.below(40))
                .map(|_| {
                    let value = (self.below(3) > 0).then(|| {
                        let len = self.below(60);
                        self.bytes(len)
                    });
                    (self.key(), value)
                })
                .collect();
            changes.insert(store, writes);
        }
        changes
    }
}
