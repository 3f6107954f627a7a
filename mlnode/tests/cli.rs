//! The program as an operator meets it: what it prints, refuses, serves and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};

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
    let test = output(&["selftest", "--threads", "1"]);
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
        (
            &["bench", "--shape", "huge"][..],
            "no built-in shape huge, there are micro, local, cpu, gpu-5b, gpu-18b",
        ),
        (&["bench", "--shape", "gpu-18b"][..], "bytes of memory, at most 4294967296"),
    ] {
        let output = output(args);
        assert!(!output.status.success(), "{args:?}");
        let (stderr, stdout) = (text(&output.stderr), text(&output.stdout));
        assert!(stderr.contains(say), "{args:?} does not say {say:?}: {stderr}");
        assert!(stdout.is_empty() && !stderr.contains("panicked"), "{args:?}: {stdout} {stderr}");
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
