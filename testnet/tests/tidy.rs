//! Rules of the house that no compiler checks: who may name whom, lengths of files, sections of specifications.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file.
const LINES_MAX: usize = 500;

/// Sections of a module's specification.
const SECTIONS: [&str; 5] = ["## Concepts", "## State", "## Messages", "## Errors", "## Queries"];

/// Modules with a specification: those that have state.
const MODULES: [&str; 11] = [
    "auth",
    "bank",
    "consensus",
    "difficulty",
    "epochs",
    "evidence",
    "pow",
    "rewards",
    "seeds",
    "slashing",
    "staking",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn files(dir: &Path, ending: &str, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", "node_modules"].contains(&name.as_str()) && !name.starts_with('.') {
                files(&path, ending, out);
            }
        } else if name.ends_with(ending) {
            out.push(path);
        }
    }
}

fn sources() -> Vec<PathBuf> {
    let mut out = Vec::new();
    files(&root(), ".rs", &mut out);
    out
}

/// Names of the workspace's crates, without `geodesic-`, that a manifest depends on, tests left out.
fn depends_on(manifest: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(manifest).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let deps = table.get("dependencies").and_then(|d| d.as_table()).cloned().unwrap_or_default();
    deps.keys().filter_map(|k| k.strip_prefix("geodesic-")).map(str::to_owned).collect()
}

#[test]
fn arrows_between_crates() {
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
    let mut all = set(&MODULES);
    all.extend(set(&["core", "proto", "store"]));
    let module = set(&["core", "challenge", "proto"]);
    let mut rows: Vec<(String, BTreeSet<String>)> =
        MODULES.iter().map(|m| (format!("modules/{m}"), module.clone())).collect();
    rows.extend([
        ("proto".into(), set(&[])),
        ("modules/core".into(), set(&["proto"])),
        ("modules/challenge".into(), set(&[])),
        ("abci-app/store".into(), set(&["core"])),
        ("abci-app".into(), all),
        ("abci-app/client".into(), set(&["proto", "challenge"])),
        ("abci-app/agent".into(), set(&["client", "proto", "challenge"])),
        ("abci-app/cli".into(), set(&["app", "store", "core", "client", "agent", "proto", "challenge"])),
        ("mlnode".into(), set(&["challenge", "proto"])),
        ("xtask".into(), set(&["challenge"])),
    ]);
    for (folder, may) in rows {
        let extra: Vec<_> =
            depends_on(&root().join(&folder).join("Cargo.toml")).difference(&may).cloned().collect();
        assert!(extra.is_empty(), "{folder} names {extra:?}");
    }
}

#[test]
fn heavy_crates_have_one_home() {
    for (name, home) in [("rocksdb", "abci-app/store"), ("tendermint-abci", "abci-app"), ("cudarc", "mlnode")]
    {
        let mut manifests = Vec::new();
        files(&root(), "Cargo.toml", &mut manifests);
        for manifest in manifests {
            let table: toml::Table = fs::read_to_string(&manifest).unwrap().parse().unwrap();
            let named =
                table.get("dependencies").and_then(|d| d.as_table()).is_some_and(|d| d.contains_key(name));
            let folder = manifest.parent().unwrap().strip_prefix(root()).unwrap().to_path_buf();
            let test_tool = folder == Path::new("testnet");
            assert!(!named || folder == Path::new(home) || test_tool, "{} names {name}", folder.display());
        }
    }
}

#[test]
fn files_fit_in_a_head() {
    for path in sources() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines, allowed are {LINES_MAX}", path.display());
    }
}

#[test]
fn nothing_is_left_for_later() {
    let words = [
        "TO".to_owned() + "DO",
        "FIX".to_owned() + "ME",
        "XX".to_owned() + "X:",
        "unimpl".to_owned() + "emented!",
    ];
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            assert!(!words.iter().any(|w| line.contains(w)), "{}:{}: {line}", path.display(), number + 1);
        }
    }
}

#[test]
fn specifications_have_their_sections() {
    for module in MODULES {
        let path = root().join("modules").join(module).join("README.md");
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for section in SECTIONS {
            assert!(text.lines().any(|l| l.trim() == section), "{} lacks {section:?}", path.display());
        }
    }
}
