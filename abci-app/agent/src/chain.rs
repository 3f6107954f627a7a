//! What the chain says, in the agent's own types.

use std::collections::BTreeMap;

use geodesic_challenge::Commitment;
use geodesic_client::address::{Error as AddressError, Kind};
use geodesic_client::rpc::{Client, Error as RpcError};
use geodesic_proto::cosmos::base::query::v1beta1::{PageRequest, PageResponse};
use geodesic_proto::geodesic::epochs::v1 as epochs;
use geodesic_proto::geodesic::pow::v1 as pow;
use geodesic_proto::geodesic::rewards::v1 as rewards;
use prost::Message;

use crate::duties::{Draw, Operator, Prover};

/// Entries asked for at a time.
const PAGE: u64 = 500;

/// Pages of one list at most: what is longer is no honest answer.
const PAGES_MAX: usize = 200;

/// Why the chain's answer is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node does not answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// An address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A field is missing or has the wrong length.
    #[error("unexpected answer of the chain: {0}")]
    Unexpected(&'static str),
}

/// The chain behind a node's RPC.
#[derive(Clone)]
pub struct Chain {
    client: Client,
    prefix: String,
}

/// An epoch as it began and was drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Epoch {
    /// Its number.
    pub index: u64,
    /// Seed of its weights and nonces.
    pub key: [u8; 32],
    /// Distance below which a nonce is a hit, units of 2^-32.
    pub r_target: u64,
    /// Leaves below which a prover has no weight.
    pub min_leaves: u64,
    /// Absent before X.
    pub draw: Option<Draw>,
}

/// How another agent is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its URL.
    pub url: String,
    /// SHA-256 of its certificate's public key.
    pub key_hash: [u8; 32],
}

/// Powers and provers of an epoch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Audited {
    /// Operator -> power and VRF key at X.
    pub powers: BTreeMap<Operator, (u64, Vec<u8>)>,
    /// Who is audited.
    pub provers: Vec<Prover>,
}

impl Chain {
    /// The chain behind `client`, whose accounts have this prefix.
    pub fn new(client: Client, prefix: &str) -> Self {
        Self { client, prefix: prefix.to_owned() }
    }

