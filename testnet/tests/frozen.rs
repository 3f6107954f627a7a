//! App hashes of a script that executes every message: what every node must compute, for ever.
//!
//! A change here breaks consensus: say so in CHANGELOG.md under "State-machine breaking".
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::play_epoch;
use geodesic_app::router;
use geodesic_client::address::Kind;
use geodesic_core::address::module_address;
use geodesic_proto::any;
use geodesic_proto::cosmos::bank::v1beta1::{Input, MsgMultiSend, MsgSend, Output};
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_proto::cosmos::evidence::v1beta1::{Equivocation, MsgSubmitEvidence};
use geodesic_proto::cosmos::slashing::v1beta1::MsgUnjail;
use geodesic_proto::cosmos::staking::v1beta1 as staking;
use geodesic_proto::cosmos::tx::v1beta1::{TxBody, TxRaw};
use geodesic_proto::geodesic::pow::v1::{MsgUpdateParticipant, Settings};
use geodesic_proto::prost_types::{Any, Timestamp};
use geodesic_testnet::driver::{
    DENOM, Guild, Habits, Net, Operator, PREFIX, Serves, Spec, check, create_validator,
};
use prost::Message;
use sha2::{Digest, Sha256};

fn coin(amount: u64) -> Coin {
    Coin { denom: DENOM.to_owned(), amount: amount.to_string() }
}

/// Runs messages of a wallet, which must succeed.
fn run(net: &mut Net, operator: &Operator, messages: Vec<Any>) {
    let result = net.run(&operator.wallet, messages).unwrap();
    assert_eq!(result.code, 0, "{}", result.log);
}

/// Every message that is not of the proof of compute.
fn cosmos(net: &mut Net) {
    let (first, second) = (Arc::clone(&net.operators[0]), Arc::clone(&net.operators[1]));
    let fifth = Operator::new(50).unwrap();
    let user = net.users[0].text.clone();
    let send = MsgSend {
        from_address: first.wallet.text.clone(),
        to_address: fifth.wallet.text.clone(),
        amount: vec![coin(5_000_000_000)],
    };
    let multi = MsgMultiSend {
        inputs: vec![Input { address: first.wallet.text.clone(), coins: vec![coin(30)] }],
        outputs: vec![
            Output { address: user.clone(), coins: vec![coin(10)] },
            Output { address: second.wallet.text.clone(), coins: vec![coin(20)] },
        ],
    };
    run(net, &first, vec![any::pack(&send), any::pack(&multi)]);
    let create = create_validator(&fifth, 2_000_000_000).unwrap();
    let vrf = fifth.vrf.register(&net.spec.chain_id, PREFIX, &fifth.wallet.text).unwrap();
    run(net, &fifth, vec![any::pack(&create), any::pack(&vrf)]);
    let (delegator_address, validator_address) = (first.wallet.text.clone(), first.wallet.valoper().unwrap());
    let edit = staking::MsgEditValidator {
        description: Some(staking::Description {
            moniker: "one".to_owned(),
            ..staking::Description::default()
        }),
        validator_address: validator_address.clone(),
        commission_rate: String::new(),
        min_self_delegation: String::new(),
    };
    let delegate = staking::MsgDelegate {
        delegator_address: delegator_address.clone(),
        validator_address: validator_address.clone(),
        amount: Some(coin(1_000_000_000)),
    };
    let undelegate = staking::MsgUndelegate {
        delegator_address: delegator_address.clone(),
        validator_address: validator_address.clone(),
        amount: Some(coin(300_000_000)),
    };
    let redelegate = staking::MsgBeginRedelegate {
        delegator_address: delegator_address.clone(),
        validator_src_address: validator_address.clone(),
        validator_dst_address: fifth.wallet.valoper().unwrap(),
        amount: Some(coin(200_000_000)),
    };
    let messages =
        vec![any::pack(&edit), any::pack(&delegate), any::pack(&undelegate), any::pack(&redelegate)];
    run(net, &first, messages);
    let cancel = staking::MsgCancelUnbondingDelegation {
        delegator_address,
        validator_address,
        amount: Some(coin(100_000_000)),
        creation_height: net.height(),
    };
    run(net, &first, vec![any::pack(&cancel)]);
}

/// Messages that are refused on this chain at this time: nobody is jailed for missing blocks, and evidence comes from
/// CometBFT alone.
fn refused(net: &mut Net) {
    let second = Arc::clone(&net.operators[1]);
    let unjail = MsgUnjail { validator_addr: second.wallet.valoper().unwrap() };
    let time = Some(Timestamp { seconds: 1_700_000_000, nanos: 0 });
    let consensus_address = Kind::Consensus.encode(PREFIX, &second.consensus_address).unwrap();
    let double_vote = Equivocation { height: 5, time, power: 1, consensus_address };
    let submit =
        MsgSubmitEvidence { submitter: second.wallet.text.clone(), evidence: Some(any::pack(&double_vote)) };
    let outcomes =
        [any::pack(&unjail), any::pack(&submit)].map(|m| net.run(&second.wallet, vec![m]).unwrap());
    let codes = outcomes.map(|r| (r.codespace, r.code));
    assert_eq!(codes, [("slashing".to_owned(), 5), ("evidence".to_owned(), 2)]);
}

