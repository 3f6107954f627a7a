//! What operators take from `deploy/` fits the programs: units start what there is, alerts and the dashboard name metrics
//! that exist, and each alert has its place in the guide.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use geodesic_testnet::localnet::setup;

/// Those of CometBFT 0.38 that are used (its metrics.gen.go), and those of Prometheus and its node exporter.
const OTHERS: [&str; 12] = [
    "cometbft_consensus_height",
    "cometbft_consensus_block_interval_seconds_sum",
    "cometbft_consensus_block_interval_seconds_count",
    "cometbft_consensus_validator_power",
    "cometbft_consensus_validator_missed_blocks",
    "cometbft_consensus_missing_validators",
    "cometbft_consensus_byzantine_validators",
    "cometbft_mempool_size",
    "cometbft_p2p_peers",
    "node_filesystem_avail_bytes",
    "up",
    "instance",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Names of our metrics: each program declares its own in one file.
fn ours() -> BTreeSet<String> {
    let files = ["abci-app/src/metrics.rs", "abci-app/agent/src/metrics.rs", "mlnode/src/metrics.rs"];
    let names = files.iter().flat_map(|file| {
        let text = read(file);
        let consts = text.lines().filter(|line| line.contains("pub const"));
        consts.map(|line| line.split('"').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    });
    names.collect()
}

/// Values of a field anywhere in a JSON document.
fn values(json: &serde_json::Value, field: &str, out: &mut Vec<String>) {
    match json {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                match value.as_str() {
                    Some(text) if key == field => out.push(text.to_owned()),
                    _ => values(value, field, out),
                }
            }
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| values(value, field, out)),
        _ => {}
    }
}

/// Names of metrics in a PromQL expression: words that are no function, label or text.
fn metrics_of(expression: &str) -> Vec<String> {
    const WORDS: [&str; 10] =
        ["rate", "increase", "changes", "sum", "by", "without", "predict_linear", "result", "kind", "and"];
    let mut bare = String::new();
    let mut depth = 0;
    for c in expression.chars() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            c if depth == 0 => bare.push(c),
            _ => {}
        }
    }
    let words = bare.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let words = words.filter(|w| w.starts_with(|c: char| c.is_ascii_alphabetic()) && !WORDS.contains(w));
    words.map(str::to_owned).collect()
}

fn alerts() -> Vec<(String, String)> {
    let text = read("deploy/prometheus/alerts.yml");
    let after = |key: &'static str| {
        let lines = text.lines().filter_map(move |line| line.trim().strip_prefix(key));
        lines.map(|rest| rest.trim().to_owned()).collect::<Vec<_>>()
    };
    let (names, expressions) = (after("- alert:"), after("expr:"));
    assert!(names.len() == expressions.len() && names.len() > 10);
    names.into_iter().zip(expressions).collect()
}

#[test]
fn alerts_and_dashboard_name_metrics_that_exist() {
    let ours = ours();
    let known = |name: &str| ours.contains(name) || OTHERS.contains(&name);
    for (alert, expression) in alerts() {
        let names = metrics_of(&expression);
        assert!(!names.is_empty(), "{alert}: {expression}");
        for name in names {
            assert!(known(&name), "alert {alert} asks for {name}, which no program has");
        }
    }
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("deploy/grafana/geodesic.json")).expect("the dashboard is JSON");
    let mut expressions = Vec::new();
    values(&dashboard, "expr", &mut expressions);
    let shown: BTreeSet<String> = expressions.iter().flat_map(|e| metrics_of(e)).collect();
    for name in &shown {
        assert!(known(name), "the dashboard asks for {name}, which no program has");
    }
    for name in ours.iter().filter(|name| name.starts_with("geodesic_")) {
        assert!(shown.contains(name), "{name} is on no panel of the dashboard");
    }
}

#[test]
fn the_guide_says_what_to_do_about_each_alert() {
    let guide = read("docs/operators.md");
    for (alert, _) in alerts() {
        assert!(guide.contains(&format!("| `{alert}` |")), "docs/operators.md has no row for {alert}");
    }
}

#[test]
fn prometheus_takes_its_files() {
    let promtool = |args: &[&str]| {
        let dir = root().join("deploy/prometheus");
        let output = Command::new("promtool").args(args).current_dir(dir).output()?;
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "promtool {args:?}: {text}");
        Ok::<(), std::io::Error>(())
    };
    if let Err(error) = promtool(&["--version"]) {
        eprintln!("left out, there is no promtool (Debian's package prometheus has it): {error}");
        return;
    }
    promtool(&["check", "config", "prometheus.yml"]).unwrap();
    promtool(&["check", "rules", "alerts.yml"]).unwrap();
    promtool(&["test", "rules", "alerts_test.yml"]).unwrap();
}

#[test]
fn systemd_takes_the_units() {
    let dir = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for entry in fs::read_dir(root().join("deploy/systemd")).unwrap() {
        let path = entry.unwrap().path();
        let mut text = fs::read_to_string(&path).unwrap();
        for name in ["geod", "mlnode"] {
            let built = setup::program(name).unwrap();
            text = text.replace(&format!("/usr/local/bin/{name} "), &format!("{} ", built.display()));
        }
        let unit = dir.path().join(path.file_name().unwrap());
        fs::write(&unit, text).unwrap();
        units.push(unit);
    }
    assert_eq!(units.len(), 3);
    // Also that the flags in the units are known: --help ends before anything is done.
    for unit in &units {
        let text = fs::read_to_string(unit).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let mut words = line.split(' ');
        let output = Command::new(words.next().unwrap()).args(words).arg("--help").output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    match Command::new("systemd-analyze").arg("verify").args(&units).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && text.trim().is_empty(), "systemd-analyze verify: {text}");
        }
        Err(error) => eprintln!("left out, there is no systemd-analyze: {error}"),
    }
}
