//! Requests become checked values here: every length and number is bounded before anything is allocated for it.
use std::time::{Duration, Instant};

use geodesic_challenge::{Address, FloatShape, FloatShapeParams, Hash, Shape, ShapeParams};
use geodesic_proto::geodesic::mlnode::v1 as pb;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::engine::{self, NonceId};
use crate::pow2::FloatChallenge;
use crate::profile::Challenge;

/// Most nonces of one Recompute.
pub const RECOMPUTE_MAX: usize = 1024;
/// Most bytes of logits in one reply.
pub const REPLY_BYTES_MAX: u64 = 4 << 20;
/// Most bytes of one request: 1024 nonces of at most 48 bytes, and the challenge.
pub(crate) const REQUEST_BYTES_MAX: usize = 64 << 10;

fn invalid(message: String) -> Status {
    Status::invalid_argument(message)
}

/// `bytes` as an array, or INVALID_ARGUMENT naming field and lengths.
fn array<const N: usize>(field: &str, bytes: &[u8]) -> Result<[u8; N], Status> {
    bytes.try_into().map_err(|_| invalid(format!("{field} has {} bytes, must have {N}", bytes.len())))
}

pub(crate) fn address(field: &str, bytes: &[u8]) -> Result<Address, Status> {
    array(field, bytes)
}

/// Profile, shape and key of a request.
pub(crate) fn challenge(challenge: Option<pb::Challenge>) -> Result<Challenge, Status> {
    let challenge = challenge.ok_or_else(|| invalid("challenge is missing".into()))?;
    let (exact, float) = (i32::from(pb::Profile::Exact), i32::from(pb::Profile::Pow2F16));
    let profile = challenge.profile;
    if profile != exact && profile != float {
        let text = format!("challenge.profile is {profile}, must be {exact} (exact) or {float} (pow2-f16)");
        return Err(invalid(text));
    }
    let epoch_key: Hash = array("challenge.epoch_key", &challenge.epoch_key)?;
    match (challenge.shape, challenge.float_shape) {
        (Some(_), Some(_)) => Err(invalid("challenge has shape and float_shape, must have one".into())),
        (Some(s), None) if profile == exact => {
            Ok(Challenge::Exact(engine::Challenge { shape: checked_shape(&s)?, epoch_key }))
        }
        (None, Some(s)) if profile == float => {
            Ok(Challenge::Float(FloatChallenge { shape: checked_float_shape(&s)?, epoch_key }))
        }
        _ if profile == exact => Err(invalid("challenge.shape is missing, profile exact needs it".into())),
        _ => Err(invalid("challenge.float_shape is missing, profile pow2-f16 needs it".into())),
    }
}

/// The auditor whose tags are wanted, if any.
pub(crate) fn auditor(challenge: &Challenge, bytes: &[u8]) -> Result<Option<Address>, Status> {
    match (bytes, challenge) {
        ([], _) => Ok(None),
        (_, Challenge::Float(_)) => Err(invalid(format!(
            "auditor has {} bytes, must be empty: profile pow2-f16 has no tags",
            bytes.len()
        ))),
        (bytes, Challenge::Exact(_)) => address("auditor", bytes).map(Some),
    }
}

fn checked_float_shape(s: &pb::FloatShape) -> Result<FloatShape, Status> {
    let params = FloatShapeParams {
        dim: s.dim,
        layers: s.layers,
        heads: s.heads,
        kv_heads: s.kv_heads,
        hidden: s.hidden,
        vocab: s.vocab,
        seq: s.seq,
        norm_eps: s.norm_eps,
        rope_theta: s.rope_theta,
    };
    FloatShape::try_new(params).map_err(|error| invalid(format!("challenge.float_shape: {error}")))
}

fn checked_shape(s: &pb::Shape) -> Result<Shape, Status> {
    let params = ShapeParams {
        dim: s.dim,
        layers: s.layers,
        heads: s.heads,
        ffn: s.ffn,
        vocab: s.vocab,
        seq: s.seq,
        amax: s.amax,
        wbits: s.wbits,
        shift_q: s.shift_q,
        shift_o: s.shift_o,
        shift_d: s.shift_d,
        shift_s: s.shift_s,
        shift_m: s.shift_m,
    };
    Shape::try_new(params).map_err(|error| invalid(format!("challenge.shape: {error}")))
}

