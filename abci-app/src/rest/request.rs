//! A REST request as the encoded request of its method.

use geodesic_proto::json::{self, Options};
use http::HeaderMap;
use serde_json::{Map, Value};

use super::params;
use super::response::Failure;
use super::routes::{Body, Route};
use crate::grpc;

/// The encoded request, out of the path's variables, the query string's pairs and the body.
///
/// # Errors
/// `InvalidArgument` names the parameter or field.
pub(super) fn encode(
    route: &Route,
    variables: Vec<(&str, String)>,
    pairs: Vec<(String, String)>,
    body: &[u8],
) -> Result<Vec<u8>, Failure> {
    let message = route.method.input();
    let mut object = match &route.body {
        Body::None => Map::new(),
        Body::Whole => match parse(body)? {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(object)) => object,
            Some(_) => return Err(Failure::argument("the body must be a JSON object")),
        },
        Body::Field(name) => parse(body)?.map(|value| (name.clone(), value)).into_iter().collect(),
    };
    if route.body != Body::Whole {
        params::fill(&mut object, &message, pairs).map_err(Failure::argument)?;
    }
    for (field, text) in variables {
        params::set(&mut object, &message, field, vec![text])
            .map_err(|e| Failure::argument(format!("type mismatch, parameter: {field}, error: {e}")))?;
    }
    // As grpc-gateway: unknown fields are skipped, and the bound on the body is the server's.
    let options = Options { ignore_unknown: true, ..Options::default() };
    json::value_to_bytes(message.full_name(), &Value::Object(object), options)
        .map_err(|e| Failure::argument(e.to_string()))
}

/// The first JSON value of a body; `None` if it is empty.
fn parse(body: &[u8]) -> Result<Option<Value>, Failure> {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter();
    values.next().transpose().map_err(|e| Failure::argument(format!("malformed JSON: {e}")))
}

/// The height that a request is about, 0 for the last.
///
/// # Errors
/// `InvalidArgument` if the header is no height.
pub(super) fn height(headers: &HeaderMap) -> Result<u64, Failure> {
    let prefixed = headers.get(PREFIXED);
    let Some(value) = headers.get(grpc::HEIGHT_HEADER).or(prefixed) else { return Ok(0) };
    grpc::parse_height(value.as_bytes()).map_err(Failure::argument)
}

/// The height header as grpc-gateway passes metadata.
pub(super) const PREFIXED: &str = "grpc-metadata-x-cosmos-block-height";

#[cfg(test)]
mod tests {
    use super::super::routes::Routes;
    use super::*;
    use geodesic_proto::cosmos::bank::v1beta1::QueryBalanceRequest;
    use geodesic_proto::cosmos::tx::v1beta1::{BroadcastTxRequest, SimulateRequest};
    use geodesic_proto::prost::Message;

    fn request(verb: http::Method, path: &str, query: &str, body: &str) -> Result<Vec<u8>, Failure> {
        let (route, variables) = Routes::get().find(&verb, path).unwrap();
        encode(route, variables, params::pairs(query).unwrap(), body.as_bytes())
    }

    #[test]
    fn path_and_query_string() {
        let path = "/cosmos/bank/v1beta1/balances/geo1abc/by_denom";
        for query in ["denom=ugeo", "denom=ugeo&address=other", "denom=ugeo&unknown=1"] {
            let bytes = request(http::Method::GET, path, query, "").unwrap();
            let got = QueryBalanceRequest::decode(bytes.as_slice()).unwrap();
            assert_eq!((got.address.as_str(), got.denom.as_str()), ("geo1abc", "ugeo"), "{query}");
        }
    }

    #[test]
    fn bodies_in_both_spellings() {
        for body in [
            r#"{"tx_bytes":"AQI=","mode":"BROADCAST_MODE_SYNC"}"#,
            r#"{"txBytes":"AQI=","mode":2,"later":true}"#,
            r#"{"txBytes":"AQI=","mode":"BROADCAST_MODE_SYNC"} trailing"#,
        ] {
            let bytes = request(http::Method::POST, "/cosmos/tx/v1beta1/txs", "mode=1", body).unwrap();
            let got = BroadcastTxRequest::decode(bytes.as_slice()).unwrap();
            assert_eq!((got.tx_bytes.as_slice(), got.mode), ([1, 2].as_slice(), 2), "{body}");
        }
    }

    /// As cosmpy sends it.
    #[test]
    fn a_transaction_with_typed_messages() {
        let body = r#"{"tx":{"body":{"messages":[{"@type":"/cosmos.bank.v1beta1.MsgSend","fromAddress":"a",
            "toAddress":"b","amount":[{"denom":"ugeo","amount":"1"}]}]},"authInfo":{"fee":{"gasLimit":"7"}},"signatures":["AA=="]}}"#;
        let bytes = request(http::Method::POST, "/cosmos/tx/v1beta1/simulate", "", body).unwrap();
        #[allow(deprecated)]
        let tx = SimulateRequest::decode(bytes.as_slice()).unwrap().tx.unwrap();
        assert_eq!(tx.body.unwrap().messages[0].type_url, "/cosmos.bank.v1beta1.MsgSend");
        assert_eq!(tx.auth_info.unwrap().fee.unwrap().gas_limit, 7);
    }

    #[test]
    fn what_cannot_be_meant() {
        for (verb, path, query, body, want) in [
            (http::Method::GET, "/cosmos/base/tendermint/v1beta1/blocks/x", "", "", "parameter: height"),
            (http::Method::GET, "/cosmos/bank/v1beta1/supply", "pagination.limit=x", "", "ParseUint"),
            (http::Method::POST, "/cosmos/tx/v1beta1/txs", "", "{", "malformed JSON"),
            (http::Method::POST, "/cosmos/tx/v1beta1/txs", "", "[]", "JSON object"),
            (http::Method::POST, "/cosmos/tx/v1beta1/txs", "", r#"{"tx_bytes":"*"}"#, "tx_bytes"),
            (
                http::Method::POST,
                "/cosmos/tx/v1beta1/encode",
                "",
                r#"{"tx":{"body":{"messages":[{"@type":"/x"}]}}}"#,
                "type URL",
            ),
        ] {
            let failure = request(verb, path, query, body).unwrap_err();
            assert_eq!(failure.code, tonic::Code::InvalidArgument, "{path}");
            assert!(failure.message.contains(want), "{path}: {}", failure.message);
        }
    }

    #[test]
    fn heights_of_headers() {
        for (name, value, want) in [
            ("x-cosmos-block-height", "7", Some(7)),
            ("Grpc-Metadata-X-Cosmos-Block-Height", "8", Some(8)),
            ("x-other", "9", Some(0)),
            ("x-cosmos-block-height", "-1", None),
            ("x-cosmos-block-height", "x", None),
            ("x-cosmos-block-height", "", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
            assert_eq!(height(&headers).ok(), want, "{name}: {value}");
        }
    }
}
