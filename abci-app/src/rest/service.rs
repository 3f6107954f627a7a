//! One request, from its path to its answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;
use tonic::Code;
use tonic::service::Routes as GrpcRoutes;
use tower::{Layer as _, ServiceExt as _};

use super::response::Failure;
use super::routes::{Route, Routes};
use super::{Settings, cors, openapi, params, request, response};
use crate::app::App;

/// Longest path and query string.
const URI_MAX: usize = 32 << 10;

/// Queries worked on at a time; more wait.
const WORKERS: usize = 32;

/// An answer takes no longer.
const TIMEOUT: Duration = Duration::from_secs(30);

const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// What answers requests. Clones share it.
#[derive(Clone)]
pub(super) struct Service(Arc<Inner>);

struct Inner {
    app: App,
    settings: Settings,
    grpc: Option<GrpcRoutes>,
    workers: Arc<Semaphore>,
}

impl Service {
    /// `grpc`: what gRPC-web calls; `None` if it is not served.
    pub(super) fn new(app: App, settings: Settings, grpc: Option<GrpcRoutes>) -> Self {
        Self(Arc::new(Inner { app, settings, grpc, workers: Arc::new(Semaphore::new(WORKERS)) }))
    }

    /// Bounds of the server.
    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The answer; errors are answers too.
    pub(super) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let cors = self.0.settings.cors;
        if let Some(answer) = cors.then(|| cors::preflight(&request)).flatten() {
            return answer;
        }
        let mut answer = match self.route(request).await {
            Ok(answer) => answer,
            Err(failure) => response::failure(&failure),
        };
        if cors {
            cors::open(answer.headers_mut());
        }
        answer
    }

    async fn route(&self, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let uri = request.uri();
        let query = uri.query().unwrap_or_default();
        if uri.path().len().saturating_add(query.len()) > URI_MAX {
            let failure = Failure::argument(format!("the URI is longer than {URI_MAX} bytes"));
            return Ok(response::with_status(&failure, StatusCode::URI_TOO_LONG));
        }
        if let Some(grpc) = self.0.grpc.as_ref().filter(|_| is_grpc_web(&request)) {
            return self.grpc_web(grpc.clone(), request).await;
        }
        if let Some(path) = cleaned(uri.path()) {
            let mark = if uri.query().is_some() { "?" } else { "" };
            return Ok(response::moved(&format!("{path}{mark}{query}")));
        }
        let path = params::unescape(uri.path(), false).map_err(Failure::argument)?;
        if self.0.settings.swagger && path == openapi::PATH && request.method() == Method::GET {
            return Ok(response::json(StatusCode::OK, openapi::document()));
        }
        let routes = Routes::get();
        if let Some((route, variables)) = routes.find(request.method(), &path) {
            let pairs = params::pairs(query).map_err(Failure::argument)?;
            return self.call(route, variables, pairs, request).await;
        }
        // A form in the body of a POST stands for a long query string.
        let is_form = request.method() == Method::POST && content_type(&request) == FORM;
        let Some((route, variables)) = is_form.then(|| routes.find(&Method::GET, &path)).flatten() else {
            return Err(Failure::unknown_path());
        };
        let mut pairs = params::pairs(query).map_err(Failure::argument)?;
        let (parts, body) = request.into_parts();
        let form = self.body(body).await?;
        let form = std::str::from_utf8(&form).map_err(|e| Failure::argument(e.to_string()))?;
        pairs.extend(params::pairs(form).map_err(Failure::argument)?);
        self.call(route, variables, pairs, Request::from_parts(parts, Body::empty())).await
    }

    async fn call(
        &self,
        route: &Route,
        variables: Vec<(&str, String)>,
        pairs: Vec<(String, String)>,
        request: Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        let height = request::height(request.headers())?;
        let body = self.body(request.into_body()).await?;
        let (app, path) = (self.0.app.clone(), route.grpc_path());
        let (output, data) = (route.method.output(), request::encode(route, variables, pairs, &body)?);
        let work = async {
            let permit = self.0.workers.clone().acquire_owned().await;
            // As in gRPC, off the runtime's threads; the permit is kept until the work has ended.
            let work = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                let (value, at) = app.query_env().grpc(&path, &data, height)?;
                Ok::<_, Failure>((response::text(output.full_name(), &value)?, at))
            });
            work.await
                .map_err(|_| Failure { code: Code::Internal, message: "the query did not end".to_owned() })?
        };
        let late =
            || Failure { code: Code::DeadlineExceeded, message: "context deadline exceeded".to_owned() };
        let (text, at) = tokio::time::timeout(TIMEOUT, work).await.map_err(|_| late())??;
        Ok(response::answer(text, at))
    }

    /// A whole body within the bounds of size and time.
    async fn body(&self, body: Body) -> Result<Bytes, Failure> {
        let settings = &self.0.settings;
        let whole =
            tokio::time::timeout(settings.read_timeout, to_bytes(body, settings.max_body_bytes)).await;
        let late =
            || Failure { code: Code::DeadlineExceeded, message: "the body came too slowly".to_owned() };
        whole.map_err(|_| late())?.map_err(|e| {
            Failure::argument(format!(
                "http: request body too large or broken off, at most {}: {e}",
                settings.max_body_bytes
            ))
        })
    }

    /// The call goes to the services that gRPC serves; its body is bounded like any other.
    async fn grpc_web(&self, grpc: GrpcRoutes, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, Body::from(self.body(body).await?));
        let answer = tonic_web::GrpcWebLayer::new().layer(grpc).oneshot(request).await;
        match answer {
            Ok(answer) => Ok(answer.map(Body::new)),
            Err(never) => match never {},
        }
    }
}

fn content_type<T>(request: &Request<T>) -> &[u8] {
    request.headers().get(CONTENT_TYPE).map_or(&[], |value| value.as_bytes())
}

fn is_grpc_web<T>(request: &Request<T>) -> bool {
    request.method() == Method::POST && content_type(request).starts_with(b"application/grpc-web")
}

/// The path without empty parts and dots, if it has some: clients put a slash too many between address and path.
fn cleaned(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let slash = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    let clean = format!("/{}{slash}", parts.join("/"));
    (clean != path).then_some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        for (path, want) in [
            ("/", None),
            ("/a/b", None),
            ("/a/b/", None),
            ("//a/b", Some("/a/b")),
            ("/a//b/", Some("/a/b/")),
            ("/a/../b/./c", Some("/b/c")),
            ("//", Some("/")),
            ("/..", Some("/")),
        ] {
            assert_eq!(cleaned(path).as_deref(), want, "{path}");
        }
    }
}
