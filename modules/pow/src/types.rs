//! The messages, checked as far as no state is needed: lengths, order, ranges.

use geodesic_challenge::{Commitment, DEPTH_MAX, Distance, Hash, Leaf, Node, Path};
use geodesic_proto::geodesic::pow::v1 as pb;

use crate::errors::Error;
use crate::params::{CASES_MAX, SAMPLES_MAX};

/// Most nodes of a participant.
pub const NODES_MAX: usize = 64;
/// Longest `agent_url` in bytes.
pub const URL_MAX: usize = 256;
/// Longest text of an address in bytes.
pub const ADDRESS_MAX: usize = 128;
/// Most openings in one message; a demand for more is answered in parts.
pub const OPENINGS_MAX: usize = 64;
/// Most duties of one verdict.
pub const DUTIES_MAX: usize = 4096;
/// Most commitments of a participant in an epoch.
pub const COMMITS_MAX: u32 = 8;

fn invalid<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(Error::InvalidMessage(text.into()))
}

fn fixed<const N: usize>(name: &str, bytes: &[u8]) -> Result<[u8; N], Error> {
    <[u8; N]>::try_from(bytes)
        .map_err(|_| Error::InvalidMessage(format!("{name} has {} bytes, must have {N}", bytes.len())))
}

fn at_most(name: &str, len: usize, max: usize) -> Result<(), Error> {
    if len > max { invalid(format!("{len} {name}, allowed are {max}")) } else { Ok(()) }
}

fn some(name: &str, len: usize, max: usize) -> Result<(), Error> {
    if len == 0 {
        return invalid(format!("no {name}"));
    }
    at_most(name, len, max)
}

/// Strictly ascending.
fn ascending<T: PartialOrd + std::fmt::Display>(
    name: &str,
    items: impl Iterator<Item = T>,
) -> Result<(), Error> {
    let mut last: Option<T> = None;
    for item in items {
        if let Some(last) = last.filter(|last| *last >= item) {
            return invalid(format!("{name} {item} stands behind {last}"));
        }
        last = Some(item);
    }
    Ok(())
}

fn address(name: &str, text: &str) -> Result<String, Error> {
    if text.is_empty() {
        return invalid(format!("{name} is empty"));
    }
    at_most(&format!("bytes of {name}"), text.len(), ADDRESS_MAX)?;
    Ok(text.to_owned())
}

/// Who signs, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Signs and pays.
    pub sender: String,
    /// The participant, or validator, that the message is about.
    pub participant: String,
}

impl Origin {
    fn new(sender: &str, participant: &str) -> Result<Self, Error> {
        Ok(Self { sender: address("sender", sender)?, participant: address("participant", participant)? })
    }
}

/// Checks settings: an agent, a URL, 32 bytes, 1 to [`NODES_MAX`] ascending nodes.
///
/// # Errors
/// [`Error::InvalidMessage`] names the field.
pub fn check_settings(s: &pb::Settings) -> Result<(), Error> {
    address("agent", &s.agent)?;
    at_most("bytes of agent_url", s.agent_url.len(), URL_MAX)?;
    let host = s.agent_url.strip_prefix("https://").or_else(|| s.agent_url.strip_prefix("http://"));
    if !host.is_some_and(|h| !h.is_empty() && h.bytes().all(|b| b.is_ascii_graphic())) {
        return invalid("agent_url must be http:// or https:// with a host, in printable ASCII");
    }
    fixed::<32>("certificate_hash", &s.certificate_hash)?;
    some("node_ids", s.node_ids.len(), NODES_MAX)?;
    ascending("node", s.node_ids.iter())
}

fn settings(s: Option<&pb::Settings>) -> Result<Option<pb::Settings>, Error> {
    s.map(|s| check_settings(s).map(|()| s.clone())).transpose()
}

/// See [`pb::MsgRegisterParticipant`].
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Register {
    pub origin: Origin,
    pub settings: pb::Settings,
}

impl TryFrom<pb::MsgRegisterParticipant> for Register {
    type Error = Error;
    fn try_from(m: pb::MsgRegisterParticipant) -> Result<Self, Error> {
        let origin = Origin::new(&m.sender, &m.participant)?;
        match settings(m.settings.as_ref())? {
            Some(settings) => Ok(Self { origin, settings }),
            None => invalid("settings are missing"),
        }
    }
}

/// See [`pb::MsgUpdateParticipant`].
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Update {
    pub origin: Origin,
    pub settings: Option<pb::Settings>,
    pub refill: bool,
    pub leave: bool,
}

impl TryFrom<pb::MsgUpdateParticipant> for Update {
    type Error = Error;
    fn try_from(m: pb::MsgUpdateParticipant) -> Result<Self, Error> {
        let origin = Origin::new(&m.sender, &m.participant)?;
        let changes = m.settings.is_some() || m.refill;
        if changes == m.leave {
            return invalid("either leave, or new settings or a refill");
        }
        Ok(Self { origin, settings: settings(m.settings.as_ref())?, refill: m.refill, leave: m.leave })
    }
}

