//! The loop: look, plan, act, until told to stop.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use geodesic_challenge::Address;
use geodesic_client::keyring::Keyring;
use geodesic_client::prompt::Prompt;
use geodesic_client::rpc::Client;
use geodesic_client::vrf::VrfKey;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use crate::chain::Chain;
use crate::config::{Config, KEY};
use crate::error::{Error, Result};
use crate::faults::{Faults, Guard};
use crate::journal::Journal;
use crate::known::Known;
use crate::metrics;
use crate::mlnode::{Job, Mlnode, Pool};
use crate::outbox::Outbox;
use crate::peer::{self, Limits};
use crate::plan::{Action, View, plan};
use crate::source::Shared;
use crate::status::{Failure, Status};
use crate::tls::{Identity, Pins};

/// Longest wait for transactions in flight when the agent ends.
const DRAIN: Duration = Duration::from_secs(5);
/// Failures that are remembered for the status.
const FAILURES: usize = 20;

/// An operator's agent.
pub struct Agent {
    pub(crate) config: Config,
    pub(crate) chain: Chain,
    pub(crate) chain_id: String,
    /// The operator.
    pub(crate) me: Address,
    pub(crate) me_text: String,
    pub(crate) vrf: VrfKey,
    pub(crate) identity: Identity,
    pub(crate) journal: Journal,
    pub(crate) outbox: Outbox,
    pub(crate) nodes: Vec<Arc<Mlnode>>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) pins: Pins,
    pub(crate) shared: Arc<Shared>,
    pub(crate) guard: Guard,
    /// Newest height.
    pub(crate) heights: watch::Sender<u64>,
    known: Mutex<Option<Known>>,
    failures: Mutex<VecDeque<Failure>>,
    /// What is wrong with the registration; empty if nothing is.
    complaint: Mutex<String>,
    dir: PathBuf,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An action that runs: its key.
type Running = BTreeMap<String, Action>;
/// How an action ended.
type Ended = (Action, Result<()>);

impl Agent {
    /// The agent of a folder that `geod agent init` made. Asks the node for the chain id, and waits for the node if need be.
    ///
    /// # Errors
    /// Settings, keys or the journal cannot be read.
    pub async fn open(dir: &Path, config: Config, prompt: Box<dyn Prompt>, faults: Faults) -> Result<Self> {
        let keyring = Keyring::open(config.keyring_backend.parse()?, dir, prompt)?;
        let key = keyring.secret(KEY)?;
        let client = Client::new(&config.node)?;
        let chain = Chain { client: client.clone(), prefix: config.prefix.clone() };
        let chain_id = chain_id(&client).await?;
        let wait = Duration::from_secs(config.mlnode_timeout_s);
        let nodes =
            config.mlnodes.iter().map(|settings| Mlnode::new(settings, wait)).collect::<Result<Vec<_>>>()?;
        let pool = Arc::new(Pool::new(nodes.clone(), config.recompute_batch));
        let guard = Guard { faults, pool: Arc::clone(&pool) };
        let (heights, receiver) = watch::channel(0);
        let place = (chain_id.clone(), config.prefix.clone());
        let pause = Duration::from_millis(config.poll_ms);
        Ok(Self {
            me: chain.address(&config.participant)?,
            me_text: config.participant.clone(),
            vrf: VrfKey::load(&config.vrf_key)?,
            identity: Identity::load(dir)?,
            journal: Journal::open(&dir.join("journal"))?,
            outbox: Outbox::new(client, key, place, &config.gas_price, receiver, pause)?,
            shared: Arc::new(Shared::new(guard.clone())),
            guard,
            nodes,
            pool,
            pins: Pins::default(),
            heights,
            known: Mutex::default(),
            failures: Mutex::default(),
            complaint: Mutex::default(),
            dir: dir.to_owned(),
            chain,
            chain_id,
            config,
        })
    }

    /// Runs `f` on what is known of an epoch; `None` if that is not the running one.
    pub(crate) fn with_known<T>(&self, epoch: u64, f: impl FnOnce(&mut Known) -> T) -> Option<T> {
        locked(&self.known).as_mut().filter(|known| known.epoch.index() == epoch).map(f)
    }

