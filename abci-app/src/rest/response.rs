//! Answers and errors, as grpc-gateway gives them.

use axum::body::Body;
use geodesic_core::QueryError;
use geodesic_proto::json::{self, JsonError, Options};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use tonic::Code;

use super::request::PREFIXED;
use crate::grpc;

/// Why there is no answer: a gRPC code and a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) message: String,
}

impl Failure {
    /// A request that cannot be meant.
    pub(super) fn argument(message: impl Into<String>) -> Self {
        Self { code: Code::InvalidArgument, message: message.into() }
    }

    /// A path that nobody answers, or not with this verb.
    pub(super) fn unknown_path() -> Self {
        Self { code: Code::Unimplemented, message: "Not Implemented".to_owned() }
    }
}

impl From<QueryError> for Failure {
    fn from(e: QueryError) -> Self {
        Self { code: grpc::code(&e), message: e.to_string() }
    }
}

impl From<JsonError> for Failure {
    fn from(e: JsonError) -> Self {
        Self { code: Code::Internal, message: e.to_string() }
    }
}

/// The status of a code (grpc-gateway's `HTTPStatusFromCode`).
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::Cancelled => StatusCode::REQUEST_TIMEOUT,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// JSON with a status.
pub(super) fn json(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The JSON of an encoded response.
///
/// # Errors
/// `Internal` if the message has no JSON form.
pub(super) fn text(message: &str, bytes: &[u8]) -> Result<String, Failure> {
    Ok(json::bytes_to_json(message, bytes, Options::default())?)
}

/// An answer of a height.
pub(super) fn answer(text: String, height: u64) -> Response<Body> {
    let mut response = json(StatusCode::OK, text);
    let headers = response.headers_mut();
    headers.insert("grpc-metadata-content-type", HeaderValue::from_static("application/grpc"));
    headers.insert(PREFIXED, HeaderValue::from(height));
    response
}

/// `{"code":12,"message":"Not Implemented","details":[]}` with the status of the code.
pub(super) fn failure(failure: &Failure) -> Response<Body> {
    with_status(failure, http_status(failure.code))
}

/// The same with another status.
pub(super) fn with_status(failure: &Failure, status: StatusCode) -> Response<Body> {
    let mut text = serde_json::Value::from(failure.message.as_str()).to_string();
    // Go's JSON escapes what HTML could take for its own.
    for (plain, escaped) in [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026")] {
        text = text.replace(plain, escaped);
    }
    let code = i32::from(failure.code);
    json(status, format!(r#"{{"code":{code},"message":{text},"details":[]}}"#))
}

/// The same path in its canonical form, where clients are sent.
pub(super) fn moved(location: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(value) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn errors_as_wallets_know_them() {
        for (failed, status, text) in [
            (Failure::unknown_path(), 501, r#"{"code":12,"message":"Not Implemented","details":[]}"#),
            (
                Failure::argument("a <b> \"c\""),
                400,
                r#"{"code":3,"message":"a \u003cb\u003e \"c\"","details":[]}"#,
            ),
            (QueryError::NotFound("x".into()).into(), 404, r#"{"code":5,"message":"x","details":[]}"#),
            (QueryError::Unavailable("x".into()).into(), 503, r#"{"code":14,"message":"x","details":[]}"#),
            (QueryError::Unknown("x".into()).into(), 500, r#"{"code":2,"message":"x","details":[]}"#),
        ] {
            let response = failure(&failed);
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()["content-type"], "application/json");
            let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
            assert_eq!(body, text);
        }
    }
}
