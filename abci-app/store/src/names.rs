//! Names of stores.

use std::collections::BTreeSet;

use geodesic_core::store::StoreId;

use crate::error::{Error, Result};

/// Names are printable ASCII and differ.
pub(crate) fn check(stores: &[StoreId]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for store in stores {
        let name = store.name();
        let printable = !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_graphic());
        if !printable || !seen.insert(name) {
            return Err(Error::StoreName(name.to_owned()));
        }
    }
    Ok(())
}
