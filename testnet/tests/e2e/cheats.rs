//! Operators that cheat, and what the chain says of them.

use geodesic_client::rpc::Client;
use geodesic_proto::cosmos::staking::v1beta1 as staking;
use geodesic_proto::geodesic::pow::v1 as pow;
use geodesic_proto::geodesic::pow::v1::{CaseKind, VoidReason};
use geodesic_proto::geodesic::seeds::v1 as seeds;
use geodesic_testnet::localnet::{Localnet, Node, join, setup, view};

/// Epochs within which a cheat must be seen; one is enough on a machine that keeps pace.
const PATIENCE: u64 = 4;

/// An operator that cheats.
pub(crate) struct Cheat {
    pub(crate) node: Node,
    /// Why its weight is to be void.
    reason: VoidReason,
    /// What is to be left of its collateral, of 100.
    left: u128,
    jailed: bool,
}

impl Cheat {
    /// The validator that invents its tags.
    pub(crate) fn lazy(node: Node) -> Self {
        Self { node, reason: VoidReason::FalseVerdict, left: 95, jailed: false }
    }
}

/// Compute without a node of its own: an operator whose mlnode fakes a fifth of its leaves, and whose agent may hide that.
pub(crate) async fn faker(network: &mut Localnet, hides: bool) -> Cheat {
    let first = network.nodes[0].clone();
    let node = join::add_operator(network, &first).await.unwrap();
    setup::start_mlnode(network, &node, &["--fault-fake-leaves", "0.2"]).unwrap();
    setup::init_agent(&node, &first).unwrap();
    let faults: &[&str] = if hides { &["--fault-refuse-fakes"] } else { &[] };
    setup::start_agent(network, &node, faults).unwrap();
    match hides {
        true => Cheat { node, reason: VoidReason::UnansweredDemand, left: 100, jailed: false },
        false => Cheat { node, reason: VoidReason::Fraud, left: 90, jailed: true },
    }
}

pub(crate) fn client(network: &Localnet) -> Client {
    Client::new(&network.nodes[0].url()).unwrap()
}

/// Waits until an epoch is settled.
pub(crate) async fn settled(network: &Localnet, epoch: u64) {
    let is_settled = |now: &geodesic_testnet::localnet::chain::Now| {
        now.epoch.index > epoch || (now.epoch.index == epoch && now.height > now.epoch.settle)
    };
    view::watch(network, is_settled, false).await.unwrap();
}

async fn participant(client: &Client, operator: &str) -> pow::Participant {
    let request = pow::QueryParticipantRequest { participant: operator.to_owned() };
    let reply: pow::QueryParticipantResponse =
        client.query("/geodesic.pow.v1.Query/Participant", &request).await.unwrap();
    reply.participant.unwrap()
}

pub(crate) async fn weight(client: &Client, epoch: u64, operator: &str) -> Option<pow::Weight> {
    let request = pow::QueryWeightsRequest { epoch, pagination: None };
    let reply: pow::QueryWeightsResponse =
        client.query("/geodesic.pow.v1.Query/Weights", &request).await.unwrap();
    reply.weights.into_iter().find(|w| w.participant == operator)
}

async fn validator(client: &Client, operator: &str) -> staking::Validator {
    let (_, bytes) = geodesic_client::address::decode(operator).unwrap();
    let validator_addr = geodesic_client::address::encode("geovaloper", &bytes).unwrap();
    let request = staking::QueryValidatorRequest { validator_addr };
    let reply: staking::QueryValidatorResponse =
        client.query("/cosmos.staking.v1beta1.Query/Validator", &request).await.unwrap();
    reply.validator.unwrap()
}

/// The epoch in which a cheat was caught, with the consequences that the chain has for it.
pub(crate) async fn caught(network: &Localnet, cheat: &Cheat) -> u64 {
    let (client, operator) = (client(network), &cheat.node.operator);
    let from = participant(&client, operator).await.active_from;
    let collateral: u128 = setup::STAKE.trim_end_matches("ugeo").parse().unwrap();
    let mut seen = Vec::new();
    for epoch in from..from + PATIENCE {
        settled(network, epoch).await;
        let weight = weight(&client, epoch, operator).await;
        if weight.as_ref().is_none_or(|w| w.void_reason() != cheat.reason) {
            assert!(weight.as_ref().is_none_or(|w| w.weight == 0), "{operator} cheats and has {weight:?}");
            seen.push((epoch, weight.map(|w| w.void_reason())));
            continue;
        }
        assert_eq!(weight.unwrap().weight, 0);
        let validator = validator(&client, operator).await;
        assert_eq!(validator.tokens, (collateral * cheat.left / 100).to_string(), "{:?}", cheat.reason);
        assert_eq!(validator.jailed, cheat.jailed, "{:?}", cheat.reason);
        let deposit = participant(&client, operator).await.deposit;
        assert_eq!(deposit.is_some(), cheat.left == 100, "{:?}: {deposit:?}", cheat.reason);
        return epoch;
    }
    panic!("{operator} was to have no weight by {:?}, but had {seen:?}", cheat.reason);
}

/// A nonce of a prover that was accused in an epoch.
pub(crate) async fn accused_nonce(network: &Localnet, epoch: u64, prover: &str) -> u64 {
    let request = pow::QueryAccusationsRequest { epoch, pagination: None };
    let reply: pow::QueryAccusationsResponse =
        client(network).query("/geodesic.pow.v1.Query/Accusations", &request).await.unwrap();
    let case = reply.cases.iter().find(|c| c.kind() == CaseKind::Leaf && c.accused == prover);
    case.unwrap_or_else(|| panic!("no leaf of {prover} among {:?}", reply.cases)).nonce
}

/// A nonce of a prover that honest auditors sampled, and nobody else.
pub(crate) async fn sampled_nonce(network: &Localnet, epoch: u64, prover: &str, liar: &str) -> u64 {
    let client = client(network);
    let (mut honest, mut others) = (Vec::new(), Vec::new());
    for node in &network.nodes {
        let request =
            pow::QueryVerdictDutiesRequest { epoch, auditor: node.operator.clone(), pagination: None };
        let reply: pow::QueryVerdictDutiesResponse =
            client.query("/geodesic.pow.v1.Query/VerdictDuties", &request).await.unwrap();
        let duties = reply.duties.into_iter().filter(|d| d.prover == prover);
        let nonces = duties.flat_map(|d| d.samples).map(|s| s.nonce);
        if node.operator == liar { others.extend(nonces) } else { honest.extend(nonces) }
    }
    let nonce = honest.iter().find(|nonce| !others.contains(nonce));
    *nonce.unwrap_or_else(|| panic!("nobody honest sampled {prover} in epoch {epoch}"))
}

/// That no height lacked the proofs of the honest, and none had that of the one who sends garbage: all but one of the validators.
pub(crate) async fn beacons_without_the_liar(network: &Localnet, validators: u32, to: u64) {
    let client = client(network);
    for height in 3..to {
        let reply: seeds::QueryBeaconResponse = client
            .query("/geodesic.seeds.v1.Query/Beacon", &seeds::QueryBeaconRequest { height })
            .await
            .unwrap();
        let beacon = reply.beacon.unwrap();
        assert_eq!(beacon.source(), seeds::BeaconSource::Vrf, "height {height}");
        assert!(beacon.contributors > 0 && beacon.contributors < validators, "height {height}: {beacon:?}");
    }
}
