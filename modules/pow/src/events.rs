//! Events of the module, emitted as `geodesic.pow.v1.<name>`.

pub(crate) use geodesic_proto::geodesic::pow::v1::{
    EventAccused, EventCaseSettled, EventDepositRefilled, EventEpochDrawn, EventEpochOpened,
    EventEpochSettled, EventJudgmentCommitted, EventJudgmentRevealed, EventOperatorPunished,
    EventParticipantLeft, EventParticipantRegistered, EventParticipantUpdated, EventPocCommitted,
    EventPocOpened, EventSamplesDemanded, EventVerdictSubmitted, EventWeightsActivated,
};
