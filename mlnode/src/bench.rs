//! `mlnode bench`: what the kernels reach on this machine, beside what its processor can do.
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use geodesic_challenge::Shape;
use geodesic_mlnode::devices::Limits;
use geodesic_mlnode::engine::{Challenge, Engine, NonceId};
use geodesic_mlnode::{CpuEngine, Kernel, pow2};
use serde_json::{Value, json};

use super::plot::{Curve, plot};
use super::tools::{Bar, Output, built_in, kernels};
use super::{Compute, KernelChoice, say};

pub(crate) const EXAMPLES: &str = "Examples:
  mlnode bench
  mlnode bench --shape cpu --threads 8 --seconds 60 --json figures.json
  mlnode bench --kernel auto --plot batches.svg";

/// Rounds of a measurement: every engine has its turn in each, and the median of its turns counts.
const ROUNDS: u64 = 7;
/// Batches of the plot.
const BATCHES: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
/// How much faster than f32 on one thread a kernel should be.
const TARGETS: [(Kernel, f64); 2] = [(Kernel::Avx2, 1.8), (Kernel::Vnni, 2.4)];
/// Name of the float network's figures, and how much faster than it the exact one should be.
const FLOAT: &str = "pow2-f16";
const OVER_FLOAT: f64 = 1.3;
/// Share of linear speed that threads should reach.
const SCALING: f64 = 0.925;
/// Weights a second and core.
const WEIGHTS_PER_S: f64 = 2.5e9;

#[derive(Args)]
pub(crate) struct Bench {
    /// Built-in shape: micro, local, cpu, gpu-5b, gpu-18b
    #[arg(long, default_value = "local")]
    shape: String,
    /// Seconds to measure nonces for, and as many again for --plot
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3600), default_value_t = 10)]
    seconds: u32,
    /// Kernel to measure [default: all that this processor has]
    #[arg(long, value_enum)]
    kernel: Option<KernelChoice>,
    /// File to write the figures to, a list of {name, value, unit, target, better}
    #[arg(long)]
    json: Option<PathBuf>,
    /// File to draw nonces per second against the batch in, SVG
    #[arg(long)]
    plot: Option<PathBuf>,
    #[command(flatten)]
    compute: Compute,
}

struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    target: Option<f64>,
    better: &'static str,
}

impl Figure {
    fn json(&self) -> Value {
        json!({
            "name": self.name, "value": self.value, "unit": self.unit, "target": self.target, "better": self.better,
        })
    }

    fn line(&self) -> String {
        let target = self.target.map(|target| format!("  (target {target})")).unwrap_or_default();
        let value =
            if self.value.abs() < 1e6 { format!("{:.3}", self.value) } else { format!("{:.3e}", self.value) };
        format!("{:<34} {value:>12} {}{target}", self.name, self.unit)
    }
}

/// A turn: nonces, and seconds of time and of cores' time, which others on the machine do not take away. The latter are
/// the former where the system does not tell.
#[derive(Clone, Copy)]
struct Turn {
    nonces: f64,
    wall_s: f64,
    core_s: f64,
}

/// Cores' time of a turn at least, unless the machine is so busy that this takes [`PATIENCE`] turns: it is told in
/// hundredths of a second.
const CORE_S_MIN: f64 = 0.25;
const PATIENCE: u32 = 6;

/// Something that computes nonces, and what it reached in each round.
struct Runner {
    name: String,
    kernel: Option<Kernel>,
    threads: usize,
    /// Nonces a call.
    batch: u64,
    /// Bytes, where they are known.
    memory: Option<u64>,
    /// Computes `batch` nonces from this one on.
    score: Box<dyn FnMut(u64) -> anyhow::Result<()>>,
    turns: Vec<Turn>,
}