/// What only the authority may; there is no way for it to sign, so all of them fail.
fn authority(net: &mut Net) {
    let user = Arc::clone(&net.users[0]);
    let pool = geodesic_proto::pool();
    for message in
        messages().into_iter().filter(|m| m.ends_with("UpdateParams") || m.ends_with("SetSendEnabled"))
    {
        let mut value =
            geodesic_proto::prost_reflect::DynamicMessage::new(pool.get_message_by_name(&message).unwrap());
        let text = geodesic_proto::prost_reflect::Value::String(user.text.clone());
        value.set_field_by_name("authority", text);
        let any = Any { type_url: format!("/{message}"), value: value.encode_to_vec() };
        let tx = net.sign(&user, vec![any]).unwrap();
        let check = net.offer(tx, &user.text).unwrap();
        if check.code == 0 {
            net.step().unwrap();
            assert_ne!(net.blocks.last().unwrap().response.tx_results[1].code, 0, "{message}");
        }
        let gov = Any {
            type_url: format!("/{message}"),
            value: {
                let text = module_address("gov").to_bech32(PREFIX);
                value.set_field_by_name("authority", geodesic_proto::prost_reflect::Value::String(text));
                value.encode_to_vec()
            },
        };
        let tx = net.sign(&user, vec![gov]).unwrap();
        assert_ne!(
            net.offer(tx, &user.text).unwrap().code,
            0,
            "{message} signed by another than the authority"
        );
    }
}

/// Every message that the chain executes.
fn messages() -> BTreeSet<String> {
    let services = geodesic_proto::pool().services().filter(|s| s.name() == "Msg");
    let methods = services.flat_map(|s| s.methods().collect::<Vec<_>>());
    let names = methods.map(|m| m.input().full_name().to_owned());
    names.filter(|name| router::is_known(&format!("/{name}"))).collect()
}

/// Messages of successful transactions.
fn executed(net: &Net) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for block in &net.blocks {
        for (tx, result) in block.request.txs.iter().zip(&block.response.tx_results) {
            let raw = TxRaw::decode(tx.clone()).unwrap();
            let body = TxBody::decode(raw.body_bytes.as_slice()).unwrap();
            if result.code == 0 {
                names.extend(body.messages.iter().map(|m| m.type_url.trim_start_matches('/').to_owned()));
            }
        }
    }
    names
}

#[test]
fn a_script_of_every_message() {
    let mut net = Net::new(Spec { chain_id: "frozen-1".to_owned(), ..Spec::default() }).unwrap();
    let honest = Habits::default();
    let habits = [
        honest,
        Habits { serves: Serves::OnChain, ..honest },
        Habits { lazy: true, ..honest },
        Habits { fakes: 20, ..honest },
    ];
    net.step().unwrap();
    let first = hex::encode(&net.blocks[0].response.app_hash);
    let mut guild = Guild::new(&net, &habits);
    play_epoch(&mut net, &mut guild);
    let epoch = hex::encode(&net.blocks.last().unwrap().response.app_hash);

    let lazy = Arc::clone(&net.operators[2]);
    let refill = MsgUpdateParticipant {
        sender: lazy.wallet.text.clone(),
        participant: lazy.wallet.text.clone(),
        settings: Some(Settings {
            agent: lazy.agent.text.clone(),
            agent_url: "http://127.0.0.1:1".to_owned(),
            certificate_hash: vec![8; 32],
            node_ids: vec![1, 2],
        }),
        refill: true,
        leave: false,
    };
    run(&mut net, &lazy, vec![any::pack(&refill)]);
    cosmos(&mut net);
    refused(&mut net);
    authority(&mut net);
    net.run_to(60).unwrap();
    check(&net).unwrap();

    let elsewhere = [
        "geodesic.pow.v1.MsgRegisterParticipant", // in genesis
        "cosmos.slashing.v1beta1.MsgUnjail",      // refused
        "cosmos.evidence.v1beta1.MsgSubmitEvidence",
    ];
    let executed = executed(&net);
    let missing: Vec<_> = messages()
        .into_iter()
        .filter(|m| !m.ends_with("UpdateParams") && !m.ends_with("SetSendEnabled"))
        .filter(|m| !executed.contains(m) && !elsewhere.contains(&m.as_str()))
        .collect();
    assert!(missing.is_empty(), "the script lacks {missing:?}");

    let mut results = Sha256::new();
    for block in &net.blocks {
        for r in &block.response.tx_results {
            results.update(format!("{} {} {} ", r.codespace, r.code, r.gas_used));
            results.update(&r.data);
        }
    }
    let last = hex::encode(&net.blocks.last().unwrap().response.app_hash);
    let results = hex::encode(results.finalize());
    let got = format!("height 1:  {first}\nepoch 0:   {epoch}\nheight 60: {last}\nresults:   {results}");
    insta::assert_snapshot!(got, @r"
    height 1:  7cddc67a16b01e47d3682a64bb323131b30583a77b6070a616d811b506ab8fd0
    epoch 0:   febe3a1159a14cbab1b1e92ffac431cfe12d516d2fdd073d8bb4f1586bdf5a2a
    height 60: 6ec711c91a2ce51e6aaa808c309c8f7c5ce31c10ec7c033749710bbea6f45e94
    results:   f9bba0e3cb1fe3340154df0b1b5bd445ef757ee639dfa7e9d4c8e8e8fcb52e68
    ");
}