    /// The node's client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The operator that a text means.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn operator(&self, text: &str) -> Result<Operator, Error> {
        Ok(Kind::Account.decode_20(&self.prefix, text)?)
    }

    /// The text of an operator.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn text(&self, operator: &Operator) -> Result<String, Error> {
        Ok(Kind::Account.encode(&self.prefix, operator)?)
    }

    /// The running epoch, its phase and the height of the answer; `None` before the first block.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn current(&self) -> Result<Option<(epochs::Epoch, u64)>, Error> {
        match self.client.current_epoch().await {
            Ok(r) => Ok(r.epoch.map(|e| (e, r.height))),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// What an epoch began with; `None` if the chain has no record of it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn epoch(&self, index: u64) -> Result<Option<Epoch>, Error> {
        let epoch = match self.client.pow_epoch(index).await {
            Ok(r) => r.epoch,
            Err(e) if e.is_not_found() => None,
            Err(e) => return Err(e.into()),
        };
        let Some(e) = epoch else { return Ok(None) };
        let params = e.params.ok_or(Error::Unexpected("epoch without parameters"))?;
        let draw = match e.draw {
            None => None,
            Some(d) => Some(Draw {
                beacon: hash(&d.beacon)?,
                total_power: d.total_power,
                samples: d.samples,
                committee_size: params.committee_size,
            }),
        };
        Ok(Some(Epoch {
            index,
            key: hash(&e.epoch_key)?,
            r_target: e.r_target,
            min_leaves: params.min_leaves,
            draw,
        }))
    }

    /// The network that is computed.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn shape(&self) -> Result<geodesic_challenge::Shape, Error> {
        let setting = self.client.pow_shape().await?.shape.ok_or(Error::Unexpected("no shape"))?;
        geodesic_client::verify::shape(&setting).map_err(|_| Error::Unexpected("shape"))
    }

    /// A participant's settings in force in an epoch, and whether it takes part then; `None` if it is not registered.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn settings(&self, participant: &str, epoch: u64) -> Result<Option<(pow::Settings, bool)>, Error> {
        let request = pow::QueryParticipantRequest { participant: participant.to_owned() };
        let reply = self.client.query("/geodesic.pow.v1.Query/Participant", &request).await;
        let p = match reply {
            Ok(pow::QueryParticipantResponse { participant }) => participant,
            Err(e) if e.is_not_found() => None,
            Err(e) => return Err(e.into()),
        };
        Ok(p.and_then(|p| in_force(&p, epoch)))
    }

    /// Where the agents of all participants of an epoch are.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn peers(&self, epoch: u64) -> Result<BTreeMap<Operator, Peer>, Error> {
        let list = self.all("Participants", |pagination| pow::QueryParticipantsRequest { pagination },
            |r: pow::QueryParticipantsResponse| (r.participants, r.pagination)).await?;
        let mut peers = BTreeMap::new();
        for p in list {
            let operator = self.operator(&p.participant)?;
            let Some((settings, _)) = in_force(&p, epoch) else { continue };
            let key_hash = hash(&settings.certificate_hash)?;
            peers.insert(operator, Peer { url: settings.agent_url, key_hash });
        }
        Ok(peers)
    }

    /// What a participant has committed to in an epoch, by node.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn commitments(&self, epoch: u64) -> Result<BTreeMap<Operator, pow::Commitment>, Error> {
        let list = self.all("Commitments", |pagination| pow::QueryCommitmentsRequest { epoch, pagination },
            |r: pow::QueryCommitmentsResponse| (r.commitments, r.pagination)).await?;
        list.into_iter().map(|c| Ok((self.operator(&c.participant)?, c))).collect()
    }

    /// Powers and provers of a drawn epoch.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn audited(&self, epoch: u64) -> Result<Audited, Error> {
        let mut powers = Vec::new();
        let provers = self.all("Duties", |pagination| pow::QueryDutiesRequest { epoch, pagination },
            |r: pow::QueryDutiesResponse| {
                powers = r.powers;
                (r.provers, r.pagination)
            }).await?;
        let mut audited = Audited::default();
        for p in powers {
            audited.powers.insert(self.operator(&p.validator)?, (p.power, p.vrf_key));
        }
        for p in provers {
            let nodes = p.nodes.iter().map(commitment).collect::<Result<_, _>>()?;
            audited.provers.push(Prover { operator: self.operator(&p.participant)?, nodes });
        }
        Ok(audited)
    }

    /// The verdicts of an epoch.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn verdicts(&self, epoch: u64) -> Result<Vec<pow::Verdict>, Error> {
        self.all("Verdicts", |pagination| pow::QueryVerdictsRequest { epoch, pagination },
            |r: pow::QueryVerdictsResponse| (r.verdicts, r.pagination)).await
    }

    /// What the verdicts of an epoch say.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn verdict_duties(&self, epoch: u64) -> Result<Vec<pow::Duty>, Error> {
        self.all("VerdictDuties", |pagination| pow::QueryVerdictDutiesRequest { epoch, auditor: String::new(), pagination },
            |r: pow::QueryVerdictDutiesResponse| (r.duties, r.pagination)).await
    }

    /// The demands of an epoch.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn demands(&self, epoch: u64) -> Result<Vec<pow::Demand>, Error> {
        self.all("Demands", |pagination| pow::QueryDemandsRequest { epoch, prover: String::new(), pagination },
            |r: pow::QueryDemandsResponse| (r.demands, r.pagination)).await
    }

    /// The cases of an epoch.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn cases(&self, epoch: u64) -> Result<Vec<pow::Case>, Error> {
        self.all("Accusations", |pagination| pow::QueryAccusationsRequest { epoch, pagination },
            |r: pow::QueryAccusationsResponse| (r.cases, r.pagination)).await
    }

    /// The judgments of an epoch.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn judgments(&self, epoch: u64) -> Result<Vec<pow::Judgment>, Error> {
        self.all("Judgments", |pagination| pow::QueryJudgmentsRequest { epoch, pagination },
            |r: pow::QueryJudgmentsResponse| (r.judgments, r.pagination)).await
    }

    /// Epochs whose reward a participant can claim now.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn claimable(&self, participant: &str) -> Result<Vec<u64>, Error> {
        let pagination = Some(PageRequest { limit: 100, ..PageRequest::default() });
        let request = rewards::QueryClaimableRequest { participant: participant.to_owned(), pagination };
        let reply: rewards::QueryClaimableResponse =
            self.client.query("/geodesic.rewards.v1.Query/Claimable", &request).await?;
        Ok(reply.shares.iter().map(|s| s.epoch).collect())
    }

    /// Every entry of a list of pow, page by page.
    async fn all<Q: Message, R: Message + Default, T>(
        &self,
        method: &str,
        request: impl Fn(Option<PageRequest>) -> Q,
        mut take: impl FnMut(R) -> (Vec<T>, Option<PageResponse>),
    ) -> Result<Vec<T>, Error> {
        let path = format!("/geodesic.pow.v1.Query/{method}");
        let (mut all, mut key) = (Vec::new(), Vec::new());
        for _ in 0..PAGES_MAX {
            let page = PageRequest { key: std::mem::take(&mut key), limit: PAGE, ..PageRequest::default() };
            let reply = match self.client.query(&path, &request(Some(page))).await {
                Ok(reply) => reply,
                Err(e) if e.is_not_found() => return Ok(all),
                Err(e) => return Err(e.into()),
            };
            let (mut items, page) = take(reply);
            all.append(&mut items);
            key = page.map(|p| p.next_key).unwrap_or_default();
            if key.is_empty() {
                return Ok(all);
            }
        }
        Err(Error::Unexpected("a list without end"))
    }
}

/// 32 bytes of an answer.
pub(crate) fn hash(bytes: &[u8]) -> Result<[u8; 32], Error> {
    bytes.try_into().map_err(|_| Error::Unexpected("a hash is not 32 bytes"))
}

fn commitment(n: &pow::NodeCommitment) -> Result<(u32, Commitment), Error> {
    Ok((n.node_id, Commitment { count: n.count, hits: n.hits, root: hash(&n.root)? }))
}

/// The settings of a participant in an epoch, and whether it takes part.
fn in_force(p: &pow::Participant, epoch: u64) -> Option<(pow::Settings, bool)> {
    let settings = match &p.next {
        Some(next) if p.next_from <= epoch => Some(next.clone()),
        _ => p.settings.clone(),
    };
    settings.map(|s| (s, p.active_from <= epoch && p.deposit.is_some()))
}
