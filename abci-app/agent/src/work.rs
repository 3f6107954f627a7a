//! What actions fetch and re-compute.

use std::collections::BTreeMap;
use std::time::Duration;

use geodesic_challenge::{Address, Distance, Leaf, Sample, is_bad};
use geodesic_proto::geodesic::agent::v1::FetchRequest;
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::agent::Agent;
use crate::duties::{Prover, leaf_pb, opening_of, path_pb};
use crate::epoch::{Drawn, Epoch};
use crate::error::{Error, Result};
use crate::journal::{Computed, Sampled};
use crate::known::{Evidence, Known, TagId};
use crate::metrics;
use crate::mlnode::NonceId;
use crate::peer::{self, Checked, FetchError, Served};

/// How often an agent that lags behind is asked again.
const ASK_AGAIN: usize = 4;

/// What is not malformed of openings in blocks.
fn served(openings: Vec<pb::Opening>) -> Vec<Served> {
    let served = |o: pb::Opening| {
        let (leaf, path) = opening_of(o.leaf.as_ref(), &o.path)?;
        Some(Served { k: o.position, leaf, path })
    };
    openings.into_iter().filter_map(served).collect()
}

/// A checked sample for the journal.
fn sampled(checked: &Checked) -> Sampled {
    let (leaf, path) = (Some(leaf_pb(&checked.leaf)), path_pb(&checked.path));
    Sampled::new(checked.node_id, &pb::Opening { position: checked.k, leaf, path }, true)
}

