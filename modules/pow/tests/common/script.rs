//! An epoch of four validators in which every message and every outcome occurs.

use geodesic_core::module::Module;
use geodesic_core::{Ctx, State};
use geodesic_pow::Pow;
use geodesic_proto::geodesic::pow::v1 as pb;

use super::{World, op, settings, text};

/// Last height of the script.
pub const END: u64 = 62;

/// Operator 2 fakes every other leaf and does not open one; operator 1 makes a tag up.
pub fn step(w: &mut World, height: u64) {
    w.go(height);
    match height {
        3 => {
            w.commit(op(2), |nonce| nonce % 2 == 0);
            for i in [1, 3, 4] {
                w.commit(op(i), |_| false);
            }
        }
        5 => {
            let settings = pb::Settings { agent_url: "http://new".into(), ..settings(&op(3)) };
            w.send(&update(3, Some(settings), false)).unwrap();
        }
        18 => {
            w.send(&demand(w, 4, 3)).unwrap();
            w.send(&demand(w, 4, 2)).unwrap();
            w.send(&w.accuse_leaf_msg(&op(3), &op(2), 4)).unwrap();
            w.send(&w.accuse_leaf_msg(&op(4), &op(2), 4)).unwrap();
            w.send(&w.accuse_leaf_msg(&op(1), &op(4), 4)).unwrap();
        }
        23 => w.send(&answer(w, 4, 3)).unwrap(),
        27 => verdicts(w),
        31 => {
            let (auditor, prover) = (text(&op(1)), text(&op(3)));
            let tag = pb::TagAccusation { auditor, prover, position: 0, leaf: None, path: vec![] };
            w.send(&w.accuse_tag_msg(&op(4), tag)).unwrap();
        }
        33 => {
            for i in [1, 3, 4] {
                let hash = w.judgment_hash(&op(i), &w.honest_values()).to_vec();
                let (sender, participant) = (text(&op(i)), text(&op(i)));
                w.send(&pb::MsgCommitJudgment { sender, participant, epoch: 0, hash }).unwrap();
            }
        }
        36 => {
            for i in [1, 3, 4] {
                let msg = w.reveal_msg(&op(i), w.honest_values());
                w.send(&msg).unwrap();
            }
        }
        44 => {
            w.send(&update(2, None, false)).unwrap();
            w.send(&update(4, None, true)).unwrap();
            let gov = geodesic_core::address::module_address("gov");
            let mut params = geodesic_pow::keys::PARAMS.load(&w.ctx).unwrap();
            params.committee_size = 8;
            let authority = gov.to_bech32("geo");
            w.send(&pb::MsgUpdateParams { authority, params: Some(params) }).unwrap();
        }
        _ => {}
    }
}

fn update(i: u8, settings: Option<pb::Settings>, leave: bool) -> pb::MsgUpdateParticipant {
    let refill = settings.is_none() && !leave;
    pb::MsgUpdateParticipant { sender: text(&op(i)), participant: text(&op(i)), settings, refill, leave }
}

fn demand(w: &World, auditor: u8, prover: u8) -> pb::MsgDemand {
    let (vrf_output, vrf_proof) = w.vrf(&op(auditor));
    let (sender, participant, prover) = (text(&op(auditor)), text(&op(auditor)), text(&op(prover)));
    pb::MsgDemand { sender, participant, epoch: 0, vrf_output, vrf_proof, prover, positions: vec![1] }
}

fn answer(w: &World, auditor: u8, prover: u8) -> pb::MsgOpenPoc {
    let sample = *w.samples(&op(auditor), &op(prover)).iter().find(|s| s.k == 1).unwrap();
    let (_, leaf, path) = w.find(&op(prover), &sample);
    let opening = pb::Opening { position: 1, leaf: Some(super::pb_leaf(&leaf)), path: super::pb_path(&path) };
    pb::MsgOpenPoc {
        sender: text(&op(prover)),
        participant: text(&op(prover)),
        epoch: 0,
        auditor: text(&op(auditor)),
        openings: vec![opening],
    }
}

fn verdicts(w: &mut World) {
    for i in [1, 3, 4] {
        let skip: &[_] = if i == 4 { &[(op(2), 1)] } else { &[] };
        let mut msg = w.verdict_msg(&op(i), skip);
        if i == 1 {
            let duty = msg.duties.iter_mut().find(|d| d.prover == text(&op(3))).unwrap();
            duty.samples[0].tag = vec![5; 8];
        }
        w.send(&msg).unwrap();
    }
}

/// A chain that begins with what `w` exports, and with the state of its other modules.
pub fn reborn(w: &mut World) -> World {
    let json = Pow { ports: &w.fake }.export_genesis(&w.ctx).unwrap();
    let changes = w.ctx.state_mut().changes();
    let others = changes.into_iter().filter(|(store, _)| *store == super::FAKE).collect();
    let base = geodesic_core::MemStore::default().apply(&others);
    let ctx = Ctx::new(w.ctx.block.clone(), State::new(std::sync::Arc::new(base)));
    let fake = super::Fake { powers: w.fake.powers.clone(), ..super::Fake::default() };
    let mut new = World { ctx, fake, trees: w.trees.clone() };
    Pow { ports: &new.fake }.init_genesis(&mut new.ctx, Some(&json)).unwrap();
    new
}

/// Every entry of the module's store.
pub fn entries(w: &mut World) -> Vec<(Vec<u8>, Vec<u8>)> {
    let changes = w.ctx.state_mut().changes();
    let own = changes.get(&geodesic_pow::keys::STORE).cloned().unwrap_or_default();
    own.into_iter().filter_map(|(k, v)| Some((k, v?))).collect()
}
