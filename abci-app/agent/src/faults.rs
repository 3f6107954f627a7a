//! Deliberate cheating, for tests of audits only: feature `faults`, never in a release.

use std::sync::Arc;

use geodesic_challenge::{Address, Leaf};
use geodesic_proto::geodesic::mlnode::v1::Challenge;

use crate::mlnode::{NonceId, Pool};

#[cfg(all(feature = "faults", not(debug_assertions)))]
compile_error!("the feature `faults` is for tests alone and is never built for a release");

/// What to do wrong. Without the feature `faults`: nothing.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Faults {
    /// Invent the tags of verdicts instead of re-computing samples.
    #[cfg(feature = "faults")]
    #[arg(long)]
    pub fault_lazy_tags: bool,
    /// Serve and open honest leaves only; keep silent about faked ones.
    #[cfg(feature = "faults")]
    #[arg(long)]
    pub fault_refuse_fakes: bool,
}

impl Faults {
    #[cfg(feature = "faults")]
    pub(crate) const fn lazy_tags(self) -> bool {
        self.fault_lazy_tags
    }

    #[cfg(not(feature = "faults"))]
    pub(crate) const fn lazy_tags(self) -> bool {
        false
    }

    #[cfg(feature = "faults")]
    const fn refuse_fakes(self) -> bool {
        self.fault_refuse_fakes
    }

    #[cfg(not(feature = "faults"))]
    const fn refuse_fakes(self) -> bool {
        false
    }
}

/// Decides whether this participant's leaves are shown.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) faults: Faults,
    pub(crate) pool: Arc<Pool>,
}

impl Guard {
    /// Whether a leaf must not be shown: with `--fault-refuse-fakes`, one that is not what its nonce gives.
    pub(crate) async fn hides(&self, challenge: &Challenge, me: &Address, node_id: u32, leaf: &Leaf) -> bool {
        if !self.faults.refuse_fakes() {
            return false;
        }
        let id = NonceId { participant: *me, node_id, nonce: leaf.nonce };
        let computed = self.pool.recompute(challenge, &[id], me).await;
        computed.is_ok_and(|all| all.iter().any(|c| c.leaf_hash != leaf.hash()))
    }

    /// [`Guard::hides`] on a thread that may block.
    pub(crate) fn hides_now(&self, challenge: &Challenge, me: &Address, node_id: u32, leaf: &Leaf) -> bool {
        self.faults.refuse_fakes()
            && tokio::runtime::Handle::current().block_on(self.hides(challenge, me, node_id, leaf))
    }
}