impl Runner {
    fn exact(
        name: String,
        mut engine: Box<dyn Engine>,
        challenge: Challenge,
        batch: Option<u64>,
    ) -> anyhow::Result<Self> {
        engine.load(&challenge)?;
        let batch = batch.unwrap_or(engine.batch(&challenge.shape) as u64);
        let score = move |first| {
            let id = |nonce| NonceId { participant: [0; 20], node_id: 0, nonce };
            let ids: Vec<NonceId> = (first..first + batch).map(id).collect();
            engine.score(&challenge, &ids, false)?;
            Ok(())
        };
        Ok(Self {
            name,
            kernel: None,
            threads: 1,
            batch,
            memory: None,
            score: Box::new(score),
            turns: Vec::new(),
        })
    }

    /// The processor's engine.
    fn cpu(
        compute: &Compute,
        (kernel, threads): (Kernel, usize),
        challenge: Challenge,
    ) -> anyhow::Result<Self> {
        let engine = compute.cpu(kernel, threads)?;
        let memory = Some(engine.memory(&challenge.shape));
        let runner = Self::exact(kernel.name().into(), Box::new(engine), challenge, None)?;
        Ok(Self { kernel: Some(kernel), threads, memory, ..runner })
    }

    /// The network of profile `pow2-f16` with the same sizes, where that profile has them.
    fn float(shape: &Shape, threads: usize, max_memory: u64) -> Option<Self> {
        let params = pow2::ShapeParams {
            dim: shape.dim,
            layers: shape.layers,
            heads: shape.heads,
            kv_heads: shape.heads,
            hidden: shape.ffn,
            vocab: shape.vocab,
            seq: shape.seq,
            norm_eps: 1e-5,
            rope_theta: 10_000.0,
        };
        let shape = pow2::Shape::try_new(params).ok()?;
        let engine = pow2::Engine::new(shape, "bench", threads, max_memory, &mut |_| ()).ok()?;
        let batch = engine.batch() as u64;
        let score = move |first| {
            let nonces: Vec<u64> = (first..first + batch).collect();
            engine.score("bench", &nonces, pow2::InputType::F16)?;
            Ok(())
        };
        Some(Self {
            name: FLOAT.into(),
            kernel: None,
            threads,
            batch,
            memory: None,
            score: Box::new(score),
            turns: Vec::new(),
        })
    }

    /// Whole batches within `time`, at least one.
    fn turn(&mut self, time: Duration) -> anyhow::Result<Turn> {
        let (start, before, mut nonces) = (Instant::now(), core_seconds(), 0);
        let used = || before.zip(core_seconds()).map(|(before, after)| after - before);
        let is_short = || used().is_some_and(|used| used < CORE_S_MIN) && start.elapsed() < PATIENCE * time;
        while nonces == 0 || start.elapsed() < time || is_short() {
            (self.score)(nonces)?;
            nonces += self.batch;
        }
        let wall_s = start.elapsed().as_secs_f64();
        let core_s = used().filter(|used| *used > 0.0).unwrap_or(wall_s);
        Ok(Turn { nonces: nonces as f64, wall_s, core_s })
    }

    /// Nonces a second, the median of the turns.
    fn wall(&self) -> f64 {
        median(&self.turns.iter().map(|turn| turn.nonces / turn.wall_s).collect::<Vec<_>>())
    }

    /// Nonces a second of a core's time in all turns.
    fn core(&self) -> f64 {
        let sum = |of: fn(&Turn) -> f64| self.turns.iter().map(of).sum::<f64>();
        sum(|turn| turn.nonces) / sum(|turn| turn.core_s)
    }

    /// How much faster than `other`: the median of turns that followed each other, so that what else runs on the machine
    /// weighs on both.
    fn over(&self, other: &Self) -> f64 {
        let rate = |turn: &Turn| turn.nonces / turn.wall_s;
        median(&self.turns.iter().zip(&other.turns).map(|(of, to)| rate(of) / rate(to)).collect::<Vec<_>>())
    }
}

