//! What a transfer costs at least: the same signatures, puts and hashes as in a block of a million accounts, and nothing else.
use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use geodesic_store::{Floor, Options};
use secp256k1::{Message, PublicKey, Secp256k1, SecretKey};
use sha2::{Digest as _, Sha256};

use crate::ledger::{TRANSFERS, median, mix};

const ACCOUNTS: u64 = 1 << 20;
/// Blocks that count.
const BLOCKS: u64 = 20;
/// Bytes of what is stored: an account with its key, and a balance.
const ACCOUNT_BYTES: usize = 130;
const BALANCE_BYTES: usize = 7;
/// Bytes of what is hashed for an inner node.
const INNER_BYTES: usize = 76;

/// Microseconds for each transfer.
pub(crate) fn per_transfer() -> Result<f64> {
    let dir = tempfile::tempdir()?;
    let floor = Floor::open(dir.path(), &Options::default())?;
    let curve = Secp256k1::new();
    let secret = SecretKey::from_byte_array([7; 32])?;
    let key = PublicKey::from_secret_key(&curve, &secret);
    let signed: Vec<_> = (0..TRANSFERS)
        .map(|i| {
            let message = Message::from_digest(Sha256::digest(i.to_be_bytes()).into());
            (message, curve.sign_ecdsa(message, &secret))
        })
        .collect();
    let mut times = Vec::new();
    for height in 1..=BLOCKS {
        let touched = touched(height);
        let inner = inner_nodes(&touched);
        let start = Instant::now();
        for (message, signature) in &signed {
            ensure!(curve.verify_ecdsa(*message, signature, &key).is_ok(), "a signature");
        }
        let entries: Vec<_> = touched
            .into_iter()
            .map(|(kind, account)| {
                let (prefix, bytes) =
                    if kind == 0 { ("acc/", ACCOUNT_BYTES) } else { ("bank/", BALANCE_BYTES) };
                let address =
                    [&mix(account).to_be_bytes()[..], &mix(!account).to_be_bytes(), &[0; 4]].concat();
                let entry = [prefix.as_bytes(), &address].concat();
                let value = vec![7; bytes];
                // A leaf is the hash of the key and the hash of the value.
                let leaf = Sha256::digest([&entry[..], &Sha256::digest(&value)].concat()).into();
                (entry, value, leaf)
            })
            .collect();
        let mut node = [0_u8; INNER_BYTES];
        for _ in 0..inner {
            let hash = Sha256::digest(node);
            node.iter_mut().zip(hash).for_each(|(a, b)| *a = b);
        }
        black_box(node);
        floor.write(height, &entries)?;
        times.push(start.elapsed().as_secs_f64() * 1e6 / TRANSFERS as f64);
    }
    Ok(median(&mut times))
}

/// Tree and number of each leaf that the transfers of a block write: account and balance of the sender, balance of the
/// receiver.
fn touched(height: u64) -> BTreeSet<(u8, u64)> {
    let mut out = BTreeSet::new();
    for i in 0..TRANSFERS as u64 {
        let n = height * TRANSFERS as u64 + i;
        let (from, to) = (mix(n) % ACCOUNTS, mix(!n) % ACCOUNTS);
        out.extend([(0, from), (1, from), (1, to)]);
    }
    out
}

/// Inner nodes above those leaves, in trees of [`ACCOUNTS`] leaves that are balanced.
fn inner_nodes(leaves: &BTreeSet<(u8, u64)>) -> usize {
    let mut level = leaves.clone();
    let mut count = 0;
    for _ in 0..ACCOUNTS.ilog2() {
        level = level.into_iter().map(|(tree, n)| (tree, n / 2)).collect();
        count += level.len();
    }
    count
}
