//! Golden vectors of both profiles: written, and checked against a recomputation, value by value.
//!
//! Formats: `fixtures/exact.json` and `fixtures/model_tiny.json`. A file may hold any number of cases; a case may leave
//! out what it does not want checked, its distances excepted.

mod diff;
pub mod exact;
pub mod pow2;

use serde_json::Value;

use crate::engine::{Engine, EngineError};
use crate::pow2::Error as Pow2Error;

pub use diff::Difference;

/// Called with what is being done, how much of it is done, and how much there is.
pub type Progress<'a> = dyn FnMut(&'static str, u64, u64) + 'a;

/// Why vectors are not written, or do not hold.
#[derive(Debug, thiserror::Error)]
pub enum VectorsError {
    /// The file is not of the format: where, what is there, what should be.
    #[error("{at} is {got}, expected {expected}")]
    Format {
        /// Where.
        at: String,
        /// What is there.
        got: String,
        /// What should be.
        expected: String,
    },
    /// The first value that the recomputation does not give.
    #[error(transparent)]
    Difference(#[from] Difference),
    /// The engine refuses.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The float profile refuses.
    #[error(transparent)]
    Pow2(#[from] Pow2Error),
}

/// What was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// `exact` or `pow2-f16`.
    pub profile: &'static str,
    /// Cases.
    pub cases: usize,
    /// Nonces.
    pub nonces: usize,
    /// Values.
    pub values: u64,
}

/// Recomputes every case of `document` with `threads` threads and `max_memory` bytes, and compares.
///
/// # Errors
/// [`VectorsError::Difference`] with the first difference; [`VectorsError::Format`] if nothing could be compared.
pub fn check(
    document: &Value,
    engine: &mut dyn Engine,
    threads: usize,
    max_memory: u64,
    progress: &mut Progress<'_>,
) -> Result<Checked, VectorsError> {
    let one = std::slice::from_ref(document);
    let (cases, inside) = match document.get("cases") {
        Some(cases) => (list(cases, "cases")?, true),
        None => (one, false),
    };
    let first = cases.first().ok_or_else(|| format_error("cases", "empty", "at least one case"))?;
    let is_float = first.get("params").is_some();
    let profile = if is_float { "pow2-f16" } else { "exact" };
    let mut checked = Checked { profile, cases: cases.len(), nonces: 0, values: 0 };
    if !is_float {
        diff::compare("", document, &exact::tables(document)?, &["about", "cases"], &mut checked.values)?;
    }
    for (i, case) in cases.iter().enumerate() {
        let at = if inside { format!("cases[{i}].") } else { String::new() };
        let fields = Fields { value: case, at: &at };
        let (computed, nonces) = if is_float {
            pow2::recompute(&fields, threads, max_memory, progress)?
        } else {
            exact::recompute(&fields, engine, progress)?
        };
        checked.nonces += nonces;
        let path = at.trim_end_matches('.');
        diff::compare(path, case, &computed, &["about", "shape_name"], &mut checked.values)?;
    }
    Ok(checked)
}

fn format_error(at: impl Into<String>, got: impl ToString, expected: impl ToString) -> VectorsError {
    VectorsError::Format { at: at.into(), got: got.to_string(), expected: expected.to_string() }
}

fn list<'a>(value: &'a Value, at: &str) -> Result<&'a [Value], VectorsError> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| format_error(at, diff::short(value), "a list"))
}

/// Fields of an object, read with errors that say where.
struct Fields<'a> {
    value: &'a Value,
    at: &'a str,
}

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Result<&'a Value, VectorsError> {
        self.value.get(name).ok_or_else(|| format_error(format!("{}{name}", self.at), "missing", "a value"))
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<T, VectorsError> {
        let value = self.get(name)?;
        read(value).ok_or_else(|| format_error(format!("{}{name}", self.at), diff::short(value), expected))
    }

    fn u64(&self, name: &str) -> Result<u64, VectorsError> {
        self.read(name, "a whole number below 2^64", Value::as_u64)
    }

    fn u32(&self, name: &str) -> Result<u32, VectorsError> {
        self.read(name, "a whole number below 2^32", |v| v.as_u64()?.try_into().ok())
    }

    fn f64(&self, name: &str) -> Result<f64, VectorsError> {
        self.read(name, "a number", Value::as_f64)
    }

    fn text(&self, name: &str) -> Result<&'a str, VectorsError> {
        self.read(name, "a text", Value::as_str)
    }

    fn bytes<const N: usize>(&self, name: &str) -> Result<[u8; N], VectorsError> {
        let expected = format!("{N} bytes in hexadecimal digits");
        self.read(name, &expected, |v| hex::decode(v.as_str()?).ok()?.try_into().ok())
    }
}
