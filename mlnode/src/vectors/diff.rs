//! The first place where two documents differ.
use serde_json::Value;

/// Allowed between two distances in f32 arithmetic, of devices that add in other orders.
const DISTANCE_TOLERANCE: f64 = 1e-5;
/// Allowed between other real values: logits are a hundred times smaller than distances.
const TOLERANCE: f64 = 1e-6;

/// A value of a file that the recomputation does not give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at} is {expected} in the file, computed {got}")]
pub struct Difference {
    /// Where, as a path.
    pub at: String,
    /// The value in the file.
    pub expected: String,
    /// The value computed.
    pub got: String,
}

/// A value in few characters.
pub(super) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Compares what `file` holds with what was computed; fields named in `remarks` are not compared at the top level.
pub(super) fn compare(
    at: &str,
    file: &Value,
    computed: &Value,
    remarks: &[&str],
    values: &mut u64,
) -> Result<(), Difference> {
    let differ = |got: String| Difference { at: at.to_owned(), expected: short(file), got };
    match (file, computed) {
        (Value::Object(file), Value::Object(computed)) => {
            for (name, value) in file.iter().filter(|(name, _)| !remarks.contains(&name.as_str())) {
                let dot = if at.is_empty() { "" } else { "." };
                let at = format!("{at}{dot}{name}");
                let Some(computed) = computed.get(name) else {
                    return Err(Difference { at, expected: short(value), got: "no such value".into() });
                };
                compare(&at, value, computed, &[], values)?;
            }
            Ok(())
        }
        (Value::Array(file), Value::Array(computed)) if file.len() == computed.len() => {
            let mut pairs = file.iter().zip(computed).enumerate();
            pairs.try_for_each(|(i, (file, computed))| {
                compare(&format!("{at}[{i}]"), file, computed, &[], values)
            })
        }
        (Value::Array(_), Value::Array(computed)) => Err(differ(format!("{} values", computed.len()))),
        _ => {
            *values += 1;
            if equal(at, file, computed) { Ok(()) } else { Err(differ(short(computed))) }
        }
    }
}

fn equal(at: &str, file: &Value, computed: &Value) -> bool {
    match (file, computed) {
        // Real numbers: whole ones are compared as they stand.
        (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => {
            let tolerance = if at.contains(".dist") { DISTANCE_TOLERANCE } else { TOLERANCE };
            a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= tolerance)
        }
        _ => file == computed,
    }
}
