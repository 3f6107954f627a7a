//! The program as an operator meets it: what it prints, refuses, serves and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};

use geodesic_mlnode::Kernel;

fn mlnode(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlnode"));
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(args: &[&str]) -> Output {
    mlnode(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn version_and_self_test() {
    assert_eq!(text(&output(&["version"]).stdout), format!("mlnode {}\n", env!("CARGO_PKG_VERSION")));
    let test = output(&["selftest", "--device", "cpu", "--threads", "1"]);
    assert!(test.status.success());
    assert!(text(&test.stdout).starts_with("self-test passed: CPU, 1 thread"), "{test:?}");
}

#[test]
fn mistakes_are_refused_with_what_to_do() {
    for (args, say) in [
        (
            &["serve", "--listen", "0.0.0.0:0"][..],
            "without mutual TLS: give --tls-cert, --tls-key and --client-ca",
        ),
        (&["serve", "--listen", "[::]:0"][..], "without mutual TLS"),
        (&["serve", "--tls-cert", "a.pem"][..], "--tls-key"),
        (&["serve", "--tls-cert", "a.pem", "--tls-key", "a.key"][..], "give --client-ca"),
        (&["serve", "--threads", "0"][..], "0 is not in 1.."),
        (&["serve", "--device", "gpu"][..], "names no device: give auto, cpu, cuda:0 or several as cuda:0,1"),
        (&["serve", "--batch", "0"][..], "must be auto or between 1 and 65535"),
        (&["bench", "--kernel", "sse"][..], "possible values: auto, f32, avx2, vnni"),
        (
            &["bench", "--shape", "huge"][..],
            "no built-in shape huge, there are micro, local, cpu, gpu-5b, gpu-18b",
        ),
        (&["bench", "--shape", "gpu-18b", "--device", "cpu"][..], "bytes of memory, at most 4294967296"),
    ] {
        let output = output(args);
        assert!(!output.status.success(), "{args:?}");
        let (stderr, stdout) = (text(&output.stderr), text(&output.stdout));
        assert!(stderr.contains(say), "{args:?} does not say {say:?}: {stderr}");
        assert!(stdout.is_empty() && !stderr.contains("panicked"), "{args:?}: {stdout} {stderr}");
    }
}

/// Where the library, the device or the engine is missing, the error says so and what to do; `auto` goes on without.
#[test]
fn a_gpu_that_is_not_there_is_an_error_and_auto_takes_the_processor() {
    // No machine has as many.
    for args in [
        &["selftest", "--device", "cuda:63"][..],
        &["serve", "--listen", "127.0.0.1:0", "--device", "cuda:63"],
    ] {
        let missing = output(args);
        assert!(!missing.status.success(), "{args:?}");
        let error = text(&missing.stderr);
        let says = |texts: &[&str]| texts.iter().any(|text| error.contains(text));
        assert!(says(&["cannot use cuda:63: "]) && !says(&["panicked"]), "{error}");
        if cfg!(feature = "cuda") {
            assert!(
                says(&["is not found: install", "finds no device", "there is no CUDA device 63"]),
                "{error}"
            );
        } else {
            assert!(says(&["built without CUDA: build mlnode with --features cuda"]), "{error}");
        }
    }
    let auto = output(&["selftest", "--threads", "1"]);
    assert!(auto.status.success(), "{auto:?}");
    if text(&auto.stdout).contains("CPU") {
        assert!(text(&auto.stderr).contains("no GPU is used"), "{auto:?}");
    }
}

#[test]
fn a_server_says_where_it_listens_shows_metrics_and_drains_on_a_signal() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let args =
        ["--log-format", "json", "serve", "--listen", "127.0.0.1:0", "--threads", "1", "--metrics", &free];
    let mut server = mlnode(&args).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let addr = line.trim().strip_prefix("listening on ").expect(&line);
    TcpStream::connect(addr).unwrap();
    let mut scrape = TcpStream::connect(&free).unwrap();
    write!(scrape, "GET /metrics HTTP/1.1\r\nHost: {free}\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    scrape.read_to_string(&mut page).unwrap();
    assert!(page.contains("geodesic_mlnode_queue_depth 0"), "{page}");

    let kill = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let ended = server.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let logs = text(&ended.stderr);
    for line in logs.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect(line);
    }
    assert!(logs.contains("draining"), "{logs}");
}

const EXACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/exact.json");
const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/model_tiny.json");

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

#[test]
fn every_engine_is_tested_and_named() {
    let test = json(&output(&["--output", "json", "selftest", "--device", "cpu", "--threads", "2"]));
    assert_eq!(test["ok"], true);
    let engines = test["engines"].as_array().unwrap();
    let (float, exact) = engines.split_last().unwrap();
    assert_eq!(float["profile"], "pow2-f16");
    assert_eq!(exact.len(), Kernel::present().len());
    for engine in exact {
        assert_eq!((&engine["profile"], &engine["logits_hash"]), (&"exact".into(), &exact[0]["logits_hash"]));
    }
    let one = text(&output(&["selftest", "--threads", "1", "--kernel", "f32"]).stdout);
    assert!(one.starts_with("self-test passed: CPU, 1 thread, f32 GEMM, profile exact, logits "), "{one}");
}

#[test]
fn a_bench_writes_its_figures_and_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (figures, picture) = (path("figures.json"), path("batches.svg"));
    let args = [
        "bench",
        "--shape",
        "micro",
        "--seconds",
        "1",
        "--threads",
        "2",
        "--json",
        &figures,
        "--plot",
        &picture,
    ];
    let bench = output(&args);
    assert!(bench.status.success(), "{bench:?}");
    let list: Vec<serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(&figures).unwrap()).unwrap();
    let value = |name: &str| {
        let figure = list.iter().find(|figure| figure["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        figure["value"].as_f64().unwrap()
    };
    for kernel in Kernel::present() {
        for figure in ["1t", "2t", "1t.core", "2t.memory", "2t.over.1t", "products", "weights"] {
            assert!(value(&format!("micro.{}.{figure}", kernel.name())) > 0.0, "{kernel} {figure}");
        }
    }
    assert!(list.iter().all(|figure| figure["unit"].is_string() && figure["better"].is_string()));
    let picture = std::fs::read_to_string(&picture).unwrap();
    assert_eq!(picture.matches("<polyline").count(), Kernel::present().len());
    assert!(picture.ends_with("</svg>\n") && !picture.contains("NaN"));
}

#[test]
fn golden_vectors_are_checked() {
    for (file, profile, cases, nonces) in [(EXACT, "exact", 5, 16), (TINY, "pow2-f16", 1, 16)] {
        let checked = output(&["--output", "json", "vectors", "--check", file, "--threads", "2"]);
        assert!(checked.status.success(), "{checked:?}");
        let checked = json(&checked);
        assert_eq!((&checked["ok"], &checked["profile"]), (&true.into(), &profile.into()));
        assert_eq!(checked["cases"], cases, "{file}");
        assert!(checked["nonces"].as_u64().unwrap() >= nonces, "{checked}");
        assert!(checked["values"].as_u64().unwrap() > 150, "{checked}");
    }
}

/// One digit changed anywhere is found, named and ends with 1.
#[test]
fn the_first_difference_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.json");
    let file = path.to_str().unwrap();
    for (source, pointer, value, say) in [
        (
            EXACT,
            "/cases/1/leaves/2/distance_2p32",
            5.into(),
            "cases[1].leaves[2].distance_2p32 is 5 in the file",
        ),
        (EXACT, "/cases/0/commitment/root", "00".into(), "cases[0].commitment.root is \"00\" in the file"),
        (EXACT, "/cases/0/shape/dim", 63.into(), "cases[0].shape is heads 2 must divide dim 63"),
        (EXACT, "/cases/0/shape/ffn", 4_000_000_000_u32.into(), "expected a valid shape"),
        (
            EXACT,
            "/cases/0/beacon",
            "zz".into(),
            "cases[0].beacon is \"zz\", expected 32 bytes in hexadecimal",
        ),
        (EXACT, "/lut/3", 112.into(), "lut[3] is 112 in the file, computed 111"),
        (EXACT, "/cases/2/commitment/count", 0.into(), "commitment.count is"),
        (EXACT, "/cases", serde_json::json!([]), "cases is empty, expected at least one case"),
        (
            TINY,
            "/results/input_f64_to_f16_to_f32/dist/3",
            1.4633.into(),
            "dist[3] is 1.4633 in the file, computed 1.46327",
        ),
        (TINY, "/weights/4/start_idx", 1.into(), "weights[4].start_idx is 1 in the file, computed 22656"),
        (EXACT, "/cases/3/leaves/0", serde_json::json!({}), "cases[3].leaves[0].distance_2p32 is missing"),
        (TINY, "/results", serde_json::json!({}), "results is empty, expected at least one result"),
        (TINY, "/results", serde_json::json!({ "f8": { "dist": [] } }), "results.f8 is "),
        (
            TINY,
            "/nonces/15",
            serde_json::json!("x"),
            "nonces[15] is \"x\", expected a whole number below 2^64",
        ),
        (TINY, "/params/dim", 1_000_000.into(), "dim is 1000000, expected 2 to 65536"),
        (TINY, "/params/use_scaled_rope", true.into(), "params.use_scaled_rope is true, expected false"),
        (TINY, "/block_hash", "".into(), "length of block hash is 0, expected 1 to 256 bytes"),
    ] {
        let mut document: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(source).unwrap()).unwrap();
        *document.pointer_mut(pointer).unwrap() = value;
        std::fs::write(&path, document.to_string()).unwrap();
        let checked = output(&["vectors", "--check", file, "--threads", "1"]);
        assert_eq!(checked.status.code(), Some(1), "{pointer}");
        let error = text(&checked.stderr);
        assert!(
            error.contains(say) && !error.contains("panicked"),
            "{pointer} does not say {say:?}: {error}"
        );
    }
}