/// See [`pb::MsgCommitPoc`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CommitPoc {
    pub origin: Origin,
    pub epoch: u64,
    /// Node and what it commits to, ascending by node.
    pub nodes: Vec<(u32, Commitment)>,
}

/// What a stored or sent node committed to.
///
/// # Errors
/// [`Error::InvalidMessage`] if it has no leaves, more hits than leaves or a root of another length.
pub fn node_commitment(n: &pb::NodeCommitment) -> Result<(u32, Commitment), Error> {
    if n.count == 0 {
        return invalid(format!("node {} has no leaves", n.node_id));
    }
    if n.hits > n.count {
        return invalid(format!("node {} has {} hits among {} leaves", n.node_id, n.hits, n.count));
    }
    Ok((n.node_id, Commitment { count: n.count, hits: n.hits, root: fixed("root", &n.root)? }))
}

impl TryFrom<pb::MsgCommitPoc> for CommitPoc {
    type Error = Error;
    fn try_from(m: pb::MsgCommitPoc) -> Result<Self, Error> {
        let origin = Origin::new(&m.sender, &m.participant)?;
        some("nodes", m.nodes.len(), NODES_MAX)?;
        ascending("node", m.nodes.iter().map(|n| n.node_id))?;
        Ok(Self {
            origin,
            epoch: m.epoch,
            nodes: m.nodes.iter().map(node_commitment).collect::<Result<_, _>>()?,
        })
    }
}

/// A validator's VRF output and proof.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Vrf {
    pub output: [u8; 64],
    pub proof: [u8; 80],
}

impl Vrf {
    fn new(output: &[u8], proof: &[u8]) -> Result<Self, Error> {
        Ok(Self { output: fixed("vrf_output", output)?, proof: fixed("vrf_proof", proof)? })
    }
}

/// See [`pb::MsgDemand`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Demand {
    pub origin: Origin,
    pub epoch: u64,
    pub vrf: Vrf,
    pub prover: String,
    pub positions: Vec<u32>,
}

fn positions_max() -> usize {
    usize::try_from(SAMPLES_MAX).unwrap_or(usize::MAX)
}

impl TryFrom<pb::MsgDemand> for Demand {
    type Error = Error;
    fn try_from(m: pb::MsgDemand) -> Result<Self, Error> {
        some("positions", m.positions.len(), positions_max())?;
        ascending("position", m.positions.iter())?;
        Ok(Self {
            origin: Origin::new(&m.sender, &m.participant)?,
            epoch: m.epoch,
            vrf: Vrf::new(&m.vrf_output, &m.vrf_proof)?,
            prover: address("prover", &m.prover)?,
            positions: m.positions,
        })
    }
}

/// A leaf as the chain checks it.
///
/// # Errors
/// [`Error::InvalidMessage`] if it is missing, its hash has no 32 bytes or its distance is above 2.
pub fn leaf(l: Option<&pb::Leaf>) -> Result<Leaf, Error> {
    let Some(l) = l else { return invalid("leaf is missing") };
    let distance = Distance(l.distance);
    if distance > Distance::MAX {
        return invalid(format!("distance {} is above {}", l.distance, Distance::MAX.0));
    }
    Ok(Leaf { nonce: l.nonce, distance, logits_hash: fixed("logits_hash", &l.logits_hash)? })
}

fn path(siblings: &[pb::Sibling]) -> Result<Path, Error> {
    at_most("siblings", siblings.len(), DEPTH_MAX)?;
    let node = |s: &pb::Sibling| Ok(Node { hash: fixed("sibling", &s.hash)?, hits: s.hits });
    Ok(Path { siblings: siblings.iter().map(node).collect::<Result<_, Error>>()? })
}

/// A leaf with its path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Proof {
    pub leaf: Leaf,
    pub path: Path,
}

/// See [`pb::MsgOpenPoc`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct OpenPoc {
    pub origin: Origin,
    pub epoch: u64,
    pub auditor: String,
    /// Position and leaf, ascending by position.
    pub openings: Vec<(u32, Proof)>,
}

impl TryFrom<pb::MsgOpenPoc> for OpenPoc {
    type Error = Error;
    fn try_from(m: pb::MsgOpenPoc) -> Result<Self, Error> {
        some("openings", m.openings.len(), OPENINGS_MAX)?;
        ascending("position", m.openings.iter().map(|o| o.position))?;
        let opening =
            |o: &pb::Opening| Ok((o.position, Proof { leaf: leaf(o.leaf.as_ref())?, path: path(&o.path)? }));
        Ok(Self {
            origin: Origin::new(&m.sender, &m.participant)?,
            epoch: m.epoch,
            auditor: address("auditor", &m.auditor)?,
            openings: m.openings.iter().map(opening).collect::<Result<_, Error>>()?,
        })
    }
}

