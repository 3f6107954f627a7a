//! Names, units and targets of the figures; their table and JSON.
use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// One figure.
pub(crate) struct Figure {
    /// Its name, for tools that track it.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) what: &'static str,
    /// Unit of the value.
    pub(crate) unit: &'static str,
    /// What it should be, if there is such a bound.
    pub(crate) target: Option<f64>,
    /// Which values are better: `lower` or `higher`.
    pub(crate) better: &'static str,
    /// Groups that must be measured for it.
    pub(crate) groups: &'static [&'static str],
}

const fn lower(
    name: &'static str,
    what: &'static str,
    unit: &'static str,
    target: f64,
    groups: &'static [&'static str],
) -> Figure {
    Figure { name, what, unit, target: Some(target), better: "lower", groups }
}

const fn higher(
    name: &'static str,
    what: &'static str,
    unit: &'static str,
    target: f64,
    groups: &'static [&'static str],
) -> Figure {
    Figure { name, what, unit, target: Some(target), better: "higher", groups }
}

/// All figures, in the order of the table.
pub(crate) const FIGURES: &[Figure] = &[
    lower("check_tx_us", "CheckTx of a MsgSend, 100,000 accounts", "us", 80.0, &["check"]),
    lower("block_100k_us", "FinalizeBlock and Commit, per MsgSend, 100,000 accounts", "us", 130.0, &["100k"]),
    lower("block_1m_us", "the same, 1,000,000 accounts", "us", 150.0, &["1m"]),
    lower("block_growth", "how much dearer 1,000,000 accounts are than 10,000", "times", 1.5, &["10k", "1m"]),
    Figure {
        name: "floor_us",
        what: "signatures, puts and hashes of block_1m_us alone",
        unit: "us",
        target: None,
        better: "lower",
        groups: &["1m"],
    },
    higher("floor_share", "share of the floor in block_1m_us", "share", 0.6, &["1m"]),
    lower("abci_call_us", "an ABCI call over the socket, median", "us", 200.0, &["abci"]),
    lower("rss_1m_mb", "resident memory, making blocks at 1,000,000 accounts", "MB", 600.0, &["1m"]),
    lower("start_1m_s", "start until Info answers, 1,000,000 accounts", "s", 1.0, &["1m"]),
    lower("genesis_1m_s", "genesis of 1,000,000 accounts", "s", 60.0, &["1m"]),
    lower("genesis_1m_mb", "resident memory at most while it is made", "MB", 2000.0, &["1m"]),
];

/// Values by name.
#[derive(Default)]
pub(crate) struct Measured(BTreeMap<String, f64>);

/// A figure with its value.
#[derive(Serialize)]
pub(crate) struct Shown {
    name: &'static str,
    value: f64,
    unit: &'static str,
    target: Option<f64>,
    better: &'static str,
    #[serde(skip)]
    what: &'static str,
}

impl Measured {
    /// Adds a value.
    pub(crate) fn put(&mut self, name: impl Into<String>, value: f64) {
        self.0.insert(name.into(), value);
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// What a process of a group printed.
    pub(crate) fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text).map(Self).context("the measurement printed no figures")
    }

    pub(crate) fn print(&self) -> Result<()> {
        Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string(&self.0)?)?)
    }

    /// Adds what follows from two groups.
    pub(crate) fn derive(&mut self) {
        if let (Some(small), Some(large)) = (self.0.get("block_10k_us"), self.0.get("block_1m_us")) {
            self.put("block_growth", large / small);
        }
    }

    /// The figures that are wanted and were measured.
    pub(crate) fn figures(&self, wanted: &dyn Fn(&str) -> bool) -> Vec<Shown> {
        let chosen = FIGURES.iter().filter(|figure| wanted(figure.name));
        let with_value = chosen.filter_map(|figure| {
            let &Figure { name, what, unit, target, better, .. } = figure;
            self.0.get(name).map(|value| Shown { name, value: *value, unit, target, better, what })
        });
        with_value.collect()
    }
}

impl Shown {
    fn verdict(&self) -> &'static str {
        match (self.target, self.better) {
            (None, _) => "",
            (Some(target), "lower") if self.value <= target => "ok",
            (Some(target), "higher") if self.value >= target => "ok",
            _ => "missed",
        }
    }
}

/// Prints names and what they mean.
pub(crate) fn list() -> Result<()> {
    let mut out = std::io::stdout().lock();
    for figure in FIGURES {
        writeln!(out, "{:<24} {}", figure.name, figure.what)?;
    }
    Ok(())
}

/// Prints the table.
pub(crate) fn table(shown: &[Shown]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:<24} {:>10} {:<6} {:>10}  {:<7} what", "figure", "value", "unit", "target", "")?;
    for figure in shown {
        let target = figure.target.map(number).unwrap_or_default();
        let (value, verdict) = (number(figure.value), figure.verdict());
        writeln!(
            out,
            "{:<24} {value:>10} {:<6} {target:>10}  {verdict:<7} {}",
            figure.name, figure.unit, figure.what
        )?;
    }
    Ok(())
}

/// Three digits that count.
fn number(value: f64) -> String {
    if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}
