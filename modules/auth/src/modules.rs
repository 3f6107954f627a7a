//! The accounts that modules hold coins in: one table of names and permissions for the whole chain.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use geodesic_core::Address;
pub use geodesic_core::address::module_address;

/// May create coins.
pub const MINTER: &str = "minter";
/// May destroy coins.
pub const BURNER: &str = "burner";
/// May hold delegated coins.
pub const STAKING: &str = "staking";

/// Where fees go.
pub const FEE_COLLECTOR: &str = "fee_collector";
/// Who may change parameters.
pub const GOV: &str = "gov";

/// Name and permissions of every module account, ascending by name.
pub const MODULE_ACCOUNTS: &[(&str, &[&str])] = &[
    ("bonded_tokens_pool", &[BURNER, STAKING]),
    ("distribution", &[]),
    (FEE_COLLECTOR, &[]),
    ("feeibc", &[]),
    (GOV, &[BURNER]),
    ("interchainaccounts", &[]),
    ("mint", &[MINTER]),
    ("not_bonded_tokens_pool", &[BURNER, STAKING]),
    ("pow", &[BURNER]),
    ("rewards", &[MINTER]),
    ("transfer", &[MINTER, BURNER]),
];

/// Module accounts that a chain begins with, in the order of the SDK's modules: the numbers of later accounts follow theirs.
pub(crate) const AT_GENESIS: &[&str] =
    &[FEE_COLLECTOR, "distribution", "bonded_tokens_pool", "not_bonded_tokens_pool", GOV, "mint"];

/// Module accounts that anyone may send coins to.
const RECEIVERS: &[&str] = &[GOV];

/// What a module account may do with coins; `None` if there is no such account.
pub fn permissions(name: &str) -> Option<&'static [&'static str]> {
    MODULE_ACCOUNTS.iter().find(|(n, _)| *n == name).map(|(_, permissions)| *permissions)
}

/// Whether a module account has a permission.
pub fn has_permission(name: &str, permission: &str) -> bool {
    permissions(name).is_some_and(|p| p.contains(&permission))
}

/// Whether users may not send coins to this address: module accounts, the governance account excepted.
pub fn is_blocked(address: &Address) -> bool {
    static BLOCKED: OnceLock<BTreeSet<Address>> = OnceLock::new();
    let names = || MODULE_ACCOUNTS.iter().map(|(name, _)| *name).filter(|name| !RECEIVERS.contains(name));
    BLOCKED.get_or_init(|| names().map(module_address).collect()).contains(address)
}