impl Agent {
    fn prover<'a>(&self, drawn: &'a Drawn, prover: &Address) -> Result<&'a Prover> {
        drawn.provers.get(prover).ok_or_else(|| Error::Chain(format!("{} is no prover", hex::encode(prover))))
    }

    /// Asks a prover's agent for samples of an auditor. Returns those that are right, and what is wrong with the first other.
    async fn ask(
        &self,
        epoch: &Epoch,
        drawn: &Drawn,
        prover: &Address,
        samples: &[Sample],
        request: FetchRequest,
    ) -> Result<(Vec<Checked>, Option<Error>)> {
        let text = self.chain.text(prover)?;
        let failed = |what: String| Error::Peer { peer: text.clone(), text: what };
        let peer = drawn.peers.get(prover).ok_or_else(|| failed("no agent is registered".to_owned()))?;
        let wait = Duration::from_secs(self.config.peer_timeout_s);
        let fetch = || peer::fetch(&peer.url, peer.certificate_hash, &self.identity, request.clone(), wait);
        let mut served = fetch().await;
        for _ in 0..ASK_AGAIN {
            // The other agent has not seen the block of the draw yet.
            if !matches!(served, Err(FetchError::Refused { code: tonic::Code::FailedPrecondition, .. })) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(self.config.poll_ms)).await;
            served = fetch().await;
        }
        let served = served.map_err(|e| failed(e.to_string()))?;
        let (mut good, mut bad) = (Vec::new(), None);
        for result in peer::check(self.prover(drawn, prover)?, epoch.r_target, samples, served) {
            match result {
                Ok(checked) => good.push(checked),
                Err(wrong) => bad = bad.or_else(|| Some(failed(wrong.to_string()))),
            }
        }
        Ok((good, bad))
    }

    /// Changes a prover's audit, here and in the journal.
    fn update_audit(
        &self,
        epoch: u64,
        prover: &Address,
        change: impl FnOnce(&mut crate::journal::Audit),
    ) -> Result<()> {
        let update = |known: &mut Known| {
            let audit = known.audits.entry(*prover).or_default();
            change(audit);
            self.journal.set_audit(epoch, prover, audit)?;
            known.find_wrong_leaves();
            Ok(())
        };
        self.with_known(epoch, update).unwrap_or(Ok(()))
    }

    pub(crate) async fn fetch(
        &self,
        epoch: &Epoch,
        drawn: &Drawn,
        prover: &Address,
        positions: &[u32],
    ) -> Result<()> {
        let auditor = drawn.auditor.as_ref().ok_or_else(|| Error::Chain("no audit".to_owned()))?;
        let samples = drawn.duties.get(prover).map(Vec::as_slice).unwrap_or_default();
        let request = FetchRequest {
            epoch: epoch.index(),
            auditor: self.me.to_vec(),
            vrf_output: auditor.output.to_vec(),
            vrf_proof: auditor.proof.to_vec(),
            positions: positions.to_vec(),
        };
        let (good, error) = self.ask(epoch, drawn, prover, samples, request).await?;
        self.update_audit(epoch.index(), prover, |audit| {
            for checked in &good {
                audit.entry(checked.k).or_insert_with(|| sampled(checked));
            }
        })?;
        error.map_or(Ok(()), Err)
    }

    /// Paths of leaves that were opened on chain are in the transactions that opened them.
    pub(crate) async fn find_paths(&self, epoch: &Epoch, drawn: &Drawn, prover: &Address) -> Result<()> {
        let (w, text) = (&epoch.window, self.chain.text(prover)?);
        let to = (*self.heights.borrow()).min(w.verdict.saturating_sub(1));
        let openings = self.chain.openings(w.draw.saturating_add(1), to, &text, &self.me_text).await?;
        let samples = drawn.duties.get(prover).map(Vec::as_slice).unwrap_or_default();
        let good = peer::check(self.prover(drawn, prover)?, epoch.r_target, samples, served(openings));
        let mut found = 0;
        self.update_audit(epoch.index(), prover, |audit| {
            for checked in good.iter().flatten() {
                if let Some(known) = audit.get_mut(&checked.k).filter(|s| !s.has_path) {
                    *known = Sampled { computed: known.computed.take(), ..sampled(checked) };
                    found += 1;
                }
            }
        })?;
        if found == 0 { Err(Error::Chain(format!("no path of {text} in blocks up to {to}"))) } else { Ok(()) }
    }

    pub(crate) async fn recompute(&self, epoch: &Epoch, prover: &Address) -> Result<()> {
        let waiting = self.with_known(epoch.index(), |known| {
            let audit = known.audits.get(prover).into_iter().flatten();
            let waiting = audit.filter(|(_, s)| s.computed.is_none());
            waiting.filter_map(|(k, s)| Some((*k, s.node_id, s.leaf()?))).collect::<Vec<_>>()
        });
        let waiting = waiting.unwrap_or_default();
        let computed = if self.guard.faults.lazy_tags() {
            waiting
                .iter()
                .map(|(k, _, leaf)| Computed {
                    leaf_hash: leaf.hash(),
                    tag: u64::from(*k).to_be_bytes(),
                    distance: leaf.distance.0,
                })
                .collect()
        } else {
            let id = |(_, node_id, leaf): &(u32, u32, Leaf)| NonceId {
                participant: *prover,
                node_id: *node_id,
                nonce: leaf.nonce,
            };
            let ids: Vec<NonceId> = waiting.iter().map(id).collect();
            self.pool.recompute(&epoch.challenge, &ids, &self.me).await?
        };
        self.report_wrong(epoch, prover, &waiting, &computed)?;
        self.update_audit(epoch.index(), prover, |audit| {
            for ((k, _, _), computed) in waiting.iter().zip(computed) {
                if let Some(sampled) = audit.get_mut(k) {
                    sampled.computed = Some(computed);
                }
            }
        })
    }

    /// Tells the log and the metrics which samples are wrong: under profile `pow2-f16` those whose distance is too large.
    fn report_wrong(
        &self,
        epoch: &Epoch,
        prover: &Address,
        samples: &[(u32, u32, Leaf)],
        computed: &[Computed],
    ) -> Result<()> {
        for ((k, node, leaf), computed) in samples.iter().zip(computed) {
            let wrong = match epoch.tolerance() {
                None => computed.leaf_hash != leaf.hash(),
                Some(t) => is_bad(Distance(computed.distance), epoch.r_target, t.eps),
            };
            if wrong {
                ::metrics::counter!(metrics::WRONG, "kind" => "leaf").increment(1);
                let prover = self.chain.text(prover)?;
                tracing::warn!(prover, node, nonce = leaf.nonce, sample = k, "wrong leaf");
            }
        }
        Ok(())
    }

    /// Re-computes the chosen samples of other auditors, one auditor and prover after the other.
    pub(crate) async fn cross_check(&self, epoch: &Epoch, drawn: &Drawn) -> Result<()> {
        let pending = self
            .with_known(epoch.index(), |known| known.cross_pending(*self.heights.borrow()))
            .unwrap_or_default();
        let mut groups: BTreeMap<(Address, Address), Vec<pb::Seen>> = BTreeMap::new();
        for ((auditor, prover, _), seen) in pending {
            groups.entry((auditor, prover)).or_default().push(seen);
        }
        for ((auditor, prover), seen) in groups {
            let id = |s: &pb::Seen| NonceId { participant: prover, node_id: s.node_id, nonce: s.nonce };
            let ids: Vec<NonceId> = seen.iter().map(id).collect();
            let computed = self.pool.recompute(&epoch.challenge, &ids, &auditor).await?;
            let shown = match prover == self.me {
                true => BTreeMap::new(), // own leaves are not accused
                false => self.shown(epoch, drawn, &auditor, &prover, &seen).await,
            };
            self.with_known(epoch.index(), |known| {
                for (seen, computed) in seen.iter().zip(&computed) {
                    compare(
                        known,
                        (auditor, prover, seen.position),
                        seen,
                        computed,
                        shown.get(&seen.position),
                    );
                }
            });
        }
        Ok(())
    }

    /// The leaves behind samples of another auditor, as far as the prover's agent shows them: they tell a false index, and a
    /// wrong leaf that the whole committee overlooks. The tag alone can be checked without them.
    async fn shown(
        &self,
        epoch: &Epoch,
        drawn: &Drawn,
        auditor: &Address,
        prover: &Address,
        seen: &[pb::Seen],
    ) -> BTreeMap<u32, (u32, Evidence)> {
        let output =
            self.with_known(epoch.index(), |known| known.verdicts.get(auditor).map(|v| v.output.clone()));
        let output: Option<[u8; 64]> = output.flatten().and_then(|o| o.try_into().ok());
        let (Some(output), Ok(of)) = (output, self.prover(drawn, prover)) else { return BTreeMap::new() };
        let samples = of.samples(&crate::duties::a_i(&output), &drawn.draw);
        let request = FetchRequest {
            epoch: epoch.index(),
            auditor: auditor.to_vec(),
            vrf_output: output.to_vec(),
            vrf_proof: Vec::new(),
            positions: seen.iter().map(|s| s.position).collect(),
        };
        match self.ask(epoch, drawn, prover, &samples, request).await {
            Ok((good, _)) => good.into_iter().map(|c| (c.k, (c.node_id, (c.leaf, c.path)))).collect(),
            Err(error) => {
                tracing::debug!(%error, "leaves behind another auditor's samples");
                BTreeMap::new()
            }
        }
    }

    /// Re-computes accused nonces: a leaf case wants the leaf's hash, a tag case the accused auditor's tag.
    pub(crate) async fn judge(&self, epoch: &Epoch, cases: &[u32]) -> Result<()> {
        let open = self.with_known(epoch.index(), |known| {
            cases.iter().filter_map(|id| known.cases.get(id).cloned()).collect::<Vec<_>>()
        });
        let mut groups: BTreeMap<Address, Vec<(pb::Case, NonceId)>> = BTreeMap::new();
        for case in open.unwrap_or_default() {
            let participant = self.chain.address(&case.prover)?;
            let auditor =
                if case.kind() == pb::CaseKind::Tag { self.chain.address(&case.accused)? } else { self.me };
            let id = NonceId { participant, node_id: case.node_id, nonce: case.nonce };
            groups.entry(auditor).or_default().push((case, id));
        }
        for (auditor, cases) in groups {
            let ids: Vec<NonceId> = cases.iter().map(|(_, id)| *id).collect();
            let computed = self.pool.recompute(&epoch.challenge, &ids, &auditor).await?;
            self.with_known(epoch.index(), |known| {
                for ((case, _), computed) in cases.iter().zip(computed) {
                    let value = match case.kind() {
                        pb::CaseKind::Tag => computed.tag.to_vec(),
                        pb::CaseKind::Leaf | pb::CaseKind::Unspecified => computed.leaf_hash.to_vec(),
                    };
                    tracing::info!(
                        case = case.case_id,
                        accused = case.accused,
                        right = value == case.value,
                        "judged"
                    );
                    known.values.insert(case.case_id, value);
                }
            });
        }
        Ok(())
    }
}

