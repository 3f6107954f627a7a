//! Transactions that CometBFT has indexed.

use geodesic_core::QueryError;
use geodesic_proto::any;
use geodesic_proto::cosmos::base::abci::v1beta1::TxResponse;
use geodesic_proto::cosmos::base::query::v1beta1::PageResponse;
use geodesic_proto::cosmos::tx::v1beta1 as pb;
use geodesic_proto::prost::Message;
use geodesic_proto::tendermint::abci::{Event, EventAttribute};
use serde_json::{Value, json};

use super::comet::{ask, at, base64, block, number, text};
use super::tendermint::height_within;
use crate::query::QueryEnv;

/// Transactions on a page at most: CometBFT's own bound.
const PER_PAGE: u64 = 100;

/// The transaction in these bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<pb::Tx, QueryError> {
    let invalid =
        |e: geodesic_proto::prost::DecodeError| QueryError::InvalidArgument(format!("tx parse error: {e}"));
    let raw = pb::TxRaw::decode(bytes).map_err(invalid)?;
    Ok(pb::Tx {
        body: Some(pb::TxBody::decode(raw.body_bytes.as_slice()).map_err(invalid)?),
        auth_info: Some(pb::AuthInfo::decode(raw.auth_info_bytes.as_slice()).map_err(invalid)?),
        signatures: raw.signatures,
    })
}

/// The transaction of a hash in hex.
pub(super) fn get_tx(env: &QueryEnv<'_>, hash: &str) -> Result<pb::GetTxResponse, QueryError> {
    let hash = hash.trim_start_matches("0x");
    if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(QueryError::InvalidArgument(format!("hash {hash:?} is not 64 hexadecimal digits")));
    }
    let bytes: Vec<u8> = (0..32_usize)
        .filter_map(|i| hash.get(i.saturating_mul(2)..i.saturating_mul(2).saturating_add(2)))
        .filter_map(|pair| u8::from_str_radix(pair, 16).ok())
        .collect();
    let encoded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes);
    let answer = ask(env, "tx", json!({ "hash": encoded, "prove": false })).map_err(|e| match e {
        QueryError::NotFound(_) => QueryError::NotFound(format!("tx not found: {hash}")),
        other => other,
    })?;
    let (tx, tx_response) = response(env, &answer)?;
    Ok(pb::GetTxResponse { tx: Some(tx), tx_response: Some(tx_response) })
}

/// The transactions that match a query.
pub(super) fn get_txs(
    env: &QueryEnv<'_>,
    r: &pb::GetTxsEventRequest,
) -> Result<pb::GetTxsEventResponse, QueryError> {
    #[allow(deprecated)] // older clients send a list of conditions
    let query = if r.query.is_empty() { r.events.join(" AND ") } else { r.query.clone() };
    if query.is_empty() {
        return Err(QueryError::InvalidArgument("query cannot be empty".to_owned()));
    }
    let limit = match r.limit {
        0 => PER_PAGE,
        n => n.min(PER_PAGE),
    };
    let page = r.page.max(1);
    let order = if r.order_by == i32::from(pb::OrderBy::Desc) { "desc" } else { "asc" };
    let params = json!({ "query": query, "prove": false, "page": page.to_string(), "per_page": limit.to_string(), "order_by": order });
    let answer = ask(env, "tx_search", params)?;
    let list = answer.get("txs").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut response_list = pb::GetTxsEventResponse::default();
    for entry in &list {
        let (tx, tx_response) = response(env, entry)?;
        response_list.txs.push(tx);
        response_list.tx_responses.push(tx_response);
    }
    response_list.total =
        number(&answer, &["total_count"]).ok().and_then(|t| u64::try_from(t).ok()).unwrap_or(0);
    Ok(response_list)
}

