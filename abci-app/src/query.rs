//! Queries, the same for ABCI and gRPC: one handler a query, on one snapshot.

use geodesic_core::{BlockInfo, Ctx, QueryError, Sdk, StateError, StoreId, TxError};
use geodesic_store::{Error as StoreError, Store};
use tendermint_proto::v0_38::abci::{RequestQuery, ResponseQuery};
use tendermint_proto::v0_38::crypto::{ProofOp, ProofOps};

use crate::block::state_on;
use crate::config::AppConfig;
use crate::node::NodeRpc;
use crate::tx::Verifier;
use crate::{convert, info, router, services};

/// What queries are answered from.
#[derive(Clone, Copy)]
pub struct QueryEnv<'a> {
    /// The store.
    pub store: &'a Store,
    /// Settings, which a query shows.
    pub config: &'a AppConfig,
    /// For simulations.
    pub verifier: &'a Verifier,
    /// CometBFT, if the daemon runs under one.
    pub node: Option<&'a dyn NodeRpc>,
}

impl QueryEnv<'_> {
    /// A context on the committed state of a height; 0 is the last one.
    ///
    /// # Errors
    /// [`QueryError::InvalidArgument`] if the height is not kept, [`QueryError::Unavailable`] before the first block.
    pub fn ctx(&self, height: u64) -> Result<Ctx, QueryError> {
        let snapshot = match height {
            0 => self.store.snapshot(),
            h => self.store.snapshot_at(h).map_err(unavailable)?,
        };
        let state = state_on(&snapshot);
        let block: Option<BlockInfo> = info::load(&state)?;
        let block = block.ok_or_else(|| QueryError::Unavailable("no block is committed yet".to_owned()))?;
        Ok(Ctx::new(block, state))
    }

    /// Answers `/service/method` at a height; returns the encoded response and the height it is of.
    ///
    /// # Errors
    /// [`QueryError`], which each transport turns into its own.
    pub fn grpc(&self, path: &str, request: &[u8], height: u64) -> Result<(Vec<u8>, u64), QueryError> {
        let ctx = self.ctx(height)?;
        let at = ctx.block.height;
        Ok((services::call(self, ctx, path, request)?, at))
    }
}

fn unavailable(e: StoreError) -> QueryError {
    match e {
        StoreError::Unavailable { .. } | StoreError::NoProof { .. } | StoreError::EmptyStore(_) => {
            QueryError::InvalidArgument(e.to_string())
        }
        StoreError::UnknownStore(_) => QueryError::NotFound(e.to_string()),
        e => QueryError::Internal(e.to_string()),
    }
}

/// Answers ABCI's `Query`: `/store/<name>/key` with a proof, `/app/version`, `/app/simulate` and gRPC paths.
pub(crate) fn abci_query(env: &QueryEnv<'_>, req: &RequestQuery) -> ResponseQuery {
    metrics::counter!(crate::metrics::SDK_QUERY_COUNT).increment(1);
    let height = convert::height(req.height);
    let path: Vec<&str> = req.path.trim_start_matches('/').split('/').collect();
    let answer = match path.as_slice() {
        _ if req.height < 0 => {
            Err(Sdk::InvalidRequest.with("cannot query with height < 0; please provide a valid height"))
        }
        ["store", name, "key"] => store_query(env, name, req),
        ["app", "version"] => Ok(ResponseQuery {
            value: env!("CARGO_PKG_VERSION").as_bytes().to_vec().into(),
            ..ResponseQuery::default()
        }),
        ["app", "simulate"] => grpc_query(env, services::SIMULATE_BYTES, &req.data, height),
        [_, _] => grpc_query(env, &req.path, &req.data, height),
        _ => Err(Sdk::UnknownRequest.with(format_args!("unknown query path {:?}", req.path))),
    };
    let committed = env.store.latest().map_or(0, |c| c.height);
    match answer {
        Ok(mut response) => {
            if response.height == 0 {
                response.height = convert::height_out(if height == 0 { committed } else { height });
            }
            response
        }
        Err(e) => {
            let (code, codespace, log) = convert::error(Some(e));
            let height = convert::height_out(if height == 0 { committed } else { height });
            ResponseQuery { code, codespace, log, height, ..ResponseQuery::default() }
        }
    }
}

fn grpc_query(env: &QueryEnv<'_>, path: &str, data: &[u8], height: u64) -> Result<ResponseQuery, TxError> {
    let (value, height) = env.grpc(path, data, height).map_err(|e| as_sdk(&e))?;
    Ok(ResponseQuery { value: value.into(), height: convert::height_out(height), ..ResponseQuery::default() })
}

/// A gRPC error as the SDK shows it through ABCI (`baseapp.gRPCErrorToSDKError`).
fn as_sdk(e: &QueryError) -> TxError {
    let (error, name) = match e {
        QueryError::NotFound(_) => (Sdk::KeyNotFound, "NotFound"),
        QueryError::InvalidArgument(_) => (Sdk::InvalidRequest, "InvalidArgument"),
        QueryError::Unimplemented(_) => (Sdk::UnknownRequest, "Unimplemented"),
        QueryError::Unknown(_) => (Sdk::InvalidRequest, "Unknown"),
        QueryError::Unavailable(_) => (Sdk::InvalidRequest, "Unavailable"),
        QueryError::Internal(_) => (Sdk::InvalidRequest, "Internal"),
    };
    error.with(format_args!("rpc error: code = {name} desc = {e}"))
}

fn store_query(env: &QueryEnv<'_>, name: &str, req: &RequestQuery) -> Result<ResponseQuery, TxError> {
    let height = convert::height(req.height);
    if req.prove && height == 1 {
        return Err(Sdk::InvalidRequest
            .with("cannot query with proof when height <= 1; please provide a valid height"));
    }
    let store = router::stores().into_iter().find(|s| s.name() == name && s.is_proven());
    let store: StoreId =
        store.ok_or_else(|| Sdk::UnknownRequest.with(format_args!("no such store: {name}")))?;
    let snapshot = match height {
        0 => env.store.snapshot(),
        h => env.store.snapshot_at(h).map_err(|e| as_sdk(&unavailable(e)))?,
    };
    let height = convert::height_out(snapshot.height());
    let mut response = ResponseQuery { key: req.data.clone(), height, ..ResponseQuery::default() };
    if req.prove {
        let proof = snapshot.prove(store, &req.data).map_err(|e| as_sdk(&unavailable(e)))?;
        let op = |o: geodesic_store::ProofOp| ProofOp { r#type: o.kind.to_owned(), key: o.key, data: o.data };
        response.proof_ops = Some(ProofOps { ops: proof.ops().into_iter().map(op).collect() });
        response.value = proof.value.unwrap_or_default().into();
    } else {
        use geodesic_core::store::Reader as _;
        let value = snapshot.get(store, &req.data).map_err(StateError::from)?;
        response.value = value.unwrap_or_default().into();
    }
    Ok(response)
}