/// Compares what an auditor said of a sample with what its nonce gives, and with the leaf that the prover shows for it.
fn compare(
    known: &mut Known,
    id: TagId,
    seen: &pb::Seen,
    computed: &Computed,
    shown: Option<&(u32, Evidence)>,
) {
    let (auditor, prover) = (hex::encode(id.0), hex::encode(id.1));
    known.checked.insert(id);
    if let Some((node_id, (leaf, path))) = shown {
        if leaf.nonce != seen.nonce {
            ::metrics::counter!(metrics::WRONG, "kind" => "tag").increment(1);
            tracing::warn!(auditor, prover, sample = id.2, said = seen.nonce, is = leaf.nonce, "false index");
            known.wrong_tags.insert(id, Some((*leaf, path.clone())));
            return;
        }
        if leaf.hash() != computed.leaf_hash {
            ::metrics::counter!(metrics::WRONG, "kind" => "leaf").increment(1);
            tracing::warn!(
                prover,
                node = node_id,
                nonce = leaf.nonce,
                "wrong leaf, overlooked by its auditor"
            );
            known.wrong_leaves.insert((id.1, *node_id, leaf.nonce), (*leaf, path.clone()));
        }
    }
    if seen.tag != computed.tag {
        ::metrics::counter!(metrics::WRONG, "kind" => "tag").increment(1);
        tracing::warn!(auditor, prover, sample = id.2, "wrong tag");
        known.wrong_tags.insert(id, None);
    }
}

#[cfg(test)]
#[path = "work_tests.rs"]
mod tests;