/// Seconds of cores' time that this process has used, as Linux tells in hundredths.
fn core_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in parentheses, may hold anything; utime and stime are the 14th and 15th field.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// Weights of one thread a second of a core's time: generated and laid out, epoch after epoch.
fn weights_per_s(kernel: Kernel, challenge: &Challenge, memory: u64) -> anyhow::Result<f64> {
    let mut engine = CpuEngine::new(1, None, memory).with_kernel(kernel)?;
    let (start, before, mut loads) = (Instant::now(), core_seconds(), 0_u32);
    let used = |start: Instant| match before.zip(core_seconds()) {
        Some((before, after)) => after - before,
        None => start.elapsed().as_secs_f64(),
    };
    while loads < 2 || (used(start) < 0.5 && start.elapsed() < Duration::from_secs(5)) {
        let mut epoch_key = [0; 32];
        epoch_key.iter_mut().zip(loads.to_be_bytes()).for_each(|(key, byte)| *key = byte);
        engine.load(&Challenge { epoch_key, ..*challenge })?;
        loads += 1;
    }
    Ok(challenge.shape.weights() as f64 * f64::from(loads) / used(start).max(0.01))
}

impl Bench {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<()> {
        let challenge = Challenge { shape: built_in(&self.shape)?, epoch_key: [0; 32] };
        let mut bar = Bar::new();
        let kernels = kernels(self.kernel, &self.compute);
        let figures = self.figures(&challenge, &kernels, &mut bar)?;
        let list = Value::Array(figures.iter().map(Figure::json).collect());
        if let Some(path) = &self.json {
            std::fs::write(path, format!("{list:#}\n")).with_context(|| path.display().to_string())?;
        }
        if let Some(path) = &self.plot {
            let curves = self.curves(&challenge, &kernels, &mut bar)?;
            let title = format!("{}: nonces per second against the batch", self.shape);
            std::fs::write(path, plot(&title, &curves)).with_context(|| path.display().to_string())?;
        }
        if output == Output::Json {
            return say(&list.to_string());
        }
        figures.iter().try_for_each(|figure| say(&figure.line()))
    }

    /// One engine a kernel and thread count, and the float network; or one a device.
    fn runners(&self, challenge: &Challenge, kernels: &[Kernel]) -> anyhow::Result<Vec<Runner>> {
        if kernels.is_empty() {
            let devices = self.compute.engines()?.into_iter().enumerate();
            return devices.map(|(i, d)| Runner::exact(format!("device{i}"), d, *challenge, None)).collect();
        }
        let mut counts = vec![1, self.compute.threads()];
        counts.dedup();
        let mut runners = Vec::new();
        for threads in counts {
            for kernel in kernels {
                runners.push(Runner::cpu(&self.compute, (*kernel, threads), *challenge)?);
            }
            let memory = self.compute.limits().host_memory();
            runners.extend(Runner::float(&challenge.shape, threads, memory));
        }
        Ok(runners)
    }

    fn figures(
        &self,
        challenge: &Challenge,
        kernels: &[Kernel],
        bar: &mut Bar,
    ) -> anyhow::Result<Vec<Figure>> {
        let mut runners = self.runners(challenge, kernels)?;
        let time = Duration::from_secs(self.seconds.into()) / (ROUNDS * runners.len() as u64) as u32;
        let mut peaks: Vec<(Kernel, f64)> = Vec::new();
        for round in 0..ROUNDS {
            bar.show("rounds", round, ROUNDS);
            for runner in &mut runners {
                let turn = runner.turn(time)?;
                runner.turns.push(turn);
            }
            for kernel in kernels.iter().copied() {
                let peak = kernel.peak(Duration::from_millis(20));
                peaks.extend(peak.map(|peak| (kernel, peak)));
            }
        }
        bar.show("rounds", ROUNDS, ROUNDS);
        let mut figures = Vec::new();
        self.rates(&runners, &mut figures);
        self.peaks(challenge, &runners, &peaks, &mut figures);
        for kernel in kernels.iter().copied() {
            figures.push(Figure {
                name: format!("{}.{}.weights", self.shape, kernel.name()),
                value: weights_per_s(kernel, challenge, self.compute.limits().host_memory())?,
                unit: "weights/s a core",
                target: (kernel != Kernel::F32).then_some(WEIGHTS_PER_S),
                better: "higher",
            });
        }
        Ok(figures)
    }

