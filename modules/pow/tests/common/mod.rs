//! A chain of one module: fake ports over a memory store, real VRF keys and trees, and a puzzle of one hash.
#![allow(dead_code, unreachable_pub)] // each test uses its part

pub mod script;

use std::collections::BTreeMap;
use std::sync::Arc;

use geodesic_challenge::{
    Distance, Leaf, MerkleSum, NodeCounts, Path, Position, RTarget, Sample, is_member, logits_hash,
    nonce_hash, resolve, sample_hits, sample_positions, seen_tag,
};
use geodesic_core::{
    Address, BlockInfo, Coin, Ctx, Dec, Int, Map, MemStore, Module, State, StateError, StoreId, TxError,
};
use geodesic_pow::keys::{CASE, COMMITMENT, EPOCH, POWER, PROVER};
use geodesic_pow::vrf::{audit_input, audit_seed};
use geodesic_pow::{Operator, Ports, Pow, Settled, Target, Window};
use geodesic_proto::any;
use geodesic_proto::geodesic::pow::v1 as pb;
use geodesic_proto::prost::{Message, Name};
use vrf_r255::{PublicKey, SecretKey};

/// Distances are even over 0 .. 2^33 here.
pub const R_TARGET: u64 = 1 << 31;
/// One in four.
pub const PASS: u64 = 1 << 62;
pub const LEAVES: u64 = 300;
pub const COLLATERAL: u64 = 5_000_000_000;
pub const COINS: u64 = 100_000_000_000;
pub const FAKE: StoreId = StoreId::tree("fake");
/// Coins by account; `pow` is the module, `burned` what is gone.
static BALANCE: Map<Vec<u8>, u64> = Map::new(FAKE, &[1]);
static STAKE: Map<Operator, u64> = Map::new(FAKE, &[2]);
static JAILED: Map<Operator, u8> = Map::new(FAKE, &[3]);
static ACTIVE: Map<(u64, Operator), u64> = Map::new(FAKE, &[4]);
static REWARD: Map<(u64, Operator), (u64, u64)> = Map::new(FAKE, &[5]);
static HITS: Map<u64, u64> = Map::new(FAKE, &[6]);
static SLASHED_AT: Map<Operator, u64> = Map::new(FAKE, &[7]);

pub fn op(i: u8) -> Operator {
    let mut op = [i; 20];
    op[0] = i.wrapping_mul(89); // so that address order is not number order
    op
}

pub fn text(op: &Operator) -> String {
    Address::from(*op).to_bech32("geo")
}

fn vrf_key(op: &Operator) -> SecretKey {
    let mut bytes = [0; 32];
    bytes[..20].copy_from_slice(op);
    bytes[0] |= 1;
    SecretKey::from_bytes(bytes).unwrap()
}

#[derive(Default)]
pub struct Fake {
    pub powers: Vec<(Operator, u64)>,
    /// Operators without a validator or without a key.
    pub strangers: Vec<Operator>,
    pub keyless: Vec<Operator>,
}

pub fn window(epoch: u64) -> Window {
    let s = 1 + 60 * epoch;
    Window {
        epoch,
        start: s,
        draw: s + 16,
        open: s + 21,
        verdict: s + 26,
        verdict_end: s + 29,
        judge_commit: s + 32,
        judge_reveal: s + 35,
        settle: s + 38,
        activate: s + 40,
    }
}

fn shift(ctx: &mut Ctx, from: &[u8], to: &[u8], amount: u64) -> Result<(), String> {
    let had = BALANCE.get(ctx, &from.to_vec()).unwrap().unwrap_or(0);
    let left = had.checked_sub(amount).ok_or("insufficient funds")?;
    BALANCE.set(ctx, &from.to_vec(), &left).unwrap();
    let has = BALANCE.get(ctx, &to.to_vec()).unwrap().unwrap_or(0);
    BALANCE.set(ctx, &to.to_vec(), &(has + amount)).unwrap();
    Ok(())
}

fn amount(coin: &Coin) -> u64 {
    assert_eq!(coin.denom, "ugeo");
    coin.amount.to_u64().unwrap()
}

