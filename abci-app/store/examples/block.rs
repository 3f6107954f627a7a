//! What a block costs at N accounts: `cargo run --release -p geodesic-store --example block -- [accounts] [blocks]`.
//!
//! An account is two entries of two trees, as with `auth` and `bank`. A block is 1,000 transfers between random
//! accounts, each five writes after as many reads.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::print_stdout
)]

use std::time::{Duration, Instant};

use geodesic_core::store::{ChangeSet, Reader, StoreId};
use geodesic_store::{Options, Store};

const ACC: StoreId = StoreId::tree("acc");
const BANK: StoreId = StoreId::tree("bank");
const TRANSFERS: u64 = 1000;

fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 31)
}

fn acc(n: u64) -> Vec<u8> {
    [&[1][..], &mix(n).to_be_bytes(), &mix(!n).to_be_bytes(), &[0; 4]].concat()
}

fn bank(n: u64) -> Vec<u8> {
    [&[2, 20][..], &mix(n).to_be_bytes(), &mix(!n).to_be_bytes(), &[0; 4], b"ugeo"].concat()
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn main() {
    let mut args = std::env::args().skip(1).map(|a| a.parse::<u64>().unwrap());
    let (accounts, blocks) = (args.next().unwrap_or(1_000_000), args.next().unwrap_or(100));
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default(), &[ACC, BANK]).unwrap();
    let start = Instant::now();
    let mut height = 0;
    for from in (0..accounts).step_by(50_000) {
        let part = from..accounts.min(from + 50_000);
        let mut changes = ChangeSet::new();
        changes.insert(ACC, part.clone().map(|n| (acc(n), Some(vec![7; 130]))).collect());
        changes.insert(BANK, part.map(|n| (bank(n), Some(b"1000000".to_vec()))).collect());
        height += 1;
        store.stage(height, changes).unwrap();
        store.commit(b"").unwrap();
    }
    println!("{accounts} accounts in {:?}, {} MiB resident", start.elapsed(), resident_mib());

    let (mut read, mut stage, mut commit) = (Duration::ZERO, Vec::new(), Vec::new());
    for block in 0..blocks {
        let snapshot = store.snapshot();
        let start = Instant::now();
        let mut changes = ChangeSet::new();
        for n in 0..TRANSFERS {
            let (from, to) =
                (mix(block * TRANSFERS + n) % accounts, mix(!(block * TRANSFERS + n)) % accounts);
            for (store, key) in [(ACC, acc(from)), (BANK, bank(from)), (BANK, bank(to)), (ACC, acc(to))] {
                let mut value = snapshot.get(store, &key).unwrap().unwrap();
                value.rotate_left(1);
                changes.entry(store).or_default().insert(key, Some(value));
            }
            let key = [&[9][..], &(block * TRANSFERS + n).to_be_bytes()].concat();
            changes.entry(ACC).or_default().insert(key, Some(vec![1; 40]));
        }
        read += start.elapsed();
        height += 1;
        let start = Instant::now();
        store.stage(height, changes).unwrap();
        stage.push(start.elapsed());
        let start = Instant::now();
        store.commit(b"").unwrap();
        commit.push(start.elapsed());
    }
    for (name, times) in [("stage", &mut stage), ("commit", &mut commit)] {
        times.sort();
        let mean = times.iter().sum::<Duration>() / times.len() as u32;
        let at = |percent: usize| times.get((times.len() - 1) * percent / 100).unwrap();
        println!("{name}: mean {mean:?}, median {:?}, 95% {:?}, most {:?}", at(50), at(95), at(100));
    }
    println!("reads: {:?} a block; {} MiB resident", read / blocks as u32, resident_mib());
    drop(store);
    let start = Instant::now();
    let store = Store::open(dir.path(), Options::default(), &[ACC, BANK]).unwrap();
    println!(
        "open: {:?} at height {}; {} MiB resident",
        start.elapsed(),
        store.snapshot().height(),
        resident_mib()
    );
}
