//! `geod comet`: CometBFT's side of the home.

use std::fs;

use anyhow::Context as _;
use clap::Subcommand;
use geodesic_client::address::Kind;
use geodesic_client::files;
use geodesic_client::vrf::ed25519_address;

use crate::comet_keys;
use crate::context::Context;
use crate::home::Home;
use crate::start::comet::{Program, version};

/// CometBFT's side of the home.
#[derive(Subcommand, Debug)]
#[command(after_help = "\
Examples:
  geod comet show-node-id
  geod comet show-validator               for pubkey in validator.json
  geod comet unsafe-reset-all             start from genesis again; keys stay")]
pub enum Command {
    /// Show this node's id, which its peers know it by
    ShowNodeId,
    /// Show this node's consensus key, as MsgCreateValidator wants it
    ShowValidator,
    /// Show this node's consensus address
    ShowAddress,
    /// Show the version of the cometbft program
    Version,
    /// Delete blocks and state; keys, configuration and what the validator signed last stay
    UnsafeResetAll(ResetArgs),
}

/// Arguments of `comet unsafe-reset-all`.
#[derive(clap::Args, Debug)]
pub struct ResetArgs {
    /// Keep the address book
    #[arg(long)]
    keep_addr_book: bool,
    /// Forget what the validator signed last: for a chain that begins anew, and never for one that goes on, where a
    /// second signature of a height is punished
    #[arg(long)]
    forget_signatures: bool,
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// A key that is missing or open to others, no `cometbft`, or the system's.
    pub fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let home = Home::new(&ctx.home)?;
        match self {
            Self::ShowNodeId => println!("{}", comet_keys::node_id(&comet_keys::load_node_key(&home)?)),
            Self::ShowValidator => {
                println!("{}", comet_keys::public_json(&comet_keys::load_validator_key(&home)?));
            }
            Self::ShowAddress => {
                let address = ed25519_address(&comet_keys::load_validator_key(&home)?);
                println!("{}", Kind::Consensus.encode(&ctx.prefix, &address)?);
            }
            Self::Version => {
                let program = Program::find(&None)?;
                println!(
                    "CometBFT: {}\nABCI: 2.0.0\nprogram: {}",
                    version(program.path())?,
                    program.path().display()
                );
            }
            Self::UnsafeResetAll(args) => reset(args, &home)?,
        }
        Ok(())
    }
}

fn reset(args: &ResetArgs, home: &Home) -> anyhow::Result<()> {
    let data = home.path().join("data");
    home.check_idle()?;
    let state = home.data("priv_validator_state.json");
    files::create_private_dir(&data)?;
    // One entry at a time, so that an interruption never loses what was signed.
    for entry in fs::read_dir(&data).with_context(|| format!("cannot read {}", data.display()))? {
        let path = entry?.path();
        if path == state {
            continue;
        }
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
    }
    if args.forget_signatures || !state.exists() {
        files::write_private(&state, comet_keys::empty_state().as_bytes())?;
    }
    let book = home.config("addrbook.json");
    if !args.keep_addr_book && book.exists() {
        fs::remove_file(&book).with_context(|| format!("cannot remove {}", book.display()))?;
    }
    println!("removed all blocks and state of {}", home.path().display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_keeps_keys_and_signatures() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(&dir.path().join("home")).unwrap();
        home.create().unwrap();
        comet_keys::ensure_validator_key(&home, None).unwrap();
        let state = home.data("priv_validator_state.json");
        files::write_private(&state, b"{\"height\": \"9\"}").unwrap();
        fs::create_dir(home.data("blockstore.db")).unwrap();
        fs::write(home.config("addrbook.json"), "{}").unwrap();

        let keep = ResetArgs { keep_addr_book: true, forget_signatures: false };
        reset(&keep, &home).unwrap();
        assert!(!home.data("blockstore.db").exists() && home.config("addrbook.json").exists());
        assert_eq!(fs::read_to_string(&state).unwrap(), "{\"height\": \"9\"}");
        comet_keys::load_validator_key(&home).unwrap();

        reset(&ResetArgs { keep_addr_book: false, forget_signatures: true }, &home).unwrap();
        assert!(!home.config("addrbook.json").exists());
        assert_eq!(fs::read_to_string(&state).unwrap(), comet_keys::empty_state());
    }
}
