//! Deliberate misbehaviour of a node, for tests of the others: feature `faults`, never in a release.

use std::str::FromStr;

use geodesic_core::address::hash20;
use geodesic_store::{FailPoint, Store};

#[cfg(not(debug_assertions))]
compile_error!("the feature `faults` is for tests alone and is never built for a release");

/// In place of the proof, by height in turn: bytes that are no proof but as long as one, bytes that are no length of a proof,
/// more than a vote may carry, and nothing.
pub(crate) fn extension(height: u64, proof: Vec<u8>) -> Vec<u8> {
    let noise = hash20(&proof);
    let length = match height % 4 {
        0 => proof.len(),
        1 => 7,
        2 => geodesic_seeds::EXTENSION_MAX.saturating_add(1),
        _ => 0,
    };
    noise.into_iter().cycle().take(length).collect()
}

/// Where and at which height the process ends without a word, as if it were killed: `POINT:HEIGHT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    point: CrashPoint,
    height: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CrashPoint {
    /// In FinalizeBlock, after the transactions.
    Finalize,
    /// In Commit.
    Commit(FailPoint),
}

impl FromStr for Crash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (point, height) = text.split_once(':')?;
            let point = match point {
                "finalize" => CrashPoint::Finalize,
                "before-write" => CrashPoint::Commit(FailPoint::BeforeWrite),
                "after-write" => CrashPoint::Commit(FailPoint::AfterWrite),
                _ => return None,
            };
            Some(Self { point, height: height.parse().ok()? })
        };
        parse().ok_or_else(|| {
            format!("{text:?} is not finalize, before-write or after-write, a colon and a height")
        })
    }
}

impl Crash {
    /// Called in FinalizeBlock of a height.
    pub(crate) fn in_finalize(self, height: u64) {
        if self.point == CrashPoint::Finalize && self.height == height {
            std::process::abort();
        }
    }

    /// Called before the Commit of a height.
    pub(crate) fn before_commit(self, height: u64, store: &Store) {
        if let CrashPoint::Commit(wanted) = self.point
            && self.height == height
        {
            store.set_fail_hook(Box::new(move |point| {
                if point == wanted {
                    std::process::abort();
                }
                false
            }));
        }
    }
}