/// The shape as a message.
pub fn shape_message(shape: &Shape) -> pb::Shape {
    pb::Shape {
        dim: shape.dim,
        layers: shape.layers,
        heads: shape.heads,
        ffn: shape.ffn,
        vocab: shape.vocab,
        seq: shape.seq,
        amax: shape.amax,
        wbits: shape.wbits,
        shift_q: shape.shift_q,
        shift_o: shape.shift_o,
        shift_d: shape.shift_d,
        shift_s: shape.shift_s,
        shift_m: shape.shift_m,
    }
}

/// The float shape as a message.
pub fn float_shape_message(shape: &FloatShape) -> pb::FloatShape {
    pb::FloatShape {
        dim: shape.dim,
        layers: shape.layers,
        heads: shape.heads,
        kv_heads: shape.kv_heads,
        hidden: shape.hidden,
        vocab: shape.vocab,
        seq: shape.seq,
        norm_eps: shape.norm_eps,
        rope_theta: shape.rope_theta,
    }
}

/// First and end nonce of a generation; open-ended means the largest number.
pub(crate) fn range(start: u64, end: Option<u64>) -> Result<(u64, u64), Status> {
    let end = end.unwrap_or(u64::MAX);
    if start >= end {
        return Err(invalid(format!("start_nonce is {start}, must be below end_nonce {end}")));
    }
    Ok((start, end))
}

/// The nonces of a Recompute for `vocab` outputs, bounded in number and in the bytes of the reply.
pub(crate) fn nonces(vocab: u32, request: &pb::RecomputeRequest) -> Result<Vec<NonceId>, Status> {
    let count = request.nonces.len();
    if count == 0 {
        return Err(invalid(format!("nonces are missing, 1 to {RECOMPUTE_MAX} are needed")));
    }
    if count > RECOMPUTE_MAX {
        return Err(Status::resource_exhausted(format!("{count} nonces asked for, at most {RECOMPUTE_MAX}")));
    }
    let bytes = (count as u64).saturating_mul(4 * u64::from(vocab));
    if request.include_logits && bytes > REPLY_BYTES_MAX {
        return Err(Status::resource_exhausted(format!(
            "logits of {count} nonces are {bytes} bytes, at most {REPLY_BYTES_MAX} fit a reply"
        )));
    }
    let id = |id: &pb::NonceId| {
        let participant = address("nonces.participant", &id.participant)?;
        Ok(NonceId { participant, node_id: id.node_id, nonce: id.nonce })
    };
    request.nonces.iter().map(id).collect()
}

/// When the caller stops waiting, by its `grpc-timeout` (at most 8 digits and a unit, as the gRPC protocol says).
pub(crate) fn deadline(metadata: &MetadataMap, now: Instant) -> Result<Option<Instant>, Status> {
    let Some(value) = metadata.get("grpc-timeout") else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(|text| {
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let digits =
            Some(digits).filter(|d| (1..=8).contains(&d.len()) && d.bytes().all(|b| b.is_ascii_digit()))?;
        let number: u64 = digits.parse().ok()?;
        match unit {
            "H" => Some(Duration::from_secs(number * 3600)),
            "M" => Some(Duration::from_secs(number * 60)),
            "S" => Some(Duration::from_secs(number)),
            "m" => Some(Duration::from_millis(number)),
            "u" => Some(Duration::from_micros(number)),
            "n" => Some(Duration::from_nanos(number)),
            _ => None,
        }
    });
    let timeout =
        parsed.ok_or_else(|| invalid(format!("grpc-timeout {value:?} is no number with a unit")))?;
    Ok(now.checked_add(timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines() {
        let now = Instant::now();
        let of = |text: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            deadline(&metadata, now).map(|d| d.map(|d| d - now)).ok()
        };
        for (text, want) in [
            ("5S", Some(Duration::from_secs(5))),
            ("2H", Some(Duration::from_secs(7200))),
            ("99999999m", Some(Duration::from_millis(99_999_999))),
            ("1u", Some(Duration::from_micros(1))),
        ] {
            assert_eq!(of(text), Some(want), "{text}");
        }
        for text in ["", "S", "5", "-5S", "+5S", "123456789S", "5s", "5 S"] {
            assert_eq!(of(text), None, "{text:?}");
        }
        assert_eq!(deadline(&MetadataMap::new(), now).ok(), Some(None));
    }
}
