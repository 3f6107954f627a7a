//! CometBFT's JSON as the chain's protobuf types.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use geodesic_core::QueryError;
use geodesic_proto::prost::Message;
use geodesic_proto::tendermint::types as pb;
use serde_json::{Value, json};

use crate::query::QueryEnv;

fn unexpected(what: &str) -> QueryError {
    QueryError::Internal(format!("unexpected answer of CometBFT: {what}"))
}

/// Asks CometBFT.
///
/// # Errors
/// [`QueryError::Unavailable`] if there is none, [`QueryError::NotFound`] and the like as it says.
pub(super) fn ask(env: &QueryEnv<'_>, method: &str, params: Value) -> Result<Value, QueryError> {
    let node = env.node.ok_or_else(|| {
        QueryError::Unavailable(format!("{method} needs CometBFT, and this application runs without one"))
    })?;
    node.call(method, params).map_err(|e| {
        if e.contains("not found") || e.contains("must be less than or equal to") {
            QueryError::NotFound(e)
        } else {
            QueryError::Unavailable(e)
        }
    })
}

/// The text at a path of names.
pub(super) fn text<'a>(value: &'a Value, path: &[&str]) -> Result<&'a str, QueryError> {
    at(value, path).and_then(Value::as_str).ok_or_else(|| unexpected(&path.join(".")))
}

/// The number, sent as text, at a path of names.
pub(super) fn number(value: &Value, path: &[&str]) -> Result<i64, QueryError> {
    text(value, path)?.parse().map_err(|_| unexpected(&path.join(".")))
}

pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |v, name| v.get(name))
}

pub(super) fn base64(value: &str) -> Result<Vec<u8>, QueryError> {
    BASE64_STANDARD.decode(value).map_err(|_| unexpected("base64"))
}

/// A block and its id, of a height or the last one.
pub(super) fn block(env: &QueryEnv<'_>, height: Option<u64>) -> Result<(pb::BlockId, pb::Block), QueryError> {
    let params = height.map_or(json!({}), |h| json!({ "height": h.to_string() }));
    let answer = ask(env, "block", params)?;
    let block: tendermint::Block = parse(&answer, "block")?;
    let id: tendermint::block::Id = parse(&answer, "block_id")?;
    let block = tendermint_proto::v0_38::types::Block::from(block);
    let id = tendermint_proto::v0_38::types::BlockId::from(id);
    Ok((recode(&id)?, recode(&block)?))
}

fn parse<T: serde::de::DeserializeOwned>(answer: &Value, name: &str) -> Result<T, QueryError> {
    let value = answer.get(name).cloned().ok_or_else(|| unexpected(name))?;
    serde_json::from_value(value).map_err(|e| unexpected(&format!("{name}: {e}")))
}

/// The same message in the chain's own type.
fn recode<T: Message + Default>(message: &impl Message) -> Result<T, QueryError> {
    T::decode(message.encode_to_vec().as_slice()).map_err(|e| unexpected(&e.to_string()))
}