    pub(crate) fn replace_known(&self, known: Known) {
        *locked(&self.known) = Some(known);
    }

    /// Logs a complaint when it is new.
    pub(crate) fn report(&self, text: String) {
        let mut complaint = locked(&self.complaint);
        if *complaint != text && !text.is_empty() {
            tracing::warn!("{text}");
        }
        *complaint = text;
    }

    /// Follows the chain until `stop` changes, then drains.
    ///
    /// # Errors
    /// The address for other agents cannot be bound. Everything else is tried again.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) -> Result<()> {
        let (server, address) = self.serve(stop.clone()).await?;
        let workers: Vec<_> = self.nodes.iter().map(Mlnode::start).collect();
        tracing::info!(participant = self.me_text, agent = self.outbox.address(), %address, "agent runs");
        let (mut tasks, mut running) = (JoinSet::<Ended>::new(), Running::new());
        let mut tries = BTreeMap::new();
        while !*stop.borrow() {
            match self.observe().await {
                Ok(Some(view)) => self.act(&view, &mut tasks, &mut running, &mut tries),
                Ok(None) => self.generate(&[]),
                Err(error) => {
                    ::metrics::counter!(metrics::CHAIN_ERRORS).increment(1);
                    self.failed("observe", &error);
                }
            }
            self.rest(&mut stop, &mut tasks, &mut running).await;
        }
        tracing::info!(in_flight = running.len(), "agent ends");
        self.generate(&[]);
        let deadline = Instant::now() + DRAIN;
        while let Ok(Some(ended)) = tokio::time::timeout_at(deadline, tasks.join_next()).await {
            self.ended(ended.ok(), &mut running);
        }
        for node in &self.nodes {
            node.stop().await;
        }
        workers.iter().for_each(JoinHandle::abort);
        server.abort();
        Ok(())
    }

    /// Starts the server for other agents.
    async fn serve(
        self: &Arc<Self>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(JoinHandle<()>, SocketAddr)> {
        let listen = self.config.listen;
        let bind = |e| Error::Config(format!("cannot listen on {listen}: {e}"));
        let listener = TcpListener::bind(listen).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let agent = Arc::clone(self);
        let task = tokio::spawn(async move {
            let (pins, source) = (agent.pins.clone(), Arc::clone(&agent.shared));
            let stopped = async {
                let _ = stop.wait_for(|stop| *stop).await;
            };
            let served =
                peer::serve(listener, &agent.identity, pins, source, Limits::default(), stopped).await;
            if let Err(error) = served {
                tracing::error!(%error, "server for other agents ended");
            }
        });
        Ok((task, address))
    }

    /// Starts what the plan wants and does not run yet. What ended is tried again at the next height.
    fn act(
        self: &Arc<Self>,
        view: &View,
        tasks: &mut JoinSet<Ended>,
        running: &mut Running,
        tries: &mut BTreeMap<String, u64>,
    ) {
        let actions = plan(view);
        self.generate(&actions);
        tries.retain(|_, height| *height >= view.height);
        let epoch = view.window.index;
        let Some((known_epoch, drawn)) = self.with_known(epoch, |k| (Arc::clone(&k.epoch), k.drawn.clone()))
        else {
            return;
        };
        for action in &actions {
            let key = action.key();
            let is_wish = matches!(action, Action::Generate { .. });
            if is_wish || running.contains_key(&key) || tries.contains_key(&key) {
                continue;
            }
            tries.insert(key.clone(), view.height);
            running.insert(key, action.clone());
            let (agent, action) = (Arc::clone(self), action.clone());
            let (epoch, drawn) = (Arc::clone(&known_epoch), drawn.clone());
            tasks.spawn(async move {
                let outcome = agent.perform(&action, &epoch, drawn.as_ref()).await;
                (action, outcome)
            });
        }
        self.measure(view, running);
        let status = self.status(view, running, locked(&self.failures).iter().cloned().collect());
        if let Err(error) = status.write(&self.dir) {
            tracing::warn!(%error, "status is not written");
        }
    }

    fn measure(&self, view: &View, running: &Running) {
        ::metrics::gauge!(metrics::HEIGHT).set(view.height as f64);
        ::metrics::gauge!(metrics::EPOCH).set(view.window.index as f64);
        ::metrics::gauge!(metrics::RUNNING).set(running.len() as f64);
        ::metrics::gauge!(metrics::DUTIES).set(view.audit.as_ref().map_or(0, |a| a.duties.len()) as f64);
        for node in &view.nodes {
            ::metrics::gauge!(metrics::LEAVES, "node" => node.node_id.to_string()).set(node.leaves as f64);
        }
    }

    fn status(&self, view: &View, running: &Running, failures: Vec<Failure>) -> Status {
        let errors = self.nodes.iter().filter_map(|n| Some((n.node_id, n.error()?))).collect();
        let complaint = Some(locked(&self.complaint).clone()).filter(|c| !c.is_empty());
        let running = running.keys().cloned().collect();
        Status::new(view, &self.me_text, self.outbox.address(), complaint, running, errors, failures)
    }

    /// Waits until the chain, an action or the operator has news.
    async fn rest(
        &self,
        stop: &mut watch::Receiver<bool>,
        tasks: &mut JoinSet<Ended>,
        running: &mut Running,
    ) {
        let poll = Duration::from_millis(self.config.poll_ms);
        let seen = *self.heights.borrow();
        loop {
            tokio::select! {
                changed = stop.changed() => {
                    if changed.is_ok() || *stop.borrow() {
                        return;
                    }
                    // Whoever could stop this agent is gone: it runs on.
                    sleep(poll).await;
                }
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    self.ended(ended.ok(), running);
                    return;
                }
                () = sleep(poll) => {
                    match self.chain.current().await {
                        Ok(Some((_, height))) if height == seen => {}
                        _ => return,
                    }
                }
            }
        }
    }

    fn ended(&self, ended: Option<Ended>, running: &mut Running) {
        let Some((action, outcome)) = ended else {
            // A panic, which should never be: nobody knows whose, so all may be started anew.
            tracing::error!("an action panicked");
            running.clear();
            return;
        };
        running.remove(&action.key());
        let label = if outcome.is_ok() { "ok" } else { "failed" };
        ::metrics::counter!(metrics::ACTIONS, "kind" => action.kind(), "outcome" => label).increment(1);
        if let Err(error) = outcome {
            self.failed(&action.key(), &error);
        }
    }

    fn failed(&self, what: &str, error: &Error) {
        let height = *self.heights.borrow();
        let failure = Failure { height, what: what.to_owned(), error: error.to_string() };
        let mut failures = locked(&self.failures);
        if failures.front().is_none_or(|last| last.what != failure.what || last.error != failure.error) {
            tracing::warn!(height, action = what, %error, "failed");
        }
        failures.push_front(failure);
        failures.truncate(FAILURES);
    }

    /// Sets every node to what is planned for it.
    fn generate(&self, actions: &[Action]) {
        for node in &self.nodes {
            let wish = actions.iter().find_map(|action| match action {
                Action::Generate { node_id, until } if *node_id == node.node_id => Some(*until),
                _ => None,
            });
            let job = wish.and_then(|until| {
                let known = locked(&self.known);
                let epoch = &known.as_ref()?.epoch;
                let leaves = Arc::clone(epoch.leaves.get(&node.node_id)?);
                Some(Job { challenge: epoch.challenge.clone(), leaves, until })
            });
            node.want(job);
        }
    }
}

/// The chain id, from a node that may have to be waited for.
async fn chain_id(client: &Client) -> Result<String> {
    let mut complained = false;
    loop {
        match client.status().await {
            Ok(status) => return Ok(status.node_info.network),
            Err(error) if error.is_unreachable() => {
                if !complained {
                    tracing::warn!(%error, "waiting for the node");
                    complained = true;
                }
                sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
