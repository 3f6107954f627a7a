//! Rules for a denomination's description (`x/bank/types/metadata.go`).

use std::collections::BTreeSet;

use geodesic_core::coin::validate_denom;
use geodesic_proto::cosmos::bank::v1beta1::{DenomUnit, Metadata};

/// Checks a description of a denomination.
///
/// # Errors
/// A text that names the rule and the value.
pub(crate) fn validate(m: &Metadata) -> Result<(), String> {
    for (name, value) in [("name", &m.name), ("symbol", &m.symbol)] {
        if value.trim().is_empty() {
            return Err(format!("{name} field cannot be blank"));
        }
    }
    for (name, denom) in [("base", &m.base), ("display", &m.display)] {
        validate_denom(denom).map_err(|e| format!("invalid metadata {name} denom: {e}"))?;
    }
    let mut seen = BTreeSet::new();
    let mut exponent = None;
    for unit in &m.denom_units {
        match exponent {
            None if unit.denom != m.base || unit.exponent != 0 => {
                return Err(format!("the first denomination unit must be {} with exponent 0", m.base));
            }
            Some(last) if last >= unit.exponent => {
                return Err("denom units should ascend by exponent".to_owned());
            }
            _ => exponent = Some(unit.exponent),
        }
        if !seen.insert(&unit.denom) {
            return Err(format!("duplicate denomination unit {}", unit.denom));
        }
        validate_unit(unit)?;
    }
    if !seen.contains(&m.display) {
        return Err(format!("no denomination unit has the display denom {}", m.display));
    }
    Ok(())
}

fn validate_unit(unit: &DenomUnit) -> Result<(), String> {
    validate_denom(&unit.denom).map_err(|e| format!("invalid denom unit: {e}"))?;
    let mut seen = BTreeSet::new();
    for alias in &unit.aliases {
        if alias.trim().is_empty() || !seen.insert(alias) {
            return Err(format!("alias {alias:?} of denom unit {} is blank or double", unit.denom));
        }
    }
    Ok(())
}
