//! Those who choose among seeds, split up, or leave out work, against the sampling as it is: simulations with fixed numbers, in integers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use geodesic_challenge::{Address, Hash, Position, chain_tag, sample_positions};
use geodesic_testnet::driver::Operator;

/// Members of the committee, and samples of each: half of the 64 are among the hits.
const MEMBERS: usize = 4;
const SAMPLES: u32 = 16;
/// Hits of the prover; each stratum has as many.
const HITS: u64 = 6400;

fn number(hash: &Hash) -> u64 {
    u64::from_be_bytes(*hash.first_chunk().unwrap())
}

/// A prover of which every `of`-th hit but the first `real` of them is fake.
struct Cheat {
    address: Address,
    of: u64,
    real: u64,
}

impl Cheat {
    /// Whether an auditor with this seed sees a fake.
    fn is_seen(&self, seed: &Hash) -> bool {
        sample_positions(seed, &self.address, SAMPLES, HITS, 20 * HITS)
            .iter()
            .any(|s| matches!(s.position, Position::Hit(rank) if rank % self.of >= self.real))
    }

    /// Whether nobody sees one.
    fn survives(&self, auditors: &[Operator], seed: impl Fn(&Operator) -> Hash) -> bool {
        !auditors.iter().any(|auditor| self.is_seen(&seed(auditor)))
    }
}

fn auditors() -> Vec<Operator> {
    (0..MEMBERS).map(|i| Operator::new(i).unwrap()).collect()
}

/// The seed that only the auditor can compute, as in the chain.
fn own_seed(auditor: &Operator, beacon: &Hash) -> Hash {
    let input = chain_tag("audit", &[beacon, &auditor.wallet.address]);
    *auditor.vrf.evaluate(&input).0.first_chunk().unwrap()
}

/// The seed that all could compute, if samples came from the beacon alone.
fn common_seed(auditor: &Operator, beacon: &Hash) -> Hash {
    chain_tag("audit", &[beacon, &auditor.wallet.address])
}

/// Beacons that a proposer can choose from: one for each subset of twenty proofs.
struct Proofs {
    before: Hash,
    outputs: Vec<(Address, [u8; 64])>,
}

impl Proofs {
    fn new(epoch: u64) -> Self {
        let before = chain_tag("test", &[&epoch.to_be_bytes()]);
        let output = |i: u64| {
            let half = |part: u8| chain_tag("output", &[&before, &i.to_be_bytes(), &[part]]);
            let mut output = [0; 64];
            output.iter_mut().zip([half(0), half(1)].concat()).for_each(|(to, from)| *to = from);
            ([i as u8; 20], output)
        };
        Self { before, outputs: (0..20).map(output).collect() }
    }

    fn beacon(&self, subset: u32) -> Hash {
        let height = 1000_u64.to_be_bytes();
        let mut parts: Vec<&[u8]> = vec![&self.before, &height];
        for (i, (address, output)) in self.outputs.iter().enumerate() {
            if subset >> i & 1 == 1 {
                parts.extend([&address[..], &output[..]]);
            }
        }
        chain_tag("beacon", &parts)
    }
}

/// THREATS 2, number 2: a proposer in league with a cheat tries all 2^20 subsets of twenty proofs. If samples came from the
/// beacon it would find some that spare three fakes in ten. The auditors' own seeds are not to be had, and each of the subsets
/// that it would choose is seen by them.
#[test]
fn grinding_the_beacon_finds_samples_that_are_common_but_not_the_auditors_own() {
    let (auditors, proofs) = (auditors(), Proofs::new(7));
    let cheat = Cheat { address: [0xc; 20], of: 10, real: 7 };
    let chosen: Vec<Hash> = (0..1 << 20)
        .map(|subset| proofs.beacon(subset))
        .filter(|beacon| cheat.survives(&auditors, |a| common_seed(a, beacon)))
        .collect();
    // 2^20 * 0.7^32 is 11.6.
    assert!((3..=30).contains(&chosen.len()), "{} subsets", chosen.len());
    let lucky = chosen.iter().filter(|beacon| cheat.survives(&auditors, |a| own_seed(a, beacon))).count();
    assert_eq!(lucky, 0, "of {}", chosen.len());
}