/// A block with its transactions decoded; those that do not decode, such as garbage of a proposer, are left out.
pub(super) fn block_with_txs(
    env: &QueryEnv<'_>,
    r: &pb::GetBlockWithTxsRequest,
) -> Result<pb::GetBlockWithTxsResponse, QueryError> {
    let height = height_within(env, r.height)?;
    let (block_id, block) = block(env, Some(height))?;
    let all = block.data.as_ref().map(|d| d.txs.as_slice()).unwrap_or_default();
    let page = r.pagination.clone().unwrap_or_default();
    let skip = usize::try_from(page.offset).unwrap_or(usize::MAX);
    if skip >= all.len() && !all.is_empty() {
        let (count, offset, limit) = (all.len(), page.offset, page.limit);
        let text =
            format!("out of range: cannot paginate {count} txs with offset {offset} and limit {limit}");
        return Err(QueryError::InvalidArgument(text));
    }
    let take =
        usize::try_from(if page.limit == 0 { PER_PAGE } else { page.limit.min(PER_PAGE) }).unwrap_or(100);
    let forward = all.iter();
    let txs = match page.reverse {
        true => forward.rev().skip(skip).take(take).filter_map(|bytes| decode(bytes).ok()).collect(),
        false => forward.skip(skip).take(take).filter_map(|bytes| decode(bytes).ok()).collect(),
    };
    let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
    let pagination = Some(PageResponse { next_key: Vec::new(), total });
    Ok(pb::GetBlockWithTxsResponse { txs, block_id: Some(block_id), block: Some(block), pagination })
}

/// CometBFT's entry of a transaction as the SDK shows it.
fn response(env: &QueryEnv<'_>, entry: &Value) -> Result<(pb::Tx, TxResponse), QueryError> {
    let tx = decode(&base64(text(entry, &["tx"])?)?)?;
    let height = number(entry, &["height"])?;
    let of = |name: &str| text(entry, &["tx_result", name]).unwrap_or_default().to_owned();
    let code = at(entry, &["tx_result", "code"]).and_then(Value::as_u64).and_then(|c| u32::try_from(c).ok());
    let data = base64(&of("data"))?;
    let events = at(entry, &["tx_result", "events"]).and_then(Value::as_array).cloned().unwrap_or_default();
    let timestamp =
        u64::try_from(height).ok().and_then(|h| ask(env, "block", json!({ "height": h.to_string() })).ok());
    let timestamp =
        timestamp.as_ref().and_then(|b| text(b, &["block", "header", "time"]).ok()).unwrap_or_default();
    let tx_response = TxResponse {
        height,
        txhash: text(entry, &["hash"])?.to_owned(),
        codespace: of("codespace"),
        code: code.unwrap_or(0),
        data: data.iter().map(|b| format!("{b:02X}")).collect(),
        raw_log: of("log"),
        logs: Vec::new(),
        info: of("info"),
        gas_wanted: number(entry, &["tx_result", "gas_wanted"]).unwrap_or(0),
        gas_used: number(entry, &["tx_result", "gas_used"]).unwrap_or(0),
        tx: Some(any::pack(&tx)),
        timestamp: seconds(timestamp),
        events: events.iter().map(event).collect(),
    };
    Ok((tx, tx_response))
}

/// A time to the second, as the SDK prints it: `2025-01-01T00:00:00Z`.
fn seconds(time: &str) -> String {
    time.split_once('.').map_or_else(|| time.to_owned(), |(whole, _)| format!("{whole}Z"))
}

fn event(e: &Value) -> Event {
    let of = |v: &Value, name: &str| text(v, &[name]).unwrap_or_default().to_owned();
    let attributes = e.get("attributes").and_then(Value::as_array).cloned().unwrap_or_default();
    let attribute = |a: &Value| EventAttribute {
        key: of(a, "key"),
        value: of(a, "value"),
        index: a.get("index").and_then(Value::as_bool).unwrap_or(false),
    };
    Event { r#type: of(e, "type"), attributes: attributes.iter().map(attribute).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_to_the_second() {
        assert_eq!(seconds("2025-01-01T00:00:00.123456789Z"), "2025-01-01T00:00:00Z");
        assert_eq!(seconds("2025-01-01T00:00:00Z"), "2025-01-01T00:00:00Z");
    }
}
