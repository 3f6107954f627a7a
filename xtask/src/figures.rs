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

/// A picture by the name of its file.
type Picture = (&'static str, String);

fn draw() -> anyhow::Result<[Picture; 5]> {
    Ok([
        ("sphere.svg", sphere::draw()?),
        ("distances.svg", distances::draw()?),
        ("seeds.svg", seeds::draw()),
        ("commitment.svg", tree::draw()?),
        ("epoch.svg", epoch::draw()),
    ])
}

/// Writes the pictures under the root of the repository, or only compares them with what is there.
///
/// # Errors
/// A file cannot be written; or the first one that is missing or not current, and what to do.
pub(crate) fn run(root: &Path, check: bool) -> anyhow::Result<()> {
    let pictures = draw()?;
    if check { compare(root, &pictures) } else { write(root, &pictures) }
}

fn write(root: &Path, pictures: &[Picture]) -> anyhow::Result<()> {
    std::fs::create_dir_all(root.join(FOLDER)).with_context(|| format!("cannot make {FOLDER}"))?;
    for (name, text) in pictures {
        let path = root.join(FOLDER).join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("{}", path.display());
    }
    Ok(())
}

fn compare(root: &Path, pictures: &[Picture]) -> anyhow::Result<()> {
    for (name, text) in pictures {
        let path = root.join(FOLDER).join(name);
        let remedy = || format!("{} is not current: run `cargo xtask figures`", path.display());
        let found = std::fs::read_to_string(&path).with_context(remedy)?;
        ensure!(found == *text, remedy());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_pictures_are_what_the_reference_gives() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let pictures = draw().unwrap();
        compare(root, &pictures).unwrap();
        let page = std::fs::read_to_string(root.join("docs/challenge.md")).unwrap();
        for (name, text) in &pictures {
            assert!(page.contains(&format!("(images/{name})")), "docs/challenge.md does not show {name}");
            assert!(
                text.contains("<title") && text.contains("<desc"),
                "{name} says nothing to who cannot see it"
            );
        }
    }

    #[test]
    fn a_stale_or_missing_picture_is_named() {
        let folder = std::env::temp_dir().join(format!("geodesic-figures-{}", std::process::id()));
        let pictures = [("a.svg", "<svg>a</svg>".to_owned()), ("b.svg", "<svg>b</svg>".to_owned())];
        write(&folder, &pictures).unwrap();
        compare(&folder, &pictures).unwrap();
        let path = folder.join(FOLDER).join("b.svg");
        for change in [|path: &Path| std::fs::write(path, "<svg/>"), |path: &Path| std::fs::remove_file(path)]
        {
            change(&path).unwrap();
            let error = compare(&folder, &pictures).unwrap_err().to_string();
            assert!(error.contains("b.svg") && error.contains("cargo xtask figures"), "{error}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
