//! Parameters, checked in one place.

use geodesic_proto::geodesic::epochs::v1 as pb;

use crate::errors::Error;

/// No part and no epoch is longer: a year of blocks of one second.
pub(crate) const BLOCKS_MAX: u64 = 31_536_000;

/// Lengths in blocks; see [`pb::Params`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // documented in types.proto
pub struct Params {
    pub epoch_length: u64,
    pub poc_stage_duration: u64,
    pub poc_fetch_duration: u64,
    pub poc_open_duration: u64,
    pub poc_verdict_duration: u64,
    pub poc_judge_duration: u64,
    pub set_new_validators_delay: u64,
    pub day_blocks: u64,
}

impl Params {
    /// Parameters of which every part has a block, and which fit into the epoch, the claim height included.
    ///
    /// # Errors
    /// [`Error::InvalidParams`] names the field, its value and its bound.
    #[allow(clippy::too_many_arguments)] // one for each field
    pub fn try_new(
        epoch_length: u64,
        poc_stage_duration: u64,
        poc_fetch_duration: u64,
        poc_open_duration: u64,
        poc_verdict_duration: u64,
        poc_judge_duration: u64,
        set_new_validators_delay: u64,
        day_blocks: u64,
    ) -> Result<Self, Error> {
        for (name, value) in [
            ("epoch_length", epoch_length),
            ("poc_stage_duration", poc_stage_duration),
            ("poc_fetch_duration", poc_fetch_duration),
            ("poc_open_duration", poc_open_duration),
            ("poc_verdict_duration", poc_verdict_duration),
            ("poc_judge_duration", poc_judge_duration),
            ("set_new_validators_delay", set_new_validators_delay),
            ("day_blocks", day_blocks),
        ] {
            if value == 0 || value > BLOCKS_MAX {
                return Err(Error::InvalidParams(format!(
                    "{name} is {value}, allowed are 1 to {BLOCKS_MAX}"
                )));
            }
        }
        let parts = poc_stage_duration
            .saturating_add(poc_fetch_duration)
            .saturating_add(poc_open_duration)
            .saturating_add(poc_verdict_duration)
            .saturating_add(poc_judge_duration.saturating_mul(2))
            .saturating_add(set_new_validators_delay);
        // The claim height is one after the activation and belongs to the epoch.
        let need = parts.saturating_add(2);
        if need > epoch_length {
            return Err(Error::InvalidParams(format!(
                "epoch_length is {epoch_length}, its parts and the claim need {need}"
            )));
        }
        Ok(Self {
            epoch_length,
            poc_stage_duration,
            poc_fetch_duration,
            poc_open_duration,
            poc_verdict_duration,
            poc_judge_duration,
            set_new_validators_delay,
            day_blocks,
        })
    }
}

impl Default for Params {
    fn default() -> Self {
        Self {
            epoch_length: 60,
            poc_stage_duration: 16,
            poc_fetch_duration: 5,
            poc_open_duration: 5,
            poc_verdict_duration: 6,
            poc_judge_duration: 3,
            set_new_validators_delay: 2,
            day_blocks: 60,
        }
    }
}

impl TryFrom<pb::Params> for Params {
    type Error = Error;

    fn try_from(p: pb::Params) -> Result<Self, Error> {
        Self::try_new(
            p.epoch_length,
            p.poc_stage_duration,
            p.poc_fetch_duration,
            p.poc_open_duration,
            p.poc_verdict_duration,
            p.poc_judge_duration,
            p.set_new_validators_delay,
            p.day_blocks,
        )
    }
}

impl From<Params> for pb::Params {
    fn from(p: Params) -> Self {
        Self {
            epoch_length: p.epoch_length,
            poc_stage_duration: p.poc_stage_duration,
            poc_fetch_duration: p.poc_fetch_duration,
            poc_open_duration: p.poc_open_duration,
            poc_verdict_duration: p.poc_verdict_duration,
            poc_judge_duration: p.poc_judge_duration,
            set_new_validators_delay: p.set_new_validators_delay,
            day_blocks: p.day_blocks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let d = Params::default();
        for (name, params, good) in [
            ("the default", d, true),
            ("the shortest that fits", Params { epoch_length: 42, ..d }, true),
            ("one too short", Params { epoch_length: 41, ..d }, false),
            ("a part of no blocks", Params { poc_open_duration: 0, ..d }, false),
            ("a part above a year", Params { poc_stage_duration: BLOCKS_MAX + 1, ..d }, false),
            ("a sum beyond 64 bits", Params { poc_judge_duration: u64::MAX, ..d }, false),
        ] {
            assert_eq!(Params::try_from(pb::Params::from(params)).is_ok(), good, "{name}");
        }
    }
}
