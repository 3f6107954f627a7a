//! The table of REST paths, compiled from the `google.api.http` annotations of the services.

use std::sync::OnceLock;

use geodesic_proto::pool;
use prost_reflect::{DynamicMessage, MethodDescriptor, ReflectMessage as _, ServiceDescriptor, Value};

use super::template::{Parts, Template};
use crate::{router, services};

/// What a request's body holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// Nothing: the query string completes the path.
    None,
    /// The whole request, so that the query string means nothing.
    Whole,
    /// One of its fields.
    Field(String),
}

/// One path of one method.
#[derive(Debug, Clone)]
pub(super) struct Route {
    /// `GET`, `POST`, ...
    pub(super) verb: http::Method,
    /// Its path.
    pub(super) template: Template,
    /// What the body holds.
    pub(super) body: Body,
    /// The method that answers.
    pub(super) method: MethodDescriptor,
}

impl Route {
    /// `/service/method`.
    pub(super) fn grpc_path(&self) -> String {
        format!("/{}/{}", self.method.parent_service().full_name(), self.method.name())
    }
}

/// Every path, those with literal text before those with variables, else in the order of the files.
pub(super) struct Routes(Vec<Route>);

impl Routes {
    /// The paths of the services that this application answers, built on first use.
    pub(super) fn get() -> &'static Self {
        static ROUTES: OnceLock<Routes> = OnceLock::new();
        ROUTES.get_or_init(|| {
            let names = router::services().into_iter().chain(services::SERVICES.iter().copied());
            Self::of(names)
        })
    }

    /// The paths of some services.
    pub(super) fn of<'a>(services: impl IntoIterator<Item = &'a str>) -> Self {
        let found = services.into_iter().filter_map(|name| pool().get_service_by_name(name));
        let mut routes: Vec<Route> = found.flat_map(|service| of_service(&service)).collect();
        routes.sort_by(|a, b| a.template.precedence(&b.template));
        Self(routes)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }

    /// The route of a decoded path, with the values of its variables.
    pub(super) fn find(&self, verb: &http::Method, path: &str) -> Option<(&Route, Vec<(&str, String)>)> {
        let parts = Parts::new(path)?;
        let mut of_verb = self.0.iter().filter(|route| route.verb == *verb);
        of_verb.find_map(|route| Some((route, route.template.matches(&parts)?)))
    }
}

/// A path of the interface, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `GET`, `POST`, ...
    pub verb: String,
    /// With `{field}` for variables.
    pub path: String,
    /// `/service/method`.
    pub grpc: String,
    /// Whether an earlier path has the same shape, so that this one is never reached.
    pub hidden: bool,
}

/// Every path that services have in the interface, served here or not, in the order of matching.
pub fn table(services: &[&str]) -> Vec<Row> {
    let mut seen = std::collections::BTreeSet::new();
    let row = |route: &Route| Row {
        verb: route.verb.to_string(),
        path: route.template.openapi(),
        grpc: route.grpc_path(),
        hidden: !seen.insert((route.verb.to_string(), route.template.shape())),
    };
    Routes::of(services.iter().copied()).iter().map(row).collect()
}

/// The annotated paths of a service, in the order of its file.
fn of_service(service: &ServiceDescriptor) -> Vec<Route> {
    let Some(http) = pool().get_extension_by_name("google.api.http") else { return Vec::new() };
    let mut routes = Vec::new();
    for method in service.methods().filter(|m| !m.is_client_streaming() && !m.is_server_streaming()) {
        let options = method.options();
        if !options.has_extension(&http) {
            continue;
        }
        if let Value::Message(rule) = options.get_extension(&http).as_ref() {
            let more = rule.get_field_by_name("additional_bindings");
            let more = more.as_deref().and_then(Value::as_list).unwrap_or_default();
            let rules = std::iter::once(rule).chain(more.iter().filter_map(Value::as_message));
            routes.extend(rules.filter_map(|rule| route(rule, &method)));
        }
    }
    routes
}

/// The route of one `google.api.HttpRule`.
fn route(rule: &DynamicMessage, method: &MethodDescriptor) -> Option<Route> {
    let text = |name: &str| {
        let value = rule.get_field_by_name(name)?;
        value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let verbs = [
        ("get", http::Method::GET),
        ("put", http::Method::PUT),
        ("post", http::Method::POST),
        ("delete", http::Method::DELETE),
        ("patch", http::Method::PATCH),
    ];
    let (verb, path) = verbs.into_iter().find_map(|(name, verb)| Some((verb, text(name)?)))?;
    let body = match text("body") {
        None => Body::None,
        Some(all) if all == "*" => Body::Whole,
        Some(field) => Body::Field(field),
    };
    debug_assert!(rule.descriptor().full_name() == "google.api.HttpRule");
    Some(Route { verb, template: Template::parse(&path)?, body, method: method.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every annotation of the interface becomes a route: none is malformed.
    #[test]
    fn every_annotation_is_understood() {
        let http = pool().get_extension_by_name("google.api.http").unwrap();
        for service in pool().services() {
            let annotated = service.methods().filter(|m| m.options().has_extension(&http)).count();
            let routed: std::collections::BTreeSet<_> =
                of_service(&service).iter().map(|r| r.method.name().to_owned()).collect();
            assert_eq!(routed.len(), annotated, "{}", service.full_name());
        }
        assert!(
            Routes::of(
                pool()
                    .services()
                    .map(|s| s.full_name().to_owned())
                    .collect::<Vec<_>>()
                    .iter()
                    .map(String::as_str)
            )
            .0
            .len()
                > 100
        );
    }

    #[test]
    fn literal_paths_are_not_values() {
        let routes = Routes::get();
        let name =
            |path: &str| routes.find(&http::Method::GET, path).map(|(r, _)| r.method.name().to_owned());
        for (path, method) in [
            ("/cosmos/base/tendermint/v1beta1/blocks/latest", Some("GetLatestBlock")),
            ("/cosmos/base/tendermint/v1beta1/blocks/7", Some("GetBlockByHeight")),
            ("/cosmos/tx/v1beta1/txs", Some("GetTxsEvent")),
            ("/cosmos/tx/v1beta1/txs/AB", Some("GetTx")),
            ("/cosmos/tx/v1beta1/txs/block/7", Some("GetBlockWithTxs")),
            ("/cosmos/bank/v1beta1/supply/by_denom", Some("SupplyOf")),
            ("/cosmos/bank/v1beta1/supply/by_denom/", None),
            ("/cosmos/gov/v1/proposals", None),
        ] {
            assert_eq!(name(path).as_deref(), method, "{path}");
        }
    }
}
