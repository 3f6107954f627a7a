//! Parameters, checked in one place.

use geodesic_challenge::P_MIN;
use geodesic_core::Dec;
use geodesic_proto::geodesic::difficulty::v1 as pb;

use crate::errors::Error;
use crate::math::share;

/// Shares of hits in units of 2^-64, and hits an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    initial_p: Dec,
    p_min: Dec,
    p_max: Dec,
    target_hits_per_epoch: u64,
}

impl Params {
    /// Checked parameters: `2^-40 <= p_min <= initial_p <= p_max <= 1/2`, at least one hit an epoch.
    ///
    /// # Errors
    /// [`Error::InvalidParams`] names the field, its value and its bound.
    pub fn try_new(
        initial_p: Dec,
        p_min: Dec,
        p_max: Dec,
        target_hits_per_epoch: u64,
    ) -> Result<Self, Error> {
        for (name, value) in [("initial_p", initial_p), ("p_min", p_min), ("p_max", p_max)] {
            if !share(value).is_some_and(|s| (P_MIN..=1 << 63).contains(&s)) {
                return Err(Error::InvalidParams(format!("{name} is {value}, allowed are 2^-40 to 0.5")));
            }
        }
        if p_min > initial_p || initial_p > p_max {
            return Err(Error::InvalidParams(format!(
                "initial_p is {initial_p}, not within {p_min} to {p_max}"
            )));
        }
        if target_hits_per_epoch == 0 {
            return Err(Error::InvalidParams("target_hits_per_epoch is 0, must be positive".to_owned()));
        }
        Ok(Self { initial_p, p_min, p_max, target_hits_per_epoch })
    }

    /// Share of hits in the first epoch, units of 2^-64.
    pub(crate) fn initial(&self) -> u64 {
        share(self.initial_p).unwrap_or(P_MIN)
    }

    /// Bounds of the share, units of 2^-64.
    pub(crate) fn bounds(&self) -> (u64, u64) {
        (share(self.p_min).unwrap_or(P_MIN), share(self.p_max).unwrap_or(1 << 63))
    }

    /// Accepted hits that an epoch should have.
    pub(crate) const fn wanted(&self) -> u64 {
        self.target_hits_per_epoch
    }
}

impl Default for Params {
    fn default() -> Self {
        let dec = |value, decimals| Dec::with_decimals(value, decimals).unwrap_or(Dec::ZERO);
        Self { initial_p: dec(5, 2), p_min: dec(1, 6), p_max: dec(5, 1), target_hits_per_epoch: 20_000 }
    }
}

impl TryFrom<pb::Params> for Params {
    type Error = Error;

    fn try_from(p: pb::Params) -> Result<Self, Error> {
        let dec = |name: &str, text: &str| {
            Dec::from_wire(text).map_err(|e| Error::InvalidParams(format!("{name} is {text:?}: {e}")))
        };
        Self::try_new(
            dec("initial_p", &p.initial_p)?,
            dec("p_min", &p.p_min)?,
            dec("p_max", &p.p_max)?,
            p.target_hits_per_epoch,
        )
    }
}

impl From<Params> for pb::Params {
    fn from(p: Params) -> Self {
        Self {
            initial_p: p.initial_p.to_wire(),
            p_min: p.p_min.to_wire(),
            p_max: p.p_max.to_wire(),
            target_hits_per_epoch: p.target_hits_per_epoch,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        for (name, initial, min, max, hits, good) in [
            ("ordinary", "0.05", "0.000001", "0.5", 1, true),
            ("no hits", "0.05", "0.000001", "0.5", 0, false),
            ("above a half", "0.05", "0.000001", "0.6", 1, false),
            ("below 2^-40", "0.05", "0.0000000000009", "0.5", 1, false),
            ("outside its bounds", "0.05", "0.06", "0.5", 1, false),
            ("negative", "-0.05", "0.01", "0.5", 1, false),
        ] {
            let p = |t: &str| t.parse().unwrap();
            assert_eq!(Params::try_new(p(initial), p(min), p(max), hits).is_ok(), good, "{name}");
        }
        assert!(Params::try_from(pb::Params::from(Params::default())).is_ok(), "the default is valid");
    }
}
