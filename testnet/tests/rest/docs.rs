//! `docs/rest.md` is what the descriptors and the application say.

use std::fmt::Write as _;
use std::path::Path;

use geodesic_app::rest::table;
use geodesic_core::QueryError;

use super::SERVICES;
use super::support::Rest;

const HEAD: &str = "# REST

Every path of the Cosmos SDK's services that `google.api.http` annotations name, made from the descriptors by
`UPDATE_DOCS=1 cargo test -p geodesic-testnet --test rest`. Other services, such as `geodesic.pow.v1.Query`, are served by the same rule; the
whole interface is at `/swagger/openapi.json` if `[api] swagger = true`. The SDK's API server has no paths for `cosmos.base.reflection`, nor has this
one: gRPC reflection v1 and v1alpha tell the same. \"by CometBFT\" answers 503 if the application runs without one.

Paths and query strings are read and errors written as grpc-gateway does it: names in snake case or camel case, `pagination.limit=5`, bytes in either base64,
`x-cosmos-block-height` for an earlier height. A path that is not here is answered `501 {\"code\":12,\"message\":\"Not Implemented\",\"details\":[]}`, a malformed
argument `400` with code 3, something that is not there `404` with code 5.
";

fn rendered(rest: &Rest) -> String {
    let env = rest.net.app(0).unwrap().query_env();
    let mut out = HEAD.to_owned();
    let rows = table(&SERVICES);
    for service in SERVICES {
        write!(out, "\n## {service}\n| | path | method | |\n|---|---|---|---|\n").unwrap();
        for row in rows.iter().filter(|row| row.grpc.split('/').nth(1) == Some(service)) {
            let method = row.grpc.rsplit('/').next().unwrap();
            let served = match env.grpc(&row.grpc, &[], 0) {
                _ if row.hidden => "not served: another path has the same form, in the SDK too",
                Err(QueryError::Unimplemented(_)) => panic!("nobody answers {}", row.grpc),
                _ if super::OF_COMETBFT.contains(&row.grpc.as_str()) => "by CometBFT",
                _ => "served",
            };
            writeln!(out, "| {} | `{}` | `{method}` | {served} |", row.verb, row.path).unwrap();
        }
    }
    out
}

#[test]
fn the_table_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/rest.md");
    let want = rendered(&Rest::new(|_| ()));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &want).unwrap();
    }
    let got = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        got == want,
        "docs/rest.md is stale: run UPDATE_DOCS=1 cargo test -p geodesic-testnet --test rest"
    );
}
