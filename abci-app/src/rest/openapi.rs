//! The OpenAPI document of the REST interface, made from the descriptors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::routes::{Body, Route, Routes};

/// Where it is served if `[api] swagger = true`.
pub const PATH: &str = "/swagger/openapi.json";

/// Levels of messages that a query string spells out.
const DEPTH_MAX: usize = 4;

/// The document as JSON.
pub fn document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| build(Routes::get()).to_string())
}

fn build(routes: &Routes) -> Value {
    let mut schemas = Schemas::default();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    // Of two paths that differ in the name of a variable alone, the first is the one that answers.
    for route in routes.iter().filter(|r| seen.insert((r.verb.to_string(), r.template.shape()))) {
        let verb = route.verb.as_str().to_ascii_lowercase();
        paths.entry(route.template.openapi()).or_default().insert(verb, operation(route, &mut schemas));
    }
    let error = json!({ "type": "object", "properties": {
        "code": { "type": "integer", "format": "int32" },
        "message": { "type": "string" },
        "details": { "type": "array", "items": any() },
    } });
    let mut components = schemas.finish();
    components.insert("google.rpc.Status".to_owned(), error);
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Geodesic",
            "description": "REST interface, generated from the descriptors of its services.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": paths,
        "components": { "schemas": components },
    })
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let input = route.method.input();
    let mut parameters = Vec::new();
    for name in route.template.fields() {
        let schema = find(&input, name).map_or_else(|| json!({ "type": "string" }), |f| schemas.of(&f));
        parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
    }
    if route.body != Body::Whole {
        query_parameters(&input, "", DEPTH_MAX, route, schemas, &mut parameters);
    }
    let service = route.method.parent_service();
    let mut operation = json!({
        "operationId": format!("{}.{}", service.full_name(), route.method.name()),
        "tags": [service.full_name()],
        "parameters": parameters,
        "responses": {
            "200": { "description": "The answer.", "content": content(schemas.message(&route.method.output())) },
            "default": { "description": "An error.", "content": content(reference("google.rpc.Status")) },
        },
    });
    let body = match &route.body {
        Body::None => None,
        Body::Whole => Some(schemas.message(&input)),
        Body::Field(name) => find(&input, name).map(|f| schemas.of(&f)),
    };
    if let (Some(schema), Some(operation)) = (body, operation.as_object_mut()) {
        operation.insert("requestBody".to_owned(), json!({ "required": true, "content": content(schema) }));
    }
    operation
}

/// Fields that the path and the body leave to the query string, those of messages with a point.
fn query_parameters(
    message: &MessageDescriptor,
    before: &str,
    levels: usize,
    route: &Route,
    schemas: &mut Schemas,
    out: &mut Vec<Value>,
) {
    for field in message.fields() {
        let name = format!("{before}{}", field.name());
        let taken = route.template.fields().any(|f| f == name) || route.body == Body::Field(name.clone());
        match field.kind() {
            _ if taken => {}
            Kind::Message(inner) if well_known(&inner).is_none() => {
                if let (Some(below), false) = (levels.checked_sub(1), field.is_list()) {
                    query_parameters(&inner, &format!("{name}."), below, route, schemas, out);
                }
            }
            Kind::Message(inner) if inner.full_name() == "google.protobuf.Any" => {}
            _ => out.push(json!({ "name": name, "in": "query", "schema": schemas.of(&field) })),
        }
    }
}

/// The field at a dotted path.
fn find(message: &MessageDescriptor, path: &str) -> Option<FieldDescriptor> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let field = message.get_field_by_name(name)?;
    match (rest, field.kind()) {
        (None, _) => Some(field),
        (Some(rest), Kind::Message(inner)) => find(&inner, rest),
        (Some(_), _) => None,
    }
}

fn content(schema: Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn any() -> Value {
    json!({ "type": "object", "properties": { "@type": { "type": "string" } }, "additionalProperties": true })
}

fn well_known(message: &MessageDescriptor) -> Option<Value> {
    match message.full_name() {
        "google.protobuf.Any" => Some(any()),
        "google.protobuf.Timestamp" => Some(json!({ "type": "string", "format": "date-time" })),
        "google.protobuf.Duration" => Some(json!({ "type": "string", "example": "1.5s" })),
        _ => None,
    }
}

/// Messages that were named, each described once.
#[derive(Default)]
struct Schemas {
    named: BTreeSet<String>,
    open: Vec<MessageDescriptor>,
}

impl Schemas {
    /// The schema of a message, by reference.
    fn message(&mut self, message: &MessageDescriptor) -> Value {
        if let Some(known) = well_known(message) {
            return known;
        }
        if self.named.insert(message.full_name().to_owned()) {
            self.open.push(message.clone());
        }
        reference(message.full_name())
    }

    /// The schema of a field.
    fn of(&mut self, field: &FieldDescriptor) -> Value {
        let one = match field.kind() {
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({ "type": "integer", "format": "int32" }),
            Kind::Uint32 | Kind::Fixed32 => json!({ "type": "integer", "format": "int64" }),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({ "type": "string", "format": "int64" }),
            Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "format": "uint64" }),
            Kind::Float | Kind::Double => json!({ "type": "number" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "format": "byte" }),
            Kind::Enum(e) => {
                let names: Vec<String> = e.values().map(|v| v.name().to_owned()).collect();
                json!({ "type": "string", "enum": names })
            }
            Kind::Message(message) => self.message(&message),
        };
        if field.is_list() { json!({ "type": "array", "items": one }) } else { one }
    }

    /// All that were named, and what they name.
    fn finish(mut self) -> Map<String, Value> {
        let mut out = BTreeMap::new();
        while let Some(message) = self.open.pop() {
            let fields: Map<String, Value> =
                message.fields().map(|f| (f.name().to_owned(), self.of(&f))).collect();
            out.insert(message.full_name().to_owned(), json!({ "type": "object", "properties": fields }));
        }
        out.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references<'a>(value: &'a Value, out: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(object) => {
                out.extend(object.get("$ref").and_then(Value::as_str));
                object.values().for_each(|v| references(v, out));
            }
            Value::Array(list) => list.iter().for_each(|v| references(v, out)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_resolves_and_operations_differ() {
        let document: Value = serde_json::from_str(document()).unwrap();
        let mut named = BTreeSet::new();
        references(&document, &mut named);
        assert!(named.len() > 50, "{}", named.len());
        for name in named {
            let name = name.strip_prefix("#/components/schemas/").unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.len() > 60, "{}", paths.len());
        for (path, item) in paths {
            for parameter in
                item["get"]["parameters"].as_array().into_iter().flatten().filter(|p| p["in"] == "path")
            {
                assert!(path.contains(&format!("{{{}}}", parameter["name"].as_str().unwrap())), "{path}");
            }
        }
    }

    #[test]
    fn an_operation() {
        let document: Value = serde_json::from_str(document()).unwrap();
        let balance = &document["paths"]["/cosmos/bank/v1beta1/balances/{address}"]["get"];
        let names: Vec<_> =
            balance["parameters"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "address",
                "pagination.key",
                "pagination.offset",
                "pagination.limit",
                "pagination.count_total",
                "pagination.reverse",
                "resolve_denom",
            ]
        );
        assert_eq!(
            document["paths"]["/cosmos/tx/v1beta1/txs"]["post"]["requestBody"]["content"]["application/json"]
                ["schema"]["$ref"],
            "#/components/schemas/cosmos.tx.v1beta1.BroadcastTxRequest"
        );
    }
}