impl Ports for Fake {
    fn window(&self, ctx: &Ctx) -> Result<Option<Window>, StateError> {
        Ok(ctx.block.height.checked_sub(1).map(|h| window(h / 60)))
    }
    fn judge_duration(&self, _: &Ctx) -> Result<u64, StateError> {
        Ok(3)
    }
    fn beacon(&self, ctx: &Ctx, height: u64) -> Result<Option<[u8; 32]>, StateError> {
        let known = height <= ctx.block.height;
        Ok(known.then(|| geodesic_challenge::chain_tag("test beacon", &[&height.to_be_bytes()])))
    }
    fn vrf_key(&self, _: &Ctx, op: &Operator) -> Result<Option<[u8; 32]>, StateError> {
        Ok((!self.keyless.contains(op)).then(|| PublicKey::from(vrf_key(op)).to_bytes()))
    }
    fn has_vrf_key(&self, _: &Ctx, op: &Operator) -> Result<bool, StateError> {
        Ok(!self.keyless.contains(op))
    }
    fn target(&self, _: &Ctx, _: u64) -> Result<Target, StateError> {
        Ok(Target { r_target: R_TARGET, pass_probability: PASS })
    }
    fn record_hits(&self, ctx: &mut Ctx, epoch: u64, hits: u64) -> Result<(), StateError> {
        assert!(!HITS.has(ctx, &epoch)?, "hits of an epoch are recorded once");
        HITS.set(ctx, &epoch, &hits)
    }
    fn is_validator(&self, _: &Ctx, op: &Operator) -> Result<bool, StateError> {
        Ok(!self.strangers.contains(op))
    }
    fn powers(&self, _: &Ctx) -> Result<Vec<(Operator, u64)>, StateError> {
        Ok(self.powers.clone())
    }
    fn slash(&self, ctx: &mut Ctx, op: &Operator, height: u64, fraction: Dec) -> Result<Int, StateError> {
        let stake = STAKE.get(ctx, op)?.unwrap_or(0);
        let burned = fraction.mul_int(stake.into()).unwrap().truncate_int().to_u64().unwrap();
        STAKE.set(ctx, op, &(stake - burned))?;
        SLASHED_AT.set(ctx, op, &height)?;
        Ok(burned.into())
    }
    fn jail(&self, ctx: &mut Ctx, op: &Operator) -> Result<(), StateError> {
        JAILED.set(ctx, op, &1)
    }
    fn activate(&self, ctx: &mut Ctx, epoch: u64, weights: &[(Operator, u64)]) -> Result<(), StateError> {
        assert!(!weights.is_empty() && weights.is_sorted() && weights.iter().all(|(_, w)| *w > 0));
        weights.iter().try_for_each(|(op, w)| ACTIVE.set(ctx, &(epoch, *op), w))
    }
    fn settle_epoch(&self, ctx: &mut Ctx, epoch: u64, settled: &[Settled]) -> Result<(), StateError> {
        assert!(!settled.is_empty() && settled.iter().map(|s| s.operator).is_sorted());
        settled.iter().try_for_each(|s| {
            let penalty = u64::try_from(s.penalty.to_atomics().unwrap()).unwrap();
            REWARD.set(ctx, &(epoch, s.operator), &(s.weight, penalty))
        })
    }
    fn escrow(&self, ctx: &mut Ctx, from: &Address, coin: &Coin) -> Result<(), TxError> {
        shift(ctx, from.as_bytes(), b"pow", amount(coin)).map_err(|e| TxError::new("sdk", 5, e))
    }
    fn pay(&self, ctx: &mut Ctx, to: &Address, coin: &Coin) -> Result<(), StateError> {
        shift(ctx, b"pow", to.as_bytes(), amount(coin)).map_err(StateError::Invariant)
    }
    fn burn(&self, ctx: &mut Ctx, coin: &Coin) -> Result<(), StateError> {
        shift(ctx, b"pow", b"burned", amount(coin)).map_err(StateError::Invariant)
    }
}

/// Logits of a nonce: the puzzle of these tests.
pub fn logits(epoch_key: &[u8; 32], prover: &Operator, node: u32, nonce: u64) -> [i32; 4] {
    let h = nonce_hash(epoch_key, prover, node, nonce);
    [0, 4, 8, 12].map(|i| i32::from_le_bytes(h[i..i + 4].try_into().unwrap()))
}

