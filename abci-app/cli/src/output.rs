//! Results as YAML or JSON, and questions to the user.

use std::io::Write as _;

use serde_json::Value;

use crate::context::Output;

/// Prints a result to standard output: JSON on one line, or YAML with keys in alphabetical order as the SDK prints it.
///
/// # Errors
/// Standard output is closed.
pub fn print(format: Output, value: &Value) -> std::io::Result<()> {
    let text = match format {
        Output::Json => json_text(value),
        Output::Text => yaml(value),
    };
    line(text.trim_end())
}

/// A value as JSON on one line, `<`, `>` and `&` escaped as Go does it.
#[must_use]
pub fn json_text(value: &Value) -> String {
    let text = value.to_string();
    // These characters stand in strings alone.
    let escape = |c: char| match c {
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    if text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        text.chars().map(escape).collect()
    } else {
        text
    }
}

/// Prints a line to standard output.
///
/// # Errors
/// Standard output is closed.
pub fn line(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Asks on standard error and reads `y` or `yes` from standard input; anything else is a no.
///
/// # Errors
/// Standard input is closed: in scripts, `-y` answers beforehand.
pub fn confirm(question: &str) -> anyhow::Result<bool> {
    let mut err = std::io::stderr().lock();
    write!(err, "{question} [y/N]: ")?;
    err.flush()?;
    let answer = geodesic_client::prompt::read_line().map_err(|error| {
        anyhow::anyhow!("no answer to {question:?} ({error}); give -y to answer beforehand")
    })?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// A JSON value as YAML, keys in alphabetical order.
#[must_use]
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, false, &mut out);
    out
}

/// Writes a value whose first line goes on where `out` ends; `nested` after a key or dash.
fn block(value: &Value, indent: usize, nested: bool, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            for (i, (key, value)) in entries.into_iter().enumerate() {
                if i > 0 || !nested {
                    pad(indent, out);
                }
                out.push_str(&scalar(key));
                out.push(':');
                entry(value, indent, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (i, item) in items.iter().enumerate() {
                if i > 0 || !nested {
                    pad(indent, out);
                }
                out.push_str("- ");
                block(item, indent + 2, true, out);
            }
        }
        Value::String(text) => line_of(&scalar(text), out),
        Value::Array(_) => line_of("[]", out),
        Value::Object(_) => line_of("{}", out),
        other => line_of(&other.to_string(), out),
    }
}

/// The value of a key: containers begin on the next line, lists at the key's own indentation.
fn entry(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            block(value, indent + 2, false, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(value, indent, false, out);
        }
        _ => {
            out.push(' ');
            block(value, indent, true, out);
        }
    }
}

fn line_of(text: &str, out: &mut String) {
    out.push_str(text);
    out.push('\n');
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// A string, in quotes if YAML would read it as something else.
fn scalar(text: &str) -> String {
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || "/._+=-@ ()<>;".contains(c) || (!c.is_ascii() && !c.is_control())
    };
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "" | "~" | "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    // Numbers, also those with `_`, hexadecimal ones and times.
    let number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.chars().all(|c| c.is_ascii_hexdigit() || "+-._xoTZ".contains(c));
    let starts = text.starts_with(|c: char| "-@ =<>".contains(c)) || text.ends_with(' ');
    if word || number || text.chars().any(char::is_control) {
        return Value::from(text).to_string();
    }
    if starts || !text.chars().all(plain) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_escaped_as_go_does_it() {
        let value = json!({"memo": "a <b> & \"c\" \u{2028}"});
        let text = json_text(&value);
        assert_eq!(text, r#"{"memo":"a \u003cb\u003e \u0026 \"c\" \u2028"}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn yaml_is_the_sdks() {
        for (name, value, want) in [
            (
                "coins",
                json!({"balances": [{"denom": "ugeo", "amount": "5"}], "pagination": {"total": "0"}}),
                "balances:\n- amount: \"5\"\n  denom: ugeo\npagination:\n  total: \"0\"\n",
            ),
            (
                "empty ones",
                json!({"a": [], "b": {}, "c": null, "d": "", "e": true}),
                "a: []\nb: {}\nc: null\nd: \"\"\ne: true\n",
            ),
            (
                "a list at the top",
                json!([{"name": "alice", "type": "local"}]),
                "- name: alice\n  type: local\n",
            ),
            ("lists in lists", json!([["a", "b"], []]), "- - a\n  - b\n- []\n"),
            ("a key of JSON", json!({"pubkey": "{\"@type\":\"/x\"}"}), "pubkey: '{\"@type\":\"/x\"}'\n"),
            (
                "numbers",
                json!({"count": 5, "dec": "0.05", "hex": "0xAB", "hash": "123E45", "version": "v0.38.25"}),
                "count: 5\ndec: \"0.05\"\nhash: \"123E45\"\nhex: \"0xAB\"\nversion: v0.38.25\n",
            ),
            (
                "words",
                json!(["yes", "null", "it's", "a: b", "line\nbreak", "- x"]),
                "- \"yes\"\n- \"null\"\n- 'it''s'\n- 'a: b'\n- \"line\\nbreak\"\n- '- x'\n",
            ),
            (
                "a type",
                json!({"@type": "/cosmos.auth.v1beta1.BaseAccount"}),
                "'@type': /cosmos.auth.v1beta1.BaseAccount\n",
            ),
        ] {
            assert_eq!(yaml(&value), want, "{name}");
        }
    }
}
