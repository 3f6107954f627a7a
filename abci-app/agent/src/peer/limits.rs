//! What one peer, one host and all together may take.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use geodesic_challenge::Hash;

/// Bounds of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests of one peer in a row.
    pub burst: u32,
    /// Time after which one more is allowed.
    pub refill: Duration,
    /// Connections of one peer.
    pub connections_each: usize,
    /// Connections of all peers.
    pub connections: usize,
    /// Unfinished handshakes with one host (IPv6: one /64).
    pub handshakes_each: usize,
    /// Unfinished handshakes with all hosts.
    pub handshakes: usize,
    /// Time for a handshake.
    pub handshake_timeout: Duration,
    /// Time for a request.
    pub request_timeout: Duration,
    /// Requests on one connection at a time.
    pub streams: u32,
    /// Requests worked on at a time.
    pub workers: usize,
    /// Age at which a connection ends.
    pub connection_age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            burst: 64,
            refill: Duration::from_millis(250),
            connections_each: 4,
            connections: 512,
            handshakes_each: 32,
            handshakes: 256,
            handshake_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            streams: 8,
            workers: 4,
            connection_age: Duration::from_secs(600),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The host that an address counts for: with IPv6 one host has a whole /64.
pub(crate) fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 => v4,
    }
}

#[derive(Debug)]
struct Taken<K> {
    each: BTreeMap<K, usize>,
    total: usize,
}

/// A number of slots, and of slots for one key.
#[derive(Debug)]
pub(crate) struct Slots<K> {
    each: usize,
    total: usize,
    taken: Arc<Mutex<Taken<K>>>,
}

impl<K: Ord + Copy> Slots<K> {
    pub(crate) fn new(each: usize, total: usize) -> Self {
        Self { each, total, taken: Arc::new(Mutex::new(Taken { each: BTreeMap::new(), total: 0 })) }
    }

    /// A slot, or `None` if the key or all together have as many as they may.
    pub(crate) fn take(&self, key: K) -> Option<Slot<K>> {
        let mut taken = locked(&self.taken);
        let here = taken.each.get(&key).copied().unwrap_or(0);
        if here >= self.each || taken.total >= self.total {
            return None;
        }
        taken.each.insert(key, here.saturating_add(1));
        taken.total = taken.total.saturating_add(1);
        Some(Slot { key, taken: self.taken.clone() })
    }
}

/// A taken slot, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot<K: Ord + Copy> {
    key: K,
    taken: Arc<Mutex<Taken<K>>>,
}

impl<K: Ord + Copy> Drop for Slot<K> {
    fn drop(&mut self) {
        let mut taken = locked(&self.taken);
        taken.total = taken.total.saturating_sub(1);
        match taken.each.get_mut(&self.key) {
            Some(here) if *here > 1 => *here = here.saturating_sub(1),
            _ => drop(taken.each.remove(&self.key)),
        }
    }
}

/// A token bucket for each peer.
#[derive(Debug)]
pub(crate) struct Rates {
    burst: Duration,
    refill: Duration,
    /// When each bucket is full again. Those that are full are forgotten.
    full_at: Mutex<BTreeMap<Hash, Instant>>,
}

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        let burst = limits.refill.saturating_mul(limits.burst);
        Self { burst, refill: limits.refill, full_at: Mutex::default() }
    }

    /// Takes a token of the peer at `now`; whether there was one.
    pub(crate) fn allow(&self, peer: &Hash, now: Instant) -> bool {
        let mut full_at = locked(&self.full_at);
        let missing = full_at.get(peer).map_or(Duration::ZERO, |full| full.saturating_duration_since(now));
        let missing = missing.saturating_add(self.refill);
        if missing > self.burst {
            return false;
        }
        full_at.retain(|_, full| *full > now);
        if let Some(full) = now.checked_add(missing) {
            full_at.insert(*peer, full);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_bounded_for_each_and_for_all_and_come_back() {
        let slots = Slots::new(2, 3);
        let (a, b) = (slots.take(1).unwrap(), slots.take(1).unwrap());
        assert!(slots.take(1).is_none(), "one key has two");
        let c = slots.take(2).unwrap();
        assert!(slots.take(3).is_none(), "all have three");
        drop(a);
        let d = slots.take(3).unwrap();
        assert!(slots.take(1).is_none(), "all have three again");
        drop((b, c, d));
        assert!(locked(&slots.taken).each.is_empty(), "nothing is kept of those that left");
        assert!(slots.take(1).is_some());
    }

    #[test]
    fn a_bucket_refills_with_time_and_each_peer_has_its_own() {
        let second = Duration::from_secs(1);
        let rates = Rates::new(&Limits { burst: 3, refill: second, ..Limits::default() });
        let (a, b, start) = ([1; 32], [2; 32], Instant::now());
        let allowed = |peer, at| (0..10).filter(|_| rates.allow(peer, at)).count();
        assert_eq!(allowed(&a, start), 3);
        assert_eq!(allowed(&b, start), 3);
        assert_eq!(allowed(&a, start + second / 2), 0, "refusals cost nothing, but time has not come");
        assert_eq!(allowed(&a, start + second), 1);
        assert_eq!(allowed(&a, start + 100 * second), 3, "never more than the burst");
        assert_eq!(locked(&rates.full_at).len(), 1, "full buckets are forgotten");
    }

    #[test]
    fn a_host_is_an_address_or_a_prefix_of_64_bits() {
        let host = |text: &str| host(text.parse().unwrap()).to_string();
        for (address, want) in [
            ("10.1.2.3", "10.1.2.3"),
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            assert_eq!(host(address), want, "{address}");
        }
    }
}
