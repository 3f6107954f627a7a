//! One generation: ranges of nonces that devices take, and their results, sent in order without gaps.
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use geodesic_challenge::Address;
use geodesic_proto::geodesic::mlnode::v1::GenerateResponse;
use tokio::sync::mpsc;
use tonic::Status;

use crate::profile::Challenge;

/// Consecutive nonces to score.
pub(crate) struct Generate {
    pub(crate) challenge: Challenge,
    pub(crate) participant: Address,
    pub(crate) node_id: u32,
    /// First nonce that no device has taken yet.
    pub(crate) next: u64,
    /// First nonce not to compute.
    pub(crate) end: u64,
    pub(crate) batches: mpsc::Sender<GenerateResponse>,
    /// How the stream ends when it does not end well.
    pub(crate) outcome: Arc<OnceLock<Status>>,
    pub(crate) deadline: Option<Instant>,
}

/// A range of a generation that one device has taken.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// Number of the generation.
    pub(crate) id: u64,
    pub(crate) challenge: Challenge,
    pub(crate) participant: Address,
    pub(crate) node_id: u32,
    pub(crate) nonces: Range<u64>,
}

/// A generation under way.
pub(crate) struct Generation {
    pub(crate) id: u64,
    job: Generate,
    /// Ranges that devices hold.
    running: usize,
    /// Ranges of devices that failed.
    returned: Vec<Range<u64>>,
    /// Results that wait for earlier ones, by first nonce.
    ahead: BTreeMap<u64, GenerateResponse>,
    /// First nonce not sent yet.
    sent: u64,
}

impl Generation {
    pub(crate) fn new(id: u64, job: Generate) -> Self {
        Self { id, running: 0, returned: Vec::new(), ahead: BTreeMap::new(), sent: job.next, job }
    }

    /// Ends the stream with `status`.
    pub(crate) fn fail(self, status: Status) {
        let _ = self.job.outcome.set(status);
    }

    pub(crate) fn is_late(&self, now: Instant) -> bool {
        self.job.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Whether nobody reads the stream any more.
    pub(crate) fn is_dropped(&self) -> bool {
        self.job.batches.is_closed()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.sent >= self.job.end
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    pub(crate) fn challenge(&self) -> &Challenge {
        &self.job.challenge
    }

    /// The next range for a device that computes `count` nonces a call. `None` when all are taken, or when the results
    /// under way fill what the reader has room for.
    pub(crate) fn take(&mut self, count: u64) -> Option<Claim> {
        let nonces = self.returned.pop().or_else(|| {
            let under_way = self.running + self.ahead.len();
            let end = self.job.next.saturating_add(count).min(self.job.end);
            let is_open = self.job.next < self.job.end && under_way < self.job.batches.capacity();
            let fresh = is_open.then_some(self.job.next..end)?;
            self.job.next = end;
            Some(fresh)
        })?;
        self.running += 1;
        let Generate { challenge, participant, node_id, .. } = self.job;
        Some(Claim { id: self.id, challenge, participant, node_id, nonces })
    }

    /// Takes the result of `claim` and sends what is next in order.
    pub(crate) fn put(&mut self, claim: &Claim, batch: GenerateResponse) {
        self.running -= 1;
        self.ahead.insert(claim.nonces.start, batch);
        while let Some(batch) = self.ahead.remove(&self.sent) {
            self.sent += batch.leaves.len() as u64;
            // There is room: no more is ever under way than fits. An error says that the reader is gone.
            let _ = self.job.batches.try_send(batch);
        }
    }

    /// Takes back the range of a device that failed.
    pub(crate) fn give_back(&mut self, claim: Claim) {
        self.running -= 1;
        self.returned.push(claim.nonces);
    }
}

#[cfg(test)]
mod tests {
    use geodesic_challenge::Shape;
    use geodesic_proto::geodesic::mlnode::v1::Leaf;
    use proptest::prelude::*;

    use super::*;

    fn generation(next: u64, end: u64, room: usize) -> (Generation, mpsc::Receiver<GenerateResponse>) {
        let (batches, received) = mpsc::channel(room);
        let challenge = Challenge::Exact(crate::engine::Challenge {
            shape: Shape::by_name("micro").unwrap(),
            epoch_key: [1; 32],
        });
        let (participant, outcome) = ([2; 20], Arc::default());
        let job =
            Generate { challenge, participant, node_id: 3, next, end, batches, outcome, deadline: None };
        (Generation::new(7, job), received)
    }

    fn batch(claim: &Claim) -> GenerateResponse {
        let leaf = |nonce| Leaf { nonce, ..Leaf::default() };
        GenerateResponse { leaves: claim.nonces.clone().map(leaf).collect() }
    }

    proptest! {
        /// However devices take, finish and fail: every nonce is sent once, in order.
        #[test]
        fn every_nonce_is_sent_once_in_order(
            (start, count) in (0..1000_u64, 1..200_u64),
            room in 1..6_usize,
            steps in prop::collection::vec((0..4_u8, 0..8_usize, 1..20_u64), 0..400),
        ) {
            let (mut generation, mut received) = generation(start, start + count, room);
            let (mut held, mut seen) = (Vec::new(), Vec::new());
            let mut read = |seen: &mut Vec<u64>| {
                if let Ok(batch) = received.try_recv() {
                    seen.extend(batch.leaves.iter().map(|leaf| leaf.nonce));
                }
            };
            for (step, which, size) in steps {
                match step {
                    0 => held.extend(generation.take(size)),
                    1 if !held.is_empty() => {
                        let claim = held.swap_remove(which % held.len());
                        generation.put(&claim, batch(&claim));
                    }
                    2 if !held.is_empty() => generation.give_back(held.swap_remove(which % held.len())),
                    _ => read(&mut seen),
                }
            }
            // In the end one device is left and does the rest.
            while !generation.is_complete() || seen.len() < count as usize {
                held.drain(..).for_each(|claim| generation.give_back(claim));
                if let Some(claim) = generation.take(9) {
                    generation.put(&claim, batch(&claim));
                }
                read(&mut seen);
            }
            prop_assert_eq!(seen, (start..start + count).collect::<Vec<_>>());
            prop_assert!(generation.take(1).is_none() && generation.running == 0);
        }
    }

    #[test]
    fn a_reader_that_is_slow_holds_devices_up_and_not_more() {
        let (mut generation, mut received) = generation(0, u64::MAX, 2);
        let (first, second) = (generation.take(5).unwrap(), generation.take(5).unwrap());
        assert!(generation.take(5).is_none(), "two results have room");
        generation.put(&second, batch(&second));
        assert!(received.try_recv().is_err() && generation.take(5).is_none(), "the first is awaited");
        generation.put(&first, batch(&first));
        assert!(generation.take(5).is_none());
        assert_eq!(received.try_recv().unwrap().leaves.len(), 5);
        assert_eq!(generation.take(5).unwrap().nonces, 10..15);
    }
}
