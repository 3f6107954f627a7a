//! What a state transition sees: block, state, gas and events.

use crate::address::{Address, AddressError};
use crate::error::{Sdk, StateError, TxError};
use crate::events::Event;
use crate::gas::{self, GasMeter};
use crate::state::{Merged, State};
use crate::store::{Entry, Range, StoreId};

/// Facts of the block being executed, or last executed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlockInfo {
    /// Chain id.
    pub chain_id: String,
    /// Bech32 prefix of accounts, from the genesis.
    pub prefix: String,
    /// Height of the first block.
    pub initial_height: u64,
    /// Height.
    pub height: u64,
    /// Time of the header, nanoseconds since the Unix epoch. Never a window: windows are by height.
    pub time_ns: i64,
    /// Hash of the block; empty in CheckTx and PrepareProposal.
    pub hash: Vec<u8>,
    /// Consensus address of the proposer.
    pub proposer: Vec<u8>,
    /// App hash of the height before, as the header has it.
    pub app_hash: Vec<u8>,
    /// Hash of the validators of the next height, as the header has it.
    pub next_validators_hash: Vec<u8>,
}

impl BlockInfo {
    /// Prefix of operator addresses, such as `geovaloper`.
    pub fn valoper_prefix(&self) -> String {
        format!("{}valoper", self.prefix)
    }

    /// Prefix of consensus addresses, such as `geovalcons`.
    pub fn valcons_prefix(&self) -> String {
        format!("{}valcons", self.prefix)
    }
}

/// For what a transaction runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExecMode {
    /// For the mempool, the first time.
    Check,
    /// For the mempool, after a block.
    Recheck,
    /// For its gas only.
    Simulate,
    /// In a block, block work and genesis included.
    #[default]
    Finalize,
}

/// Context of one block; the application resets gas and events for each transaction.
pub struct Ctx {
    /// The block.
    pub block: BlockInfo,
    /// For what.
    pub mode: ExecMode,
    /// Gas of the transaction, or unlimited.
    pub gas: GasMeter,
    state: State,
    events: Vec<Event>,
}

impl Ctx {
    /// A context without gas limit.
    pub fn new(block: BlockInfo, state: State) -> Self {
        Self { block, mode: ExecMode::Finalize, gas: GasMeter::unlimited(), state, events: Vec::new() }
    }

    /// The value at `key`; costs [`gas::READ_FLAT`] and the bytes of key and value.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out or the disk fails.
    pub fn get(&self, store: StoreId, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.gas.charge(gas::READ_FLAT, "ReadFlat")?;
        let value = self.state.get(store, key)?;
        let len = value.as_ref().map_or(0, Vec::len);
        self.gas.charge_bytes(gas::READ_PER_BYTE, key.len(), len, "ReadPerByte")?;
        Ok(value)
    }

    /// Whether `key` is there; costs [`gas::HAS_FLAT`].
    ///
    /// # Errors
    /// [`StateError`] if gas runs out or the disk fails.
    pub fn has(&self, store: StoreId, key: &[u8]) -> Result<bool, StateError> {
        self.gas.charge(gas::HAS_FLAT, "Has")?;
        Ok(self.state.get(store, key)?.is_some())
    }

    /// Writes; costs [`gas::WRITE_FLAT`] and the bytes of key and value.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out.
    pub fn set(&mut self, store: StoreId, key: &[u8], value: Vec<u8>) -> Result<(), StateError> {
        self.gas.charge(gas::WRITE_FLAT, "WriteFlat")?;
        self.gas.charge_bytes(gas::WRITE_PER_BYTE, key.len(), value.len(), "WritePerByte")?;
        self.state.put(store, key, Some(value));
        Ok(())
    }

    /// Deletes; costs [`gas::DELETE_FLAT`].
    ///
    /// # Errors
    /// [`StateError`] if gas runs out.
    pub fn delete(&mut self, store: StoreId, key: &[u8]) -> Result<(), StateError> {
        self.gas.charge(gas::DELETE_FLAT, "Delete")?;
        self.state.put(store, key, None);
        Ok(())
    }

