//! The application behind the server, and a server with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::time::Duration;

use geodesic_app::abci::client::AbciClient;
use geodesic_app::abci::{Address, Fatal, Limits, Server, ServerHandle, Stream};
use tempfile::TempDir;
use tendermint_abci::Application;
use tendermint_proto::v0_38::abci::{
    ExecTxResult, RequestCheckTx, RequestFinalizeBlock, RequestInfo, RequestInitChain, RequestQuery,
    ResponseCheckTx, ResponseCommit, ResponseFinalizeBlock, ResponseInfo, ResponseInitChain, ResponseQuery,
};

/// A wait longer than this is a hang.
pub(crate) const HANG: Duration = Duration::from_secs(5);

/// Counts calls and blocks; a few transactions make it misbehave.
#[derive(Clone)]
pub(crate) struct App {
    state: Arc<Mutex<State>>,
    fatal: Fatal,
    meeting: Arc<Barrier>,
}

#[derive(Default)]
struct State {
    calls: BTreeMap<&'static str, usize>,
    height: i64,
    hash: Vec<u8>,
    staged: (i64, Vec<u8>),
}

impl App {
    pub(crate) fn new(fatal: Fatal) -> Self {
        Self { state: Arc::default(), fatal, meeting: Arc::new(Barrier::new(4)) }
    }

    fn count(&self, method: &'static str) {
        *self.state.lock().unwrap().calls.entry(method).or_default() += 1;
    }

    pub(crate) fn calls(&self, method: &str) -> usize {
        self.state.lock().unwrap().calls.get(method).copied().unwrap_or(0)
    }

    pub(crate) fn height(&self) -> i64 {
        self.state.lock().unwrap().height
    }
}

impl Application for App {
    fn info(&self, _: RequestInfo) -> ResponseInfo {
        self.count("info");
        let state = self.state.lock().unwrap();
        ResponseInfo {
            last_block_height: state.height,
            last_block_app_hash: state.hash.clone().into(),
            ..Default::default()
        }
    }

    fn init_chain(&self, _: RequestInitChain) -> ResponseInitChain {
        self.count("init_chain");
        ResponseInitChain::default()
    }

    /// `size` answers with as many zeros as `height` says.
    fn query(&self, request: RequestQuery) -> ResponseQuery {
        self.count("query");
        let value = if request.path == "size" {
            vec![0; request.height.try_into().unwrap()].into()
        } else {
            request.data
        };
        ResponseQuery { value, ..Default::default() }
    }

    fn check_tx(&self, request: RequestCheckTx) -> ResponseCheckTx {
        match &request.tx[..] {
            b"panic" => panic!("lost my mind"),
            b"halt" => self.fatal.halt("disk full"),
            b"meet" => {
                self.meeting.wait();
            }
            _ => {}
        }
        self.count("check_tx");
        ResponseCheckTx { data: request.tx, ..Default::default() }
    }

    fn finalize_block(&self, request: RequestFinalizeBlock) -> ResponseFinalizeBlock {
        self.count("finalize_block");
        let mut state = self.state.lock().unwrap();
        let hash = request.height.to_be_bytes().to_vec();
        state.staged = (request.height, hash.clone());
        ResponseFinalizeBlock {
            tx_results: request.txs.iter().map(|_| ExecTxResult::default()).collect(),
            app_hash: hash.into(),
            ..Default::default()
        }
    }

    fn commit(&self) -> ResponseCommit {
        self.count("commit");
        let mut state = self.state.lock().unwrap();
        (state.height, state.hash) = state.staged.clone();
        ResponseCommit::default()
    }
}

/// A served application; `reasons` is what its exit action was told.
pub(crate) struct Fixture {
    pub(crate) server: ServerHandle,
    pub(crate) app: App,
    pub(crate) reasons: Reasons,
    pub(crate) dir: TempDir,
}

pub(crate) type Reasons = Arc<(Mutex<Vec<String>>, Condvar)>;

impl Fixture {
    pub(crate) fn unix(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = Address::Unix(dir.path().join("app.sock"));
        Self::start(&address, dir, limits)
    }

    pub(crate) fn tcp(limits: Limits) -> Self {
        Self::start(&Address::Tcp("127.0.0.1:0".into()), tempfile::tempdir().unwrap(), limits)
    }

    pub(crate) fn both() -> [(&'static str, Self); 2] {
        [("unix", Self::unix(Limits::default())), ("tcp", Self::tcp(Limits::default()))]
    }

    pub(crate) fn start(address: &Address, dir: TempDir, limits: Limits) -> Self {
        let reasons = Reasons::default();
        let log = Arc::clone(&reasons);
        let fatal = Fatal::with_action(move |reason| {
            log.0.lock().unwrap().push(reason.to_owned());
            log.1.notify_all();
        });
        let app = App::new(fatal.clone());
        let server = Server::bind(address, limits).unwrap().serve(app.clone(), fatal).unwrap();
        Self { server, app, reasons, dir }
    }

    pub(crate) fn client(&self) -> AbciClient {
        let client = AbciClient::connect(self.server.local_addr()).unwrap();
        client.set_timeout(Some(HANG)).unwrap();
        client
    }

    /// A stream to send anything on.
    pub(crate) fn raw(&self) -> Stream {
        let stream = Stream::connect(self.server.local_addr()).unwrap();
        stream.set_timeout(Some(HANG)).unwrap();
        stream
    }

    pub(crate) fn reasons(&self) -> Vec<String> {
        let (list, changed) = &*self.reasons;
        let (list, _) =
            changed.wait_timeout_while(list.lock().unwrap(), HANG, |list| list.is_empty()).unwrap();
        list.clone()
    }
}