pub fn leaf(epoch_key: &[u8; 32], prover: &Operator, node: u32, nonce: u64) -> Leaf {
    let l = logits(epoch_key, prover, node, nonce);
    let distance = Distance(u64::from(l[0].unsigned_abs()) << 2);
    Leaf { nonce, distance, logits_hash: logits_hash(&l) }
}

pub struct World {
    pub ctx: Ctx,
    pub fake: Fake,
    pub trees: BTreeMap<(Operator, u32), (MerkleSum, Vec<Leaf>)>,
}

impl World {
    /// `n` operators 1 ..= n of equal power, registered with node 7 before epoch 0.
    pub fn new(n: u8) -> Self {
        Self::with_powers(&(1..=n).map(|i| (i, 10)).collect::<Vec<_>>())
    }

    pub fn with_powers(powers: &[(u8, u64)]) -> Self {
        Self::with_genesis(powers, None)
    }

    pub fn with_genesis(powers: &[(u8, u64)], genesis: Option<&str>) -> Self {
        let block = BlockInfo { chain_id: "test-1".into(), prefix: "geo".into(), ..BlockInfo::default() };
        let ctx = Ctx::new(block, State::new(Arc::new(MemStore::default())));
        let fake = Fake { powers: powers.iter().map(|(i, p)| (op(*i), *p)).collect(), ..Fake::default() };
        let mut w = Self { ctx, fake, trees: BTreeMap::new() };
        let genesis = genesis.map(|g| serde_json::value::RawValue::from_string(g.to_owned()).unwrap());
        Pow { ports: &w.fake }.init_genesis(&mut w.ctx, genesis.as_deref()).unwrap();
        for (i, _) in powers {
            w.fund(op(*i));
            w.register(op(*i)).unwrap();
        }
        w.ctx.block.height = 1;
        w
    }

    pub fn fund(&mut self, op: Operator) {
        BALANCE.set(&mut self.ctx, &op.to_vec(), &COINS).unwrap();
        STAKE.set(&mut self.ctx, &op, &COLLATERAL).unwrap();
    }

    pub fn register(&mut self, op: Operator) -> Result<(), TxError> {
        self.send(&register(op))
    }

    /// Sends a message in the current block.
    pub fn send<T: Message + Name>(&mut self, msg: &T) -> Result<(), TxError> {
        let pow = Pow { ports: &self.fake };
        let msg = pow.decode(&any::pack(msg))?;
        pow.signers(&msg, "geo")?;
        self.ctx.atomic(|ctx| pow.handle(ctx, &msg)).map(drop)
    }

    /// Ends blocks until `height` is the current one.
    pub fn go(&mut self, height: u64) {
        assert!(self.ctx.block.height <= height);
        while self.ctx.block.height < height {
            Pow { ports: &self.fake }.end_block(&mut self.ctx).unwrap();
            self.ctx.block.height += 1;
        }
    }

    pub fn epoch(&self) -> u64 {
        (self.ctx.block.height - 1) / 60
    }

    pub fn win(&self) -> Window {
        window(self.epoch())
    }

    pub fn key(&self) -> [u8; 32] {
        let epoch = EPOCH.get(&self.ctx, &self.epoch()).unwrap().unwrap();
        epoch.epoch_key.try_into().unwrap()
    }

