//! Other programs.

use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Runs a command in the open.
///
/// # Errors
/// It cannot be started or does not succeed; the message is the command line.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = describe(command);
    eprintln!("$ {line}");
    let status = command.status().with_context(|| format!("cannot start: {line}"))?;
    if status.success() { Ok(()) } else { bail!("{line}: {status}") }
}

/// What a command prints if it succeeds.
pub(crate) fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stderr(Stdio::null()).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Numbers of a version such as `go1.22.11`, `1:7.8.3-2` or `0.38.25+commit`: the first run of digits and points behind
/// letters and a Debian epoch.
pub(crate) fn numbers(version: &str) -> Vec<u64> {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let start = version.find(|c: char| c.is_ascii_digit()).unwrap_or(version.len());
    let (_, version) = version.split_at(start);
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    let (version, _) = version.split_at(end);
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (text, want) in [
            ("go1.22.11", vec![1, 22, 11]),
            ("1:7.8.3-2", vec![7, 8, 3]),
            ("7.10.2", vec![7, 10, 2]),
            ("0.38.25+abc", vec![0, 38, 25]),
            ("v0.38.25", vec![0, 38, 25]),
            ("none", vec![]),
        ] {
            assert_eq!(numbers(text), want, "{text}");
        }
    }

    #[test]
    fn a_failure_names_the_command() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err().to_string();
        assert!(error.starts_with("sh -c exit 3") && error.contains('3'), "{error}");
        assert!(run(&mut Command::new("/nonexistent/program")).is_err());
        assert_eq!(output("echo", &["a"]), Some("a".to_owned()));
        assert_eq!(output("false", &[]), None);
    }
}
