//! Transfers that go on whatever happens to the nodes.

use std::time::Duration;

use geodesic_client::address::Kind;
use geodesic_client::key::SecretKey;
use geodesic_client::rpc::Client;
use geodesic_client::sender::{Config, Gas, Sender};
use geodesic_proto::any;
use geodesic_proto::cosmos::bank::v1beta1::MsgSend;
use geodesic_proto::cosmos::base::v1beta1::Coin;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::localnet::{CHAIN_ID, Localnet};

const PREFIX: &str = "geo";
/// Senders; each has a node of its own.
const SENDERS: u8 = 4;
/// Pause between two transactions of a sender.
const PAUSE: Duration = Duration::from_millis(400);

fn key(index: u8) -> anyhow::Result<SecretKey> {
    Ok(SecretKey::from_bytes(&[index.saturating_add(0x51); 32])?)
}

/// Addresses of the senders, to be given coins at genesis.
///
/// # Errors
/// None that is known.
pub fn accounts() -> anyhow::Result<Vec<String>> {
    (0..SENDERS).map(|i| Ok(Kind::Account.encode(PREFIX, &key(i)?.public().address())?)).collect()
}

/// The account that all send to.
///
/// # Errors
/// None that is known.
pub fn sink() -> anyhow::Result<String> {
    Ok(Kind::Account.encode(PREFIX, &[0x77; 20])?)
}

/// Transfers in the background, ended when dropped.
#[derive(Debug)]
pub struct Load(Vec<JoinHandle<()>>);

impl Load {
    /// Starts a sender at each node.
    ///
    /// # Errors
    /// A URL that is none.
    pub fn start(network: &Localnet) -> anyhow::Result<Self> {
        let mut tasks = Vec::new();
        for (i, node) in (0..SENDERS).zip(&network.nodes) {
            let config = Config {
                chain_id: CHAIN_ID.to_owned(),
                prefix: PREFIX.to_owned(),
                gas: Gas::Limit(200_000),
                prices: Vec::new(),
            };
            let sender = Sender::new(Client::new(&node.url())?, key(i)?, config)?;
            tasks.push(tokio::spawn(send_on(sender, sink()?)));
        }
        Ok(Self(tasks))
    }
}

/// Sends until the task is ended; a node that does not answer is asked again.
async fn send_on(sender: Sender, to: String) {
    let message = MsgSend {
        from_address: sender.address().to_owned(),
        to_address: to,
        amount: vec![Coin { denom: "ugeo".to_owned(), amount: "1".to_owned() }],
    };
    loop {
        if sender.send(vec![any::pack(&message)], "", 0).await.is_err() {
            sender.reset().await;
        }
        sleep(PAUSE).await;
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}
