//! Tags re-computed, and judgments.

use anyhow::{Context as _, Result};
use geodesic_challenge::{judgment_hash, seen_tag};
use geodesic_proto::geodesic::pow::v1 as pb;

use super::{Guild, Now, decode, value_of};
use crate::driver::keys::seed;
use crate::driver::net::Net;

impl Guild {
    /// Re-computes the tags of all other auditors and accuses the first wrong one of each.
    pub(super) fn check_tags(&mut self, net: &mut Net, now: &Now, i: usize) -> Result<()> {
        let (sender, participant) = self.origin(i)?;
        if self.worker(i)?.habits.lazy || now.tolerance().is_some() {
            return Ok(());
        }
        let epoch = now.record.epoch;
        let request = pb::QueryVerdictsRequest { epoch, pagination: None };
        let reply: pb::QueryVerdictsResponse = net.query("/geodesic.pow.v1.Query/Verdicts", &request)?;
        for auditor in reply.verdicts.into_iter().map(|v| v.auditor).filter(|a| *a != participant) {
            let request = pb::QueryVerdictDutiesRequest { epoch, auditor: auditor.clone(), pagination: None };
            let reply: pb::QueryVerdictDutiesResponse =
                net.query("/geodesic.pow.v1.Query/VerdictDuties", &request)?;
            let Some((prover, position)) = self.wrong_tag(&decode(&auditor)?, reply.duties)? else {
                continue;
            };
            let tag = pb::TagAccusation { auditor, prover, position, leaf: None, path: Vec::new() };
            let accusation = Some(pb::msg_accuse::Accusation::Tag(tag));
            let (sender, participant) = (sender.clone(), participant.clone());
            self.send(net, i, &pb::MsgAccuse { sender, participant, epoch, accusation })?;
        }
        Ok(())
    }

    fn wrong_tag(&mut self, auditor: &[u8; 20], duties: Vec<pb::Duty>) -> Result<Option<(String, u32)>> {
        for duty in duties {
            let prover = decode(&duty.prover)?;
            for seen in &duty.samples {
                if seen_tag(auditor, &self.score(&prover, seen.nonce)?.logits).as_slice() != seen.tag {
                    return Ok(Some((duty.prover, seen.position)));
                }
            }
        }
        Ok(None)
    }

    /// Computes the values of all open cases and sends their hash.
    pub(super) fn commit_judgment(&mut self, net: &mut Net, now: &Now, i: usize) -> Result<()> {
        let (sender, participant) = self.origin(i)?;
        let epoch = now.record.epoch;
        let request = pb::QueryAccusationsRequest { epoch, pagination: None };
        let reply: pb::QueryAccusationsResponse =
            net.query("/geodesic.pow.v1.Query/Accusations", &request)?;
        if reply.cases.is_empty()
            || self.worker(i)?.habits.no_judgments
            || !has_power(net, now, &participant)?
        {
            return Ok(());
        }
        let mut values = Vec::new();
        for case in reply.cases.iter().filter(|c| !c.proven) {
            let scored = self.score(&decode(&case.prover)?, case.nonce)?;
            let value = match case.kind() {
                pb::CaseKind::Tag => seen_tag(&decode(&case.accused)?, &scored.logits).to_vec(),
                _ => value_of(&scored.leaf),
            };
            values.push(pb::CaseValue { case_id: case.case_id, value });
        }
        let salt = seed("salt", i);
        let hash = judgment(net, epoch, &decode(&participant)?, &values, &salt);
        self.worker(i)?.judgment = Some((values, salt));
        self.send(net, i, &pb::MsgCommitJudgment { sender, participant, epoch, hash: hash.to_vec() })
    }

    pub(super) fn reveal_judgment(&mut self, net: &mut Net, now: &Now, i: usize) -> Result<()> {
        let (sender, participant) = self.origin(i)?;
        let Some((values, salt)) = self.worker(i)?.judgment.take() else { return Ok(()) };
        let epoch = now.record.epoch;
        let message = pb::MsgRevealJudgment { sender, participant, epoch, values, salt: salt.to_vec() };
        self.send(net, i, &message)
    }
}

fn has_power(net: &Net, now: &Now, participant: &str) -> Result<bool> {
    let request = pb::QueryDutiesRequest { epoch: now.record.epoch, pagination: None };
    let reply: pb::QueryDutiesResponse =
        net.query("/geodesic.pow.v1.Query/Duties", &request).context("duties")?;
    Ok(reply.powers.iter().any(|p| p.validator == participant))
}

fn judgment(net: &Net, epoch: u64, judge: &[u8; 20], values: &[pb::CaseValue], salt: &[u8; 32]) -> [u8; 32] {
    let ids: Vec<[u8; 4]> = values.iter().map(|v| v.case_id.to_be_bytes()).collect();
    let entries: Vec<(&[u8], &[u8])> =
        ids.iter().zip(values).map(|(id, v)| (id.as_slice(), v.value.as_slice())).collect();
    judgment_hash(&net.spec.chain_id, epoch, judge, &entries, salt)
}