    pub fn balance(&self, account: &[u8]) -> u64 {
        BALANCE.get(&self.ctx, &account.to_vec()).unwrap().unwrap_or(0)
    }
    pub fn stake(&self, op: &Operator) -> u64 {
        STAKE.get(&self.ctx, op).unwrap().unwrap_or(0)
    }
    pub fn is_jailed(&self, op: &Operator) -> bool {
        JAILED.has(&self.ctx, op).unwrap()
    }
    pub fn active(&self, epoch: u64, op: &Operator) -> Option<u64> {
        ACTIVE.get(&self.ctx, &(epoch, *op)).unwrap()
    }
    pub fn reward(&self, epoch: u64, op: &Operator) -> Option<(u64, u64)> {
        REWARD.get(&self.ctx, &(epoch, *op)).unwrap()
    }
    pub fn hits(&self, epoch: u64) -> Option<u64> {
        HITS.get(&self.ctx, &epoch).unwrap()
    }
    pub fn slashed_at(&self, op: &Operator) -> Option<u64> {
        SLASHED_AT.get(&self.ctx, op).unwrap()
    }
    pub fn weight(&self, epoch: u64, op: &Operator) -> pb::Weight {
        geodesic_pow::keys::WEIGHT.get(&self.ctx, &(epoch, *op)).unwrap().unwrap()
    }
    pub fn case(&self, id: u32) -> pb::Case {
        CASE.get(&self.ctx, &(self.epoch(), id)).unwrap().unwrap()
    }

    /// A tree of `count` leaves of node 7, those that `is_fake` says with a logits hash out of thin air.
    pub fn mine(&mut self, op: Operator, count: u64, is_fake: impl Fn(u64) -> bool) {
        let key = self.key();
        let mut tree = MerkleSum::new(RTarget(R_TARGET));
        let leaves: Vec<Leaf> = (0..count)
            .map(|nonce| {
                let real = leaf(&key, &op, 7, nonce);
                if is_fake(nonce) {
                    Leaf { distance: Distance(1), logits_hash: [9; 32], ..real }
                } else {
                    real
                }
            })
            .collect();
        leaves.iter().for_each(|l| tree.push(l).unwrap());
        self.trees.insert((op, 7), (tree, leaves));
    }

    pub fn commit_msg(&self, op: &Operator) -> pb::MsgCommitPoc {
        let (tree, _) = &self.trees[&(*op, 7)];
        let c = tree.commitment(tree.len()).unwrap();
        let node = pb::NodeCommitment { node_id: 7, count: c.count, hits: c.hits, root: c.root.to_vec() };
        pb::MsgCommitPoc { sender: text(op), participant: text(op), epoch: self.epoch(), nodes: vec![node] }
    }

    /// Mines [`LEAVES`] and commits.
    pub fn commit(&mut self, op: Operator, is_fake: impl Fn(u64) -> bool) {
        self.mine(op, LEAVES, is_fake);
        let msg = self.commit_msg(&op);
        self.send(&msg).unwrap();
    }

    /// Goes on to the first block after the draw, everyone having committed honest leaves.
    pub fn honest_to_draw(&mut self, except: &[Operator]) {
        self.go(self.win().start + 2);
        for (op, _) in self.fake.powers.clone() {
            if !except.contains(&op) {
                self.commit(op, |_| false);
            }
        }
        self.go(self.win().draw + 1);
    }

    pub fn vrf(&self, op: &Operator) -> (Vec<u8>, Vec<u8>) {
        let draw = EPOCH.get(&self.ctx, &self.epoch()).unwrap().unwrap().draw.unwrap();
        let key = vrf_key(op);
        let input = audit_input(&draw.beacon.try_into().unwrap(), op);
        let proof = key.prove(&input);
        let output: [u8; 64] = PublicKey::from(key).verify(&input, &proof).unwrap();
        (output.to_vec(), proof.to_bytes().to_vec())
    }

    pub fn a_i(&self, op: &Operator) -> [u8; 32] {
        audit_seed(&self.vrf(op).0.try_into().unwrap())
    }

    pub fn provers(&self) -> Vec<(Operator, (u64, u64))> {
        let all = PROVER.prefix(&self.ctx, &self.epoch()).unwrap();
        all.map(|e| e.map(|((_, op), totals)| (op, totals)).unwrap()).collect()
    }

    pub fn samples(&self, auditor: &Operator, prover: &Operator) -> Vec<Sample> {
        let n = EPOCH.get(&self.ctx, &self.epoch()).unwrap().unwrap().draw.unwrap().samples;
        let (leaves, hits) = PROVER.get(&self.ctx, &(self.epoch(), *prover)).unwrap().unwrap();
        match self.is_exact() {
            true => sample_positions(&self.a_i(auditor), prover, n, hits, leaves),
            false => sample_hits(&self.a_i(auditor), prover, n, hits),
        }
    }

