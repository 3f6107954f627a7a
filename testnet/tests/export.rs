//! A state that is exported and imported again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use geodesic_proto::any;
use geodesic_proto::cosmos::base::v1beta1::Coin;
use geodesic_proto::cosmos::staking::v1beta1::{MsgDelegate, MsgUndelegate};
use geodesic_testnet::driver::{DENOM, Guild, Habits, Net, Spec, check};
use serde_json::Value;

/// Fields of modules in which two states differ.
fn differences(a: &Value, b: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for (module, state) in a.as_object().unwrap() {
        for (field, value) in state.as_object().into_iter().flatten() {
            if b[module][field] != *value {
                names.push(format!("{module}.{field}: {value} and {}", b[module][field]));
            }
        }
    }
    names
}

/// THREATS 1, number 24: what one chain exports another takes, whatever part of the epoch it is in; its validators are the
/// same, and both go on in the same way.
#[test]
fn what_is_exported_is_imported() {
    let mut net = Net::new(Spec::default()).unwrap();
    let honest = Habits::default();
    let mut guild =
        Guild::new(&net, &[honest, honest, honest, Habits { fakes: 20, claims: false, ..honest }]);
    guild.run_to(&mut net, 3).unwrap();
    let user = Arc::clone(&net.users[0]);
    let (delegator_address, validator_address) =
        (user.text.clone(), net.operators[0].wallet.valoper().unwrap());
    let amount = |n: u64| Some(Coin { denom: DENOM.to_owned(), amount: n.to_string() });
    let delegate = MsgDelegate {
        delegator_address: delegator_address.clone(),
        validator_address: validator_address.clone(),
        amount: amount(5_000_000_000),
    };
    let undelegate = MsgUndelegate { delegator_address, validator_address, amount: amount(2_000_000_000) };
    net.send(&user, vec![any::pack(&delegate), any::pack(&undelegate)]).unwrap();
    while net.height() < 30 {
        guild.step(&mut net).unwrap();
        check(&net).unwrap();
        let (old, new) = net.fork(25).unwrap_or_else(|e| panic!("height {}: {e:?}", net.height()));
        let differences = differences(&old, &new);
        assert!(differences.is_empty(), "height {}: {differences:#?}", net.height());
    }
}
