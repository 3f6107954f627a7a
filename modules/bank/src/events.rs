//! Events of the module, as the SDK emits them (`x/bank/types/events.go`).

use geodesic_core::{Coins, Event};

pub(crate) fn coin_spent(spender: &str, amount: &Coins) -> Event {
    Event::new("coin_spent").attr("spender", spender).attr("amount", amount)
}

pub(crate) fn coin_received(receiver: &str, amount: &Coins) -> Event {
    Event::new("coin_received").attr("receiver", receiver).attr("amount", amount)
}

pub(crate) fn minted(minter: &str, amount: &Coins) -> Event {
    Event::new("coinbase").attr("minter", minter).attr("amount", amount)
}

pub(crate) fn burned(burner: &str, amount: &Coins) -> Event {
    Event::new("burn").attr("burner", burner).attr("amount", amount)
}

pub(crate) fn transfer(recipient: &str, sender: &str, amount: &Coins) -> Event {
    Event::new("transfer").attr("recipient", recipient).attr("sender", sender).attr("amount", amount)
}

pub(crate) fn message_sender(sender: &str) -> Event {
    Event::new("message").attr("sender", sender)
}
