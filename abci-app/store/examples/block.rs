//! What a block costs at N accounts: `cargo run --release -p geodesic-store --example block -- [accounts] [blocks] [directory]`.
//! A directory is kept, and used as it is if it has accounts.
//!
//! An account is two entries of two trees, as with `auth` and `bank`. A block is 1,000 transfers between random
//! accounts, each five writes after as many reads.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::print_stdout
)]

use std::path::PathBuf;
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

/// Fills an empty store, in blocks that fit into memory.
fn create(store: &Store, accounts: u64) {
    let start = Instant::now();
    for (height, from) in (1..).zip((0..accounts).step_by(50_000)) {
        let part = from..accounts.min(from + 50_000);
        let mut changes = ChangeSet::new();
        changes.insert(ACC, part.clone().map(|n| (acc(n), Some(vec![7; 130]))).collect());
        changes.insert(BANK, part.map(|n| (bank(n), Some(b"1000000".to_vec()))).collect());
        store.stage(height, changes).unwrap();
        store.commit(b"").unwrap();
    }
    println!("{accounts} accounts in {:?}, {} MiB resident", start.elapsed(), resident_mib());
}

/// What the transfers of a block write; reads what they replace.
fn transfers(reader: &dyn Reader, accounts: u64, height: u64) -> ChangeSet {
    let mut changes = ChangeSet::new();
    for n in height * TRANSFERS..(height + 1) * TRANSFERS {
        let (from, to) = (mix(n) % accounts, mix(!n) % accounts);
        for (store, key) in [(ACC, acc(from)), (BANK, bank(from)), (BANK, bank(to)), (ACC, acc(to))] {
            let mut value = reader.get(store, &key).unwrap().unwrap();
            value.rotate_left(1);
            changes.entry(store).or_default().insert(key, Some(value));
        }
        let key = [&[9][..], &n.to_be_bytes()].concat();
        assert!(reader.get(ACC, &key).unwrap().is_none());
        changes.entry(ACC).or_default().insert(key, Some(vec![1; 40]));
    }
    changes
}

fn main() {
    let mut args = std::env::args().skip(1);
    let mut number = |default| args.next().map_or(default, |a| a.parse::<u64>().unwrap());
    let (accounts, blocks) = (number(1_000_000), number(100));
    let temporary = tempfile::tempdir().unwrap();
    let dir = args.next().map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let start = Instant::now();
    let store = Store::open(&dir, Options::default(), &[ACC, BANK]).unwrap();
    let height = store.snapshot().height();
    println!("open: {:?} at height {height}, {} MiB resident", start.elapsed(), resident_mib());
    if height == 0 {
        create(&store, accounts);
    }
    let (mut read, mut stage, mut commit) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..blocks {
        let snapshot = store.snapshot();
        let height = snapshot.height() + 1;
        let start = Instant::now();
        let changes = transfers(&*snapshot, accounts, height);
        read.push(start.elapsed());
        let start = Instant::now();
        store.stage(height, changes).unwrap();
        stage.push(start.elapsed());
        let start = Instant::now();
        store.commit(b"").unwrap();
        commit.push(start.elapsed());
    }
    for (name, times) in [("read", &mut read), ("stage", &mut stage), ("commit", &mut commit)] {
        times.sort();
        let mean = times.iter().sum::<Duration>() / times.len() as u32;
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        println!("{name}: mean {mean:?}, median {:?}, 95% {:?}, most {:?}", at(50), at(95), at(100));
    }
    println!("{} MiB resident", resident_mib());
}
