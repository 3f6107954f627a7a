//! Between the types of ABCI and those of the chain.

use std::collections::BTreeSet;

use geodesic_core::{Event, TxError};
use geodesic_proto::prost::Message;
use geodesic_proto::tendermint::types::ConsensusParams;
use tendermint_proto::google::protobuf::Timestamp;
use tendermint_proto::v0_38::abci::{Event as AbciEvent, EventAttribute, ExecTxResult, ResponseCheckTx};
use tendermint_proto::v0_38::types::ConsensusParams as AbciParams;

use crate::deliver::Outcome;

const NANOS: i64 = 1_000_000_000;

/// Events, all indexed.
pub(crate) fn events(events: Vec<Event>) -> Vec<AbciEvent> {
    let attribute = |(key, value)| EventAttribute { key, value, index: true };
    let event = |e: Event| AbciEvent {
        r#type: e.kind,
        attributes: e.attributes.into_iter().map(attribute).collect(),
    };
    events.into_iter().map(event).collect()
}

/// Leaves the index to the attributes in `keys`, each `TYPE.KEY`; without keys all stay in it. What CometBFT indexes is no
/// part of consensus.
pub(crate) fn keep_indexed(events: &mut [AbciEvent], keys: &BTreeSet<String>) {
    if keys.is_empty() {
        return;
    }
    for event in events {
        let kind = &event.r#type;
        event.attributes.iter_mut().for_each(|a| a.index = keys.contains(&format!("{kind}.{}", a.key)));
    }
}

/// Events of a block with where they come from: `mode=BeginBlock` or `EndBlock`.
pub(crate) fn block_events(list: Vec<Event>, mode: &str) -> Vec<AbciEvent> {
    events(list.into_iter().map(|e| e.attr("mode", mode)).collect())
}

fn gas(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

/// Gas that was asked for. As in the SDK, what is above `i64::MAX` wraps around: -1 stands for no limit.
const fn wanted(amount: u64) -> i64 {
    amount.cast_signed()
}

/// Code, codespace and text of an error, or those of success.
pub(crate) fn error(e: Option<TxError>) -> (u32, String, String) {
    e.map_or((0, String::new(), String::new()), |e| (e.code, e.codespace.to_owned(), e.log))
}

/// The result of a transaction in a block.
pub(crate) fn tx_result(o: Outcome) -> ExecTxResult {
    let (code, codespace, log) = error(o.error);
    ExecTxResult {
        code,
        data: o.data.into(),
        log,
        info: String::new(),
        gas_wanted: wanted(o.gas_wanted),
        gas_used: gas(o.gas_used),
        events: events(o.events),
        codespace,
    }
}

/// The answer of the mempool.
pub(crate) fn check_result(o: Outcome) -> ResponseCheckTx {
    let (code, codespace, log) = error(o.error);
    ResponseCheckTx {
        code,
        data: o.data.into(),
        log,
        info: String::new(),
        gas_wanted: wanted(o.gas_wanted),
        gas_used: gas(o.gas_used),
        events: events(o.events),
        codespace,
    }
}

/// Nanoseconds since the Unix epoch; 0 if there is no time.
pub(crate) fn time_ns(time: Option<&Timestamp>) -> i64 {
    time.map_or(0, |t| t.seconds.saturating_mul(NANOS).saturating_add(i64::from(t.nanos)))
}

/// CometBFT's parameters in the chain's type, which has the same encoding.
pub(crate) fn params_in(params: &AbciParams) -> Option<ConsensusParams> {
    ConsensusParams::decode(prost::Message::encode_to_vec(params).as_slice()).ok()
}

/// The chain's parameters in ABCI's type, which has the same encoding.
pub(crate) fn params_out(params: &ConsensusParams) -> Option<AbciParams> {
    <AbciParams as prost::Message>::decode(params.encode_to_vec().as_slice()).ok()
}

/// A height that CometBFT sends; it never sends negative ones.
pub(crate) fn height(height: i64) -> u64 {
    u64::try_from(height).unwrap_or(0)
}

/// A height as CometBFT takes it.
pub(crate) fn height_out(height: u64) -> i64 {
    i64::try_from(height).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_chooses_what_is_indexed() {
        let event = || Event::new("transfer").attr("recipient", "a").attr("amount", "1ugeo");
        let indexed = |keys: &[&str]| {
            let mut list = events(vec![event()]);
            keep_indexed(&mut list, &keys.iter().map(|k| (*k).to_owned()).collect());
            list.iter().flat_map(|e| &e.attributes).map(|a| a.index).collect::<Vec<_>>()
        };
        assert_eq!(indexed(&[]), [true, true]);
        assert_eq!(indexed(&["transfer.recipient", "message.sender"]), [true, false]);
        assert_eq!(indexed(&["recipient"]), [false, false]);
    }
}
