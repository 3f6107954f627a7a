//! Calls of the application's gRPC methods by name, with JSON in and out, over CometBFT's RPC or over gRPC.

use anyhow::{Context as _, bail};
use geodesic_client::address::{self, Kind};
use geodesic_client::grpc;
use geodesic_proto::json::{Options, bytes_to_value, value_to_bytes};
use geodesic_proto::pool;
use geodesic_proto::prost_reflect::MethodDescriptor;
use serde_json::Value;

use crate::context::Context;

/// The method that a path such as `/cosmos.bank.v1beta1.Query/Params` names.
///
/// # Errors
/// A path that is none, or that names a method this program does not know.
pub fn method(path: &str) -> anyhow::Result<MethodDescriptor> {
    let (service, name) = path.strip_prefix('/').unwrap_or(path).rsplit_once('/').with_context(|| {
        format!("{path:?} is no method, expected one such as /cosmos.bank.v1beta1.Query/Params")
    })?;
    let service =
        pool().get_service_by_name(service).with_context(|| format!("no service named {service:?}"))?;
    let found = service.methods().find(|method| method.name() == name);
    found.with_context(|| {
        let names: Vec<String> = service.methods().map(|method| method.name().to_owned()).collect();
        format!("{} has no method {name:?}; it has {}", service.full_name(), names.join(", "))
    })
}

/// The answer of a method at a height (the newest without one), as the SDK's JSON.
///
/// # Errors
/// A request that does not fit the method, a node that cannot be reached, or a refusal.
pub async fn query(ctx: &Context, path: &str, request: &Value, height: Option<u64>) -> anyhow::Result<Value> {
    let method = method(path)?;
    let bytes = value_to_bytes(method.input().full_name(), request, Options::default())?;
    let reply = match &ctx.grpc_addr {
        Some(address) => grpc::Client::new(address)?.query_raw(path, bytes, height).await?,
        None => ctx.rpc()?.abci_query(path, &bytes, height, false).await?.value,
    };
    bytes_to_value(method.output().full_name(), &reply, Options::default())
        .with_context(|| format!("answer to {path} cannot be read"))
}

/// The address that a user means by an address, or by the name of a key. Accounts and validators of the same bytes
/// stand for each other.
///
/// # Errors
/// Neither an address of this chain nor the name of a key.
pub fn resolve(ctx: &Context, kind: Kind, text: &str) -> anyhow::Result<String> {
    if let Ok((prefix, bytes)) = address::decode(text) {
        let same_bytes = [Kind::Account, Kind::Validator].map(|kind| kind.prefix(&ctx.prefix));
        if kind != Kind::Consensus && same_bytes.contains(&prefix) {
            return Ok(kind.encode(&ctx.prefix, &bytes)?);
        }
        kind.decode(&ctx.prefix, text)?;
        return Ok(text.to_owned());
    }
    match ctx.keyring().and_then(|keyring| Ok(keyring.get(text)?)) {
        Ok(record) => Ok(kind.encode(&ctx.prefix, &record.address())?),
        Err(error) => {
            bail!("{text:?} is neither an address ({}1...) nor a key: {error}", kind.prefix(&ctx.prefix))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Args;

    #[test]
    fn methods_are_found_or_their_neighbours_named() {
        assert_eq!(
            method("/cosmos.bank.v1beta1.Query/Balance").unwrap().input().name(),
            "QueryBalanceRequest"
        );
        assert!(method("/cosmos.bank.v1beta1.Query/Balanc").unwrap_err().to_string().contains("AllBalances"));
        assert!(method("/no.Such/Method").unwrap_err().to_string().contains("no service"));
        assert!(method("nothing").is_err());
    }

    #[test]
    fn addresses_by_kind() {
        let dir = tempfile::tempdir().unwrap();
        let args =
            Args { home: Some(dir.path().into()), keyring_backend: Some("test".into()), ..Args::default() };
        let ctx = Context::resolve_with(&args, |_| None).unwrap();
        let key = geodesic_client::key::SecretKey::random();
        ctx.keyring().unwrap().add("alice", &key).unwrap();
        let of = |kind: Kind| kind.encode("geo", &key.public().address()).unwrap();
        for (name, kind, text, want) in [
            ("an account", Kind::Account, of(Kind::Account), of(Kind::Account)),
            ("the account of a validator", Kind::Account, of(Kind::Validator), of(Kind::Account)),
            ("the validator of an account", Kind::Validator, of(Kind::Account), of(Kind::Validator)),
            ("a key", Kind::Account, "alice".to_owned(), of(Kind::Account)),
            ("a key's validator", Kind::Validator, "alice".to_owned(), of(Kind::Validator)),
        ] {
            assert_eq!(resolve(&ctx, kind, &text).unwrap(), want, "{name}");
        }
        let foreign = Kind::Account.encode("cosmos", &[1; 20]).unwrap();
        assert!(resolve(&ctx, Kind::Account, &foreign).unwrap_err().to_string().contains("expected geo"));
        assert!(resolve(&ctx, Kind::Account, "bob").unwrap_err().to_string().contains("neither an address"));
    }
}
