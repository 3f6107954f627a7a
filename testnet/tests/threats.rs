//! `docs/threats.md` names tests; they must be there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_is_named_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("docs/threats.md")).unwrap();
    let mut count = 0;
    for name in text.split('`').skip(1).step_by(2).filter(|name| name.contains(".rs: ")) {
        let (file, function) = name.split_once(": ").unwrap();
        let source = fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(source.contains(&format!("fn {function}(")), "{file} has no {function}");
        count += 1;
    }
    assert!(count > 50, "{count} tests are named");
}
