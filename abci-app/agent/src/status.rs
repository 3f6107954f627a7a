//! `geod agent status`: a file that the running agent replaces at every height.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use geodesic_client::files;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, read_optional};
use crate::plan::View;

const FILE: &str = "status.json";

/// What an agent does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Seconds since 1970 when this was written.
    pub written_at_s: u64,
    /// Process of the agent.
    pub pid: u32,
    /// The operator.
    pub participant: String,
    /// Account of the agent.
    pub agent: String,
    /// What is wrong with the registration.
    pub complaint: Option<String>,
    /// Newest height.
    pub height: u64,
    /// Its epoch.
    pub epoch: u64,
    /// Its phase.
    pub phase: String,
    /// Blocks until the next phase.
    pub blocks_left: u64,
    /// The participant's work counts in this epoch.
    pub active: bool,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Provers that it audits.
    pub duties: usize,
    /// Samples of them.
    pub samples: usize,
    /// Samples that are there.
    pub served: usize,
    /// Samples that were re-computed.
    pub computed: usize,
    /// The verdict is on chain.
    pub verdict: bool,
    /// Wrong leaves and tags found.
    pub wrong: usize,
    /// Epochs whose reward can be claimed.
    pub claimable: usize,
    /// Actions that run, transactions that wait among them.
    pub running: Vec<String>,
    /// What failed last, newest first.
    pub failures: Vec<Failure>,
}

/// A compute node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its number.
    pub node_id: u32,
    /// Leaves of this epoch.
    pub leaves: u64,
    /// Of which are committed to on chain.
    pub committed: u64,
    /// What is wrong with it.
    pub error: Option<String>,
}

/// Something that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When.
    pub height: u64,
    /// What was tried.
    pub what: String,
    /// Why it failed.
    pub error: String,
}

/// Phase of a height, and the first height behind it.
fn phase(view: &View) -> (&'static str, u64) {
    let w = &view.window;
    let phases = [
        ("stage", w.draw),
        ("fetch", w.open),
        ("open", w.verdict),
        ("verdict", w.judge_commit),
        ("judge-commit", w.judge_reveal),
        ("judge-reveal", w.settle),
        ("settled", w.activate),
        ("active", w.end),
    ];
    phases.into_iter().find(|(_, end)| view.height < *end).unwrap_or(("active", w.end))
}

impl Status {
    pub(crate) fn new(
        view: &View,
        participant: &str,
        agent: &str,
        complaint: Option<String>,
        running: Vec<String>,
        mut errors: BTreeMap<u32, String>,
        failures: Vec<Failure>,
    ) -> Self {
        let (phase, end) = phase(view);
        let samples: Vec<_> = view.audit.iter().flat_map(|a| &a.duties).flat_map(|d| &d.samples).collect();
        let mut nodes: Vec<Node> = view
            .nodes
            .iter()
            .map(|n| Node {
                node_id: n.node_id,
                leaves: n.leaves,
                committed: n.committed,
                error: errors.remove(&n.node_id),
            })
            .collect();
        // Those that are not registered only re-compute.
        nodes.extend(errors.into_iter().map(|(node_id, e)| Node {
            node_id,
            leaves: 0,
            committed: 0,
            error: Some(e),
        }));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            written_at_s: now.map_or(0, |d| d.as_secs()),
            pid: std::process::id(),
            participant: participant.to_owned(),
            agent: agent.to_owned(),
            complaint,
            height: view.height,
            epoch: view.window.index,
            phase: phase.to_owned(),
            blocks_left: end.saturating_sub(view.height),
            active: view.active,
            nodes,
            duties: view.audit.as_ref().map_or(0, |a| a.duties.len()),
            samples: samples.len(),
            served: samples.iter().filter(|s| s.known).count(),
            computed: samples.iter().filter(|s| s.computed).count(),
            verdict: view.audit.as_ref().is_some_and(|a| a.sent),
            wrong: view.wrong_leaves.len() + view.wrong_tags.len(),
            claimable: view.claimable.len(),
            running,
            failures,
        }
    }

    /// Replaces the file in an agent's folder.
    ///
    /// # Errors
    /// [`Error::Files`].
    pub fn write(&self, dir: &Path) -> Result<()> {
        let bytes = serde_json::to_vec(self).map_err(|e| Error::Config(e.to_string()))?;
        Ok(files::write_private(&dir.join(FILE), &bytes)?)
    }

    /// What the agent of a folder wrote last; `None` if it never ran in an epoch.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Config`] if the file is another's.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(FILE);
        let Some(bytes) = read_optional(&path)? else { return Ok(None) };
        let malformed = |e| Error::Config(format!("{} is malformed: {e}", path.display()));
        serde_json::from_slice(&bytes).map(Some).map_err(malformed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yes = |b: bool| if b { "yes" } else { "no" };
        writeln!(f, "participant  {}", self.participant)?;
        writeln!(f, "agent        {} (process {})", self.agent, self.pid)?;
        if let Some(complaint) = &self.complaint {
            writeln!(f, "complaint    {complaint}")?;
        }
        writeln!(f, "height       {}", self.height)?;
        writeln!(
            f,
            "epoch        {} {}, {} blocks left, active: {}",
            self.epoch,
            self.phase,
            self.blocks_left,
            yes(self.active)
        )?;
        for node in &self.nodes {
            let error = node.error.as_deref().map(|e| format!(" ({e})")).unwrap_or_default();
            writeln!(
                f,
                "node {:<7} {} leaves, {} committed{error}",
                node.node_id, node.leaves, node.committed
            )?;
        }
        let (duties, samples) = (self.duties, self.samples);
        writeln!(
            f,
            "audit        {duties} provers, {samples} samples, {} served, {} computed",
            self.served, self.computed
        )?;
        writeln!(f, "verdict      {}", yes(self.verdict))?;
        writeln!(f, "wrong        {}", self.wrong)?;
        writeln!(f, "claimable    {} epochs", self.claimable)?;
        writeln!(f, "running      {}", self.running.join(" "))?;
        for failure in self.failures.iter().take(5) {
            writeln!(f, "failed       at {}: {}: {}", failure.height, failure.what, failure.error)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geodesic_proto::geodesic::epochs::v1::Epoch;

    #[test]
    fn a_status_comes_back_and_names_the_phase() {
        let window = Epoch { start: 1, draw: 17, open: 22, end: 61, ..Epoch::default() };
        let view = View { height: 18, window, ..View::default() };
        let errors = [(7, "down".to_owned())].into();
        let status =
            Status::new(&view, "geo1a", "geo1b", None, vec!["fetch:aa".to_owned()], errors, Vec::new());
        assert_eq!((status.phase.as_str(), status.blocks_left), ("fetch", 4));
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Status::read(dir.path()).unwrap(), None);
        status.write(dir.path()).unwrap();
        assert_eq!(Status::read(dir.path()).unwrap(), Some(status.clone()));
        assert!(status.to_string().contains("node 7       0 leaves, 0 committed (down)"), "{status}");
    }
}
