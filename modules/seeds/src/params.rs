//! Parameters, checked in one place.

use geodesic_proto::geodesic::seeds::v1 as pb;

use crate::errors::Error;

/// Heights whose beacons are kept, at least and at most.
pub(crate) const HISTORY: std::ops::RangeInclusive<u64> = 16..=1_000_000;

/// Parameters of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    beacon_history: u64,
}

impl Params {
    /// Checked parameters.
    ///
    /// # Errors
    /// [`Error::InvalidParams`] names the value and its bounds.
    pub fn try_new(beacon_history: u64) -> Result<Self, Error> {
        if !HISTORY.contains(&beacon_history) {
            return Err(Error::InvalidParams(format!(
                "beacon_history is {beacon_history}, allowed are {} to {}",
                HISTORY.start(),
                HISTORY.end()
            )));
        }
        Ok(Self { beacon_history })
    }
}

impl Default for Params {
    fn default() -> Self {
        Self { beacon_history: 1000 }
    }
}

impl TryFrom<pb::Params> for Params {
    type Error = Error;

    fn try_from(p: pb::Params) -> Result<Self, Error> {
        Self::try_new(p.beacon_history)
    }
}

impl From<Params> for pb::Params {
    fn from(p: Params) -> Self {
        Self { beacon_history: p.beacon_history }
    }
}
