//! Installing the clients from their registries, and running their scripts.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::Command;
use tokio::sync::Mutex;

use super::network::dir;

/// Names of tools whose clients are left out, separated by commas: `node`, `python`, `curl`.
const SKIP: &str = "GEODESIC_SKIP_CLIENTS";
/// A script that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(400);

/// What a client is written for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Node,
    Python,
    Curl,
}

impl Tool {
    /// Its name in [`SKIP`], its program, its first version that does, and where it comes from.
    const fn needs(self) -> (&'static str, &'static str, [u32; 2], &'static str) {
        match self {
            Self::Node => ("node", "node", [20, 19], "from https://nodejs.org, with npm"),
            Self::Python => ("python", "python3", [3, 10], "with its module venv (Debian: python3-venv)"),
            Self::Curl => ("curl", "curl", [7, 0], "from your distribution"),
        }
    }

    /// That the tool is there.
    async fn check(self) -> anyhow::Result<()> {
        let (name, program, min, source) = self.needs();
        let output = Command::new(program).arg("--version").output().await;
        let text = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default();
        if numbers(&text) < min {
            let [major, minor] = min;
            bail!(
                "{program} is {text:?}, needed is {major}.{minor} or later: install it {source}, or leave its clients \
                 out with {SKIP}={name}"
            );
        }
        Ok(())
    }
}

/// The first two numbers of what `--version` prints; zeros if there are none.
fn numbers(version: &str) -> [u32; 2] {
    let digits = version.trim_start_matches(|c: char| !c.is_ascii_digit());
    let mut parts = digits.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    [parts.next().unwrap_or(0), parts.next().unwrap_or(0)]
}

/// A client: its name is its account's too.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    tool: Tool,
    /// Folder in testnet/clients.
    source: &'static str,
    /// Folder of its lock file in that one, if versions differ.
    version: &'static str,
    /// Arguments of the tool.
    args: &'static [&'static str],
    /// What LEDGER begins with, and the variable that it goes on with, for cosmpy.
    ledger: Option<(&'static str, &'static str)>,
}

const JS: &[&str] = &["--test-force-exit", "--test-reporter", "spec", "main.mjs"];

/// All of them.
pub(crate) const CLIENTS: &[Client] = &[
    Client {
        name: "cosmjs-0.39",
        tool: Tool::Node,
        source: "cosmjs",
        version: "0.39",
        args: JS,
        ledger: None,
    },
    Client {
        name: "cosmjs-0.32",
        tool: Tool::Node,
        source: "cosmjs",
        version: "0.32",
        args: JS,
        ledger: None,
    },
    Client {
        name: "cosmpy-grpc",
        tool: Tool::Python,
        source: "python",
        version: "",
        args: &["ledger.py"],
        ledger: Some(("grpc+http://", "GRPC")),
    },
    Client {
        name: "cosmpy-rest",
        tool: Tool::Python,
        source: "python",
        version: "",
        args: &["ledger.py"],
        ledger: Some(("rest+", "REST")),
    },
    Client {
        name: "grpc-reflection",
        tool: Tool::Python,
        source: "python",
        version: "",
        args: &["reflection.py"],
        ledger: None,
    },
    Client { name: "curl", tool: Tool::Curl, source: "shell", version: "", args: &["rpc.sh"], ledger: None },
];

impl Client {
    /// Whether the user asked to leave it out.
    pub(crate) fn is_skipped(&self) -> bool {
        let (name, ..) = self.tool.needs();
        std::env::var(SKIP).is_ok_and(|list| list.split(',').any(|entry| entry.trim() == name))
    }
}

/// Installs what a client needs below `target/clients`; returns the folder of its scripts.
///
/// # Errors
/// The tool is missing, with the remedy; or what the package manager says.
pub(crate) async fn install(client: &Client) -> anyhow::Result<PathBuf> {
    // Clients of one environment install it once.
    static TURN: Mutex<()> = Mutex::const_new(());
    client.tool.check().await?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(client.source);
    match client.tool {
        Tool::Curl => Ok(source),
        Tool::Node => {
            let dir = dir().join(client.name);
            copy_files(&source, &dir)?;
            copy_files(&source.join(client.version), &dir)?;
            let mut npm = Command::new("npm");
            npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&dir);
            once(&dir.join("package-lock.json"), &dir.join("installed"), vec![npm]).await?;
            Ok(dir)
        }
        Tool::Python => {
            let _turn = TURN.lock().await;
            let venv = dir().join("python");
            let mut make = Command::new("python3");
            make.args(["-m", "venv", "--clear"]).arg(&venv);
            let lock = source.join("requirements.txt");
            let mut pip = Command::new(venv.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]);
            pip.arg("--requirement").arg(&lock);
            once(&lock, &venv.join("installed"), vec![make, pip]).await?;
            Ok(source)
        }
    }
}

fn copy_files(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Runs commands unless they have succeeded before with the same lock file, of which `stamp` is a copy.
async fn once(lock: &Path, stamp: &Path, commands: Vec<Command>) -> anyhow::Result<()> {
    let wanted = std::fs::read(lock).with_context(|| lock.display().to_string())?;
    if std::fs::read(stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    for command in commands {
        output(command).await?;
    }
    Ok(std::fs::write(stamp, wanted)?)
}

/// Runs the scripts of a client.
///
/// # Errors
/// They fail or hang; the message is all they printed.
pub(crate) async fn run(
    client: &Client,
    dir: &Path,
    environment: &[(&'static str, String)],
) -> anyhow::Result<()> {
    let mut command = match client.tool {
        Tool::Node => Command::new("node"),
        Tool::Python => Command::new(super::network::dir().join("python/bin/python")),
        Tool::Curl => Command::new("sh"),
    };
    command.args(client.args).current_dir(dir).envs(environment.iter().map(|(k, v)| (k, v)));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    if let Some((scheme, variable)) = client.ledger {
        let address = environment.iter().find(|(name, _)| *name == variable).map(|(_, v)| v.as_str());
        command.env("LEDGER", format!("{scheme}{}", address.context("no such variable")?));
    }
    let text = output(command).await?;
    println!("=== {} ===\n{text}", client.name);
    Ok(())
}

/// What a command prints if it succeeds.
async fn output(mut command: Command) -> anyhow::Result<String> {
    let line = format!("{:?}", command.as_std());
    let child = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, child).await;
    let output = output.with_context(|| format!("{line} does not end"))?.with_context(|| line.clone())?;
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if !output.status.success() {
        bail!("{line}: {}\n{text}", output.status);
    }
    Ok(text)
}

#[test]
fn versions_that_tools_print_are_read() {
    for (text, want) in [
        ("v20.19.2\n", [20, 19]),
        ("Python 3.11.7", [3, 11]),
        ("curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1", [7, 88]),
        ("", [0, 0]),
    ] {
        assert_eq!(numbers(text), want, "{text}");
    }
}
