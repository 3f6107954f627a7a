//! Random operations of users, operators and strangers; the same for the same seed.

use std::sync::Arc;

use geodesic_client::tx::Draft;
use geodesic_proto::any;
use geodesic_proto::cosmos::auth::v1beta1::{BaseAccount, QueryAccountRequest, QueryAccountResponse};
use geodesic_proto::cosmos::bank::v1beta1::{Input, MsgMultiSend, MsgSend, Output};
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_proto::cosmos::staking::v1beta1 as staking;
use geodesic_proto::cosmos::tx::signing::v1beta1::SignMode;
use geodesic_proto::cosmos::tx::v1beta1::mode_info::{Single, Sum};
use geodesic_proto::cosmos::tx::v1beta1::{AuthInfo, Fee, ModeInfo, SignDoc, SignerInfo, TxBody, TxRaw};
use geodesic_proto::geodesic::pow::v1 as pow;
use geodesic_proto::geodesic::rewards::v1::MsgClaim;
use geodesic_proto::prost_types::{Any, Timestamp};
use geodesic_testnet::driver::{DENOM, GAS, Net, Operator, PREFIX, Wallet, create_validator};

use prost::Message as _;

use crate::common::Random;

/// Mostly small, sometimes more than anyone has, sometimes nothing.
fn coin(r: &mut Random) -> Coin {
    let amount = match r.below(12) {
        0 => 0,
        1 => u64::MAX,
        2 => 50_000_000_000 + r.next() % 50_000_000_000,
        _ => 1 + r.next() % 2_000_000_000,
    };
    Coin { denom: DENOM.to_owned(), amount: amount.to_string() }
}

/// Accounts that come to operate validators without an application: small ones, for they never vote.
pub(crate) fn candidates() -> Vec<Arc<Operator>> {
    (50..53).map(|i| Arc::new(Operator::new(i).unwrap())).collect()
}

fn valoper(net: &Net, candidates: &[Arc<Operator>], r: &mut Random) -> String {
    let all: Vec<_> = net.operators.iter().chain(candidates).collect();
    all[r.below(all.len())].wallet.valoper().unwrap()
}

fn text(net: &Net, candidates: &[Arc<Operator>], r: &mut Random) -> String {
    match r.below(8) {
        0 => candidates[r.below(candidates.len())].wallet.text.clone(),
        1 => net.operators[r.below(net.operators.len())].wallet.text.clone(),
        2 => geodesic_core::address::module_address("bonded_tokens_pool").to_bech32(PREFIX),
        3 => "geo1nonsense".to_owned(),
        _ => net.users[r.below(net.users.len())].text.clone(),
    }
}

fn staking_message(net: &Net, c: &[Arc<Operator>], me: &Wallet, r: &mut Random) -> Any {
    let (delegator_address, validator_address) = (me.text.clone(), valoper(net, c, r));
    let amount = Some(coin(r));
    match r.below(6) {
        0 | 1 => any::pack(&staking::MsgDelegate { delegator_address, validator_address, amount }),
        2 => any::pack(&staking::MsgUndelegate { delegator_address, validator_address, amount }),
        3 => any::pack(&staking::MsgBeginRedelegate {
            delegator_address,
            validator_src_address: validator_address,
            validator_dst_address: valoper(net, c, r),
            amount,
        }),
        4 => any::pack(&staking::MsgCancelUnbondingDelegation {
            delegator_address,
            validator_address,
            amount,
            creation_height: net.height() - i64::try_from(r.below(20)).unwrap(),
        }),
        _ => any::pack(&staking::MsgEditValidator {
            description: Some(staking::Description {
                moniker: format!("m{}", r.below(100)),
                details: "[do-not-modify]".to_owned(),
                ..staking::Description::default()
            }),
            validator_address: me.valoper().unwrap(),
            commission_rate: ["", "110000000000000000", "9000000000000000000"][r.below(3)].to_owned(),
            min_self_delegation: String::new(),
        }),
    }
}