    /// The entries of a range, charged as they are reached, as the SDK does: the first when the walk begins, and each
    /// again when it is left.
    ///
    /// # Errors
    /// [`StateError`] if gas runs out or the disk fails; each item may also be one.
    pub fn range(&self, store: StoreId, range: &Range) -> Result<Walk<'_>, StateError> {
        let mut entries = self.state.range(store, range)?;
        let ahead = entries.next().transpose()?;
        let walk = Walk { gas: &self.gas, entries, ahead, left: None };
        walk.charge(walk.ahead.as_ref().map(lengths))?;
        Ok(walk)
    }

    /// Runs `f` on a branch: its writes and events are kept if it succeeds and dropped if it fails. Gas stays used.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn atomic<T, E>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let events = self.events.len();
        self.state.branch();
        let result = f(self);
        if result.is_ok() {
            self.state.merge();
        } else {
            self.state.discard();
            self.events.truncate(events);
        }
        result
    }

    /// Where the context stands, for [`Ctx::rewind`].
    pub fn mark(&self) -> Mark {
        Mark { depth: self.state.depth(), events: self.events.len() }
    }

    /// Drops the branches and events since `mark`: for a caller that caught a panic in the middle of them.
    pub fn rewind(&mut self, mark: &Mark) {
        self.state.unwind(mark.depth);
        self.events.truncate(mark.events);
    }

    /// Runs `f` without a gas limit and without counting its gas: work that no transaction pays for. The meter comes
    /// back also if `f` panics, so that a transaction whose panic is caught reports the gas that it used.
    pub fn without_gas<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> T {
        struct Restore<'a>(&'a mut Ctx, GasMeter);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                std::mem::swap(&mut self.0.gas, &mut self.1);
            }
        }
        let gas = std::mem::replace(&mut self.gas, GasMeter::unlimited());
        let restore = Restore(self, gas);
        f(&mut *restore.0)
    }

    /// Adds an event.
    pub fn emit(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Events so far.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Takes the events out.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The state, for the application: branches around transactions, changes for the store.
    pub fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// The state, to be committed.
    pub fn into_state(self) -> State {
        self.state
    }

    /// The account that a text means on this chain.
    ///
    /// # Errors
    /// [`AddressError`] names what is wrong with it.
    pub fn account(&self, text: &str) -> Result<Address, AddressError> {
        Address::from_bech32(&self.block.prefix, text)
    }

    /// The operator that a text means on this chain.
    ///
    /// # Errors
    /// [`AddressError`] names what is wrong with it.
    pub fn valoper(&self, text: &str) -> Result<Address, AddressError> {
        Address::from_bech32(&self.block.valoper_prefix(), text)
    }

    /// The text of an account on this chain.
    pub fn account_text(&self, address: &Address) -> String {
        address.to_bech32(&self.block.prefix)
    }

    /// The text of an operator on this chain.
    pub fn valoper_text(&self, address: &Address) -> String {
        address.to_bech32(&self.block.valoper_prefix())
    }
}

/// A place in the life of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    depth: usize,
    events: usize,
}

impl From<AddressError> for TxError {
    fn from(e: AddressError) -> Self {
        Sdk::InvalidAddress.with(e)
    }
}

/// A walk over a range that pays for its steps.
pub struct Walk<'a> {
    gas: &'a GasMeter,
    entries: Merged<'a>,
    ahead: Option<Entry>,
    /// Key and value length of the entry given out last, charged when it is left.
    left: Option<(usize, usize)>,
}

fn lengths((key, value): &Entry) -> (usize, usize) {
    (key.len(), value.len())
}

impl Walk<'_> {
    fn charge(&self, entry: Option<(usize, usize)>) -> Result<(), StateError> {
        if let Some((key, value)) = entry {
            self.gas.charge_bytes(gas::READ_PER_BYTE, key, value, "ValuePerByte")?;
        }
        self.gas.charge(gas::ITER_NEXT_FLAT, "IterNextFlat")
    }

    fn step(&mut self) -> Result<Option<Entry>, StateError> {
        if let Some(left) = self.left.take() {
            self.charge(Some(left))?;
            self.ahead = self.entries.next().transpose()?;
        }
        let entry = self.ahead.take();
        self.left = entry.as_ref().map(lengths);
        Ok(entry)
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Entry, StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
