//! Requests of web pages from elsewhere, let through if `app.toml` says so (`enabled-unsafe-cors`).

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

/// What a page may send: JSON, gRPC-web, a height.
const ALLOWED: &str = "Content-Type,X-Cosmos-Block-Height,Grpc-Metadata-X-Cosmos-Block-Height,X-Grpc-Web,X-User-Agent,Grpc-Timeout";

/// What a page may read.
const EXPOSED: &str = "Grpc-Metadata-X-Cosmos-Block-Height,X-Cosmos-Block-Height,Grpc-Status,Grpc-Message,Grpc-Status-Details-Bin,Grpc-Encoding";

/// The answer to a browser that asks what it may send; `None` for any other request.
pub(super) fn preflight<T>(request: &Request<T>) -> Option<Response<Body>> {
    if request.method() != Method::OPTIONS || !request.headers().contains_key(ORIGIN) {
        return None;
    }
    let mut response = Response::new(Body::empty());
    let wanted = request.headers().get(ACCESS_CONTROL_REQUEST_METHOD);
    *response.status_mut() = match wanted.map(HeaderValue::as_bytes) {
        None => StatusCode::BAD_REQUEST,
        Some(b"GET" | b"HEAD" | b"POST") => StatusCode::OK,
        Some(_) => StatusCode::METHOD_NOT_ALLOWED,
    };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,HEAD,POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    Some(response)
}

/// Lets any page read the answer.
pub(super) fn open(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}
