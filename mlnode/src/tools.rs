//! The commands that check this machine and write or check golden vectors.
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use geodesic_challenge::{BUILT_IN, Network, RTarget, Shape, tag};
use geodesic_mlnode::Kernel;
use geodesic_mlnode::devices::Choice;
use geodesic_mlnode::engine::{Challenge, Engine, EngineError, NonceId};
use geodesic_mlnode::vectors::{self, VectorsError, exact, pow2 as float};
use geodesic_mlnode::{pow2, selftest};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{Compute, KernelChoice, say};

/// Largest file of vectors.
const FILE_MAX: u64 = 64 << 20;

pub(crate) const VECTORS_EXAMPLES: &str = "Examples:
  mlnode vectors --profile exact --shape micro --count 4 > micro.json
  mlnode vectors --profile pow2-f16 --shape small --seed anything > small.json
  mlnode vectors --check micro.json --threads 2
  mlnode --output json vectors --check small.json";

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum Profile {
    Exact,
    #[value(name = "pow2-f16")]
    Pow2F16,
}

#[derive(Args)]
pub(crate) struct Vectors {
    /// Profile of the vectors to write
    #[arg(long, value_enum, default_value_t = Profile::Exact, conflicts_with = "check")]
    profile: Profile,
    /// Built-in shape: micro, local, cpu, gpu-5b, gpu-18b of exact; tiny, local, small, 3b of pow2-f16 [default: the first]
    #[arg(long, conflicts_with = "check")]
    shape: Option<String>,
    /// Nonces, from 0 on
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024), default_value_t = 16, conflicts_with = "check")]
    count: u32,
    /// Text that everything follows from
    #[arg(long, default_value = "geodesic", conflicts_with = "check")]
    seed: String,
    /// Recompute this file, exact or pow2-f16, any number of cases; the first difference is named, and ends with 1
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    #[command(flatten)]
    compute: Compute,
}

/// A bar on standard error, once something has taken two seconds.
pub(crate) struct Bar {
    started: Instant,
    bar: Option<(&'static str, ProgressBar)>,
}

impl Bar {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), bar: None }
    }

    pub(crate) fn show(&mut self, what: &'static str, done: u64, total: u64) {
        if self.started.elapsed() < Duration::from_secs(2) || !std::io::stderr().is_terminal() {
            return;
        }
        if self.bar.as_ref().is_none_or(|(name, _)| *name != what) {
            let style = ProgressStyle::with_template("{msg} [{wide_bar}] {pos}/{len} {eta}");
            let bar = ProgressBar::new(total).with_message(what);
            self.bar = Some((what, style.map_or(bar.clone(), |style| bar.with_style(style))));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_position(done);
            if done == total {
                bar.finish_and_clear();
            }
        }
    }
}

impl Vectors {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let mut bar = Bar::new();
        let progress = &mut |what, done, total| bar.show(what, done, total);
        if let Some(path) = &self.check {
            return self.check(path, output, progress);
        }
        let document = match self.profile {
            Profile::Exact => self.exact(progress)?,
            Profile::Pow2F16 => self.pow2(progress)?,
        };
        say(&format!("{document:#}"))
    }

    /// By the reference in plain integers, which is the specification.
    fn exact(&self, progress: &mut vectors::Progress<'_>) -> anyhow::Result<Value> {
        let name = self.shape.as_deref().unwrap_or("micro");
        let shape = built_in(name)?;
        // A byte a weight.
        let (need, limit) = (shape.weights(), self.compute.limits().host_memory());
        if need > limit {
            return Err(EngineError::Memory { need, limit }.into());
        }
        let case = exact::Case {
            shape,
            chain_id: "geodesic-vectors-1".into(),
            epoch: 1,
            beacon: tag("vectors", &[self.seed.as_bytes()]),
            participant: std::array::from_fn(|i| i as u8),
            node_id: 1,
            first_nonce: 0,
            r_target: geodesic_challenge::r_target(u64::MAX / 20, shape.vocab).unwrap_or(RTarget(1 << 32)).0,
            leaves: self.count as usize,
            count: self.count.into(),
        };
        let mut network: Option<Network> = None;
        let mut score = |challenge: &Challenge, ids: &[NonceId]| {
            let network = network.get_or_insert_with(|| Network::new(challenge.shape, challenge.epoch_key));
            Ok(ids.iter().map(|id| network.score(&id.participant, id.node_id, id.nonce)).collect())
        };
        Ok(exact::document(&case, &mut score, progress)?)
    }

    fn pow2(&self, progress: &mut vectors::Progress<'_>) -> anyhow::Result<Value> {
        let case = float::Case {
            shape: pow2::Shape::by_name(self.shape.as_deref().unwrap_or("tiny"))?,
            block_hash: hex::encode(tag("vectors", &[self.seed.as_bytes()])),
            public_key: "geodesic-vectors".into(),
            nonces: (0..self.count.into()).collect(),
        };
        Ok(case.compute(self.compute.threads(), self.compute.limits().host_memory(), progress)?)
    }

    fn check(&self, path: &Path, output: Output, progress: &mut vectors::Progress<'_>) -> anyhow::Result<()> {
        let document = read(path)?;
        let (threads, memory) = (self.compute.threads(), self.compute.limits().host_memory());
        let mut engines = self.compute.engines()?;
        let engine = engines.first_mut().context("no device")?;
        match vectors::check(&document, engine.as_mut(), threads, memory, progress) {
            Ok(done) if output == Output::Json => say(&json!({
                "ok": true, "profile": done.profile, "cases": done.cases, "nonces": done.nonces,
                "values": done.values,
            })
            .to_string()),
            Ok(done) => say(&format!(
                "{}: {} values of {} nonces in {} cases are as computed here",
                done.profile, done.values, done.nonces, done.cases
            )),
            Err(error) => {
                if let (Output::Json, VectorsError::Difference(d)) = (output, &error) {
                    let difference = json!({ "at": d.at, "expected": d.expected, "got": d.got });
                    say(&json!({ "ok": false, "difference": difference }).to_string())?;
                }
                Err(error).with_context(|| path.display().to_string())
            }
        }
    }
}

