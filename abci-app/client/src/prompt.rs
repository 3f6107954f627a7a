//! Where passphrases come from.

use std::io::{self, BufRead as _, IsTerminal as _};

use zeroize::Zeroizing;

/// Longest line read from standard input.
const LINE_MAX: usize = 4096;

/// Supplies passphrases.
pub trait Prompt: Send {
    /// One passphrase, asked for with `question`.
    ///
    /// # Errors
    /// The source is closed or fails.
    fn passphrase(&self, question: &str) -> io::Result<Zeroizing<String>>;
}

/// Asks on the terminal without showing what is typed; when standard input is not a terminal, takes its next line.
#[derive(Debug, Clone, Copy)]
pub struct Terminal;

impl Prompt for Terminal {
    fn passphrase(&self, question: &str) -> io::Result<Zeroizing<String>> {
        if io::stdin().is_terminal() {
            return rpassword::prompt_password(question).map(Zeroizing::new);
        }
        read_line()
    }
}

/// The next line of standard input without its end; as every call reads no more than its line, several callers may
/// take turns.
///
/// # Errors
/// Standard input is closed, fails, is not UTF-8, or its line is longer than 4096 bytes.
pub fn read_line() -> io::Result<Zeroizing<String>> {
    let mut input = io::stdin().lock();
    let mut line = Zeroizing::new(Vec::new());
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() && line.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "standard input has no further line"));
        }
        let (used, done) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        line.extend(buffer.iter().take(used).filter(|byte| **byte != b'\n'));
        input.consume(used);
        if line.len() > LINE_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "line is longer than 4096 bytes"));
        }
        if done {
            break;
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    match std::str::from_utf8(&line) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "line is not UTF-8")),
    }
}

/// Always the same passphrase: services get it from their environment or a file.
pub struct Fixed(
    /// The passphrase.
    pub Zeroizing<String>,
);

impl Prompt for Fixed {
    fn passphrase(&self, _: &str) -> io::Result<Zeroizing<String>> {
        Ok(self.0.clone())
    }
}
