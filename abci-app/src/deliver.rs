//! One transaction, from its bytes to its result.

use std::any::Any as AnyPayload;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use geodesic_core::gas::GasMeter;
use geodesic_core::{Ctx, DecCoins, Event, ExecMode, Sdk, StateError, TxError};
use geodesic_proto::cosmos::base::abci::v1beta1::TxMsgData;
use geodesic_proto::prost::Message;

use crate::abci::Halted;
use crate::router::AppMsg;
use crate::tx::{self, Ante, Tx, Verifier, validate_messages};
use crate::wiring::WIRING;

/// Code of the SDK's `ErrPanic`.
const PANIC: u32 = 111_222;

/// Unordered transactions are taken: a rule of the chain, which the SDK leaves to whoever builds the application.
const UNORDERED: bool = true;

/// What a client is told of a transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Why it failed.
    pub error: Option<TxError>,
    /// `TxMsgData` with a response for each message; empty if it failed.
    pub data: Vec<u8>,
    /// Events of the ante steps and, if it succeeded, of the messages.
    pub events: Vec<Event>,
    /// Gas that it asked for.
    pub gas_wanted: u64,
    /// Gas that it used.
    pub gas_used: u64,
    /// Order in the mempool.
    pub priority: i64,
}

impl Outcome {
    fn failed(error: TxError) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    /// Whether it succeeded.
    pub(crate) const fn is_ok(&self) -> bool {
        self.error.is_none()
    }
}

/// Gas of a block.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BlockGas {
    /// Consensus parameter `block.max_gas`, if it limits.
    pub limit: Option<u64>,
    /// Used by the transactions so far.
    pub used: u64,
}

impl BlockGas {
    fn is_used_up(&self) -> bool {
        self.limit.is_some_and(|limit| self.used >= limit)
    }

    /// Counts a transaction; `false` if the block's limit is passed.
    fn add(&mut self, gas: u64) -> bool {
        self.used = self.used.saturating_add(gas);
        self.limit.is_none_or(|limit| self.used <= limit)
    }
}

/// What all transactions of a block or mempool share.
pub(crate) struct Deliver<'a> {
    /// Verifies signatures.
    pub verifier: &'a Verifier,
    /// The node's prices; only the mempool asks for them.
    pub min_gas_prices: &'a DecCoins,
    /// Gas of the block.
    pub block_gas: BlockGas,
}

impl Deliver<'_> {
    /// Runs a transaction in the mode of `ctx`: ante steps, whose writes stay, then the messages, whose writes stay only
    /// if all succeed. The mempool runs no messages.
    ///
    /// # Errors
    /// [`StateError`] alone ends the process; everything a sender can cause is in the [`Outcome`].
    pub(crate) fn run(&mut self, ctx: &mut Ctx, bytes: &[u8]) -> Result<Outcome, StateError> {
        let counts = ctx.mode == ExecMode::Finalize;
        let decoded = tx::decode::<AppMsg>(bytes, &ctx.block.prefix);
        if counts && decoded.is_err() {
            return Ok(Outcome::failed(TxError::new("sdk", 2, Sdk::TxDecode.text()))); // the mempool says why
        }
        if counts && self.block_gas.is_used_up() {
            return Ok(Outcome::failed(Sdk::OutOfGas.with("no block gas left to run tx")));
        }
        let checked =
            decoded.and_then(|(tx, messages)| validate_messages(&messages).map(|()| (tx, messages)));
        let (tx, messages) = match checked {
            Ok(decoded) => decoded,
            Err(e) => return self.refuse(ctx, e),
        };
        let outcome = self.run_decoded(ctx, &tx, &messages);
        ctx.gas = GasMeter::unlimited();
        outcome
    }

    /// A transaction that fails before it has a gas meter. The SDK reads the parameters of consensus for each transaction,
    /// which only such a one reports as its gas.
    fn refuse(&mut self, ctx: &mut Ctx, e: TxError) -> Result<Outcome, StateError> {
        ctx.gas = GasMeter::unlimited();
        geodesic_consensus::params(ctx)?;
        let gas_used = std::mem::take(&mut ctx.gas).used();
        if ctx.mode == ExecMode::Finalize {
            self.block_gas.add(gas_used);
        }
        Ok(Outcome { gas_used, ..fatal_or(e)? })
    }

    fn run_decoded(&mut self, ctx: &mut Ctx, tx: &Tx, messages: &[AppMsg]) -> Result<Outcome, StateError> {
        let before = ctx.take_events();
        debug_assert!(before.is_empty(), "events of a block are taken before its transactions");
        let max_gas = self.block_gas.limit.and_then(|l| i64::try_from(l).ok()).unwrap_or(-1);
        let ante = Ante {
            ports: &WIRING,
            verifier: self.verifier,
            min_gas_prices: self.min_gas_prices,
            block_max_gas: max_gas,
            unordered: UNORDERED,
        };
        let mut outcome = match tx::run(ctx, tx, &ante) {
            Ok(()) => {
                let events = ctx.take_events();
                let mut outcome = self.run_messages(ctx, tx, messages)?;
                outcome.events.splice(0..0, events);
                outcome
            }
            Err(e) => {
                ctx.take_events();
                let outcome = fatal_or(e)?;
                self.count(ctx, outcome)
            }
        };
        let limit = ctx.gas.limit().filter(|_| ctx.mode != ExecMode::Simulate);
        outcome.gas_wanted = limit.unwrap_or(u64::MAX);
        outcome.gas_used = ctx.gas.used();
        outcome.priority = tx::priority(tx);
        Ok(outcome)
    }

    /// Adds a failed transaction's gas to the block's.
    fn count(&mut self, ctx: &Ctx, outcome: Outcome) -> Outcome {
        if ctx.mode == ExecMode::Finalize {
            self.block_gas.add(ctx.gas.used().min(ctx.gas.limit().unwrap_or(u64::MAX)));
        }
        outcome
    }

    fn run_messages(&mut self, ctx: &mut Ctx, tx: &Tx, messages: &[AppMsg]) -> Result<Outcome, StateError> {
        if matches!(ctx.mode, ExecMode::Check | ExecMode::Recheck) {
            return Ok(Outcome::default());
        }
        let mut counted = false;
        let result = ctx.atomic(|ctx| {
            let data = handle_all(ctx, tx, messages)?;
            counted = true;
            let used = ctx.gas.used().min(ctx.gas.limit().unwrap_or(u64::MAX));
            if ctx.mode == ExecMode::Finalize && !self.block_gas.add(used) {
                let (wanted, used) = (ctx.gas.limit().unwrap_or(u64::MAX), ctx.gas.used());
                let text =
                    format!("out of gas in location: block gas meter; gasWanted: {wanted}, gasUsed: {used}");
                return Err(Sdk::OutOfGas.with(text));
            }
            Ok(data)
        });
        let events = ctx.take_events();
        match result {
            Ok(data) => Ok(Outcome { data, events, ..Outcome::default() }),
            Err(e) if counted => fatal_or(e),
            Err(e) => fatal_or(e).map(|outcome| self.count(ctx, outcome)),
        }
    }
}