/// The built-in shape of profile `exact` of this name.
pub(crate) fn built_in(name: &str) -> anyhow::Result<Shape> {
    let names = BUILT_IN.map(|(name, _)| name).join(", ");
    Shape::by_name(name).with_context(|| format!("no built-in shape {name}, there are {names}"))
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let name = || path.display().to_string();
    let mut text = String::new();
    let file = File::open(path).with_context(name)?;
    file.take(FILE_MAX + 1).read_to_string(&mut text).with_context(name)?;
    ensure!(text.len() as u64 <= FILE_MAX, "{} is larger than {FILE_MAX} bytes", name());
    serde_json::from_str(&text).with_context(name)
}

#[derive(Args)]
pub(crate) struct SelfTest {
    /// Kernel to check [default: all that this processor has]
    #[arg(long, value_enum)]
    kernel: Option<KernelChoice>,
    #[command(flatten)]
    compute: Compute,
}

/// Checks every engine and kernel of this program, and says which pass. Their hashes are equal wherever they pass.
pub(crate) fn self_test(args: &SelfTest, output: Output) -> anyhow::Result<()> {
    let mut passed = Vec::new();
    for mut engine in engines(args.kernel, &args.compute)? {
        let hash = selftest::run(engine.as_mut()).with_context(|| engine.device())?;
        passed.push(("exact", engine.device(), Some(hex::encode(hash))));
    }
    passed.push(("pow2-f16", pow2::selftest(args.compute.threads()).context("profile pow2-f16")?, None));
    if output == Output::Json {
        let engines = passed.iter().map(
            |(profile, device, hash)| json!({ "profile": profile, "device": device, "logits_hash": hash }),
        );
        return say(&json!({ "ok": true, "engines": engines.collect::<Vec<_>>() }).to_string());
    }
    passed.iter().try_for_each(|(profile, device, hash)| {
        let hash = hash.as_ref().map(|hash| format!(", logits {hash}")).unwrap_or_default();
        say(&format!("self-test passed: {device}, profile {profile}{hash}"))
    })
}

/// The chosen devices' engines; the processor's with the chosen kernel, or one with each that it has.
fn engines(choice: Option<KernelChoice>, compute: &Compute) -> anyhow::Result<Vec<Box<dyn Engine>>> {
    let kernels = kernels(choice, compute);
    if kernels.is_empty() {
        return compute.engines();
    }
    let engine = |kernel| Ok(Box::new(compute.cpu(kernel, compute.threads())?) as Box<dyn Engine>);
    kernels.into_iter().map(engine).collect()
}

/// The kernel chosen, or all of the processor if it computes; none where other devices do.
pub(crate) fn kernels(choice: Option<KernelChoice>, compute: &Compute) -> Vec<Kernel> {
    match choice {
        Some(choice) => vec![choice.kernel().unwrap_or_else(Kernel::best)],
        None if compute.device.resolve() == Choice::Cpu => Kernel::present(),
        None => Vec::new(),
    }
}
