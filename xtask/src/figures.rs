//! The pictures of `docs/challenge.md`, drawn from the reference: what they show is computed, never sketched by hand.
//!
//! Equal bytes on every machine: positions take only additions, products, quotients and square roots, which IEEE 754 fixes,
//! and are written with one decimal.

mod distances;
mod epoch;
mod score;
mod seeds;
mod sphere;
mod svg;
mod tree;

use std::path::Path;

use anyhow::{Context as _, ensure};

/// Where the pictures are.
const FOLDER: &str = "docs/images";

/// Pictures by the names of their files.
fn all() -> anyhow::Result<[(&'static str, String); 5]> {
    Ok([
        ("sphere.svg", sphere::draw()?),
        ("distances.svg", distances::draw()?),
        ("seeds.svg", seeds::draw()),
        ("commitment.svg", tree::draw()?),
        ("epoch.svg", epoch::draw()),
    ])
}

/// Writes the pictures under the root of the repository.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(root.join(FOLDER)).with_context(|| format!("cannot make {FOLDER}"))?;
    for (name, text) in all()? {
        let path = root.join(FOLDER).join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("{}", path.display());
    }
    Ok(())
}

/// Compares the pictures under the root of the repository with what would be written.
///
/// # Errors
/// The first file that is missing or differs, and what to do.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    for (name, text) in all()? {
        let path = root.join(FOLDER).join(name);
        let found =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(found == text, "{} is not current: run `cargo xtask figures`", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_pictures_are_what_the_reference_gives() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        check(root).unwrap();
        let named = std::fs::read_to_string(root.join("docs/challenge.md")).unwrap();
        for (name, text) in all().unwrap() {
            assert!(named.contains(&format!("images/{name}")), "docs/challenge.md does not show {name}");
            assert!(
                text.contains("<title") && text.contains("<desc"),
                "{name} says nothing to a reader of screens"
            );
        }
    }

    #[test]
    fn a_stale_picture_is_named() {
        let folder = std::env::temp_dir().join(format!("geodesic-figures-{}", std::process::id()));
        write(&folder).unwrap();
        check(&folder).unwrap();
        let path = folder.join(FOLDER).join("seeds.svg");
        std::fs::write(&path, "<svg/>").unwrap();
        let error = check(&folder).unwrap_err().to_string();
        assert!(error.contains("seeds.svg") && error.contains("cargo xtask figures"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
