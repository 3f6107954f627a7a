//! States of a chain: messages whose lists are too long to be translated at once.

use std::collections::BTreeMap;

use prost::{Message, Name};
use serde_json::value::RawValue;

use super::{JsonError, Options, bytes_to_json, from_json, json_to_bytes};

/// Text of a list above which it is translated in parts, and of a part, in bytes.
const PART_BYTES: usize = 1 << 20;

/// As [`from_json`], without a bound on the length of lists: those of more than a megabyte are translated in parts.
///
/// # Errors
/// As [`from_json`]; the bound of 64 MiB is on each item and on what is outside of long lists.
pub fn from_long_json<T: Message + Name + Default>(json: &str) -> Result<T, JsonError> {
    if json.len() <= PART_BYTES {
        return from_json(json);
    }
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json)?;
    let (mut message, mut rest) = (T::default(), Vec::new());
    for (name, value) in &fields {
        let name = serde_json::to_string(name)?;
        if value.get().len() <= PART_BYTES || !value.get().starts_with('[') {
            rest.push(format!("{name}:{value}"));
            continue;
        }
        let items: Vec<&RawValue> = serde_json::from_str(value.get())?;
        for part in parts(&items) {
            merge(&mut message, &format!("{{{name}:[{part}]}}"))?;
        }
    }
    // Last, since a part stands for default values of all other fields.
    merge(&mut message, &format!("{{{}}}", rest.join(",")))?;
    Ok(message)
}

/// As [`super::to_json`], of any length.
///
/// # Errors
/// As [`super::to_json`].
pub fn to_long_json<T: Message + Name>(message: &T) -> Result<String, JsonError> {
    let options = Options { max_bytes: usize::MAX, ..Options::default() };
    bytes_to_json(&T::full_name(), &message.encode_to_vec(), options)
}

/// Lists of one message add up when its encodings are merged.
fn merge<T: Message + Name>(message: &mut T, json: &str) -> Result<(), JsonError> {
    Ok(message.merge(json_to_bytes(&T::full_name(), json, Options::default())?.as_slice())?)
}

/// The items joined by commas, about [`PART_BYTES`] at a time.
fn parts(items: &[&RawValue]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for item in items.iter().map(|item| item.get()) {
        match out.last_mut().filter(|part| part.len() < PART_BYTES) {
            Some(part) => {
                part.push(',');
                part.push_str(item);
            }
            None => out.push(item.to_owned()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cosmos::auth::v1beta1::{BaseAccount, GenesisState, Params};
    use crate::{any, json};

    /// Parts and order of fields do not show in the message.
    #[test]
    fn a_long_list_reads_as_a_short_one() {
        let params = Params { max_memo_characters: 7, ..Params::default() };
        let account =
            |n: u64| BaseAccount { address: "a".repeat(200), account_number: n, ..BaseAccount::default() };
        let mut state = GenesisState { params: Some(params), accounts: Vec::new() };
        for count in [0, 3, 20_000] {
            state.accounts = (0..count).map(|n| any::pack(&account(n))).collect();
            let text = to_long_json(&state).unwrap();
            assert_eq!(text.len() > 2 * PART_BYTES, count > 3);
            assert_eq!(from_long_json::<GenesisState>(&text).unwrap(), state, "{count}");
        }
        let text = to_long_json(&state).unwrap();
        let (params, accounts) = text.strip_prefix('{').unwrap().split_once(",\"accounts\"").unwrap();
        let turned = format!("{{\"accounts\"{},{params}}}", accounts.strip_suffix('}').unwrap());
        assert_eq!(from_long_json::<GenesisState>(&turned).unwrap(), state);
        let bad = text.replacen("\"account_number\":\"9\"", "\"account_number\":\"nine\"", 1);
        let error = from_long_json::<GenesisState>(&bad).unwrap_err();
        assert!(error.to_string().contains("nine"), "{error}");
        assert!(matches!(json::from_json::<GenesisState>(&"[".repeat(100)), Err(JsonError::Syntax(_))));
    }
}
