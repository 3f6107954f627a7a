//! `geod snapshots`: the snapshots for state sync in `data/snapshots`.

mod archive;

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use geodesic_app::abci::Fatal;
use geodesic_app::{App, AppConfig};
use geodesic_store::sync::{Folder, Meta};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::context::{Context, Output};
use crate::genesis;
use crate::home::Home;
use crate::output;

/// Snapshots for state sync.
#[derive(Subcommand, Debug)]
#[command(after_help = "\
Examples:
  geod snapshots list --output json
  geod snapshots export                                  of the last height; the node must not run
  geod snapshots dump 1000 1 --output-document 1000.tar.gz
  geod snapshots load 1000.tar.gz                        on another machine
  geod snapshots restore 1000 1                          into an empty data/application.db; the node must not run
  geod snapshots delete 1000 1

A running node takes snapshots by itself: snapshot-interval in section [state-sync] of config/app.toml.")]
pub enum Command {
    /// List the snapshots, the newest first
    List,
    /// Take a snapshot of the state
    Export(ExportArgs),
    /// Make the state of a snapshot that of the node
    Restore(Place),
    /// Delete a snapshot
    Delete(Place),
    /// Write a snapshot as a portable archive (.tar.gz)
    Dump(DumpArgs),
    /// Take a snapshot out of an archive
    Load {
        /// The archive
        archive: PathBuf,
    },
}

/// Arguments of `snapshots export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// Height of the state; 0 is the last
    #[arg(long, default_value_t = 0)]
    height: u64,
}

/// A snapshot.
#[derive(Args, Debug)]
pub struct Place {
    /// Its height
    height: u64,
    /// Its format
    format: u32,
}

/// Arguments of `snapshots dump`.
#[derive(Args, Debug)]
pub struct DumpArgs {
    #[command(flatten)]
    place: Place,
    /// The archive [default: HEIGHT-FORMAT.tar.gz]
    #[arg(long, value_name = "FILE")]
    output_document: Option<PathBuf>,
}

impl Place {
    /// The snapshot.
    fn find(&self, folder: &Folder) -> anyhow::Result<Meta> {
        let found = folder.get(self.height, self.format);
        let found =
            found.with_context(|| format!("snapshot of height {}, format {}", self.height, self.format))?;
        found.with_context(|| self.missing())
    }

    fn missing(&self) -> String {
        format!(
            "there is no snapshot of height {}, format {}; geod snapshots list shows those that there are",
            self.height, self.format
        )
    }
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// A running node where it must not run, a snapshot that is missing or damaged, or the system's.
    pub fn run(&self, ctx: &Context) -> anyhow::Result<()> {
        let home = Home::new(&ctx.home)?;
        let folder = Folder::new(home.snapshots());
        match self {
            Self::List => list(&folder, ctx.output),
            Self::Export(args) => export(&home, args.height, ctx.output),
            Self::Restore(place) => restore(&home, &place.find(&folder)?, ctx.output),
            Self::Delete(place) => match folder.delete(place.height, place.format)? {
                true => Ok(()),
                false => bail!(place.missing()),
            },
            Self::Dump(args) => {
                let meta = args.place.find(&folder)?;
                let default = || PathBuf::from(format!("{}-{}.tar.gz", meta.height, meta.format));
                let file = args.output_document.clone().unwrap_or_else(default);
                archive::dump(&folder, &meta, &file).with_context(|| file.display().to_string())
            }
            Self::Load { archive } => {
                let meta = archive::load(&folder, archive).with_context(|| archive.display().to_string())?;
                show(ctx.output, &meta, "Snapshot loaded:")
            }
        }
    }
}

fn described(meta: &Meta) -> Value {
    json!({
        "height": meta.height.to_string(),
        "format": meta.format,
        "chunks": meta.chunks(),
        "hash": hex::encode_upper(meta.hash),
    })
}

/// The SDK's line of a snapshot.
fn show(format: Output, meta: &Meta, what: &str) -> anyhow::Result<()> {
    let Meta { height, format: number, .. } = meta;
    match format {
        Output::Json => output::print(format, &described(meta))?,
        Output::Text => {
            let line = format!("{what} height: {height} format: {number} chunks: {}", meta.chunks());
            output::line(line.trim_start())?;
        }
    }
    Ok(())
}

fn list(folder: &Folder, format: Output) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for (height, number) in folder.list()? {
        // A node that runs may have removed one in between.
        all.extend(folder.get(height, number).with_context(|| format!("snapshot of height {height}"))?);
    }
    match format {
        Output::Json => {
            let all: Vec<_> = all.iter().map(described).collect();
            Ok(output::print(format, &json!({ "snapshots": all }))?)
        }
        Output::Text => all.iter().try_for_each(|meta| show(format, meta, "")),
    }
}

/// The application on the database of a node that does not run.
fn open(home: &Home) -> anyhow::Result<App> {
    let mut config = AppConfig::new(home.database());
    config.snapshots.dir = home.snapshots();
    config.genesis = genesis::doc::identity(&home.genesis())?;
    App::open(config, Fatal::default(), None).map_err(anyhow::Error::msg)
}

fn export(home: &Home, height: u64, format: Output) -> anyhow::Result<()> {
    home.idle_database()?;
    let app = open(home)?;
    let spinner = ProgressBar::new_spinner().with_message("taking the snapshot");
    spinner.enable_steady_tick(std::time::Duration::from_millis(100));
    let meta = app.make_snapshot(height).map_err(anyhow::Error::msg);
    spinner.finish_and_clear();
    show(format, &meta?, "Snapshot created:")
}

/// A bar that counts chunks.
fn chunks_bar(what: &str, meta: &Meta) -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::new(meta.chunks().into());
    bar.set_style(ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len} chunks, {eta} left")?);
    bar.set_message(what.to_owned());
    Ok(bar)
}

fn restore(home: &Home, meta: &Meta, format: Output) -> anyhow::Result<()> {
    home.check_idle()?;
    let app = open(home)?;
    let bar = chunks_bar("restoring", meta)?;
    let restored = app.restore_snapshot(meta, &mut || bar.inc(1));
    bar.finish_and_clear();
    let restored = restored.map_err(|reason| {
        let remedy = "; geod comet unsafe-reset-all empties a home, \
            and data/application.db alone may be moved away if CometBFT's blocks are to stay";
        let remedy = if reason.contains("an empty one") { remedy } else { "" };
        anyhow::anyhow!("snapshot of height {}: {reason}{remedy}", meta.height)
    })?;
    let app_hash = hex::encode_upper(restored.app_hash);
    match format {
        Output::Json => {
            let mut shown = described(meta);
            if let Value::Object(fields) = &mut shown {
                fields.insert("app_hash".to_owned(), app_hash.into());
            }
            output::print(format, &shown)?;
        }
        Output::Text => {
            output::line(&format!("Restored height {} with app hash {app_hash}", restored.height))?;
            eprintln!(
                "A snapshot proves itself only: header {} of the chain must have this app_hash.",
                restored.height.saturating_add(1)
            );
        }
    }
    Ok(())
}
