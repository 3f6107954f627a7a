//! Which RocksDB is linked: the system's if its version fits, else the bundled source.

use std::path::Path;

use anyhow::Context as _;

use crate::{exec, packages};

/// Writes the cargo configuration that selects RocksDB; `.cargo/config.toml` includes it.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn configure(file: &Path) -> anyhow::Result<()> {
    let system = packages::installed("librocksdb-dev").filter(|version| fits(version)).and_then(|_| {
        let list = exec::output("dpkg", &["-L", "librocksdb-dev"])?;
        system_config(&list)
    });
    let text = match system {
        Some(text) => text,
        None => {
            let gcc = exec::output("gcc", &["-dumpfullversion"]).unwrap_or_default();
            eprintln!(
                "RocksDB 7.8 to 7.10 is not installed: the bundled source is built, about 20 CPU-minutes a profile"
            );
            bundled_config(&gcc)
        }
    };
    // A new time stamp would make cargo build again.
    if std::fs::read_to_string(file).is_ok_and(|old| old == text) {
        return Ok(());
    }
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Whether the bindings fit the headers of this version.
pub(crate) fn fits(version: &str) -> bool {
    matches!(exec::numbers(version).as_slice(), [7, 8..=10, ..])
}

/// Configuration for the files of the package.
fn system_config(files: &str) -> Option<String> {
    let dir_of = |suffix: &str| files.lines().find_map(|line| line.trim().strip_suffix(suffix));
    let (lib, include) = (dir_of("/librocksdb.so")?, dir_of("/rocksdb/c.h")?);
    Some(format!("[env]\nROCKSDB_LIB_DIR = {lib:?}\nROCKSDB_INCLUDE_DIR = {include:?}\n"))
}

/// Configuration for building the bundled source. It lacks an include that gcc 13 does not add by itself any more.
fn bundled_config(gcc: &str) -> String {
    match exec::numbers(gcc).first() {
        Some(13..) => "[env]\nCXXFLAGS = \"-include cstdint\"\n".to_owned(),
        _ => "[env]\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_that_the_bindings_fit_are_linked() {
        for (version, good) in [
            ("7.8.3-2", true),
            ("7.10.2-1", true),
            ("7.7.0", false),
            ("8.9.1-2", false),
            ("6.29", false),
            ("", false),
        ] {
            assert_eq!(fits(version), good, "{version}");
        }
    }

    #[test]
    fn configurations() {
        let files = "/.\n/usr/include/rocksdb/c.h\n/usr/include/rocksdb/db.h\n/usr/lib/x86_64-linux-gnu/librocksdb.a\n\
                     /usr/lib/x86_64-linux-gnu/librocksdb.so";
        let want = "[env]\nROCKSDB_LIB_DIR = \"/usr/lib/x86_64-linux-gnu\"\nROCKSDB_INCLUDE_DIR = \"/usr/include\"\n";
        assert_eq!(system_config(files).as_deref(), Some(want));
        assert_eq!(system_config("/usr/include/rocksdb/c.h"), None);
        assert!(bundled_config("13.2.0").contains("cstdint"));
        assert_eq!(bundled_config("12.2.0"), "[env]\n");
    }
}
