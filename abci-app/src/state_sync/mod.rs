//! State sync: snapshots are made in the background and served to others; one of theirs becomes our first state.
//!
//! CometBFT asks for one thing at a time. Whatever peers send ends in an answer of ABCI's; only this node's own disk halts it.

mod derive;
mod restore;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use geodesic_store::sync::{Export, Folder, Meta};
use geodesic_store::{Error, Store};
use tendermint_proto::v0_38::abci as pb;

use crate::abci::Fatal;
use crate::config::SnapshotConfig;
use restore::Session;

/// Snapshots that are listed: CometBFT takes no more of a peer.
const LISTED: usize = 10;

/// What the snapshot connection holds.
pub(crate) struct StateSync {
    config: SnapshotConfig,
    folder: Folder,
    /// Makes a snapshot, or did.
    worker: Mutex<Option<JoinHandle<()>>>,
    stop: Arc<AtomicBool>,
    session: Mutex<Option<Session>>,
}

impl StateSync {
    /// Removes what an interrupted process left.
    ///
    /// # Errors
    /// A text that names the folder.
    pub(crate) fn open(config: SnapshotConfig, store: &Store) -> Result<Self, String> {
        if let Some(height) = store.cleared_restore() {
            tracing::warn!(
                height,
                "the last process ended while it restored a snapshot: what it had written is removed"
            );
        }
        let folder = Folder::new(&config.dir);
        let removed = folder.clean().map_err(|e| format!("snapshots: {e}"))?;
        if removed > 0 {
            tracing::warn!(
                removed,
                "the last process ended while it made a snapshot: what it had written is removed"
            );
        }
        let (worker, stop, session) = Default::default();
        Ok(Self { config, folder, worker, stop, session })
    }

    fn session(&self) -> MutexGuard<'_, Option<Session>> {
        // A panic with the lock held ends the process.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a snapshot of the height just committed if one is due: blocks go on meanwhile.
    pub(crate) fn make_if_due(&self, store: &Store, fatal: &Fatal, height: u64) {
        if height.checked_rem(self.config.interval) != Some(0) {
            return;
        }
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        if worker.as_ref().is_some_and(|worker| !worker.is_finished()) {
            tracing::warn!(
                height,
                "no snapshot: the one before is still being made; snapshot-interval is too short"
            );
            return;
        }
        let export = match store.export(height) {
            Ok(export) => export,
            Err(error) => return tracing::error!(height, %error, "no snapshot"),
        };
        let (config, folder, stop) = (self.config.clone(), self.folder.clone(), Arc::clone(&self.stop));
        let fatal = fatal.clone();
        let make = move || {
            fatal.guard("making a snapshot", || match make(&folder, &export, config.chunk_bytes, &stop) {
                Ok(_) => prune(&folder, config.keep_recent),
                Err(error) => tracing::error!(height, %error, "no snapshot"),
            });
        };
        match std::thread::Builder::new().name("snapshot".into()).spawn(make) {
            Ok(thread) => *worker = Some(thread),
            Err(error) => tracing::error!(height, %error, "no snapshot"),
        }
    }

    /// Makes a snapshot of a height now; 0 is the last.
    ///
    /// # Errors
    /// A text: the height is not kept, there is a snapshot of it, or the disk fails.
    pub(crate) fn make(&self, store: &Store, height: u64) -> Result<Meta, String> {
        let height = if height == 0 { store.snapshot().height() } else { height };
        let export = store.export(height).map_err(|e| e.to_string())?;
        make(&self.folder, &export, self.config.chunk_bytes, &self.stop).map_err(|e| e.to_string())
    }

    /// The newest snapshots that are whole.
    pub(crate) fn list(&self) -> Vec<pb::Snapshot> {
        let all = self.folder.list().unwrap_or_else(|error| {
            tracing::error!(%error, "snapshots cannot be listed");
            Vec::new()
        });
        let described = all.into_iter().take(LISTED).filter_map(|(height, format)| self.get(height, format));
        described
            .map(|meta| pb::Snapshot {
                height: meta.height,
                format: meta.format,
                chunks: meta.chunks(),
                hash: meta.hash.to_vec().into(),
                metadata: meta.metadata().into(),
            })
            .collect()
    }

    fn get(&self, height: u64, format: u32) -> Option<Meta> {
        self.folder.get(height, format).unwrap_or_else(|error| {
            tracing::error!(height, format, %error, "a snapshot is damaged: geod snapshots delete removes it");
            None
        })
    }

    /// A chunk of a snapshot; empty, which CometBFT takes for missing, if there is no such chunk or it is damaged.
    pub(crate) fn chunk(&self, height: u64, format: u32, index: u32) -> Vec<u8> {
        let Some(meta) = self.get(height, format) else { return Vec::new() };
        let chunk = self.folder.chunk(&meta, index).unwrap_or_else(|error| {
            tracing::error!(height, format, index, %error, "a chunk is not served");
            None
        });
        chunk.unwrap_or_default()
    }
}

impl Drop for StateSync {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker {
            // A panic in it went to the fatal handle.
            let _ = worker.join();
        }
    }
}

fn make(folder: &Folder, export: &Export, chunk_bytes: usize, stop: &AtomicBool) -> Result<Meta, Error> {
    let height = export.height();
    tracing::info!(height, "a snapshot is being made");
    let meta = folder.make(export, chunk_bytes, || !stop.load(Ordering::Acquire))?;
    tracing::info!(height, format = meta.format, chunks = meta.chunks(), "snapshot made");
    Ok(meta)
}

fn prune(folder: &Folder, keep: u32) {
    if let Err(error) = folder.prune(keep) {
        tracing::error!(%error, "old snapshots are not removed");
    }
}