/// A pow message of somebody who may not, or with contents that fit nothing.
fn pow_message(net: &Net, me: &Wallet, r: &mut Random) -> Any {
    let sender = me.text.clone();
    let participant = if r.below(2) == 0 {
        sender.clone()
    } else {
        net.operators[r.below(net.operators.len())].wallet.text.clone()
    };
    let epoch = r.next() % 6;
    let node = pow::NodeCommitment {
        node_id: u32::try_from(r.below(3)).unwrap(),
        count: 60 + r.next() % 200,
        hits: r.next() % 60,
        root: r.bytes(32),
    };
    let leaf = pow::Leaf { nonce: r.next() % 200, distance: r.next() >> 31, logits_hash: r.bytes(32) };
    let other = net.operators[r.below(net.operators.len())].wallet.text.clone();
    let (vrf_output, vrf_proof) = (r.bytes(64), r.bytes(80));
    match r.below(9) {
        0 | 1 => any::pack(&pow::MsgCommitPoc { sender, participant, epoch, nodes: vec![node] }),
        2 => any::pack(&pow::MsgDemand {
            sender,
            participant,
            epoch,
            vrf_output,
            vrf_proof,
            prover: other,
            positions: vec![0, 3],
        }),
        3 => any::pack(&pow::MsgOpenPoc {
            sender,
            participant,
            epoch,
            auditor: other,
            openings: vec![pow::Opening { position: 0, leaf: Some(leaf), path: Vec::new() }],
        }),
        4 => any::pack(&pow::MsgSubmitVerdict {
            sender,
            participant,
            epoch,
            vrf_output,
            vrf_proof,
            duties: Vec::new(),
        }),
        5 => {
            let leaf = pow::LeafAccusation { prover: other, node_id: 1, leaf: Some(leaf), path: Vec::new() };
            let accusation = Some(pow::msg_accuse::Accusation::Leaf(leaf));
            any::pack(&pow::MsgAccuse { sender, participant, epoch, accusation })
        }
        6 => any::pack(&pow::MsgCommitJudgment { sender, participant, epoch, hash: r.bytes(32) }),
        7 => any::pack(&pow::MsgRevealJudgment {
            sender,
            participant,
            epoch,
            values: vec![pow::CaseValue { case_id: 0, value: r.bytes(8) }],
            salt: r.bytes(32),
        }),
        _ => any::pack(&MsgClaim { sender, participant, epochs: vec![epoch] }),
    }
}

/// A message of a candidate on its way to a validator that takes part.
fn candidate_message(net: &Net, o: &Operator, r: &mut Random) -> Any {
    let (sender, participant) = (o.wallet.text.clone(), o.wallet.text.clone());
    match r.below(6) {
        0 | 1 => any::pack(&create_validator(o, 1_000_000 + r.next() % 10_000_000).unwrap()),
        2 => any::pack(&o.vrf.register(&net.spec.chain_id, PREFIX, &o.wallet.text).unwrap()),
        3 => any::pack(&pow::MsgRegisterParticipant { sender, participant, settings: Some(settings(r)) }),
        4 => any::pack(&pow::MsgUpdateParticipant {
            sender,
            participant,
            settings: (r.below(2) == 0).then(|| settings(r)),
            refill: r.below(4) == 0,
            leave: r.below(6) == 0,
        }),
        _ => pow_message(net, &o.wallet, r),
    }
}

fn settings(r: &mut Random) -> pow::Settings {
    pow::Settings {
        agent: Wallet::new("user", 0).unwrap().text,
        agent_url: "https://127.0.0.1:1".to_owned(),
        certificate_hash: r.bytes(32),
        node_ids: vec![1, 2],
    }
}

fn user_message(net: &Net, c: &[Arc<Operator>], me: &Wallet, r: &mut Random) -> Any {
    match r.below(10) {
        0..=3 => any::pack(&MsgSend {
            from_address: me.text.clone(),
            to_address: text(net, c, r),
            amount: vec![coin(r)],
        }),
        4 => {
            let coins = vec![coin(r)];
            let outputs = vec![Output { address: text(net, c, r), coins: coins.clone() }];
            any::pack(&MsgMultiSend { inputs: vec![Input { address: me.text.clone(), coins }], outputs })
        }
        5..=7 => staking_message(net, c, me, r),
        8 => pow_message(net, me, r),
        _ => any::pack(&geodesic_proto::cosmos::bank::v1beta1::MsgUpdateParams {
            authority: me.text.clone(),
            params: None,
        }),
    }
}