#[test]
fn vectors_that_are_written_hold() {
    let folder = tempfile::tempdir().unwrap();
    for args in [["exact", "micro"], ["exact", "local"], ["pow2-f16", "tiny"]] {
        let [profile, shape] = args;
        let written =
            output(&["vectors", "--profile", profile, "--shape", shape, "--count", "3", "--seed", "any"]);
        assert!(written.status.success(), "{written:?}");
        let path = folder.path().join(shape);
        std::fs::write(&path, &written.stdout).unwrap();
        let checked = output(&["--output", "json", "vectors", "--check", path.to_str().unwrap()]);
        assert!(checked.status.success(), "{checked:?}");
        assert_eq!(json(&checked)["nonces"], 3);
        let other = output(&["vectors", "--profile", profile, "--shape", shape, "--count", "3"]);
        assert_ne!(other.stdout, written.stdout, "another seed gives other vectors");
    }
    let unknown = output(&["vectors", "--profile", "pow2-f16", "--shape", "micro"]);
    assert!(text(&unknown.stderr).contains("shape is micro, expected tiny, local, small, 3b"), "{unknown:?}");
    let large = output(&["vectors", "--shape", "gpu-18b", "--max-memory-mib", "64"]);
    assert!(text(&large.stderr).contains("at most 67108864 may be used"), "{large:?}");
}
