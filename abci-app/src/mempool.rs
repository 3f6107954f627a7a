//! CheckTx: an overlay on the last committed state, thrown away at Commit.

use geodesic_core::{Ctx, ExecMode, Sdk, StateError};

use crate::config::AppConfig;
use crate::deliver::{BlockGas, Deliver, Outcome};
use crate::router::AppMsg;
use crate::tx::{self, Verifier};
use crate::{block, metrics as names};

/// What the mempool connection holds.
pub(crate) struct Mempool {
    /// `None` before the first block.
    ctx: Option<Ctx>,
    /// Transactions accepted since the last block, rechecked ones included.
    pending: u64,
}

impl Mempool {
    pub(crate) fn new(ctx: Option<Ctx>) -> Self {
        Self { ctx, pending: 0 }
    }

    /// Whether a transaction may enter, or stay in, the mempool.
    ///
    /// # Errors
    /// [`StateError`] alone ends the process.
    pub(crate) fn check(
        &mut self,
        verifier: &Verifier,
        config: &AppConfig,
        mode: ExecMode,
        bytes: &[u8],
    ) -> Result<Outcome, StateError> {
        let Some(ctx) = self.ctx.as_mut() else {
            let error = Some(Sdk::InvalidHeight.with("no block is committed yet"));
            return Ok(Outcome { error, ..Outcome::default() });
        };
        // The last quarter is kept for the proof of compute: no flood of transfers may push it out of its windows.
        let full = self.pending.saturating_mul(4) >= config.mempool_size.saturating_mul(3);
        if full && mode == ExecMode::Check && !is_compute(ctx, bytes) {
            let text = format!("{} of {} transactions pending", self.pending, config.mempool_size);
            return Ok(Outcome { error: Some(Sdk::MempoolIsFull.with(text)), ..Outcome::default() });
        }
        ctx.mode = mode;
        let limit = block::max_gas(&block::load_params(ctx)?);
        let block_gas = BlockGas { limit, used: 0 };
        let mut deliver = Deliver { verifier, min_gas_prices: &config.min_gas_prices, block_gas };
        let outcome = deliver.run(ctx, bytes)?;
        if outcome.is_ok() {
            self.pending = self.pending.saturating_add(1);
            #[allow(clippy::as_conversions)] // a count far below 2^53
            metrics::gauge!(names::PENDING).set(self.pending as f64);
        }
        Ok(outcome)
    }
}

fn is_compute(ctx: &Ctx, bytes: &[u8]) -> bool {
    tx::decode::<AppMsg>(bytes, &ctx.block.prefix)
        .is_ok_and(|(_, messages)| messages.iter().all(|m| matches!(m, AppMsg::Pow(_))))
}
