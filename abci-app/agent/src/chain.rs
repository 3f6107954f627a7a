//! What the agent asks of the chain.

use geodesic_challenge::Address;
use geodesic_client::address::Kind;
use geodesic_client::rpc::{self, Client};
use geodesic_proto::cosmos::base::query::v1beta1::{PageRequest, PageResponse};
use geodesic_proto::geodesic::epochs::v1 as epochs;
use geodesic_proto::geodesic::pow::v1 as pb;
use geodesic_proto::geodesic::rewards::v1 as rewards;
use prost::Message;

use crate::error::{Error, Result};

/// Entries asked for in one page.
const PAGE: u64 = 1000;
/// Most pages read of one list: the lists are bounded by the chain, this bounds what a broken node can make of them.
const PAGES_MAX: usize = 1000;

/// The chain, as an agent sees it.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) client: Client,
    pub(crate) prefix: String,
}

/// `None` if the chain says that there is no such thing.
fn optional<T>(reply: Result<T, rpc::Error>) -> Result<Option<T>> {
    match reply {
        Ok(reply) => Ok(Some(reply)),
        Err(e) if e.is_not_found() => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn page(key: Vec<u8>) -> Option<PageRequest> {
    Some(PageRequest { key, limit: PAGE, ..PageRequest::default() })
}

fn next_key(page: Option<PageResponse>) -> Vec<u8> {
    page.unwrap_or_default().next_key
}

impl Chain {
    pub(crate) fn text(&self, address: &Address) -> Result<String> {
        Ok(Kind::Account.encode(&self.prefix, address)?)
    }

    pub(crate) fn address(&self, text: &str) -> Result<Address> {
        Ok(Kind::Account.decode_20(&self.prefix, text)?)
    }

    async fn pow<Q: Message, R: Message + Default>(
        &self,
        method: &str,
        request: &Q,
    ) -> Result<R, rpc::Error> {
        self.client.query(&format!("/geodesic.pow.v1.Query/{method}"), request).await
    }

    /// Epoch and height; `None` before the first.
    pub(crate) async fn current(&self) -> Result<Option<(epochs::Epoch, u64)>> {
        let reply = optional(self.client.current_epoch().await)?;
        Ok(reply.and_then(|r| Some((r.epoch?, r.height))))
    }

    /// What an epoch began with; `None` if it did not.
    pub(crate) async fn epoch(&self, epoch: u64) -> Result<Option<pb::Epoch>> {
        Ok(optional(self.client.pow_epoch(epoch).await)?.and_then(|r| r.epoch))
    }

    /// A registration.
    pub(crate) async fn participant(&self, participant: &str) -> Result<Option<pb::Participant>> {
        let request = pb::QueryParticipantRequest { participant: participant.to_owned() };
        let reply: Option<pb::QueryParticipantResponse> = optional(self.pow("Participant", &request).await)?;
        Ok(reply.and_then(|r| r.participant))
    }

    /// Reads all pages of a list.
    async fn all<Q, R, T>(
        &self,
        method: &str,
        request: impl Fn(Option<PageRequest>) -> Q,
        mut open: impl FnMut(R) -> (Vec<T>, Option<PageResponse>),
    ) -> Result<Vec<T>>
    where
        Q: Message,
        R: Message + Default,
    {
        let (mut items, mut key) = (Vec::new(), Vec::new());
        for _ in 0..PAGES_MAX {
            let reply: R = self.pow(method, &request(page(key))).await?;
            let (more, next) = open(reply);
            items.extend(more);
            key = next_key(next);
            if key.is_empty() {
                return Ok(items);
            }
        }
        Err(Error::Chain(format!("{method} has more than {PAGES_MAX} pages of {PAGE}")))
    }

    /// All registrations.
    pub(crate) async fn participants(&self) -> Result<Vec<pb::Participant>> {
        self.all(
            "Participants",
            |pagination| pb::QueryParticipantsRequest { pagination },
            |r: pb::QueryParticipantsResponse| (r.participants, r.pagination),
        )
        .await
    }

    /// The record of one operator in a list that is ordered by operator: its address is where the page begins.
    fn one(operator: &Address) -> Option<PageRequest> {
        Some(PageRequest { key: operator.to_vec(), limit: 1, ..PageRequest::default() })
    }

    /// What a participant has committed to.
    pub(crate) async fn commitment(&self, epoch: u64, me: &Address) -> Result<Option<pb::Commitment>> {
        let request = pb::QueryCommitmentsRequest { epoch, pagination: Self::one(me) };
        let reply: pb::QueryCommitmentsResponse = self.pow("Commitments", &request).await?;
        let text = self.text(me)?;
        Ok(reply.commitments.into_iter().find(|c| c.participant == text))
    }

    /// Whether an auditor's verdict is on chain.
    pub(crate) async fn has_verdict(&self, epoch: u64, me: &Address) -> Result<bool> {
        let request = pb::QueryVerdictsRequest { epoch, pagination: Self::one(me) };
        let reply: pb::QueryVerdictsResponse = self.pow("Verdicts", &request).await?;
        let text = self.text(me)?;
        Ok(reply.verdicts.iter().any(|v| v.auditor == text))
    }

    /// A judge's judgment.
    pub(crate) async fn judgment(&self, epoch: u64, me: &Address) -> Result<Option<pb::Judgment>> {
        let request = pb::QueryJudgmentsRequest { epoch, pagination: Self::one(me) };
        let reply: pb::QueryJudgmentsResponse = self.pow("Judgments", &request).await?;
        let text = self.text(me)?;
        Ok(reply.judgments.into_iter().find(|j| j.judge == text))
    }

    /// Powers at X and all provers.
    pub(crate) async fn draw(&self, epoch: u64) -> Result<(Vec<pb::Power>, Vec<pb::Prover>)> {
        let mut powers = Vec::new();
        let provers = self.all(
            "Duties",
            |pagination| pb::QueryDutiesRequest { epoch, pagination },
            |r: pb::QueryDutiesResponse| {
                powers = r.powers; // all of them on every page
                (r.provers, r.pagination)
            },
        );
        let provers = provers.await?;
        Ok((powers, provers))
    }

    /// All verdicts.
    pub(crate) async fn verdicts(&self, epoch: u64) -> Result<Vec<pb::Verdict>> {
        self.all(
            "Verdicts",
            |pagination| pb::QueryVerdictsRequest { epoch, pagination },
            |r: pb::QueryVerdictsResponse| (r.verdicts, r.pagination),
        )
        .await
    }

    /// What a verdict says.
    pub(crate) async fn verdict_duties(&self, epoch: u64, auditor: &str) -> Result<Vec<pb::Duty>> {
        self.all(
            "VerdictDuties",
            |pagination| pb::QueryVerdictDutiesRequest { epoch, auditor: auditor.to_owned(), pagination },
            |r: pb::QueryVerdictDutiesResponse| (r.duties, r.pagination),
        )
        .await
    }

    /// Demands against a prover, or all.
    pub(crate) async fn demands(&self, epoch: u64, prover: &str) -> Result<Vec<pb::Demand>> {
        self.all(
            "Demands",
            |pagination| pb::QueryDemandsRequest { epoch, prover: prover.to_owned(), pagination },
            |r: pb::QueryDemandsResponse| (r.demands, r.pagination),
        )
        .await
    }

    /// All cases.
    pub(crate) async fn cases(&self, epoch: u64) -> Result<Vec<pb::Case>> {
        self.all(
            "Accusations",
            |pagination| pb::QueryAccusationsRequest { epoch, pagination },
            |r: pb::QueryAccusationsResponse| (r.cases, r.pagination),
        )
        .await
    }

    /// Epochs whose reward can be claimed: the first hundred and some.
    pub(crate) async fn claimable(&self, participant: &str) -> Result<Vec<u64>> {
        let request = rewards::QueryClaimableRequest {
            participant: participant.to_owned(),
            pagination: page(Vec::new()),
        };
        let reply: rewards::QueryClaimableResponse =
            self.client.query("/geodesic.rewards.v1.Query/Claimable", &request).await?;
        // An amount of zero is nothing to claim, and would cost a fee.
        Ok(reply.shares.iter().filter(|s| s.amount != "0").map(|s| s.epoch).collect())
    }

    /// Answers to an auditor's demand in the blocks `from ..= to`.
    pub(crate) async fn openings(
        &self,
        from: u64,
        to: u64,
        prover: &str,
        auditor: &str,
    ) -> Result<Vec<pb::Opening>> {
        use geodesic_proto::cosmos::tx::v1beta1::{TxBody, TxRaw};
        let mut openings = Vec::new();
        for height in from..=to {
            for tx in self.client.block(Some(height)).await?.txs {
                let body =
                    TxRaw::decode(tx.as_slice()).and_then(|raw| TxBody::decode(raw.body_bytes.as_slice()));
                for any in body.unwrap_or_default().messages {
                    let msg = geodesic_proto::any::unpack::<pb::MsgOpenPoc>(&any).ok();
                    let msg = msg.filter(|m| m.participant == prover && m.auditor == auditor);
                    openings.extend(msg.into_iter().flat_map(|m| m.openings));
                }
            }
        }
        Ok(openings)
    }
}