/// See [`pb::MsgSubmitVerdict`].
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct SubmitVerdict {
    pub origin: Origin,
    pub epoch: u64,
    pub vrf: Vrf,
    pub duties: Vec<pb::DutyReport>,
}

/// Which of tag and distance the profile wants is known with the state.
fn check_seen(seen: &pb::Seen) -> Result<(), Error> {
    match seen.distance {
        0 => fixed::<8>("tag", &seen.tag).map(drop),
        _ if !seen.tag.is_empty() => invalid(format!("sample {} has a tag and a distance", seen.position)),
        d if d > Distance::MAX.0 => invalid(format!("distance {d} is above {}", Distance::MAX.0)),
        _ => Ok(()),
    }
}

fn check_duty(duty: &pb::DutyReport) -> Result<(), Error> {
    address("prover", &duty.prover)?;
    at_most("samples of a duty", duty.samples.len(), positions_max())?;
    ascending("position", duty.samples.iter().map(|s| s.position))?;
    duty.samples.iter().try_for_each(check_seen)
}

impl TryFrom<pb::MsgSubmitVerdict> for SubmitVerdict {
    type Error = Error;
    fn try_from(m: pb::MsgSubmitVerdict) -> Result<Self, Error> {
        at_most("duties", m.duties.len(), DUTIES_MAX)?;
        m.duties.iter().try_for_each(check_duty)?;
        Ok(Self {
            origin: Origin::new(&m.sender, &m.participant)?,
            epoch: m.epoch,
            vrf: Vrf::new(&m.vrf_output, &m.vrf_proof)?,
            duties: m.duties,
        })
    }
}

/// See [`pb::MsgAccuse`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Accuse {
    pub origin: Origin,
    pub epoch: u64,
    pub target: Target,
}

/// What is accused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Target {
    Leaf {
        prover: String,
        node_id: u32,
        proof: Proof,
    },
    /// `proof` shows that the index is false; without it the tag is accused.
    Tag {
        auditor: String,
        prover: String,
        position: u32,
        proof: Option<Proof>,
    },
}

impl TryFrom<pb::MsgAccuse> for Accuse {
    type Error = Error;
    fn try_from(m: pb::MsgAccuse) -> Result<Self, Error> {
        use pb::msg_accuse::Accusation;
        let target = match m.accusation {
            Some(Accusation::Leaf(a)) => Target::Leaf {
                prover: address("prover", &a.prover)?,
                node_id: a.node_id,
                proof: Proof { leaf: leaf(a.leaf.as_ref())?, path: path(&a.path)? },
            },
            Some(Accusation::Tag(a)) => {
                let proof = match &a.leaf {
                    Some(l) => Some(Proof { leaf: leaf(Some(l))?, path: path(&a.path)? }),
                    None if a.path.is_empty() => None,
                    None => return invalid("a path without a leaf"),
                };
                Target::Tag {
                    auditor: address("auditor", &a.auditor)?,
                    prover: address("prover", &a.prover)?,
                    position: a.position,
                    proof,
                }
            }
            None => return invalid("accusation is missing"),
        };
        Ok(Self { origin: Origin::new(&m.sender, &m.participant)?, epoch: m.epoch, target })
    }
}

/// See [`pb::MsgCommitJudgment`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CommitJudgment {
    pub origin: Origin,
    pub epoch: u64,
    pub hash: Hash,
}

impl TryFrom<pb::MsgCommitJudgment> for CommitJudgment {
    type Error = Error;
    fn try_from(m: pb::MsgCommitJudgment) -> Result<Self, Error> {
        let origin = Origin::new(&m.sender, &m.participant)?;
        Ok(Self { origin, epoch: m.epoch, hash: fixed("hash", &m.hash)? })
    }
}

/// See [`pb::MsgRevealJudgment`].
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct RevealJudgment {
    pub origin: Origin,
    pub epoch: u64,
    pub values: Vec<pb::CaseValue>,
    pub salt: Hash,
}

impl TryFrom<pb::MsgRevealJudgment> for RevealJudgment {
    type Error = Error;
    fn try_from(m: pb::MsgRevealJudgment) -> Result<Self, Error> {
        at_most("values", m.values.len(), usize::try_from(CASES_MAX).unwrap_or(usize::MAX))?;
        ascending("case", m.values.iter().map(|v| v.case_id))?;
        if let Some(v) = m.values.iter().find(|v| !matches!(v.value.len(), 8 | 32)) {
            return invalid(format!(
                "value of case {} has {} bytes, must have 8 or 32",
                v.case_id,
                v.value.len()
            ));
        }
        let origin = Origin::new(&m.sender, &m.participant)?;
        Ok(Self { origin, epoch: m.epoch, salt: fixed("salt", &m.salt)?, values: m.values })
    }
}