    /// Whether the epoch is of profile `exact`.
    pub fn is_exact(&self) -> bool {
        EPOCH.get(&self.ctx, &self.epoch()).unwrap().unwrap().params.unwrap().profile.is_none()
    }

    pub fn audits(&self, auditor: &Operator, prover: &Operator) -> bool {
        let draw = EPOCH.get(&self.ctx, &self.epoch()).unwrap().unwrap().draw.unwrap();
        let power = POWER.get(&self.ctx, &(self.epoch(), *auditor)).unwrap().unwrap().power;
        auditor != prover && is_member(&self.a_i(auditor), prover, power, draw.total_power, 16)
    }

    /// Node and leaf of a sample, as an honest prover's tree has it.
    pub fn find(&self, prover: &Operator, sample: &Sample) -> (u32, Leaf, Path) {
        let nodes = COMMITMENT.get(&self.ctx, &(self.epoch(), *prover)).unwrap().unwrap().nodes;
        let counts: Vec<NodeCounts> =
            nodes.iter().map(|n| NodeCounts { node_id: n.node_id, count: n.count, hits: n.hits }).collect();
        let at = resolve(sample.position, &counts).unwrap();
        let (tree, leaves) = &self.trees[&(*prover, at.node_id)];
        let nonce = match at.position {
            Position::Leaf(i) => i,
            Position::Hit(rank) => tree.kth_hit(tree.len(), rank).unwrap(),
        };
        (at.node_id, leaves[usize::try_from(nonce).unwrap()], tree.path(tree.len(), nonce).unwrap())
    }

    /// A sample as the auditor that re-computed it reports it.
    pub fn seen(&self, auditor: &Operator, prover: &Operator, sample: &Sample) -> pb::Seen {
        let (node_id, leaf, _) = self.find(prover, sample);
        let (position, nonce, key) = (sample.k, leaf.nonce, self.key());
        let tag = || seen_tag(auditor, &logits(&key, prover, node_id, nonce)).to_vec();
        let distance = || self::leaf(&key, prover, node_id, nonce).distance.0.max(1);
        let (tag, distance) = if self.is_exact() { (tag(), 0) } else { (vec![], distance()) };
        pb::Seen { position, node_id, nonce, tag, distance }
    }

    /// The whole, honest verdict of a validator, without the samples that `skip` names.
    pub fn verdict_msg(&self, op: &Operator, skip: &[(Operator, u32)]) -> pb::MsgSubmitVerdict {
        let (vrf_output, vrf_proof) = self.vrf(op);
        let duties = self.provers().into_iter().filter(|(p, _)| self.audits(op, p)).map(|(prover, _)| {
            let samples = self.samples(op, &prover).into_iter().filter(|s| !skip.contains(&(prover, s.k)));
            let samples = samples.map(|s| self.seen(op, &prover, &s)).collect();
            pb::DutyReport { prover: text(&prover), samples }
        });
        pb::MsgSubmitVerdict {
            sender: text(op),
            participant: text(op),
            epoch: self.epoch(),
            vrf_output,
            vrf_proof,
            duties: duties.collect(),
        }
    }

    /// Goes on into Verdict and sends everyone's honest verdict but those of `except`.
    pub fn honest_verdicts(&mut self, except: &[Operator]) {
        self.go(self.win().verdict);
        for (op, _) in self.fake.powers.clone() {
            if !except.contains(&op) {
                let msg = self.verdict_msg(&op, &[]);
                self.send(&msg).unwrap();
            }
        }
    }

    pub fn accuse_leaf_msg(&self, accuser: &Operator, prover: &Operator, nonce: u64) -> pb::MsgAccuse {
        let (tree, leaves) = &self.trees[&(*prover, 7)];
        let path = tree.path(tree.len(), nonce).unwrap();
        let accusation = pb::LeafAccusation {
            prover: text(prover),
            node_id: 7,
            leaf: Some(pb_leaf(&leaves[usize::try_from(nonce).unwrap()])),
            path: pb_path(&path),
        };
        pb::MsgAccuse {
            sender: text(accuser),
            participant: text(accuser),
            epoch: self.epoch(),
            accusation: Some(pb::msg_accuse::Accusation::Leaf(accusation)),
        }
    }

