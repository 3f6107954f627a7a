//! Configuration files that people edit too: single values are changed, comments and order stay.

use std::path::Path;

use anyhow::{Context as _, bail};
use toml_edit::{DocumentMut, Item, TableLike, Value};

use crate::home;

/// Longest configuration file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The file as a document.
///
/// # Errors
/// The file cannot be read, is longer than 1 MiB, or is no TOML.
pub fn load(path: &Path) -> anyhow::Result<DocumentMut> {
    let text = home::read_bounded(path, MAX_BYTES)?;
    text.parse().with_context(|| format!("{} is malformed", path.display()))
}

/// The value at a dotted key, such as `p2p.laddr`.
#[must_use]
pub fn get<'a>(doc: &'a DocumentMut, key: &str) -> Option<&'a Item> {
    let mut item = doc.as_item();
    for part in key.split('.') {
        item = item.as_table_like()?.get(part)?;
    }
    Some(item)
}

/// The text at a dotted key; empty if there is none.
#[must_use]
pub fn text<'a>(doc: &'a DocumentMut, key: &str) -> &'a str {
    get(doc, key).and_then(Item::as_str).unwrap_or_default()
}

/// Replaces the value at a dotted key that is there already, by one of the same kind.
///
/// # Errors
/// There is no such key, or `value` is not of its kind.
pub fn set(doc: &mut DocumentMut, key: &str, value: &str) -> anyhow::Result<()> {
    let (path, name) = key.rsplit_once('.').unwrap_or(("", key));
    let mut table: &mut dyn TableLike = doc.as_table_mut();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let inner = table.get_mut(part).and_then(Item::as_table_like_mut);
        table = inner.with_context(|| format!("no section {part:?} for key {key:?}"))?;
    }
    let item = table.get_mut(name).with_context(|| format!("no key {key:?}"))?;
    let Some(old) = item.as_value_mut() else { bail!("{key:?} is a section, not a value") };
    let mut new = parse_like(old, value).with_context(|| format!("{key} = {value:?}"))?;
    *new.decor_mut() = old.decor().clone();
    *old = new;
    Ok(())
}

/// `text` as a value of the kind of `old`.
fn parse_like(old: &Value, text: &str) -> anyhow::Result<Value> {
    Ok(match old {
        Value::String(_) => text.into(),
        Value::Integer(_) => text.parse::<i64>().context("must be a whole number")?.into(),
        Value::Boolean(_) => text.parse::<bool>().context("must be true or false")?.into(),
        _ => text.parse::<Value>().context("must be a TOML value")?,
    })
}

/// Replaces values by those that `lookup` has for their dotted keys.
///
/// # Errors
/// A value that is not of its key's kind.
pub fn overlay(doc: &mut DocumentMut, lookup: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    for key in keys(doc.as_table(), "") {
        if let Some(value) = lookup(&key) {
            set(doc, &key, &value)?;
        }
    }
    Ok(())
}

/// The dotted keys of all values.
fn keys(table: &dyn TableLike, prefix: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (name, item) in table.iter() {
        match item.as_table_like() {
            Some(inner) => all.extend(keys(inner, &format!("{prefix}{name}."))),
            None => all.push(format!("{prefix}{name}")),
        }
    }
    all
}

/// Adds sections and values that `template` has and the file lacks, with their comments.
///
/// Returns the keys added.
pub fn complete(doc: &mut DocumentMut, template: &DocumentMut) -> Vec<String> {
    let mut added = Vec::new();
    add_missing(doc.as_table_mut(), template.as_table(), "", &mut added);
    added
}

fn add_missing(table: &mut dyn TableLike, template: &dyn TableLike, prefix: &str, added: &mut Vec<String>) {
    for (name, item) in template.iter() {
        let key = format!("{prefix}{name}");
        match (table.get_mut(name).map(Item::as_table_like_mut), item.as_table_like()) {
            (Some(Some(inner)), Some(wanted)) => add_missing(inner, wanted, &format!("{key}."), added),
            (Some(_), _) => {}
            (None, _) => {
                if let Some((written, _)) = template.get_key_value(name) {
                    table.entry_format(written).or_insert(item.clone());
                    added.push(key);
                }
            }
        }
    }
}

/// Reads a file, changes values, writes it back.
///
/// # Errors
/// As [`load`] and [`set`].
pub fn edit(path: &Path, changes: &[(&str, &str)]) -> anyhow::Result<()> {
    let mut doc = load(path)?;
    for (key, value) in changes {
        set(&mut doc, key, value).with_context(|| path.display().to_string())?;
    }
    home::write_public(path, doc.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_keeps_comments_and_kinds() {
        let text = "# top\na = 1 # one\n[s.t]\nb = \"x\"\nc = [] # list\nd = false\n";
        let mut doc: DocumentMut = text.parse().unwrap();
        for (key, value) in [("a", "2"), ("s.t.b", "y \"z\""), ("s.t.c", "[\"*\"]"), ("s.t.d", "true")] {
            set(&mut doc, key, value).unwrap();
        }
        let want = "# top\na = 2 # one\n[s.t]\nb = 'y \"z\"'\nc = [\"*\"] # list\nd = true\n";
        assert_eq!(doc.to_string(), want);
        for (key, value) in
            [("a", "two"), ("s.t.d", "yes"), ("s.x", "1"), ("x", "1"), ("s.t", "1"), ("s.t.c", "[")]
        {
            assert!(set(&mut doc, key, value).is_err(), "{key} = {value}");
        }
        assert_eq!(doc.to_string(), want, "a refused change changes nothing");
        assert_eq!(text_of(&doc), "y \"z\"");
    }

    #[test]
    fn values_are_laid_over_and_missing_ones_added() {
        let template: DocumentMut =
            "# first\na = 1\n[s]\n# of b\nb = \"x\"\nc = true\n[t]\nd = 2\n".parse().unwrap();
        let mut doc: DocumentMut = "a = 5\n[s]\nc = false\nown = 1\n".parse().unwrap();
        assert_eq!(complete(&mut doc, &template), ["s.b", "t"]);
        assert_eq!(doc.to_string(), "a = 5\n[s]\nc = false\nown = 1\n# of b\nb = \"x\"\n[t]\nd = 2\n");
        assert!(complete(&mut doc, &template).is_empty(), "once");

        overlay(&mut doc, &|key| (key == "s.c").then(|| "true".to_owned())).unwrap();
        assert_eq!(get(&doc, "s.c").unwrap().as_bool(), Some(true));
        let error = overlay(&mut doc, &|key| (key == "t.d").then(|| "two".to_owned())).unwrap_err();
        assert!(format!("{error:#}").contains("t.d") && format!("{error:#}").contains("whole number"));
    }

    fn text_of(doc: &DocumentMut) -> &str {
        super::text(doc, "s.t.b")
    }
}