    fn rates(&self, runners: &[Runner], figures: &mut Vec<Figure>) {
        let mut push = |name: String, value, unit, target, better| {
            figures.push(Figure { name: format!("{}.{name}", self.shape), value, unit, target, better });
        };
        for runner in runners {
            let name = format!("{}.{}t", runner.name, runner.threads);
            push(name.clone(), runner.wall(), "nonces/s", None, "higher");
            push(name.clone() + ".core", runner.core(), "nonces/s of a core's time", None, "higher");
            if let Some(bytes) = runner.memory {
                push(name + ".memory", bytes as f64 / f64::from(1 << 20), "MiB", None, "lower");
            }
        }
        let find = |name: &str, threads| runners.iter().find(|r| r.name == name && r.threads == threads);
        for (kernel, target) in TARGETS {
            if let (Some(of), Some(to)) = (find(kernel.name(), 1), find(Kernel::F32.name(), 1)) {
                push(format!("{}.over.f32", of.name), of.core() / to.core(), "x", Some(target), "higher");
            }
        }
        for runner in runners {
            if let (Some(_), Some(float)) = (runner.kernel, find(FLOAT, runner.threads)) {
                let name = format!("{}.over.{FLOAT}.{}t", runner.name, runner.threads);
                push(name, runner.core() / float.core(), "x", Some(OVER_FLOAT), "higher");
            }
        }
        for many in runners.iter().filter(|runner| runner.threads > 1) {
            if let Some(one) = find(&many.name, 1) {
                let (threads, target) = (many.threads as f64, Some(SCALING * many.threads as f64));
                let name = format!("{}.{threads}t.over.1t", many.name);
                push(name.clone(), many.over(one), "x", target, "higher");
                let by_core = threads * many.core() / one.core();
                push(name + ".core", by_core, "x, if every thread had a core", target, "higher");
            }
        }
    }

    /// Operations of products in a second of a core's time, and what part that is of the processor's peak.
    fn peaks(
        &self,
        challenge: &Challenge,
        runners: &[Runner],
        peaks: &[(Kernel, f64)],
        figures: &mut Vec<Figure>,
    ) {
        for runner in runners.iter().filter(|runner| runner.threads == 1) {
            let Some(kernel) = runner.kernel else { continue };
            let name = |what: &str| format!("{}.{}.{what}", self.shape, kernel.name());
            let done = 2.0 * challenge.shape.products() as f64 * runner.core();
            let mut push = |what, value, unit| {
                figures.push(Figure { name: name(what), value, unit, target: None, better: "higher" });
            };
            push("products", done / 1e9, "Gop/s");
            let best = peaks.iter().filter(|(k, _)| *k == kernel).map(|(_, peak)| *peak).reduce(f64::max);
            if let Some(best) = best {
                push("peak", best / 1e9, "Gop/s");
                push("products.of.peak", done / best, "");
            }
        }
    }

    fn curves(&self, challenge: &Challenge, kernels: &[Kernel], bar: &mut Bar) -> anyhow::Result<Vec<Curve>> {
        let threads = self.compute.threads();
        ensure!(!kernels.is_empty(), "--plot draws the processor's kernels: give --device cpu");
        let steps = (kernels.len() * BATCHES.len()) as u64;
        let turn = Duration::from_secs(self.seconds.into()) / steps as u32;
        let (mut curves, mut step) = (Vec::new(), 0);
        for kernel in kernels.iter().copied() {
            let mut curve = Curve { name: format!("{kernel}, {threads} threads"), points: Vec::new() };
            for batch in BATCHES {
                bar.show("batches", step, steps);
                let limits = Limits { threads, batch: Some(batch as usize), ..self.compute.limits() };
                let engine = Box::new(limits.cpu().with_kernel(kernel)?);
                let mut runner = Runner::exact(curve.name.clone(), engine, *challenge, Some(batch))?;
                let turn = runner.turn(turn)?;
                curve.points.push((batch, turn.nonces / turn.wall_s));
                step += 1;
            }
            curves.push(curve);
        }
        bar.show("batches", steps, steps);
        Ok(curves)
    }
}
