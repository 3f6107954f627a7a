//! The same chain again: from its blocks, and from its exported state.

use anyhow::{Result, ensure};
use serde_json::Value;
use tendermint_abci::Application as _;
use tendermint_proto::v0_38::abci::{RequestFinalizeBlock, RequestInitChain};

use super::invariants::{exported, state_of};
use super::net::{Net, hash, time};
use super::node::Node;
use super::sets::{self, Set};

impl Net {
    /// Exports the state into a new chain that begins at the next height, and lets both go on for `blocks` empty blocks,
    /// which must give the same events and validator updates. Returns both states.
    ///
    /// # Errors
    /// The state cannot be imported; or the validators or answers differ.
    pub fn fork(&self, blocks: i64) -> Result<(Value, Value)> {
        let last = self.height();
        let init = RequestInitChain {
            app_state_bytes: serde_json::to_vec(&exported(self)?)?.into(),
            initial_height: last + 1,
            time: time(last),
            consensus_params: Some(self.params.clone()),
            ..self.init.clone()
        };
        let (old, new) = (Node::new(None, 0)?, Node::new(None, 0)?);
        old.handshake(&self.init, &self.genesis, &self.blocks)?;
        let set = sets::apply(&Set::new(), &new.init(&init, None)?.validators)?;
        ensure!(
            set == *self.set(last + 2)?,
            "the new chain begins with {set:?}, not {:?}",
            self.set(last + 2)?
        );
        for height in last + 1..=last + blocks {
            let hash = hash(&[&height.to_be_bytes()]);
            let block =
                RequestFinalizeBlock { height, time: time(height), hash, ..RequestFinalizeBlock::default() };
            let (a, b) = (old.finalize(&block, None)?, new.finalize(&block, None)?);
            ensure!(a.events == b.events, "height {height}: events {:?} and {:?}", a.events, b.events);
            let (a, b) = (a.validator_updates, b.validator_updates);
            ensure!(a == b, "height {height}: validator updates {a:?} and {b:?}");
            old.app()?.commit();
            new.app()?.commit();
        }
        Ok((state_of(old.app()?)?, state_of(new.app()?)?))
    }

    /// A new application with an empty disk, played all blocks; its answers must be those of the others.
    ///
    /// # Errors
    /// Where it differs.
    pub fn replay(&self) -> Result<()> {
        Node::new(None, 0)?.handshake(&self.init, &self.genesis, &self.blocks)
    }
}
