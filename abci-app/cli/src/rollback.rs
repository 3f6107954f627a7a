//! `geod rollback`: CometBFT and the application go back by one height.

use std::process::Command;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::app_toml::AppToml;
use crate::context::Context;
use crate::home::Home;
use crate::start::comet::Program;

/// Arguments of `geod rollback`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  geod rollback
  geod rollback --hard

For a node that stands still because its application gave a wrong result: go back, install the repaired program, start.
The node must not run. Without --hard the last block stays and is executed again; with it the node fetches or makes that
block anew, which a validator's key refuses to sign a second time.")]
pub struct RollbackArgs {
    /// Remove the last block too
    #[arg(long)]
    hard: bool,
}

/// Takes CometBFT back first, then the application to the same height: an interruption in between leaves a node that
/// starts, and a command that can be given again.
///
/// # Errors
/// A running node, a height that the application no longer has, or what `cometbft` says.
pub fn run(args: &RollbackArgs, ctx: &Context) -> anyhow::Result<()> {
    let home = Home::new(&ctx.home)?;
    let database = home.idle_database()?;
    // Asked before CometBFT is changed.
    let (oldest, latest) = geodesic_store::rollback_heights(&database)
        .with_context(|| format!("database {}", database.display()))?;
    if latest <= oldest {
        bail!(
            "the application is at height {latest} and can go back to none before {oldest}: older ones are pruned, or \
             were never there"
        );
    }
    let file = AppToml::load(&home.config("app.toml"))?.unwrap_or_default();
    let set = Some(file.geodesic.cometbft).filter(|path| !path.is_empty()).map(Into::into);
    let program = Program::find(&set)?;
    let mut command = Command::new(program.path());
    command.arg("rollback").arg("--home").arg(home.path());
    if args.hard {
        command.arg("--hard");
    }
    let output = command.output().with_context(|| format!("cannot run {}", program.path().display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("cometbft rollback failed: {}{}", String::from_utf8_lossy(&output.stderr).trim(), said.trim());
    }
    let height = height_of(&said).with_context(|| format!("cometbft rollback said {:?}", said.trim()))?;
    if height < latest {
        let back = geodesic_store::rollback(&database, height);
        back.with_context(|| format!("CometBFT is at height {height}, the application at {latest}"))?;
    }
    print!("{said}");
    Ok(())
}

/// The height in `Rolled back state to height 5 and hash AB12`.
fn height_of(said: &str) -> Option<u64> {
    let (_, rest) = said.lines().find(|line| line.starts_with("Rolled back"))?.split_once(" to height ")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_height_that_cometbft_says() {
        for (said, want) in [
            ("Rolled back state to height 5 and hash AB12\n", Some(5)),
            ("a warning\nRolled back both state and block to height 70 and hash 00\n", Some(70)),
            ("Rolled back state to height -1 and hash \n", None),
            ("", None),
        ] {
            assert_eq!(height_of(said), want, "{said:?}");
        }
    }
}
