//! The network that is computed: a profile and a shape of it.

use geodesic_challenge::{FloatShape, FloatShapeParams, Hash, Shape, ShapeError, ShapeParams};
use geodesic_core::{Ctx, StateError};
use geodesic_proto::geodesic::pow::v1 as pb;
use pb::shape_setting::Profile;

use crate::keys::SHAPE;

/// The chain's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Profile `exact`.
    Exact(Shape),
    /// Profile `pow2-f16`, computed in floats by compute nodes alone.
    Float(FloatShape),
}

impl Network {
    /// Name of the profile.
    pub fn profile(&self) -> &'static str {
        match self {
            Self::Exact(_) => "exact",
            Self::Float(_) => "pow2-f16",
        }
    }

    /// Outputs V: the sphere's dimension.
    pub fn vocab(&self) -> u32 {
        match self {
            Self::Exact(shape) => shape.vocab,
            Self::Float(shape) => shape.vocab,
        }
    }

    /// Hash of the shape, which is part of an epoch's key.
    pub fn hash(&self) -> Hash {
        match self {
            Self::Exact(shape) => shape.hash(),
            Self::Float(shape) => shape.hash(),
        }
    }

    /// What a setting means.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn of(setting: &pb::ShapeSetting) -> Result<Self, String> {
        let (name, exact) = (setting.name.as_str(), setting.shape.as_ref().map(exact_shape));
        match &setting.profile {
            None => choose(name, Shape::by_name, exact).map(Self::Exact),
            Some(Profile::Pow2F16(_)) if exact.is_some() => {
                Err("shape has numbers of profile exact beside pow2_f16".to_owned())
            }
            Some(Profile::Pow2F16(s)) => {
                let given = (*s != pb::FloatShape::default()).then(|| float_shape(s));
                choose(name, FloatShape::by_name, given).map(Self::Float)
            }
        }
    }

    /// The setting with all numbers, and with the name if they are built in.
    pub(crate) fn setting(&self, judge_blocks: u64) -> pb::ShapeSetting {
        let setting = |name: Option<&str>, shape, profile| pb::ShapeSetting {
            name: name.unwrap_or_default().to_owned(),
            shape,
            judge_blocks,
            profile,
        };
        match self {
            Self::Exact(s) => setting(s.name(), Some(exact_numbers(s)), None),
            Self::Float(s) => setting(s.name(), None, Some(Profile::Pow2F16(float_numbers(s)))),
        }
    }
}

/// The shape of a name, of numbers, or of both if they agree.
fn choose<S: Copy + PartialEq>(
    name: &str,
    by_name: impl Fn(&str) -> Option<S>,
    given: Option<Result<S, ShapeError>>,
) -> Result<S, String> {
    let named = match name {
        "" => None,
        name => Some(by_name(name).ok_or_else(|| format!("shape.name {name:?} is not built in"))?),
    };
    match (named, given.transpose().map_err(|e| format!("shape: {e}"))?) {
        (Some(named), Some(given)) if named != given => {
            Err(format!("shape: its numbers are not those of {name:?}"))
        }
        (Some(shape), _) | (None, Some(shape)) => Ok(shape),
        (None, None) => Err("shape has neither a name nor numbers".to_owned()),
    }
}

/// The chain's network.
///
/// # Errors
/// [`StateError`] if it is not there or not valid: genesis wrote it.
pub fn network(ctx: &Ctx) -> Result<Network, StateError> {
    Network::of(&SHAPE.load(ctx)?).map_err(StateError::Invariant)
}

fn exact_shape(s: &pb::Shape) -> Result<Shape, ShapeError> {
    Shape::try_new(ShapeParams {
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
    })
}

fn exact_numbers(s: &Shape) -> pb::Shape {
    pb::Shape {
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
    }
}

fn float_shape(s: &pb::FloatShape) -> Result<FloatShape, ShapeError> {
    FloatShape::try_new(FloatShapeParams {
        dim: s.dim,
        layers: s.layers,
        heads: s.heads,
        kv_heads: s.kv_heads,
        hidden: s.hidden,
        vocab: s.vocab,
        seq: s.seq,
        norm_eps: s.norm_eps,
        rope_theta: s.rope_theta,
    })
}

fn float_numbers(s: &FloatShape) -> pb::FloatShape {
    pb::FloatShape {
        dim: s.dim,
        layers: s.layers,
        heads: s.heads,
        kv_heads: s.kv_heads,
        hidden: s.hidden,
        vocab: s.vocab,
        seq: s.seq,
        norm_eps: s.norm_eps,
        rope_theta: s.rope_theta,
    }
}