/// And over many epochs: a cheat of a twentieth, with the beacon that looks best to it each time, survives as often as one
/// that chose nothing: (1 - f)^32 of the time.
#[test]
fn a_ground_beacon_leaves_survival_as_it_is() {
    const EPOCHS: u64 = 1024;
    let auditors = auditors();
    let cheat = Cheat { address: [0xd; 20], of: 20, real: 19 };
    let mut survived = [0_u64; 2];
    for epoch in 0..EPOCHS {
        let proofs = Proofs::new(epoch);
        let found = (0..256).find(|s| cheat.survives(&auditors, |a| common_seed(a, &proofs.beacon(*s))));
        let beacon = proofs.beacon(found.unwrap_or_default());
        survived[0] += u64::from(found.is_some());
        survived[1] += u64::from(cheat.survives(&auditors, |a| own_seed(a, &beacon)));
    }
    assert_eq!(survived[0], EPOCHS, "with a common seed it would always get away");
    // 1024 * 0.95^32 is 198, and the standard deviation 13.
    assert!((148..=248).contains(&survived[1]), "{survived:?}");
}

/// What a beacon can be ground for is luck in the work: of m epoch keys the best has little more hits than the others, and to
/// know which takes m times the work.
#[test]
fn grinding_for_luck_in_the_work_does_not_pay() {
    const KEYS: u64 = 64;
    const NONCES: u64 = 8192;
    const ONE_IN: u64 = 20;
    let hits = |key: u64| {
        let key = chain_tag("key", &[&key.to_be_bytes()]);
        let hit =
            |nonce: &u64| number(&chain_tag("nonce", &[&key, &nonce.to_be_bytes()])) < u64::MAX / ONE_IN;
        u64::try_from((0..NONCES).filter(hit).count()).unwrap()
    };
    let best = (0..KEYS).map(hits).max().unwrap();
    let mean = NONCES / ONE_IN;
    // The greatest of m is around mean + sqrt(2 ln m) sigma: 409 + 2.9 * 19.7.
    let sigma = (NONCES * (ONE_IN - 1) / (ONE_IN * ONE_IN)).isqrt();
    assert!(best > mean && best <= mean + 4 * sigma, "{best}");
    assert!(best * 100 < mean * 125, "a quarter more at most, for 64 times the work");
}

/// THREATS 2, number 4: the fakes of one that splits into k are seen at least as often, since each part has all the samples.
#[test]
fn splitting_hides_no_fakes() {
    const TRIALS: u64 = 2000;
    let fakes = 64; // one in a hundred of all hits
    let seen = |parts: u64| {
        let mut seen = 0;
        for trial in 0..TRIALS {
            let is_caught = (0..parts).any(|part| {
                let prover =
                    *chain_tag("part", &[&parts.to_be_bytes(), &part.to_be_bytes()]).first_chunk().unwrap();
                (0..MEMBERS as u64).any(|member| {
                    let seed = chain_tag(
                        "seed",
                        &[&trial.to_be_bytes(), &member.to_be_bytes(), &part.to_be_bytes()],
                    );
                    let hits = HITS / parts;
                    // Evenly spread: every hundredth.
                    sample_positions(&seed, &prover, SAMPLES, hits, 20 * hits)
                        .iter()
                        .any(|s| matches!(s.position, Position::Hit(rank) if rank % (HITS / fakes) == 0))
                })
            });
            seen += u64::from(is_caught);
        }
        seen
    };
    let whole = seen(1);
    assert!((TRIALS * 22 / 100..TRIALS * 33 / 100).contains(&whole), "1 - 0.99^32 is 0.275: {whole}");
    for (parts, at_least) in [(2, 40), (4, 65), (8, 85)] {
        let split = seen(parts);
        assert!(split * 100 >= TRIALS * at_least, "{parts} parts: {split} of {TRIALS}");
    }
}

/// THREATS 2, number 26: who computes only what a free oracle calls a hit, and invents the losers that it commits to beside
/// them, tries more nonces in the same time; but losers are sampled too. Whatever part it leaves out, it gains nothing.
#[test]
fn leaving_out_losers_does_not_pay() {
    const TRIALS: u64 = 4000;
    let prover = [0xe; 20];
    let auditors = auditors();
    for invented in [1, 2, 5, 10, 25, 50, 75, 90] {
        let survived = (0..TRIALS).filter(|trial| {
            !auditors.iter().any(|auditor| {
                let seed = chain_tag("seed", &[&trial.to_be_bytes(), &auditor.wallet.address]);
                sample_positions(&seed, &prover, SAMPLES, HITS, 20 * HITS)
                    .iter()
                    .any(|s| matches!(s.position, Position::Leaf(index) if index % 100 < invented))
            })
        });
        // Work for (100 - invented) leaves gives the hits of 100.
        let gain = u64::try_from(survived.count()).unwrap() * 100 * 100 / (TRIALS * (100 - invented));
        assert!(gain <= 105, "{invented} % invented: {gain} % of what honest work gives");
        assert!(invented > 2 || gain > 40, "the simulation must not catch what is not there: {gain}");
    }
}
