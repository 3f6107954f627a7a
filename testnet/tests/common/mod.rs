//! What the tests ask of a network.
#![allow(dead_code)] // each test uses its part

use geodesic_proto::cosmos::bank::v1beta1::{QueryBalanceRequest, QueryBalanceResponse};
use geodesic_proto::cosmos::staking::v1beta1::{QueryValidatorRequest, QueryValidatorResponse, Validator};
use geodesic_proto::geodesic::pow::v1::{
    Case, QueryAccusationsRequest, QueryAccusationsResponse, QueryParticipantRequest,
    QueryParticipantResponse, QueryWeightsRequest, QueryWeightsResponse, VoidReason, Weight,
};
use geodesic_testnet::driver::{DENOM, Guild, Net, check};

/// Base units of an account.
pub(crate) fn balance(net: &Net, address: &str) -> u128 {
    let request = QueryBalanceRequest { address: address.to_owned(), denom: DENOM.to_owned() };
    let reply: QueryBalanceResponse = net.query("/cosmos.bank.v1beta1.Query/Balance", &request).unwrap();
    reply.balance.unwrap().amount.parse().unwrap()
}

/// The weight of an operator in an epoch, if it committed.
pub(crate) fn weight(net: &Net, epoch: u64, operator: usize) -> Option<Weight> {
    let request = QueryWeightsRequest { epoch, pagination: None };
    let reply: QueryWeightsResponse = net.query("/geodesic.pow.v1.Query/Weights", &request).unwrap();
    reply.weights.into_iter().find(|w| w.participant == net.operators[operator].wallet.text)
}

/// Why an operator has no weight; `Unspecified` if it has some.
pub(crate) fn void(net: &Net, epoch: u64, operator: usize) -> VoidReason {
    let weight = weight(net, epoch, operator).expect("a commitment");
    assert_eq!(weight.weight > 0, weight.void_reason() == VoidReason::Unspecified, "{weight:?}");
    weight.void_reason()
}

pub(crate) fn validator(net: &Net, operator: usize) -> Validator {
    let request = QueryValidatorRequest { validator_addr: net.operators[operator].wallet.valoper().unwrap() };
    let reply: QueryValidatorResponse =
        net.query("/cosmos.staking.v1beta1.Query/Validator", &request).unwrap();
    reply.validator.unwrap()
}

/// Whether the registration deposit is in place.
pub(crate) fn has_deposit(net: &Net, operator: usize) -> bool {
    let request = QueryParticipantRequest { participant: net.operators[operator].wallet.text.clone() };
    let reply: QueryParticipantResponse = net.query("/geodesic.pow.v1.Query/Participant", &request).unwrap();
    reply.participant.unwrap().deposit.is_some()
}

pub(crate) fn cases(net: &Net, epoch: u64) -> Vec<Case> {
    let request = QueryAccusationsRequest { epoch, pagination: None };
    let reply: QueryAccusationsResponse = net.query("/geodesic.pow.v1.Query/Accusations", &request).unwrap();
    reply.cases
}

/// Plays one whole epoch, with the invariants after every block, and returns its number.
pub(crate) fn play_epoch(net: &mut Net, guild: &mut Guild) -> u64 {
    if net.height() == 0 {
        net.step().unwrap();
    }
    let end = Guild::next_epoch(net).unwrap();
    while net.height() < end {
        guild.step(net).unwrap();
        check(net).unwrap();
    }
    u64::try_from(end / Guild::epoch_length(net).unwrap()).unwrap() - 1
}

/// Power in the set after the next block.
pub(crate) fn power(net: &Net, operator: usize) -> i64 {
    let address = net.operators[operator].consensus_address;
    let set = net.set(net.height() + 2).unwrap();
    set.iter().find(|m| m.address == address).map_or(0, |m| m.power)
}

/// SplitMix64.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n).unwrap()).unwrap()
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}