/// A failed outcome, or the state's failure itself.
fn fatal_or(e: TxError) -> Result<Outcome, StateError> {
    if e.fatal { Err(StateError::Invariant(e.log)) } else { Ok(Outcome::failed(e)) }
}

/// Executes the messages in order; returns the encoded `TxMsgData`.
fn handle_all(ctx: &mut Ctx, tx: &Tx, messages: &[AppMsg]) -> Result<Vec<u8>, TxError> {
    let prefix = ctx.block.prefix.clone();
    let mut msg_responses = Vec::with_capacity(messages.len());
    for (index, (message, any)) in messages.iter().zip(&tx.body.messages).enumerate() {
        let earlier = ctx.take_events();
        let response = guarded(ctx, |ctx| message.handle(ctx)).map_err(|e| in_message(index, e))?;
        let mut events = vec![message_event(&any.type_url, message, &prefix)];
        events.extend(ctx.take_events());
        earlier.into_iter().for_each(|e| ctx.emit(e));
        for event in events {
            ctx.emit(event.attr("msg_index", index));
        }
        msg_responses.push(response);
    }
    #[allow(deprecated)] // `data` is the field before msg_responses
    let data = TxMsgData { data: Vec::new(), msg_responses };
    Ok(data.encode_to_vec())
}

/// An error with the message that it is of; that of gas is the transaction's, as is a panic.
fn in_message(index: usize, e: TxError) -> TxError {
    if (e.codespace, e.code) == ("sdk", 11) || e.codespace == "undefined" && e.code == PANIC {
        return e;
    }
    let log = format!("failed to execute message; message index: {index}: {}", e.log);
    TxError { log, ..e }
}

/// Runs a message; a panic in it, which should never happen, fails the one transaction. The gas it used stays used.
fn guarded<T>(ctx: &mut Ctx, run: impl FnOnce(&mut Ctx) -> Result<T, TxError>) -> Result<T, TxError> {
    let mark = ctx.mark();
    // Whatever the panic left half done is dropped by `rewind`.
    match catch_unwind(AssertUnwindSafe(|| run(ctx))) {
        Ok(result) => result,
        Err(payload) if payload.is::<Halted>() => resume_unwind(payload),
        Err(payload) => {
            ctx.rewind(&mark);
            let text = panic_text(payload.as_ref());
            tracing::error!(text, "panic in a message");
            metrics::counter!(crate::metrics::MESSAGE_PANICS).increment(1);
            Err(TxError::new("undefined", PANIC, format!("recovered: {text}: panic")))
        }
    }
}

fn panic_text(payload: &(dyn AnyPayload + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|t| (*t).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// `message.action`, sender and module, as the SDK's `createEvents`.
fn message_event(type_url: &str, message: &AppMsg, prefix: &str) -> Event {
    use crate::tx::TxMsg as _;
    let mut event = Event::new("message").attr("action", type_url);
    if let Some(signer) = message.signers(prefix).ok().and_then(|s| s.into_iter().next()) {
        event = event.attr("sender", signer.to_bech32(prefix));
    }
    match type_url.split('.').nth(1) {
        Some(module) => event.attr("module", module),
        None => event,
    }
}

#[cfg(test)]
mod tests;
