//! Queries.

use geodesic_core::item::{Codec, Key};
use geodesic_core::module::{answer, unknown_method};
use geodesic_core::page::paginate;
use geodesic_core::{Ctx, Map, QueryError};
use geodesic_proto::cosmos::base::query::v1beta1::{PageRequest, PageResponse};
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::errors::Error;
use crate::keys::{
    CASE, COMMITMENT, DEMAND, DUTY, EPOCH, JUDGMENT, PARAMS, PARTICIPANT, POWER, PROVER, SHAPE, VERDICT,
    WEIGHT,
};
use crate::network::network;
use crate::participants::{operator, text};
use crate::ports::Operator;

type Page<T> = Result<(Vec<T>, Option<PageResponse>), QueryError>;

/// One page of a map's records behind `part` of their keys.
fn page<K: Key, V, C: Codec<V>, P: Key>(
    ctx: &Ctx,
    map: &Map<K, V, C>,
    part: &P,
    request: Option<&PageRequest>,
) -> Page<V> {
    let (items, next) = paginate(ctx, map, part, request, |_, value| Ok(Some(value)))?;
    Ok((items, Some(next)))
}

fn address(ctx: &Ctx, text: &str) -> Result<Operator, QueryError> {
    operator(ctx, text).map_err(|e: Error| QueryError::InvalidArgument(format!("{text:?}: {e}")))
}

fn epoch(ctx: &Ctx, epoch: u64) -> Result<pb::Epoch, QueryError> {
    EPOCH.get(ctx, &epoch)?.ok_or_else(|| QueryError::NotFound(format!("nothing is kept of epoch {epoch}")))
}

/// Answers `/geodesic.pow.v1.Query/<method>`.
pub(crate) fn route(ctx: &Ctx, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
    match path.rsplit('/').next().unwrap_or_default() {
        "Params" => answer(request, |_: pb::QueryParamsRequest| {
            let profile = network(ctx)?.profile().to_owned();
            Ok(pb::QueryParamsResponse { params: Some(PARAMS.load(ctx)?), profile })
        }),
        "Shape" => answer(request, |_: pb::QueryShapeRequest| {
            let network = network(ctx)?;
            Ok(pb::QueryShapeResponse {
                shape: Some(SHAPE.load(ctx)?),
                shape_hash: network.hash().to_vec(),
                profile: network.profile().to_owned(),
            })
        }),
        "Participant" => answer(request, |r: pb::QueryParticipantRequest| {
            let participant = PARTICIPANT.get(ctx, &address(ctx, &r.participant)?)?;
            let missing = || QueryError::NotFound(format!("{} is not registered", r.participant));
            Ok(pb::QueryParticipantResponse { participant: Some(participant.ok_or_else(missing)?) })
        }),
        "Participants" => answer(request, |r: pb::QueryParticipantsRequest| {
            let (participants, pagination) = page(ctx, &PARTICIPANT, &(), r.pagination.as_ref())?;
            Ok(pb::QueryParticipantsResponse { participants, pagination })
        }),
        "Epoch" => answer(request, |r: pb::QueryEpochRequest| {
            Ok(pb::QueryEpochResponse { epoch: Some(epoch(ctx, r.epoch)?) })
        }),
        "Duties" => answer(request, |r| duties(ctx, &r)),
        method => lists(ctx, method, path, request),
    }
}

/// The methods that give a page of an epoch's records.
fn lists(ctx: &Ctx, method: &str, path: &str, request: &[u8]) -> Result<Vec<u8>, QueryError> {
    match method {
        "Commitments" => answer(request, |r: pb::QueryCommitmentsRequest| {
            let (commitments, pagination) = page(ctx, &COMMITMENT, &r.epoch, r.pagination.as_ref())?;
            Ok(pb::QueryCommitmentsResponse { commitments, pagination })
        }),
        "Verdicts" => answer(request, |r: pb::QueryVerdictsRequest| {
            let (verdicts, pagination) = page(ctx, &VERDICT, &r.epoch, r.pagination.as_ref())?;
            Ok(pb::QueryVerdictsResponse { verdicts, pagination })
        }),
        "VerdictDuties" => answer(request, |r: pb::QueryVerdictDutiesRequest| {
            let (duties, pagination) = match r.auditor.as_str() {
                "" => page(ctx, &DUTY, &r.epoch, r.pagination.as_ref())?,
                auditor => page(ctx, &DUTY, &(r.epoch, address(ctx, auditor)?), r.pagination.as_ref())?,
            };
            Ok(pb::QueryVerdictDutiesResponse { duties, pagination })
        }),
        "Demands" => answer(request, |r: pb::QueryDemandsRequest| {
            let (demands, pagination) = match r.prover.as_str() {
                "" => page(ctx, &DEMAND, &r.epoch, r.pagination.as_ref())?,
                prover => page(ctx, &DEMAND, &(r.epoch, address(ctx, prover)?), r.pagination.as_ref())?,
            };
            Ok(pb::QueryDemandsResponse { demands, pagination })
        }),
        "Accusations" => answer(request, |r: pb::QueryAccusationsRequest| {
            let (cases, pagination) = page(ctx, &CASE, &r.epoch, r.pagination.as_ref())?;
            Ok(pb::QueryAccusationsResponse { cases, pagination })
        }),
        "Judgments" => answer(request, |r: pb::QueryJudgmentsRequest| {
            let (judgments, pagination) = page(ctx, &JUDGMENT, &r.epoch, r.pagination.as_ref())?;
            Ok(pb::QueryJudgmentsResponse { judgments, pagination })
        }),
        "Weights" => answer(request, |r: pb::QueryWeightsRequest| {
            let (weights, pagination) = page(ctx, &WEIGHT, &r.epoch, r.pagination.as_ref())?;
            Ok(pb::QueryWeightsResponse { weights, pagination })
        }),
        _ => Err(unknown_method(path)),
    }
}

/// The draw, the powers at X and a page of the provers.
fn duties(ctx: &Ctx, r: &pb::QueryDutiesRequest) -> Result<pb::QueryDutiesResponse, QueryError> {
    let epoch = epoch(ctx, r.epoch)?;
    if epoch.draw.is_none() {
        return Err(QueryError::NotFound(format!("epoch {} has not been drawn yet", r.epoch)));
    }
    let powers = POWER.prefix(ctx, &r.epoch)?.map(|e| e.map(|(_, power)| power)).collect::<Result<_, _>>()?;
    let prover = |key: (u64, Operator), (leaves, hits): (u64, u64)| {
        let nodes = COMMITMENT.get(ctx, &key)?.unwrap_or_default().nodes;
        Ok(Some(pb::Prover { participant: text(ctx, &key.1), leaves, hits, nodes }))
    };
    let (provers, next) = paginate(ctx, &PROVER, &r.epoch, r.pagination.as_ref(), prover)?;
    Ok(pb::QueryDutiesResponse { epoch: Some(epoch), powers, provers, pagination: Some(next) })
}