    pub fn accuse_tag_msg(&self, accuser: &Operator, a: pb::TagAccusation) -> pb::MsgAccuse {
        pb::MsgAccuse {
            sender: text(accuser),
            participant: text(accuser),
            epoch: self.epoch(),
            accusation: Some(pb::msg_accuse::Accusation::Tag(a)),
        }
    }

    /// What an honest judge computes for each case to be judged.
    pub fn honest_values(&self) -> Vec<pb::CaseValue> {
        let cases = CASE.prefix(&self.ctx, &self.epoch()).unwrap();
        let key = self.key();
        let value = |case: pb::Case| {
            let prover = self.ctx.account(&case.prover).unwrap().as_20().unwrap();
            let accused = self.ctx.account(&case.accused).unwrap().as_20().unwrap();
            let value = match case.kind() {
                pb::CaseKind::Leaf => leaf(&key, &prover, case.node_id, case.nonce).hash().to_vec(),
                _ => seen_tag(&accused, &logits(&key, &prover, case.node_id, case.nonce)).to_vec(),
            };
            pb::CaseValue { case_id: case.case_id, value }
        };
        cases.map(|e| value(e.unwrap().1)).collect()
    }

    /// Commits and reveals what `values` says for each judge, then goes on behind the settlement.
    pub fn judge(&mut self, values: impl Fn(&Self, &Operator) -> Option<Vec<pb::CaseValue>>) {
        self.go(self.win().judge_commit);
        let judges: Vec<Operator> = self.fake.powers.iter().map(|(op, _)| *op).collect();
        let said: Vec<_> = judges.iter().filter_map(|op| Some((*op, values(self, op)?))).collect();
        for (op, values) in &said {
            let hash = self.judgment_hash(op, values).to_vec();
            let msg =
                pb::MsgCommitJudgment { sender: text(op), participant: text(op), epoch: self.epoch(), hash };
            self.send(&msg).unwrap();
        }
        self.go(self.win().judge_reveal);
        for (op, values) in said {
            let msg = self.reveal_msg(&op, values);
            self.send(&msg).unwrap();
        }
        self.go(self.win().settle + 1);
    }

    pub fn judgment_hash(&self, op: &Operator, values: &[pb::CaseValue]) -> [u8; 32] {
        let ids: Vec<[u8; 4]> = values.iter().map(|v| v.case_id.to_be_bytes()).collect();
        let entries: Vec<(&[u8], &[u8])> =
            ids.iter().zip(values).map(|(id, v)| (&id[..], v.value.as_slice())).collect();
        geodesic_challenge::judgment_hash("test-1", self.epoch(), op, &entries, &[3; 32])
    }

    pub fn reveal_msg(&self, op: &Operator, values: Vec<pb::CaseValue>) -> pb::MsgRevealJudgment {
        let (sender, participant) = (text(op), text(op));
        pb::MsgRevealJudgment { sender, participant, epoch: self.epoch(), values, salt: vec![3; 32] }
    }
}

pub fn settings(op: &Operator) -> pb::Settings {
    pb::Settings {
        agent: text(op),
        agent_url: "https://agent.example:9000".into(),
        certificate_hash: vec![1; 32],
        node_ids: vec![7],
    }
}

pub fn register(op: Operator) -> pb::MsgRegisterParticipant {
    pb::MsgRegisterParticipant { sender: text(&op), participant: text(&op), settings: Some(settings(&op)) }
}

pub fn pb_leaf(l: &Leaf) -> pb::Leaf {
    pb::Leaf { nonce: l.nonce, distance: l.distance.0, logits_hash: l.logits_hash.to_vec() }
}

pub fn pb_path(p: &Path) -> Vec<pb::Sibling> {
    p.siblings.iter().map(|n| pb::Sibling { hash: n.hash.to_vec(), hits: n.hits }).collect()
}

/// Codespace and code of a refusal.
pub fn code(r: Result<(), TxError>) -> (&'static str, u32) {
    r.map_or_else(|e| (e.codespace, e.code), |()| ("ok", 0))
}