/// The draft as an unordered transaction, with a timeout that is a little behind to a little too far ahead, often one of
/// before. `None` if the account is not there.
fn unordered(net: &Net, wallet: &Wallet, draft: &Draft, r: &mut Random) -> Option<Vec<u8>> {
    let request = QueryAccountRequest { address: wallet.text.clone() };
    let found: QueryAccountResponse = net.query("/cosmos.auth.v1beta1.Query/Account", &request).ok()?;
    let account: BaseAccount = any::unpack(&found.account?).unwrap();
    let now = net.blocks.last()?.request.time.as_ref()?.seconds;
    let ahead = [-1, 1, 3, 10, 600, 601][r.below(6)];
    let body = TxBody {
        messages: draft.messages.clone(),
        unordered: true,
        timeout_timestamp: Some(Timestamp { seconds: now + ahead, nanos: 0 }),
        ..TxBody::default()
    };
    let mode_info = Some(ModeInfo { sum: Some(Sum::Single(Single { mode: SignMode::Direct.into() })) });
    let public_key = Some(wallet.key.public().to_any());
    let signer_infos = vec![SignerInfo { public_key, mode_info, sequence: 0 }];
    let fee = Some(Fee { amount: draft.fee.clone(), gas_limit: draft.gas, ..Fee::default() });
    let auth_info = AuthInfo { signer_infos, fee, ..AuthInfo::default() };
    let (body_bytes, auth_info_bytes) = (body.encode_to_vec(), auth_info.encode_to_vec());
    let document = SignDoc {
        body_bytes: body_bytes.clone(),
        auth_info_bytes: auth_info_bytes.clone(),
        chain_id: net.spec.chain_id.clone(),
        account_number: account.account_number,
    };
    let signatures = vec![wallet.key.sign(&document.encode_to_vec()).to_vec()];
    Some(TxRaw { body_bytes, auth_info_bytes, signatures }.encode_to_vec())
}

/// Offers a few random transactions to the mempool; it may refuse them.
pub(crate) fn offer(net: &mut Net, candidates: &[Arc<Operator>], r: &mut Random) {
    for _ in 0..r.below(5) {
        let who = r.below(10);
        let (operator, user);
        let (wallet, mut messages) = if who == 0 {
            operator = Arc::clone(&net.operators[r.below(net.operators.len())]);
            (&operator.wallet, vec![staking_message(net, candidates, &operator.wallet, r)])
        } else if who < 4 {
            operator = Arc::clone(&candidates[r.below(candidates.len())]);
            (&operator.wallet, vec![candidate_message(net, &operator, r)])
        } else {
            user = Arc::clone(&net.users[r.below(net.users.len())]);
            (&*user, vec![user_message(net, candidates, &user, r)])
        };
        if r.below(5) == 0 {
            messages.push(messages[0].clone());
        }
        let fee = if r.below(3) == 0 {
            vec![Coin { denom: DENOM.to_owned(), amount: "5000".to_owned() }]
        } else {
            vec![]
        };
        let gas = if r.below(10) == 0 { 20_000 + r.next() % 80_000 } else { GAS };
        let draft = Draft { messages, fee, gas, memo: "m".repeat(r.below(9)), ..Draft::default() };
        if r.below(6) == 0 {
            if let Some(tx) = unordered(net, wallet, &draft, r) {
                // Those behind it in the mempool do not wait for its sequence: it has none.
                let _ = net.offer(tx, "").unwrap();
            }
            continue;
        }
        // A candidate whom nobody has sent coins has no account.
        let Ok(mut tx) = net.sign_draft(wallet, &draft) else { continue };
        if r.below(12) == 0 {
            let at = r.below(tx.len());
            tx[at] ^= 1 << r.below(8);
        }
        let _ = net.offer(tx, &wallet.text).unwrap();
    }
}
